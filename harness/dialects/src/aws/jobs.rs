//! Jobs: an update as a job of the account, and what became of it on each thing.

use super::things::{Place, pages};
use super::{ask, text};
use crate::Result;
use crate::mender::{Mender, Session};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How many targets a job may name; beyond, they are put into a group.
pub const MOST_TARGETS: usize = 100;

/// An image as a job's document offers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFile {
    /// Where its bytes are in the account's storage, without what signs the address.
    pub place: String,
    /// The version that it brings.
    pub version: String,
}

/// What a job does, in AWS's words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobSpec {
    /// ARNs of things or groups.
    pub targets: Vec<String>,
    /// What is brought.
    pub file: Option<JobFile>,
    /// Devices in a minute.
    pub rate: Option<u64>,
    /// By what the rate grows, after how many, and which of them count (`notified`, `succeeded`).
    pub grows: Option<(f64, u32, &'static str)>,
    /// How often it is tried again, and after which end: `FAILED`, `TIMED_OUT`, `ALL`.
    pub retries: Option<(u32, &'static str)>,
    /// How long an attempt may take, in minutes.
    pub timeout: Option<u64>,
    /// At which share it stops, in percent, and not before how many have ended.
    pub abort: Option<(f64, u32)>,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRow {
    /// `SCHEDULED`, `IN_PROGRESS`, `COMPLETED`, `CANCELED`, `DELETION_IN_PROGRESS`.
    pub status: String,
    /// What whoever canceled it gave as the reason.
    pub reason: Option<String>,
}

/// One attempt of a job on one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// The thing.
    pub thing: String,
    /// Counted from 1.
    pub number: u64,
    /// `QUEUED`, `IN_PROGRESS`, `SUCCEEDED`, `FAILED`, `TIMED_OUT`, `REJECTED`, `REMOVED`, `CANCELED`.
    pub status: String,
}

impl JobSpec {
    /// The body of the request.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = Map::from_iter([("targets".to_owned(), json!(self.targets))]);
        if let Some(file) = &self.file {
            body.insert("document".to_owned(), document(file).to_string().into());
        }
        if let Some(rate) = self.rate {
            let rollout = match self.grows {
                None => json!({ "maximumPerMinute": rate }),
                Some((factor, per, counting)) => {
                    let criteria =
                        if counting == "notified" { "numberOfNotifiedThings" } else { "numberOfSucceededThings" };
                    json!({ "exponentialRate": {
                        "baseRatePerMinute": rate, "incrementFactor": factor, "rateIncreaseCriteria": { criteria: per },
                    } })
                }
            };
            body.insert("jobExecutionsRolloutConfig".to_owned(), rollout);
        }
        if let Some((number, on)) = self.retries {
            let criteria = json!([{ "failureType": on, "numberOfRetries": number }]);
            body.insert("jobExecutionsRetryConfig".to_owned(), json!({ "criteriaList": criteria }));
        }
        if let Some(minutes) = self.timeout {
            body.insert("timeoutConfig".to_owned(), json!({ "inProgressTimeoutInMinutes": minutes }));
        }
        if let Some((percent, after)) = self.abort {
            let criteria = json!([{ "failureType": "ALL", "action": "CANCEL", "thresholdPercentage": percent,
                "minNumberOfExecutedThings": after }]);
            body.insert("abortConfig".to_owned(), json!({ "criteriaList": criteria }));
        }
        Value::Object(body)
    }
}

/// What a device is told to do: an update over the air as FreeRTOS has it, with one file over HTTP.
fn document(file: &JobFile) -> Value {
    json!({ "afr_ota": {
        "protocols": ["HTTP"],
        "files": [{
            "filepath": "/device/updates", "fileid": 0, "version": file.version,
            "update_data_url": format!("${{aws:iot:s3-presigned-url:{}}}", file.place),
            "auth_scheme": "aws.s3.presigned",
        }],
    } })
}

/// Makes a job.
///
/// # Errors
/// As the platform refuses it: 409 for an id that is taken.
pub async fn create(mender: &Mender, by: &Session, place: &Place, id: &str, spec: &JobSpec) -> Result<()> {
    ask(mender, by, "PUT", &place.path(&format!("/jobs/{id}")), Some(&spec.body())).await.map(drop)
}

/// Makes a job for things that only waits to be done: its document says `word`.
///
/// # Errors
/// As the platform refuses it: 409 for an id that is taken.
pub async fn offer(mender: &Mender, by: &Session, place: &Place, id: &str, thing: &str, word: &str) -> Result<()> {
    let document = json!({ "operation": word }).to_string();
    let body = json!({ "targets": [place.arn(&format!("thing/{thing}"))], "document": document });
    ask(mender, by, "PUT", &place.path(&format!("/jobs/{id}")), Some(&body)).await.map(drop)
}

/// Takes a job away, whatever has become of it.
///
/// # Errors
/// As the platform refuses it.
pub async fn remove(mender: &Mender, by: &Session, place: &Place, id: &str) -> Result<()> {
    ask(mender, by, "DELETE", &place.path(&format!("/jobs/{id}?force=true")), None).await.map(drop)
}

/// Ends a job before its time, with what its devices have begun. `reason`: a word, which the platform tells again.
///
/// # Errors
/// As the platform refuses it: 409 when it has ended.
pub async fn cancel(mender: &Mender, by: &Session, place: &Place, id: &str, reason: &str) -> Result<()> {
    let path = place.path(&format!("/jobs/{id}/cancel?force=true"));
    ask(mender, by, "PUT", &path, Some(&json!({ "reasonCode": reason }))).await.map(drop)
}

/// How far a job is.
///
/// # Errors
/// Refused with 404 when there is none.
pub async fn describe(mender: &Mender, by: &Session, place: &Place, id: &str) -> Result<JobRow> {
    let body = ask(mender, by, "GET", &place.path(&format!("/jobs/{id}")), None).await?.json().unwrap_or_default();
    let job = body.get("job").cloned().unwrap_or_default();
    let reason = Some(text(&job, "reasonCode")).filter(|reason| !reason.is_empty());
    Ok(JobRow { status: text(&job, "status"), reason })
}

/// Whether a job is there.
///
/// # Errors
/// As every verb.
pub async fn is_there(mender: &Mender, by: &Session, place: &Place, id: &str) -> Result<bool> {
    match describe(mender, by, place, id).await {
        Ok(_) => Ok(true),
        Err(error) if error.status() == Some(404) => Ok(false),
        Err(error) => Err(error),
    }
}

/// How many jobs of the account have not ended: those that are under way, and those whose time is still to come.
///
/// # Errors
/// As every verb.
pub async fn open(mender: &Mender, by: &Session, place: &Place) -> Result<u64> {
    let mut open = 0;
    for status in ["IN_PROGRESS", "SCHEDULED"] {
        let path = place.path(&format!("/jobs?status={status}&maxResults=250"));
        open += pages(mender, by, &path, "jobs", ("nextToken", "nextToken")).await?.len() as u64;
    }
    Ok(open)
}

/// What became of a job on each thing: all attempts.
///
/// # Errors
/// As every verb.
pub async fn executions(mender: &Mender, by: &Session, place: &Place, id: &str) -> Result<Vec<Execution>> {
    let path = place.path(&format!("/jobs/{id}/things?maxResults=250"));
    let rows = pages(mender, by, &path, "executionSummaries", ("nextToken", "nextToken")).await?;
    let read = |row: &Value| {
        let summary = row.get("jobExecutionSummary").cloned().unwrap_or_default();
        let arn = text(row, "thingArn");
        Execution {
            thing: arn.rsplit_once('/').map_or(arn.clone(), |(_, name)| name.to_owned()),
            number: summary.get("executionNumber").and_then(Value::as_u64).unwrap_or_default(),
            status: text(&summary, "status"),
        }
    };
    Ok(rows.iter().map(read).collect())
}

/// The last attempt on each thing.
#[must_use]
pub fn last(executions: Vec<Execution>) -> BTreeMap<String, Execution> {
    let mut last: BTreeMap<String, Execution> = BTreeMap::new();
    for execution in executions {
        let known = last.get(&execution.thing).map_or(0, |known| known.number);
        if known <= execution.number {
            last.insert(execution.thing.clone(), execution);
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_says_what_aws_calls_it() {
        let spec = JobSpec {
            targets: vec!["arn:aws:iot:eu-1:1:thinggroup/beta".to_owned()],
            file: Some(JobFile { place: "http://platform/storage/t/a".to_owned(), version: "2.0".to_owned() }),
            rate: Some(60),
            grows: Some((1.5, 10, "succeeded")),
            retries: Some((2, "FAILED")),
            timeout: Some(5),
            abort: Some((25.0, 10)),
        };
        insta::assert_snapshot!(format!("{:#}", spec.body()));
        let plain = JobSpec { rate: Some(60), ..JobSpec::default() };
        assert_eq!(plain.body()["jobExecutionsRolloutConfig"], json!({ "maximumPerMinute": 60 }));
    }

    #[test]
    fn the_last_attempt_counts() {
        let one = |number, status: &str| Execution { thing: "a".into(), number, status: status.into() };
        let last = last(vec![one(2, "SUCCEEDED"), one(1, "FAILED")]);
        assert_eq!(last["a"].status, "SUCCEEDED");
    }
}
