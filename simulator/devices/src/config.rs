//! What a device is told before it starts, and while it runs.

use crate::flaky::Flaky;
use crate::mqtt::{Errand, Load};
use crate::shelf::Shelf;
use crate::tap::Tap;
use fleetproof_wire::signature::ReleaseCheck;
use fleetproof_world::Name;
use rand::Rng;
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
    /// By how many millionths of `poll` each period is longer or shorter at the most. 0: all are equal.
    pub jitter: u32,
    /// How long a boot takes.
    pub boot_time: Duration,
    /// Where the devices of a run share what all of them download. `Shelf::default()` is one of its own.
    pub shelf: Shelf,
    /// What is peculiar to it.
    pub nature: Nature,
}

/// What is peculiar to a device. By default: nothing.
#[derive(Clone, Debug, Default)]
pub struct Nature {
    /// By how many ms its clock is ahead of the world's; behind when negative. It stands in what the device writes down,
    /// and a download link that has expired by this clock is not followed.
    pub skew_ms: i64,
    /// It loses its network from time to time.
    pub flaky: Option<Flaky>,
    /// How many bytes per second it can send, and receive.
    pub bandwidth: Option<u64>,
    /// It installs only what is signed by this key.
    pub release: Option<Arc<ReleaseCheck>>,
    /// Whoever interrupts it has a tap on its connections.
    pub tap: Option<Arc<Tap>>,
}

impl DeviceConfig {
    /// How long it is from one poll to the next, with `jitter` drawn from a stream.
    pub(crate) fn period(&self, jitter: Option<&mut impl Rng>) -> Duration {
        let poll = u64::try_from(self.poll.as_micros()).unwrap_or(u64::MAX);
        let most = u64::try_from(u128::from(poll) * u128::from(self.jitter) / 1_000_000).unwrap_or(poll).min(poll);
        let period = match jitter {
            Some(stream) => poll - most + stream.gen_range(0..=most.saturating_mul(2)),
            None => poll,
        };
        Duration::from_micros(period).max(Duration::from_millis(1))
    }

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
#[derive(Clone, Debug)]
pub enum Order {
    /// Show the identity at once, then at every poll until accepted; from then on poll.
    Knock,
    /// Give a sign of life and see whether it is answered, without waiting for the next one that is due. Who polls has one
    /// with every poll, and needs no other.
    Ping,
    /// Poll a last time, then be silent for ever.
    Retire,
    /// Say more than the plan says, the first time after so long; `None`: no more (MQTT).
    Strain(Option<(Arc<Load>, Duration)>),
    /// Keep what it is now, once no update is under way: what runs, and what it keeps of that.
    Save,
    /// Be once more what was saved: flashed anew, with the identity and the home that it has. It boots and shows its identity.
    Restore,
    /// Drop the connection and dial again (MQTT).
    Reconnect,
    /// Do something once (MQTT).
    Errand(Box<Errand>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetproof_world::Seeds;
    use proptest::prelude::*;

    fn config(poll: Duration, jitter: u32) -> DeviceConfig {
        DeviceConfig {
            index: 0,
            name: "d".into(),
            identity: BTreeMap::new(),
            tenant_token: "t".into(),
            server: "s".into(),
            device_type: String::new(),
            version: String::new(),
            poll,
            phase: Duration::ZERO,
            jitter,
            boot_time: Duration::ZERO,
            shelf: Shelf::default(),
            nature: Nature::default(),
        }
    }

    proptest! {
        #[test]
        fn periods_stay_within_their_jitter_and_are_not_all_equal(poll in 1_000..100_000_u64, percent in 1..=100_u32, seed: u64) {
            let config = config(Duration::from_millis(poll), percent * 10_000);
            let mut stream = Seeds::new(seed).stream("jitter");
            let periods: Vec<u128> = (0..50).map(|_| config.period(Some(&mut stream)).as_micros()).collect();
            let (poll, most) = (u128::from(poll) * 1_000, u128::from(poll) * 10 * u128::from(percent));
            prop_assert!(periods.iter().all(|period| (poll - most).max(1_000) <= *period && *period <= poll + most));
            prop_assert!(periods.iter().any(|period| *period != periods[0]));
            prop_assert_eq!(config.period(None::<&mut fleetproof_world::RandomStream>).as_micros(), poll);
        }
    }
}
