//! How one talks to a platform as a user or an operator.
//!
//! A *dialect* knows one family of platforms: how a person logs in, what each verb of the scenario language is in
//! requests, which operations there are and what each means ([`mender`]: the table of operations), and what a refusal
//! looks like there. Two kinds of callers use it:
//!
//! * the engine's steps, through verbs: [`mender::Mender::create_tenant`], [`mender::Mender::deploy`], …. A verb returns
//!   what it made, or a [`DialectError`]; a platform's no is [`DialectError::Refused`] with the whole [`Answer`];
//! * the runner of attempts, through the parts of one request: surfaces of the interface document, templates to fill,
//!   objects to make, look at and remove, and what an answer means ([`mender::Mender::refusal`]).
//!
//! Every request, whoever makes it, is told to a [`Watch`], with the audit entries it calls for: the ledger of changes
//! is complete without anybody's help.

mod answer;
pub mod aws;
pub mod mender;
pub mod openapi;
mod watch;

pub use answer::{Answer, DialectError, Refused, Result, Token};
pub use fleetproof_wire::http::Request;
pub use watch::{AuditDue, Exchange, Unwatched, Watch};
