//! What a fleet did, counted: who is in, what was said and answered.

use fleetproof_devices::{Asked, Delivery, DeviceEvent, Witness};
use fleetproof_world::Stamp;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counted by the devices' own tasks, all on one thread; read between them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Devices that are in.
    inside: AtomicU64,
    /// Devices that were in at least once.
    ever: AtomicU64,
    /// Devices whose first try was answered, one way or the other.
    answered: AtomicU64,
    refused: AtomicU64,
    unreachable: AtomicU64,
    lost: AtomicU64,
    requests: AtomicU64,
    unserved: AtomicU64,
    said: AtomicU64,
    again: AtomicU64,
    acknowledged: AtomicU64,
    /// µs until acknowledged, all of them together.
    took: AtomicU64,
    held_back: AtomicU64,
    turned_down: AtomicU64,
    updated: AtomicU64,
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Tally {
    fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    pub(super) fn inside(&self) -> u64 {
        Self::get(&self.inside)
    }

    pub(super) fn ever_in(&self) -> u64 {
        Self::get(&self.ever)
    }

    pub(super) fn answered(&self) -> u64 {
        Self::get(&self.answered)
    }

    /// Eyes of one device.
    pub(super) fn witness(self: Arc<Self>) -> Eyes {
        Eyes { tally: self, answered: false, ever: false, inside: false }
    }

    /// In one line, while it runs.
    pub(super) fn line(&self, since: Duration) -> String {
        let get = Self::get;
        format!(
            "{:>7.1} s  {} in, {} refused, {} lost; {} messages, {} acknowledged; {} requests",
            since.as_secs_f64(),
            get(&self.inside),
            get(&self.refused),
            get(&self.lost),
            get(&self.said),
            get(&self.acknowledged),
            get(&self.requests)
        )
    }

    /// At the end.
    pub(super) fn table(&self, devices: u64, all_in: Option<Duration>, since: Duration) -> String {
        let get = Self::get;
        let mut out =
            format!("devices      {devices}, of which {} were in and {} are\n", get(&self.ever), get(&self.inside));
        let rate = |count: u64, time: Duration| count as f64 / time.as_secs_f64().max(0.001);
        // Writing to a string cannot fail.
        let mut line = |text: String| {
            let _infallible = writeln!(out, "{text}");
        };
        line(match all_in {
            Some(time) => {
                format!("all in       after {:.1} s, {:.0} a second", time.as_secs_f64(), rate(devices, time))
            }
            None => "all in       never".to_owned(),
        });
        let (refused, unreachable, lost) = (get(&self.refused), get(&self.unreachable), get(&self.lost));
        line(format!(
            "not let in   {refused} times refused, {unreachable} times nobody there; {lost} connections lost"
        ));
        if get(&self.requests) > 0 {
            let requests = get(&self.requests);
            line(format!(
                "requests     {requests}, {:.0} a second; {} not served",
                rate(requests, since),
                get(&self.unserved)
            ));
        }
        if get(&self.said) > 0 {
            let (said, acknowledged) = (get(&self.said), get(&self.acknowledged));
            let mean = get(&self.took) as f64 / acknowledged.max(1) as f64 / 1_000.0;
            line(format!(
                "messages     {said}, {:.0} a second; {acknowledged} acknowledged after {mean:.1} ms on average; {} sent again",
                rate(said, since),
                get(&self.again)
            ));
            line(format!("not said     {} held back, {} turned down", get(&self.held_back), get(&self.turned_down)));
        }
        if get(&self.updated) > 0 {
            line(format!("updates      {}", get(&self.updated)));
        }
        out.truncate(out.trim_end().len());
        out
    }
}

/// What one device saw, on its way into the tally.
pub(super) struct Eyes {
    tally: Arc<Tally>,
    answered: bool,
    ever: bool,
    inside: bool,
}

impl Eyes {
    fn first_answer(&mut self) {
        if !std::mem::replace(&mut self.answered, true) {
            add(&self.tally.answered);
        }
    }

    fn goes_in(&mut self) {
        self.first_answer();
        if !std::mem::replace(&mut self.ever, true) {
            add(&self.tally.ever);
        }
        if !std::mem::replace(&mut self.inside, true) {
            add(&self.tally.inside);
        }
    }

    fn goes_out(&mut self) {
        if std::mem::replace(&mut self.inside, false) {
            self.tally.inside.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Witness for Eyes {
    fn saw(&mut self, _at: Stamp, _device: u32, what: DeviceEvent) {
        match what {
            DeviceEvent::Connected { .. } | DeviceEvent::Authenticated => self.goes_in(),
            DeviceEvent::Knocked { status } if status != 200 => {
                add(&self.tally.refused);
                self.first_answer();
            }
            DeviceEvent::Refused { .. } => {
                add(&self.tally.refused);
                self.first_answer();
            }
            DeviceEvent::Unreachable { .. } => {
                add(&self.tally.unreachable);
                self.first_answer();
            }
            DeviceEvent::Disconnected { .. } => {
                add(&self.tally.lost);
                self.goes_out();
            }
            DeviceEvent::TokenRefused => self.goes_out(),
            DeviceEvent::Committed { .. } => add(&self.tally.updated),
            _ => {}
        }
    }

    fn asked(&mut self, _at: Stamp, _device: u32, asked: Asked) {
        add(&self.tally.requests);
        if asked.status.is_none_or(|status| status >= 400) {
            add(&self.tally.unserved);
        }
    }

    fn delivered(&mut self, _at: Stamp, _device: u32, what: Delivery) {
        match what {
            Delivery::Sent { again, .. } => add(if again { &self.tally.again } else { &self.tally.said }),
            Delivery::Acknowledged { took, .. } => {
                add(&self.tally.acknowledged);
                self.tally.took.fetch_add(took, Ordering::Relaxed);
            }
            Delivery::Refused { .. } => add(&self.tally.turned_down),
            Delivery::HeldBack { .. } => add(&self.tally.held_back),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_devices_saw_is_told() {
        let tally = Arc::new(Tally::default());
        let (mut one, mut other) = (tally.clone().witness(), tally.clone().witness());
        let at = Stamp::default();
        let endpoint = || "e".to_owned();
        one.saw(at, 0, DeviceEvent::Connected { endpoint: endpoint(), session_present: false });
        other.saw(at, 1, DeviceEvent::Refused { endpoint: endpoint(), code: 0x87 });
        other.saw(at, 1, DeviceEvent::Connected { endpoint: endpoint(), session_present: false });
        assert_eq!((tally.inside(), tally.ever_in(), tally.answered()), (2, 2, 2));
        one.saw(at, 0, DeviceEvent::Disconnected { endpoint: endpoint(), why: "cut".to_owned() });
        one.delivered(at, 0, Delivery::Sent { number: 1, again: false });
        one.delivered(at, 0, Delivery::Acknowledged { number: 1, took: 2_500 });
        one.delivered(at, 0, Delivery::Sent { number: 2, again: false });
        insta::assert_snapshot!(tally.table(2, Some(Duration::from_millis(500)), Duration::from_secs(2)));
        insta::assert_snapshot!(tally.line(Duration::from_secs(2)));
    }
}
