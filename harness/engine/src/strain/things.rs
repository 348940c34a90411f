//! Loads that devices put on which speak MQTT: each does on its own connection what it is ordered to, and what became of it
//! stands in the record.

use super::load::Told;
use super::pace;
use crate::fleet::Reins;
use crate::record::Strain;
use crate::shared::Shared;
use fleetproof_devices::mqtt::Load;
use fleetproof_language::Rate;
use fleetproof_world::{Clock, Stamp};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long the last answers are waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long devices that were told to reconnect may take to be in again.
const SETTLING: Duration = Duration::from_secs(5);

/// How long nothing happens until nothing more will.
const QUIET: Duration = Duration::from_secs(3);

/// Between two looks at what came of it.
const GLANCE: Duration = Duration::from_millis(100);

/// What devices do.
#[derive(Clone, Debug)]
pub(super) enum Doing {
    /// Each of them publishes, every so often.
    Publish(Arc<Load>),
    /// One after another drops its connection and dials again.
    Reconnect(Rate),
}

/// Devices that strain their endpoint.
pub(super) struct Straining {
    pub(super) reins: Reins,
    pub(super) shared: Shared,
    pub(super) clock: Clock,
    pub(super) devices: Vec<u32>,
    pub(super) doing: Doing,
    pub(super) stop: CancellationToken,
    /// Cancelled by the first answer.
    pub(super) heard: CancellationToken,
}

impl Straining {
    /// Goes on until its time is over, or it is stopped, and counts what came of it.
    pub(super) async fn on(self, time: Duration) -> Told {
        match self.doing.clone() {
            Doing::Publish(load) => self.publish(&load, time).await,
            Doing::Reconnect(rate) => self.reconnect(rate, time).await,
        }
    }

    async fn publish(&self, load: &Arc<Load>, time: Duration) -> Told {
        let (from, before) = (self.clock.now(), self.strain());
        let firsts: Vec<Duration> =
            (0..self.devices.len()).map(|at| first(load.every, at, self.devices.len())).collect();
        for (device, first) in self.devices.iter().zip(&firsts) {
            self.reins.strain(*device, load, *first);
        }
        self.wait(from.after(time), || is_answered(&since(&before, &self.strain()))).await;
        self.devices.iter().for_each(|device| self.reins.relax(*device));
        let until = self.clock.now();
        self.fall_silent(until.after(PATIENCE)).await;
        let Strain { sent, held, served, throttled, refused, lost } = since(&before, &self.strain());
        let answered = served + throttled + refused;
        let lost = lost.max(sent.saturating_sub(answered));
        let passed = until.since(from);
        let due = firsts.iter().map(|first| due_in(load.every, *first, passed)).sum();
        Told { from, until, due, asked: sent, held, served, throttled, refused, lost }
    }

    async fn reconnect(&self, rate: Rate, time: Duration) -> Told {
        let (from, before) = (self.clock.now(), self.connects());
        let (mut told, mut number, until) = (Told { from, ..Told::default() }, 0_u64, from.after(time));
        while let Some(device) = self.devices.get(usize::try_from(number).unwrap_or(0) % self.devices.len().max(1)) {
            let next = Stamp::from_micros(from.micros().saturating_add(pace::due_at(rate, number)));
            if next >= until || !self.pause(next).await {
                break;
            }
            // Who is out already is on its way back in, and strains the door by itself.
            if self.shared.record(|record| record.devices.get(*device as usize).is_some_and(|it| it.connected)) {
                self.reins.reconnect(*device);
                told.asked += 1;
            } else {
                told.held += 1;
            }
            number += 1;
            if self.connects() != before {
                self.heard.cancel();
            }
        }
        self.wait(until, || self.connects() != before).await;
        told.until = self.clock.now();
        let took = u64::try_from(told.until.since(from).as_micros()).unwrap_or(u64::MAX);
        told.due = pace::due_in(rate, took);
        // Who waits for its next dial may wait long; what was answered by then is what the load came to.
        let settled = told.until.after(SETTLING);
        while !self.all_are_in() && self.clock.now() < settled {
            self.clock.sleep(GLANCE).await;
        }
        let now = self.connects();
        (told.served, told.throttled, told.lost) = (now.0 - before.0, now.1 - before.1, now.2 - before.2);
        told
    }

    /// Waits until nothing is said any more and nothing waits for an answer: who waits for another answer hears only then that
    /// it is over.
    async fn fall_silent(&self, patience: Stamp) {
        let is_open = |seen: &Strain| seen.served + seen.throttled + seen.refused + seen.lost < seen.sent;
        let (mut last, mut since) = (self.strain(), self.clock.now());
        while self.clock.now() < patience && (is_open(&last) || self.clock.now() < since.after(QUIET)) {
            self.clock.sleep(GLANCE).await;
            let now = self.strain();
            if now != last {
                (last, since) = (now, self.clock.now());
            }
        }
    }

    /// Waits until then or until it is stopped; `heard` is cancelled as soon as something was answered.
    async fn wait(&self, until: Stamp, is_answered: impl Fn() -> bool) {
        while self.clock.now() < until && !self.stop.is_cancelled() {
            if is_answered() {
                self.heard.cancel();
            }
            let next = self.clock.now().after(GLANCE).min(until);
            if !self.pause(next).await {
                break;
            }
        }
    }

    /// Waits until then; `false`: it was stopped before.
    async fn pause(&self, until: Stamp) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = self.clock.sleep_until(until) => true,
        }
    }

    fn strain(&self) -> Strain {
        self.shared.record(|record| record.strain(&self.devices))
    }

    /// How often they were let in, refused as too many, and shut out.
    fn connects(&self) -> (u64, u64, u64) {
        self.shared.record(|record| {
            let devices = self.devices.iter().filter_map(|device| record.devices.get(*device as usize));
            devices.fold((0, 0, 0), |sum, it| (sum.0 + it.connects, sum.1 + it.throttled, sum.2 + it.shut_out))
        })
    }

    fn all_are_in(&self) -> bool {
        self.shared.record(|record| {
            let mut devices = self.devices.iter().filter_map(|device| record.devices.get(*device as usize));
            devices.all(|device| device.connected)
        })
    }
}

impl Drop for Straining {
    fn drop(&mut self) {
        self.devices.iter().for_each(|device| self.reins.relax(*device));
    }
}

const fn is_answered(seen: &Strain) -> bool {
    seen.served + seen.throttled + seen.refused > 0
}

/// What came since then.
const fn since(before: &Strain, now: &Strain) -> Strain {
    Strain {
        sent: now.sent - before.sent,
        held: now.held - before.held,
        served: now.served - before.served,
        throttled: now.throttled - before.throttled,
        refused: now.refused - before.refused,
        lost: now.lost - before.lost,
    }
}

/// When device number `at` of `all` begins: they are spread over one interval.
fn first(every: Duration, at: usize, all: usize) -> Duration {
    let micros = every.as_micros() * at as u128 / all.max(1) as u128;
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// How many are due in so much time of one that begins after `first`.
fn due_in(every: Duration, first: Duration, passed: Duration) -> u64 {
    let rest = passed.saturating_sub(first).as_micros();
    u64::try_from(rest.div_ceil(every.as_micros().max(1_000))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_begin_one_after_another_within_one_interval() {
        let every = Duration::from_millis(500);
        let firsts: Vec<u128> = (0..5).map(|at| first(every, at, 5).as_millis()).collect();
        assert_eq!(firsts, [0, 100, 200, 300, 400]);
    }

    #[test]
    fn what_is_due_is_what_has_its_moment() {
        let ms = Duration::from_millis;
        let due = |first, passed| due_in(ms(500), ms(first), ms(passed));
        assert_eq!(
            (due(0, 0), due(0, 1), due(0, 500), due(0, 501), due(400, 400), due(400, 1_000)),
            (0, 1, 1, 2, 0, 2)
        );
    }
}
