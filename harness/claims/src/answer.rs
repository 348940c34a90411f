//! Two answers compared but for what differs by nature.

use crate::credentials::{is_wordy, seals};
use serde_json::Value;

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
    let names = spellings(named);
    let mut lines: Vec<String> = reply
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| !MOVING.contains(&name.as_str()))
        .map(|(name, value)| match name.as_str() {
            "etag" => format!("{name}: ‹etag›"),
            "link" => format!("{name}: {}", relations(value)),
            _ => format!("{name}: {}", without(value, &names)),
        })
        .collect();
    lines.sort();
    lines.insert(0, reply.status.to_string());
    lines.push(String::new());
    lines.push(canonical_body(reply.body, &names));
    lines.join("\n")
}

/// Which pages a list links to. The links themselves repeat the request.
fn relations(links: &str) -> String {
    links.split("rel=").skip(1).filter_map(|rest| rest.split([',', ';']).next()).collect::<Vec<_>>().join(" ")
}

fn canonical_body(body: &[u8], names: &[String]) -> String {
    let Ok(text) = std::str::from_utf8(body) else {
        return format!("{} bytes of no text", body.len());
    };
    match serde_json::from_str::<Value>(text) {
        Ok(mut value) => {
            without_request_ids(&mut value);
            without(&value.to_string(), names)
        }
        Err(_) => without(text, names),
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
    without(text, &spellings(named))
}

/// Every way in which names are written in an answer, the longest first.
fn spellings(named: &[&str]) -> Vec<String> {
    // A time is no name: who asks with the present one may meet a thing that is of the same millisecond.
    let named = named.iter().filter(|name| name.len() >= 4 && moving_word(name) != Some(TIME));
    let mut names: Vec<String> =
        named.flat_map(|name| [(*name).to_owned(), percent(name, true), percent(name, false)]).collect();
    names.extend(names.iter().map(|name| name.to_ascii_uppercase()).collect::<Vec<_>>());
    names.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    names.dedup();
    names
}

/// The text without names, ids, times, tokens and long numbers.
fn without(text: &str, names: &[String]) -> String {
    let mut text = text.to_owned();
    for name in names {
        if text.contains(name) {
            text = text.replace(name, "‹it›");
        }
    }
    text = without_stumps(text, names);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    // Byte by byte, which is char by char where it matters: letters of words are ASCII.
    let wordy = |byte: u8| is_wordy(char::from(byte));
    while let Some(start) = rest.bytes().position(wordy) {
        let end =
            rest.as_bytes()[start..].iter().position(|byte| !wordy(*byte)).map_or(rest.len(), |length| start + length);
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

/// So many bytes of a name are known for its beginning.
const STUMP: usize = 16;

/// The text in which names that were cut off (`arn:aws:iot:eu-1:123…`) are masked like whole ones.
fn without_stumps(text: String, names: &[String]) -> String {
    if !text.contains('…') {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find('…') {
        let (before, after) = rest.split_at(at);
        let begins = |name: &String| {
            let ends = (STUMP..name.len()).rev();
            ends.into_iter().find(|end| name.get(..*end).is_some_and(|begin| before.ends_with(begin)))
        };
        match names.iter().filter_map(begins).max() {
            Some(length) => {
                out.push_str(&before[..before.len() - length]);
                out.push_str("‹it›…");
            }
            None => {
                out.push_str(before);
                out.push('…');
            }
        }
        rest = after.strip_prefix('…').unwrap_or(after);
    }
    out.push_str(rest);
    out
}

/// As it stands in a link, the digits of escapes large or small.
fn percent(text: &str, capitals: bool) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ if capitals => out.push_str(&format!("%{byte:02X}")),
            _ => out.push_str(&format!("%{byte:02x}")),
        }
        out
    })
}

fn mask_run(run: &str, out: &mut String) {
    // Nothing that moves is as short as most words are.
    if run.len() < SHORTEST {
        out.push_str(run);
        return;
    }
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

/// So many letters has the shortest that is masked: a number, or a token of three empty parts.
const SHORTEST: usize = 5;

/// The word for a time.
const TIME: &str = "‹time›";

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
        Some(TIME)
    } else if run.starts_with("eyJ") && run.matches('.').count() == 2 {
        Some("‹token›")
    } else if bytes.len() >= 10 && bytes.iter().all(u8::is_ascii_digit) {
        Some("‹number›")
    } else {
        None
    }
}
