//! How fast an update goes round, when it is tried again, and when it stops by itself. Pure: what is asked is a
//! function of the rules, of how far the rollout is, and of the time that is handed in (ms since 1970).
//!
//! Deployments stand on it, and jobs (with times in µs where it says so): one pace, two sets of rules.

mod phases;
mod rate;

pub use phases::{Batch, BatchSize, Phase, PhaseError, Phases};
pub use rate::{Counting, Growth, Rate};

use serde::{Deserialize, Serialize};

/// The rules of one rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pacing {
    /// In which batches it begins; without any, everybody at once.
    #[serde(default, skip_serializing_if = "Phases::is_empty")]
    pub phases: Phases,
    /// How fast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// How often a device may try again.
    #[serde(default)]
    pub retries: u32,
    /// After which ends of an attempt.
    #[serde(default)]
    pub retry_on: RetryOn,
    /// How long an attempt may take, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// How long a device may say nothing during an attempt, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_timeout: Option<u64>,
    /// When too many have failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Threshold>,
}

/// Which attempts are tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryOn {
    /// Those that the device said had failed.
    Failed,
    /// Those that took too long.
    TimedOut,
    /// Both.
    #[default]
    All,
}

/// How often a device may try again after which ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// So often.
    pub retries: u32,
    /// After these ends.
    pub on: RetryOn,
}

/// How an attempt ended that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// The device said so.
    Failed,
    /// It took too long.
    TimedOut,
}

/// The share of failures at which a rollout stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Threshold {
    /// Millionths of those that ended; more than that is too much.
    pub above: u32,
    /// Not before so many have ended.
    pub after: u64,
}

/// How far a rollout is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Devices that were told of it, each once.
    pub notified: u64,
    /// Devices that have ended it, whichever way, but for those that were aborted or are gone.
    pub ended: u64,
    /// Of these, those that succeeded.
    pub succeeded: u64,
    /// Of these, those that failed or ran out of time.
    pub failed: u64,
    /// When the next device may be told, in µs since 1970.
    pub next_us: u64,
}

/// Whether a device may begin an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It may; the next one not before that, in µs since 1970.
    Now {
        /// See [`Tally::next_us`].
        next_us: u64,
    },
    /// Its phase has not begun, or is full.
    Phase,
    /// Others were told a moment ago.
    Rate,
}

impl Pacing {
    /// Whether a device may begin an attempt at `now`; `again`: it was told of the rollout before.
    pub fn may_begin(&self, tally: &Tally, now: u64, again: bool) -> Ruling {
        if !again && self.phases.room(now).is_some_and(|room| tally.notified >= room) {
            return Ruling::Phase;
        }
        let Some(rate) = &self.rate else { return Ruling::Now { next_us: tally.next_us } };
        // To the ms: more than one device may be told in the same one.
        if tally.next_us / 1_000 > now {
            return Ruling::Rate;
        }
        Ruling::Now { next_us: tally.next_us.max(now.saturating_mul(1_000)).saturating_add(rate.interval_us(tally)) }
    }

    /// Whether a device that has made so many attempts may make another one after this end of the last.
    pub fn is_tried_again(&self, miss: Miss, attempts: u32) -> bool {
        Retry { retries: self.retries, on: self.retry_on }.is_tried_again(miss, attempts)
    }

    /// When an attempt is over that began then and was last heard of then.
    pub fn due(&self, began: u64, told: u64) -> Option<u64> {
        let whole = self.timeout.map(|timeout| began.saturating_add(timeout));
        let step = self.step_timeout.map(|timeout| told.max(began).saturating_add(timeout));
        whole.into_iter().chain(step).min()
    }

    /// Whether so many have failed that nobody else shall.
    pub fn must_abort(&self, tally: &Tally) -> bool {
        self.threshold.is_some_and(|threshold| threshold.is_exceeded(tally.ended, tally.failed))
    }
}

impl Retry {
    /// Whether an end of this kind is tried again, when so many attempts count against the rule.
    pub const fn is_tried_again(&self, miss: Miss, attempts: u32) -> bool {
        self.on.covers(miss) && attempts <= self.retries
    }
}

impl RetryOn {
    /// Whether an end of this kind is among them.
    pub const fn covers(self, miss: Miss) -> bool {
        match self {
            Self::All => true,
            Self::Failed => matches!(miss, Miss::Failed),
            Self::TimedOut => matches!(miss, Miss::TimedOut),
        }
    }
}

impl Threshold {
    /// Whether more than the share of those that ended have failed (deployments).
    pub fn is_exceeded(&self, ended: u64, failed: u64) -> bool {
        ended >= self.after.max(1) && millionths(failed) > u128::from(ended) * u128::from(self.above)
    }

    /// Whether the share of those that ended has failed, or more, and one at least (jobs).
    pub fn is_reached(&self, ended: u64, failed: u64) -> bool {
        failed > 0 && ended >= self.after.max(1) && millionths(failed) >= u128::from(ended) * u128::from(self.above)
    }
}

fn millionths(failed: u64) -> u128 {
    u128::from(failed) * 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rate(per_minute: u32) -> Pacing {
        Pacing { rate: Some(Rate { per_minute, growth: None, ceiling: None }), ..Pacing::default() }
    }

    /// Who is told when devices ask at these moments.
    fn told(pacing: &Pacing, asked: &[u64]) -> Vec<u64> {
        let (mut tally, mut told) = (Tally::default(), Vec::new());
        for now in asked {
            if let Ruling::Now { next_us } = pacing.may_begin(&tally, *now, false) {
                tally = Tally { notified: tally.notified + 1, next_us, ..tally };
                told.push(*now);
            }
        }
        told
    }

    #[test]
    fn without_rules_everybody_begins_at_once_and_nothing_ends_by_itself() {
        let pacing = Pacing::default();
        assert_eq!(told(&pacing, &[5; 1_000]).len(), 1_000);
        assert_eq!(pacing.due(0, 0), None);
        assert!(!pacing.must_abort(&Tally { ended: 10, failed: 10, ..Tally::default() }));
        assert!(!pacing.is_tried_again(Miss::Failed, 1));
    }

    #[test]
    fn more_than_the_share_aborts_and_not_before_so_many_have_ended() {
        let threshold = Some(Threshold { above: 250_000, after: 10 });
        let pacing = Pacing { threshold, ..Pacing::default() };
        let after = |ended, failed| pacing.must_abort(&Tally { ended, failed, ..Tally::default() });
        assert!(!after(9, 9), "not before ten");
        assert!(after(10, 3));
        assert!(!after(12, 3), "exactly the share");
        assert!(after(11, 3));
    }

    #[test]
    fn a_share_is_reached_before_it_is_exceeded() {
        let threshold = Threshold { above: 250_000, after: 4 };
        assert!(threshold.is_reached(4, 1) && !threshold.is_exceeded(4, 1), "exactly the share");
        assert!(threshold.is_exceeded(4, 2));
        assert!(!threshold.is_reached(3, 3), "not before four");
        assert!(!threshold.is_reached(5, 1), "a fifth");
        assert!(!Threshold { above: 0, after: 1 }.is_reached(9, 0), "nothing has failed");
    }

    proptest! {
        #[test]
        fn no_window_holds_more_than_the_rate(per_minute in 1_u32..200_000, mut asked in proptest::collection::vec(0_u64..60_000, 0..400)) {
            asked.sort_unstable();
            let told = told(&rate(per_minute), &asked);
            for (first, from) in told.iter().enumerate() {
                for (last, to) in told.iter().enumerate().skip(first) {
                    // One more than fits, and what falls into the same ms.
                    let fits = u128::from(to - from + 1) * u128::from(per_minute) / 60_000 + 1;
                    prop_assert!(((last - first + 1) as u128) <= fits.max(1), "{} in {} ms", last - first + 1, to - from);
                }
            }
        }

        #[test]
        fn a_rate_that_is_asked_all_the_time_is_used(per_minute in 1_u32..50_000) {
            let asked: Vec<u64> = (0..60_000).collect();
            let told = told(&rate(per_minute), &asked).len();
            // Times are rounded up to the µs: at most one in a thousand is lost by that.
            prop_assert!(told >= per_minute as usize * 999 / 1_000 && told <= per_minute as usize + 1, "{told}");
        }

        #[test]
        fn a_device_tries_at_most_so_often(retries in 0_u32..20, failed in any::<Vec<bool>>(), on in 0..3_usize) {
            let retry_on = [RetryOn::All, RetryOn::Failed, RetryOn::TimedOut][on];
            let pacing = Pacing { retries, retry_on, ..Pacing::default() };
            let mut attempts = 1;
            for failed in &failed {
                let miss = if *failed { Miss::Failed } else { Miss::TimedOut };
                if !pacing.is_tried_again(miss, attempts) {
                    break;
                }
                prop_assert!(retry_on == RetryOn::All || (retry_on == RetryOn::Failed) == *failed);
                attempts += 1;
            }
            prop_assert!(attempts <= retries + 1);
        }

        #[test]
        fn an_attempt_is_over_at_the_first_of_its_two_ends(began in 0_u64..1_000, later in 0_u64..1_000, whole in proptest::option::of(1_u64..1_000), step in proptest::option::of(1_u64..1_000)) {
            let pacing = Pacing { timeout: whole, step_timeout: step, ..Pacing::default() };
            let due = pacing.due(began, began + later);
            prop_assert_eq!(due.is_none(), whole.is_none() && step.is_none());
            if let Some(due) = due {
                prop_assert!(due > began);
                prop_assert!(whole.is_none_or(|whole| due <= began + whole));
                prop_assert!(step.is_none_or(|step| due <= began + later + step));
            }
        }

        #[test]
        fn a_failure_more_never_unstops(ended in 0_u64..500, failed in 0_u64..500, above in 0_u32..1_000_000, after in 1_u64..50) {
            prop_assume!(failed <= ended);
            let pacing = Pacing { threshold: Some(Threshold { above, after }), ..Pacing::default() };
            let tally = Tally { ended, failed, ..Tally::default() };
            let worse = Tally { ended: ended + 1, failed: failed + 1, ..tally };
            prop_assert!(!pacing.must_abort(&tally) || pacing.must_abort(&worse));
            let spotless = Tally { failed: 0, ..tally };
            prop_assert!(!pacing.must_abort(&spotless));
        }
    }
}
