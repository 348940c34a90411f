//! The ledger: what a run acquired outside itself, written down before it exists.

use crate::JournalError;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What kind of thing was acquired. `clean` knows how to give each back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holding {
    /// A container.
    Container,
    /// A container network.
    Network,
    /// The lease of a board.
    Lease,
    /// A child process.
    Process,
    /// A folder or file outside the run folder.
    Path,
    /// An object on a platform that the run did not bring up itself.
    ForeignObject,
}

/// One external thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acquired {
    /// What kind of thing.
    pub kind: Holding,
    /// The name by which it can be found and given back.
    pub name: String,
    /// What else is needed to give it back: an address, an owner. Never a secret.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Acquires(Acquired),
    Released { kind: Holding, name: String },
}

/// The writer of `acquired.jsonl`. Each line is on the disk before the call returns.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: File,
}

impl Ledger {
    /// Opens the ledger at `path`, at its end if there is one.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let file = File::options().create(true).append(true).open(path).map_err(JournalError::io("open", path))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// To be called *before* the thing is acquired.
    ///
    /// # Errors
    /// When the line did not reach the disk: then the thing must not be acquired.
    pub fn acquires(&mut self, what: &Acquired) -> Result<(), JournalError> {
        self.line(&Line::Acquires(what.clone()))
    }

    /// To be called after the thing was given back.
    ///
    /// # Errors
    /// When the line did not reach the disk. `clean` will then try again, and find it gone.
    pub fn released(&mut self, what: &Acquired) -> Result<(), JournalError> {
        self.line(&Line::Released { kind: what.kind, name: what.name.clone() })
    }

    fn line(&mut self, line: &Line) -> Result<(), JournalError> {
        let mut text =
            serde_json::to_vec(line).map_err(|error| JournalError::Malformed { line: 0, why: error.to_string() })?;
        text.push(b'\n');
        self.file.write_all(&text).and_then(|()| self.file.sync_data()).map_err(JournalError::io("write", &self.path))
    }
}

/// What a ledger's text says is still held, the last acquired first: the order to give it back in.
///
/// A last line without its end is a line that was never finished, so nothing was acquired for it.
///
/// # Errors
/// When another line cannot be read.
pub fn outstanding(text: &str) -> Result<Vec<Acquired>, JournalError> {
    let mut held: Vec<Acquired> = Vec::new();
    for (line, number) in text.split_inclusive('\n').zip(1..) {
        if !line.ends_with('\n') {
            break;
        }
        match serde_json::from_str(line) {
            Ok(Line::Acquires(what)) => held.push(what),
            Ok(Line::Released { kind, name }) => held.retain(|what| (what.kind, &what.name) != (kind, &name)),
            Err(error) => return Err(JournalError::Malformed { line: number, why: error.to_string() }),
        }
    }
    held.reverse();
    Ok(held)
}
