//! What is refused, with the code that goes over the wire.

use super::execution::{Execution, Status};
use std::fmt;

/// Why a request is refused. The text says which field, what is allowed, and what was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobError {
    /// The topic is one of the jobs, and no operation is behind it.
    InvalidTopic {
        /// As it was sent, cut.
        topic: String,
    },
    /// The payload is no JSON object in UTF-8.
    InvalidJson {
        /// What the parser met.
        what: String,
    },
    /// A field breaks a rule.
    InvalidRequest {
        /// Its path, e.g. `timeoutConfig.inProgressTimeoutInMinutes`.
        field: String,
        /// What is allowed.
        bound: String,
        /// What was given, cut.
        given: String,
    },
    /// The status does not lead there.
    InvalidStateTransition {
        /// Of which job or execution.
        of: String,
        /// What it is.
        from: &'static str,
        /// What was asked for.
        to: &'static str,
    },
    /// There is no such job, or no execution of it for this thing.
    ResourceNotFound {
        /// What was looked for.
        what: String,
    },
    /// Somebody was faster.
    VersionMismatch {
        /// What the request expected.
        expected: u64,
        /// What it is.
        actual: u64,
    },
    /// A description was asked for of what has ended.
    TerminalStateReached {
        /// The job.
        job: String,
        /// How it ended.
        status: Status,
    },
}

/// The longest piece of a request that an error repeats, in characters.
const REPEATED: usize = 64;

impl JobError {
    pub(super) fn invalid(field: impl Into<String>, bound: impl Into<String>, given: impl fmt::Display) -> Self {
        Self::InvalidRequest { field: field.into(), bound: bound.into(), given: cut(&given.to_string()) }
    }

    pub(super) fn no_execution(job: &str, thing: &str) -> Self {
        Self::ResourceNotFound { what: format!("an execution of job {} for thing {}", cut(job), cut(thing)) }
    }

    pub(super) fn no_transition(execution: &Execution, to: Status) -> Self {
        let of = format!("execution {} of job {}", execution.number, execution.job_id);
        Self::InvalidStateTransition { of, from: execution.status.name(), to: to.name() }
    }

    /// The code of the MQTT messages.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidTopic { .. } => "InvalidTopic",
            Self::InvalidJson { .. } => "InvalidJson",
            Self::InvalidRequest { .. } => "InvalidRequest",
            Self::InvalidStateTransition { .. } => "InvalidStateTransition",
            Self::ResourceNotFound { .. } => "ResourceNotFound",
            Self::VersionMismatch { .. } => "VersionMismatch",
            Self::TerminalStateReached { .. } => "TerminalStateReached",
        }
    }

    /// The status over HTTP, and the name of the exception.
    #[must_use]
    pub const fn http(&self) -> (u16, &'static str) {
        match self {
            Self::InvalidTopic { .. } | Self::InvalidJson { .. } | Self::InvalidRequest { .. } => {
                (400, "InvalidRequestException")
            }
            Self::InvalidStateTransition { .. } => (409, "InvalidStateTransitionException"),
            Self::ResourceNotFound { .. } => (404, "ResourceNotFoundException"),
            Self::VersionMismatch { .. } => (409, "VersionConflictException"),
            Self::TerminalStateReached { .. } => (410, "TerminalStateException"),
        }
    }

    /// Whether the answer tells the state that is in the way.
    #[must_use]
    pub const fn tells_state(&self) -> bool {
        matches!(self, Self::InvalidStateTransition { .. } | Self::VersionMismatch { .. })
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidTopic { topic } => write!(f, "no operation of the jobs is behind the topic {topic}"),
            Self::InvalidJson { what } => write!(f, "the payload must be a JSON object in UTF-8: {what}"),
            Self::InvalidRequest { field, bound, given } => write!(f, "{field}: must be {bound}, is {given}"),
            Self::InvalidStateTransition { of, from, to } => write!(f, "{of} is {from} and cannot become {to}"),
            Self::ResourceNotFound { what } => write!(f, "there is no {what}"),
            Self::VersionMismatch { expected, actual } => {
                write!(
                    f,
                    "expectedVersion is {expected}, the execution has version {actual}: describe it and try again"
                )
            }
            Self::TerminalStateReached { job, status } => {
                write!(f, "the execution of job {job} has ended: {}", status.name())
            }
        }
    }
}

impl std::error::Error for JobError {}

/// The beginning of a text that somebody else wrote.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(REPEATED) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
