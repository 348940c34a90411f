//! The scenario language: text to typed scenarios, diagnostics, schema.
//!
//! ```
//! let mut sources = fleetproof_language::Sources::new();
//! let file = sources.add("first.yaml", "scenario: Nothing yet\nsteps: []\n".to_owned());
//! let (scenarios, mistakes) = fleetproof_language::check(&sources, &[file]);
//! assert!(scenarios.is_empty());
//! assert!(mistakes[0].render(&sources).contains("`steps` is empty"));
//! ```

mod check;
mod claim;
mod diagnostic;
mod grammar;
mod names;
mod population;
mod quantity;
mod reader;
mod reference;
mod rules;
mod scenario;
mod schema;
mod secret;
mod shapes;
mod source;
mod sources;
mod standing;
mod step;
mod suggest;
mod tree;
mod words;

pub use check::{check, read};
pub use claim::{Claim, Class, Skip};
pub use diagnostic::{CODES, Diagnostic};
pub use reference::reference;
pub use scenario::{Artifact, Devices, Platform, Provider, Scenario, Selection, Tenant, User};
pub use schema::schema;
pub use source::{Located, Span, Table};
pub use sources::{FileId, LONGEST_FILE, Place, Sources};
pub use step::{
    Abort, AddUser, ByDevices, ByTenants, Configure, Deploy, Elapsed, Expect, Log, Onboard, Outcome, Progress, Step,
    Upload, UserAt, WaitUntil,
};
pub use words::{Limit, Misbehaviour, OnboardOutcome, Protocol, Refusal, Role, Row, Starts, Surface};
