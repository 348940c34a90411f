//! Referees: programs that fleetproof did not write, held against what it wrote. Debian's `mender` (3.4), `mender-cli` (1.9),
//! `mender-artifact` (3.9) and `mosquitto` clients, AWS's SDK for devices and Eclipse's paho, unmodified, against `fleetproof serve` and
//! against the artifacts of `fleetproof-wire`.
//!
//! They run where `FLEETPROOF_REFEREES` is `1`, as `ci/test` sets it; a program that is missing then is a failure. Elsewhere every
//! test says why it did nothing. What they agree on was seen on real servers and real clients first; where one of them disagrees
//! with the platform, the platform is wrong.
//!
//! Read [`bench`] first, then one test of [`updates`].
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod artifacts;
mod bench;
mod client;
mod label;
mod management;
mod mqtt;
mod process;
mod rumqtt;
mod secure;
mod server;
mod updates;
