//! Pace, abort, schedule, completion.

use super::*;
use crate::jobs::rollout::*;
use proptest::prelude::*;

/// Who gets an execution when, if somebody asks at these moments for things without end.
fn made(job: &Job, asked: &[u64], succeed: bool, defect: Option<Defect>) -> Vec<u64> {
    let mut progress = Progress { waiting: u64::MAX, ..Progress::default() };
    let mut made = Vec::new();
    for now_us in asked {
        let moment = Moment { now_us: *now_us, defect };
        if let Step::Create { next_us } = step(job, &progress, Arrival::First, &moment, &LIMITS) {
            made.push(*now_us);
            (progress.notified, progress.next_us) = (progress.notified + 1, next_us);
            let (done, running) = if succeed { (progress.notified, 0) } else { (0, progress.notified) };
            progress.counts = Counts::of([(Status::Succeeded, done), (Status::InProgress, running)]);
        }
    }
    made
}

/// As often as the pace allows, for so many minutes.
fn eager(job: &Job, minutes: u64, succeed: bool, defect: Option<Defect>) -> Vec<u64> {
    let asked: Vec<u64> = (0..minutes * 60_000).map(|ms| NOON + ms * 1_000).collect();
    made(job, &asked, succeed, defect)
}

fn in_minute(made: &[u64], minute: u64) -> usize {
    made.iter().filter(|at| (*at - NOON) / MINUTE == minute).count()
}

fn growing(base: u32, factor: f64, criteria: &str, per: u32) -> Job {
    job(
        "j",
        json!({"jobExecutionsRolloutConfig": {"exponentialRate": {"baseRatePerMinute": base,
        "incrementFactor": factor, "rateIncreaseCriteria": {criteria: per}}}}),
    )
}

#[test]
fn a_constant_rate_is_used_and_never_exceeded() {
    let slow = job("j", json!({"jobExecutionsRolloutConfig": {"maximumPerMinute": 60}}));
    let made = eager(&slow, 3, false, None);
    assert_eq!([0, 1, 2].map(|minute| in_minute(&made, minute)), [60, 60, 60]);
    let unbounded = eager(&job("j", json!({})), 1, false, None);
    assert_eq!(unbounded.len(), 1_000, "as fast as the account may");
}

/// Base 50, factor 2, after 100 each: two minutes at 50, one at 100, then 100 each at 200, 400 and 800 a minute (52.5 s), and the
/// rest at the 1000 that the account may.
#[test]
fn a_rate_grows_with_what_counts() {
    let told = eager(&growing(50, 2.0, "numberOfNotifiedThings", 100), 5, false, None);
    let counts = [0, 1, 2, 3].map(|minute| in_minute(&told, minute));
    assert_eq!(counts, [50, 50, 100, 425]);
    let succeeding = growing(50, 2.0, "numberOfSucceededThings", 100);
    assert_eq!(eager(&succeeding, 4, false, None).len(), 200, "nobody succeeds");
    assert_eq!(eager(&succeeding, 4, true, None), told[..625]);
}

#[test]
fn things_that_join_later_are_not_held_back() {
    let slow =
        job("j", json!({"targetSelection": "CONTINUOUS", "jobExecutionsRolloutConfig": {"maximumPerMinute": 1}}));
    let progress = Progress { notified: 1, next_us: NOON + MINUTE, ..Progress::default() };
    let ask = |arrival| step(&slow, &progress, arrival, &moment(NOON), &LIMITS);
    assert_eq!(ask(Arrival::First), Step::Wait { until_us: Some(NOON + MINUTE) });
    assert_eq!(ask(Arrival::Joined), Step::Create { next_us: NOON + MINUTE });
}

#[test]
fn a_schedule_begins_ends_and_has_windows() {
    let schedule = |behavior: &str| {
        job(
            "j",
            json!({"schedulingConfig": {"startTime": "2024-05-20T13:00", "endTime": "2024-05-20T14:00", "endBehavior": behavior}}),
        )
    };
    let progress =
        Progress { counts: Counts::of([(Status::Queued, 1), (Status::InProgress, 1)]), ..Progress::default() };
    let (one, two) = (NOON + 60 * MINUTE, NOON + 120 * MINUTE);
    let later = schedule("CANCEL");
    assert_eq!(due_us(&later), Some(one));
    assert_eq!(step(&later, &progress, Arrival::First, &moment(NOON), &LIMITS), Step::Wait { until_us: Some(one) });
    assert_eq!(advance(&later, &progress, &moment(one - 1)), None);
    let begun = advance(&later, &progress, &moment(one)).unwrap();
    assert_eq!((begun.job.status, begun.stop), (JobStatus::InProgress, None));
    assert_eq!(due_us(&begun.job), Some(two));
    assert!(matches!(step(&begun.job, &progress, Arrival::First, &moment(one), &LIMITS), Step::Create { .. }));
    let over = advance(&begun.job, &progress, &moment(two)).unwrap();
    assert_eq!((over.job.status, over.stop), (JobStatus::Canceled, Some(Stop::Cancel)));
    let forced =
        advance(&Job { status: JobStatus::InProgress, ..schedule("FORCE_CANCEL") }, &progress, &moment(two)).unwrap();
    assert_eq!((forced.job.force_canceled, forced.stop), (true, Some(Stop::Force)));
    let stopped =
        advance(&Job { status: JobStatus::InProgress, ..schedule("STOP_ROLLOUT") }, &progress, &moment(two)).unwrap();
    assert_eq!((stopped.job.status, stopped.stop), (JobStatus::InProgress, None));
    assert_eq!(step(&stopped.job, &progress, Arrival::Joined, &moment(two), &LIMITS), Step::Wait { until_us: None });
    assert_eq!(advance(&stopped.job, &progress, &moment(two)), None, "those there are go on");
    let done = Progress { counts: Counts::of([(Status::Succeeded, 2)]), waiting: 5, ..Progress::default() };
    assert_eq!(advance(&stopped.job, &done, &moment(two)).unwrap().job.status, JobStatus::Completed);

    // Mondays from 18:00 to 19:00; it is Monday noon.
    let windows = json!({"maintenanceWindows": [{"startTime": "cron(0 18 ? * MON *)", "durationInMinutes": 60}]});
    let windowed = job("j", json!({"targetSelection": "CONTINUOUS", "schedulingConfig": windows}));
    let ask = |hours: u64| step(&windowed, &progress, Arrival::Joined, &moment(NOON + hours * 60 * MINUTE), &LIMITS);
    assert_eq!(ask(0), Step::Wait { until_us: Some(NOON + 360 * MINUTE) });
    assert!(matches!(ask(6), Step::Create { .. }));
    assert!(matches!(ask(7), Step::Wait { .. }));
}

fn aborting(kind: &str, percent: f64, after: u32) -> Job {
    job(
        "j",
        json!({"abortConfig": {"criteriaList": [{"failureType": kind, "action": "CANCEL",
        "thresholdPercentage": percent, "minNumberOfExecutedThings": after}]}}),
    )
}

fn ended(counts: &[(Status, u64)]) -> Progress {
    Progress { counts: Counts::of(counts.iter().copied()), waiting: 100, ..Progress::default() }
}

#[test]
fn a_job_is_aborted_at_its_share_and_not_before_so_many_have_ended() {
    use Status::*;
    let aborts =
        |kind, counts: &[(Status, u64)]| must_abort(&aborting(kind, 20.0, 10).config, &ended(counts), None).is_some();
    assert!(!aborts("FAILED", &[(Failed, 9), (InProgress, 50)]), "not before ten");
    assert!(aborts("FAILED", &[(Failed, 2), (Succeeded, 8)]), "exactly the share");
    assert!(!aborts("FAILED", &[(Failed, 1), (Succeeded, 9)]));
    assert!(!aborts("FAILED", &[(Rejected, 10)]), "of another kind");
    assert!(aborts("REJECTED", &[(Rejected, 10)]));
    assert!(aborts("TIMED_OUT", &[(TimedOut, 10)]));
    assert!(aborts("ALL", &[(TimedOut, 1), (Rejected, 1), (Succeeded, 8)]));
    assert!(!aborts("ALL", &[(Canceled, 10), (Removed, 10)]));
}

#[test]
fn an_abort_cancels_what_is_queued_and_no_more() {
    let job = aborting("FAILED", 20.0, 1);
    let advance = advance(&job, &ended(&[(Status::Failed, 1)]), &moment(NOON + 1)).unwrap();
    assert_eq!((advance.job.status, advance.stop), (JobStatus::Canceled, Some(Stop::Abort)));
    let rows: Vec<_> =
        Status::ALL.map(|status| Execution { status, ..Execution::new("j", status.name(), NOON) }).to_vec();
    let foreign = Execution::new("another", "pump-1", NOON);
    let rows = [rows, vec![foreign]].concat();
    let hit = |stop| stopped(&job, stop, &rows, &moment(NOON)).into_iter().map(|one| one.thing).collect::<Vec<_>>();
    assert_eq!(hit(Stop::Abort), ["QUEUED"]);
    assert_eq!(hit(Stop::Cancel), ["QUEUED"]);
    assert_eq!(hit(Stop::Force), ["QUEUED", "IN_PROGRESS"]);
}

#[test]
fn a_snapshot_is_complete_when_everybody_has_ended() {
    let job = job("j", json!({}));
    let progress = |pending, waiting| {
        let counts = Counts::of([(Status::Queued, pending), (Status::Succeeded, 3)]);
        Progress { counts, waiting, ..Progress::default() }
    };
    assert_eq!(advance(&job, &progress(1, 0), &moment(NOON)), None);
    assert_eq!(advance(&job, &progress(0, 1), &moment(NOON)), None);
    let done = advance(&job, &progress(0, 0), &moment(NOON)).unwrap().job;
    assert_eq!((done.status, done.completed_us), (JobStatus::Completed, Some(NOON)));
    assert_eq!(advance(&done, &progress(0, 0), &moment(NOON)), None);
    let endless = Job { is_continuous: true, ..job };
    assert_eq!(advance(&endless, &progress(0, 0), &moment(NOON)), None);
}

#[test]
fn the_last_execution_of_each_thing_counts() {
    let first = Execution { status: Status::Failed, ..Execution::new("j", "a", NOON) };
    let second = Execution { number: 2, ..Execution::new("j", "a", NOON) };
    let other = Execution { status: Status::Failed, ..Execution::new("j", "b", NOON) };
    let counts = Counts::count(&[second, first, other]);
    assert_eq!(counts, Counts::of([(Status::Queued, 1), (Status::Failed, 1)]));
}

proptest! {
    #[test]
    fn no_minute_holds_more_than_the_pace(
        base in 1_u32..300, tenths in 11_u32..=50, per in 1_u32..50, most in proptest::option::of(300_u32..900), succeed: bool,
        mut asked in proptest::collection::vec(0_u64..200_000_000, 1..400), grows: bool,
    ) {
        asked.sort_unstable();
        let mut rollout = json!({});
        if grows {
            rollout["exponentialRate"] = json!({"baseRatePerMinute": base, "incrementFactor": f64::from(tenths) / 10.0,
                "rateIncreaseCriteria": {"numberOfNotifiedThings": per}});
        }
        if let Some(most) = most {
            rollout["maximumPerMinute"] = json!(if grows { most } else { base });
        }
        let job = job("j", json!({"jobExecutionsRolloutConfig": rollout}));
        let made = made(&job, &asked, succeed, None);
        prop_assert!(!made.is_empty());
        for (first, from) in made.iter().enumerate() {
            let last = made.partition_point(|at| *at < from + MINUTE);
            // What the rate is when the last of them is made.
            let steps = if grows { (last - 1) as u32 / per } else { 0 };
            let grown = f64::from(base) * (f64::from(tenths) / 10.0).powi(i32::try_from(steps).unwrap());
            let top = match (grows, most) {
                (true, most) => grown.ceil().min(f64::from(most.unwrap_or(1_000))),
                (false, Some(_)) => f64::from(base),
                (false, None) => 1_000.0,
            };
            prop_assert!(((last - first) as f64) <= top, "{} of {top} in a minute", last - first);
        }
    }
}
