//! How a number, a duration, a stranger's text and an event read.

use fleetproof_journal::{Event, What};
use std::borrow::Cow;

/// The text without what could move a cursor, start an escape sequence or turn the direction of
/// what follows. Line ends and tabs become blanks.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_dirty) {
        return Cow::Borrowed(text);
    }
    let blank = |c: char| matches!(c, '\n' | '\t' | '\r');
    Cow::Owned(text.chars().filter_map(|c| if blank(c) { Some(' ') } else { (!is_dirty(c)).then_some(c) }).collect())
}

pub(crate) fn is_dirty(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        || matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// A stranger's text on one line, at most `most` characters of it.
pub(crate) fn short(text: &str, most: usize) -> String {
    let text = clean(text);
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

/// A number with its thousands apart: `12,345`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 device`, `650 devices`.
pub(crate) fn plural(number: u64, one: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{} {one}{end}", count(number))
}

/// A duration given in µs, with what matters at its size: `12 ms`, `3.250 s`, `4 m 12.0 s`,
/// `2 h 05 m`.
#[must_use]
pub fn duration(micros: u64) -> String {
    let ms = micros / 1000;
    let (seconds, minutes) = (ms / 1000, ms / 60_000);
    if ms < 1000 {
        format!("{ms} ms")
    } else if seconds < 60 {
        format!("{seconds}.{:03} s", ms % 1000)
    } else if minutes < 60 {
        format!("{minutes} m {:02}.{} s", seconds % 60, ms % 1000 / 100)
    } else {
        format!("{} h {:02} m", minutes / 60, minutes % 60)
    }
}

/// An event as a sentence, cleaned, on one line: `device hvac-7 rolled_back deployment=bad`.
#[must_use]
pub fn sentence(event: &Event) -> String {
    let told = match &event.what {
        What::Scenario { name, seed, clock, devices, .. } => {
            format!("scenario {name}: seed {seed}, {clock} clock, {}", plural(u64::from(*devices), "device"))
        }
        What::Step { index, verb } => format!("step {index} {verb}"),
        What::StepDone { index, verdict, detail } => format!("step {index} {verdict}: {detail}"),
        What::Asked { by, tenant, operation, request, status } => {
            format!("{by} in {tenant} asked for {operation}: {request} → {status}")
        }
        What::Device { device, what, detail } => {
            let detail: String = detail
                .iter()
                .map(|(key, value)| match value {
                    serde_json::Value::String(text) => format!(" {key}={text}"),
                    other => format!(" {key}={other}"),
                })
                .collect();
            format!("device {device} {what}{detail}")
        }
        What::Polls { devices, polls } => {
            format!("{} by {}", plural(*polls, "routine poll"), plural(u64::from(*devices), "device"))
        }
        What::Coverage { claim, operations, attempted, exempt, uncovered, attempts } => format!(
            "{claim}: {} on {attempted} of {operations} operations, {} exempt, {} uncovered",
            plural(u64::from(*attempts), "attempt"),
            exempt.len(),
            uncovered.len()
        ),
        What::Attempted(tried) => {
            format!(
                "{} by {} on {}'s: {} → {} ({})",
                tried.operation, tried.actor, tried.victim, tried.request, tried.answer, tried.verdict
            )
        }
        What::Judged(judged) => format!("{} {}: {}", judged.claim, judged.verdict, judged.actual),
        What::Watched { what, detail } => format!("always watched: {what}: {detail}"),
        What::Note { text } => text.clone(),
        What::Ended { verdict, claims, attempts } => format!(
            "ended {verdict}: {}, {}",
            plural(u64::from(*claims), "claim"),
            plural(u64::from(*attempts), "attempt")
        ),
    };
    format!("at {} {}", duration(event.at), short(&told, 300))
}
