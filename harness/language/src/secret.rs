//! What looks like a secret: it must not stand in a file, and no diagnostic may repeat it.

use std::ops::Range;

/// Beginnings that only credentials have, and how many of the characters that follow are at least needed.
const BEGINNINGS: [(&str, usize); 9] = [
    ("-----BEGIN ", 10),
    ("eyJ", 30),
    ("AKIA", 16),
    ("ASIA", 16),
    ("ghp_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("xoxb-", 16),
    ("Bearer ", 16),
];

/// Ranges of bytes that look like a secret, in order, without overlap.
pub(crate) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (beginning, least) in BEGINNINGS {
        for (at, _) in text.match_indices(beginning) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_ascii_alphanumeric()) {
                continue;
            }
            let body = &text[at + beginning.len()..];
            let in_body: fn(char) -> bool = if beginning.starts_with('-') {
                |c| c != '\n'
            } else {
                |c| c.is_ascii_alphanumeric() || "._-+/=~".contains(c)
            };
            let length = body.find(|c| !in_body(c)).unwrap_or(body.len());
            if length >= least {
                found.push(at..at + beginning.len() + length);
            }
        }
    }
    found.sort_by_key(|range| (range.start, range.end));
    let mut apart: Vec<Range<usize>> = Vec::new();
    for range in found {
        match apart.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
}

/// The same text, as long in bytes, with the ranges blotted out.
pub(crate) fn mask(text: &str, ranges: &[Range<usize>]) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    for range in ranges {
        masked.push_str(&text[at..range.start]);
        masked.extend(std::iter::repeat_n('*', range.len()));
        at = range.end;
    }
    masked.push_str(&text[at..]);
    masked
}
