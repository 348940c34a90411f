//! Redaction: finding a secret in whatever clothes it comes.

use crate::secret::REDACTED;
use crate::{Attempted, Event, Judged, What};
use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::collections::BTreeSet;

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
        // It fails past two billion states only. To go on without it would be to tell secrets.
        let automaton = automaton.expect("the secrets of a run are thousands, not billions");
        let tails = (!whole.is_empty()).then_some(automaton);
        Self { whole, tails }
    }

    /// The text without the secrets, or `None` if there are none in it.
    pub(crate) fn redact(&self, text: &str) -> Option<String> {
        let tails = self.tails.as_ref()?;
        let mut found = Vec::new();
        for view in views(text) {
            self.search(tails, &view, &mut found);
        }
        if found.is_empty() {
            return None;
        }
        found.sort_unstable();
        let mut clean = String::with_capacity(text.len());
        let mut kept = None;
        for (start, end) in found {
            if kept.is_none_or(|kept| start > kept) {
                clean.push_str(text.get(kept.unwrap_or(0)..start).unwrap_or_default());
                clean.push_str(REDACTED);
            }
            kept = kept.max(Some(end));
        }
        clean.push_str(text.get(kept.unwrap_or(0)..).unwrap_or_default());
        Some(clean)
    }

    /// Adds the ranges of the text in which the view shows a secret.
    fn search(&self, tails: &AhoCorasick, view: &View, found: &mut Vec<(usize, usize)>) {
        let bytes = &view.bytes;
        for hit in tails.find_overlapping_iter(bytes) {
            let pattern = &self.whole[hit.pattern().as_usize()];
            let Some(start) = hit.end().checked_sub(pattern.bytes.len()) else { continue };
            if bytes[start..hit.end()] != pattern.bytes {
                continue;
            }
            let grow = |at: Option<&u8>| usize::from(pattern.base64 && at.is_some_and(|byte| is_base64(*byte)));
            let before = start.checked_sub(1).and_then(|at| bytes.get(at));
            let (start, end) = (start - grow(before), hit.end() + grow(bytes.get(hit.end())));
            found.push((view.origin(start), view.origin(end)));
        }
    }
}

/// A text as somebody sees it who has undone an escaping.
struct View {
    bytes: Vec<u8>,
    /// Where in the text each byte begins, and one more for the end. Empty: at itself.
    origins: Vec<usize>,
}

impl View {
    fn origin(&self, at: usize) -> usize {
        self.origins.get(at).copied().unwrap_or(at)
    }

    /// Undoes an escaping once: `unescape` looks at the rest of the bytes and gives what the first
    /// of them stand for, and how many.
    fn undo(&self, unescape: fn(&[u8]) -> Option<(Escaped, usize)>) -> Option<Self> {
        let escapes = |byte: &u8| matches!(byte, b'%' | b'+' | b'\\');
        let first =
            (0..self.bytes.len()).find(|at| escapes(&self.bytes[*at]) && unescape(&self.bytes[*at..]).is_some())?;
        let mut undone =
            Self { bytes: self.bytes[..first].to_vec(), origins: (0..first).map(|at| self.origin(at)).collect() };
        let mut at = first;
        while let Some(byte) = self.bytes.get(at) {
            let (stands_for, taken) = match unescape(&self.bytes[at..]) {
                Some(escaped) => escaped,
                None => (Escaped::Byte(*byte), 1),
            };
            let mut utf8 = [0; 4];
            let bytes = match stands_for {
                Escaped::Byte(byte) => {
                    utf8[0] = byte;
                    &utf8[..1]
                }
                Escaped::Char(c) => c.encode_utf8(&mut utf8).as_bytes(),
            };
            for byte in bytes {
                undone.bytes.push(*byte);
                undone.origins.push(self.origin(at));
            }
            at += taken;
        }
        undone.origins.push(self.origin(self.bytes.len()));
        Some(undone)
    }
}

/// The text as it is, and with one or two layers of escaping undone.
fn views(text: &str) -> Vec<View> {
    let mut views = vec![View { bytes: text.as_bytes().to_vec(), origins: Vec::new() }];
    let mut from = 0;
    for _ in 0..2 {
        let to = views.len();
        for outer in from..to {
            for unescape in [percent, form, backslash] {
                views.extend(views[outer].undo(unescape));
            }
        }
        from = to;
    }
    views
}

enum Escaped {
    Byte(u8),
    Char(char),
}

/// `%2F` of addresses.
fn percent(bytes: &[u8]) -> Option<(Escaped, usize)> {
    let [b'%', digits @ ..] = bytes else { return None };
    let byte = u8::try_from(hexadecimal(digits.get(..2)?)?).ok()?;
    Some((Escaped::Byte(byte), 3))
}

/// Addresses as forms write them: a blank is a plus.
fn form(bytes: &[u8]) -> Option<(Escaped, usize)> {
    if bytes.first() == Some(&b'+') { Some((Escaped::Byte(b' '), 1)) } else { percent(bytes) }
}

/// The escapes of JSON, which most languages share.
fn backslash(bytes: &[u8]) -> Option<(Escaped, usize)> {
    let [b'\\', kind, rest @ ..] = bytes else { return None };
    let byte = match kind {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 8,
        b'f' => 12,
        b'"' | b'\\' | b'/' | b'\'' => *kind,
        b'u' => return unicode(rest),
        _ => return None,
    };
    Some((Escaped::Byte(byte), 2))
}

/// What follows `\u`, the second half of a pair included.
fn unicode(digits: &[u8]) -> Option<(Escaped, usize)> {
    let first = hexadecimal(digits.get(..4)?)?;
    if let Some(c) = char::from_u32(first) {
        return Some((Escaped::Char(c), 6));
    }
    let [b'\\', b'u', second @ ..] = digits.get(4..10)? else { return None };
    let units = [u16::try_from(first).ok()?, u16::try_from(hexadecimal(second)?).ok()?];
    let c = char::decode_utf16(units).next()?.ok()?;
    Some((Escaped::Char(c), 12))
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// The ways a secret may be spelled, escapes apart: those are undone in the text.
fn encodings(secret: &str) -> Vec<Pattern> {
    let hex = |upper: bool| -> String {
        secret.bytes().map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") }).collect()
    };
    let mut patterns: Vec<Pattern> = [secret.to_owned(), hex(false), hex(true)]
        .into_iter()
        .map(|text| Pattern { bytes: text.into_bytes(), base64: false })
        .collect();
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
        What::Scenario { name, about, seed: _, clock, devices: _, tenants, covers, defect, matrix } => {
            visit(name);
            about.iter_mut().for_each(&mut *visit);
            visit(clock);
            tenants.iter_mut().for_each(&mut *visit);
            covers.iter_mut().for_each(&mut *visit);
            defect.iter_mut().for_each(&mut *visit);
            matrix.values_mut().for_each(visit);
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
