//! What is tried at endpoints where devices speak MQTT.
//!
//! Each tenant gets a thing of one and the same name and an application that may do everything at home (`post.rs`). An attempt
//! is one deed (`knocks.rs`: getting in; `messages.rs`: saying and hearing; `kept.rs`: what the broker keeps; `jobs.rs`;
//! `lapses.rs`: rights that end while somebody is connected; `strays.rs`: things of one tenant), what the victim felt of it, and the same done by the victim.

mod jobs;
mod kept;
mod knocks;
mod lapses;
mod messages;
mod post;
mod strays;

use super::{DetectorError, Endpoints, Seat};
use fleetproof_claims::Ruling;
use fleetproof_claims::wired::{Deed, WiredAttempt, WiredRecord, judge_wired};
use fleetproof_dialects::aws::client::ClientError;
use fleetproof_dialects::mender::Mender;
use fleetproof_journal::{Attempted, Verdict, What};
use fleetproof_world::Stamp;
use post::{Ground, Post};
use std::collections::BTreeMap;

/// Who takes part, and where.
pub(super) struct Coast<'a> {
    pub(super) mender: &'a Mender,
    pub(super) endpoints: &'a Endpoints,
    pub(super) seats: &'a [Seat],
    pub(super) label: &'a str,
    pub(super) deadline: Stamp,
}

/// Makes all attempts, and leaves nothing behind. Those that were judged before an error are in `attempted`.
pub(super) async fn all(
    coast: &Coast<'_>,
    attempts: &[WiredAttempt],
    emit: &mut (dyn FnMut(What) + Send),
    attempted: &mut Vec<Attempted>,
) -> Result<(), DetectorError> {
    let ground = Ground::new(coast.mender, coast.endpoints, coast.label);
    let named =
        |seat: &&Seat| attempts.iter().any(|one| [&one.attacker, &one.victim].iter().any(|it| ***it == *seat.at.name));
    let mut posts = BTreeMap::new();
    let mut outcome = Ok(());
    for seat in coast.seats.iter().filter(named) {
        match ground.pitch(seat).await {
            Ok(post) => drop(posts.insert(seat.at.name.to_string(), post)),
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    if outcome.is_ok() {
        for attempt in attempts {
            let sides = posts.get(&attempt.attacker).zip(posts.get(&attempt.victim));
            let Some((attacker, victim)) = sides else {
                outcome = Err(DetectorError::NoSeat(attempt.victim.clone()));
                break;
            };
            match attempt_one(&ground, attempt, (attacker, victim), coast.deadline).await {
                Ok(record) => {
                    let told = told(attempt, &record);
                    emit(What::Attempted(told.clone()));
                    attempted.push(told);
                }
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
    }
    for post in posts.values() {
        outcome = outcome.and(ground.strike(post).await);
    }
    outcome
}

async fn attempt_one(
    ground: &Ground,
    attempt: &WiredAttempt,
    (attacker, victim): (&Post, &Post),
    deadline: Stamp,
) -> Result<WiredRecord, DetectorError> {
    match attempt.deed {
        Deed::Knock(shown) => ground.knock(shown, attacker, victim).await,
        Deed::TakeOver => ground.take_over(attacker, victim).await,
        Deed::Resume { wipe } => ground.resume(wipe, attacker, victim).await,
        Deed::Subscribe(filter) => ground.subscribe(filter, attacker, victim).await,
        Deed::Publish(topic, sent) => ground.publish(topic, sent, attacker, victim).await,
        Deed::ReadRetained => ground.read_retained(attacker, victim).await,
        Deed::Retain { clear } => ground.retain(clear, attacker, victim).await,
        Deed::Will => ground.will(attacker, victim).await,
        Deed::Share => ground.share(attacker, victim).await,
        Deed::EndJob => ground.end_job(attacker, victim).await,
        Deed::GoOn(lapse) | Deed::HearOn(lapse) | Deed::Return(lapse) | Deed::WillAfter(lapse) => {
            ground.lapse(attempt.deed, lapse, victim, deadline).await
        }
        Deed::Stray(stray) => ground.stray(stray, victim).await,
        Deed::AtLobby(_) => Err(DetectorError::Unprepared("no endpoint is the lobby's".to_owned())),
    }
}

/// A judged attempt, as the journal and people read it.
pub(super) fn told(attempt: &WiredAttempt, record: &WiredRecord) -> Attempted {
    let outcome = judge_wired(attempt, record);
    let why = outcome.why.join("; ");
    let (verdict, lost) = match outcome.ruling {
        Ruling::Passed => (Verdict::Passed, None),
        Ruling::Inconclusive => (Verdict::Inconclusive, Some(format!("nothing is proven: {why}"))),
        Ruling::Failed => {
            (Verdict::Failed, Some(outcome.lost.map_or_else(|| why.clone(), |lost| format!("{lost} ({why})"))))
        }
    };
    Attempted {
        id: attempt.id.clone(),
        tool: attempt.tool.to_owned(),
        operation: attempt.operation.to_owned(),
        actor: attempt.actor(),
        victim: attempt.victim.clone(),
        request: record.request.clone(),
        answer: record.answer.clone(),
        expected: format!("isolation: {}", outcome.expected),
        never_existed: None,
        control: record.control.as_ref().ok().cloned(),
        lost,
        verdict,
    }
}

/// What came of something, as it is told.
fn answer(result: &Result<(), ClientError>) -> String {
    match result {
        Ok(()) => "granted".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// What a client that had every right was answered instead.
fn in_words(who: &str) -> impl Fn(ClientError) -> String {
    move |error| format!("{who}: {error}")
}
