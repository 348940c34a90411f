//! How tenants stand at each step: there, suspended, removed. What cannot be done in them then is a mistake of the file.

use crate::claim::Claim;
use crate::diagnostic::Diagnostic;
use crate::flow::Background;
use crate::population::Population;
use crate::scenario::Scenario;
use crate::source::{Located, Span};
use crate::step::{Outcome, Step};
use crate::strain::Load;
use crate::words::Starts;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// So many groups, step by step, are looked at to know whose devices are that moved.
const MOST_MOVED: usize = 200_000;

/// How a tenant stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    There,
    /// A step has to onboard it.
    Absent,
    Suspended,
    Removed,
}

/// Follows the tenants through the steps. A step that may fail leaves it open how they stand: nothing is said then.
pub(crate) fn check<'s>(scenario: &'s Scenario, population: &Population<'s>) -> Vec<Diagnostic> {
    let starts = |starts: Starts| if starts == Starts::Ready { Standing::There } else { Standing::Absent };
    let tenants = scenario.platform.tenants.iter().map(|(name, it)| (name.as_str(), starts(it.value.starts)));
    let mut follow = Follow {
        population,
        moved: BTreeMap::new(),
        left: Cell::new(MOST_MOVED),
        stands: tenants.collect(),
        again: false,
        mistakes: Vec::new(),
    };
    follow.steps(&scenario.steps);
    follow.mistakes
}

struct Follow<'s, 'p> {
    population: &'p Population<'s>,
    /// Groups whose devices are no longer, or no longer all, the tenant's with which they began: whose they are now, where that is
    /// known.
    moved: BTreeMap<&'s str, Option<&'s str>>,
    /// So many groups are still looked at to know that; then nothing is said about who moved.
    left: Cell<usize>,
    stands: BTreeMap<&'s str, Standing>,
    /// This is the second round of a `repeat`.
    again: bool,
    mistakes: Vec<Diagnostic>,
}

impl<'s> Follow<'s, '_> {
    fn report(&mut self, code: &str, span: Span, message: String, label: &str, help: &str) {
        self.mistakes.push(Diagnostic::new(code, span, message).label(label).help(help));
    }

    fn steps(&mut self, steps: &'s [Located<Step>]) {
        for step in steps {
            self.step(&step.value);
        }
    }

    /// Every branch begins as it stands before; what two leave differently is not known afterwards.
    fn branches(&mut self, branches: &'s [Located<Vec<Located<Step>>>]) {
        let (before, owned) = (self.stands.clone(), self.moved.clone());
        let mut after: Vec<BTreeMap<&str, Standing>> = Vec::new();
        let mut moved: Vec<BTreeMap<&str, Option<&str>>> = Vec::new();
        for branch in branches {
            self.stands.clone_from(&before);
            self.moved.clone_from(&owned);
            self.steps(&branch.value);
            after.push(std::mem::take(&mut self.stands));
            moved.push(std::mem::take(&mut self.moved));
        }
        // Whose devices are that a branch moved is not known: another may have been faster.
        for (group, owner) in moved.into_iter().flatten() {
            let now = if owned.get(group) == Some(&owner) { owner } else { None };
            let known = self.moved.entry(group).or_insert(now);
            *known = known.filter(|_| now.is_some());
        }
        for (tenant, stood) in &before {
            let mut changed: Vec<Option<Standing>> = after.iter().map(|after| after.get(tenant).copied()).collect();
            changed.retain(|now| *now != Some(*stood));
            changed.dedup();
            match changed.as_slice() {
                [] => drop(self.stands.insert(tenant, *stood)),
                [Some(now)] => drop(self.stands.insert(tenant, *now)),
                _ => {}
            }
        }
    }

    fn step(&mut self, step: &'s Step) {
        match step {
            Step::While(it) => {
                for held in &it.background {
                    match &held.value {
                        Background::Load(it) => self.strained(&it.value),
                        Background::Fault(_) => {}
                    }
                }
                self.steps(&it.steps);
            }
            Step::Use(it) => self.steps(&it.steps),
            Step::Parallel(it) => self.branches(&it.branches),
            Step::Repeat(it) => {
                self.steps(&it.steps);
                // A second round shows what the first one leaves behind; inside one, rounds are not gone through again.
                if it.times.value > 1 && !std::mem::replace(&mut self.again, true) {
                    self.steps(&it.steps);
                    self.again = false;
                }
            }
            // What a round acquires is undone before the next, and after the last.
            Step::Sweep(it) => {
                let (before, owned) = (self.stands.clone(), self.moved.clone());
                self.steps(&it.steps);
                self.steps(it.expect.steps());
                (self.stands, self.moved) = (before, owned);
            }
            Step::Onboard(it) => {
                if is_due(&it.outcome) {
                    self.onboarded(&it.tenants);
                }
                self.leave(&it.tenants, &it.outcome, Standing::There);
            }
            Step::Suspend(it) => {
                self.inside(named(&it.tenants), &it.outcome);
                self.leave(&it.tenants, &it.outcome, Standing::Suspended);
            }
            Step::Resume(it) => {
                self.gone(named(&it.tenants), &it.outcome);
                self.resumed(&it.tenants, &it.outcome);
            }
            Step::Remove(it) => {
                self.gone(named(&it.tenants), &it.outcome);
                self.leave(&it.tenants, &it.outcome, Standing::Removed);
            }
            Step::Upload(it) => self.inside(named(&it.tenants), &it.outcome),
            Step::Configure(it) => self.gone(named(std::slice::from_ref(&it.tenant)), &it.outcome),
            Step::AddUser(it) => self.inside(named(std::slice::from_ref(&it.tenant)), &it.outcome),
            Step::RemoveUser(it) | Step::Switch(it) => {
                self.inside(named(std::slice::from_ref(&it.tenant)), &it.outcome);
            }
            Step::Enroll(it) | Step::Knock(it) => self.inside(self.of_devices(&it.devices), &it.outcome),
            Step::Claim(it) => {
                let tenants = it.tenant.as_ref().map(std::slice::from_ref).map(named);
                self.inside(tenants.unwrap_or_else(|| self.of_devices(&it.devices)), &it.outcome);
                if let Some(tenant) = &it.tenant {
                    self.moves(&it.devices, Some(tenant), &it.outcome);
                }
            }
            Step::Reject(it) | Step::Revoke(it) | Step::Decommission(it) => {
                self.inside(self.of_devices(&it.devices), &it.outcome);
            }
            Step::Release(it) => {
                self.inside(self.of_devices(&it.devices), &it.outcome);
                self.moves(&it.devices, None, &it.outcome);
            }
            Step::Migrate(it) => {
                self.inside(self.of_devices(&it.devices), &it.outcome);
                self.inside(named(std::slice::from_ref(&it.tenant)), &it.outcome);
                self.moves(&it.devices, Some(&it.tenant), &it.outcome);
            }
            Step::GrantTrust(it) | Step::RevokeTrust(it) => self.gone(named(&it.tenants), &it.outcome),
            Step::Deploy(it) => self.inside(self.of_devices(&it.devices), &it.outcome),
            Step::Expect(it) => it.claims.iter().for_each(|claim| self.claim(claim)),
            Step::Load(it) => self.strained(&it.value),
            Step::Mqtt(it) => self.inside(self.of_devices(it.value.devices()), it.value.outcome()),
            Step::Measure(it) => self.inside(self.of_devices(&it.devices), &Outcome::default()),
            Step::Abort(_)
            | Step::Pause(_)
            | Step::Continue(_)
            | Step::Evacuate(_)
            | Step::Fault(_)
            | Step::WaitUntil(_)
            | Step::Http(_)
            | Step::Log(_) => {}
        }
    }

    /// Devices that knock or publish do so somewhere.
    fn strained(&mut self, load: &'s Load) {
        self.inside(self.of_devices(load.devices()), &Outcome::default());
    }

    /// What is there cannot come into being.
    fn onboarded(&mut self, tenants: &'s [Located<String>]) {
        for name in tenants {
            if matches!(self.stands.get(name.as_str()), Some(Standing::There | Standing::Suspended)) {
                let message = format!("`{}` is there already", name.value);
                let help = "`starts: absent`, or say how it is refused: `refused: conflict`";
                self.report("already-there", name.span, message, "cannot be onboarded again", help);
            }
        }
    }

    /// What was suspended is there again; what is gone stays so.
    fn resumed(&mut self, tenants: &'s [Located<String>], outcome: &Outcome) {
        for name in tenants.iter().filter(|_| outcome.refused.is_none()) {
            if self.stands.get(name.as_str()) == Some(&Standing::Suspended) {
                self.leave(std::slice::from_ref(name), outcome, Standing::There);
            }
        }
    }

    /// How tenants stand after a step. Only an onboarding brings back what is gone.
    fn leave(&mut self, tenants: &'s [Located<String>], outcome: &Outcome, standing: Standing) {
        for name in tenants {
            let is_gone = self.stands.get(name.as_str()) == Some(&Standing::Removed);
            if is_gone && standing != Standing::There {
                continue;
            }
            if outcome.may_fail || outcome.accepted.is_some() {
                self.stands.remove(name.as_str());
            } else if outcome.refused.is_none() {
                self.stands.insert(name.as_str(), standing);
            }
        }
    }

    /// The tenants of devices, where the devices are named; but for devices that moved nobody knows where.
    fn of_devices(&self, devices: &'s [Located<String>]) -> Vec<(Span, &'s str)> {
        let mut found = Vec::new();
        for name in devices {
            let tenants: BTreeSet<&str> = if self.moved.is_empty() {
                self.population.tenants(&name.value).collect()
            } else {
                let owner = |group: &'s str| match self.moved.get(group) {
                    Some(owner) => *owner,
                    None => self.population.tenant(group),
                };
                self.groups(&name.value).into_iter().filter_map(owner).collect()
            };
            found.extend(tenants.into_iter().map(|tenant| (name.span, tenant)));
        }
        found
    }

    /// The groups of a name; none once so many were looked at that a file cannot be about them.
    fn groups(&self, name: &str) -> Vec<&'s str> {
        let left = self.left.get();
        let groups: Vec<&str> = self.population.counts(name).map(|(group, _)| group).take(left).collect();
        self.left.set(left - groups.len());
        if groups.len() == left { Vec::new() } else { groups }
    }

    /// Devices become a tenant's, or nobody's. Of a group of which only a part does, or may, it is no longer known whose it is.
    fn moves(&mut self, devices: &'s [Located<String>], tenant: Option<&'s Located<String>>, outcome: &Outcome) {
        if outcome.refused.is_some() && outcome.accepted.is_none() {
            return;
        }
        for name in devices {
            for group in self.groups(&name.value) {
                let is_whole = group == name.value && is_due(outcome);
                self.moved.insert(group, tenant.filter(|_| is_whole).map(|tenant| tenant.as_str()));
            }
        }
    }

    /// Something is asked about tenants that may be gone only if that is refused.
    fn gone(&mut self, tenants: Vec<(Span, &'s str)>, outcome: &Outcome) {
        for (span, tenant) in tenants {
            if self.stands.get(tenant) == Some(&Standing::Removed) && is_due(outcome) {
                let message = format!("`{tenant}` was removed by an earlier step");
                let help = "move this step above the `remove`, onboard the tenant anew, or say how it is refused";
                self.report("removed-before", span, message, "gone by then", help);
            }
        }
    }

    /// Something is done inside tenants, by somebody who is let in, or looked at by somebody who is.
    fn inside(&mut self, tenants: Vec<(Span, &'s str)>, outcome: &Outcome) {
        for (span, tenant) in &tenants {
            self.open(*span, tenant);
        }
        self.gone(tenants, outcome);
    }

    fn open(&mut self, span: Span, tenant: &str) {
        if self.stands.get(tenant) == Some(&Standing::Suspended) {
            let message =
                format!("`{tenant}` was suspended by an earlier step: nobody is inside to do this, or to look");
            let help =
                "`resume` it above; that its devices and people are kept out is what `suspend` and `barred` show";
            self.report("suspended-before", span, message, "shut by then", help);
        }
    }

    /// Claims that need somebody inside.
    fn claim(&mut self, claim: &'s Located<Claim>) {
        let tenants = match &claim.value {
            Claim::Isolation { between: tenants, .. }
            | Claim::Quota { tenants, .. }
            | Claim::Audit { tenants }
            | Claim::Acknowledged { tenants, .. }
            | Claim::Residency { tenants }
            | Claim::Alive { tenants } => named(tenants),
            Claim::Access { tenant, .. } | Claim::Counts { tenant, .. } | Claim::Bound { tenant, .. } => {
                named(std::slice::from_ref(tenant))
            }
            Claim::Online { devices } | Claim::Updated { devices, .. } | Claim::Reported { devices } => {
                self.of_devices(devices)
            }
            _ => return,
        };
        for (span, tenant) in tenants {
            self.open(span, tenant);
        }
    }
}

/// Whether a step must succeed.
const fn is_due(outcome: &Outcome) -> bool {
    outcome.refused.is_none() && !outcome.may_fail
}

fn named(tenants: &[Located<String>]) -> Vec<(Span, &str)> {
    tenants.iter().map(|name| (name.span, name.as_str())).collect()
}
