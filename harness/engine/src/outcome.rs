//! Whether a step ended as the scenario says it must: pure rules, no I/O.

use fleetproof_journal::{Verdict, What};
use fleetproof_language::{Outcome, Refusal};

/// What became of one part of a step: one device, one tenant, one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its name in the scenario.
    pub(crate) name: String,
    /// Whether the platform did it, and if not, how it said so.
    pub(crate) result: Result<(), Refused>,
}

/// A no of the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Its kind, when the dialect knows the answer.
    pub(crate) kind: Option<Refusal>,
    /// Status and shortened body.
    pub(crate) answer: String,
    /// Signs on the victim's side that it was done all the same.
    pub(crate) done_anyway: Option<String>,
}

/// How a step ended, with what is needed to explain it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// How.
    pub(crate) verdict: Verdict,
    /// What it came to, in a few words.
    pub(crate) detail: String,
}

impl Ending {
    /// It did what it should.
    pub(crate) fn passed(detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Passed, detail: detail.into() }
    }

    /// The platform or a device did not do what it should.
    pub(crate) fn failed(detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed, detail: detail.into() }
    }

    /// The event of this ending.
    pub(crate) fn event(&self, index: &str) -> What {
        What::StepDone { index: index.to_owned(), verdict: self.verdict, detail: self.detail.clone() }
    }
}

/// Holds what became of every part against what is due.
///
/// Without `refused` all must succeed. With it all must be refused in that way, but for exactly `accepted` of them
/// (default none). With `may_fail` anything goes; a later claim judges.
pub(crate) fn judge(outcome: &Outcome, parts: &[Part], what: &str) -> Ending {
    let done = parts.iter().filter(|part| part.result.is_ok()).count();
    let whole = parts.len();
    if let Some(part) = parts.iter().find(|part| matches!(&part.result, Err(no) if no.done_anyway.is_some())) {
        let sign = part.result.as_ref().err().and_then(|no| no.done_anyway.clone()).unwrap_or_default();
        return Ending::failed(format!("`{}` was refused and happened all the same: {sign}", part.name));
    }
    if outcome.may_fail {
        return Ending::passed(format!("{done} of {whole} {what}"));
    }
    let Some(due) = &outcome.refused else {
        return match parts.iter().find_map(|part| part.result.as_ref().err().map(|no| (part, no))) {
            None => Ending::passed(format!("{whole} {what}")),
            Some((part, no)) => {
                Ending::failed(format!("{done} of {whole} {what}; `{}` was refused: {}", part.name, no.answer))
            }
        };
    };
    let due = due.value;
    let wrong = parts.iter().find_map(|part| match &part.result {
        Err(no) if no.kind != Some(due) => Some((part, no)),
        _ => None,
    });
    if let Some((part, no)) = wrong {
        let kind = no.kind.map_or_else(|| "in no known way".to_owned(), |kind| format!("as `{kind}`"));
        return Ending::failed(format!(
            "`{}` must be refused as `{due}`; it was refused {kind}: {}",
            part.name, no.answer
        ));
    }
    let accepted = outcome.accepted.as_ref().map_or(0, |accepted| accepted.value as usize);
    if done == accepted {
        let refused = whole - done;
        return Ending::passed(match done {
            0 => format!("{refused} refused as `{due}`"),
            _ => format!("{done} {what}, {refused} refused as `{due}`"),
        });
    }
    let through: Vec<&str> =
        parts.iter().filter(|part| part.result.is_ok()).map(|part| part.name.as_str()).take(8).collect();
    let who = if through.is_empty() { String::new() } else { format!(": {}", through.join(", ")) };
    Ending::failed(format!(
        "exactly {accepted} of {whole} may get through, {done} did{who}; the rest refused as `{due}`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetproof_language::{Located, Span};
    use proptest::prelude::*;

    fn at<T>(value: T) -> Located<T> {
        Located { value, span: Span::default() }
    }

    fn part(result: Result<(), Refusal>) -> Part {
        let no = |kind| Refused { kind: Some(kind), answer: "422".to_owned(), done_anyway: None };
        Part { name: "x".to_owned(), result: result.map_err(no) }
    }

    fn parts(done: usize, refused: usize, kind: Refusal) -> Vec<Part> {
        (0..done).map(|_| part(Ok(()))).chain((0..refused).map(|_| part(Err(kind)))).collect()
    }

    fn refused(kind: Refusal, accepted: u32) -> Outcome {
        Outcome { refused: Some(at(kind)), accepted: Some(at(accepted)), ..Outcome::default() }
    }

    proptest! {
        #[test]
        fn exactly_so_many_get_through(done in 0usize..20, no in 0usize..20, accepted in 0u32..20) {
            let ending = judge(&refused(Refusal::OverLimit, accepted), &parts(done, no, Refusal::OverLimit), "devices");
            prop_assert_eq!(ending.verdict == Verdict::Passed, done == accepted as usize);
        }

        #[test]
        fn without_a_word_all_must_succeed(done in 0usize..20, no in 0usize..20) {
            let ending = judge(&Outcome::default(), &parts(done, no, Refusal::OverLimit), "devices");
            prop_assert_eq!(ending.verdict == Verdict::Passed, no == 0);
        }

        #[test]
        fn another_kind_of_refusal_is_none(done in 0usize..20, no in 1usize..20) {
            let due = refused(Refusal::OverLimit, u32::try_from(done).unwrap());
            prop_assert_eq!(judge(&due, &parts(done, no, Refusal::Forbidden), "devices").verdict, Verdict::Failed);
        }
    }

    #[test]
    fn a_refusal_that_happened_all_the_same_fails() {
        let mut one = part(Err(Refusal::OverLimit));
        if let Err(no) = &mut one.result {
            no.done_anyway = Some("its limit is 501".to_owned());
        }
        let ending = judge(&refused(Refusal::OverLimit, 0), &[one], "tenants");
        assert_eq!(ending, Ending::failed("`x` was refused and happened all the same: its limit is 501"));
    }

    #[test]
    fn endings_tell_what_they_came_to() {
        let told = |outcome: &Outcome, parts: &[Part]| judge(outcome, parts, "tenants onboarded").detail;
        insta::assert_snapshot!(
            [
                told(&Outcome::default(), &parts(2, 0, Refusal::OverLimit)),
                told(&Outcome::default(), &parts(1, 1, Refusal::OverLimit)),
                told(&refused(Refusal::OverLimit, 1), &parts(1, 1, Refusal::OverLimit)),
                told(&refused(Refusal::OverLimit, 1), &parts(2, 0, Refusal::OverLimit)),
                told(&refused(Refusal::OverLimit, 0), &parts(0, 3, Refusal::OverLimit)),
                told(&refused(Refusal::Unseen, 0), &parts(0, 1, Refusal::Forbidden)),
            ]
            .join("\n")
        );
    }
}
