//! What is known of the devices so far: everything they did, with the number of the event that says so.
//!
//! The record is what claims are judged on. It is written by the witnesses of the devices and read by
//! `expectations`; it knows no platform.

use crate::things::states::device_state;
use fleetproof_devices::mqtt::Ledger;
use fleetproof_devices::{Delivery, DeviceEvent};
use fleetproof_world::Stamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The number of an event in the journal.
pub type Seq = u64;

/// Everything that the devices did.
#[derive(Debug, Default)]
pub struct Record {
    /// By index in the population.
    pub devices: Vec<DeviceRecord>,
    /// Polls that were answered; they are counted, not listed.
    pub polls: u64,
    /// Polls in vain are listed from here on: something goes round at a pace.
    pub keeps_vain: bool,
    /// What became of the messages of each device that publishes.
    pub messages: BTreeMap<u32, Messages>,
    /// What devices heard since they were told to listen.
    pub heard: BTreeMap<u32, Vec<Heard>>,
}

/// The messages of one device: the ledgers of both ends.
#[derive(Clone, Debug, Default)]
pub struct Messages {
    /// What it sent, what was acknowledged to it, what arrived with whoever was to hear it.
    pub ledger: Ledger,
    /// How many it sent, those of loads and steps too.
    pub said: u64,
    /// What became of those that it said to strain whoever takes them.
    pub strain: Strain,
    /// When the last one arrived with each tenant.
    pub arrived: BTreeMap<Arc<str>, Stamp>,
}

/// What became of the messages of loads, of one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strain {
    /// Sent.
    pub sent: u64,
    /// Due, and not sent.
    pub held: u64,
    /// Acknowledged.
    pub served: u64,
    /// Refused as too many.
    pub throttled: u64,
    /// Refused otherwise.
    pub refused: u64,
    /// Never answered.
    pub lost: u64,
}

/// A message that a device heard since it was told to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// When.
    pub at: Stamp,
    /// Where.
    pub topic: String,
    /// What it says, as far as it is text.
    pub text: String,
    /// The event that tells it.
    pub seq: Seq,
}

/// What one device did.
#[derive(Clone, Debug, Default)]
pub struct DeviceRecord {
    /// It has a connection (MQTT), as it knows itself.
    pub connected: bool,
    /// How often it was let in (MQTT).
    pub connects: u64,
    /// How often it was refused as too many (MQTT).
    pub throttled: u64,
    /// How often it was refused otherwise, or did not get so far (MQTT).
    pub shut_out: u64,
    /// When it was last let in after it had not been.
    pub authenticated: Option<(Stamp, Seq)>,
    /// The last answer at the door: status of the authentication request.
    pub knocked: Option<(Stamp, u16, Seq)>,
    /// When it last announced itself at the lobby.
    pub announced: Option<(Stamp, Seq)>,
    /// Where it was told last that it belongs.
    pub routed: Option<(Stamp, String, Seq)>,
    /// Where it was let in last (MQTT).
    pub arrived_at: Option<(Stamp, String, Seq)>,
    /// When connections of it began (`true`) and ended; the first so many (MQTT).
    pub line: Vec<(Stamp, bool)>,
    /// How often it was not let in, since it last was (MQTT).
    pub turned_away: u32,
    /// When it last had an update poll answered with success.
    pub served: Option<Stamp>,
    /// How often it had.
    pub polls: u64,
    /// When its token was last refused.
    pub token_refused: Option<Stamp>,
    /// It did not come up, and nothing can save it.
    pub died: Option<Seq>,
    /// The version that it runs, as it knows itself, and whether it came up healthy.
    pub running: String,
    /// Whether the last boot was healthy.
    pub healthy: bool,
    /// The version that it last told the platform.
    pub told: Option<(Stamp, String, Seq)>,
    /// Its updates, in the order in which they were offered: one for every offer.
    pub updates: Vec<Update>,
    /// The answer to its last authenticated poll before it fell silent.
    pub retired: Option<(u16, Seq)>,
    /// When it kept what it was, and how many updates it had been offered by then.
    pub saved: Option<(Stamp, usize)>,
    /// When it became that again.
    pub restored: Option<Stamp>,
    /// Its last change: since when nothing new happened on it.
    pub changed: Stamp,
    /// When it asked, and was told that there is nothing; the first so many, and the last.
    pub in_vain: Vec<(Stamp, Stamp)>,
}

/// How many polls in vain of a device are kept.
const KEPT: usize = 64;

/// Codes of MQTT 5 for what is too much.
const QUOTA_EXCEEDED: u8 = 0x97;
const RATE_TOO_HIGH: u8 = 0x96;
const CONNECTION_RATE: u8 = 0x9F;

/// One update on one device.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// The platform's id of the deployment.
    pub deployment: String,
    /// The artifact that was offered.
    pub artifact: String,
    /// When it was offered.
    pub offered: Option<Seq>,
    /// When it had asked for that, and when it was answered.
    pub offered_at: (Stamp, Stamp),
    /// When the download began.
    pub download_started: Option<Seq>,
    /// When all of it was there.
    pub downloaded: Option<Seq>,
    /// When the installation began.
    pub install_started: Option<Seq>,
    /// Every boot since then: version, healthy, event.
    pub boots: Vec<(String, bool, Seq)>,
    /// Every status that it reported: status, the platform's answer, event.
    pub reports: Vec<(String, u16, Seq)>,
    /// When it began to tell each of them, and when it was answered.
    pub reported_at: Vec<(Stamp, Stamp)>,
    /// How it ended on the device.
    pub finished: Option<Finished>,
    /// When something last happened in it.
    pub moved: Stamp,
}

/// How an update ended on a device.
#[derive(Clone, Debug)]
pub struct Finished {
    /// It runs the new version.
    pub success: bool,
    /// The version that it runs now.
    pub version: String,
    /// Neither the old nor the new one can be trusted.
    pub inconsistent: bool,
    /// When.
    pub at: Stamp,
    /// The event.
    pub seq: Seq,
}

impl Record {
    /// An empty record for a population in which device `i` runs `versions[i]`.
    pub fn new(versions: impl IntoIterator<Item = String>) -> Self {
        let device = |running| DeviceRecord { running, healthy: true, ..DeviceRecord::default() };
        Self { devices: versions.into_iter().map(device).collect(), ..Self::default() }
    }

    /// Takes note of an event. Routine polls have no event of their own: their `seq` is ignored.
    pub fn note(&mut self, at: Stamp, device: u32, what: &DeviceEvent, seq: Seq) {
        let Some(record) = self.devices.get_mut(device as usize) else { return };
        if !is_routine(what) {
            record.changed = at;
        }
        match what {
            DeviceEvent::Polled { status, asked } => {
                self.polls += 1;
                if (200..300).contains(status) {
                    record.served = Some(at);
                    record.polls += 1;
                }
                if *status == 204 && self.keeps_vain {
                    record.in_vain.truncate(KEPT);
                    record.in_vain.push((Stamp::from_micros(*asked), at));
                }
            }
            DeviceEvent::Answered { .. } => {
                self.polls += 1;
                record.served = Some(at);
            }
            DeviceEvent::Connected { endpoint, .. } => {
                record.served = Some(at);
                record.connected = true;
                record.connects += 1;
                record.note_line(at, true);
                record.arrived_at = Some((at, endpoint.clone(), seq));
            }
            DeviceEvent::Announced { .. } => {
                record.turned_away = 0;
                let first = record.announced.map_or(seq, |(_, first)| if seq == 0 { first } else { seq });
                record.announced = Some((at, first));
            }
            DeviceEvent::Disconnected { .. } => {
                record.connected = false;
                record.note_line(at, false);
            }
            DeviceEvent::Routed { endpoint } => record.routed = Some((at, endpoint.clone(), seq)),
            DeviceEvent::FactoryReset => (record.routed, record.announced) = (None, None),
            DeviceEvent::Refused { code, .. } => {
                match *code {
                    QUOTA_EXCEEDED | CONNECTION_RATE => {
                        record.throttled += 1;
                        // It may come later, and with the same certificate.
                        return;
                    }
                    _ => record.shut_out += 1,
                }
                record.turned_away += 1;
                // What a certificate opened it opens no more; it is shown again with every dial.
                record.token_refused = record.authenticated.map(|_| at);
                record.knocked = Some((at, 401, seq));
            }
            DeviceEvent::Knocked { status } => record.knocked = Some((at, *status, seq)),
            DeviceEvent::Authenticated => record.authenticated = Some((at, seq)),
            DeviceEvent::InventorySent { status, version } => {
                if (200..300).contains(status) {
                    record.told = Some((at, version.clone(), seq));
                }
            }
            DeviceEvent::Booted { version, healthy, .. } => {
                record.running.clone_from(version);
                record.healthy = *healthy;
                if let Some(update) = record.updates.iter_mut().rev().find(|update| update.finished.is_none()) {
                    update.boots.push((version.clone(), *healthy, seq));
                    update.moved = at;
                }
            }
            DeviceEvent::Unreachable { .. } => {
                record.shut_out += 1;
                record.turned_away += 1;
            }
            DeviceEvent::TokenRefused => record.token_refused = Some(at),
            DeviceEvent::Died { .. } => record.died = Some(seq),
            DeviceEvent::Retired { status } => record.retired = Some((*status, seq)),
            DeviceEvent::Offered { deployment, artifact, asked } => {
                // Offered again it begins again, whatever became of it before.
                record.updates.push(Update {
                    deployment: deployment.clone(),
                    artifact: artifact.clone(),
                    offered: Some(seq),
                    offered_at: (Stamp::from_micros(*asked), at),
                    moved: at,
                    ..Update::default()
                });
            }
            DeviceEvent::DownloadStarted { deployment } => {
                record.update(deployment, at).download_started.get_or_insert(seq);
            }
            DeviceEvent::Downloaded { deployment, .. } => {
                record.update(deployment, at).downloaded.get_or_insert(seq);
            }
            DeviceEvent::InstallStarted { deployment } => {
                record.update(deployment, at).install_started.get_or_insert(seq);
            }
            DeviceEvent::Reported { deployment, status, answer, asked } => {
                let update = record.update(deployment, at);
                update.reports.push((device_state(status).to_owned(), *answer, seq));
                update.reported_at.push((Stamp::from_micros(*asked), at));
            }
            DeviceEvent::Finished { deployment, success, version, inconsistent } => {
                record.running.clone_from(version);
                let finished =
                    Finished { success: *success, version: version.clone(), inconsistent: *inconsistent, at, seq };
                record.update(deployment, at).finished = Some(finished);
            }
            DeviceEvent::Saved => record.saved = Some((at, record.updates.len())),
            DeviceEvent::Restored => {
                // What it did since it did as another.
                record.updates.truncate(record.saved.map_or(0, |(_, updates)| updates));
                (record.restored, record.told) = (Some(at), None);
            }
            DeviceEvent::Committed { .. }
            | DeviceEvent::RolledBack { .. }
            | DeviceEvent::SubscriptionRefused { .. }
            | DeviceEvent::TurnedBack { .. }
            | DeviceEvent::ShadowApplied { .. } => {}
        }
    }
}

/// What devices do all the time: it is counted, and has no event of its own.
#[must_use]
pub const fn is_routine(what: &DeviceEvent) -> bool {
    matches!(what, DeviceEvent::Polled { .. } | DeviceEvent::Answered { .. })
}

impl Record {
    /// Whether what a device does needs no event: it does it all the time, or announces itself once more where it waits.
    #[must_use]
    pub fn is_known(&self, device: u32, what: &DeviceEvent) -> bool {
        let waits = || {
            let seen = self.devices.get(device as usize);
            seen.is_some_and(|seen| {
                seen.announced.is_some_and(|(at, _)| seen.arrived_at.as_ref().is_none_or(|(since, ..)| at >= *since))
            })
        };
        is_routine(what) || matches!(what, DeviceEvent::Announced { .. }) && waits()
    }

    /// Takes note of what became of a message of a device, on the device's side.
    pub fn note_message(&mut self, at: Stamp, device: u32, what: Delivery) {
        match what {
            Delivery::Sent { number, .. } => {
                let messages = self.messages.entry(device).or_default();
                messages.ledger.sent(number);
                messages.said += 1;
            }
            Delivery::Acknowledged { number, .. } => {
                self.messages.entry(device).or_default().ledger.acknowledged(number);
                if let Some(record) = self.devices.get_mut(device as usize) {
                    record.served = Some(at);
                }
            }
            Delivery::Strained => {
                let messages = self.messages.entry(device).or_default();
                messages.strain.sent += 1;
                messages.said += 1;
            }
            Delivery::StrainHeldBack => self.messages.entry(device).or_default().strain.held += 1,
            Delivery::StrainLost => self.messages.entry(device).or_default().strain.lost += 1,
            Delivery::StrainAnswered { code, .. } => {
                let strain = &mut self.messages.entry(device).or_default().strain;
                match code {
                    ..0x80 => strain.served += 1,
                    QUOTA_EXCEEDED | RATE_TOO_HIGH => strain.throttled += 1,
                    _ => strain.refused += 1,
                }
            }
            Delivery::Refused { .. } | Delivery::HeldBack { .. } | Delivery::Received { .. } => {}
        }
    }

    /// Takes note of what a device heard that was told to listen.
    pub fn note_heard(&mut self, device: u32, heard: Heard) {
        self.heard.entry(device).or_default().push(heard);
    }

    /// What became of the messages that these devices said to strain whoever takes them.
    #[must_use]
    pub fn strain(&self, devices: &[u32]) -> Strain {
        let all = devices.iter().filter_map(|device| self.messages.get(device)).map(|messages| messages.strain);
        all.fold(Strain::default(), |sum, it| sum.plus(&it))
    }

    /// Takes note that a message of a device arrived with a tenant.
    pub fn note_arrival(&mut self, at: Stamp, tenant: &Arc<str>, device: u32, number: u64) {
        let messages = self.messages.entry(device).or_default();
        messages.ledger.received(number);
        messages.arrived.insert(tenant.clone(), at);
    }
}

impl Strain {
    fn plus(&self, other: &Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            held: self.held + other.held,
            served: self.served + other.served,
            throttled: self.throttled + other.throttled,
            refused: self.refused + other.refused,
            lost: self.lost + other.lost,
        }
    }
}

impl DeviceRecord {
    /// What it did last for the deployment with this id, if it ever heard of it.
    #[must_use]
    pub fn heard_of(&self, deployment: &str) -> Option<&Update> {
        self.updates.iter().rev().find(|update| update.deployment == deployment)
    }

    /// Each time that it was offered the deployment with this id, and what came of it.
    pub fn attempts<'r>(&'r self, deployment: &'r str) -> impl Iterator<Item = &'r Update> {
        self.updates.iter().filter(move |update| update.deployment == deployment)
    }

    /// What it did last for each deployment.
    pub fn last_updates(&self) -> impl Iterator<Item = &Update> {
        let is_last = |at: usize, update: &Update| {
            self.updates[at + 1..].iter().all(|later| later.deployment != update.deployment)
        };
        self.updates.iter().enumerate().filter(move |(at, update)| is_last(*at, update)).map(|(_, update)| update)
    }

    fn note_line(&mut self, at: Stamp, is_on: bool) {
        if self.line.len() < KEPT {
            self.line.push((at, is_on));
        }
    }

    /// Whether a connection of it held from the first to the last of these moments, as far as that was kept.
    #[must_use]
    pub fn was_connected(&self, from: Stamp, until: Stamp) -> bool {
        let before = self.line.iter().rev().find(|(at, _)| *at <= from).is_some_and(|(_, is_on)| *is_on);
        before && self.line.len() < KEPT && !self.line.iter().any(|(at, _)| *at > from && *at <= until)
    }

    fn update(&mut self, deployment: &str, at: Stamp) -> &mut Update {
        let position = self.updates.iter().rposition(|update| update.deployment == deployment).unwrap_or_else(|| {
            self.updates.push(Update { deployment: deployment.to_owned(), ..Update::default() });
            self.updates.len() - 1
        });
        let update = &mut self.updates[position];
        update.moved = at;
        update
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(events: &[DeviceEvent]) -> DeviceRecord {
        let mut record = Record::new(["1.0".to_owned()]);
        for (at, event) in (1..).zip(events) {
            record.note(Stamp::from_micros(at), 0, event, at);
        }
        record.devices.swap_remove(0)
    }

    #[test]
    fn who_is_refused_as_too_many_has_lost_nothing_but_time() {
        let endpoint = || "e".to_owned();
        let connected = || DeviceEvent::Connected { endpoint: endpoint(), session_present: false };
        let gone = || DeviceEvent::Disconnected { endpoint: endpoint(), why: "it left".to_owned() };
        let refused = |code| DeviceEvent::Refused { endpoint: endpoint(), code };
        let record = noted(&[connected(), DeviceEvent::Authenticated, gone(), refused(0x97), refused(0x9F)]);
        assert_eq!((record.connects, record.connected, record.throttled, record.shut_out), (1, false, 2, 0));
        assert_eq!(record.token_refused, None);
        let record = noted(&[connected(), DeviceEvent::Authenticated, gone(), refused(0x87)]);
        assert_eq!((record.throttled, record.shut_out), (0, 1));
        assert!(record.token_refused.is_some(), "its certificate opens nothing any more");
    }

    #[test]
    fn messages_of_a_load_are_told_apart_and_are_nobodys_losses() {
        let mut record = Record::new(["1.0".to_owned()]);
        let answered = |code| Delivery::StrainAnswered { code, took: 1 };
        let all =
            [Delivery::Sent { number: 1, again: false }, Delivery::Strained, Delivery::Strained, Delivery::Strained];
        for what in all.into_iter().chain([answered(0), answered(0x97), answered(0x87), Delivery::StrainHeldBack]) {
            record.note_message(Stamp::from_micros(1), 0, what);
        }
        let due = Strain { sent: 3, held: 1, served: 1, throttled: 1, refused: 1, lost: 0 };
        assert_eq!(record.strain(&[0, 7]), due);
        let messages = &record.messages[&0];
        assert_eq!((messages.said, messages.ledger.tally().sent), (4, 1));
    }
}
