//! What a thing says by itself: a message every so often.

use super::payload::Format;
use fleetproof_wire::mqtt::packet::Qos;
use fleetproof_world::Stamp;
use std::sync::Arc;
use std::time::Duration;

/// Which of the plan's publishes.
pub(crate) type Slot = u8;

/// Messages that a thing sends by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publishes {
    /// Where; `{thing}` stands for its name.
    pub topic: String,
    /// How often. At least 1 ms.
    pub every: Duration,
    /// Bytes of each payload; more where it cannot be said in so few.
    pub size: usize,
    /// How surely.
    pub qos: Qos,
    /// How it is written down.
    pub format: Format,
}

/// Where a thing stands with one of them.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub topic: Arc<str>,
    pub every: Duration,
    pub next: Stamp,
}

impl Schedule {
    /// The message of now is said or left out; the next one comes after now.
    pub fn pass(&mut self, now: Stamp) {
        let every = u64::try_from(self.every.as_micros()).unwrap_or(u64::MAX).max(1_000);
        let missed = now.since(self.next).as_micros() / u128::from(every);
        let missed = u64::try_from(missed).unwrap_or(u64::MAX);
        self.next = self.next.after(Duration::from_micros(every.saturating_mul(missed.saturating_add(1))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_next_one_is_after_now_and_on_the_beat(every in 0..5_000_u64, next in 0..10_000_u64, later in 0..100_000_u64) {
            let mut schedule = Schedule {
                topic: "t".into(), every: Duration::from_millis(every), next: Stamp::from_micros(next * 1_000),
            };
            let now = Stamp::from_micros((next + later) * 1_000);
            let before = schedule.next;
            schedule.pass(now);
            let beat = every.max(1) * 1_000;
            prop_assert!(schedule.next > now && schedule.next.since(now).as_micros() <= u128::from(beat));
            prop_assert_eq!(schedule.next.since(before).as_micros() % u128::from(beat), 0);
        }
    }
}
