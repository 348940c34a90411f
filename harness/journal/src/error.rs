//! What can go wrong with the files of a run.

use std::fmt;
use std::path::{Path, PathBuf};

/// An error of the journal, the ledger or the run folder.
#[derive(Debug)]
#[non_exhaustive]
pub enum JournalError {
    /// The file system refused. `doing` says what was tried, as in "write".
    Io {
        /// The verb of what was tried.
        doing: &'static str,
        /// The file or folder it was tried on.
        path: PathBuf,
        /// The operating system's word on it.
        source: std::io::Error,
    },
    /// The journal begins with no line that says it is one.
    NotAJournal,
    /// The journal was written by a later version.
    Newer {
        /// The format version it states.
        found: u32,
    },
    /// An event of a kind this version does not know.
    UnknownEvent {
        /// Line of the journal, from 1.
        line: usize,
        /// The kind it gives.
        kind: String,
    },
    /// A line that is no event.
    Malformed {
        /// Line of the file, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A name that cannot be a folder's name.
    UnusableName {
        /// The name.
        name: String,
    },
}

impl JournalError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, path, source } => write!(f, "cannot {doing} {}: {source}", path.display()),
            Self::NotAJournal => {
                write!(f, "this is not a journal: its first line does not say `{{\"journal\":{}}}`", crate::FORMAT)
            }
            Self::Newer { found } => write!(
                f,
                "this journal has format {found}, this fleetproof reads up to {}: it was written by a later version",
                crate::FORMAT
            ),
            Self::UnknownEvent { line, kind } => write!(
                f,
                "line {line} holds an event `{kind}` that this fleetproof does not know: was it written by a later version?"
            ),
            Self::Malformed { line, why } => write!(f, "line {line} is not an event: {why}"),
            Self::UnusableName { name } => write!(f, "`{}` cannot be the name of a folder", name.escape_default()),
        }
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
