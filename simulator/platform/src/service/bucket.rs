//! A token bucket in whole numbers: what it lets through in a time is exact, whatever the interval.

/// So many calls in so long a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// At least 1.
    pub(crate) max_calls: u64,
    /// µs, at least 1.
    pub(crate) interval: u64,
}

impl Quota {
    /// What a full bucket holds. A call weighs `interval`, a µs brings `max_calls`: no division, nothing is rounded.
    const fn whole(self) -> u128 {
        self.max_calls as u128 * self.interval as u128
    }
}

/// What is left of a quota.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    quota: Quota,
    level: i128,
    /// When the level was that, in µs.
    at: u64,
}

impl Bucket {
    /// Nothing of the quota is used at `now`.
    pub(crate) fn full(quota: Quota, now: u64) -> Self {
        Self { quota, level: signed(quota.whole()), at: now }
    }

    /// Takes a call out, or says in how many µs there will be one. A refused call takes nothing.
    pub(crate) fn take(&mut self, now: u64) -> Result<(), u64> {
        self.fill(now);
        let weight = i128::from(self.quota.interval);
        if self.level >= weight {
            self.level -= weight;
            return Ok(());
        }
        let missing = (weight - self.level).unsigned_abs();
        Err(u64::try_from(missing.div_ceil(u128::from(self.quota.max_calls))).unwrap_or(u64::MAX))
    }

    /// Takes a call out that was not there: what comes in pays for it first.
    pub(crate) fn owe(&mut self) {
        self.level -= i128::from(self.quota.interval);
    }

    /// From now on the quota is another. What was used of the old one is used of the new one too.
    pub(crate) fn change(&mut self, quota: Quota, now: u64) {
        if quota == self.quota {
            return;
        }
        self.fill(now);
        let used = (signed(self.quota.whole()) - self.level).div_euclid(i128::from(self.quota.interval).max(1));
        let left = signed(quota.whole()) - used.saturating_mul(i128::from(quota.interval));
        *self = Self { quota, level: left.max(0), at: now };
    }

    fn fill(&mut self, now: u64) {
        let gone = i128::from(now.saturating_sub(self.at));
        self.level = (self.level + gone * i128::from(self.quota.max_calls)).min(signed(self.quota.whole()));
        self.at = self.at.max(now);
    }
}

fn signed(level: u128) -> i128 {
    i128::try_from(level).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quotas() -> impl Strategy<Value = Quota> {
        (1..50_u64, 1..5_000_000_u64).prop_map(|(max_calls, interval)| Quota { max_calls, interval })
    }

    /// Times of calls, each after the one before.
    fn calls() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(0..200_000_u64, 1..200).prop_map(|gaps| {
            gaps.iter()
                .scan(0, |at, gap| {
                    *at += gap;
                    Some(*at)
                })
                .collect()
        })
    }

    proptest! {
        /// In any time from a full bucket at most the quota and what came in meanwhile gets through; and nobody is
        /// refused what is there.
        #[test]
        fn exactly_the_quota_and_what_came_in_gets_through(quota in quotas(), calls in calls()) {
            let mut bucket = Bucket::full(quota, 0);
            let mut through = 0_u128;
            for at in calls {
                let came_in = u128::from(at) * u128::from(quota.max_calls) / u128::from(quota.interval);
                let let_in = bucket.take(at).is_ok();
                through += u128::from(let_in);
                prop_assert!(through <= u128::from(quota.max_calls) + came_in);
            }
        }

        #[test]
        fn a_burst_gets_exactly_the_quota(quota in quotas(), over in 1..50_u64, at in 0..10_000_000_u64) {
            let mut bucket = Bucket::full(quota, 0);
            let through = (0..quota.max_calls + over).filter(|_| bucket.take(at).is_ok()).count();
            prop_assert_eq!(through as u64, quota.max_calls);
        }

        /// Who waits as long as he is told gets in, a µs sooner he does not, and asking in vain changes nothing.
        #[test]
        fn who_waits_as_told_gets_in(quota in quotas(), vain in 0..20_u32) {
            let mut bucket = Bucket::full(quota, 0);
            while bucket.take(0).is_ok() {}
            let wait = bucket.take(0).unwrap_err();
            for _ in 0..vain {
                prop_assert_eq!(bucket.take(0), Err(wait));
            }
            prop_assert_eq!(bucket.take(wait - 1), Err(1));
            prop_assert_eq!(bucket.take(wait), Ok(()));
        }

        /// A quota that changes gives nothing back: what was used is used.
        #[test]
        fn a_changed_quota_counts_what_was_used(quota in quotas(), other in quotas(), used in 0..50_u64) {
            let mut bucket = Bucket::full(quota, 0);
            let used = (0..used).filter(|_| bucket.take(0).is_ok()).count() as u64;
            bucket.change(other, 0);
            let left = (0..200).filter(|_| bucket.take(0).is_ok()).count() as u64;
            prop_assert_eq!(left, other.max_calls.saturating_sub(used));
        }
    }
}
