//! How long a device waits before it dials again.

use rand::Rng;
use std::time::Duration;

/// How waits vary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jitter {
    /// Anything from nothing to the ceiling: devices that lost their endpoint together do not come back together.
    #[default]
    Full,
    /// Always the ceiling: a device that was built without thought of the others.
    None,
}

/// Exponential backoff: the ceiling doubles with each failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The ceiling after the first failure.
    pub first: Duration,
    /// The ceiling never grows beyond this.
    pub longest: Duration,
    /// A connection that held for so long is no failure any more: a server that lets in and hangs up at once is one.
    pub steady: Duration,
    /// How waits vary below the ceiling.
    pub jitter: Jitter,
}

impl Default for Backoff {
    /// 1 s to 128 s as the vendors' device libraries have it, full jitter, steady after 30 s.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(128),
            steady: Duration::from_secs(30),
            jitter: Jitter::Full,
        }
    }
}

impl Backoff {
    /// The longest wait after so many failures in a row; nothing after none.
    #[must_use]
    pub fn ceiling(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }

    /// The wait after so many failures in a row. Where there is no choice nothing is drawn.
    #[must_use]
    pub fn wait(&self, failures: u32, draws: &mut impl Rng) -> Duration {
        let ceiling = self.ceiling(failures);
        match (self.jitter, u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX)) {
            (Jitter::None, _) | (_, 0) => ceiling,
            (Jitter::Full, most) => Duration::from_micros(draws.gen_range(0..=most)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetproof_world::Seeds;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn waits_stay_below_a_ceiling_that_doubles(first in 1..5_000_u64, longest in 1..600_000_u64, failures: u32, seed: u64) {
            let (first, longest) = (Duration::from_millis(first), Duration::from_millis(longest));
            let backoff = Backoff { first, longest, ..Backoff::default() };
            let (now, next) = (backoff.ceiling(failures), backoff.ceiling(failures.saturating_add(1)));
            prop_assert!(now <= next && next <= longest);
            prop_assert!(failures == 0 || next == longest || next == now * 2);
            let mut draws = Seeds::new(seed).stream("backoff");
            prop_assert!(backoff.wait(failures, &mut draws) <= now);
            prop_assert_eq!(Backoff { jitter: Jitter::None, ..backoff }.wait(failures, &mut draws), now);
        }
    }

    #[test]
    fn full_jitter_fills_the_whole_range() {
        let backoff = Backoff::default();
        let mut draws = Seeds::new(3).stream("backoff");
        let mut waits: Vec<u64> =
            (0..1_000).map(|_| u64::try_from(backoff.wait(4, &mut draws).as_millis()).unwrap()).collect();
        waits.sort_unstable();
        assert!(waits[0] < 100 && waits[999] > 7_900 && waits[999] <= 8_000, "{} to {}", waits[0], waits[999]);
        assert!((3_500..4_500).contains(&waits[500]), "the middle is half: {}", waits[500]);
    }

    #[test]
    fn the_first_ceilings_are_those_of_the_vendors_libraries() {
        let seconds: Vec<u64> = (0..10).map(|failures| Backoff::default().ceiling(failures).as_secs()).collect();
        assert_eq!(seconds, [0, 1, 2, 4, 8, 16, 32, 64, 128, 128]);
    }
}
