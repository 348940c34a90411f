//! Two answers compared but for what differs by nature, and searched for what must not be in them.

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};
use serde_json::Value;
use std::collections::BTreeSet;

/// An answer as it came, borrowed from whoever keeps it.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// HTTP status.
    pub status: u16,
    /// Headers in the order they came.
    pub headers: &'a [(String, String)],
    /// The whole body.
    pub body: &'a [u8],
}

/// Headers that differ between equal answers.
const MOVING: [&str; 9] = [
    "date",
    "content-length",
    "x-request-id",
    "x-men-requestid",
    "connection",
    "keep-alive",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "server",
];

/// The answer as one text in which ids, times and tokens are masked, and `named` (what the request itself named) too.
///
/// Two requests that differ only in what they name must, for a stranger, have equal canonical answers.
#[must_use]
pub fn canonical(reply: Reply<'_>, named: &[&str]) -> String {
    let mut lines: Vec<String> = reply
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| !MOVING.contains(&name.as_str()))
        .map(|(name, value)| match name.as_str() {
            "etag" => format!("{name}: ‹etag›"),
            "link" => format!("{name}: {}", relations(value)),
            _ => format!("{name}: {}", masked(value, named)),
        })
        .collect();
    lines.sort();
    lines.insert(0, reply.status.to_string());
    lines.push(String::new());
    lines.push(canonical_body(reply.body, named));
    lines.join("\n")
}

/// Which pages a list links to. The links themselves repeat the request.
fn relations(links: &str) -> String {
    links.split("rel=").skip(1).filter_map(|rest| rest.split([',', ';']).next()).collect::<Vec<_>>().join(" ")
}

fn canonical_body(body: &[u8], named: &[&str]) -> String {
    let Ok(text) = std::str::from_utf8(body) else {
        return format!("{} bytes of no text", body.len());
    };
    match serde_json::from_str::<Value>(text) {
        Ok(mut value) => {
            without_request_ids(&mut value);
            masked(&value.to_string(), named)
        }
        Err(_) => masked(text, named),
    }
}

fn without_request_ids(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("request_id");
            for (name, value) in fields {
                match value {
                    Value::String(secret) if name.ends_with("token") => *secret = "‹token›".to_owned(),
                    value => without_request_ids(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(without_request_ids),
        _ => {}
    }
}

/// The text with `named` replaced by `‹it›`, and each id, time, token and long number by a word for it.
#[must_use]
pub fn masked(text: &str, named: &[&str]) -> String {
    let named = named.iter().filter(|name| name.len() >= 4);
    let mut names: Vec<String> =
        named.flat_map(|name| [(*name).to_owned(), percent(name), percent_lower(name)]).collect();
    names.extend(names.iter().map(|name| name.to_ascii_uppercase()).collect::<Vec<_>>());
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names.dedup();
    let mut text = text.to_owned();
    for name in names {
        if text.contains(&name) {
            text = text.replace(&name, "‹it›");
        }
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(start) = rest.find(is_wordy) {
        let end = rest[start..].find(|c| !is_wordy(c)).map_or(rest.len(), |length| start + length);
        out.push_str(&rest[..start]);
        match seals(&out) {
            true => out.push_str("‹seal›"),
            false => mask_run(&rest[start..end], &mut out),
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// As it stands in a link.
fn percent(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

/// Likewise, with small letters in the escapes.
fn percent_lower(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02x}")),
        }
        out
    })
}

fn is_wordy(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '+')
}

/// Whether what comes next is the signature of a link.
fn seals(text: &str) -> bool {
    let end = text.char_indices().rev().nth(9).map_or(0, |(at, _)| at);
    let end = text[end..].to_ascii_lowercase();
    end.ends_with("signature=") || end.ends_with("sig=")
}

/// The text without tokens and without the signatures of links: what may be told of an answer.
#[must_use]
pub fn without_credentials(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_wordy) {
        let end = rest[start..].find(|c| !is_wordy(c)).map_or(rest.len(), |length| start + length);
        out.push_str(&rest[..start]);
        let run = &rest[start..end];
        match run {
            _ if seals(&out) => out.push_str("‹seal›"),
            run if run.starts_with("eyJ") => out.push_str("‹token›"),
            run => out.push_str(run),
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

fn mask_run(run: &str, out: &mut String) {
    if let Some(word) = moving_word(run) {
        out.push_str(word);
        return;
    }
    for (index, part) in run.split(':').enumerate() {
        if index > 0 {
            out.push(':');
        }
        out.push_str(moving_word(part).unwrap_or(part));
    }
}

/// What a run of letters is, if it is something that no two answers share.
fn moving_word(run: &str) -> Option<&'static str> {
    let bytes = run.as_bytes();
    let hex = |range: &[u8]| range.iter().all(u8::is_ascii_hexdigit);
    let uuid = bytes.len() == 36
        && bytes.iter().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        });
    let time = bytes.len() >= 19
        && bytes
            .iter()
            .zip(b"0000-00-00T00:00:00")
            .all(|(b, form)| if *form == b'0' { b.is_ascii_digit() } else { b == form });
    if uuid || (bytes.len() >= 24 && hex(bytes)) {
        Some("‹id›")
    } else if time {
        Some("‹time›")
    } else if run.starts_with("eyJ") && run.matches('.').count() == 2 {
        Some("‹token›")
    } else if bytes.len() >= 10 && bytes.iter().all(u8::is_ascii_digit) {
        Some("‹number›")
    } else {
        None
    }
}

/// The words by which a tenant's things are known wherever they turn up.
#[derive(Clone, Debug)]
pub struct Canaries {
    words: Vec<String>,
    search: Option<AhoCorasick>,
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
        let search = AhoCorasickBuilder::new().ascii_case_insensitive(true).build(&texts).ok();
        Self { words, search, patterns }
    }

    /// The words found in headers and body, but for those in `named`: an answer may repeat what the request said.
    #[must_use]
    pub fn found(&self, reply: Reply<'_>, named: &[&str]) -> Vec<&str> {
        let mut found = BTreeSet::new();
        let values = reply.headers.iter().map(|(_, value)| value.as_bytes());
        for text in values.chain([reply.body]) {
            let Some(search) = &self.search else { continue };
            for hit in search.find_overlapping_iter(text) {
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
        let text = base64(&bytes);
        let start = [0, 2, 3][shift];
        let whole = bytes.len() * 8 / 6;
        all.push(text[start..whole].to_owned());
    }
    all
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let value = group.iter().fold(0_u32, |value, b| value << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            out.push(char::from(LETTERS[(value >> (18 - 6 * place) & 63) as usize]));
        }
    }
    out
}

/// What differs between two looks (canonical JSON texts, or any texts): at most three places, as people read them.
#[must_use]
pub fn difference(before: &str, after: &str) -> Option<String> {
    if before == after {
        return None;
    }
    let mut places = Vec::new();
    match (serde_json::from_str::<Value>(before), serde_json::from_str::<Value>(after)) {
        (Ok(before), Ok(after)) => walk("", &before, &after, &mut places),
        _ => {
            for (left, right) in before.lines().zip(after.lines()).filter(|(left, right)| left != right) {
                places.push(format!("`{}` → `{}`", short(left), short(right)));
            }
            if places.is_empty() {
                places.push(format!("{} lines → {} lines", before.lines().count(), after.lines().count()));
            }
        }
    }
    let more = places.len().saturating_sub(3);
    places.truncate(3);
    let mut text = places.join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    Some(text)
}

fn walk(path: &str, before: &Value, after: &Value, places: &mut Vec<String>) {
    let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (before, after) {
        (Value::Object(left), Value::Object(right)) => {
            let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for name in names {
                walk(
                    &at(name),
                    left.get(name).unwrap_or(&Value::Null),
                    right.get(name).unwrap_or(&Value::Null),
                    places,
                );
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            let gone: Vec<&Value> = left.iter().filter(|value| !right.contains(value)).collect();
            let new: Vec<&Value> = right.iter().filter(|value| !left.contains(value)).collect();
            if let ([gone], [new]) = (gone.as_slice(), new.as_slice()) {
                let index = right.iter().position(|value| value == *new).unwrap_or_default();
                walk(&format!("{path}[{index}]"), gone, new, places);
                return;
            }
            let name = if path.is_empty() { "the list" } else { path };
            places.extend(gone.iter().map(|value| format!("{name} lost {}", short(&value.to_string()))));
            places.extend(new.iter().map(|value| format!("{name} gained {}", short(&value.to_string()))));
            if gone.is_empty() && new.is_empty() && left != right {
                places.push(format!("{name}: {} entries → {}", left.len(), right.len()));
            }
        }
        (left, right) if left != right => {
            let name = if path.is_empty() { "it" } else { path };
            places.push(format!("{name}: {} → {}", short(&left.to_string()), short(&right.to_string())));
        }
        _ => {}
    }
}

/// At most 120 characters.
fn short(text: &str) -> String {
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
