#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! The command line as a user has it: the binary, its exit codes, what it prints, what it leaves.

mod catalogues;
mod check;
mod clean;
mod encodings;
mod failing;
mod faults;
mod flow;
mod hostile;
mod passing;
mod secrets;
mod serve;
mod signals;
mod simulate;
mod steps;
mod sweep;
mod tool;
mod verdicts;
