//! Attempts as the journal and people read them, without secrets.

use super::ask::Asked;
use super::trial::Trial;
use fleetproof_claims::model::{Attempt, BodyTemplate};
use fleetproof_claims::{Outcome, Ruling, without_credentials};
use fleetproof_journal::{Attempted, Verdict};
use serde_json::Value;

/// How much of a body is told.
const BODY: usize = 160;

/// `METHOD target body`.
pub(super) fn request(method: &str, target: &str, body: &[u8], template: &Option<BodyTemplate>) -> String {
    let told = match template {
        None => String::new(),
        Some(BodyTemplate::Multipart(_)) => format!(" ({} bytes of a form)", body.len()),
        Some(BodyTemplate::Json(_)) => match serde_json::from_slice::<Value>(body) {
            Ok(mut value) => {
                hide(&mut value);
                format!(" {}", shortened(&value.to_string()))
            }
            Err(_) => format!(" ({} bytes)", body.len()),
        },
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

/// Takes credentials out of a document.
fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name.contains("password") || name.ends_with("token") {
                    *value = Value::String("…".to_owned());
                } else {
                    hide(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(hide),
        _ => {}
    }
}

/// The status and the beginning of the body, without credentials.
pub(super) fn answer(asked: &Asked) -> String {
    let mut answer = asked.answer.clone();
    if let Some(mut body) = answer.json() {
        hide(&mut body);
        answer.body = body.to_string().into();
    }
    answer.body = without_credentials(&answer.text()).into();
    answer.shortened(BODY)
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(BODY) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
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
