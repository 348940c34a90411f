//! Deployments as the platform has them, in one set of words whichever tongue their devices speak: a deployment of Mender's is
//! one, a job of AWS's is the other.

use crate::run::{Result, Run};
use crate::things::states::{device_state, rollout_state};
use fleetproof_dialects::DialectError;
use fleetproof_dialects::aws::jobs;
use fleetproof_dialects::mender::Session;
use fleetproof_language::Protocol;
use std::collections::{BTreeMap, BTreeSet};

/// Whose part of a deployment: the devices of a tenant that speak one tongue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Whose {
    pub(crate) tenant: String,
    pub(crate) speaks: Protocol,
}

/// What the platform shows of a device in a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// `pending`, `downloading`, `installing`, `success`, `failure`, `aborted`, ….
    pub(crate) status: String,
    /// How often it has begun, where the platform says so.
    pub(crate) attempts: Option<u64>,
}

/// How far a deployment is, as the platform tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// `scheduled`, `running`, `paused`, `aborted`, `finished`.
    pub(crate) state: String,
    /// `user` or `threshold`, once it is aborted.
    pub(crate) aborted_by: Option<String>,
}

/// Why a job ends before its time when the scenario says so: told to the platform, and told by it again.
const BY_USER: &str = "user";

impl Whose {
    /// The part to which a device belongs.
    pub(crate) fn of(run: &Run, device: u32) -> Self {
        let speaks = run.plan.population.devices.get(device as usize).map_or(Protocol::Mender, |device| device.speaks);
        Self { tenant: run.tenant_of(device), speaks }
    }

    /// Devices by their part, both in order.
    pub(crate) fn sort(run: &Run, devices: &[u32]) -> BTreeMap<Self, Vec<u32>> {
        let mut parts: BTreeMap<Self, Vec<u32>> = BTreeMap::new();
        for device in devices {
            parts.entry(Self::of(run, *device)).or_default().push(*device);
        }
        parts
    }

    /// Whether a device belongs to it.
    pub(crate) fn has(&self, run: &Run, device: u32) -> bool {
        Self::of(run, device) == *self
    }

    /// What the platform shows `by` of each of these devices in the deployment with this id.
    pub(crate) async fn parts(
        &self,
        run: &Run,
        by: &Session,
        id: &str,
        devices: &BTreeSet<u32>,
    ) -> Result<BTreeMap<u32, Part>> {
        let mine = devices.iter().copied().filter(|device| self.has(run, *device));
        if self.speaks == Protocol::Mender {
            let known: BTreeMap<String, u32> = mine.filter_map(|device| Some((run.id_of(device)?, device))).collect();
            let rows = run.mender.deployment_devices(by, id).await?;
            let part = |row: fleetproof_dialects::mender::updates::DeviceDeployment| {
                let device = *known.get(&row.device_id)?;
                Some((device, Part { status: row.status, attempts: row.attempts }))
            };
            return Ok(rows.into_iter().filter_map(part).collect());
        }
        let known: BTreeMap<String, u32> = mine.map(|device| (run.name_of(device), device)).collect();
        let place = run.things.place(run, &self.tenant).await?;
        let executions = jobs::last(jobs::executions(&run.mender, by, &place, id).await?);
        let part = |(thing, execution): (String, jobs::Execution)| {
            let device = *known.get(&thing)?;
            let status = device_state(&execution.status).to_owned();
            // An execution is there before the device has heard of it.
            let begun = execution.number - u64::from(status == "pending");
            Some((device, Part { status, attempts: Some(begun) }))
        };
        Ok(executions.into_iter().filter_map(part).collect())
    }

    /// How far it is, as the platform shows `by`.
    pub(crate) async fn state(&self, run: &Run, by: &Session, id: &str) -> Result<State> {
        if self.speaks == Protocol::Mender {
            let pace = run.mender.pace(by, id).await?;
            return Ok(State { state: pace.state, aborted_by: pace.aborted_by });
        }
        let place = run.things.place(run, &self.tenant).await?;
        let job = jobs::describe(&run.mender, by, &place, id).await?;
        let state = rollout_state(&job.status).to_owned();
        let aborted_by = (state == "aborted").then(|| job.reason.unwrap_or_else(|| "threshold".to_owned()));
        Ok(State { state, aborted_by })
    }

    /// Ends it before its time. The platform's no is the inner error.
    pub(crate) async fn abort(
        &self,
        run: &Run,
        by: &Session,
        id: &str,
    ) -> Result<std::result::Result<(), DialectError>> {
        if self.speaks == Protocol::Mender {
            return Ok(run.mender.abort(by, id).await);
        }
        let place = run.things.place(run, &self.tenant).await?;
        Ok(jobs::cancel(&run.mender, by, &place, id, BY_USER).await)
    }
}
