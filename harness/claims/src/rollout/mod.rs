//! Whether a rollout kept to its pace: a model of what phases, rate, retries, timeouts, threshold and pauses allow, held
//! against what the devices saw and what the platform shows. It shares no rule with any platform. Pure.
//!
//! A platform decides at a moment that nobody outside sees: a device only knows when it asked and when it was answered. So
//! every moment is a [`When`], and a rule is broken only if it is for every moment that is possible. What is told apart:
//!
//! * a *breach*: something happened that the rules forbid, or is shown otherwise than it was;
//! * *open*: not over yet, it may still come right;
//! * *missing*: nothing was wrong, and nothing shows that the rule held anything back. Phases, rate, growth and pauses hold
//!   back always: where they never did, a platform without them would have looked the same, and that proves nothing.
//!   What an abort cut off is exempt, since it had no time to. Retries, timeouts and threshold act only when something goes
//!   wrong: where nothing did, there was nothing to do, and that is how it should be. That devices which were aborted, or
//!   have used up their attempts, are left alone is seen only when one of them asks again, so one must have.

mod attempts;
mod ends;
mod pace;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

/// A moment that is not known exactly, in µs on the run's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct When {
    /// Not before.
    pub from: u64,
    /// Not after.
    pub to: u64,
}

impl When {
    /// Surely before `other`.
    const fn before(self, other: Self) -> bool {
        self.to < other.from
    }

    const fn after_by(self, time: u64) -> Self {
        Self { from: self.from.saturating_add(time), to: self.to.saturating_add(time) }
    }
}

/// A platform's clock has ms: what falls into one may stand at its beginning.
const GRAIN: u64 = 1_000;

/// What a rollout was told to keep to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// In order; none: everybody at once.
    pub phases: Vec<Phase>,
    /// How fast.
    pub rate: Option<Rate>,
    /// How often a device may try again.
    pub retries: u32,
    /// After it said that it failed.
    pub retry_failed: bool,
    /// After it took too long.
    pub retry_timed_out: bool,
    /// µs that an attempt may take.
    pub timeout: Option<u64>,
    /// µs between two signs of life in an attempt.
    pub step_timeout: Option<u64>,
    /// When too many have failed.
    pub threshold: Option<Threshold>,
}

/// A batch of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Millionths of the devices, rounded down; the last takes the rest.
    pub share: Option<u32>,
    /// When it begins, in µs; `None`: at once.
    pub start: Option<u64>,
}

/// So many devices in so much time, evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Devices.
    pub devices: u32,
    /// In so many µs.
    pub per: u64,
    /// How it grows.
    pub growth: Option<Growth>,
}

/// How a rate grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// Times so much, in thousandths.
    pub factor: u32,
    /// After each so many devices.
    pub per: u32,
    /// Of those that succeeded; else of those that were told.
    pub succeeded: bool,
}

/// The share of failures at which it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Millionths of those that ended; more than that is too much.
    pub above: u32,
    /// Not before so many have ended.
    pub after: u64,
}

/// How a rollout is said to have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every device has ended it.
    Finished,
    /// Stopped before its time.
    Aborted,
}

/// One rollout on one platform, for one tenant: what it was told, what its devices saw, what is shown of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollout {
    /// What it was told to keep to.
    pub rules: Rules,
    /// When it was made.
    pub made: When,
    /// The devices that it is for.
    pub devices: Vec<Device>,
    /// How many of them there were when it was made, where others came later: shares are of those.
    pub first: Option<u64>,
    /// When it was told to stand still, and when to go on.
    pub pauses: Vec<(When, Option<When>)>,
    /// When somebody told it to stop.
    pub stopped: Option<When>,
    /// What the platform shows.
    pub shown: Shown,
}

/// What a platform shows of a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// When it was looked at.
    pub at: When,
    /// `scheduled`, `running`, `paused`, `aborted` or `finished`.
    pub state: String,
    /// `user` or `threshold`, where the platform tells.
    pub stopped_by: Option<String>,
    /// Device → status and number of attempts; empty while it is not looked at.
    pub devices: BTreeMap<String, (String, Option<u64>)>,
}

/// What a device does with the artifact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaves {
    /// It runs it.
    #[default]
    Well,
    /// It fails, and runs what it ran before.
    RollsBack,
    /// It fails and is left between two versions.
    IsLeftBetween,
    /// It is never heard of again.
    Dies,
}

/// A device, as it saw the rollout itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// What it does with the artifact.
    pub behaves: Behaves,
    /// What it ran before.
    pub ran: String,
    /// Every time that it was offered the artifact.
    pub offers: Vec<Offer>,
    /// When it asked and was offered nothing, as far as that is kept.
    pub in_vain: Vec<When>,
}

/// An offer, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// When the platform made it.
    pub at: When,
    /// The event that tells of it.
    pub event: u64,
    /// What the device reported.
    pub reports: Vec<Report>,
    /// How it ended on the device.
    pub finished: Option<Finished>,
}

/// A report of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// `downloading`, `installing`, ….
    pub status: String,
    /// The status code of the answer.
    pub answer: u16,
    /// When it was taken note of, or refused.
    pub at: When,
    /// The event that tells of it.
    pub event: u64,
}

impl Report {
    const fn is_taken(&self) -> bool {
        self.answer >= 200 && self.answer < 300
    }

    /// Refused as something that is over.
    const fn is_over(&self) -> bool {
        self.answer == 409
    }
}

/// How an update ended on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// It runs what it was offered.
    pub success: bool,
    /// What it runs.
    pub version: String,
    /// Neither the old nor the new.
    pub between: bool,
    /// The event.
    pub event: u64,
}

/// What a rollout is found to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// What the rules forbid, each with the event that shows it.
    pub breaches: Vec<(Option<u64>, String)>,
    /// What is not over yet.
    pub open: Vec<String>,
    /// What nothing has shown to work.
    pub missing: Vec<String>,
    /// Events that show that rules held something back, or that it ended as it should.
    pub evidence: Vec<u64>,
}

impl Finding {
    fn breach(&mut self, event: Option<u64>, what: String) {
        self.breaches.push((event, what));
    }
}

/// Holds a rollout against its rules.
#[must_use]
pub fn rollout(rollout: &Rollout, ended: End, version: &str) -> Finding {
    let mut finding = Finding::default();
    let mut histories: Vec<_> =
        rollout.devices.iter().map(|device| attempts::follow(rollout, device, &mut finding)).collect();
    let over = ends::threshold(rollout, &mut histories, ended, &mut finding);
    pace::phases(rollout, &histories, ended, &mut finding);
    pace::rate(rollout, &histories, ended, &mut finding);
    pace::pauses(rollout, &histories, &mut finding);
    ends::shown(rollout, &histories, ended, version, &mut finding);
    ends::left_alone(rollout, &histories, over, ended, &mut finding);
    finding
}
