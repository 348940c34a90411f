//! The taps on the connections of those devices that a sweep interrupts: where each is cut in a round, and what went past it.

use crate::kept::Kept;
use fleetproof_devices::{Tap, Tapped};
use fleetproof_language::{Located, Step};
use fleetproof_plan::Plan;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The taps of a run. Devices that no sweep interrupts have none.
#[derive(Debug, Default)]
pub(crate) struct Taps {
    taps: BTreeMap<u32, Arc<Tap>>,
    /// What is laid for this round and not opened yet: before which packet each is cut, if it is.
    laid: Kept<BTreeMap<u32, Option<usize>>>,
}

impl Taps {
    /// Those that the sweeps of a plan need.
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut devices = BTreeSet::new();
        swept(&plan.scenario.steps, &mut |names| devices.extend(plan.population.members(names)));
        Self { taps: devices.into_iter().map(|device| (device, Arc::default())).collect(), laid: Kept::default() }
    }

    /// The tap of a device, if it has one.
    pub(crate) fn of_device(&self, device: u32) -> Option<Arc<Tap>> {
        self.taps.get(&device).cloned()
    }

    /// From the next deployment on the packets of these devices are counted, and each is cut where it says.
    pub(crate) fn lay(&self, cuts: BTreeMap<u32, Option<usize>>) {
        self.laid.change(|laid| *laid = cuts);
    }

    /// A deployment is about to be asked for. What goes past before it is no part of an update.
    pub(crate) fn open(&self, devices: &[u32]) {
        for device in devices {
            if let (Some(cut), Some(tap)) = (self.laid.remove(device), self.taps.get(device)) {
                tap.open(cut);
            }
        }
    }

    /// What went past a tap so far.
    pub(crate) fn tapped(&self, device: u32) -> Tapped {
        self.taps.get(&device).map(|tap| tap.tapped()).unwrap_or_default()
    }

    /// Nothing is counted or cut any more.
    pub(crate) fn close(&self) {
        self.laid.change(BTreeMap::clear);
        for tap in self.taps.values() {
            tap.close();
        }
    }
}

/// Tells of the devices whose connections sweeps among these steps interrupt.
fn swept(steps: &[Located<Step>], tell: &mut dyn FnMut(&[Located<String>])) {
    for step in steps {
        if let Step::Sweep(it) = &step.value {
            tell(it.interrupt.devices());
        }
        step.inside().into_iter().for_each(|inner| swept(inner, tell));
    }
}
