//! How many devices are told in which time, evenly: 600 a minute are one every 100 ms.

use super::Tally;
use serde::{Deserialize, Serialize};

/// A minute, in µs.
const MINUTE: u128 = 60_000_000;

/// So fast that no two devices are told at different times, in thousandths of devices a minute.
const FASTEST: u128 = MINUTE * 1_000;

/// How fast devices are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rate {
    /// Devices a minute, to begin with.
    pub(crate) per_minute: u32,
    /// How it grows.
    pub(crate) growth: Option<Growth>,
}

/// How a rate grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Growth {
    /// Times so much, in thousandths.
    pub(crate) factor: u32,
    /// After each so many devices.
    pub(crate) per: u64,
    /// Which devices count.
    pub(crate) counting: Counting,
}

/// Which devices let a rate grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Counting {
    /// Those that were told.
    Notified,
    /// Those that succeeded.
    Succeeded,
}

impl Rate {
    /// Thousandths of devices a minute, when a rollout is so far.
    pub(crate) fn thousandths(&self, tally: &Tally) -> u128 {
        let mut rate = u128::from(self.per_minute.max(1)) * 1_000;
        let Some(growth) = &self.growth else { return rate };
        let counted = match growth.counting {
            Counting::Notified => tally.notified,
            Counting::Succeeded => tally.succeeded,
        };
        for _ in 0..counted / growth.per.max(1) {
            let grown = rate * u128::from(growth.factor) / 1_000;
            if grown <= rate || grown >= FASTEST {
                return grown.max(rate).min(FASTEST);
            }
            rate = grown;
        }
        rate
    }

    /// The time to the next device, in µs, when a rollout is so far.
    pub(crate) fn interval_us(&self, tally: &Tally) -> u64 {
        u64::try_from((MINUTE * 1_000).div_ceil(self.thousandths(tally))).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(growth: Option<Growth>, notified: u64, succeeded: u64) -> u64 {
        Rate { per_minute: 50, growth }.interval_us(&Tally { notified, succeeded, ..Tally::default() })
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
    fn the_largest_numbers_end() {
        let growth = Growth { factor: u32::MAX, per: 1, counting: Counting::Notified };
        assert_eq!(interval(Some(growth), u64::MAX, 0), 1);
        let growth = Growth { factor: 1_000, ..growth };
        assert_eq!(interval(Some(growth), u64::MAX, 0), 1_200_000);
    }
}
