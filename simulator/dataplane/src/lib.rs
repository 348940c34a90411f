//! What an account's data plane decides, as values in and values out: no socket, no clock, no database, no runtime.
//!
//! Time is a number handed in (µs since 1970); what is to be sent is returned. `fleetproof-platform` puts these rules on
//! streams and in tables.

pub mod broker;
pub mod jobs;
pub mod lobby;
pub mod organisation;
pub mod pacing;
pub mod policy;
pub mod provisioning;
pub mod shadows;
pub mod topics;
