//! CreateJob in, DescribeJob out.

use super::*;
use proptest::prelude::*;

fn refusal(more: Value) -> String {
    let error = Job::create(NOON, "job", &body(more), &place()).unwrap_err();
    assert_eq!(error.http(), (400, "InvalidRequestException"));
    error.to_string()
}

fn is_fine(more: Value) {
    Job::create(NOON, "job", &body(more.clone()), &place()).unwrap_or_else(|error| panic!("{more}: {error}"));
}

#[test]
fn a_refusal_names_the_field_the_bound_and_what_was_given() {
    let growth = |base: i64, factor: f64, criteria: Value| {
        json!({"jobExecutionsRolloutConfig": {"exponentialRate":
            {"baseRatePerMinute": base, "incrementFactor": factor, "rateIncreaseCriteria": criteria}}})
    };
    let notified = || json!({"numberOfNotifiedThings": 1});
    let retry = |list: Value| json!({"jobExecutionsRetryConfig": {"criteriaList": list}});
    let abort = |percent: f64, after: i64| {
        json!({"abortConfig": {"criteriaList": [{"failureType": "FAILED", "action": "CANCEL",
            "thresholdPercentage": percent, "minNumberOfExecutedThings": after}]}})
    };
    let said: Vec<String> = [
        json!({"jobExecutionsRolloutConfig": {"maximumPerMinute": 0}}),
        growth(0, 2.0, notified()),
        growth(1001, 2.0, notified()),
        growth(50, 1.0, notified()),
        growth(50, 5.1, notified()),
        growth(50, 1.15, notified()),
        growth(50, 2.0, json!({})),
        growth(50, 2.0, json!({"numberOfSucceededThings": 0})),
        abort(100.01, 1),
        abort(10.999, 1),
        abort(10.0, 0),
        json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 10081}}),
        json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 0}}),
        retry(json!([])),
        retry(json!([{"failureType": "REJECTED", "numberOfRetries": 1}])),
        retry(json!([{"failureType": "ALL", "numberOfRetries": 11}])),
        retry(json!([{"failureType": "FAILED", "numberOfRetries": 6}, {"failureType": "TIMED_OUT", "numberOfRetries": 5}])),
        retry(json!([{"failureType": "FAILED", "numberOfRetries": 6}, {"failureType": "ALL", "numberOfRetries": 1}])),
        json!({"presignedUrlConfig": {"roleArn": "arn:aws:iam::111122223333:role/r", "expiresInSec": 59}}),
        json!({"schedulingConfig": {"startTime": "2024-05-20T12:29"}}),
        json!({"schedulingConfig": {"startTime": "tomorrow"}}),
        json!({"schedulingConfig": {"endBehavior": "CANCEL"}}),
        json!({"schedulingConfig": {"endTime": "2024-05-20T12:29"}}),
        json!({"schedulingConfig": {"maintenanceWindows": [{"startTime": "cron(0 1 ? * MON *)", "durationInMinutes": 1431}]}}),
        json!({"targetSelection": "ALL"}),
        json!({"targets": []}),
        json!({"targets": ["arn:aws:iot:eu-central-1:999988887777:thing/pump-1"]}),
        json!({"targets": ["arn:aws:iot:us-east-1:111122223333:thing/pump-1"]}),
        json!({"targets": ["arn:aws:iot:eu-central-1:111122223333:thing/pump/1"]}),
        json!({"document": "[1]"}),
        json!({"document": "{"}),
        json!({"document": null}),
    ]
    .into_iter()
    .map(refusal)
    .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn the_bounds_themselves_are_fine() {
    for (base, factor) in [(1, 1.1), (1000, 5.0), (50, 2.0)] {
        is_fine(json!({"jobExecutionsRolloutConfig": {"exponentialRate": {"baseRatePerMinute": base,
            "incrementFactor": factor, "rateIncreaseCriteria": {"numberOfSucceededThings": 1}}}}));
    }
    is_fine(json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 1}}));
    is_fine(json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 10080}}));
    is_fine(json!({"jobExecutionsRetryConfig": {"criteriaList": [
        {"failureType": "FAILED", "numberOfRetries": 6}, {"failureType": "TIMED_OUT", "numberOfRetries": 4}]}}));
    is_fine(json!({"abortConfig": {"criteriaList": [{"failureType": "ALL", "action": "CANCEL",
        "thresholdPercentage": 99.99, "minNumberOfExecutedThings": 1}]}}));
    is_fine(json!({"schedulingConfig": {"startTime": "2024-05-20T12:30", "endTime": "2024-05-20T13:00"}}));
    is_fine(json!({"presignedUrlConfig": {"roleArn": "arn:aws:iam::111122223333:role/r", "expiresInSec": 3600}}));
}

#[test]
fn ids_documents_and_targets_are_bounded() {
    let create = |id: &str, body: Map<String, Value>| Job::create(NOON, id, &body, &place());
    assert!(create(&"j".repeat(64), body(json!({}))).is_ok());
    for id in ["", "a b", "ä", "a/b", "$next", &"j".repeat(65)] {
        assert!(create(id, body(json!({}))).is_err(), "{id}");
    }
    let document = |length: usize| json!({"document": format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8))});
    assert!(create("j", body(document(32 * 1024))).is_ok());
    let error = create("j", body(document(32 * 1024 + 1))).unwrap_err().to_string();
    assert_eq!(error, "document: must be at most 32768 bytes, is 32769 bytes");
    let targets = |many: usize| {
        let arn = |n: usize| format!("arn:aws:iot:eu-central-1:111122223333:thinggroup/g{n}");
        json!({"targets": (0..many).map(arn).collect::<Vec<_>>()})
    };
    assert_eq!(create("j", body(targets(100))).unwrap().targets.len(), 100);
    assert!(create("j", body(targets(101))).is_err());
}

#[test]
fn a_job_is_described_with_the_names_of_the_service() {
    let made = job(
        "update-7",
        json!({
            "targets": ["arn:aws:iot:eu-central-1:111122223333:thinggroup/pumps"],
            "targetSelection": "CONTINUOUS",
            "description": "seven",
            "jobExecutionsRolloutConfig": {"maximumPerMinute": 100, "exponentialRate": {"baseRatePerMinute": 50,
                "incrementFactor": 1.5, "rateIncreaseCriteria": {"numberOfNotifiedThings": 1000}}},
            "abortConfig": {"criteriaList": [{"failureType": "ALL", "action": "CANCEL", "thresholdPercentage": 12.25,
                "minNumberOfExecutedThings": 10}]},
            "timeoutConfig": {"inProgressTimeoutInMinutes": 20},
            "jobExecutionsRetryConfig": {"criteriaList": [{"failureType": "ALL", "numberOfRetries": 2}]},
            "schedulingConfig": {"startTime": "2024-05-20T13:00", "endTime": "2024-05-21T13:00", "endBehavior": "CANCEL",
                "maintenanceWindows": [{"startTime": "cron(0 18 ? * MON *)", "durationInMinutes": 60}]},
            "presignedUrlConfig": {"roleArn": "arn:aws:iam::111122223333:role/r", "expiresInSec": 60},
        }),
    );
    assert_eq!(made.status, JobStatus::Scheduled);
    let counts = Counts::of([(Status::Queued, 3), (Status::TimedOut, 1)]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&made.describe(&counts, &place())).unwrap());
    let again = Job::create(NOON, "update-7", &made.to_create(&place()), &place()).unwrap();
    assert_eq!(again, made);
    assert_eq!(serde_json::from_value::<Job>(serde_json::to_value(&made).unwrap()).unwrap(), made, "as a row");
}

#[test]
fn a_job_ends_once() {
    let going = job("j", json!({}));
    assert_eq!(going.status, JobStatus::InProgress);
    assert_eq!(going.delete(NOON, false).unwrap_err().http(), (409, "InvalidStateTransitionException"));
    let canceled = going.cancel(NOON + 5, Some("WHY"), Some("because"), true).unwrap();
    assert_eq!(
        (canceled.status, canceled.completed_us, canceled.force_canceled),
        (JobStatus::Canceled, Some(NOON + 5), true)
    );
    assert!(canceled.cancel(NOON + 6, None, None, true).is_err());
    let deleted = canceled.delete(NOON + 7, false).unwrap();
    assert_eq!(deleted.status, JobStatus::DeletionInProgress);
    assert!(deleted.delete(NOON + 8, true).is_err());
    assert_eq!(going.delete(NOON, true).unwrap().status, JobStatus::DeletionInProgress);
    assert!(going.cancel(NOON, Some("with blank"), None, false).is_err());
    assert!(going.cancel(NOON, None, Some(&"x".repeat(2_029)), false).is_err());
}

#[test]
fn one_execution_is_canceled_by_its_version() {
    let job = job("j", json!({}));
    let queued = Execution::new("j", "pump-1", NOON);
    let canceled = job.cancel_one(&moment(NOON + 1), &queued, Some(1), false).unwrap();
    assert_eq!((canceled.status, canceled.version, canceled.force_canceled), (Status::Canceled, 2, false));
    let error = job.cancel_one(&moment(NOON + 1), &queued, Some(2), true).unwrap_err();
    assert_eq!(error, JobError::VersionMismatch { expected: 2, actual: 1 });
    let begun = queued.change(&moment(NOON), &job, Status::InProgress, None, None).unwrap();
    assert!(job.cancel_one(&moment(NOON), &begun, None, false).is_err());
    assert!(job.cancel_one(&moment(NOON), &begun, None, true).unwrap().force_canceled);
}

proptest! {
    #[test]
    fn a_configuration_is_written_as_it_is_read(
        most in proptest::option::of(1000_u32..5000), base in 1_u32..=1000, tenths in 11_u32..=50, per in 1_u32.., succeeded: bool,
        percent in 0_u32..=10_000, after in 1_u32.., minutes in 1_u16..=10_080, failed in 0_u8..=5, timed_out in 0_u8..=5,
    ) {
        let criteria = if succeeded { "numberOfSucceededThings" } else { "numberOfNotifiedThings" };
        let mut rollout = json!({"exponentialRate": {"baseRatePerMinute": base,
            "incrementFactor": f64::from(tenths) / 10.0, "rateIncreaseCriteria": {criteria: per}}});
        if let Some(most) = most {
            rollout["maximumPerMinute"] = json!(most);
        }
        let more = json!({
            "jobExecutionsRolloutConfig": rollout,
            "abortConfig": {"criteriaList": [{"failureType": "REJECTED", "action": "CANCEL",
                "thresholdPercentage": f64::from(percent) / 100.0, "minNumberOfExecutedThings": after}]},
            "timeoutConfig": {"inProgressTimeoutInMinutes": minutes},
            "jobExecutionsRetryConfig": {"criteriaList": [{"failureType": "FAILED", "numberOfRetries": failed},
                {"failureType": "TIMED_OUT", "numberOfRetries": timed_out}]},
        });
        let made = job("j", more.clone());
        prop_assert_eq!(made.config.abort[0].threshold, percent);
        let written = made.to_create(&place());
        for (name, value) in object(more) {
            prop_assert_eq!(written.get(&name), Some(&value));
        }
        prop_assert_eq!(Job::create(NOON, "j", &written, &place()).unwrap(), made);
    }
}
