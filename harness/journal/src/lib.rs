//! The record of a run: events, verdicts, the writer that redacts, the reader, the ledger of what
//! was acquired, and the folder all of it stands in.
//!
//! A run is its journal. The engine writes [`Event`]s, everything a person or a CI system sees
//! afterwards is read from them. The journal of a virtual run holds nothing that differs between
//! two runs with one seed; what is unique to a run stands in [`RunFacts`] (`run.json`).
//!
//! ```
//! use fleetproof_journal::{Journal, Secret, Secrets, Verdict, What};
//!
//! let secrets = Secrets::new();
//! secrets.declare(&Secret::new("correct horse battery"));
//!
//! let journal = Journal::in_memory(secrets);
//! journal.emit(0, "engine", None, What::Note { text: "logged in with correct horse battery".into() });
//! journal.emit(5_000, "engine", None, What::Ended { verdict: Verdict::Passed, claims: 0, attempts: 0 });
//!
//! let text = String::from_utf8(journal.finish()?).expect("a journal is UTF-8");
//! assert!(!text.contains("correct horse"));
//! assert_eq!(fleetproof_journal::read(&text)?.len(), 2);
//! # Ok::<(), fleetproof_journal::JournalError>(())
//! ```

mod error;
mod event;
mod folder;
mod ledger;
mod reader;
mod redact;
mod secret;
mod verdict;
mod writer;

pub use error::JournalError;
pub use event::{Attempted, Event, Judged, Place, What};
pub use folder::{RunFacts, RunFolder};
pub use ledger::{Acquired, Holding, Ledger, outstanding};
pub use reader::{chapters, join, read};
pub use secret::{REDACTED, Secret, Secrets};
pub use verdict::{Lenience, Verdict, exit_code};
pub use writer::Journal;

/// The version of the journal's format. It stands in the first line of every journal; a reader
/// refuses a journal with a greater one.
pub const FORMAT: u32 = 1;
