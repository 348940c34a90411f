//! Policy documents: read from JSON, held against the limits, compiled.

use super::condition::{Condition, attributes, each};
use super::error::PolicyError;
use super::json::Json;
use super::resource::Target;
use super::{Action, Defect, Question};

/// The most characters of a document, white space not counted.
pub const LONGEST: usize = 2048;

/// The most bytes of a document, white space counted.
pub(super) const LARGEST: usize = 64 * 1024;

/// The only version of the language that has variables.
const VERSION: &str = "2012-10-17";

/// What the service has names for and no data plane here does: allowed in documents, allowing nothing.
const ELSEWHERE: [&str; 1] = ["AssumeRoleWithCertificate"];

/// A policy document that was understood.
#[derive(Clone, Debug)]
pub struct Document {
    statements: Vec<Statement>,
}

#[derive(Clone, Debug)]
struct Statement {
    is_deny: bool,
    /// A bit for each action.
    actions: u32,
    targets: Vec<Target>,
    conditions: Vec<Condition>,
}

impl Document {
    /// Reads and compiles a document.
    ///
    /// # Errors
    /// What is too long, no JSON, or no policy: what, where (as a JSON pointer) and what to do. Nothing that could have been
    /// meant to deny something is passed over: an unknown key, action, operator or variable is an error.
    pub fn parse(json: &str) -> Result<Self, PolicyError> {
        if json.len() > LARGEST {
            return Err(PolicyError::TooLarge { bytes: json.len() });
        }
        let characters = json.chars().filter(|character| !character.is_whitespace()).count();
        if characters > LONGEST {
            return Err(PolicyError::TooLong { characters });
        }
        let json: Json = serde_json::from_str(json).map_err(|error| PolicyError::NotJson { why: error.to_string() })?;
        let Json::Object(fields) = json else {
            return Err(PolicyError::wrong("", json.shown(), "write an object with Version and Statement"));
        };
        let (mut version, mut statements) = (false, None);
        for (key, value) in &fields {
            match (&**key, value) {
                ("Version", Json::Text(text)) if text == VERSION => version = true,
                ("Version", other) => {
                    return Err(PolicyError::wrong("/Version", other.shown(), "write \"2012-10-17\""));
                }
                ("Id", Json::Text(_)) => {}
                ("Statement", value) => statements = Some(value),
                _ => {
                    let want = "a policy has Version, Statement and, as text, Id";
                    return Err(PolicyError::Unknown { at: below("", key), want });
                }
            }
        }
        let missing = |key, want| Err(PolicyError::Missing { at: String::new(), key, want });
        if !version {
            return missing("Version", "write \"Version\": \"2012-10-17\"");
        }
        let Some(statements) = statements else { return missing("Statement", "write at least one statement") };
        let mut read = Vec::new();
        each(statements, "/Statement", &mut |statement, at| {
            read.push(Statement::read(statement, at)?);
            Ok(())
        })?;
        Ok(Self { statements: read })
    }

    /// How many statements it has.
    #[must_use]
    pub const fn statements(&self) -> usize {
        self.statements.len()
    }

    /// The first statement that denies, or allows, what is asked.
    pub(super) fn first(&self, is_deny: bool, question: &Question<'_>) -> Option<usize> {
        self.statements.iter().position(|statement| statement.is_deny == is_deny && statement.matches(question))
    }
}

impl Statement {
    fn read(json: &Json, at: &str) -> Result<Self, PolicyError> {
        let Json::Object(fields) = json else {
            return Err(PolicyError::wrong(at, json.shown(), "write an object with Effect, Action and Resource"));
        };
        let (mut is_deny, mut actions, mut targets, mut conditions) = (None, None, Vec::new(), Vec::new());
        for (key, value) in fields {
            let at = below(at, key);
            match (&**key, value) {
                ("Sid", Json::Text(_)) => {}
                ("Effect", Json::Text(text)) if text == "Allow" => is_deny = Some(false),
                ("Effect", Json::Text(text)) if text == "Deny" => is_deny = Some(true),
                ("Effect", other) => return Err(PolicyError::wrong(&at, other.shown(), "write \"Allow\" or \"Deny\"")),
                ("Action", value) => {
                    let mut bits = 0;
                    each(value, &at, &mut |value, at| {
                        bits |= read_action(value, at)?;
                        Ok(())
                    })?;
                    actions = Some(bits);
                }
                ("Resource", value) => each(value, &at, &mut |value, at| match value {
                    Json::Text(text) => Target::read(text, at, &mut targets),
                    other => {
                        Err(PolicyError::wrong(at, other.shown(), "write a resource in quotes, or a list of them"))
                    }
                })?,
                ("Condition", Json::Object(operators)) => {
                    for (operator, keys) in operators {
                        Condition::read(operator, keys, &below(&at, operator), &mut conditions)?;
                    }
                }
                ("Condition", other) => {
                    return Err(PolicyError::wrong(&at, other.shown(), "write an object from operators to keys"));
                }
                ("NotAction" | "NotResource", _) => {
                    let want = "what is left out is not understood: name what is meant with Action and Resource";
                    return Err(PolicyError::Unknown { at, want });
                }
                ("Principal" | "NotPrincipal", _) => {
                    let want = "leave it out: a policy is for the certificates that it is attached to";
                    return Err(PolicyError::Unknown { at, want });
                }
                _ => {
                    let want = "a statement has Effect, Action, Resource and, if wanted, Condition and Sid";
                    return Err(PolicyError::Unknown { at, want });
                }
            }
        }
        let missing = |key, want| PolicyError::Missing { at: at.to_owned(), key, want };
        let is_deny = is_deny.ok_or_else(|| missing("Effect", "write \"Allow\" or \"Deny\""))?;
        let actions = actions.ok_or_else(|| missing("Action", "write an action, as in \"iot:Publish\""))?;
        if targets.is_empty() {
            return Err(missing("Resource", "write a resource, or \"*\""));
        }
        Ok(Self { is_deny, actions, targets, conditions })
    }

    fn matches(&self, question: &Question<'_>) -> bool {
        self.actions & bit(question.action) != 0
            && self.targets.iter().any(|target| target.matches(question, self.is_deny))
            && (question.has(Defect::ConditionsIgnored)
                || self.conditions.iter().all(|condition| condition.holds(question)))
            && (self.is_deny || self.grants_attributes(question))
    }

    /// Whether the statement names everything that has to be granted by name.
    fn grants_attributes(&self, question: &Question<'_>) -> bool {
        question.has(Defect::AttributesFree)
            || attributes(question)
                .iter()
                .flatten()
                .all(|attribute| self.conditions.iter().any(|condition| condition.grants(attribute, question)))
    }
}

const fn bit(action: Action) -> u32 {
    1 << action as u32
}

/// The bits of the actions that a text names; names are compared without regard to case.
fn read_action(value: &Json, at: &str) -> Result<u32, PolicyError> {
    const WANT: &str = "write \"iot:\" and the name of an action (Connect, Publish, Subscribe, Receive, RetainPublish, …), with * and ? as \
         wildcards";
    let Json::Text(text) = value else { return Err(PolicyError::wrong(at, value.shown(), WANT)) };
    let pattern = match &**text {
        "*" => "*",
        text => match text.split_at_checked(4) {
            Some((service, name)) if service.eq_ignore_ascii_case("iot:") => name,
            _ => return Err(PolicyError::wrong(at, text, WANT)),
        },
    };
    let bits = Action::ALL
        .into_iter()
        .filter(|action| looks_like(action.name().as_bytes(), pattern.as_bytes()))
        .fold(0, |bits, action| bits | bit(action));
    let is_elsewhere = ELSEWHERE.iter().any(|name| looks_like(name.as_bytes(), pattern.as_bytes()));
    if bits == 0 && !is_elsewhere { Err(PolicyError::wrong(at, text, WANT)) } else { Ok(bits) }
}

/// Whether a name looks like a pattern. Where it does not go on, the last `*` takes one character more.
fn looks_like(name: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut place, mut again) = (0, 0, None);
    while at < name.len() {
        match pattern.get(place) {
            Some(b'*') => {
                again = Some((at, place + 1));
                place += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted.eq_ignore_ascii_case(&name[at]) => {
                at += 1;
                place += 1;
            }
            _ => match again {
                Some((from, after)) => {
                    (at, place, again) = (from + 1, after, Some((from + 1, after)));
                }
                None => return false,
            },
        }
    }
    pattern[place..].iter().all(|rest| *rest == b'*')
}

/// A JSON pointer (RFC 6901) one step further down.
pub(super) fn below(at: &str, key: &str) -> String {
    const SHOWN: usize = 80;
    let key: String = key.chars().take(SHOWN).collect();
    format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"))
}
