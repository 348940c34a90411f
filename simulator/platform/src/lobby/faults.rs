//! Faults of the lobby's work that can be planted: a step that breaks, a worker that stops. Kept in memory: a platform that is
//! opened again on the same database has none.

use fleetproof_dataplane::lobby::{Step, Undo};
use fleetproof_world::RandomStream;
use rand::Rng;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All of it.
const WHOLE: u32 = 1_000_000;

/// A point of the lobby's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LobbyHalt {
    /// A step of commissioning.
    Step(Step),
    /// Something of a former home that is cleaned up.
    Undo(Undo),
}

/// The planted faults of one platform.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Planted>);

#[derive(Debug, Default)]
struct Planted {
    broken: Option<(LobbyHalt, u32)>,
    /// How many of a million break, and what draws which.
    share: Option<(u32, RandomStream)>,
    struck: u64,
    halt_after: Option<LobbyHalt>,
    halted: bool,
}

impl Faults {
    fn planted(&self) -> MutexGuard<'_, Planted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn break_at(&self, at: LobbyHalt, times: u32) {
        self.planted().broken = (times > 0).then_some((at, times));
    }

    /// So many of a million break from now on, as `draws` says; `None`: none does.
    pub(super) fn break_share(&self, share: Option<(u32, RandomStream)>) {
        self.planted().share = share;
    }

    /// How often something broke because of what was planted.
    pub(super) fn struck(&self) -> u64 {
        self.planted().struck
    }

    pub(super) fn halt(&self, after: Option<LobbyHalt>) {
        let mut planted = self.planted();
        planted.halt_after = after;
        planted.halted = false;
    }

    /// Whether nobody works any more.
    pub(super) fn halted(&self) -> bool {
        self.planted().halted
    }

    /// Something was done; perhaps nobody works from here on.
    pub(super) fn done(&self, what: LobbyHalt) {
        let mut planted = self.planted();
        planted.halted |= planted.halt_after == Some(what);
    }

    /// Whether this breaks this time; counts it.
    pub(super) fn strikes(&self, what: LobbyHalt) -> bool {
        let mut planted = self.planted();
        let strikes = match planted.broken.filter(|(at, _)| *at == what) {
            Some((at, times)) => {
                planted.broken = (times > 1).then_some((at, times - 1));
                true
            }
            None => planted.share.as_mut().is_some_and(|(share, draws)| draws.gen_range(0..WHOLE) < *share),
        };
        planted.struck += u64::from(strikes);
        strikes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetproof_world::Seeds;

    #[test]
    fn a_fault_strikes_so_often_and_a_halt_holds_until_it_is_lifted() {
        let faults = Faults::default();
        let (step, other) = (LobbyHalt::Step(Step::CreateThing), LobbyHalt::Undo(Undo::Thing));
        faults.break_at(step, 2);
        assert!(!faults.strikes(other));
        assert!(faults.strikes(step) && faults.strikes(step) && !faults.strikes(step));
        assert_eq!(faults.struck(), 2);
        faults.halt(Some(other));
        faults.done(step);
        assert!(!faults.halted());
        faults.done(other);
        assert!(faults.halted());
        faults.halt(None);
        assert!(!faults.halted());
    }

    #[test]
    fn a_share_of_all_that_is_done_breaks_until_none_does() {
        let faults = Faults::default();
        let step = LobbyHalt::Step(Step::CreateThing);
        let broken = || (0..1_000).filter(|_| faults.strikes(step)).count();
        let share = |share| faults.break_share(Some((share, Seeds::new(1).stream("calls"))));
        share(200_000);
        let some = broken();
        assert!((150..250).contains(&some), "{some}");
        share(1_000_000);
        assert_eq!(broken(), 1_000);
        faults.break_share(None);
        assert_eq!(broken(), 0);
        assert_eq!(faults.struck(), 1_000 + some as u64);
    }
}
