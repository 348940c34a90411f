//! When the next of so many in a time is due: whole µs, no drift.

use fleetproof_language::Rate;

/// µs after the beginning at which number `number` (from 0) is due.
pub(crate) fn due_at(rate: Rate, number: u64) -> u64 {
    let per = rate.per.as_micros();
    u64::try_from(u128::from(number) * per / u128::from(rate.count.max(1))).unwrap_or(u64::MAX)
}

/// How many are due before `micros` µs after the beginning.
pub(crate) fn due_in(rate: Rate, micros: u64) -> u64 {
    let due = (u128::from(micros) * u128::from(rate.count)).div_ceil(rate.per.as_micros().max(1));
    u64::try_from(due).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    proptest! {
        /// After each whole period exactly as many were due as the rate says, and none of them early or late by a µs.
        #[test]
        fn a_rate_does_not_drift(count in 1..5_000_u32, per in 1..3_600_u64, periods in 0..1_000_u64, more in 0..5_000_u64) {
            let rate = Rate { count, per: Duration::from_secs(per) };
            let more = more % u64::from(count);
            let at = due_at(rate, periods * u64::from(count) + more);
            prop_assert_eq!(at / (per * 1_000_000), periods);
            prop_assert_eq!(at % (per * 1_000_000), more * per * 1_000_000 / u64::from(count));
        }

        /// What is due before a moment is what has its own moment before it.
        #[test]
        fn what_is_due_is_counted_as_it_comes(count in 1..5_000_u32, per in 1..3_600_u64, micros in 1..10_000_000_000_u64) {
            let rate = Rate { count, per: Duration::from_secs(per) };
            let due = due_in(rate, micros);
            prop_assert!(due_at(rate, due - 1) < micros && due_at(rate, due) >= micros);
        }
    }
}
