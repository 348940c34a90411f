//! Steps and claims as the file says them: on a line each, with every value filled in.

use crate::secret;
use crate::source::Span;
use crate::suggest::short;
use crate::tree::{Entry, Kind, Node, Plain, resolve};
use std::collections::BTreeMap;

/// A list shows so many of its values.
const SHOWN: usize = 8;

/// How the parameters of steps and claims are written, by the spans that these have where they are `Located`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wording(BTreeMap<Span, String>);

impl Wording {
    /// The parameters as YAML on one line, e.g. `{ devices: [hvac], within: 60s }`; what holds steps or claims is left out,
    /// long texts and lists are cut short, what looks like a secret is masked. Empty where there are none.
    #[must_use]
    pub fn of(&self, span: Span) -> &str {
        self.0.get(&span).map_or("", String::as_str)
    }

    /// Keeps what stands under the word at `span`, but for the keys that `is_apart` has a line of its own for.
    pub(crate) fn keep(&mut self, span: Span, parameters: &Node, is_apart: impl Fn(&str) -> bool) {
        let Kind::Block(entries) = &parameters.kind else { return };
        let entries: Vec<&Entry> = entries.iter().filter(|entry| !is_apart(&entry.key)).collect();
        if !entries.is_empty() {
            let text = block(entries.into_iter());
            let secrets = secret::find(&text);
            self.0.insert(span, secret::mask(&text, &secrets));
        }
    }
}

fn block<'a>(entries: impl Iterator<Item = &'a Entry>) -> String {
    let entries: Vec<String> =
        entries.map(|entry| format!("{}: {}", scalar(&entry.key, true), value(&entry.value))).collect();
    if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
}

fn value(node: &Node) -> String {
    match &node.kind {
        Kind::Scalar { text, .. } => scalar(text, node.plain() == Plain::Text),
        Kind::Late(text) => scalar(text, true),
        Kind::List(values) => {
            let mut shown: Vec<String> = values.iter().take(SHOWN).map(value).collect();
            if values.len() > SHOWN {
                shown.push(format!("… {} more", values.len() - SHOWN));
            }
            format!("[{}]", shown.join(", "))
        }
        Kind::Block(entries) => block(entries.iter()),
        Kind::Broken => "…".to_owned(),
    }
}

/// A text as it may stand between the others: quoted where it would be read as something else.
fn scalar(text: &str, is_text: bool) -> String {
    let must_be_quoted = text.is_empty()
        || text.trim() != text
        || is_text && resolve(text) != Plain::Text
        || text.starts_with(['!', '&', '*', '?', '|', '>', '%', '@', '`', '#', ':', '\''])
        || text.contains([',', '[', ']', '{', '}', '"', '\n'])
        || [": ", " #"].iter().any(|meant| text.contains(meant))
        || text.ends_with(':')
        || text == "-"
        || text.starts_with("- ");
    let text = short(text);
    if must_be_quoted { format!("{text:?}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sources;
    use crate::tree::parse;
    use proptest::prelude::*;

    fn tree(text: &str) -> Node {
        let mut sources = Sources::new();
        let file = sources.add("steps.yaml", text.to_owned());
        parse(sources.file(file).unwrap()).0.unwrap()
    }

    /// What is kept of a block, all but the key `apart`.
    fn kept(text: &str) -> String {
        let mut wording = Wording::default();
        wording.keep(Span::default(), &tree(text), |word| word == "apart");
        wording.of(Span::default()).to_owned()
    }

    #[test]
    fn a_block_is_one_line_without_what_stands_apart() {
        let text = "a: 1\nb: \"1\"\nc: yes, of course\nd:\n  - x\n  - e: f\napart: [g]\n";
        assert_eq!(kept(text), r#"{ a: 1, b: "1", c: "yes, of course", d: [x, { e: f }] }"#);
        assert_eq!(kept("apart: [g]\n"), "");
    }

    #[test]
    fn long_lists_and_texts_are_cut() {
        assert_eq!(kept("a: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n"), "{ a: [1, 2, 3, 4, 5, 6, 7, 8, … 2 more] }");
        assert!(kept(&format!("a: {}\n", "b".repeat(1_000))).len() < 100);
    }

    #[test]
    fn what_looks_like_a_secret_is_masked() {
        let said = kept("a: Bearer 0123456789abcdefghij\nb: c\n");
        assert!(!said.contains("0123456789") && said.ends_with("b: c }"), "{said}");
    }

    proptest! {
        /// What is shown of a text is read as the same text.
        #[test]
        fn a_text_stays_what_it_is(text in "[ -~]{0,40}") {
            let shown = format!("{{ a: {} }}", scalar(&text, true));
            let Kind::Block(entries) = tree(&shown).kind else { panic!("{shown}") };
            let value = &entries[0].value;
            prop_assert_eq!((value.plain(), &value.kind), (Plain::Text, &Kind::Scalar {
                text: text.clone(),
                plain: matches!(&value.kind, Kind::Scalar { plain: true, .. }),
            }), "{}", shown);
        }
    }
}
