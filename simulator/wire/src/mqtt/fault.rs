//! What is wrong with a packet: in words, by the statement of the specification, and as the reason code to answer with.

use super::packet::{Version, code};
use std::fmt;

/// Why bytes are no packet, or a packet may not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind of mistake it is; [`Fault::code`] follows from it.
    pub kind: Kind,
    /// The statement of the specification that is broken, e.g. `MQTT-3.8.1-1`; `None` where it is said in plain prose only.
    pub statement: Option<&'static str>,
    /// What is wrong, in words.
    pub what: &'static str,
}

/// The kinds of mistakes (section 4.13 of version 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It cannot be parsed, or a reserved bit is set: 0x81.
    Malformed,
    /// It can be parsed and is not allowed there: 0x82.
    Protocol,
    /// CONNECT asks for this protocol level, which is neither 4 nor 5: 0x84. A server answers return code 1 of 3.1.1, or
    /// this code.
    UnsupportedVersion(u8),
    /// A topic filter that is none: 0x8F.
    TopicFilter,
    /// A topic name that is none: 0x90.
    TopicName,
    /// A topic alias that cannot be: 0x94.
    TopicAlias,
    /// More bytes than are allowed: 0x95. Told as soon as the length is known.
    TooLarge {
        /// Of the whole packet, fixed header and all.
        bytes: u32,
        /// What is allowed.
        limit: u32,
    },
    /// More filters, properties or codes than [`MAXIMUM_ITEMS`](super::codec::MAXIMUM_ITEMS): 0x97.
    TooMany,
    /// A value of ours that has no form on the wire, e.g. a string of more than 65535 bytes: 0x83.
    Unwritable,
}

impl Fault {
    /// The reason code of version 5 that fits (section 2.4): what a server says in CONNACK or DISCONNECT.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self.kind {
            Kind::Malformed => code::MALFORMED_PACKET,
            Kind::Protocol => code::PROTOCOL_ERROR,
            Kind::UnsupportedVersion(_) => code::UNSUPPORTED_VERSION,
            Kind::TopicFilter => code::TOPIC_FILTER_INVALID,
            Kind::TopicName => code::TOPIC_NAME_INVALID,
            Kind::TopicAlias => code::TOPIC_ALIAS_INVALID,
            Kind::TooLarge { .. } => code::PACKET_TOO_LARGE,
            Kind::TooMany => code::QUOTA_EXCEEDED,
            Kind::Unwritable => code::IMPLEMENTATION_SPECIFIC,
        }
    }

    /// A fault that no numbered statement names.
    #[must_use]
    pub const fn plain(kind: Kind, what: &'static str) -> Self {
        Self { kind, statement: None, what }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        match self.kind {
            Kind::UnsupportedVersion(level) => write!(f, ": level {level}, spoken are 4 and 5")?,
            Kind::TooLarge { bytes, limit } => write!(f, ": {bytes} bytes, {limit} are allowed")?,
            _ => {}
        }
        if let Some(statement) = self.statement {
            write!(f, " [{statement}]")?;
        }
        write!(f, " (reason code 0x{:02X})", self.code())
    }
}

impl std::error::Error for Fault {}

/// A rule and where it stands in either version; an empty id: not numbered there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    kind: Kind,
    v311: &'static str,
    v5: &'static str,
    what: &'static str,
}

impl Rule {
    /// A rule with an id in each version.
    pub(super) const fn new(kind: Kind, v311: &'static str, v5: &'static str, what: &'static str) -> Self {
        Self { kind, v311, v5, what }
    }

    /// A rule with the same id in both versions.
    pub(super) const fn both(kind: Kind, id: &'static str, what: &'static str) -> Self {
        Self { kind, v311: id, v5: id, what }
    }

    /// It was broken.
    pub(super) const fn broken(self, version: Version) -> Fault {
        let id = match version {
            Version::V311 => self.v311,
            Version::V5 => self.v5,
        };
        Fault { kind: self.kind, statement: if id.is_empty() { None } else { Some(id) }, what: self.what }
    }
}
