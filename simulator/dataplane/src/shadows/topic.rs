//! Which shadow a topic speaks of, and whether a message on it is a request.

use super::{Defect, Rules, ShadowError};
use std::fmt;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// `…/get`.
    Get,
    /// `…/update`.
    Update,
    /// `…/delete`.
    Delete,
}

impl Verb {
    /// The last level of the request's topic.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    fn read(name: &str) -> Option<Self> {
        [Self::Get, Self::Update, Self::Delete].into_iter().find(|verb| verb.name() == name)
    }
}

/// Which shadow of which thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    thing: String,
    name: Option<String>,
}

impl Address {
    /// The classic shadow of a thing, or the one with a name.
    ///
    /// # Errors
    /// [`ShadowError::InvalidThingName`] and [`ShadowError::InvalidShadowName`].
    pub fn new(thing: &str, name: Option<&str>) -> Result<Self, ShadowError> {
        if !plain(thing, 128) {
            return Err(ShadowError::InvalidThingName);
        }
        if name.is_some_and(|name| !plain(name, 64)) {
            return Err(ShadowError::InvalidShadowName);
        }
        Ok(Self { thing: thing.to_owned(), name: name.map(ToOwned::to_owned) })
    }

    /// The thing.
    #[must_use]
    pub fn thing(&self) -> &str {
        &self.thing
    }

    /// The shadow's name; the classic shadow has none.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// A topic below this shadow: `update/delta` becomes `$aws/things/<thing>/shadow/update/delta`.
    #[must_use]
    pub fn topic(&self, below: &str) -> String {
        match &self.name {
            None => format!("$aws/things/{}/shadow/{below}", self.thing),
            Some(name) => format!("$aws/things/{}/shadow/name/{name}/{below}", self.thing),
        }
    }
}

impl fmt::Display for Address {
    /// `thing`, or `thing~name`: what the service calls it in a message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            None => f.write_str(&self.thing),
            Some(name) => write!(f, "{}~{name}", self.thing),
        }
    }
}

/// What a topic is to the shadow service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A request.
    Request(Address, Verb),
    /// Below a thing's shadow, and no request: an answer, a push, or nothing known. Clients may listen there as their policy
    /// lets them; a client's message there changes nothing and is answered by nobody.
    Reserved,
    /// No shadow's topic.
    Elsewhere,
}

/// What `topic` is. A malformed name makes a topic [`Place::Reserved`]: there is nowhere to send an answer.
#[must_use]
pub fn place(topic: &str, rules: &Rules) -> Place {
    let Some((thing, below)) = topic.strip_prefix("$aws/things/").and_then(|rest| rest.split_once('/')) else {
        return Place::Elsewhere;
    };
    let Some(below) = below.strip_prefix("shadow/") else { return Place::Elsewhere };
    let (name, verb) = match below.strip_prefix("name/") {
        None => (None, below),
        Some(named) => match named.split_once('/') {
            Some((name, verb)) => (Some(name), verb),
            None => return Place::Reserved,
        },
    };
    let name = if rules.has(Defect::NameForgotten) { None } else { name };
    let verb = if rules.has(Defect::ResponseTakenForRequest) { verb.trim_end_matches("/accepted") } else { verb };
    match (Verb::read(verb), Address::new(thing, name)) {
        (Some(verb), Ok(address)) => Place::Request(address, verb),
        _ => Place::Reserved,
    }
}

fn plain(name: &str, most: usize) -> bool {
    (1..=most).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-'))
}
