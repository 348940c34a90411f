//! What an account is told of its jobs.

use super::*;
use crate::jobs::events::*;

#[test]
fn a_job_that_ends_is_told() {
    let canceled = job("j", json!({})).cancel(NOON, Some("WHY"), None, false).unwrap();
    let event = JobEvent::of(canceled.status).unwrap();
    let counts = Counts::of([(Status::Canceled, 2)]);
    let message = job_event(event, "e-1", NOON, &canceled, &counts, &place());
    assert_eq!(message.topic, "$aws/events/job/j/cancellation_in_progress");
    let said = read(&message);
    assert_eq!(
        (&said["eventType"], &said["status"], &said["reasonCode"]),
        (&json!("JOB"), &json!("CANCELED"), &json!("WHY"))
    );
    assert_eq!(said["jobProcessDetails"]["numberOfCanceledThings"], 2);
    assert_eq!(said.get("document"), None, "no event carries the document");
    let deleted = job_event(JobEvent::Deleted, "e-2", NOON, &canceled, &counts, &place());
    assert_eq!((deleted.topic.as_str(), &read(&deleted)["status"]), ("$aws/events/job/j/deleted", &json!("DELETED")));
    assert_eq!(JobEvent::of(JobStatus::InProgress), None);
}

#[test]
fn an_execution_that_ends_is_told_once_it_has() {
    for status in Status::ALL {
        let one = Execution { status, ..Execution::new("j", "pump-1", NOON) };
        let message = execution_event("e", NOON, &one, &place());
        assert_eq!(message.is_some(), status.is_terminal());
        if let Some(message) = message {
            assert_eq!(message.topic, format!("$aws/events/jobExecution/j/{}", status.name().to_lowercase()));
            assert_eq!(
                read(&message),
                json!({"eventType": "JOB_EXECUTION", "eventId": "e", "timestamp": 1_716_206_400, "jobId": "j",
                    "operation": status.name().to_lowercase(), "status": status.name(), "executionNumber": 1,
                    "thingArn": "arn:aws:iot:eu-central-1:111122223333:thing/pump-1"})
            );
        }
    }
    let one = Execution::new("j", "pump-1", NOON);
    assert_eq!(execution_deleted("e", NOON, &one, &place()).topic, "$aws/events/jobExecution/j/deleted");
}
