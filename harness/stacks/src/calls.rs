//! Calls of a component of the platform that can be made to fail: those that make an account, step by step.

use fleetproof_platform::{FailureReason, OnboardingStep as Step, Platform};
use fleetproof_world::Seeds;
use std::fmt;

/// The calls of the component that makes accounts.
#[derive(Clone, Debug)]
pub struct Calls(pub(crate) Platform);

/// A call that fails once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailingCall {
    step: Step,
    reason: FailureReason,
}

/// How a call fails: so that it is tried again, and for good.
const WAYS: [FailureReason; 2] = [FailureReason::InternalFailure, FailureReason::ConcurrentAccountModification];

impl FailingCall {
    /// Every call, in the order in which they are made, each in every way in which it can fail.
    #[must_use]
    pub fn all() -> Vec<Self> {
        Step::ALL.iter().flat_map(|step| WAYS.map(|reason| Self { step: *step, reason })).collect()
    }
}

impl fmt::Display for FailingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the call `{}` fails once, with {}", self.step.name(), self.reason.name())
    }
}

impl Calls {
    /// The next time that this call is made, it fails.
    pub fn fail(&self, call: FailingCall) {
        self.0.break_onboarding(call.step, call.reason, 1);
    }

    /// So many calls of a million fail from now on, in a way that is tried again. `seeds` draw which.
    pub fn fail_some(&self, share: u32, seeds: &Seeds) {
        self.0.break_some_onboarding(Some((share, seeds.stream("accounts"))));
    }

    /// No call fails any more.
    pub fn mend(&self) {
        self.0.break_onboarding(Step::Reserve, FailureReason::InternalFailure, 0);
        self.0.break_some_onboarding(None);
    }

    /// How many calls failed because they were made to.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.0.onboarding_broke()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_fails_in_every_way() {
        let all: Vec<String> = FailingCall::all().iter().map(ToString::to_string).collect();
        assert_eq!(all.len(), 20);
        assert_eq!(all[8], "the call `trust` fails once, with INTERNAL_FAILURE");
        assert_eq!(all[9], "the call `trust` fails once, with CONCURRENT_ACCOUNT_MODIFICATION");
    }
}
