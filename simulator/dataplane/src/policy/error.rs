//! Why a document is refused.

use super::document::{LARGEST, LONGEST};
use std::fmt;

/// What is wrong with a policy document, where (a JSON pointer), and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyError {
    /// It has too many characters, white space not counted.
    TooLong {
        /// How many.
        characters: usize,
    },
    /// It has too many bytes, white space counted.
    TooLarge {
        /// How many.
        bytes: usize,
    },
    /// It is no JSON, or has a key twice.
    NotJson {
        /// What the reader says, with line and column.
        why: String,
    },
    /// Something has to be there.
    Missing {
        /// Where.
        at: String,
        /// What.
        key: &'static str,
        /// What to write.
        want: &'static str,
    },
    /// Something stands there that does not belong there.
    Unknown {
        /// Where.
        at: String,
        /// What to do.
        want: &'static str,
    },
    /// Something is not what it has to be.
    Wrong {
        /// Where.
        at: String,
        /// What stands there, shortened.
        found: String,
        /// What has to stand there.
        want: &'static str,
    },
}

impl PolicyError {
    pub(super) fn wrong(at: &str, found: &str, want: &'static str) -> Self {
        const SHOWN: usize = 80;
        let short: String = found.chars().take(SHOWN).collect();
        let found = if short.len() < found.len() { format!("{short:?}…") } else { format!("{short:?}") };
        Self::Wrong { at: at.to_owned(), found, want }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { characters } => {
                write!(
                    f,
                    "the policy has {characters} characters without white space: at most {LONGEST} are allowed, so use wildcards or a second policy"
                )
            }
            Self::TooLarge { bytes } => {
                write!(f, "the policy has {bytes} bytes: at most {LARGEST} are read, so leave white space out")
            }
            Self::NotJson { why } => write!(f, "the policy cannot be read as JSON: {why}"),
            Self::Missing { at, key, want } => write!(f, "{} has no {key:?}: {want}", Place(at)),
            Self::Unknown { at, want } => write!(f, "{} does not belong there: {want}", Place(at)),
            Self::Wrong { at, found, want } => write!(f, "{} is {found}: {want}", Place(at)),
        }
    }
}

impl std::error::Error for PolicyError {}

/// A JSON pointer as a person reads it.
struct Place<'a>(&'a str);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("the policy") } else { f.write_str(self.0) }
    }
}
