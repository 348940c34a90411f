//! A job: what is done, on which things, how it goes round, and where it is.

use super::config::Config;
use super::error::{JobError, cut};
use super::execution::{Execution, Moment, Status};
use super::fields::Fields;
use super::limits::Limits;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobStatus {
    /// It begins later.
    Scheduled,
    /// It goes round.
    InProgress,
    /// Every execution has ended.
    Completed,
    /// It was stopped.
    Canceled,
    /// Its executions are being deleted.
    DeletionInProgress,
}

impl JobStatus {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "SCHEDULED",
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Canceled => "CANCELED",
            Self::DeletionInProgress => "DELETION_IN_PROGRESS",
        }
    }

    /// Whether executions may still be made.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Scheduled | Self::InProgress)
    }
}

/// Whom a job is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Target {
    /// The thing of this name.
    Thing(String),
    /// The members of the group of this name. Its owner says who they are.
    Group(String),
}

/// Whose jobs they are, when one is made or shown.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The region, e.g. `eu-central-1`.
    pub region: &'a str,
    /// The account, twelve digits.
    pub account: &'a str,
    /// Its bounds.
    pub limits: &'a Limits,
}

impl Place<'_> {
    fn arn(&self, kind: &str, name: &str) -> String {
        format!("arn:aws:iot:{}:{}:{kind}/{name}", self.region, self.account)
    }
}

impl Target {
    /// An ARN of a thing or a group in this place. What is elsewhere is refused whether it exists or not.
    fn read(at: &str, arn: &str, place: &Place<'_>) -> Result<Self, JobError> {
        let bound = || {
            let (region, account) = (place.region, place.account);
            format!("the ARN of a thing or a thinggroup of account {account} in {region}")
        };
        let home = place.arn("", "");
        let rest = arn.strip_prefix(home.strip_suffix('/').unwrap_or(&home));
        let target = match rest.and_then(|rest| rest.split_once('/')) {
            Some(("thing", name)) if is_name(name) => Self::Thing(name.to_owned()),
            Some(("thinggroup", name)) if is_name(name) => Self::Group(name.to_owned()),
            _ => return Err(JobError::invalid(at, bound(), arn)),
        };
        Ok(target)
    }

    /// Its ARN.
    #[must_use]
    pub fn arn(&self, place: &Place<'_>) -> String {
        match self {
            Self::Thing(name) => place.arn("thing", name),
            Self::Group(name) => place.arn("thinggroup", name),
        }
    }
}

/// Whether a thing or a group may have this name.
fn is_name(name: &str) -> bool {
    (1..=128).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":_-".contains(&byte))
}

/// Whether a job may have this id.
#[must_use]
pub fn is_job_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// The JSON that devices are handed, with its placeholders.
    pub document: String,
    /// Whom it is for.
    pub targets: Vec<Target>,
    /// Things that join a group later get it too (CONTINUOUS).
    pub is_continuous: bool,
    /// What it is, for people.
    pub description: Option<String>,
    /// How it goes round.
    pub config: Config,
    /// Where it is.
    pub status: JobStatus,
    /// Why it was canceled.
    pub reason_code: Option<String>,
    /// What was said when it was canceled.
    pub comment: Option<String>,
    /// It was canceled with `force`.
    pub force_canceled: bool,
    /// The rollout has ended by its schedule: no further execution is made.
    pub is_rollout_over: bool,
    /// When it was made, in µs since 1970.
    pub created_us: u64,
    /// When it was last changed.
    pub updated_us: u64,
    /// When it was completed or canceled.
    pub completed_us: Option<u64>,
}

impl Job {
    /// A job of the body of CreateJob.
    ///
    /// # Errors
    /// The id, or a field of the body, breaks a rule.
    pub fn create(now_us: u64, id: &str, body: &Map<String, Value>, place: &Place<'_>) -> Result<Self, JobError> {
        if !is_job_id(id) {
            return Err(JobError::invalid("jobId", "1 to 64 of the characters a-z, A-Z, 0-9, _ and -", id));
        }
        let fields = Fields::of(body);
        let document = Self::read_document(&fields, place.limits)?;
        let targets = Self::read_targets(&fields, place)?;
        let is_continuous =
            fields.word("targetSelection", &[("CONTINUOUS", true), ("SNAPSHOT", false)])?.unwrap_or(false);
        let config = Config::read(&fields, now_us)?;
        let is_later = config.scheduling.as_ref().is_some_and(|scheduling| scheduling.start.is_some());
        Ok(Self {
            id: id.to_owned(),
            document,
            targets,
            is_continuous,
            description: fields.text("description", 2_028)?.map(str::to_owned),
            config,
            status: if is_later { JobStatus::Scheduled } else { JobStatus::InProgress },
            reason_code: None,
            comment: None,
            force_canceled: false,
            is_rollout_over: false,
            created_us: now_us,
            updated_us: now_us,
            completed_us: None,
        })
    }

    fn read_document(fields: &Fields<'_>, limits: &Limits) -> Result<String, JobError> {
        let Some(document) = fields.get("document") else {
            return Err(fields.refuse("document", "given (documentSource is not served)"));
        };
        let document = document.as_str().ok_or_else(|| fields.refuse("document", "a text that holds JSON"))?;
        if document.len() > limits.document {
            let bound = format!("at most {} bytes", limits.document);
            return Err(JobError::invalid("document", bound, format!("{} bytes", document.len())));
        }
        match serde_json::from_str::<Value>(document) {
            Ok(Value::Object(_)) => Ok(document.to_owned()),
            Ok(_) => Err(JobError::invalid("document", "a JSON object", document)),
            Err(error) => Err(JobError::invalid("document", "a JSON object", error)),
        }
    }

    fn read_targets(fields: &Fields<'_>, place: &Place<'_>) -> Result<Vec<Target>, JobError> {
        let list = fields.list("targets", 1..=place.limits.targets)?;
        let mut seen = BTreeSet::new();
        let mut targets = Vec::new();
        for (n, value) in fields.need("targets", list)?.iter().enumerate() {
            let at = format!("targets[{n}]");
            let arn = value.as_str().ok_or_else(|| JobError::invalid(at.as_str(), "an ARN", value))?;
            let target = Target::read(&at, arn, place)?;
            if seen.insert(target.clone()) {
                targets.push(target);
            }
        }
        Ok(targets)
    }

    /// The `job` of DescribeJob.
    #[must_use]
    pub fn describe(&self, counts: &Counts, place: &Place<'_>) -> Value {
        let mut map = Map::new();
        let mut put = |name: &str, value: Value| {
            map.insert(name.to_owned(), value);
        };
        put("jobId", json!(self.id));
        put("jobArn", json!(place.arn("job", &self.id)));
        put("targetSelection", json!(if self.is_continuous { "CONTINUOUS" } else { "SNAPSHOT" }));
        put("status", json!(self.status.name()));
        put("targets", json!(self.targets.iter().map(|target| target.arn(place)).collect::<Vec<_>>()));
        put("createdAt", seconds(self.created_us));
        put("lastUpdatedAt", seconds(self.updated_us));
        put("jobProcessDetails", counts.describe());
        let texts = [("description", &self.description), ("reasonCode", &self.reason_code), ("comment", &self.comment)];
        for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
            put(name, json!(text));
        }
        if self.force_canceled {
            put("forceCanceled", json!(true));
        }
        if let Some(at) = self.completed_us {
            put("completedAt", seconds(at));
        }
        self.config.write(&mut map);
        Value::Object(map)
    }

    /// The body of CreateJob that makes this job again.
    #[must_use]
    pub fn to_create(&self, place: &Place<'_>) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("document".to_owned(), json!(self.document));
        map.insert("targets".to_owned(), json!(self.targets.iter().map(|one| one.arn(place)).collect::<Vec<_>>()));
        map.insert("targetSelection".to_owned(), json!(if self.is_continuous { "CONTINUOUS" } else { "SNAPSHOT" }));
        if let Some(description) = &self.description {
            map.insert("description".to_owned(), json!(description));
        }
        self.config.write(&mut map);
        map
    }

    /// It, canceled. Its queued executions are canceled with it, with `force` all that have not ended: see
    /// [`stopped`](super::rollout::stopped).
    ///
    /// # Errors
    /// It has ended; the reason or the comment is too long.
    pub fn cancel(
        &self,
        now_us: u64,
        reason: Option<&str>,
        comment: Option<&str>,
        force: bool,
    ) -> Result<Self, JobError> {
        if !self.status.is_open() {
            return Err(self.no_transition("CANCELED"));
        }
        let is_code = |code: &str| code.len() <= 128 && code.bytes().all(|c| c.is_ascii_graphic());
        if let Some(code) = reason.filter(|code| !is_code(code)) {
            return Err(JobError::invalid("reasonCode", "at most 128 characters without spaces", cut(code)));
        }
        if let Some(text) = comment.filter(|text| text.chars().count() > 2_028) {
            return Err(JobError::invalid("comment", "at most 2028 characters", cut(text)));
        }
        let mut job = self.clone();
        (job.status, job.force_canceled) = (JobStatus::Canceled, force);
        (job.reason_code, job.comment) = (reason.map(str::to_owned), comment.map(str::to_owned));
        (job.updated_us, job.completed_us) = (now_us, Some(now_us));
        Ok(job)
    }

    /// It, being deleted. Without `force` only what has ended.
    ///
    /// # Errors
    /// It goes round and `force` is not given, or it is being deleted already.
    pub fn delete(&self, now_us: u64, force: bool) -> Result<Self, JobError> {
        let may = match self.status {
            JobStatus::Completed | JobStatus::Canceled => true,
            JobStatus::Scheduled | JobStatus::InProgress => force,
            JobStatus::DeletionInProgress => false,
        };
        if !may {
            return Err(self.no_transition("DELETION_IN_PROGRESS"));
        }
        Ok(Self { status: JobStatus::DeletionInProgress, updated_us: now_us, ..self.clone() })
    }

    fn no_transition(&self, to: &'static str) -> JobError {
        JobError::InvalidStateTransition { of: format!("job {}", self.id), from: self.status.name(), to }
    }

    /// CancelJobExecution: the execution of one thing, canceled.
    ///
    /// # Errors
    /// It has another version than was expected, has ended, or is in progress and `force` is not given.
    pub fn cancel_one(
        &self,
        moment: &Moment,
        execution: &Execution,
        expected: Option<u64>,
        force: bool,
    ) -> Result<Execution, JobError> {
        if let Some(expected) = expected.filter(|expected| *expected != execution.version) {
            return Err(JobError::VersionMismatch { expected, actual: execution.version });
        }
        execution.cancel(moment, self, force)
    }
}

/// How many things of a job are where: the last execution of each counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<Status, u64>);

impl Counts {
    /// Of these numbers, e.g. of a query that groups by status.
    pub fn of(numbers: impl IntoIterator<Item = (Status, u64)>) -> Self {
        Self(numbers.into_iter().collect())
    }

    /// Of all executions of a job.
    #[must_use]
    pub fn count(executions: &[Execution]) -> Self {
        let mut last = BTreeMap::<&str, &Execution>::new();
        for execution in executions {
            let kept = last.entry(&execution.thing).or_insert(execution);
            if kept.number < execution.number {
                *kept = execution;
            }
        }
        let mut counts = Self::default();
        for execution in last.values() {
            *counts.0.entry(execution.status).or_default() += 1;
        }
        counts
    }

    /// How many are there.
    #[must_use]
    pub fn get(&self, status: Status) -> u64 {
        self.0.get(&status).copied().unwrap_or(0)
    }

    /// How many have not ended.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.get(Status::Queued) + self.get(Status::InProgress)
    }

    /// `jobProcessDetails`.
    #[must_use]
    pub fn describe(&self) -> Value {
        json!({
            "numberOfCanceledThings": self.get(Status::Canceled),
            "numberOfSucceededThings": self.get(Status::Succeeded),
            "numberOfFailedThings": self.get(Status::Failed),
            "numberOfRejectedThings": self.get(Status::Rejected),
            "numberOfQueuedThings": self.get(Status::Queued),
            "numberOfInProgressThings": self.get(Status::InProgress),
            "numberOfRemovedThings": self.get(Status::Removed),
            "numberOfTimedOutThings": self.get(Status::TimedOut),
        })
    }
}

/// A time as the control plane writes it: seconds, with their fraction.
#[expect(clippy::cast_precision_loss, reason = "ms of a date are far below 2^52")]
fn seconds(at_us: u64) -> Value {
    json!((at_us / 1_000) as f64 / 1e3)
}
