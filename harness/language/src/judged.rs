//! What may fail is judged later: which names a step changes, and which a claim is about.

use crate::claim::Claim;
use crate::messages::Mqtt;
use crate::rules::Rules;
use crate::scenario::Tenant;
use crate::source::Located;
use crate::step::Step;
use std::collections::BTreeSet;

impl<'s> Rules<'s> {
    /// The tenants that are in a region.
    fn tenants_in(&self, region: &str) -> Vec<&'s str> {
        let first = self.scenario.platform.regions.first().is_some_and(|first| first.value == region);
        let is_in = |tenant: &Tenant| match tenant.regions.as_slice() {
            [] => first,
            regions => regions.iter().any(|it| it.value == region),
        };
        self.tenants.iter().filter(|(_, tenant)| is_in(tenant)).map(|(name, _)| *name).collect()
    }

    /// Names that a step changes.
    fn subjects(&self, step: &'s Step) -> Vec<&'s str> {
        match step {
            Step::Enroll(it) | Step::Knock(it) => names(&it.devices),
            Step::Claim(it) => names(&it.devices).into_iter().chain(it.tenant.as_ref().map(|it| it.as_str())).collect(),
            Step::Reject(it) | Step::Release(it) | Step::Revoke(it) | Step::Decommission(it) => names(&it.devices),
            Step::Migrate(it) => names(&it.devices).into_iter().chain([it.tenant.as_str()]).collect(),
            Step::Evacuate(it) => self.tenants_in(&it.region),
            Step::Onboard(it) => names(&it.tenants),
            Step::Suspend(it) | Step::Resume(it) | Step::Remove(it) | Step::GrantTrust(it) | Step::RevokeTrust(it) => {
                names(&it.tenants)
            }
            Step::Upload(it) => std::iter::once(it.artifact.as_str()).chain(names(&it.tenants)).collect(),
            Step::Configure(it) => vec![&it.tenant],
            Step::AddUser(it) => vec![&it.user, &it.tenant],
            Step::RemoveUser(it) | Step::Switch(it) => vec![&it.user, &it.tenant],
            Step::Deploy(it) => std::iter::once(it.name.as_str()).chain(names(&it.devices)).collect(),
            Step::Abort(it) => {
                let devices = self.deployed.get(it.deployment.as_str()).copied().unwrap_or_default();
                std::iter::once(it.deployment.as_str()).chain(names(devices)).collect()
            }
            Step::Pause(it) | Step::Continue(it) => vec![&it.deployment],
            Step::Mqtt(it) => match &it.value {
                Mqtt::Publish(it) => names(&it.devices),
                Mqtt::Subscribe(it) => names(&it.devices).into_iter().chain([it.name.as_str()]).collect(),
            },
            Step::WaitUntil(_)
            | Step::Fault(_)
            | Step::While(_)
            | Step::Parallel(_)
            | Step::Repeat(_)
            | Step::Sweep(_)
            | Step::Use(_)
            | Step::Http(_)
            | Step::Load(_)
            | Step::Measure(_)
            | Step::Log(_)
            | Step::Expect(_) => Vec::new(),
        }
    }

    /// Names that a claim is about.
    fn about(&self, claim: &'s Claim) -> Vec<&'s str> {
        match claim {
            Claim::Online { devices }
            | Claim::Updated { devices, .. }
            | Claim::Reported { devices }
            | Claim::InLobby { devices }
            | Claim::Delivery { devices, .. } => names(devices),
            Claim::Forgotten { devices, tenant: other }
            | Claim::Bound { devices, tenant: other }
            | Claim::RolledBack { devices, deployment: other, .. }
            | Claim::Untouched { devices, deployment: other } => {
                std::iter::once(other.as_str()).chain(names(devices)).collect()
            }
            Claim::Rollout { deployment, .. } => {
                let devices = self.deployed.get(deployment.as_str()).copied().unwrap_or_default();
                std::iter::once(deployment.as_str()).chain(names(devices)).collect()
            }
            Claim::Received { subscription, .. } => {
                let devices = self.subscribed.get(subscription.as_str()).copied().unwrap_or_default();
                std::iter::once(subscription.as_str()).chain(names(devices)).collect()
            }
            Claim::Isolation { between, .. } => names(between),
            Claim::Access { user, tenant, .. } => vec![user, tenant],
            Claim::OwnedOnce { devices, among } => names(devices).into_iter().chain(names(among)).collect(),
            Claim::Barred { devices, like } => std::iter::once(like.as_str()).chain(names(devices)).collect(),
            Claim::Quota { tenants, .. }
            | Claim::Audit { tenants }
            | Claim::Acknowledged { tenants, .. }
            | Claim::Residency { tenants }
            | Claim::Onboarded { tenants, .. }
            | Claim::Removed { tenants }
            | Claim::Alive { tenants } => names(tenants),
            Claim::Pool { .. } => self.tenants.keys().copied().collect(),
            Claim::Counts { tenant, .. } => vec![tenant],
            Claim::Neighbour { measure, baseline, .. } => vec![measure, baseline],
            Claim::Measured { measure, .. } => vec![measure],
        }
    }

    /// What may fail is named by a later claim: itself, its devices' groups, or their tenants.
    pub(crate) fn judged(&mut self) {
        let mut later: BTreeSet<&str> = BTreeSet::new();
        let mut is_heard = false;
        for step in self.scenario.all_steps().into_iter().rev() {
            if let Step::Expect(expect) = &step.value {
                is_heard |= expect.claims.iter().any(|claim| matches!(claim.value, Claim::Received { .. }));
                for name in expect.claims.iter().flat_map(|claim| self.about(claim)) {
                    if later.insert(name) {
                        later.extend(self.population.counts(name).map(|(group, _)| group));
                    }
                }
            } else if step.outcome().is_some_and(|outcome| outcome.may_fail) {
                let subjects = self.subjects(&step.value);
                let named = |name: &&str| {
                    later.contains(name)
                        || self.population.counts(name).any(|(group, _)| later.contains(group))
                        || self.population.tenants(name).any(|tenant| later.contains(tenant))
                };
                // What became of a message is seen wherever somebody listens.
                let is_message = matches!(&step.value, Step::Mqtt(it) if matches!(it.value, Mqtt::Publish(_)));
                if let Some(subject) = subjects.first()
                    && !(is_message && is_heard)
                    && !subjects.iter().any(named)
                {
                    let message = "this step may fail, and nothing later judges it";
                    let help = format!("add an `expect` about `{subject}`");
                    self.report("unjudged", step.span, message, "may fail", help);
                }
            }
        }
    }
}

fn names(list: &[Located<String>]) -> Vec<&str> {
    list.iter().map(|name| name.value.as_str()).collect()
}
