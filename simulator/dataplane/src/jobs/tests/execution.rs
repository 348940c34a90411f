//! States, versions, timers, retries.

use super::*;
use crate::jobs::execution::StepTimer;

fn begun(job: &Job, at: u64, step: Option<StepTimer>) -> Execution {
    Execution::new("j", "pump-1", at).change(&moment(at), job, Status::InProgress, None, step).unwrap()
}

fn report(one: &Execution, job: &Job, at: u64, step: Option<StepTimer>) -> Execution {
    one.change(&moment(at), job, Status::InProgress, None, step).unwrap()
}

/// 12:00, 20 minutes, steps of 7, 5 and 9 minutes: over at 12:20.
#[test]
fn the_step_timer_cannot_outlive_the_in_progress_timer() {
    let job = job("j", json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 20}}));
    let at = |minutes: u64| NOON + minutes * MINUTE;
    let one = begun(&job, NOON, Some(StepTimer::Minutes(7)));
    assert_eq!(one.due_us(None), Some(at(7)));
    let one = report(&one, &job, at(6), Some(StepTimer::Minutes(7)));
    assert_eq!(one.due_us(None), Some(at(13)), "reset");
    let one = report(&one, &job, at(12), Some(StepTimer::Minutes(5)));
    assert_eq!(one.due_us(None), Some(at(17)));
    let one = report(&one, &job, at(16), Some(StepTimer::Minutes(9)));
    assert_eq!(one.due_us(None), Some(at(20)), "not 12:25");
    assert_eq!(one.seconds_left(&moment(at(19))), Some(60));
    assert_eq!(one.seconds_left(&moment(at(19) + 1)), Some(60), "rounded up");
    assert_eq!(one.settle(&moment(at(20) - 1), &job), None);
    let over = one.settle(&moment(at(30)), &job).unwrap();
    assert_eq!((over.status, over.updated_us, over.version), (Status::TimedOut, at(20), one.version + 1));
    assert_eq!(over.due_us(None), None);
}

#[test]
fn a_report_without_a_step_leaves_the_timer_and_minus_one_discards_it() {
    let job = job("j", json!({}));
    let one = begun(&job, NOON, Some(StepTimer::Minutes(7)));
    let one = report(&one, &job, NOON + MINUTE, None);
    assert_eq!(one.due_us(None), Some(NOON + 7 * MINUTE));
    let one = report(&one, &job, NOON + 2 * MINUTE, Some(StepTimer::Discard));
    assert_eq!(one.due_us(None), None);
    assert_eq!(one.seconds_left(&moment(NOON)), None);
}

#[test]
fn the_states_are_those_of_the_table() {
    use Status::*;
    for from in Status::ALL {
        for to in Status::ALL {
            let may = match from {
                Queued => matches!(to, InProgress | Succeeded | Failed | Rejected | Removed | Canceled),
                InProgress => matches!(to, InProgress | Succeeded | Failed | Rejected | TimedOut | Removed | Canceled),
                _ => false,
            };
            assert_eq!(from.may_become(to), may, "{from:?} {to:?}");
            let job = job("j", json!({}));
            let one = Execution { status: from, ..Execution::new("j", "pump-1", NOON) };
            let changed = one.change(&moment(NOON), &job, to, None, None);
            assert_eq!(changed.is_ok(), may);
            match changed {
                Ok(changed) => assert_eq!((changed.status, changed.version), (to, 2)),
                Err(error) => assert_eq!(error.code(), "InvalidStateTransition"),
            }
        }
        assert_eq!(Status::named(from.name()), Some(from));
    }
}

/// How the attempts of a job end, and how many there are.
fn attempts(job: &Job, ends: impl IntoIterator<Item = Status>) -> u64 {
    let mut one = Execution::new("j", "pump-1", NOON);
    for end in ends {
        let begun = one.change(&moment(NOON), job, Status::InProgress, None, None).unwrap();
        let left = begun.retries_left(job);
        let ended = begun.change(&moment(NOON), job, end, None, None).unwrap();
        match ended.retry(&moment(NOON), job) {
            Some(next) => {
                assert_eq!((next.number, next.version, next.status), (one.number + 1, 1, Status::Queued));
                assert!(left > 0 && ended.retries_left(job) > 0);
                one = next;
            }
            None => {
                assert_eq!(ended.retries_left(job), 0);
                return one.number;
            }
        }
    }
    one.number
}

#[test]
fn what_is_tried_again_and_how_often() {
    use Status::*;
    let rules = |list: Value| job("j", json!({"jobExecutionsRetryConfig": {"criteriaList": list}}));
    let all = rules(json!([{"failureType": "ALL", "numberOfRetries": 3}]));
    assert_eq!(attempts(&all, [Failed; 9]), 4);
    assert_eq!(attempts(&all, [Failed, TimedOut, Failed, TimedOut, Failed]), 4);
    assert_eq!(attempts(&all, [Rejected; 9]), 1);
    assert_eq!(attempts(&all, [Failed, Succeeded]), 2);
    let both = rules(
        json!([{"failureType": "FAILED", "numberOfRetries": 1}, {"failureType": "TIMED_OUT", "numberOfRetries": 2}]),
    );
    assert_eq!(attempts(&both, [TimedOut, Failed, TimedOut, TimedOut, TimedOut]), 4);
    assert_eq!(attempts(&both, [Failed, Failed]), 2);
    assert_eq!(attempts(&rules(json!([{"failureType": "FAILED", "numberOfRetries": 0}])), [Failed; 2]), 1);
    assert_eq!(attempts(&job("j", json!({})), [Failed; 2]), 1);
}

#[test]
fn a_canceled_job_is_not_tried_again_and_a_thing_that_comes_back_begins_anew() {
    let open =
        job("j", json!({"jobExecutionsRetryConfig": {"criteriaList": [{"failureType": "ALL", "numberOfRetries": 1}]}}));
    let failed = Execution::new("j", "pump-1", NOON).change(&moment(NOON), &open, Status::Failed, None, None).unwrap();
    assert!(failed.retry(&moment(NOON), &open).is_some());
    let canceled = open.cancel(NOON, None, None, false).unwrap();
    assert_eq!(failed.retry(&moment(NOON), &canceled), None);
    let last = failed.retry(&moment(NOON), &open).unwrap();
    let removed = last.remove(&moment(NOON), &open).unwrap();
    assert_eq!(removed.status, Status::Removed);
    let again = removed.rejoin(NOON + 5);
    assert_eq!((again.number, again.failed_before, again.status), (3, 0, Status::Queued));
    assert_eq!(again.retries_left(&open), 1);
}
