//! What an account that wants to know is told of its jobs: `$aws/events/job/…` and `$aws/events/jobExecution/…`. Whether it
//! wants to know is its own setting; whoever owns that asks here only then.

use super::execution::{Execution, Status};
use super::job::{Counts, Job, JobStatus, Place, Target};
use super::topics::Message;
use serde_json::{Map, Value, json};

/// What has become of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobEvent {
    /// Every execution has ended.
    Completed,
    /// It is canceled, and no execution of it is left to be canceled.
    Canceled,
    /// It is deleted.
    Deleted,
    /// Its executions are being canceled.
    CancellationInProgress,
    /// Its executions are being deleted.
    DeletionInProgress,
}

impl JobEvent {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Canceled => "canceled",
            Self::Deleted => "deleted",
            Self::CancellationInProgress => "cancellation_in_progress",
            Self::DeletionInProgress => "deletion_in_progress",
        }
    }

    /// The one that follows from a job's new status, before its executions have followed.
    #[must_use]
    pub const fn of(status: JobStatus) -> Option<Self> {
        match status {
            JobStatus::Completed => Some(Self::Completed),
            JobStatus::Canceled => Some(Self::CancellationInProgress),
            JobStatus::DeletionInProgress => Some(Self::DeletionInProgress),
            JobStatus::Scheduled | JobStatus::InProgress => None,
        }
    }
}

/// An event of a job. `id` tells events apart; `now_us` is µs since 1970.
#[must_use]
pub fn job_event(event: JobEvent, id: &str, now_us: u64, job: &Job, counts: &Counts, place: &Place<'_>) -> Message {
    let mut body = match job.describe(counts, place) {
        Value::Object(whole) => {
            let kept = [
                "targetSelection",
                "targets",
                "description",
                "reasonCode",
                "comment",
                "createdAt",
                "lastUpdatedAt",
                "completedAt",
                "jobProcessDetails",
            ];
            whole.into_iter().filter(|(name, _)| kept.contains(&name.as_str())).collect()
        }
        _ => Map::new(),
    };
    put(&mut body, "JOB", id, now_us, event.name(), &job.id);
    // What is deleted has no status any more, and is told as such.
    let status = if event == JobEvent::Deleted { "DELETED" } else { job.status.name() };
    body.insert("status".to_owned(), json!(status));
    Message::new(format!("$aws/events/job/{}/{}", job.id, event.name()), &body)
}

/// An event of an execution that has ended; `None` while it is pending.
#[must_use]
pub fn execution_event(id: &str, now_us: u64, execution: &Execution, place: &Place<'_>) -> Option<Message> {
    let operation = match execution.status {
        Status::Queued | Status::InProgress => return None,
        Status::Succeeded => "succeeded",
        Status::Failed => "failed",
        Status::TimedOut => "timed_out",
        Status::Rejected => "rejected",
        Status::Removed => "removed",
        Status::Canceled => "canceled",
    };
    Some(of_execution(operation, id, now_us, execution, place))
}

/// The event of an execution that was deleted, with its job or alone.
#[must_use]
pub fn execution_deleted(id: &str, now_us: u64, execution: &Execution, place: &Place<'_>) -> Message {
    of_execution("deleted", id, now_us, execution, place)
}

fn of_execution(operation: &str, id: &str, now_us: u64, execution: &Execution, place: &Place<'_>) -> Message {
    let mut body = Map::new();
    put(&mut body, "JOB_EXECUTION", id, now_us, operation, &execution.job_id);
    body.insert("thingArn".to_owned(), json!(Target::Thing(execution.thing.clone()).arn(place)));
    body.insert("status".to_owned(), json!(execution.status.name()));
    body.insert("executionNumber".to_owned(), json!(execution.number));
    if !execution.details.is_empty() {
        body.insert("statusDetails".to_owned(), json!(execution.details));
    }
    Message::new(format!("$aws/events/jobExecution/{}/{operation}", execution.job_id), &body)
}

fn put(body: &mut Map<String, Value>, kind: &str, id: &str, now_us: u64, operation: &str, job: &str) {
    body.insert("eventType".to_owned(), json!(kind));
    body.insert("eventId".to_owned(), json!(id));
    body.insert("timestamp".to_owned(), json!(now_us / 1_000_000));
    body.insert("operation".to_owned(), json!(operation));
    body.insert("jobId".to_owned(), json!(job));
}
