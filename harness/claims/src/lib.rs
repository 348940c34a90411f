//! Claims compiled into attempts, each with its control and its oracle; and the judges of what came of them.
//!
//! Start with [`model`]: a [`model::Surface`] is an operation of a platform, an [`model::Attempt`] is one attack on it.
//! [`isolation()`] and [`access()`] make the attempts, [`catalogue`] tells what they are for.

mod access;
mod answer;
mod attacks;
mod attempt;
mod exemptions;
mod isolation;
mod judge;
mod ledger;
pub mod model;
mod states;
mod tools;

pub use access::{Subject, access};
pub use answer::{Canaries, Reply, canonical, difference, masked, without_credentials};
pub use exemptions::{Exemption, exemptions};
pub use isolation::{Options, Party, isolation};
pub use judge::{Outcome, Record, Ruling, expected, judge};
pub use ledger::{Change, Entry, Finding, reconcile};
pub use states::{first_illegal, illegal, is_over};
pub use tools::{Tool, catalogue, find};
