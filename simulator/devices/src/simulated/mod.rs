//! A body of simulated flash: two slots and a bootloader that starts an image on trial and reverts.

mod flash;

use crate::body::{Body, BodyCall, Boot, Cause, Health};
use bytes::Bytes;
use flash::{Power, Slot, operations};
use fleetproof_wire::image::{self, Image, PAYLOAD_TYPE};
use std::sync::Arc;

/// The flash operations of a change to the bootloader's settings: the spare page erased, a row written
/// that makes it the valid one.
const SETTINGS: u64 = 2;

/// Two slots of flash, a bootloader with trial boot and revert, and power that can be cut in any flash
/// operation.
///
/// An image that was installed boots on trial: unless the update is committed, the next boot is of what
/// ran before. Settings and record are written to a spare page first, so a cut leaves the old or the
/// new.
#[derive(Debug)]
pub struct SimulatedBody {
    name: Arc<str>,
    slots: [Slot; 2],
    settings: Settings,
    record: Vec<u8>,
    power: Power,
    running: Running,
    saved: Option<Box<Saved>>,
}

/// A copy of what boots, and of the record.
#[derive(Clone, Debug)]
struct Saved {
    slots: [Slot; 2],
    settings: Settings,
    record: Vec<u8>,
}

/// What the bootloader goes by.
#[derive(Clone, Copy, Debug)]
struct Settings {
    /// The slot that boots unless another is on trial.
    active: usize,
    /// The slot that the update under way was installed to.
    target: Option<usize>,
    trial: Trial,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    None,
    /// The next boot is of the target.
    Armed,
    /// The target was started, and nothing has made it final.
    Started,
}

#[derive(Debug)]
struct Running {
    slot: usize,
    version: String,
    misbehaves: Misbehaves,
}

/// How the image that runs misbehaves on this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Misbehaves {
    Not,
    NeverBoots,
    Hangs,
    LosesNetwork,
    FailsInstall,
    FailsCommit,
    FailsRollback,
    CrashesAfterCommit,
    Bricks,
}

impl Misbehaves {
    /// In the words of the scenario language. Words of other layers (`bad_checksum`,
    /// `wrong_device_type`) and unknown ones do nothing here.
    fn of(image: &Image, device: &str) -> Self {
        if !image.is_affected(device) {
            return Self::Not;
        }
        match image.misbehaves.as_deref() {
            Some("never_boots") => Self::NeverBoots,
            Some("hangs") => Self::Hangs,
            Some("loses_network") => Self::LosesNetwork,
            Some("fails_install") => Self::FailsInstall,
            Some("fails_commit") => Self::FailsCommit,
            Some("fails_rollback") => Self::FailsRollback,
            Some("crashes_after_commit") => Self::CrashesAfterCommit,
            Some("bricks") => Self::Bricks,
            _ => Self::Not,
        }
    }
}

impl SimulatedBody {
    /// A body of the device `name` (which draws whether an image misbehaves on it) that runs `version`.
    #[must_use]
    pub fn new(name: Arc<str>, version: &str) -> Self {
        let factory = image::write(&Image::good(version, 0), 0);
        Self {
            name,
            slots: [Slot::filled(factory), Slot::default()],
            settings: Settings { active: 0, target: None, trial: Trial::None },
            record: Vec::new(),
            power: Power::default(),
            running: Running { slot: 0, version: version.to_owned(), misbehaves: Misbehaves::Not },
            saved: None,
        }
    }

    /// Cuts the power in a flash operation, counted from 1 since the body was made; once. A row that
    /// is being written then is torn.
    pub const fn cut_power_at(&mut self, operation: u64) {
        self.power.cut = Some(operation);
    }

    /// How many flash operations it has done: pages of 1 KiB erased and rows of 256 B written.
    #[must_use]
    pub const fn operations(&self) -> u64 {
        self.power.done
    }

    fn set(&mut self, settings: Settings) -> Result<(), Cause> {
        self.power.spend(SETTINGS).map_err(|_| Cause::PowerLost)?;
        self.settings = settings;
        Ok(())
    }

    /// The image in a slot, and how it misbehaves here.
    fn image(&self, slot: usize) -> Option<(Image, Misbehaves)> {
        let image = self.slots.get(slot)?.verify()?;
        let misbehaves = Misbehaves::of(&image, &self.name);
        Some((image, misbehaves))
    }

    /// The slot that an update is written to.
    const fn spare(&self) -> usize {
        1 - self.settings.active
    }

    fn install(&mut self) -> Result<(), Cause> {
        let target = self.spare();
        match self.image(target) {
            None => Err(Cause::Failed("there is no valid image to install".into())),
            Some((_, Misbehaves::FailsInstall)) => Err(Cause::Failed("the image failed to install".into())),
            Some(_) => self.set(Settings { target: Some(target), trial: Trial::Armed, ..self.settings }),
        }
    }

    fn commit(&mut self) -> Result<(), Cause> {
        if matches!(self.running.misbehaves, Misbehaves::FailsCommit | Misbehaves::FailsRollback) {
            return Err(Cause::Failed("the image failed to commit".into()));
        }
        self.set(Settings { active: self.running.slot, trial: Trial::None, ..self.settings })?;
        if self.running.misbehaves == Misbehaves::CrashesAfterCommit {
            return Err(Cause::PowerLost);
        }
        Ok(())
    }

    fn rollback(&mut self) -> Result<(), Cause> {
        let target = self.settings.target;
        if target.and_then(|slot| self.image(slot)).is_some_and(|(_, how)| how == Misbehaves::FailsRollback) {
            return Err(Cause::Failed("the image failed to roll back".into()));
        }
        let active = target.map_or(self.settings.active, |slot| 1 - slot);
        self.set(Settings { active, trial: Trial::None, ..self.settings })
    }
}

impl Body for SimulatedBody {
    fn accepts(&self, payload_type: &str) -> bool {
        payload_type == PAYLOAD_TYPE
    }

    async fn write(&mut self, image: Bytes) -> Result<(), Cause> {
        let spare = self.spare();
        self.slots[spare].write(image, &mut self.power).map_err(|()| Cause::PowerLost)
    }

    async fn call(&mut self, call: &BodyCall) -> Result<(), Cause> {
        let is_target = Some(self.running.slot) == self.settings.target;
        match call {
            BodyCall::Install => self.install(),
            BodyCall::Commit => self.commit(),
            BodyCall::Rollback => self.rollback(),
            BodyCall::Cleanup => self.set(Settings { target: None, ..self.settings }),
            BodyCall::VerifyReboot if !is_target => {
                Err(Cause::Failed(format!("version {} runs: the bootloader has reverted", self.running.version)))
            }
            BodyCall::VerifyRollbackReboot if is_target => {
                Err(Cause::Failed(format!("version {} still runs", self.running.version)))
            }
            _ => Ok(()),
        }
    }

    async fn boot(&mut self) -> Boot {
        let on_trial = (self.settings.trial == Trial::Armed)
            .then_some(self.settings.target)
            .flatten()
            .filter(|slot| self.image(*slot).is_some());
        // What is tried is marked before it starts: an image that hangs is not tried twice.
        let after = if on_trial.is_some() { Trial::Started } else { Trial::None };
        while self.settings.trial != after {
            // A cut here starts the bootloader again, with the same settings.
            let _ = self.set(Settings { trial: after, ..self.settings });
        }
        let slot = on_trial.unwrap_or(self.settings.active);
        let Some((image, misbehaves)) = self.image(slot) else {
            return Boot { version: String::new(), trial: false, health: Health::Dead };
        };
        let health = match misbehaves {
            Misbehaves::NeverBoots | Misbehaves::Hangs => Health::Unhealthy,
            Misbehaves::Bricks => Health::Dead,
            Misbehaves::CrashesAfterCommit if on_trial.is_none() => Health::Dead,
            _ => Health::Healthy,
        };
        self.running = Running { slot, version: image.version.clone(), misbehaves };
        Boot { version: image.version, trial: on_trial.is_some(), health }
    }

    fn supports_rollback(&mut self) -> bool {
        true
    }

    fn needs_reboot(&mut self) -> bool {
        true
    }

    fn running(&self) -> &str {
        &self.running.version
    }

    fn has_network(&self) -> bool {
        self.running.misbehaves != Misbehaves::LosesNetwork
    }

    fn record(&self) -> &[u8] {
        &self.record
    }

    fn keep(&mut self, record: Vec<u8>) -> Result<(), Cause> {
        self.power.spend(operations(record.len() as u64)).map_err(|_| Cause::PowerLost)?;
        self.record = record;
        Ok(())
    }

    fn save(&mut self) -> bool {
        let (slots, settings, record) = (self.slots.clone(), self.settings, self.record.clone());
        self.saved = Some(Box::new(Saved { slots, settings, record }));
        true
    }

    fn restore(&mut self) -> bool {
        let Some(saved) = self.saved.as_deref().cloned() else { return false };
        Saved { slots: self.slots, settings: self.settings, record: self.record } = saved;
        true
    }
}
