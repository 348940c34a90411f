//! What is done with a request of a thing, and what it is told: the same over MQTT and over HTTP.
//!
//! Whoever owns the rows reads those of the thing, hands them in, writes the changes in one transaction, and then sends
//! replies and pushes. What time alone has ended is ended first, in the same transaction.

use super::config::read_step;
use super::defect::Defect;
use super::error::JobError;
use super::execution::{Execution, Moment, Status, next_of};
use super::fields::Fields;
use super::job::{Job, JobStatus, is_job_id};
use super::limits::Limits;
use super::topics::{JobRef, Message, Verb, push_topic};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The jobs of an account, as far as a request needs them.
pub trait Jobs {
    /// The job of this id.
    fn find(&self, id: &str) -> Option<&Job>;

    /// A link to where a placeholder of the job's document points, made now: good for as long as the job says.
    fn link(&self, job: &Job, location: &str) -> String;
}

/// What is known when a thing asks.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// When, in µs since 1970.
    pub now_us: u64,
    /// The executions of the thing: all that are pending, and those of the job that is named. Others are passed over.
    pub executions: &'a [Execution],
    /// The jobs of the account.
    pub jobs: &'a dyn Jobs,
    /// Its bounds.
    pub limits: &'a Limits,
    /// The mistake that is planted.
    pub defect: Option<Defect>,
    /// The client token of the request before this one, whoever sent it. Only a planted mistake looks at it.
    pub earlier_token: Option<&'a str>,
}

/// What is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A row of that job, thing and number, as it is now.
    Update(Execution),
    /// A new row.
    Insert(Execution),
}

/// What comes of a request over MQTT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// To the requester alone, subscribed or not.
    pub replies: Vec<Message>,
    /// To whoever has subscribed.
    pub pushes: Vec<Message>,
    /// To be written before anything is sent.
    pub changes: Vec<Change>,
}

/// An answer before it is put into an envelope.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) result: Result<Map<String, Value>, JobError>,
    /// The state that is in the way of what was refused.
    pub(super) state: Option<Value>,
    pub(super) pushes: Vec<Message>,
    pub(super) changes: Vec<Change>,
}

impl Desk<'_> {
    const fn moment(&self) -> Moment {
        Moment { now_us: self.now_us, defect: self.defect }
    }

    /// Seconds since 1970.
    pub(super) const fn timestamp(&self) -> u64 {
        self.now_us / 1_000_000
    }

    /// What a request comes to. `is_http`: the answer tells what only HTTP tells.
    pub(super) fn answer(&self, thing: &str, verb: &Verb, fields: &Fields<'_>, is_http: bool) -> Answer {
        let claimed =
            if self.defect == Some(Defect::ThingFromPayload) { fields.text("thingName", 128) } else { Ok(None) };
        let whose = claimed.ok().flatten().unwrap_or(thing);
        let mut work = Work::new(self, whose, is_http);
        work.settle();
        let (result, state) = match work.perform(verb, fields) {
            Ok(body) => (Ok(body), None),
            Err((error, at)) => {
                let state =
                    at.filter(|_| error.tells_state()).and_then(|at| work.rows.get(at)).map(|row| state_of(row));
                (Err(error), state)
            }
        };
        let pushes = self.pushes(whose, self.rows_of(whose), work.rows.iter().map(AsRef::as_ref));
        Answer { result, state, pushes, changes: work.into_changes() }
    }

    /// What time alone has changed for a thing, with its pushes: for an owner whose timer has rung.
    #[must_use]
    pub fn settle(&self, thing: &str) -> Outcome {
        let mut work = Work::new(self, thing, false);
        work.settle();
        let pushes = self.pushes(thing, self.rows_of(thing), work.rows.iter().map(AsRef::as_ref));
        Outcome { replies: Vec::new(), pushes, changes: work.into_changes() }
    }

    /// When time alone changes something for these executions next.
    #[must_use]
    pub fn due_us(&self) -> Option<u64> {
        self.executions.iter().filter_map(|one| one.due_us(self.defect)).min()
    }

    fn rows_of(&self, thing: &str) -> impl Iterator<Item = &Execution> {
        self.executions.iter().filter(move |one| one.thing == thing && self.job_of(one).is_some())
    }

    /// The job of an execution; what is being deleted is nobody's any more.
    fn job_of(&self, execution: &Execution) -> Option<&Job> {
        self.jobs.find(&execution.job_id).filter(|job| job.status != JobStatus::DeletionInProgress)
    }

    /// What whoever has subscribed is told when the executions of a thing have become others. `notify` when the list of
    /// those pending has gained or lost one, `notify-next` when another one is next.
    pub fn pushes<'r>(
        &self,
        thing: &str,
        before: impl IntoIterator<Item = &'r Execution>,
        after: impl IntoIterator<Item = &'r Execution>,
    ) -> Vec<Message> {
        let pending = |rows: &[&Execution]| {
            let mut keys: Vec<_> =
                rows.iter().filter(|one| one.is_pending()).map(|one| (one.job_id.clone(), one.number)).collect();
            keys.sort_unstable();
            keys
        };
        let (before, after): (Vec<_>, Vec<_>) = (before.into_iter().collect(), after.into_iter().collect());
        let mut pushes = Vec::new();
        if pending(&before) != pending(&after) {
            pushes.push(Message::new(push_topic(thing, "notify"), &self.notify(&after)));
        }
        let (was, is) = (next_of(before.iter().copied()), next_of(after.iter().copied()));
        let is_again = self.defect == Some(Defect::NextPushedAgain) && is.is_some() && is != was;
        if was.map(Execution::key) != is.map(Execution::key) || is_again {
            let mut body = Map::new();
            body.insert("timestamp".to_owned(), json!(self.timestamp()));
            if let Some(next) = is {
                body.insert("execution".to_owned(), Value::Object(self.execution(next, true, false)));
            }
            pushes.push(Message::new(push_topic(thing, "notify-next"), &body));
        }
        pushes
    }

    fn notify(&self, rows: &[&Execution]) -> Map<String, Value> {
        let (mut jobs, mut room) = (Map::new(), self.limits.notified);
        for status in [Status::InProgress, Status::Queued] {
            let list = summaries(rows.iter().copied(), status, room);
            room -= list.len();
            if !list.is_empty() {
                jobs.insert(status.name().to_owned(), Value::Array(list));
            }
        }
        let mut body = Map::new();
        body.insert("timestamp".to_owned(), json!(self.timestamp()));
        body.insert("jobs".to_owned(), Value::Object(jobs));
        body
    }

    /// The `execution` of an answer.
    fn execution(&self, one: &Execution, with_document: bool, is_http: bool) -> Map<String, Value> {
        let mut map = summary(one);
        map.insert("thingName".to_owned(), json!(one.thing));
        map.insert("status".to_owned(), json!(one.status.name()));
        if !one.details.is_empty() {
            map.insert("statusDetails".to_owned(), json!(one.details));
        }
        if let Some(left) = one.seconds_left(&self.moment()).filter(|_| is_http) {
            map.insert("approximateSecondsBeforeTimedOut".to_owned(), json!(left));
        }
        if let Some(job) = self.job_of(one).filter(|_| with_document) {
            // Over HTTP a document is a text.
            let document = self.document(job);
            map.insert("jobDocument".to_owned(), if is_http { json!(document.to_string()) } else { document });
        }
        map
    }

    /// The document of a job, with links where its placeholders are: new ones whenever it is asked for.
    fn document(&self, job: &Job) -> Value {
        let mut document = serde_json::from_str(&job.document).unwrap_or(Value::Null);
        fill(&mut document, &|location| self.jobs.link(job, location));
        document
    }
}

/// How a placeholder begins.
const PLACEHOLDERS: [&str; 2] = ["${aws:iot:s3-presigned-url:", "${aws:iot:s3-presigned-url-v2:"];

/// Puts links where placeholders are, in every text of a document.
fn fill(value: &mut Value, link: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(filled) = fill_text(text, link) {
                *text = filled;
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| fill(value, link)),
        Value::Object(map) => map.values_mut().for_each(|value| fill(value, link)),
        _ => {}
    }
}

/// Where the placeholders of a document point, in the order in which they stand.
#[must_use]
pub fn placeholders(document: &str) -> Vec<String> {
    let mut document = serde_json::from_str(document).unwrap_or(Value::Null);
    let found = RefCell::new(Vec::new());
    fill(&mut document, &|location| {
        found.borrow_mut().push(location.to_owned());
        String::new()
    });
    found.into_inner()
}

fn fill_text<'t>(text: &'t str, link: &dyn Fn(&str) -> String) -> Cow<'t, str> {
    let found = |rest: &'t str| {
        let (at, mark) = PLACEHOLDERS.iter().filter_map(|mark| Some((rest.find(mark)?, mark))).min()?;
        let (before, inside) = (&rest[..at], &rest[at + mark.len()..]);
        let (location, after) = inside.split_once('}')?;
        Some((before, location, after))
    };
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, location, after)) = found(rest) {
        filled.push_str(before);
        filled.push_str(&link(location));
        rest = after;
    }
    if rest.len() == text.len() { Cow::Borrowed(text) } else { Cow::Owned(filled + rest) }
}

fn summary(one: &Execution) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("jobId".to_owned(), json!(one.job_id));
    map.insert("queuedAt".to_owned(), json!(one.queued_us / 1_000_000));
    if let Some(started) = one.started_us {
        map.insert("startedAt".to_owned(), json!(started / 1_000_000));
    }
    map.insert("lastUpdatedAt".to_owned(), json!(one.updated_us / 1_000_000));
    map.insert("versionNumber".to_owned(), json!(one.version));
    map.insert("executionNumber".to_owned(), json!(one.number));
    map
}

fn summaries<'r>(rows: impl Iterator<Item = &'r Execution>, status: Status, most: usize) -> Vec<Value> {
    let mut rows: Vec<_> = rows.filter(|one| one.status == status).collect();
    rows.sort_by(|a, b| a.turn().cmp(&b.turn()));
    rows.into_iter().take(most).map(|one| Value::Object(summary(one))).collect()
}

/// `executionState`.
fn state_of(one: &Execution) -> Value {
    let mut map = Map::new();
    map.insert("status".to_owned(), json!(one.status.name()));
    if !one.details.is_empty() {
        map.insert("statusDetails".to_owned(), json!(one.details));
    }
    map.insert("versionNumber".to_owned(), json!(one.version));
    Value::Object(map)
}

/// The rows of one thing while a request is worked on.
struct Work<'a> {
    desk: &'a Desk<'a>,
    rows: Vec<Cow<'a, Execution>>,
    /// How many rows there were: those after it are new.
    old: usize,
    thing: String,
    is_http: bool,
}

/// A refusal, and the row that is in the way.
type Refused = (JobError, Option<usize>);

impl<'a> Work<'a> {
    fn new(desk: &'a Desk<'a>, thing: &str, is_http: bool) -> Self {
        let rows: Vec<_> =
            desk.executions.iter().filter(|one| one.thing == thing && desk.job_of(one).is_some()).collect();
        let rows: Vec<_> = rows.into_iter().map(Cow::Borrowed).collect();
        Self { desk, old: rows.len(), rows, thing: thing.to_owned(), is_http }
    }

    /// Ends what time alone has ended.
    fn settle(&mut self) {
        for at in 0..self.old {
            let ended = self.rows.get(at).and_then(|row| row.settle(&self.desk.moment(), self.desk.job_of(row)?));
            if let Some(ended) = ended {
                self.put(at, ended);
            }
        }
    }

    /// Keeps what a row has become, and what is tried again after it.
    fn put(&mut self, at: usize, changed: Execution) {
        let next = self.desk.job_of(&changed).and_then(|job| changed.retry(&self.desk.moment(), job));
        // A mistake may end one attempt twice; the next one is made once.
        let next = next.filter(|next| self.rows.iter().all(|row| row.key() != next.key()));
        if let Some(row) = self.rows.get_mut(at) {
            *row = Cow::Owned(changed);
        }
        self.rows.extend(next.map(Cow::Owned));
    }

    fn into_changes(self) -> Vec<Change> {
        let old = self.old;
        let changed = self.rows.into_iter().enumerate().filter_map(|(at, row)| match row {
            Cow::Owned(row) if at < old => Some(Change::Update(row)),
            Cow::Owned(row) => Some(Change::Insert(row)),
            Cow::Borrowed(_) => None,
        });
        changed.collect()
    }

    /// The place of the execution that is next.
    fn next(&self) -> Option<usize> {
        let next = next_of(self.rows.iter().map(AsRef::as_ref))?.key();
        self.rows.iter().position(|row| row.key() == next)
    }

    /// The place of an execution of a job: of this number, or the last.
    fn find(&self, job: &str, number: Option<u64>) -> Result<usize, JobError> {
        let rows = self.rows.iter().enumerate().filter(|(_, row)| row.job_id == job);
        let found =
            rows.filter(|(_, row)| number.is_none_or(|number| row.number == number)).max_by_key(|(_, row)| row.number);
        found.map(|(at, _)| at).ok_or_else(|| JobError::no_execution(job, &self.thing))
    }

    fn perform(&mut self, verb: &Verb, fields: &Fields<'_>) -> Result<Map<String, Value>, Refused> {
        let plain = |error| (error, None);
        match verb {
            Verb::Get => Ok(self.list()),
            Verb::StartNext => self.start_next(fields).map_err(plain),
            Verb::Describe(which) => self.describe(which, fields).map_err(plain),
            Verb::Update(job) => self.update(job, fields),
        }
    }

    fn list(&self) -> Map<String, Value> {
        let list = |status| {
            let rows = self.rows.iter().map(AsRef::as_ref);
            Value::Array(summaries(rows, status, self.desk.limits.listed))
        };
        let mut body = Map::new();
        body.insert("inProgressJobs".to_owned(), list(Status::InProgress));
        body.insert("queuedJobs".to_owned(), list(Status::Queued));
        body
    }

    fn start_next(&mut self, fields: &Fields<'_>) -> Result<Map<String, Value>, JobError> {
        let details = read_details(fields, self.desk.limits)?;
        let step = read_step(fields)?;
        let Some(at) = self.next() else { return Ok(Map::new()) };
        if let Some(row) = self.rows.get(at).filter(|row| row.status == Status::Queued)
            && let Some(job) = self.desk.job_of(row)
        {
            let begun = row.change(&self.desk.moment(), job, Status::InProgress, details.as_ref(), step)?;
            self.put(at, begun);
        } else if let Some(told) = self.begun_again(at)? {
            return Ok(told);
        }
        Ok(self.told(at, true))
    }

    /// What is wrongly made of an execution that its thing asks for again.
    fn begun_again(&mut self, at: usize) -> Result<Option<Map<String, Value>>, JobError> {
        match self.desk.defect {
            Some(Defect::BegunForgotten) => Ok(Some(Map::new())),
            Some(Defect::BegunAgainFails) => {
                if let Some(row) = self.rows.get(at)
                    && let Some(job) = self.desk.job_of(row)
                {
                    let failed = row.change(&self.desk.moment(), job, Status::Failed, None, None)?;
                    self.put(at, failed);
                }
                Ok(Some(Map::new()))
            }
            _ => Ok(None),
        }
    }

    fn describe(&self, which: &JobRef, fields: &Fields<'_>) -> Result<Map<String, Value>, JobError> {
        let number = fields.count("executionNumber")?;
        let with_document = fields.truth("includeJobDocument", true)?;
        let at = match which {
            JobRef::Next => match self.next() {
                Some(at) => at,
                None => return Ok(Map::new()),
            },
            JobRef::Id(job) => self.find(checked(job)?, number)?,
        };
        match self.rows.get(at).filter(|row| row.status.is_terminal()) {
            Some(row) => Err(JobError::TerminalStateReached { job: row.job_id.clone(), status: row.status }),
            None => Ok(self.told(at, with_document)),
        }
    }

    /// An answer with one execution.
    fn told(&self, at: usize, with_document: bool) -> Map<String, Value> {
        let mut body = Map::new();
        if let Some(row) = self.rows.get(at) {
            let told = self.desk.execution(row, with_document, self.is_http);
            body.insert("execution".to_owned(), Value::Object(told));
        }
        body
    }

    fn update(&mut self, job: &str, fields: &Fields<'_>) -> Result<Map<String, Value>, Refused> {
        let plain = |error| (error, None);
        let known = [Status::InProgress, Status::Failed, Status::Succeeded, Status::Rejected];
        let status = fields.word("status", &known.map(|status| (status.name(), status))).map_err(plain)?;
        let status = fields.need("status", status).map_err(plain)?;
        let details = read_details(fields, self.desk.limits).map_err(plain)?;
        let step = read_step(fields).map_err(plain)?;
        let expected = fields.count("expectedVersion").map_err(plain)?;
        let number = fields.count("executionNumber").map_err(plain)?;
        let with_state = fields.truth("includeJobExecutionState", false).map_err(plain)?;
        let with_document = fields.truth("includeJobDocument", false).map_err(plain)?;

        let at = checked(job).and_then(|job| self.find(job, number)).map_err(plain)?;
        let Some(row) = self.rows.get(at) else { return Err(plain(JobError::no_execution(job, &self.thing))) };
        let Some(job) = self.desk.job_of(row) else { return Err(plain(JobError::no_execution(job, &self.thing))) };
        let is_ignored = self.desk.defect == Some(Defect::ExpectedVersionIgnored);
        if let Some(expected) = expected.filter(|expected| *expected != row.version && !is_ignored) {
            return Err((JobError::VersionMismatch { expected, actual: row.version }, Some(at)));
        }
        let changed = row.change(&self.desk.moment(), job, status, details.as_ref(), step);
        let changed = changed.map_err(|error| (error, Some(at)))?;
        let mut body = Map::new();
        if with_state {
            body.insert("executionState".to_owned(), state_of(&changed));
        }
        if with_document {
            let document = self.desk.document(job);
            let document = if self.is_http { json!(document.to_string()) } else { document };
            body.insert("jobDocument".to_owned(), document);
        }
        self.put(at, changed);
        Ok(body)
    }
}

fn checked(job: &str) -> Result<&str, JobError> {
    if is_job_id(job) {
        return Ok(job);
    }
    Err(JobError::invalid("jobId", "1 to 64 of the characters a-z, A-Z, 0-9, _ and -", job))
}

/// `statusDetails`: names and texts.
fn read_details(fields: &Fields<'_>, limits: &Limits) -> Result<Option<BTreeMap<String, String>>, JobError> {
    let Some(value) = fields.get("statusDetails") else { return Ok(None) };
    let map = value.as_object().ok_or_else(|| fields.refuse("statusDetails", "an object of texts"))?;
    if map.len() > limits.details {
        let bound = format!("at most {} pairs", limits.details);
        return Err(JobError::invalid("statusDetails", bound, format!("{} pairs", map.len())));
    }
    let mut details = BTreeMap::new();
    for (name, value) in map {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b":_-".contains(&byte);
        if !(1..=limits.detail_name).contains(&name.len()) || !name.bytes().all(is_known) {
            let bound = format!("an object whose names have 1 to {} of a-z, A-Z, 0-9, :, _ and -", limits.detail_name);
            return Err(JobError::invalid("statusDetails", bound, name));
        }
        let text = value.as_str().filter(|text| {
            (1..=limits.detail_value).contains(&text.chars().count()) && !text.chars().any(char::is_control)
        });
        let Some(text) = text else {
            let bound = format!("a text of 1 to {} characters without control characters", limits.detail_value);
            let at = format!("statusDetails.{name}");
            return Err(JobError::invalid(at, bound, value));
        };
        details.insert(name.clone(), text.to_owned());
    }
    Ok(Some(details))
}
