//! Attempts as the journal and people read them, without secrets.

use super::ask::Asked;
use super::trial::Trial;
use fleetproof_claims::model::{Attempt, BodyTemplate};
use fleetproof_claims::{Outcome, Ruling, without_credentials};
use fleetproof_journal::{Attempted, Verdict};

/// How much of a body is told, in characters.
const BODY: usize = 160;

/// How much of an answer is looked at to tell so much of it, in bytes.
const BEGINNING: usize = 4096;

/// `METHOD target body`.
pub(super) fn request(method: &str, target: &str, body: &[u8], template: &Option<BodyTemplate>) -> String {
    let told = match (template, std::str::from_utf8(body)) {
        (None, _) => String::new(),
        (Some(BodyTemplate::Json(_)), Ok(text)) => format!(" {}", without_credentials(text, BODY)),
        (Some(BodyTemplate::Json(_)), Err(_)) => format!(" ({} bytes)", body.len()),
        (Some(BodyTemplate::Multipart(_)), _) => format!(" ({} bytes of a form)", body.len()),
    };
    format!("{method} {target}{told}")
}

/// A link without its query: that is a credential.
pub(super) fn link(uri: &str) -> String {
    match uri.split_once('?') {
        Some((path, query)) => {
            let names: Vec<&str> = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default()).collect();
            format!("{path}?{}", names.join("&"))
        }
        None => uri.to_owned(),
    }
}

/// The status and the beginning of the body, without credentials.
pub(super) fn answer(asked: &Asked) -> String {
    let answer = &asked.answer;
    // Only the beginning is told; what is cut here has room for the longest token in front of it.
    let beginning = answer.body.get(..BEGINNING).unwrap_or(&answer.body);
    if beginning.contains(&0) {
        return format!("{} ({} bytes)", answer.status, answer.body.len());
    }
    let body = without_credentials(&String::from_utf8_lossy(beginning), BODY);
    if body.is_empty() { answer.status.to_string() } else { format!("{} {body}", answer.status) }
}

/// A judged attempt.
pub(super) fn attempted(claim: &str, attempt: &Attempt, trial: &Trial, outcome: &Outcome) -> Attempted {
    let verdict = match outcome.ruling {
        Ruling::Passed => Verdict::Passed,
        Ruling::Failed => Verdict::Failed,
        Ruling::Inconclusive => Verdict::Inconclusive,
    };
    let why = outcome.why.join("; ");
    let lost = match outcome.ruling {
        Ruling::Passed => None,
        Ruling::Inconclusive => Some(format!("nothing is proven: {why}")),
        Ruling::Failed => Some(outcome.lost.as_ref().map_or_else(|| why.clone(), |lost| format!("{lost} ({why})"))),
    };
    let asked = trial.asked.as_ref();
    Attempted {
        id: attempt.id.clone(),
        tool: attempt.tool.to_owned(),
        operation: attempt.operation.clone(),
        actor: attempt.actor.to_string(),
        victim: attempt.victim.clone(),
        request: asked.map_or_else(String::new, |asked| asked.request.clone()),
        answer: asked.map_or_else(String::new, answer),
        expected: format!("{claim}: {}", outcome.expected),
        never_existed: trial.nothing.as_ref().map(answer),
        control: trial.control.as_ref().map(answer),
        lost,
        verdict,
    }
}

/// An attempt that could not be made.
pub(super) fn not_made(claim: &str, attempt: &Attempt, reason: &str) -> Attempted {
    Attempted {
        id: attempt.id.clone(),
        tool: attempt.tool.to_owned(),
        operation: attempt.operation.clone(),
        actor: attempt.actor.to_string(),
        victim: attempt.victim.clone(),
        request: String::new(),
        answer: String::new(),
        expected: format!("{claim}: {}", fleetproof_claims::expected(attempt)),
        never_existed: None,
        control: None,
        lost: Some(reason.to_owned()),
        verdict: Verdict::Skipped,
    }
}
