//! Devices that speak MQTT: who made them, where they belong, what the platform knows them by.
//!
//! `identities.rs` is what they show, `listeners.rs` who hears what they publish, on the side of the account that they belong to,
//! `lobby.rs` whose they are where a lobby decides that; `states.rs` brings the words of jobs and of deployments together.

pub(crate) mod identities;
pub(crate) mod listeners;
pub(crate) mod lobby;
pub(crate) mod states;

use crate::actors::{self, Default};
use crate::kept::Kept;
use crate::outcome::Part;
use crate::refusals;
use crate::run::{Result, Run, Stop};
use fleetproof_devices::mqtt::{Format, Publishes, Qos, ThingPlan, Version};
use fleetproof_dialects::aws::things::{prepare, register};
use fleetproof_dialects::aws::{self, Place};
use fleetproof_language::{Outcome, Protocol};
use fleetproof_plan::PlannedDevice;
use fleetproof_world::tls::TlsClient;
use fleetproof_world::{Name, World};
use identities::{Identities, Shown};
use lobby::NOBODY;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How many devices one person makes known at the same time.
const LANES: usize = 8;

/// What is known of the devices that speak MQTT.
pub(crate) struct Things {
    /// The door that all accounts share, and the certificate that devices trust there.
    door: Option<(Name, String)>,
    world: World,
    /// What they show.
    pub(crate) identities: Identities,
    /// Where accounts are, by tenant. What devices need there is made.
    places: Kept<BTreeMap<String, Place>>,
    /// Tenants whose devices went to another region.
    moved: Kept<BTreeMap<String, String>>,
    /// The certificate that the platform knows a device by: 64 hexadecimal digits.
    certificates: Kept<BTreeMap<u32, String>>,
    /// Devices whose certificate was ended.
    revoked: Kept<BTreeSet<u32>>,
    plans: Kept<BTreeMap<String, Arc<ThingPlan>>>,
}

impl Things {
    pub(crate) fn new(world: &World, door: Option<(Name, &str)>) -> Self {
        Self {
            door: door.map(|(name, trusted)| (name, trusted.to_owned())),
            world: world.clone(),
            identities: Identities::new(world),
            places: Kept::default(),
            moved: Kept::default(),
            certificates: Kept::default(),
            revoked: Kept::default(),
            plans: Kept::default(),
        }
    }

    /// The door that all accounts share, and the certificate to trust there.
    pub(crate) fn door(&self) -> Result<(Name, String)> {
        self.door.clone().ok_or_else(|| Stop::Broken("the platform has no door for MQTT".to_owned()))
    }

    /// What the platform knows a device by; `None`: it does not know it.
    pub(crate) fn certificate(&self, device: u32) -> Option<String> {
        self.certificates.get(&device)
    }

    /// The platform knows a device by this certificate.
    pub(crate) fn know(&self, device: u32, certificate: String) {
        self.certificates.insert(device, certificate);
    }

    /// The platform knows a device no longer.
    pub(crate) fn forget(&self, device: u32) {
        self.certificates.remove(&device);
    }

    /// The certificate of a device was ended.
    pub(crate) fn revoked(&self, device: u32) {
        self.revoked.insert(device);
    }

    /// The devices of a tenant that the platform knows and lets in.
    pub(crate) fn inside(&self, run: &Run, tenant: &str) -> BTreeSet<u32> {
        let is_in = |device: &u32| run.tenant_of(*device) == tenant && !self.revoked.contains(device);
        self.certificates.read(|known| known.keys().copied().filter(is_in).collect())
    }

    /// The region in which the devices of a tenant are; `None`: the platform has one.
    fn region(&self, run: &Run, tenant: &str) -> Option<String> {
        let platform = &run.plan.scenario.platform;
        let declared = platform.tenants.get(tenant).and_then(|tenant| tenant.regions.first());
        let declared = declared.or_else(|| platform.regions.first());
        self.moved.get(tenant).or_else(|| declared.map(|region| region.value.clone()))
    }

    /// Where the account of a tenant is, with all that its devices need there.
    pub(crate) async fn place(&self, run: &Run, tenant: &str) -> Result<Place> {
        if let Some(place) = self.places.get(tenant) {
            return Ok(place);
        }
        let admin = run.people.admin(tenant).await?;
        let place = aws::things::place(&run.mender, &admin, self.region(run, tenant).as_deref()).await?;
        prepare(&run.mender, &admin, &place).await?;
        self.places.insert(tenant.to_owned(), place.clone());
        Ok(place)
    }

    /// The devices of a tenant are in another region from now on.
    pub(crate) fn moves(&self, tenant: &str, region: &str) {
        self.moved.insert(tenant.to_owned(), region.to_owned());
        self.places.remove(tenant);
    }

    /// A tenant is gone: where its account was says nothing of the next one.
    pub(crate) fn leaves(&self, tenant: &str) {
        self.moved.remove(tenant);
        self.places.remove(tenant);
    }

    /// What the devices of a group have in common.
    fn plan(&self, run: &Run, device: &PlannedDevice) -> Result<Arc<ThingPlan>> {
        if let Some(plan) = self.plans.get(&device.group) {
            return Ok(plan);
        }
        let (door, _) = self.door()?;
        let publishes = device.publishes.as_ref().map(|publishes| Publishes {
            topic: format!("app/{{thing}}/{}", publishes.topic),
            every: publishes.every,
            size: publishes.size,
            qos: if publishes.at_least_once { Qos::AtLeastOnce } else { Qos::AtMostOnce },
            format: Format::Json,
        });
        let lobby = if device.tenant == NOBODY { run.lobby.host()? } else { NOWHERE.to_owned() };
        let refused_for = if device.tenant == NOBODY { ASKS_AFTER } else { NEVER };
        let plan = Arc::new(ThingPlan {
            dials: Some(door),
            speaks: Version::V5,
            publishes: publishes.into_iter().collect(),
            boot_time: device.boot_time,
            refused_for,
            storage: Some(run.mender.gateway().clone()),
            shelf: run.fleet.shelf().clone(),
            ..ThingPlan::new(&lobby)
        });
        self.plans.insert(device.group.clone(), plan.clone());
        Ok(plan)
    }

    /// Lets a device dial its endpoint, or the lobby; it goes on by itself from there.
    pub(crate) async fn dial(&self, run: &Run, device: u32) -> Result<()> {
        if run.fleet.is_waiting(device) {
            let planned = run.planned(device)?;
            let plan = self.plan(run, planned)?;
            let home = match planned.tenant.as_str() {
                NOBODY => None,
                tenant => Some(self.place(run, tenant).await?.endpoint.as_str().into()),
            };
            let shown = self.identities.of(run, device)?;
            run.fleet.start_thing(device, shown.name.clone(), plan, home, self.tls(&shown)?);
        }
        run.fleet.call(device);
        Ok(())
    }

    /// What a device trusts and shows in its handshake.
    pub(crate) fn tls(&self, shown: &Shown) -> Result<TlsClient> {
        let (_, trusted) = self.door()?;
        let tls = TlsClient::trusting(&trusted, &self.world.clock).map_err(broken)?;
        tls.presenting(&shown.identity).map_err(broken)
    }

    /// Makes devices known to the account of their tenant, several at a time. Parts are in the order of `devices`.
    pub(crate) async fn admit(&self, run: &Run, devices: &[u32], outcome: &Outcome) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        for (tenant, devices) in run.by_tenant(devices) {
            let place = self.place(run, &tenant).await?;
            let by = actors::acting(run, outcome, Default::AdminOf(&tenant)).await?;
            for lane in devices.chunks(LANES) {
                let mut calls = Vec::new();
                for device in lane {
                    let shown = self.identities.of(run, *device)?;
                    let certificate = shown.identity.chain().leaf_pem();
                    let (mender, by, place) = (run.mender.clone(), by.clone(), place.clone());
                    let (name, attributes) = (shown.name.clone(), attributes(run.planned(*device)?));
                    calls.push(async move { register(&mender, &by, &place, &name, &attributes, &certificate).await });
                }
                for (device, answer) in lane.iter().zip(actors::together(calls).await) {
                    let result = match answer {
                        Ok(certificate) => {
                            self.revoked.change(|revoked| revoked.remove(device));
                            self.certificates.insert(*device, certificate);
                            run.barred.remove(device);
                            Ok(())
                        }
                        Err(error) => Err(refusals::read(error)?),
                    };
                    parts.push(Part { name: run.name_of(*device), result });
                }
            }
        }
        Ok(parts)
    }

    /// Puts devices into those selections that are groups on the platform too.
    pub(crate) async fn join_groups(&self, run: &Run, devices: &[u32]) -> Result<()> {
        for group in run.plan.population.groups.clone() {
            let members = run.plan.population.named.get(&group).cloned().unwrap_or_default();
            let joining: Vec<u32> = members
                .into_iter()
                .filter(|device| devices.contains(device) && self.certificates.contains_key(device))
                .collect();
            for (tenant, devices) in run.by_tenant(&joining) {
                let (admin, place) = (run.people.admin(&tenant).await?, self.place(run, &tenant).await?);
                let names: Vec<String> = devices.iter().map(|device| run.name_of(*device)).collect();
                aws::things::group(&run.mender, &admin, &place, &group, &names).await?;
            }
        }
        Ok(())
    }
}

/// Where a device has its lobby that belongs to one endpoint for good.
const NOWHERE: &str = "nowhere.invalid";

/// How long an endpoint may refuse a device until it asks at the lobby.
const ASKS_AFTER: Duration = Duration::from_secs(60);

/// It never does.
const NEVER: Duration = Duration::from_secs(1 << 32);

/// Whether a device speaks MQTT.
pub(crate) fn is_thing(run: &Run, device: u32) -> bool {
    run.plan.population.devices.get(device as usize).is_some_and(|device| device.speaks == Protocol::Mqtt)
}

/// Devices that poll, and devices that speak MQTT.
pub(crate) fn by_tongue(run: &Run, devices: &[u32]) -> (Vec<u32>, Vec<u32>) {
    devices.iter().copied().partition(|device| !is_thing(run, *device))
}

/// What stands of a device in the registry, beside its name.
fn attributes(device: &PlannedDevice) -> Value {
    let known = device.identity.iter().map(|(name, value)| (name.clone(), Value::String(value.clone())));
    Value::Object(known.collect::<Map<_, _>>())
}

fn broken(error: std::io::Error) -> Stop {
    Stop::Broken(format!("an identity could not be made: {error}"))
}
