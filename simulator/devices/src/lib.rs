//! Simulated devices: one agent, a pure update state machine, and a body that can lose power.
//!
//! An *agent* ([`run_device`]) has an identity, speaks the device API, and drives an update through a
//! [`Machine`](machine::Machine), which only says what comes next. A [`Body`] is what an image is
//! written to and boots from. [`SimulatedBody`] has two slots of flash and a bootloader with trial boot;
//! a board on a bench is another body under the same agent.

mod agent;
mod body;
mod config;
mod download;
mod event;
mod flaky;
mod key;
mod label;
pub mod machine;
pub mod mqtt;
mod request;
mod shelf;
mod simulated;
mod tap;

pub use agent::run_device;
pub use body::{Body, BodyCall, Boot, Cause, Health};
pub use config::{DeviceConfig, Nature, Order};
pub use event::{Asked, Delivery, DeviceEvent, Witness};
pub use flaky::Flaky;
pub use fleetproof_wire::image::{DEVICE_TYPE, Image, PAYLOAD_TYPE, VERSION_PROVIDE};
pub use fleetproof_wire::signature::{ReleaseCheck, ReleaseKey};
pub use key::Key;
pub use label::{LabelError, label};
pub use machine::INCONSISTENT;
pub use request::{CLIENT_VERSION, auth_request, identify};
pub use shelf::Shelf;
pub use simulated::SimulatedBody;
pub use tap::{Tap, Tapped};
