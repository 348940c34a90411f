//! A platform's no, read for steps: its kind, and the control without which it proves nothing.

use crate::outcome::{Part, Refused};
use crate::run::{Result, Run, Stop};
use fleetproof_dialects::mender::refusals::kind_of;
use fleetproof_dialects::{Answer, DialectError};
use fleetproof_language::{Outcome, Refusal, Span};

/// Reads a verb's error: a refusal is evidence, everything else stops the step.
pub(crate) fn read(error: DialectError) -> Result<Refused> {
    let Some(answer) = error.refused() else { return Err(error.into()) };
    Ok(Refused { kind: kind(answer, None), answer: answer.to_string(), done_anyway: None })
}

/// The same, where a stranger's answer is only a refusal as `unseen` when it is the answer for a thing that never existed.
pub(crate) fn read_beside(
    error: DialectError,
    never_existed: &std::result::Result<(), DialectError>,
) -> Result<Refused> {
    let Some(answer) = error.refused() else { return Err(error.into()) };
    let never = match never_existed {
        Ok(()) => return Err(Stop::Failed("the platform says yes to a thing that never existed".to_owned())),
        Err(other) => other.refused(),
    };
    Ok(Refused { kind: kind(answer, never), answer: answer.to_string(), done_anyway: None })
}

/// The kind of a refused verb, by the dialect's table. `unseen` needs the answer for a thing that never existed beside it,
/// where that was asked for.
pub(crate) fn kind(answer: &Answer, never_existed: Option<&Answer>) -> Option<Refusal> {
    let alike = |never: &Answer| never.status == answer.status && error_of(never) == error_of(answer);
    match (kind_of(answer), never_existed.map(alike)) {
        (_, Some(true)) => Some(Refusal::Unseen),
        (Some(kind), Some(false)) if kind.word() == Refusal::Unseen.word() => None,
        (kind, _) => kind.and_then(|kind| Refusal::from_word(kind.word())),
    }
}

/// What an answer says beside its request id.
fn error_of(answer: &Answer) -> Option<String> {
    Some(answer.json()?.get("error")?.as_str()?.to_owned())
}

/// Takes note of what a step came to: somebody entitled carried `verb` out, or a refusal now needs that somebody does.
pub(crate) fn note(run: &Run, verb: &'static str, parts: &[Part], span: Span, outcome: &Outcome) {
    if parts.iter().any(|part| part.result.is_ok()) {
        run.carried_out.insert(verb);
    }
    if outcome.refused.is_some() && parts.iter().any(|part| part.result.is_err()) {
        run.uncontrolled.change(|refusals| refusals.push((verb, span)));
    }
}
