//! Patterns with `*`, `?` and variables, compiled once, compared without allocating.
//!
//! Between two `*` stands a run; runs are looked for from left to right, each at its first place, which is right for patterns
//! whose only repetition is "anything". Nothing is ever tried again, so a comparison costs at most the length of the
//! name times the length of the pattern, and for runs of plain text their sum.

use super::variable::{Piece, filled, pieces};
use super::{Defect, Question};

/// Runs with anything between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// At least one, possibly empty. The first stands at the beginning, the last at the end.
    runs: Vec<Box<[Piece]>>,
    has_variables: bool,
}

impl Pattern {
    /// Nothing for a variable that does not exist.
    pub(super) fn read(text: &str) -> Option<Self> {
        pieces(text, true).map(|pieces| Self::of(&pieces))
    }

    /// A text that is only equal to itself.
    pub(super) fn exactly(text: &str) -> Option<Self> {
        pieces(text, false).map(|pieces| Self::of(&pieces))
    }

    pub(super) fn of(pieces: &[Piece]) -> Self {
        Self {
            runs: pieces.split(|piece| *piece == Piece::Many).map(Box::from).collect(),
            has_variables: pieces.iter().any(|piece| matches!(piece, Piece::Variable(_))),
        }
    }

    /// Whether every variable in it has a value.
    pub(super) fn is_known(&self, question: &Question<'_>) -> bool {
        !self.has_variables
            || self.runs.iter().flatten().all(|piece| match piece {
                Piece::Variable(variable) => variable.value(question).is_some(),
                _ => true,
            })
    }

    /// Whether `name` looks like this, with the values that the variables have. It does not when one has none.
    pub(super) fn matches(&self, name: &str, question: &Question<'_>) -> bool {
        if self.has_variables && question.has(Defect::ValueIsWildcard) {
            return self.matches_expanded(name, question);
        }
        let Some((first, others)) = self.runs.split_first() else { return false };
        let Some((last, between)) = others.split_last() else {
            return after(first, name, question) == Some("");
        };
        let Some(mut rest) = after(first, name, question) else { return false };
        for run in between {
            match beyond(run, rest, question) {
                Some(found) => rest = found,
                None => return false,
            }
        }
        ends_with(last, rest, question)
    }

    /// As it goes wrong when values are put in before wildcards are read.
    fn matches_expanded(&self, name: &str, question: &Question<'_>) -> bool {
        let runs: Option<Vec<_>> = self.runs.iter().map(|run| filled(run, question)).collect();
        let Some(text) = runs.map(|runs| runs.join("*")) else { return false };
        let plain = text.split('*').map(|run| {
            let mut pieces = Vec::new();
            for (at, part) in run.split('?').enumerate() {
                if at > 0 {
                    pieces.push(Piece::One);
                }
                pieces.push(Piece::Text(part.into()));
            }
            pieces.into()
        });
        Self { runs: plain.collect(), has_variables: false }.matches(name, question)
    }
}

/// What follows a run at the beginning of `text`.
fn after<'t>(run: &[Piece], text: &'t str, question: &Question<'_>) -> Option<&'t str> {
    run.iter().try_fold(text, |rest, piece| match piece {
        Piece::Text(plain) => rest.strip_prefix(&**plain),
        Piece::Variable(variable) => rest.strip_prefix(variable.value(question)?),
        Piece::One => {
            let mut characters = rest.chars();
            characters.next().map(|_| characters.as_str())
        }
        Piece::Many => None,
    })
}

fn ends_with(run: &[Piece], text: &str, question: &Question<'_>) -> bool {
    run.iter()
        .rev()
        .try_fold(text, |rest, piece| match piece {
            Piece::Text(plain) => rest.strip_suffix(&**plain),
            Piece::Variable(variable) => rest.strip_suffix(variable.value(question)?),
            Piece::One => {
                let mut characters = rest.chars();
                characters.next_back().map(|_| characters.as_str())
            }
            Piece::Many => None,
        })
        .is_some()
}

/// What follows the first place of a run in `text`.
fn beyond<'t>(run: &[Piece], text: &'t str, question: &Question<'_>) -> Option<&'t str> {
    // One text is found in linear time by the standard library.
    let plain = match run {
        [Piece::Text(plain)] => Some(&**plain),
        [Piece::Variable(variable)] => Some(variable.value(question)?),
        _ => None,
    };
    if let Some(plain) = plain {
        return text.find(plain).map(|at| &text[at + plain.len()..]);
    }
    let starts = text.char_indices().map(|(at, _)| at).chain(std::iter::once(text.len()));
    starts.into_iter().find_map(|at| after(run, &text[at..], question))
}
