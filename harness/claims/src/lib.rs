//! Claims compiled into attempts, each with its control and its oracle; and the judges of what came of them.
//!
//! Start with [`model`]: a [`model::Surface`] is an operation of a platform, an [`model::Attempt`] is one attack on it.
//! [`isolation()`] and [`access()`] make the attempts, [`catalogue`] tells what they are for.

mod access;
mod answer;
mod attacks;
mod attempt;
mod canaries;
mod conflicts;
mod credentials;
mod difference;
mod exemptions;
pub mod feints;
mod ghosts;
mod isolation;
mod judge;
mod ledger;
mod links;
mod logs;
pub mod model;
pub mod rollout;
mod searches;
mod spelling;
mod states;
mod table;
mod tools;
pub mod wired;

pub use access::{Subject, access};
pub use answer::{Reply, canonical, masked};
pub use canaries::Canaries;
pub use credentials::without_credentials;
pub use difference::difference;
pub use exemptions::{Exemption, exemptions};
pub use isolation::{Options, Party, isolation};
pub use judge::{Outcome, Record, Ruling, expected, judge};
pub use ledger::{Change, Entry, Finding, reconcile};
pub use states::{first_illegal, illegal, is_over};
pub use table::entries_with;
pub use tools::{Absent, FORMER_SESSION, Tool, absent, catalogue, find};
