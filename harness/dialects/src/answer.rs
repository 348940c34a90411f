//! What came back: the whole answer, kept byte for byte, and the errors of this room.

use bytes::Bytes;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// The answer to one request, whole. `Display` is its status and the beginning of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Id of the operation that was asked for; `None` when no row of the table describes the request.
    pub operation: Option<Arc<str>>,
    /// HTTP status.
    pub status: u16,
    /// Headers in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body, however long.
    pub body: Bytes,
}

impl Answer {
    /// Whether the platform said yes (2xx).
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// The first header called `name`, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON, or `None` when it is not JSON (an empty one is not).
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The body as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The last segment of the `Location` header: the id of what was created.
    #[must_use]
    pub fn created_id(&self) -> Option<&str> {
        self.header("location").and_then(|location| location.trim_end_matches('/').rsplit('/').next())
    }

    /// The status and at most `limit` characters of the body, on one line.
    #[must_use]
    pub fn shortened(&self, limit: usize) -> String {
        let text = self.text();
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(limit) {
            _ if line.is_empty() => self.status.to_string(),
            Some((end, _)) => format!("{} {}…", self.status, &line[..end]),
            None => format!("{} {line}", self.status),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shortened(200))
    }
}

/// A platform's no, with all of the answer. Not an error of the harness: what it means is for the caller to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub Box<Answer>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.operation {
            Some(operation) => write!(f, "`{operation}` was answered with {}", self.0),
            None => write!(f, "the request was answered with {}", self.0),
        }
    }
}

/// Why a verb did not do what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialectError {
    /// The platform answered, and not with yes.
    Refused(Refused),
    /// No answer: nobody listens, or the connection broke. A change may or may not have happened.
    Unreachable {
        /// `METHOD path` of the request.
        request: String,
        /// What the network said.
        reason: String,
    },
    /// The platform said yes, and its answer lacks what the interface document promises.
    Unreadable {
        /// Id of the operation.
        operation: String,
        /// What is missing or of the wrong shape.
        reason: String,
    },
    /// The platform said yes to something that takes time, and it did not come about by the deadline.
    TooLate {
        /// What was waited for.
        what: String,
    },
    /// The platform has no door for operators (or the harness no key to it).
    NoOperator,
    /// The table has no row for this operation: a mistake of the caller.
    UnknownOperation(String),
    /// A template names something that nobody filled in: a mistake of the caller.
    Unfilled {
        /// Id of the operation.
        operation: String,
        /// The name of the gap.
        gap: String,
    },
}

impl DialectError {
    /// The platform's answer, when it was a refusal.
    #[must_use]
    pub fn refused(&self) -> Option<&Answer> {
        match self {
            Self::Refused(refused) => Some(&refused.0),
            _ => None,
        }
    }

    /// The status of a refusal.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.refused().map(|answer| answer.status)
    }
}

impl fmt::Display for DialectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Unreachable { request, reason } => write!(f, "no answer to {request}: {reason}"),
            Self::Unreadable { operation, reason } => {
                write!(f, "the answer to `{operation}` is not as promised: {reason}")
            }
            Self::TooLate { what } => write!(f, "{what} did not come about in time"),
            Self::NoOperator => f.write_str("this platform has no operator's door"),
            Self::UnknownOperation(operation) => write!(f, "no operation is called `{operation}`"),
            Self::Unfilled { operation, gap } => write!(f, "`{operation}` needs `{gap}`, which nobody gave"),
        }
    }
}

impl std::error::Error for DialectError {}

impl From<Answer> for DialectError {
    fn from(answer: Answer) -> Self {
        Self::Refused(Refused(Box::new(answer)))
    }
}

/// What a verb returns.
pub type Result<T> = std::result::Result<T, DialectError>;

/// A credential. It cannot be printed or serialised; only [`Token::reveal`] gives the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Arc<str>);

impl Token {
    /// Wraps the raw text of a credential.
    #[must_use]
    pub fn new(raw: &str) -> Self {
        Self(raw.into())
    }

    /// The raw text, for a header or to declare it a secret.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        Answer {
            operation: Some("Show User".into()),
            status: 404,
            headers: vec![("Location".to_owned(), "./devices/abc/".to_owned())],
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn an_answer_is_shown_on_one_line_and_shortened() {
        assert_eq!(answer("").to_string(), "404");
        assert_eq!(answer("{\n \"error\": \"no\"}").to_string(), "404 { \"error\": \"no\"}");
        assert_eq!(answer("äöü").shortened(2), "404 äö…");
        assert_eq!(answer("").created_id(), Some("abc"));
    }

    #[test]
    fn a_token_cannot_be_printed() {
        assert_eq!(format!("{:?}", Token::new("eyJ")), "Token(…)");
    }

    #[test]
    fn errors_read_as_sentences() {
        let refused = DialectError::from(answer("{\"error\":\"not found\"}"));
        assert_eq!(refused.to_string(), "`Show User` was answered with 404 {\"error\":\"not found\"}");
        assert_eq!(refused.status(), Some(404));
    }
}
