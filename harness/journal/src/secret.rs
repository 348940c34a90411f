//! Secrets: a type that cannot be printed, and the set of them that nothing written may contain.

use crate::redact::Patterns;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// What stands where a secret stood.
pub const REDACTED: &str = "[redacted]";

/// A password, token or key. It has no `Display` and no `Serialize`, and its `Debug` prints `…`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The secret itself, to be sent to the one it is meant for and nowhere else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The declared secrets of a run. Clones share one set: declare in one place, redacted everywhere.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<Declared>>);

#[derive(Default)]
struct Declared {
    words: BTreeSet<String>,
    patterns: Option<Arc<Patterns>>,
}

impl Secrets {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a secret. From now on it is replaced in whatever is written, in every encoding.
    ///
    /// Secrets shorter than [`Secrets::SHORTEST`] bytes are not searched for: they would be found
    /// in ordinary words. False says so.
    pub fn declare(&self, secret: &Secret) -> bool {
        let text = secret.expose();
        if text.len() < Self::SHORTEST {
            return false;
        }
        let mut declared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fresh = declared.words.insert(text.to_owned());
        // The last part of a token proves it; somebody may log the parts one by one.
        if let [_, _, signature] = text.split('.').collect::<Vec<_>>().as_slice()
            && signature.len() >= 32
        {
            fresh |= declared.words.insert((*signature).to_owned());
        }
        if fresh {
            declared.patterns = None;
        }
        true
    }

    /// The shortest secret that is searched for, in bytes.
    pub const SHORTEST: usize = 6;

    /// The text with every declared secret replaced by [`REDACTED`]. Shorten a text *after* this:
    /// half a secret is not found.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.patterns().redact(text).unwrap_or_else(|| text.to_owned())
    }

    /// True when the text contains a declared secret in any encoding.
    #[must_use]
    pub fn are_in(&self, text: &str) -> bool {
        self.patterns().redact(text).is_some()
    }

    pub(crate) fn patterns(&self) -> Arc<Patterns> {
        let mut declared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(patterns) = &declared.patterns {
            return Arc::clone(patterns);
        }
        let patterns = Arc::new(Patterns::of(&declared.words));
        declared.patterns = Some(Arc::clone(&patterns));
        patterns
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}
