//! The folder that a run leaves.

use crate::{JournalError, Ledger};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Bytes of a scenario's name that its folder keeps.
const LONGEST: usize = 160;

/// What is unique to one run and therefore not in its journal: `run.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFacts {
    /// Id of the run; also the name of its folder.
    pub run: String,
    /// When it started, RFC 3339, wall clock.
    pub started: String,
    /// How long it took on the wall clock, ms; absent while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// The machine's name.
    pub host: String,
    /// Version of fleetproof.
    pub version: String,
    /// Hash of the scenario language's schema.
    pub schema: String,
    /// The command line, word by word.
    pub command: Vec<String>,
    /// Exit code; absent while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
}

/// A run's folder:
///
/// ```text
/// .fleetproof/runs/<run id>/      or the folder of --report
///   run.jsonl                     the journal
///   run.json                      what is unique
///   acquired.jsonl                the ledger
///   junit.xml  report.json        the reports
///   scenarios/<name>/             run.jsonl and scenario.yaml of one, fragments/ if it uses some
/// .fleetproof/runs/latest         a link to the last
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    root: PathBuf,
}

impl RunFolder {
    /// Makes `<base>/.fleetproof/runs/<run>/` and points `latest` at it.
    ///
    /// # Errors
    /// When the run's id is no name of a folder, or the file system refuses.
    pub fn create(base: &Path, run: &str) -> Result<Self, JournalError> {
        let runs = base.join(".fleetproof").join("runs");
        let folder = Self::create_at(&runs.join(plain(run)?))?;
        point(&runs.join("latest"), run)?;
        Ok(folder)
    }

    /// Makes the folder exactly at `root` (`--report`), emptying nothing: an earlier run's files
    /// there are written over.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn create_at(root: &Path) -> Result<Self, JournalError> {
        let folder = Self { root: root.to_owned() };
        let scenarios = folder.root.join("scenarios");
        std::fs::create_dir_all(&scenarios).map_err(JournalError::io("create", &scenarios))?;
        Ok(folder)
    }

    /// The folder of an earlier run: `path` itself, or a run id or `latest` under
    /// `<base>/.fleetproof/runs`.
    ///
    /// # Errors
    /// When there is no `run.jsonl` in either.
    pub fn find(base: &Path, path: &Path) -> Result<Self, JournalError> {
        let known = base.join(".fleetproof").join("runs").join(path);
        let root = [path.to_owned(), known].into_iter().find(|root| root.join("run.jsonl").is_file());
        match root {
            Some(root) => Ok(Self { root }),
            None => Err(JournalError::io("find a run in", path)(std::io::ErrorKind::NotFound.into())),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `run.jsonl`.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.root.join("run.jsonl")
    }

    /// `run.json`.
    #[must_use]
    pub fn facts(&self) -> PathBuf {
        self.root.join("run.json")
    }

    /// `acquired.jsonl`.
    #[must_use]
    pub fn acquired(&self) -> PathBuf {
        self.root.join("acquired.jsonl")
    }

    /// `junit.xml`.
    #[must_use]
    pub fn junit(&self) -> PathBuf {
        self.root.join("junit.xml")
    }

    /// `report.json`.
    #[must_use]
    pub fn report(&self) -> PathBuf {
        self.root.join("report.json")
    }

    /// `scenarios/<name>/`, made if it is not there. Scenarios have sentences for names: what a
    /// folder's name cannot hold is written as `%2F`.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn scenario(&self, name: &str) -> Result<PathBuf, JournalError> {
        let folder = self.root.join("scenarios").join(spelled(name));
        std::fs::create_dir_all(&folder).map_err(JournalError::io("create", &folder))?;
        Ok(folder)
    }

    /// The copy of a fragment that a scenario uses under `path`; its folder is made if it is not there.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn fragment(&self, scenario: &str, path: &str) -> Result<PathBuf, JournalError> {
        let folder = self.scenario(scenario)?.join("fragments");
        std::fs::create_dir_all(&folder).map_err(JournalError::io("create", &folder))?;
        Ok(folder.join(spelled(path)))
    }

    /// The names of the folders of scenarios, sorted.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn scenarios(&self) -> Result<Vec<String>, JournalError> {
        let folder = self.root.join("scenarios");
        let entries = std::fs::read_dir(&folder).map_err(JournalError::io("read", &folder))?;
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(JournalError::io("read", &folder))?.file_name();
            // We write plain names only: another one is none of ours.
            names.extend(name.into_string().ok());
        }
        names.sort();
        Ok(names)
    }

    /// The ledger of this run.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn ledger(&self) -> Result<Ledger, JournalError> {
        Ledger::open(&self.acquired())
    }

    /// Writes a file of this folder whole: into a file beside it, then renamed, so that a reader
    /// sees the old one or the new one.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), JournalError> {
        let beside = path.with_extension("part");
        std::fs::write(&beside, bytes).map_err(JournalError::io("write", &beside))?;
        std::fs::rename(&beside, path).map_err(JournalError::io("write", path))
    }

    /// Writes `run.json`.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write_facts(&self, facts: &RunFacts) -> Result<(), JournalError> {
        let mut text = serde_json::to_vec_pretty(facts)
            .map_err(|error| JournalError::Malformed { line: 0, why: error.to_string() })?;
        text.push(b'\n');
        self.write(&self.facts(), &text)
    }

    /// Reads `run.json`.
    ///
    /// # Errors
    /// When it is missing or no such file.
    pub fn read_facts(&self) -> Result<RunFacts, JournalError> {
        let path = self.facts();
        let text = std::fs::read_to_string(&path).map_err(JournalError::io("read", &path))?;
        serde_json::from_str(&text)
            .map_err(|error| JournalError::Malformed { line: error.line(), why: error.to_string() })
    }

    /// The text of `run.jsonl`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_journal(&self) -> Result<String, JournalError> {
        let path = self.journal();
        std::fs::read_to_string(&path).map_err(JournalError::io("read", &path))
    }
}

/// The name if it is one component of a path and can be no other place.
fn plain(name: &str) -> Result<&str, JournalError> {
    let usable = !name.is_empty()
        && name.len() <= 200
        && !name.starts_with('.')
        && name.chars().all(|c| !c.is_control() && c != '/' && c != '\\');
    if usable { Ok(name) } else { Err(JournalError::UnusableName { name: name.to_owned() }) }
}

/// A scenario's name as one component of a path, different for different names.
fn spelled(name: &str) -> String {
    let mut folder = String::new();
    for (index, c) in name.chars().enumerate() {
        let plain = !c.is_control() && !matches!(c, '/' | '\\' | ':' | '%') && (index > 0 || c != '.');
        if plain {
            folder.push(c);
        } else {
            let mut utf8 = [0; 4];
            folder.extend(c.encode_utf8(&mut utf8).bytes().map(|byte| format!("%{byte:02X}")));
        }
    }
    if folder.is_empty() {
        return "%".to_owned();
    }
    if folder.len() <= LONGEST {
        return folder;
    }
    // File systems end at 255 bytes: the beginning, and a sum (FNV-1a) of the whole.
    let sum =
        name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let end = (0..=LONGEST).rev().find(|end| folder.is_char_boundary(*end)).unwrap_or(0);
    format!("{}%{sum:016x}", &folder[..end])
}

/// Makes `link` point at `target` (a name beside it) in one step.
fn point(link: &Path, target: &str) -> Result<(), JournalError> {
    let fresh = link.with_file_name(format!(".latest-{target}"));
    let made = std::fs::remove_file(&fresh).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    });
    made.and_then(|()| std::os::unix::fs::symlink(target, &fresh))
        .and_then(|()| std::fs::rename(&fresh, link))
        .map_err(JournalError::io("link", link))
}
