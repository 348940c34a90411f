//! Faults of the lobby's work that can be planted: a step that breaks, a worker that stops. Kept in memory: a platform that is
//! opened again on the same database has none.

use fleetproof_dataplane::lobby::{Step, Undo};
use std::sync::{Mutex, MutexGuard, PoisonError};

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
        let Some((at, times)) = planted.broken.filter(|(at, _)| *at == what) else { return false };
        planted.broken = (times > 1).then_some((at, times - 1));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_so_often_and_a_halt_holds_until_it_is_lifted() {
        let faults = Faults::default();
        let (step, other) = (LobbyHalt::Step(Step::CreateThing), LobbyHalt::Undo(Undo::Thing));
        faults.break_at(step, 2);
        assert!(!faults.strikes(other));
        assert!(faults.strikes(step) && faults.strikes(step) && !faults.strikes(step));
        faults.halt(Some(other));
        faults.done(step);
        assert!(!faults.halted());
        faults.done(other);
        assert!(faults.halted());
        faults.halt(None);
        assert!(!faults.halted());
    }
}
