//! The reader: text of a journal to events, and a run's journal to its scenarios.

use crate::{Event, FORMAT, JournalError, What};
use serde::Deserialize;

#[derive(Deserialize)]
struct Header {
    journal: u32,
}

/// The first line of every journal.
pub(crate) fn header() -> String {
    format!("{{\"journal\":{FORMAT}}}\n")
}

/// Reads a journal, of one scenario or of a whole run.
///
/// # Errors
/// When the text is no journal, or one of a later version, with the line.
pub fn read(text: &str) -> Result<Vec<Event>, JournalError> {
    let mut lines = text.lines().zip(1..);
    let header: Header =
        lines.next().and_then(|(line, _)| serde_json::from_str(line).ok()).ok_or(JournalError::NotAJournal)?;
    if header.journal > FORMAT {
        return Err(JournalError::Newer { found: header.journal });
    }
    lines
        .filter(|(line, _)| !line.trim().is_empty())
        .map(|(line, number)| serde_json::from_str(line).map_err(|error| explain(line, number, &error)))
        .collect()
}

fn explain(line: &str, number: usize, error: &serde_json::Error) -> JournalError {
    let kind = serde_json::from_str::<serde_json::Value>(line).ok().and_then(|value| {
        let what = value.get("what")?;
        let kind = what.as_str().or_else(|| what.as_object()?.keys().next().map(String::as_str))?;
        (!What::KINDS.contains(&kind)).then(|| kind.to_owned())
    });
    match kind {
        Some(kind) => JournalError::UnknownEvent { line: number, kind },
        None => JournalError::Malformed { line: number, why: error.to_string() },
    }
}

/// The journal of a run: those of its scenarios one after the other, in the order given (which is
/// that of their names), under one header.
pub fn join<'a>(journals: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let head = header();
    let mut all = head.clone().into_bytes();
    for journal in journals {
        all.extend_from_slice(journal.strip_prefix(head.as_bytes()).unwrap_or(journal));
    }
    all
}

/// The events of a run's journal, one slice per scenario. Numbers of events count within a slice.
pub fn chapters(events: &[Event]) -> Vec<&[Event]> {
    let mut starts: Vec<usize> = events
        .iter()
        .enumerate()
        .filter(|(_, event)| matches!(event.what, What::Scenario { .. }))
        .map(|(index, _)| index)
        .collect();
    if starts.first().is_some_and(|first| *first > 0) {
        starts.insert(0, 0);
    }
    let ends = starts.iter().skip(1).copied().chain([events.len()]);
    starts.iter().copied().zip(ends).map(|(start, end)| &events[start..end]).collect()
}
