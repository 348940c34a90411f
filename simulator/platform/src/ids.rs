//! Names for new things: unique, and the same again for the same seed.

use fleetproof_world::{Clock, RandomStream, World};
use rand::RngCore;
use std::sync::{Mutex, PoisonError};

/// A source of ids.
#[derive(Debug)]
pub(crate) struct Ids {
    clock: Clock,
    things: Mutex<RandomStream>,
    requests: Mutex<RandomStream>,
    accounts: Mutex<RandomStream>,
}

impl Ids {
    pub(crate) fn new(world: &World) -> Self {
        let seeds = world.seeds.child("platform");
        let stream = |name| Mutex::new(seeds.stream(name));
        Self {
            clock: world.clock.clone(),
            things: stream("ids"),
            requests: stream("requests"),
            accounts: stream("accounts"),
        }
    }

    /// A UUID of version 7 for a thing.
    pub(crate) fn thing(&self) -> String {
        self.uuid(&self.things)
    }

    /// A UUID of version 7 for a request: a stream of its own, so that refused requests change no id.
    pub(crate) fn request(&self) -> String {
        self.uuid(&self.requests)
    }

    /// 24 hexadecimal digits, as tenants have: seconds, then chance.
    pub(crate) fn tenant(&self) -> String {
        format!("{:08x}{}", self.clock.unix_ms() / 1_000, hex(&self.bytes::<8>()))
    }

    /// Twelve digits, as accounts have: a stream of its own, so that accounts change no other id.
    pub(crate) fn account(&self) -> String {
        let number = u64::from_be_bytes(draw(&self.accounts));
        format!("{:012}", 100_000_000_000 + number % 900_000_000_000)
    }

    /// Random bytes for what belongs to an account.
    pub(crate) fn account_bytes<const N: usize>(&self) -> [u8; N] {
        draw(&self.accounts)
    }

    /// Random bytes, e.g. a salt.
    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        draw(&self.things)
    }

    fn uuid(&self, stream: &Mutex<RandomStream>) -> String {
        uuid::Builder::from_unix_timestamp_millis(self.clock.unix_ms(), &draw(stream)).into_uuid().to_string()
    }
}

fn draw<const N: usize>(stream: &Mutex<RandomStream>) -> [u8; N] {
    let mut bytes = [0; N];
    stream.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
    bytes
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
