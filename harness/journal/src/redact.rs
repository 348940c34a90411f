//! Redaction: finding a secret in whatever clothes it comes.

use crate::secret::REDACTED;
use crate::{Attempted, Event, Judged, What};
use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Only the last bytes of a pattern are in the automaton, the rest is compared: tokens are long
/// and begin alike.
const TAIL: usize = 16;

/// All encodings of all declared secrets, ready to be searched for in one pass.
pub(crate) struct Patterns {
    whole: Vec<Pattern>,
    tails: Option<AhoCorasick>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Pattern {
    bytes: Vec<u8>,
    /// The character before and after belongs to the encoding too and holds some bits of it.
    base64: bool,
}

impl Patterns {
    pub(crate) fn of(secrets: &BTreeSet<String>) -> Self {
        let whole: Vec<Pattern> =
            secrets.iter().flat_map(|secret| encodings(secret)).collect::<BTreeSet<_>>().into_iter().collect();
        let tails = whole.iter().map(|pattern| &pattern.bytes[pattern.bytes.len().saturating_sub(TAIL)..]);
        let automaton = AhoCorasick::builder().match_kind(MatchKind::Standard).build(tails);
        // Building fails only past two billion states, far beyond what secrets of a run come to.
        let tails = automaton.ok().filter(|_| !whole.is_empty());
        Self { whole, tails }
    }

    /// The text without the secrets, or `None` if there are none in it.
    pub(crate) fn redact(&self, text: &str) -> Option<String> {
        let tails = self.tails.as_ref()?;
        let bytes = text.as_bytes();
        let mut found: Vec<(usize, usize)> = Vec::new();
        for hit in tails.find_overlapping_iter(bytes) {
            let pattern = &self.whole[hit.pattern().as_usize()];
            let Some(start) = hit.end().checked_sub(pattern.bytes.len()) else { continue };
            if bytes[start..hit.end()] != pattern.bytes {
                continue;
            }
            let grow = |at: Option<&u8>| usize::from(pattern.base64 && at.is_some_and(|byte| is_base64(*byte)));
            let before = start.checked_sub(1).and_then(|at| bytes.get(at));
            found.push((start - grow(before), hit.end() + grow(bytes.get(hit.end()))));
        }
        if found.is_empty() {
            return None;
        }
        found.sort_unstable();
        let mut clean = String::with_capacity(text.len());
        let mut kept = 0;
        for (start, end) in found {
            if start > kept || (start == 0 && kept == 0) {
                clean.push_str(text.get(kept..start).unwrap_or_default());
                clean.push_str(REDACTED);
            }
            kept = kept.max(end);
        }
        clean.push_str(text.get(kept..).unwrap_or_default());
        Some(clean)
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// Every way a secret may be spelled.
fn encodings(secret: &str) -> Vec<Pattern> {
    let mut all = vec![secret.to_owned()];
    let escaped = json(secret);
    all.push(json(&escaped));
    all.push(escaped);
    all.push(unicode_escaped(secret));
    for upper in [true, false] {
        let hex = |byte: u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
        all.push(secret.bytes().map(hex).collect());
        let percent = |keep: fn(u8) -> bool| {
            secret.bytes().fold(String::new(), |mut text, byte| {
                if keep(byte) {
                    text.push(char::from(byte));
                } else {
                    let _ = write!(text, "%{}", hex(byte));
                }
                text
            })
        };
        all.push(percent(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)));
        all.push(percent(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?".contains(&byte)));
        all.push(percent(|_| false));
        // Forms write a blank as plus.
        all.push(percent(|byte| byte.is_ascii_alphanumeric() || b"-._* ".contains(&byte)).replace(' ', "+"));
    }
    let mut patterns: Vec<Pattern> =
        all.into_iter().map(|text| Pattern { bytes: text.into_bytes(), base64: false }).collect();
    for shift in 0..3 {
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let mut bytes = vec![0; shift];
            bytes.extend_from_slice(secret.as_bytes());
            let text = engine.encode(&bytes);
            // What the neighbours have a part in is cut off: the first characters of a shifted
            // text, the last of one that does not end with a whole character.
            let first = (shift * 8).div_ceil(6);
            let last = bytes.len() * 8 / 6;
            patterns.push(Pattern { bytes: text.as_bytes()[first..last].to_vec(), base64: true });
        }
    }
    patterns.retain(|pattern| pattern.bytes.len() >= crate::Secrets::SHORTEST);
    patterns
}

fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// JSON as ASCII-only writers have it.
fn unicode_escaped(text: &str) -> String {
    let mut units = [0; 2];
    json(text).chars().fold(String::new(), |mut escaped, c| {
        if c.is_ascii() {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
        escaped
    })
}

/// Takes the secrets out of every text of an event. Verdicts and numbers are no text: a password
/// that is called `passed` cannot make a journal unreadable.
pub(crate) fn redact_event(event: &mut Event, patterns: &Patterns) {
    if patterns.tails.is_none() {
        return;
    }
    texts(event, &mut |text| {
        if let Some(clean) = patterns.redact(text) {
            *text = clean;
        }
    });
}

/// Visits every text of an event. Patterns name every field, so that a new one cannot be forgotten.
fn texts(event: &mut Event, visit: &mut dyn FnMut(&mut String)) {
    let Event { seq: _, at: _, source, place, what } = event;
    visit(source);
    if let Some(crate::Place { file, line: _, column: _, length: _, text }) = place {
        visit(file);
        visit(text);
    }
    match what {
        What::Scenario { name, about, seed: _, clock, devices: _, tenants, covers, defect } => {
            visit(name);
            about.iter_mut().for_each(&mut *visit);
            visit(clock);
            tenants.iter_mut().for_each(&mut *visit);
            covers.iter_mut().for_each(&mut *visit);
            defect.iter_mut().for_each(visit);
        }
        What::Step { index: _, verb } => visit(verb),
        What::StepDone { index: _, verdict: _, detail } => visit(detail),
        What::Asked { by, tenant, operation, request, status: _ } => {
            for text in [by, tenant, operation, request] {
                visit(text);
            }
        }
        What::Device { device, what, detail } => {
            visit(device);
            visit(what);
            map(detail, visit);
        }
        What::Polls { devices: _, polls: _ } => {}
        What::Coverage { claim, operations: _, attempted: _, exempt, uncovered, attempts: _ } => {
            visit(claim);
            for (operation, reason) in exempt {
                visit(operation);
                visit(reason);
            }
            uncovered.iter_mut().for_each(visit);
        }
        What::Attempted(Attempted {
            id,
            tool,
            operation,
            actor,
            victim,
            request,
            answer,
            expected,
            never_existed,
            control,
            lost,
            verdict: _,
        }) => {
            for text in [id, tool, operation, actor, victim, request, answer, expected] {
                visit(text);
            }
            never_existed.iter_mut().chain(control).chain(lost).for_each(visit);
        }
        What::Judged(Judged { claim, rows, verdict: _, expected, actual, evidence: _, first_anomaly: _, details }) => {
            for text in [claim, expected, actual] {
                visit(text);
            }
            rows.iter_mut().chain(details).for_each(visit);
        }
        What::Watched { what, detail } => {
            visit(what);
            visit(detail);
        }
        What::Note { text } => visit(text),
        What::Ended { verdict: _, claims: _, attempts: _ } => {}
    }
}

fn map(fields: &mut serde_json::Map<String, serde_json::Value>, visit: &mut dyn FnMut(&mut String)) {
    for (mut name, mut field) in std::mem::take(fields) {
        visit(&mut name);
        value(&mut field, visit);
        fields.insert(name, field);
    }
}

fn value(value_: &mut serde_json::Value, visit: &mut dyn FnMut(&mut String)) {
    match value_ {
        serde_json::Value::String(text) => visit(text),
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| value(item, visit)),
        serde_json::Value::Object(fields) => map(fields, visit),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}
