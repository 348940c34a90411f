//! Each planted mistake makes a difference, and only that one.

use super::*;
use crate::jobs::execution::StepTimer;
use crate::jobs::rollout::{Arrival, Progress, Step, Stop, must_abort, step, stopped};

/// What is seen without and with a mistake.
fn both<T>(defect: Defect, see: impl Fn(Option<Defect>) -> T) -> (T, T) {
    (see(None), see(Some(defect)))
}

fn owner(defect: Option<Defect>, more: Value) -> Owner {
    Owner { defect, ..Owner::with(vec![job("a", more.clone()), job("b", more)]) }
}

fn code(outcome: &Outcome) -> Value {
    read(&outcome.replies[0]).get("code").cloned().unwrap_or(Value::Null)
}

#[test]
fn every_mistake_has_a_name_and_a_sentence() {
    let names: std::collections::BTreeSet<_> = Defect::ALL.iter().map(|(_, name, _)| *name).collect();
    assert_eq!(names.len(), Defect::ALL.len());
    for (defect, name, sentence) in Defect::ALL {
        assert_eq!(Defect::named(name), Some(defect));
        assert!(name.starts_with("job-") && sentence.ends_with('.'));
    }
    assert_eq!(Defect::named("none"), None);
}

#[test]
fn terminal_rewritable() {
    let seen = both(Defect::TerminalRewritable, |defect| {
        let mut owner = owner(defect, json!({}));
        owner.send("a/update", json!({"status": "FAILED"}));
        let outcome = owner.send("a/update", json!({"status": "SUCCEEDED"}));
        (code(&outcome), owner.row("a", 1).status)
    });
    assert_eq!(seen, ((json!("InvalidStateTransition"), Status::Failed), (Value::Null, Status::Succeeded)));
}

#[test]
fn expected_version_ignored() {
    let seen = both(Defect::ExpectedVersionIgnored, |defect| {
        let mut owner = owner(defect, json!({}));
        let outcome = owner.send("a/update", json!({"status": "IN_PROGRESS", "expectedVersion": 9}));
        (code(&outcome), owner.row("a", 1).version)
    });
    assert_eq!(seen, ((json!("VersionMismatch"), 1), (Value::Null, 2)));
}

#[test]
fn thing_from_payload() {
    let seen = both(Defect::ThingFromPayload, |defect| {
        let mut owner = owner(defect, json!({}));
        let outcome = owner.send_as("pump-2", "start-next", br#"{"thingName":"pump-1"}"#);
        read(&outcome.replies[0])["execution"]["thingName"].clone()
    });
    assert_eq!(seen, (Value::Null, json!("pump-1")));
}

#[test]
fn abort_counts_failed_only() {
    let criterion = json!({"failureType": "TIMED_OUT", "action": "CANCEL", "thresholdPercentage": 50, "minNumberOfExecutedThings": 2});
    let job = job("a", json!({"abortConfig": {"criteriaList": [criterion]}}));
    let progress = Progress { counts: Counts::of([(Status::TimedOut, 2)]), ..Progress::default() };
    let seen = both(Defect::AbortCountsFailedOnly, |defect| must_abort(&job.config, &progress, defect).is_some());
    assert_eq!(seen, (true, false));
}

#[test]
fn abort_kills_running() {
    let seen = both(Defect::AbortKillsRunning, |defect| {
        let mut owner = owner(None, json!({}));
        owner.send("start-next", json!({}));
        let moment = Moment { now_us: owner.now_us, defect };
        let hit = |stop| stopped(&owner.shop.0["a"], stop, &owner.rows, &moment).len();
        (hit(Stop::Abort), hit(Stop::Cancel))
    });
    assert_eq!(seen, ((0, 0), (1, 0)));
}

#[test]
fn step_outlives_in_progress() {
    let job = job("a", json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 20}}));
    let one = Execution::new("a", "pump-1", NOON);
    let begun = one.change(&moment(NOON), &job, Status::InProgress, None, Some(StepTimer::Minutes(25))).unwrap();
    let seen = both(Defect::StepOutlivesInProgress, |defect| begun.due_us(defect).map(|due| (due - NOON) / MINUTE));
    assert_eq!(seen, (Some(20), Some(25)));
}

#[test]
fn retry_endless() {
    let retry =
        json!({"jobExecutionsRetryConfig": {"criteriaList": [{"failureType": "FAILED", "numberOfRetries": 2}]}});
    let seen = both(Defect::RetryEndless, |defect| {
        let mut owner = owner(defect, retry.clone());
        for _ in 0..9 {
            owner.send("a/update", json!({"status": "FAILED"}));
        }
        owner.rows.iter().filter(|row| row.job_id == "a").count()
    });
    assert_eq!(seen, (3, 10));
}

#[test]
fn token_of_another() {
    let seen = both(Defect::TokenOfAnother, |defect| {
        let mut owner = Owner { earlier_token: Some("theirs".to_owned()), ..owner(defect, json!({})) };
        owner.ask("get", json!({"clientToken": "mine"}), "accepted")["clientToken"].clone()
    });
    assert_eq!(seen, (json!("mine"), json!("theirs")));
}

#[test]
fn token_unbounded() {
    let seen = both(Defect::TokenUnbounded, |defect| {
        code(&owner(defect, json!({})).send("get", json!({"clientToken": "t".repeat(5_000)})))
    });
    assert_eq!(seen, (json!("InvalidRequest"), Value::Null));
}

#[test]
fn rate_grows_early() {
    let job = job(
        "a",
        json!({"jobExecutionsRolloutConfig": {"exponentialRate": {"baseRatePerMinute": 50,
        "incrementFactor": 2, "rateIncreaseCriteria": {"numberOfSucceededThings": 1000}}}}),
    );
    let progress = Progress { notified: 5_000, ..Progress::default() };
    let seen = both(Defect::RateGrowsEarly, |defect| {
        match step(&job, &progress, Arrival::First, &Moment { now_us: NOON, defect }, &LIMITS) {
            Step::Create { next_us } => next_us - NOON,
            Step::Wait { .. } => 0,
        }
    });
    assert_eq!(seen, (1_200_000, 600_000));
}

#[test]
fn timeout_forgotten() {
    let seen = both(Defect::TimeoutForgotten, |defect| {
        let mut owner = owner(defect, json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 1}}));
        owner.send("start-next", json!({}));
        owner.now_us += 2 * MINUTE;
        owner.send("get", json!({}));
        owner.row("a", 1).status
    });
    assert_eq!(seen, (Status::TimedOut, Status::InProgress));
}

#[test]
fn next_pushed_again() {
    let seen = both(Defect::NextPushedAgain, |defect| {
        let mut owner = owner(defect, json!({}));
        owner.send("start-next", json!({}));
        owner.send("a/update", json!({"status": "IN_PROGRESS"})).pushes.len()
    });
    assert_eq!(seen, (0, 1));
}

#[test]
fn begun_forgotten() {
    let seen = both(Defect::BegunForgotten, |defect| {
        let mut owner = owner(defect, json!({}));
        let first = read(&owner.send("start-next", json!({})).replies[0])["execution"]["jobId"].clone();
        let again = read(&owner.send("start-next", json!({})).replies[0])["execution"]["jobId"].clone();
        (first, again, owner.row("a", 1).status)
    });
    let begun = |again| (json!("a"), again, Status::InProgress);
    assert_eq!(seen, (begun(json!("a")), begun(Value::Null)));
}

#[test]
fn begun_again_fails() {
    let seen = both(Defect::BegunAgainFails, |defect| {
        let mut owner = owner(defect, json!({}));
        owner.send("start-next", json!({}));
        let begun = owner.row("a", 1).status;
        owner.send("start-next", json!({}));
        (begun, owner.row("a", 1).status)
    });
    assert_eq!(seen, ((Status::InProgress, Status::InProgress), (Status::InProgress, Status::Failed)));
}
