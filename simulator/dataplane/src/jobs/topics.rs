//! The topics of the jobs: `$aws/things/<thing>/jobs/…`, what is asked there, and how answers are enveloped.

use super::defect::Defect;
use super::desk::{Desk, Outcome};
use super::error::{JobError, cut};
use super::fields::Fields;
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// Which execution is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobRef {
    /// Whichever is next (`$next`).
    Next,
    /// The one of this job.
    Id(String),
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// What is pending (GetPendingJobExecutions).
    Get,
    /// The next one, begun (StartNextPendingJobExecution).
    StartNext,
    /// One of them (DescribeJobExecution).
    Describe(JobRef),
    /// How far one is (UpdateJobExecution).
    Update(String),
}

/// A request topic of the jobs, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic<'a> {
    /// The whole of it.
    pub name: &'a str,
    /// Whose jobs: the rows of this thing are to be handed in.
    pub thing: &'a str,
    /// What is asked; `None`: nothing that is known.
    pub verb: Option<Verb>,
}

impl<'a> Topic<'a> {
    /// Of a topic; `None` when it is none of the jobs. A topic of the jobs that asks nothing is answered `InvalidTopic`.
    #[must_use]
    pub fn parse(name: &'a str) -> Option<Self> {
        let (thing, asked) = name.strip_prefix("$aws/things/")?.split_once('/')?;
        let asked = asked.strip_prefix("jobs/")?;
        let verb = match asked.split_once('/') {
            None => match asked {
                "get" => Some(Verb::Get),
                "start-next" => Some(Verb::StartNext),
                _ => None,
            },
            Some(("$next", "get")) => Some(Verb::Describe(JobRef::Next)),
            Some(("$next", _)) => None,
            Some((job, "get")) => Some(Verb::Describe(JobRef::Id(job.to_owned()))),
            Some((job, "update")) => Some(Verb::Update(job.to_owned())),
            Some(_) => None,
        };
        Some(Self { name, thing, verb: verb.filter(|_| !thing.is_empty()) })
    }
}

/// What is to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where.
    pub topic: String,
    /// What: JSON.
    pub payload: Bytes,
}

impl Message {
    pub(super) fn new(topic: String, body: &Map<String, Value>) -> Self {
        // Maps of texts and numbers are always written.
        let payload = serde_json::to_vec(body).unwrap_or_default();
        Self { topic, payload: payload.into() }
    }
}

/// Where a thing is told something unasked: `notify` or `notify-next`.
pub(super) fn push_topic(thing: &str, which: &str) -> String {
    format!("$aws/things/{thing}/jobs/{which}")
}

/// The object of a payload. An empty payload asks without fields.
pub(super) fn read_body(payload: &[u8]) -> Result<Map<String, Value>, JobError> {
    if payload.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(payload) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(JobError::InvalidJson { what: "it is another value".to_owned() }),
        Err(error) => Err(JobError::InvalidJson { what: error.to_string() }),
    }
}

impl Desk<'_> {
    /// What a request over MQTT comes to: one reply, on `<topic>/accepted` or `<topic>/rejected`, what is pushed, and what is
    /// to be written first.
    #[must_use]
    pub fn handle(&self, topic: &Topic<'_>, payload: &[u8]) -> Outcome {
        let body = match read_body(payload) {
            Ok(body) => body,
            Err(error) => return self.rejected(topic, None, &error, None),
        };
        let fields = Fields::of(&body);
        let most = if self.defect == Some(Defect::TokenUnbounded) { usize::MAX } else { self.limits.client_token };
        let token = match fields.text("clientToken", most) {
            Ok(token) => token,
            Err(error) => return self.rejected(topic, None, &error, None),
        };
        let reflected = match self.earlier_token {
            Some(earlier) if self.defect == Some(Defect::TokenOfAnother) => Some(earlier),
            _ => token,
        };
        let Some(verb) = &topic.verb else {
            return self.rejected(topic, reflected, &JobError::InvalidTopic { topic: cut(topic.name) }, None);
        };
        let answer = self.answer(topic.thing, verb, &fields, false);
        let mut outcome = match answer.result {
            Ok(body) => self.reply(topic, "accepted", body, reflected),
            Err(error) => self.rejected(topic, reflected, &error, answer.state),
        };
        (outcome.pushes, outcome.changes) = (answer.pushes, answer.changes);
        outcome
    }

    fn rejected(&self, topic: &Topic<'_>, token: Option<&str>, error: &JobError, state: Option<Value>) -> Outcome {
        self.reply(topic, "rejected", error_body(error, state), token)
    }

    fn reply(&self, topic: &Topic<'_>, end: &str, mut body: Map<String, Value>, token: Option<&str>) -> Outcome {
        body.insert("timestamp".to_owned(), json!(self.timestamp()));
        if let Some(token) = token {
            body.insert("clientToken".to_owned(), json!(token));
        }
        let message = Message::new(format!("{}/{end}", topic.name), &body);
        Outcome { replies: vec![message], ..Outcome::default() }
    }
}

/// What is said of a refusal.
pub(super) fn error_body(error: &JobError, state: Option<Value>) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("code".to_owned(), json!(error.code()));
    body.insert("message".to_owned(), json!(error.to_string()));
    if let Some(state) = state {
        body.insert("executionState".to_owned(), state);
    }
    body
}
