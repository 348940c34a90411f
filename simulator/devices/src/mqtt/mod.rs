//! The agent that speaks MQTT to a platform shaped as AWS IoT Core is: the same body, the same update machine, another tongue.
//!
//! [`run_thing`] knocks at the lobby, moves to the endpoint it is told, does jobs, keeps its shadow and says what its
//! [`ThingPlan`] says. What it sends is numbered ([`Message`]), so that loss, duplication and reordering can be counted
//! ([`Ledger`]).

mod agent;
mod backoff;
mod config;
mod connect;
mod errands;
mod job;
mod ledger;
mod line;
mod outbox;
mod payload;
mod publishes;
mod pump;
mod record;
mod talk;
mod tapped;
mod topic;
mod update;
mod whereabouts;

pub use agent::run_thing;
pub use backoff::{Backoff, Jitter};
pub use config::{ThingConfig, ThingPlan};
pub use errands::{Answered, Doing, Errand, Load};
pub use fleetproof_wire::mqtt::packet::{Qos, Version};
pub use ledger::{Ledger, Numbers, Tally};
pub use payload::{Format, Message};
pub use publishes::Publishes;
