//! What devices show: certificates of the scenario's authorities, good ones and those that are meant to be turned down.

use super::broken;
use crate::kept::Kept;
use crate::run::{Result, Run, Stop};
use fleetproof_language::{Defect, Identity as Declared, Located};
use fleetproof_plan::PlannedDevice;
use fleetproof_world::tls::{Authority, Identity, Subject, Validity};
use fleetproof_world::{Stamp, World};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long the certificates of devices are good: as long as devices live.
const YEARS: u64 = 20;

const DAY_MS: u64 = 86_400_000;
const YEAR_MS: u64 = 365 * DAY_MS;

/// Who makes devices where the scenario names no authority.
const FACTORY: &str = "factory";

/// What a device shows, and the name that stands in it.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) name: Arc<str>,
    pub(crate) identity: Identity,
}

/// The authorities of a scenario, and what they signed.
pub(crate) struct Identities {
    world: World,
    authorities: Kept<BTreeMap<String, Authority>>,
    made: Kept<BTreeMap<u32, Shown>>,
}

impl Identities {
    pub(crate) fn new(world: &World) -> Self {
        Self { world: world.clone(), authorities: Kept::default(), made: Kept::default() }
    }

    /// An authority by its name, with somebody above it who is trusted.
    fn authority(&self, name: &str) -> Authority {
        if let Some(known) = self.authorities.get(name) {
            return known;
        }
        let keys = self.world.seeds.child("authorities").child(name);
        let made = Authority::with_intermediate(name, &format!("{name} line 1"), &mut keys.stream("key"));
        self.authorities.insert(name.to_owned(), made.clone());
        made
    }

    /// The certificate by which an authority is trusted, as PEM.
    pub(crate) fn trusted(&self, name: &str) -> Result<String> {
        self.authority(name).certificate(self.started() - YEAR_MS).map_err(broken)
    }

    /// When the world began, in ms since 1970.
    fn started(&self) -> u64 {
        self.world.clock.unix_ms_at(Stamp::default())
    }

    /// What a device shows: the same whenever it is asked for.
    pub(crate) fn of(&self, run: &Run, device: u32) -> Result<Shown> {
        if let Some(known) = self.made.get(&device) {
            return Ok(known);
        }
        let planned = run.planned(device)?;
        let group = run.plan.scenario.devices.get(&planned.group);
        let declared = group.and_then(|group| group.identity.as_ref()).map(|declared| &declared.value);
        let authority = self.authority(&issuer(run, planned, declared));
        let now = self.started();
        let good = Validity { from_ms: now - YEAR_MS, until_ms: now + YEARS * YEAR_MS };
        let defect = declared.and_then(|declared| declared.defect.as_ref()).map(|defect| defect.value);
        let validity = match defect {
            Some(Defect::Expired) => Validity { from_ms: now - 2 * YEAR_MS, until_ms: now - DAY_MS },
            Some(Defect::NotYetValid) => Validity { from_ms: now + YEAR_MS, ..good },
            _ => good,
        };
        let like = declared.and_then(|declared| declared.like.as_ref());
        let keys = self.world.seeds.child("devices").child(&planned.name);
        let own = planned.name.as_str();
        let (name, identity) = match (defect, like) {
            (Some(Defect::SameName), Some(like)) => {
                let name = run.planned(alike(run, device, planned, like)?)?.name.as_str();
                (name, authority.issue(&Subject::named(name), validity, &mut keys.stream("identity")))
            }
            (Some(Defect::SameKey), Some(like)) => {
                let other = Box::new(self.of(run, alike(run, device, planned, like)?)?);
                (own, authority.issue_again(&other.identity, &Subject::named(own), validity))
            }
            _ => (own, authority.issue(&Subject::named(own), validity, &mut keys.stream("identity"))),
        };
        let shown = Shown { name: name.into(), identity: identity.map_err(broken)? };
        self.made.insert(device, shown.clone());
        Ok(shown)
    }
}

/// The authority that signed what a device shows.
fn issuer(run: &Run, planned: &PlannedDevice, declared: Option<&Declared>) -> String {
    let platform = &run.plan.scenario.platform;
    let named = declared.and_then(|declared| declared.issued_by.as_ref());
    let tenants = platform.tenants.get(&planned.tenant).and_then(|tenant| tenant.trusts.first());
    let lobbys = || platform.lobby.as_ref().and_then(|lobby| lobby.value.trusts.first());
    let all = || platform.certificate_authorities.first();
    named.or(tenants).or_else(lobbys).or_else(all).map_or_else(|| FACTORY.to_owned(), |name| name.value.clone())
}

/// The device of another group that this one is like: the first like the first, and so on.
fn alike(run: &Run, device: u32, planned: &PlannedDevice, like: &Located<String>) -> Result<u32> {
    let members = |group: &str| run.plan.population.named.get(group).cloned().unwrap_or_default();
    let position = members(&planned.group).iter().position(|member| *member == device);
    let other = position.and_then(|position| members(like).get(position).copied());
    other.ok_or_else(|| Stop::Broken(format!("`{}` is like nobody of `{}`", planned.name, like.value)))
}
