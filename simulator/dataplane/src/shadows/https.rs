//! The same service over HTTPS: paths, statuses, lists.

use super::{Address, Message, Outcome, Rules, ShadowError, Stored, Verb, handle};
use serde_json::{Value, json};

/// What a request asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A shadow is read, written or deleted.
    Shadow(Address, Verb),
    /// The names of a thing's named shadows.
    List {
        /// The thing.
        thing: String,
        /// Names on a page: 1 to 100.
        page_size: usize,
        /// The last name of the page before.
        after: Option<String>,
    },
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// For the header `x-amzn-errortype`.
    pub error_type: Option<&'static str>,
    /// The body (JSON).
    pub body: Value,
    /// What is published by MQTT; a refusal is not.
    pub messages: Vec<Message>,
    /// What is to be kept from now on; absent: nothing changed.
    pub stored: Option<Stored>,
}

impl From<ShadowError> for Answer {
    fn from(error: ShadowError) -> Self {
        Self {
            status: error.code(),
            error_type: Some(error.type_name()),
            body: json!({ "message": error.to_string() }),
            messages: Vec::new(),
            stored: None,
        }
    }
}

/// What `method` on `path` asks; `None`: the path is not of this service. Path and query come with their escapes undone.
///
/// # Errors
/// Names, pages and methods that do not exist.
pub fn call(method: &str, path: &str, query: &[(&str, &str)]) -> Option<Result<Call, ShadowError>> {
    if let Some(thing) = path.strip_prefix("/api/things/shadow/ListNamedShadowsForThing/") {
        return Some(list_call(method, thing, query));
    }
    let thing = path.strip_prefix("/things/")?.strip_suffix("/shadow")?;
    let verb = match method {
        "GET" => Verb::Get,
        "POST" => Verb::Update,
        "DELETE" => Verb::Delete,
        _ => return Some(Err(ShadowError::MethodNotAllowed)),
    };
    // A name that is said twice could be checked as one shadow and used as another.
    let mut names = query.iter().filter(|(key, _)| *key == "name").map(|(_, name)| *name);
    let name = names.next();
    if names.next().is_some() {
        return Some(Err(ShadowError::InvalidShadowName));
    }
    Some(Address::new(thing, name).map(|address| Call::Shadow(address, verb)))
}

fn list_call(method: &str, thing: &str, query: &[(&str, &str)]) -> Result<Call, ShadowError> {
    if method != "GET" {
        return Err(ShadowError::MethodNotAllowed);
    }
    let thing = Address::new(thing, None)?.thing().to_owned();
    let field = |key: &str| query.iter().find(|(found, _)| *found == key).map(|(_, value)| *value);
    let page_size = match field("pageSize") {
        None => 25,
        Some(text) => text.parse().ok().filter(|size| (1..=100).contains(size)).ok_or(ShadowError::InvalidPage)?,
    };
    let after = match field("nextToken") {
        None => None,
        // The token is a name, and is read as carefully as one.
        Some(token) => {
            Address::new(&thing, Some(token)).map_err(|_| ShadowError::InvalidPage)?;
            Some(token.to_owned())
        }
    };
    Ok(Call::List { thing, page_size, after })
}

/// Answers a read, a write or a deletion; the arguments are those of [`handle`].
#[must_use]
pub fn answer(
    now: u64,
    rules: &Rules,
    allowed: Result<(), ShadowError>,
    stored: Option<&Stored>,
    address: &Address,
    verb: Verb,
    body: &[u8],
) -> Answer {
    let Outcome { answer, reply, pushes, stored } = handle(now, rules, allowed, stored, address, verb, body);
    match answer {
        Err(error) => error.into(),
        Ok(body) => {
            // Who listens hears of a change whichever way it came; a read concerns nobody else.
            let told = (verb != Verb::Get).then_some(reply);
            let messages = told.into_iter().chain(pushes).collect();
            Answer { status: 200, error_type: None, body, messages, stored }
        }
    }
}

/// One page of the names of a thing's live named shadows; `names` are in order and begin behind `after`.
#[must_use]
pub fn list<'a>(now: u64, page_size: usize, names: impl IntoIterator<Item = &'a str>) -> Answer {
    let mut names = names.into_iter();
    let results: Vec<&str> = names.by_ref().take(page_size).collect();
    let mut body = json!({ "results": results, "timestamp": now });
    if let (Some(_), Some(last), Value::Object(fields)) = (names.next(), results.last(), &mut body) {
        fields.insert("nextToken".to_owned(), (*last).into());
    }
    Answer { status: 200, error_type: None, body, messages: Vec::new(), stored: None }
}
