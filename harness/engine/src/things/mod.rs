//! Devices that speak MQTT: who made them, where they belong, what the platform knows them by.
//!
//! `listeners.rs` is who hears what they publish, on the side of the account that they belong to; `states.rs` brings the words
//! of jobs and of deployments together.

pub(crate) mod listeners;
pub(crate) mod states;

use crate::actors::{self, Default};
use crate::kept::Kept;
use crate::outcome::Part;
use crate::refusals;
use crate::run::{Result, Run, Stop};
use fleetproof_devices::Shelf;
use fleetproof_devices::mqtt::{Format, Publishes, Qos, ThingPlan, Version};
use fleetproof_dialects::aws::things::{prepare, register};
use fleetproof_dialects::aws::{self, Place};
use fleetproof_language::{Outcome, Protocol};
use fleetproof_plan::PlannedDevice;
use fleetproof_world::tls::{Authority, Identity, Subject, TlsClient, Validity};
use fleetproof_world::{Name, World};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How many devices one person makes known at the same time.
const LANES: usize = 8;

/// How long the certificates of devices are good: as long as devices live.
const YEARS: u64 = 20;

const YEAR_MS: u64 = 365 * 86_400_000;

/// What is known of the devices that speak MQTT.
pub(crate) struct Things {
    /// The door that all accounts share, and the certificate that devices trust there.
    door: Option<(Name, String)>,
    /// Who makes the identities of devices.
    factory: Authority,
    world: World,
    /// Where accounts are, by tenant. What devices need there is made.
    places: Kept<BTreeMap<String, Place>>,
    /// The certificate that the platform knows a device by: 64 hexadecimal digits.
    certificates: Kept<BTreeMap<u32, String>>,
    /// Devices whose certificate was ended.
    revoked: Kept<BTreeSet<u32>>,
    plans: Kept<BTreeMap<String, Arc<ThingPlan>>>,
}

impl Things {
    pub(crate) fn new(world: &World, door: Option<(Name, &str)>) -> Self {
        let keys = world.seeds.child("authorities").child("factory");
        Self {
            door: door.map(|(name, trusted)| (name, trusted.to_owned())),
            factory: Authority::with_intermediate("Factory", "Factory Line 1", &mut keys.stream("key")),
            world: world.clone(),
            places: Kept::default(),
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

    /// What a device shows, from the moment it was made.
    pub(crate) fn identity(&self, name: &str) -> Result<Identity> {
        let now = self.world.clock.unix_ms_at(fleetproof_world::Stamp::default());
        let validity = Validity { from_ms: now - YEAR_MS, until_ms: now + YEARS * YEAR_MS };
        let mut keys = self.world.seeds.child("devices").child(name).stream("identity");
        self.factory.issue(&Subject::named(name), validity, &mut keys).map_err(broken)
    }

    /// Where the account of a tenant is, with all that its devices need there.
    pub(crate) async fn place(&self, run: &Run, tenant: &str) -> Result<Place> {
        if let Some(place) = self.places.get(tenant) {
            return Ok(place);
        }
        let admin = run.people.admin(tenant).await?;
        let place = aws::things::home(&run.mender, &admin).await?;
        prepare(&run.mender, &admin, &place).await?;
        self.places.insert(tenant.to_owned(), place.clone());
        Ok(place)
    }

    /// What the devices of a group have in common.
    fn plan(&self, run: &Run, device: &PlannedDevice, shelf: &Shelf) -> Result<Arc<ThingPlan>> {
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
        let plan = Arc::new(ThingPlan {
            dials: Some(door),
            speaks: Version::V5,
            publishes: publishes.into_iter().collect(),
            boot_time: device.boot_time,
            // It belongs where it was made for, and nowhere else.
            refused_for: Duration::from_millis(YEARS * YEAR_MS),
            storage: Some(run.mender.gateway().clone()),
            shelf: shelf.clone(),
            ..ThingPlan::new(NOWHERE)
        });
        self.plans.insert(device.group.clone(), plan.clone());
        Ok(plan)
    }

    /// Lets a device dial its endpoint; it goes on by itself from there.
    pub(crate) async fn dial(&self, run: &Run, device: u32) -> Result<()> {
        if run.fleet.is_waiting(device) {
            let planned = run.planned(device)?;
            let (place, plan) = (self.place(run, &planned.tenant).await?, self.plan(run, planned, run.fleet.shelf())?);
            let (_, trusted) = self.door()?;
            let identity = self.identity(&planned.name)?;
            let tls = TlsClient::trusting(&trusted, &self.world.clock).map_err(broken)?;
            let tls = tls.presenting(&identity).map_err(broken)?;
            run.fleet.start_thing(device, plan, Some(place.endpoint.as_str().into()), tls);
        }
        run.fleet.call(device);
        Ok(())
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
                    let planned = run.planned(*device)?;
                    let certificate = self.identity(&planned.name)?;
                    let certificate = certificate.chain().leaf_pem();
                    let (mender, by, place) = (run.mender.clone(), by.clone(), place.clone());
                    let (name, attributes) = (planned.name.clone(), attributes(planned));
                    calls.push(
                        async move { register(&mender, &by, &place, &name, &attributes, &certificate).await },
                    );
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

/// Where a device dials that belongs nowhere, while no scenario has a lobby.
const NOWHERE: &str = "nowhere.invalid";

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
