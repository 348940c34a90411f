//! What holds for any sequence of messages.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// What a device does.
#[derive(Clone, Debug)]
enum Act {
    Wait(u64),
    StartNext(Option<i64>),
    Update { job: usize, status: usize, expected: Option<u64>, number: Option<u64>, step: Option<i64> },
    Get,
    Describe(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let step = || proptest::option::of(prop_oneof![Just(-1_i64), 1_i64..30]);
    prop_oneof![
        (0_u64..15).prop_map(Act::Wait),
        step().prop_map(Act::StartNext),
        (0_usize..3, 0_usize..10, proptest::option::of(0_u64..5), proptest::option::of(0_u64..4), step())
            .prop_map(|(job, status, expected, number, step)| Act::Update { job, status, expected, number, step }),
        Just(Act::Get),
        (0_usize..4).prop_map(Act::Describe),
    ]
}

const NAMES: [&str; 4] = ["a", "b", "c", "$next"];
/// More often what a device may say.
const STATUSES: [&str; 10] = [
    "IN_PROGRESS",
    "IN_PROGRESS",
    "IN_PROGRESS",
    "FAILED",
    "FAILED",
    "SUCCEEDED",
    "REJECTED",
    "TIMED_OUT",
    "QUEUED",
    "CANCELED",
];

fn request(act: &Act) -> Option<(String, Value)> {
    Some(match act {
        Act::Wait(_) => return None,
        Act::Get => ("get".to_owned(), json!({})),
        Act::StartNext(step) => ("start-next".to_owned(), json!({"stepTimeoutInMinutes": step})),
        Act::Describe(job) => (format!("{}/get", NAMES[*job]), json!({})),
        Act::Update { job, status, expected, number, step } => (
            format!("{}/update", NAMES[*job]),
            json!({"status": STATUSES[*status], "expectedVersion": expected, "executionNumber": number,
                "stepTimeoutInMinutes": step, "clientToken": format!("t{status}")}),
        ),
    })
}

fn may(from: Status, to: Status) -> bool {
    use Status::*;
    matches!((from, to), (Queued, InProgress | Succeeded | Failed | Rejected))
        || matches!((from, to), (InProgress, InProgress | Succeeded | Failed | Rejected | TimedOut))
}

fn pending(rows: &[Execution]) -> BTreeSet<(&str, u64)> {
    rows.iter().filter(|row| row.is_pending()).map(Execution::key).collect()
}

/// The next one, found in another way than the room does.
fn next(rows: &[Execution]) -> Option<(&str, u64)> {
    let mut waiting: Vec<_> = rows.iter().filter(|row| row.is_pending()).collect();
    waiting.sort_by_key(|row| (row.queued_us, row.job_id.clone(), row.number));
    waiting.sort_by_key(|row| row.status != Status::InProgress);
    waiting.first().map(|row| row.key())
}

fn jobs(retries: u8) -> Vec<Job> {
    let retry = |kind: &str| json!({"criteriaList": [{"failureType": kind, "numberOfRetries": retries}]});
    vec![
        job(
            "a",
            json!({"jobExecutionsRetryConfig": retry("FAILED"), "timeoutConfig": {"inProgressTimeoutInMinutes": 20}}),
        ),
        job("b", json!({"jobExecutionsRetryConfig": retry("ALL"), "timeoutConfig": {"inProgressTimeoutInMinutes": 5}})),
        job("c", json!({})),
    ]
}

proptest! {
    #[test]
    fn no_sequence_of_messages_breaks_a_rule(acts in proptest::collection::vec(act(), 1..60), retries in 0_u8..3) {
        let mut owner = Owner::with(jobs(retries));
        for act in &acts {
            if let Act::Wait(minutes) = act {
                owner.now_us += minutes * MINUTE;
            }
            let Some((asked, payload)) = request(act) else { continue };
            let before = owner.rows.clone();
            let overdue = before.iter().any(|row| row.due_us(None).is_some_and(|due| due <= owner.now_us));
            let outcome = owner.send(&asked, payload.clone());
            let reply = read(&outcome.replies[0]);

            prop_assert_eq!(outcome.replies.len(), 1);
            prop_assert_eq!(reply.get("clientToken"), payload.get("clientToken"));
            for change in &outcome.changes {
                match change {
                    Change::Update(row) => {
                        let old = before.iter().find(|one| one.key() == row.key()).unwrap();
                        prop_assert!(may(old.status, row.status), "{:?} to {:?}", old.status, row.status);
                        prop_assert_eq!(row.version, old.version + 1);
                        prop_assert!(row.updated_us >= old.updated_us && row.queued_us == old.queued_us);
                    }
                    Change::Insert(row) => {
                        prop_assert!(before.iter().all(|one| one.key() != row.key()));
                        let last = before.iter().filter(|one| one.job_id == row.job_id).map(|one| one.number).max();
                        // What time has ended may be tried again, begun and ended in one request.
                        prop_assert!(last.is_some_and(|last| row.number > last));
                        prop_assert_eq!(row.version, if row.status == Status::Queued { 1 } else { 2 });
                    }
                }
            }
            if !overdue && reply.get("code").is_some() {
                prop_assert!(outcome.changes.is_empty() && outcome.pushes.is_empty(), "{}", reply);
            }
            if reply.get("code") == Some(&json!("VersionMismatch")) {
                let state = &reply["executionState"];
                prop_assert_ne!(&state["versionNumber"], &payload["expectedVersion"]);
            } else if let (Act::Update { expected: Some(expected), .. }, None) = (act, reply.get("code")) {
                let is_expected = |row: &&Execution| row.job_id == asked[..1] && row.version == expected + 1;
                prop_assert!(owner.rows.iter().any(|row| is_expected(&row)));
            }
            let is_told = |which: &str| pushed(&outcome).iter().filter(|push| **push == which).count();
            prop_assert_eq!(is_told("notify"), usize::from(pending(&before) != pending(&owner.rows)));
            prop_assert_eq!(is_told("notify-next"), usize::from(next(&before) != next(&owner.rows)));
            for row in &owner.rows {
                prop_assert!(row.number <= u64::from(retries) + 1);
                prop_assert!(row.status != Status::InProgress || row.due_us(None).is_none_or(|due| due > owner.now_us));
            }
            let live = owner.rows.iter().filter(|row| row.is_pending()).map(|row| row.job_id.as_str());
            let live: Vec<_> = live.collect();
            prop_assert_eq!(live.len(), live.iter().collect::<BTreeSet<_>>().len(), "one attempt at a time");
        }
    }

    #[test]
    fn nothing_panics(topic in "(\\$aws/things/)?[a-z+#$/]{0,12}/jobs/[a-z$/-]{0,20}", payload in any::<Vec<u8>>(), now_us: u64) {
        let owner = Owner { now_us, ..Owner::with(jobs(1)) };
        if let Some(topic) = Topic::parse(&topic) {
            prop_assert_eq!(owner.desk().handle(&topic, &payload).replies.len(), 1);
        }
        if let Some(route) = Route::parse("POST", &topic, &topic) {
            let _ = owner.desk().serve(&route, &payload);
        }
    }

    #[test]
    fn any_values_are_answered(
        status in "[A-Z_]{0,12}", number in any::<i64>(), step in any::<f64>(), token in "\\PC{0,80}",
        key in "\\PC{0,140}", value in "\\PC{0,1100}", now_us: u64,
    ) {
        let owner = Owner { now_us, ..Owner::with(jobs(1)) };
        let payload = json!({"status": status, "expectedVersion": number, "executionNumber": number,
            "stepTimeoutInMinutes": step, "clientToken": token, "statusDetails": {key: value}});
        for asked in ["a/update", "start-next", "a/get", "get"] {
            let topic = format!("$aws/things/pump-1/jobs/{asked}");
            let outcome = owner.desk().handle(&Topic::parse(&topic).unwrap(), payload.to_string().as_bytes());
            prop_assert_eq!(outcome.replies.len(), 1);
            prop_assert!(outcome.replies[0].payload.len() < 4_096);
        }
    }
}
