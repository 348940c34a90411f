//! A thing's shadows: what is wanted of it and what it said of itself (AWS IoT Device Shadow service).
//!
//! One request in, everything that follows out: [`handle`] for MQTT, [`https::answer`] for HTTPS. The owner stores what
//! comes back and publishes the messages in the order given; it asks [`Pace`] first whether the thing may ask at all.
//!
//! Three rules are not obvious. A shadow that is deleted keeps counting: created again within [`Rules::remembered_s`]
//! seconds it goes on from its last version, so that an old `version` in a request never fits a new document. Objects that
//! have become empty vanish, and what an object holds is compared leaf by leaf; an array is one leaf. Accepted answers go to
//! whoever listens on the topic, also when the request came by HTTPS; rejected ones answer a request by MQTT only.

mod answer;
mod document;
pub mod https;
mod pace;
mod refusal;
mod request;
mod topic;

pub use answer::{Message, Outcome, handle};
pub use document::{Section, Shadow, Stored, apply};
pub use pace::Pace;
pub use refusal::ShadowError;
pub use topic::{Address, Place, Verb, place};

/// What the account's shadows are bounded by, and what is wrong with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Bytes of the state (desired and reported together, as JSON without spaces), and of a request.
    pub document_bytes: usize,
    /// How many keys deep a section may be.
    pub depth: usize,
    /// Seconds that the version of a deleted shadow is remembered.
    pub remembered_s: u64,
    /// A planted fault.
    pub defect: Option<Defect>,
}

impl Default for Rules {
    /// The figures of the developer guide (2023): 8 KB, 6 levels (as the message of the error says), 48 hours.
    fn default() -> Self {
        Self { document_bytes: 8 * 1024, depth: 6, remembered_s: 48 * 3600, defect: None }
    }
}

impl Rules {
    /// Whether this fault is planted.
    pub(crate) fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }
}

/// Faults that can be planted, each a mistake that shadow services have had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Defect {
    /// The delta names only what this update touched, not every difference.
    DeltaOfThisUpdateOnly,
    /// `null` is stored instead of deleting the key.
    NullKept,
    /// The `version` of an update is not looked at: the last writer wins.
    VersionUnchecked,
    /// A shadow that is created again counts from 1, so that a late writer of the old one fits in.
    VersionRestarts,
    /// A message on `…/update/accepted` is taken for an update.
    ResponseTakenForRequest,
    /// A named shadow's requests reach the classic shadow.
    NameForgotten,
    /// The client's token is not given back.
    TokenNotReflected,
}

impl Defect {
    /// Every one of them.
    pub const ALL: [Self; 7] = [
        Self::DeltaOfThisUpdateOnly,
        Self::NullKept,
        Self::VersionUnchecked,
        Self::VersionRestarts,
        Self::ResponseTakenForRequest,
        Self::NameForgotten,
        Self::TokenNotReflected,
    ];
}

#[cfg(test)]
mod tests;
