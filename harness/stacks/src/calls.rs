//! Calls of a component of the platform that can be made to fail: those that make an account, step by step, and those that give
//! a device its home or clean up its former one.

use fleetproof_platform::{CommissioningStep, FailureReason, LobbyHalt, LobbyUndo, OnboardingStep, Platform};
use fleetproof_world::Seeds;
use std::fmt;

/// The calls of components that work step by step.
#[derive(Clone, Debug)]
pub struct Calls(pub(crate) Platform);

/// Who makes calls that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// What makes accounts of tenants.
    Accounts,
    /// What gives devices their homes.
    Lobby,
}

/// A call that fails once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailingCall(Point);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    Account(OnboardingStep, FailureReason),
    Home(LobbyHalt),
}

/// How a call for an account fails: so that it is tried again, and for good.
const WAYS: [FailureReason; 2] = [FailureReason::InternalFailure, FailureReason::ConcurrentAccountModification];

impl FailingCall {
    /// Every call that makes an account, in the order in which they are made, each in every way in which it can fail.
    #[must_use]
    pub fn of_accounts() -> Vec<Self> {
        let both = |step: &OnboardingStep| WAYS.map(|reason| Self(Point::Account(*step, reason)));
        OnboardingStep::ALL.iter().flat_map(both).collect()
    }

    /// Every call that gives a device a home, in order; with `leaving` those too that clean up the home that it leaves.
    #[must_use]
    pub fn of_lobby(leaving: bool) -> Vec<Self> {
        let undone: &[LobbyUndo] = if leaving { &LobbyUndo::ALL } else { &[] };
        let steps = CommissioningStep::ALL.iter().map(|step| LobbyHalt::Step(*step));
        steps.chain(undone.iter().map(|undo| LobbyHalt::Undo(*undo))).map(|at| Self(Point::Home(at))).collect()
    }
}

impl fmt::Display for FailingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Point::Account(step, reason) => {
                write!(f, "the call `{}` fails once, with {}", step.name(), reason.name())
            }
            Point::Home(LobbyHalt::Step(step)) => write!(f, "the call `{}` fails once", step.name()),
            Point::Home(LobbyHalt::Undo(undo)) => {
                write!(f, "cleaning up what a former home has ({}) fails once", undo.name())
            }
        }
    }
}

impl Calls {
    /// The next time that this call is made, it fails.
    pub fn fail(&self, call: FailingCall) {
        match call.0 {
            Point::Account(step, reason) => self.0.break_onboarding(step, reason, 1),
            Point::Home(at) => self.0.break_lobby(at, 1),
        }
    }

    /// So many calls of a million fail from now on, in a way that is tried again. `seeds` draw which.
    pub fn fail_some(&self, of: Caller, share: u32, seeds: &Seeds) {
        match of {
            Caller::Accounts => self.0.break_some_onboarding(Some((share, seeds.stream("accounts")))),
            Caller::Lobby => self.0.break_some_lobby(Some((share, seeds.stream("lobby")))),
        }
    }

    /// None of them fails any more.
    pub fn mend(&self, of: Caller) {
        match of {
            Caller::Accounts => {
                self.0.break_onboarding(OnboardingStep::Reserve, FailureReason::InternalFailure, 0);
                self.0.break_some_onboarding(None);
            }
            Caller::Lobby => {
                self.0.break_lobby(LobbyHalt::Step(CommissioningStep::RegisterCertificate), 0);
                self.0.break_some_lobby(None);
            }
        }
    }

    /// How many of them failed because they were made to.
    #[must_use]
    pub fn failed(&self, of: Caller) -> u64 {
        match of {
            Caller::Accounts => self.0.onboarding_broke(),
            Caller::Lobby => self.0.lobby_broke(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_for_an_account_fails_in_every_way() {
        let all: Vec<String> = FailingCall::of_accounts().iter().map(ToString::to_string).collect();
        assert_eq!(all.len(), 20);
        assert_eq!(all[8], "the call `trust` fails once, with INTERNAL_FAILURE");
        assert_eq!(all[9], "the call `trust` fails once, with CONCURRENT_ACCOUNT_MODIFICATION");
    }

    #[test]
    fn a_home_is_cleaned_up_only_where_one_is_left() {
        let told = |leaving| FailingCall::of_lobby(leaving).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(told(false).len(), 7);
        assert_eq!(told(false)[0], "the call `RegisterCertificateWithoutCA` fails once");
        assert_eq!(told(true)[..7], told(false));
        assert_eq!(told(true)[7], "cleaning up what a former home has (certificate) fails once");
        assert_eq!(told(true).len(), 14);
    }
}
