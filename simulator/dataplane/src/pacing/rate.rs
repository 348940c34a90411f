//! How many devices are told in which time, evenly: 600 a minute are one every 100 ms.

use super::Tally;
use serde::{Deserialize, Serialize};

/// A minute, in µs.
const MINUTE: u128 = 60_000_000;

/// So fast that no two devices are told at different times, in thousandths of devices a minute.
const FASTEST: u128 = MINUTE * 1_000;

/// How fast devices are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Devices a minute, to begin with.
    pub per_minute: u32,
    /// How it grows.
    pub growth: Option<Growth>,
    /// Devices a minute that it never grows beyond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<u32>,
}

/// How a rate grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Growth {
    /// Times so much, in thousandths.
    pub factor: u32,
    /// After each so many devices.
    pub per: u64,
    /// Which devices count.
    pub counting: Counting,
}

/// Which devices let a rate grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counting {
    /// Those that were told.
    Notified,
    /// Those that succeeded.
    Succeeded,
}

impl Rate {
    /// Thousandths of devices a minute, when a rollout is so far.
    pub fn thousandths(&self, tally: &Tally) -> u128 {
        let fastest = self.ceiling.map_or(FASTEST, |most| u128::from(most.max(1)) * 1_000);
        let mut rate = (u128::from(self.per_minute.max(1)) * 1_000).min(fastest);
        let Some(growth) = &self.growth else { return rate };
        let counted = match growth.counting {
            Counting::Notified => tally.notified,
            Counting::Succeeded => tally.succeeded,
        };
        for _ in 0..counted / growth.per.max(1) {
            let grown = rate * u128::from(growth.factor) / 1_000;
            if grown <= rate || grown >= fastest {
                return grown.max(rate).min(fastest);
            }
            rate = grown;
        }
        rate
    }

    /// The time to the next device, in µs, when a rollout is so far.
    pub fn interval_us(&self, tally: &Tally) -> u64 {
        u64::try_from((MINUTE * 1_000).div_ceil(self.thousandths(tally))).unwrap_or(u64::MAX)
    }

    /// Whether a device may be told at this µs, and when the next one may then (see [`Tally::next_us`]). No minute, wherever
    /// it begins, holds more devices than the rate of its fastest moment.
    pub fn admit_us(&self, tally: &Tally, now_us: u64) -> Option<u64> {
        (tally.next_us <= now_us).then(|| now_us.saturating_add(self.interval_us(tally)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(growth: Option<Growth>, notified: u64, succeeded: u64) -> u64 {
        Rate { per_minute: 50, growth, ceiling: None }.interval_us(&Tally { notified, succeeded, ..Tally::default() })
    }

    #[test]
    fn a_rate_is_even() {
        assert_eq!(interval(None, 0, 0), 1_200_000);
        assert_eq!(interval(None, 5_000, 5_000), 1_200_000);
    }

    /// 50, 100, 200, 400 a minute after 0, 1000, 2000, 3000 devices.
    #[test]
    fn a_rate_grows_with_those_that_count() {
        let grows = |counting| Some(Growth { factor: 2_000, per: 1_000, counting });
        assert_eq!(interval(grows(Counting::Notified), 999, 0), 1_200_000);
        assert_eq!(interval(grows(Counting::Notified), 1_000, 0), 600_000);
        assert_eq!(interval(grows(Counting::Notified), 3_500, 0), 150_000);
        assert_eq!(interval(grows(Counting::Succeeded), 3_500, 999), 1_200_000);
        assert_eq!(interval(grows(Counting::Succeeded), 3_500, 2_000), 300_000);
    }

    #[test]
    fn a_ceiling_holds_whatever_grows() {
        let growth = Some(Growth { factor: 2_000, per: 10, counting: Counting::Notified });
        let rate = Rate { per_minute: 50, growth, ceiling: Some(150) };
        let interval = |notified| rate.interval_us(&Tally { notified, ..Tally::default() });
        assert_eq!([0, 10, 20, u64::MAX].map(interval), [1_200_000, 600_000, 400_000, 400_000]);
        let slow = Rate { per_minute: 50, growth: None, ceiling: Some(10) };
        assert_eq!(slow.interval_us(&Tally::default()), 6_000_000);
    }

    #[test]
    fn the_next_is_told_an_interval_after_the_last_to_the_microsecond() {
        let rate = Rate { per_minute: 600, growth: None, ceiling: None };
        let tally = |next_us| Tally { next_us, ..Tally::default() };
        assert_eq!(rate.admit_us(&tally(0), 5), Some(100_005));
        assert_eq!(rate.admit_us(&tally(100_005), 100_004), None);
        assert_eq!(rate.admit_us(&tally(100_005), 100_005), Some(200_005));
    }

    #[test]
    fn the_largest_numbers_end() {
        let growth = Growth { factor: u32::MAX, per: 1, counting: Counting::Notified };
        assert_eq!(interval(Some(growth), u64::MAX, 0), 1);
        let growth = Growth { factor: 1_000, ..growth };
        assert_eq!(interval(Some(growth), u64::MAX, 0), 1_200_000);
    }
}
