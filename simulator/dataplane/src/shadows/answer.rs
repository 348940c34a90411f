//! What follows from a request.

use super::document::stamp;
use super::request::{self, Request};
use super::{Address, Defect, Rules, Shadow, ShadowError, Stored, Verb};
use serde_json::{Map, Value, json};

/// A message to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where.
    pub topic: String,
    /// What (JSON).
    pub payload: Value,
}

/// What follows from one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The answer's document, or why there is none.
    pub answer: Result<Value, ShadowError>,
    /// The answer as a message: `…/accepted` for everybody who listens, `…/rejected` likewise.
    pub reply: Message,
    /// What else is said: `…/update/documents`, then `…/update/delta` when there is a difference.
    pub pushes: Vec<Message>,
    /// What is to be kept from now on; absent: nothing changed.
    pub stored: Option<Stored>,
}

/// Answers one request at `now` (seconds since 1970) on the shadow that `stored` is. Whether the caller may ask, whether the
/// thing exists and whether it asks too much is said in `allowed` by whoever knows.
#[must_use]
pub fn handle(
    now: u64,
    rules: &Rules,
    allowed: Result<(), ShadowError>,
    stored: Option<&Stored>,
    address: &Address,
    verb: Verb,
    payload: &[u8],
) -> Outcome {
    let mut fields = Map::new();
    let decided = allowed.and_then(|()| {
        fields = request::read(payload, verb != Verb::Update, rules)?;
        decide(now, rules, stored, address, verb, &mut fields)
    });
    let token = request::token(&fields).filter(|_| !rules.has(Defect::TokenNotReflected));
    match decided {
        Ok(Decision { mut answer, stored, mut pushes }) => {
            for payload in std::iter::once(&mut answer).chain(pushes.iter_mut().map(|push| &mut push.payload)) {
                put(payload, now, token.as_deref());
            }
            let reply = Message { topic: address.topic(&format!("{}/accepted", verb.name())), payload: answer.clone() };
            Outcome { answer: Ok(answer), reply, pushes, stored }
        }
        Err(error) => {
            let mut payload = json!({ "code": error.code(), "message": error.to_string() });
            put(&mut payload, now, token.as_deref());
            let reply = Message { topic: address.topic(&format!("{}/rejected", verb.name())), payload };
            Outcome { answer: Err(error), reply, pushes: Vec::new(), stored: None }
        }
    }
}

struct Decision {
    answer: Value,
    stored: Option<Stored>,
    pushes: Vec<Message>,
}

fn put(payload: &mut Value, now: u64, token: Option<&str>) {
    if let Value::Object(fields) = payload {
        fields.insert("timestamp".to_owned(), now.into());
        if let Some(token) = token {
            fields.insert("clientToken".to_owned(), token.into());
        }
    }
}

fn decide(
    now: u64,
    rules: &Rules,
    stored: Option<&Stored>,
    address: &Address,
    verb: Verb,
    fields: &mut Map<String, Value>,
) -> Result<Decision, ShadowError> {
    let live = stored.and_then(Stored::live);
    let missing = || ShadowError::NoShadow(address.to_string());
    match verb {
        Verb::Get => {
            request::check(fields)?;
            Ok(Decision { answer: shown(live.ok_or_else(missing)?), stored: None, pushes: Vec::new() })
        }
        Verb::Delete => {
            let request = request::check(fields)?;
            let version = live.ok_or_else(missing)?.version;
            fits(&request, version, rules)?;
            let answer = json!({ "version": version });
            Ok(Decision { answer, stored: Some(Stored::Deleted { version, at: now }), pushes: Vec::new() })
        }
        Verb::Update => {
            let request = request::check_update(fields, rules)?;
            let before = Stored::version(stored, now, rules);
            fits(&request, before, rules)?;
            update(now, rules, live, before, address, &request)
        }
    }
}

fn fits(request: &Request, version: u64, rules: &Rules) -> Result<(), ShadowError> {
    if request.version.is_some_and(|asked| asked != version) && !rules.has(Defect::VersionUnchecked) {
        return Err(ShadowError::VersionConflict);
    }
    Ok(())
}

fn update(
    now: u64,
    rules: &Rules,
    live: Option<&Shadow>,
    before: u64,
    address: &Address,
    request: &Request,
) -> Result<Decision, ShadowError> {
    let mut shadow = live.cloned().unwrap_or_default();
    shadow.desired.merge(request.state.get("desired"), now, rules);
    shadow.reported.merge(request.state.get("reported"), now, rules);
    shadow.version = before.checked_add(1).ok_or(ShadowError::Internal)?;
    if shadow.bytes() > rules.document_bytes {
        return Err(ShadowError::TooLarge);
    }

    let times: Map<String, Value> = request
        .state
        .iter()
        .filter(|(_, section)| !section.is_null())
        .map(|(key, section)| (key.clone(), stamp(section, now)))
        .collect();
    let answer = json!({ "state": request.state, "metadata": times, "version": shadow.version });

    let mut documents = json!({ "current": snapshot(&shadow) });
    if let (Some(previous), Value::Object(fields)) = (live, &mut documents) {
        fields.insert("previous".to_owned(), snapshot(previous));
    }
    let mut pushes = vec![Message { topic: address.topic("update/documents"), payload: documents }];
    let mut delta = shadow.delta();
    if rules.has(Defect::DeltaOfThisUpdateOnly) {
        let touched = request.state.get("desired").and_then(Value::as_object);
        delta.state.retain(|key, _| touched.is_some_and(|touched| touched.contains_key(key)));
    }
    if !delta.state.is_empty() {
        let payload = json!({ "state": delta.state, "metadata": delta.metadata, "version": shadow.version });
        pushes.push(Message { topic: address.topic("update/delta"), payload });
    }
    Ok(Decision { answer, stored: Some(Stored::Live(shadow)), pushes })
}

fn snapshot(shadow: &Shadow) -> Value {
    json!({ "state": shadow.state(), "metadata": shadow.metadata(), "version": shadow.version })
}

/// The document as `get` shows it.
fn shown(shadow: &Shadow) -> Value {
    let mut state = shadow.state();
    let delta = shadow.delta().state;
    if !delta.is_empty() {
        state.insert("delta".to_owned(), Value::Object(delta));
    }
    json!({ "state": state, "metadata": shadow.metadata(), "version": shadow.version })
}
