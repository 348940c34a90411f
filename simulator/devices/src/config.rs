//! What a device is told before it starts, and while it runs.

use crate::shelf::Shelf;
use fleetproof_world::Name;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What makes a device the one it is.
#[derive(Clone, Debug)]
pub struct DeviceConfig {
    /// Its number in the fleet, as witnesses are told.
    pub index: u32,
    /// Its name: its address on the network, and what draws whether an image misbehaves on it.
    pub name: Arc<str>,
    /// The identity it shows, e.g. `{"mac": "02:00:00:00:00:07"}`.
    pub identity: BTreeMap<String, String>,
    /// The token of the tenant it wants to belong to.
    pub tenant_token: Arc<str>,
    /// Where the platform listens.
    pub server: Name,
    /// The device type it provides.
    pub device_type: String,
    /// The version it was made with. Until its first update it says `factory-<version>`.
    pub version: String,
    /// How often it asks for an update.
    pub poll: Duration,
    /// When it asks for the first time, counted from the order to knock; less than `poll`.
    pub phase: Duration,
    /// How long a boot takes.
    pub boot_time: Duration,
    /// Where the devices of a run share what all of them download. `Shelf::default()` is one of its own.
    pub shelf: Shelf,
}

impl DeviceConfig {
    /// The time between two attempts to tell the platform something that it must know: a fifth of the
    /// poll interval, between one second and five minutes.
    #[must_use]
    pub fn retry(&self) -> Duration {
        (self.poll / 5).clamp(Duration::from_secs(1), Duration::from_secs(300))
    }

    /// How often it tries to tell that: twice what fits into a poll interval, at least 3 and at most 10
    /// times.
    #[must_use]
    pub fn tries(&self) -> u32 {
        let fits = self.poll.as_millis() / self.retry().as_millis();
        if fits <= 3 { 3 } else { u32::try_from(fits * 2).unwrap_or(10).min(10) }
    }
}

/// What a device is told while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Show the identity at once, then at every poll until accepted; from then on poll.
    Knock,
    /// Poll a last time, then be silent for ever.
    Retire,
}
