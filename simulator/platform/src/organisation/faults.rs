//! Faults of onboarding that can be planted: a step that breaks, a reconciler that stops. Kept in memory: a platform
//! that is opened again on the same database has none.

use fleetproof_dataplane::organisation::onboarding::{FailureReason, Step};
use fleetproof_world::RandomStream;
use rand::Rng;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All of it.
const WHOLE: u32 = 1_000_000;

/// The planted faults of one platform.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Planted>);

#[derive(Debug, Default)]
struct Planted {
    broken: Option<(Step, FailureReason, u32)>,
    /// How many steps of a million break, and what draws which.
    share: Option<(u32, RandomStream)>,
    struck: u64,
    halt_after: Option<Step>,
    halted: bool,
}

impl Faults {
    fn planted(&self) -> MutexGuard<'_, Planted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn break_step(&self, step: Step, reason: FailureReason, times: u32) {
        self.planted().broken = (times > 0).then_some((step, reason, times));
    }

    /// So many steps of a million break from now on, as `draws` says; `None`: none does.
    pub(super) fn break_share(&self, share: Option<(u32, RandomStream)>) {
        self.planted().share = share;
    }

    /// How many steps broke because of what was planted.
    pub(super) fn struck(&self) -> u64 {
        self.planted().struck
    }

    pub(super) fn halt(&self, after: Option<Step>) {
        let mut planted = self.planted();
        planted.halt_after = after;
        planted.halted = false;
    }

    /// Whether the reconciler has stopped.
    pub(super) fn halted(&self) -> bool {
        self.planted().halted
    }

    /// A step was done; whether the reconciler stops here.
    pub(super) fn done(&self, step: Step) -> bool {
        let mut planted = self.planted();
        planted.halted |= planted.halt_after == Some(step);
        planted.halted
    }

    /// Why the step breaks this time; counts it.
    pub(super) fn strike(&self, step: Step) -> Option<FailureReason> {
        let mut planted = self.planted();
        if let Some((broken, reason, times)) = planted.broken.filter(|(broken, ..)| *broken == step) {
            planted.broken = (times > 1).then_some((broken, reason, times - 1));
            planted.struck += 1;
            return Some(reason);
        }
        let (share, draws) = planted.share.as_mut()?;
        if draws.gen_range(0..WHOLE) >= *share {
            return None;
        }
        planted.struck += 1;
        Some(FailureReason::InternalFailure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetproof_world::Seeds;

    #[test]
    fn a_fault_strikes_so_often_and_only_its_step() {
        let faults = Faults::default();
        faults.break_step(Step::Trust, FailureReason::InternalFailure, 2);
        assert_eq!(faults.strike(Step::Tenant), None);
        assert_eq!(faults.strike(Step::Trust), Some(FailureReason::InternalFailure));
        assert_eq!(faults.strike(Step::Trust), Some(FailureReason::InternalFailure));
        assert_eq!(faults.strike(Step::Trust), None);
        assert_eq!(faults.struck(), 2);
        faults.halt(Some(Step::Quotas));
        assert!(!faults.done(Step::Trust) && !faults.halted());
        assert!(faults.done(Step::Quotas) && faults.halted());
        faults.halt(None);
        assert!(!faults.halted());
    }

    #[test]
    fn a_share_of_all_steps_breaks_until_none_does() {
        let faults = Faults::default();
        let draws = || Seeds::new(1).stream("steps");
        let broken = || (0..1_000).filter(|_| faults.strike(Step::Trust).is_some()).count();
        faults.break_share(Some((200_000, draws())));
        let some = broken();
        assert!((150..250).contains(&some), "{some}");
        faults.break_share(Some((1_000_000, draws())));
        assert_eq!(broken(), 1_000);
        faults.break_share(None);
        assert_eq!(broken(), 0);
        assert_eq!(faults.struck(), 1_000 + some as u64);
    }
}
