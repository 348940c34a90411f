//! How long things take on a link that is not well: pure, from a stream of draws.

use crate::entropy::RandomStreamExt as _;
use crate::{RandomStream, links::Slow};
use std::time::Duration;

/// After how long a segment that nobody acknowledged is sent again the first time; each further time takes twice as long.
pub(crate) const RETRANSMIT: Duration = Duration::from_millis(200);

/// The same for the first segment of a connection, as Linux and RFC 6298 have it.
pub(crate) const REDIAL: Duration = Duration::from_secs(1);

/// No wait between two attempts is longer.
const LONGEST: Duration = Duration::from_secs(120);

/// After so many losses in a row a segment gets through all the same: links lose, they do not cut.
const MOST_LOSSES: u32 = 15;

/// How many bytes travel, and are lost, together: what an Ethernet frame holds of a TCP stream.
pub(crate) const SEGMENT: usize = 1460;

/// When a sender that has heard nothing tries again, counted from its first attempt: the first of 0, `first`, 3 × `first`,
/// 7 × `first` … that has not `passed` yet.
pub(crate) fn next_try(passed: Duration, first: Duration) -> Duration {
    let (mut at, mut wait) = (Duration::ZERO, first);
    while at < passed {
        at = at.saturating_add(wait);
        wait = wait.saturating_mul(2).min(LONGEST);
    }
    at
}

impl Slow {
    /// How much later one segment arrives than it was sent, `first` being the wait before it is sent again if it is lost.
    pub(crate) fn delay(&self, draws: &mut RandomStream, first: Duration) -> Duration {
        let mut delay = self.latency.saturating_add(draws.up_to(self.spread));
        let (mut wait, mut losses) = (first, 0);
        while losses < MOST_LOSSES && draws.happens(self.loss) {
            delay = delay.saturating_add(wait);
            wait = wait.saturating_mul(2).min(LONGEST);
            losses += 1;
        }
        delay
    }

    /// How long the line is busy with so many bytes.
    pub(crate) fn occupies(&self, bytes: usize) -> Duration {
        match self.bandwidth {
            Some(rate) => Duration::from_micros((bytes as u64).saturating_mul(1_000_000).div_ceil(rate.max(1))),
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seeds;
    use proptest::prelude::*;

    fn slow(latency: u64, spread: u64, loss: u32) -> Slow {
        let ms = Duration::from_millis;
        Slow { latency: ms(latency), spread: ms(spread), loss, bandwidth: None }
    }

    proptest! {
        #[test]
        fn a_delay_is_latency_spread_and_whole_retransmissions(latency in 0..500_u64, spread in 0..500_u64, loss in 0..=900_000_u32, seed: u64) {
            let (slow, mut draws) = (slow(latency, spread, loss), Seeds::new(seed).stream("link"));
            for _ in 0..50 {
                let delay = slow.delay(&mut draws, RETRANSMIT);
                prop_assert!(delay >= slow.latency);
                let beyond = delay - slow.latency;
                let known = (0..=MOST_LOSSES).map(|losses| (0..losses).map(|n| (RETRANSMIT * 2_u32.pow(n)).min(LONGEST)).sum::<Duration>());
                prop_assert!(known.into_iter().any(|lost| lost <= beyond && beyond - lost <= slow.spread), "{delay:?}");
                prop_assert!(loss > 0 || beyond <= slow.spread);
            }
        }

        #[test]
        fn the_next_try_is_not_over_and_the_one_before_is(passed in 0..10_000_000_u64, first in 1..2_000_u64) {
            let (passed, first) = (Duration::from_millis(passed), Duration::from_millis(first));
            let next = next_try(passed, first);
            prop_assert!(next >= passed);
            prop_assert!(next == Duration::ZERO || next_try(passed.saturating_sub(LONGEST.max(passed)), first) <= next);
            prop_assert!(next <= passed + passed + first, "a wait is at most as long as all that passed, and one more");
            prop_assert!(next <= passed + LONGEST.max(first));
        }

        #[test]
        fn what_is_sent_takes_its_bytes(bytes in 0..1_000_000_usize, rate in 1..10_000_000_u64) {
            let slow = Slow { bandwidth: Some(rate), ..Slow::default() };
            let exact = bytes as f64 / rate as f64;
            let taken = slow.occupies(bytes).as_secs_f64();
            prop_assert!(taken >= exact - 1e-9 && taken <= exact + 1e-6, "{taken} {exact}");
        }
    }

    #[test]
    fn retransmissions_double() {
        let at = |passed: u64| next_try(Duration::from_millis(passed), RETRANSMIT).as_millis();
        assert_eq!([0, 1, 200, 201, 600, 601, 1400].map(at), [0, 200, 200, 600, 600, 1400, 1400]);
    }

    #[test]
    fn a_share_of_the_segments_is_lost() {
        let (slow, mut draws) = (slow(0, 0, 100_000), Seeds::new(1).stream("link"));
        let late = (0..10_000).filter(|_| slow.delay(&mut draws, RETRANSMIT) > Duration::ZERO).count();
        assert!((900..1100).contains(&late), "{late} of 10000 at 10%");
    }
}
