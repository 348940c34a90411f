//! What was found to be signed, so that the same bytes are not verified again: devices show the same knock until they
//! are let in, and a token at every request.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How many are remembered; beyond, all are forgotten at once.
const REMEMBERED: usize = 65_536;

/// What stands behind bytes whose signature was good, by the SHA-256 of all that went into it: bytes, key, signature.
#[derive(Debug)]
pub(crate) struct Proven<T>(Mutex<BTreeMap<[u8; 32], T>>);

impl<T> Default for Proven<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Proven<T> {
    /// What was remembered.
    pub(crate) fn recall(&self, hash: &[u8; 32]) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }

    /// Remembers, and hands it back.
    pub(crate) fn remember(&self, hash: [u8; 32], proven: T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(hash, proven.clone());
        proven
    }
}
