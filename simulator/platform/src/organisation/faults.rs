//! Faults of onboarding that can be planted: a step that breaks, a reconciler that stops. Kept in memory: a platform
//! that is opened again on the same database has none.

use fleetproof_dataplane::organisation::onboarding::{FailureReason, Step};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The planted faults of one platform.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Planted>);

#[derive(Debug, Default)]
struct Planted {
    broken: Option<(Step, FailureReason, u32)>,
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
        let (broken, reason, times) = planted.broken.filter(|(broken, ..)| *broken == step)?;
        planted.broken = (times > 1).then_some((broken, reason, times - 1));
        Some(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_so_often_and_only_its_step() {
        let faults = Faults::default();
        faults.break_step(Step::Trust, FailureReason::InternalFailure, 2);
        assert_eq!(faults.strike(Step::Tenant), None);
        assert_eq!(faults.strike(Step::Trust), Some(FailureReason::InternalFailure));
        assert_eq!(faults.strike(Step::Trust), Some(FailureReason::InternalFailure));
        assert_eq!(faults.strike(Step::Trust), None);
        faults.halt(Some(Step::Quotas));
        assert!(!faults.done(Step::Trust) && !faults.halted());
        assert!(faults.done(Step::Quotas) && faults.halted());
        faults.halt(None);
        assert!(!faults.halted());
    }
}
