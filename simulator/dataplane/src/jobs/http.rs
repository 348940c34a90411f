//! The same requests over HTTPS: `/things/{thingName}/jobs/…`.
//!
//! | | |
//! | --- | --- |
//! | `GET /things/{t}/jobs` | what is pending |
//! | `PUT /things/{t}/jobs/$next` | the next one, begun |
//! | `GET /things/{t}/jobs/{id or $next}?executionNumber=&includeJobDocument=` | one of them |
//! | `POST /things/{t}/jobs/{id}` | how far one is |

use super::desk::{Change, Desk};
use super::error::JobError;
use super::fields::Fields;
use super::topics::{JobRef, Message, Verb, error_body, read_body};
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// A request, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Whose jobs: the rows of this thing are to be handed in.
    pub thing: String,
    /// What is asked.
    pub verb: Verb,
    query: Map<String, Value>,
}

impl Route {
    /// Of a method, a path, and what stands behind `?`; `None` when nothing of the jobs is asked so.
    #[must_use]
    pub fn parse(method: &str, path: &str, query: &str) -> Option<Self> {
        let (thing, rest) = path.strip_prefix("/things/")?.split_once('/')?;
        let thing = decode(thing).filter(|thing| !thing.is_empty())?;
        let rest = rest.strip_prefix("jobs")?;
        let job = if rest.is_empty() { None } else { Some(decode(rest.strip_prefix('/')?)?) };
        let verb = match (method, job) {
            ("GET", None) => Verb::Get,
            ("PUT", Some(job)) if job == "$next" => Verb::StartNext,
            ("GET", Some(job)) if job == "$next" => Verb::Describe(JobRef::Next),
            ("GET", Some(job)) => Verb::Describe(JobRef::Id(job)),
            ("POST", Some(job)) if job != "$next" => Verb::Update(job),
            _ => return None,
        };
        let asked = if matches!(verb, Verb::Describe(_)) { read_query(query) } else { Map::new() };
        Some(Self { thing, verb, query: asked })
    }
}

/// The fields of a query; those that are no number and no truth value stay texts, and are refused as such.
fn read_query(query: &str) -> Map<String, Value> {
    let known = |name: &str| ["executionNumber", "includeJobDocument"].contains(&name);
    let pairs = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(name, _)| known(name));
    pairs
        .map(|(name, text)| {
            let value = match text {
                "true" => json!(true),
                "false" => json!(false),
                _ => text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number)),
            };
            (name.to_owned(), value)
        })
        .collect()
}

/// A segment of a path without its percent signs; `None` when they do not fit.
fn decode(segment: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(segment.len()), segment.bytes());
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (high, low) = (digit()?, digit()?);
        bytes.push(high * 16 + low);
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('/'))
}

/// What comes of a request over HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOutcome {
    /// The status.
    pub status: u16,
    /// For the header `x-amzn-ErrorType`, when it is refused.
    pub error_type: Option<&'static str>,
    /// JSON.
    pub body: Bytes,
    /// To whoever has subscribed.
    pub pushes: Vec<Message>,
    /// To be written before anything is sent.
    pub changes: Vec<Change>,
}

impl Desk<'_> {
    /// What a request over HTTPS comes to: as over MQTT, in another envelope.
    #[must_use]
    pub fn serve(&self, route: &Route, body: &[u8]) -> HttpOutcome {
        let sent =
            if matches!(route.verb, Verb::StartNext | Verb::Update(_)) { read_body(body) } else { Ok(Map::new()) };
        let mut asked = match sent {
            Ok(asked) => asked,
            Err(error) => return refused(&error, None, Vec::new(), Vec::new()),
        };
        asked.extend(route.query.clone());
        let answer = self.answer(&route.thing, &route.verb, &Fields::of(&asked), true);
        match answer.result {
            Ok(body) => HttpOutcome {
                status: 200,
                error_type: None,
                body: write(&body),
                pushes: answer.pushes,
                changes: answer.changes,
            },
            Err(error) => refused(&error, answer.state, answer.pushes, answer.changes),
        }
    }
}

fn refused(error: &JobError, state: Option<Value>, pushes: Vec<Message>, changes: Vec<Change>) -> HttpOutcome {
    let (status, name) = error.http();
    HttpOutcome { status, error_type: Some(name), body: write(&error_body(error, state)), pushes, changes }
}

fn write(body: &Map<String, Value>) -> Bytes {
    serde_json::to_vec(body).unwrap_or_default().into()
}
