//! Answers searched for what must not be in them.

use crate::answer::Reply;
use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::collections::BTreeSet;

/// The words by which a tenant's things are known wherever they turn up.
#[derive(Clone, Debug)]
pub struct Canaries {
    words: Vec<String>,
    search: AhoCorasick,
    /// Which word each pattern of the search stands for.
    patterns: Vec<usize>,
}

impl Canaries {
    /// Searches for `words`, each at least eight characters, in any case, plain, as base64 and as hexadecimal digits.
    #[must_use]
    pub fn new(words: impl IntoIterator<Item = String>) -> Self {
        let words: Vec<String> =
            words.into_iter().filter(|word| word.len() >= 8).collect::<BTreeSet<_>>().into_iter().collect();
        let mut patterns = Vec::new();
        let mut texts = Vec::new();
        for (index, word) in words.iter().enumerate() {
            for text in encodings(word) {
                patterns.push(index);
                texts.push(text);
            }
        }
        let search = AhoCorasick::builder().ascii_case_insensitive(true).build(&texts);
        // It fails past two billion patterns only. To go on without it would be to find nothing anywhere.
        let search = search.expect("the canaries of a tenant are a handful of words");
        Self { words, search, patterns }
    }

    /// The words found in headers and body, but for those in `named`: an answer may repeat what the request said.
    #[must_use]
    pub fn found(&self, reply: Reply<'_>, named: &[&str]) -> Vec<&str> {
        let mut found = BTreeSet::new();
        let values = reply.headers.iter().map(|(_, value)| value.as_bytes());
        for text in values.chain([reply.body]) {
            for hit in self.search.find_overlapping_iter(text) {
                found.insert(self.patterns[hit.pattern().as_usize()]);
            }
        }
        found
            .into_iter()
            .map(|index| self.words[index].as_str())
            .filter(|word| !named.iter().any(|name| name.to_ascii_lowercase().contains(&word.to_ascii_lowercase())))
            .collect()
    }
}

fn encodings(word: &str) -> Vec<String> {
    let hex = word.bytes().map(|b| format!("{b:02x}")).collect::<String>();
    let mut all = vec![word.to_owned(), hex];
    // A word inside a longer text begins at one of three places of a base64 group; the ends depend on the neighbours.
    for shift in 0..3_usize {
        let mut bytes = vec![0; shift];
        bytes.extend(word.bytes());
        let text = STANDARD_NO_PAD.encode(&bytes);
        let start = [0, 2, 3][shift];
        let whole = bytes.len() * 8 / 6;
        all.push(text[start..whole].to_owned());
    }
    all
}
