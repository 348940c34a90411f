//! From a journal to what people and machines read.
//!
//! [`Report`] is the journal as a tree: scenarios, their steps and claims, the attempts behind a
//! claim. [`terminal`], [`junit`], [`markdown`] and [`json`] print that tree; none of them knows more than the
//! journal does.
//!
//! ```
//! # use fleetproof_journal::{Journal, Secrets, What, Verdict, Lenience};
//! # let journal = Journal::in_memory(Secrets::new());
//! # journal.emit(0, "engine", None, What::Scenario { name: "demo".into(), about: None, seed: 7, clock: "virtual".into(),
//! #     devices: 0, tenants: vec![], covers: vec![], defect: None, matrix: Default::default() });
//! # journal.emit(0, "engine", None, What::Ended { verdict: Verdict::Interrupted, claims: 0, attempts: 0 });
//! # let text = String::from_utf8(journal.finish()?)?;
//! let report = fleetproof_reports::Report::read(&text)?;
//! print!("{}", fleetproof_reports::terminal(&report, fleetproof_reports::Colour::Never));
//! assert_eq!(report.exit_code(Lenience::NONE), 130);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod json;
mod junit;
mod markdown;
mod report;
mod terminal;
mod words;

pub use json::{VERSION, json};
pub use junit::junit;
pub use markdown::markdown;
pub use report::{Claim, Covered, Report, Scenario, Step, Try};
pub use terminal::{Colour, terminal};
pub use words::{clean, count, duration, sentence};
