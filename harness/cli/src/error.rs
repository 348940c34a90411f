//! What stops a command before there is a verdict.

use fleetproof_journal::{JournalError, Verdict};
use std::fmt;

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) enum CliError {
    /// The user named something that is not there, or that cannot be.
    Invalid(String),
    /// The surroundings failed.
    Broken(String),
}

impl CliError {
    /// The exit code of the kind.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Invalid(_) => Verdict::Invalid.exit_code(),
            Self::Broken(_) => Verdict::Broken.exit_code(),
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(reason) | Self::Broken(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for CliError {}

impl From<JournalError> for CliError {
    fn from(error: JournalError) -> Self {
        Self::Broken(error.to_string())
    }
}

/// What a command returns: an exit code, or why it could not do its work.
pub(crate) type Result<T> = std::result::Result<T, CliError>;
