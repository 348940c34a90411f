//! One run of one scenario: what is known while it lasts.

use crate::accounts::Accounts;
use crate::fleet::Fleet;
use crate::kept::Kept;
use crate::people::{People, PeopleError};
use crate::rollouts::Whose;
use crate::shared::Shared;
use crate::steps::Subscribed;
use crate::strain::load;
use crate::strain::meter::Measurement;
use crate::taps::Taps;
use crate::texts::Own;
use crate::things;
use crate::things::Things;
use crate::things::listeners::Listeners;
use crate::things::lobby::LobbyDesk;
use fleetproof_claims::rollout::{Rules, When};
use fleetproof_dialects::DialectError;
use fleetproof_dialects::mender::{ClientLimit, Mender, Session, TenantRef};
use fleetproof_journal::{Place, Verdict};
use fleetproof_language::{Located, Rate, Sources, Span};
use fleetproof_plan::{Plan, PlannedDevice};
use fleetproof_stacks::{Calls, Stores};
use fleetproof_world::{Stamp, World};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Everything that steps and claims work with. The dispatcher owns it; steps, and branches that run side by side, share
/// it, so what they take note of is [`Kept`].
pub(crate) struct Run {
    pub(crate) plan: Arc<Plan>,
    pub(crate) sources: Arc<Sources>,
    pub(crate) world: World,
    pub(crate) shared: Shared,
    pub(crate) mender: Mender,
    pub(crate) people: People,
    pub(crate) fleet: Fleet,
    /// Its devices that speak MQTT.
    pub(crate) things: Things,
    /// Who hears what they publish.
    pub(crate) listeners: Listeners,
    /// The accounts that an organisation makes of tenants, where the scenario has one.
    pub(crate) accounts: Accounts,
    /// The lobby, where the scenario has one.
    pub(crate) lobby: LobbyDesk,
    /// What the platform calls each device, once it knows it.
    pub(crate) ids: Kept<Vec<Option<String>>>,
    /// Devices that the platform let in and has not let go, by tenant: the ledger of counts.
    pub(crate) accepted: Kept<BTreeMap<String, BTreeSet<u32>>>,
    /// Limits as the harness set them, by tenant.
    pub(crate) limits: Kept<BTreeMap<String, i64>>,
    /// How often the people of a tenant may call, as the harness set it.
    pub(crate) call_rates: Kept<BTreeMap<String, Rate>>,
    /// How much the clients of a tenant may, as the harness set it.
    pub(crate) client_limits: Kept<BTreeMap<String, BTreeMap<ClientLimit, u64>>>,
    /// How many bytes of artifacts a tenant may keep, as the harness set it.
    pub(crate) storage_limits: Kept<BTreeMap<String, u64>>,
    /// What devices subscribed to in steps of the scenario, by name.
    pub(crate) subscriptions: Kept<BTreeMap<String, Subscribed>>,
    /// Topics where steps of the scenario left a message, by tenant.
    pub(crate) retained: Kept<BTreeSet<(String, String)>>,
    /// What was measured, by name.
    pub(crate) measured: Kept<BTreeMap<String, Measurement>>,
    /// The loads that were on.
    pub(crate) loads: Kept<Vec<load::Record>>,
    /// Deployments by the scenario's name.
    pub(crate) deployments: Kept<BTreeMap<String, Deployed>>,
    /// What the platform calls the artifacts that are on it, by tenant and scenario name.
    pub(crate) uploaded: Kept<BTreeMap<(String, String), String>>,
    /// What each decommissioned device was on the platform before.
    pub(crate) gone: Kept<BTreeMap<u32, Vec<Gone>>>,
    /// Devices that were turned down, or whose tenant is suspended or removed.
    pub(crate) barred: Kept<BTreeMap<u32, Barred>>,
    /// What each removed tenant was on the platform before.
    pub(crate) removed: Kept<BTreeMap<String, Removed>>,
    /// Verbs that somebody entitled carried out in this run: the controls of refusals.
    pub(crate) carried_out: Kept<BTreeSet<&'static str>>,
    /// Refusals whose control has not been seen yet: verb and where it stands.
    pub(crate) uncontrolled: Kept<Vec<(&'static str, Span)>>,
    /// What the platform keeps, seen from within.
    pub(crate) stores: Stores,
    /// Its calls that can be made to fail.
    pub(crate) calls: Calls,
    /// The taps on devices that are interrupted.
    pub(crate) taps: Taps,
    /// What the scenario's own requests and texts hold.
    pub(crate) own: Own,
    /// When the scenario's time is used up.
    pub(crate) budget_ends: Cell<Stamp>,
    /// Cancelled by a signal or the watchdog.
    pub(crate) stop: CancellationToken,
}

/// A deployment of the scenario: one on the platform for each tenant.
#[derive(Clone, Debug)]
pub(crate) struct Deployed {
    /// Whose part → the platform's id.
    pub(crate) ids: BTreeMap<Whose, String>,
    /// The devices that it is meant for.
    pub(crate) devices: Arc<BTreeSet<u32>>,
    /// What it brings, by the scenario's name.
    pub(crate) artifact: String,
    /// How fast it shall go round, and when it shall stop.
    pub(crate) rules: Arc<Rules>,
    /// What was done to each part of it.
    pub(crate) paces: BTreeMap<Whose, Pace>,
    /// When it was aborted.
    pub(crate) aborted: Option<Stamp>,
    /// The number of the event that says it was aborted.
    pub(crate) abort_seq: Option<u64>,
    /// What every device of the population ran then.
    pub(crate) ran: Arc<[String]>,
    /// The number of the event that says it was made.
    pub(crate) seq: u64,
}

/// What was done to a deployment in one tenant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace {
    /// When it was made.
    pub(crate) made: When,
    /// How many of its devices were in then.
    pub(crate) first: u64,
    /// When it was paused, and when it went on.
    pub(crate) pauses: Vec<(When, Option<When>)>,
    /// When it was aborted.
    pub(crate) stopped: Option<When>,
}

/// A device that was decommissioned, and what was seen of it before.
#[derive(Clone, Debug)]
pub(crate) struct Gone {
    /// The tenant that let it go.
    pub(crate) tenant: String,
    /// What the platform called it.
    pub(crate) id: String,
    /// Look-ups that found it before.
    pub(crate) found: BTreeSet<&'static str>,
    /// The event of its removal.
    pub(crate) seq: u64,
}

/// Since when a device may not be let in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Barred {
    /// When the platform said so.
    pub(crate) since: Stamp,
    /// The event.
    pub(crate) seq: u64,
}

/// A tenant that was removed, and what was seen of it before.
#[derive(Clone, Debug)]
pub(crate) struct Removed {
    /// What the platform called it.
    pub(crate) at: TenantRef,
    /// Its first admin, who got in.
    pub(crate) admin: String,
    /// The devices that were in.
    pub(crate) devices: BTreeSet<u32>,
    /// A link under which a file of it was downloaded, and who followed it.
    pub(crate) link: Option<(String, Session)>,
    /// When it was removed.
    pub(crate) since: Stamp,
    /// The event.
    pub(crate) seq: u64,
}

/// Why a step or a claim could not go on. What a platform does wrong is evidence, not a stop.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The platform did not do what a preparation needs.
    Failed(String),
    /// The surroundings failed.
    Broken(String),
    /// The evidence is not enough.
    Inconclusive(String),
    /// A signal.
    Interrupted,
}

impl Stop {
    /// The verdict of the step that stopped.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Failed(_) => Verdict::Failed,
            Self::Broken(_) => Verdict::Broken,
            Self::Inconclusive(_) => Verdict::Inconclusive,
            Self::Interrupted => Verdict::Interrupted,
        }
    }

    /// What it says.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Failed(reason) | Self::Broken(reason) | Self::Inconclusive(reason) => reason.clone(),
            Self::Interrupted => "stopped by a signal".to_owned(),
        }
    }
}

impl From<DialectError> for Stop {
    fn from(error: DialectError) -> Self {
        match &error {
            DialectError::Unreachable { .. } => Self::Broken(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<PeopleError> for Stop {
    fn from(error: PeopleError) -> Self {
        match error {
            PeopleError::Dialect(error) => error.into(),
            PeopleError::NoTenant(_) => Self::Failed(error.to_string()),
        }
    }
}

/// How long it is until the next look.
const GLANCE: Duration = Duration::from_millis(250);

/// What a step or claim gives back.
pub(crate) type Result<T> = std::result::Result<T, Stop>;

/// The place in the files of something that stands there.
pub(crate) fn place(sources: &Sources, span: Span) -> Option<Place> {
    let at = sources.place(span)?;
    Some(Place { file: at.file, line: at.line, column: at.column, length: at.length, text: at.text })
}

impl Run {
    /// The place in the file of something that stands there.
    pub(crate) fn place(&self, span: Span) -> Option<Place> {
        place(&self.sources, span)
    }

    /// When the scenario's time is used up.
    pub(crate) fn budget(&self) -> Stamp {
        self.budget_ends.get()
    }

    /// The scenario's time begins now.
    pub(crate) fn begin(&self) {
        self.budget_ends.set(self.shared.now().after(self.plan.scenario.budget()));
    }

    /// The moment `within` from now, but never after the budget.
    pub(crate) fn deadline(&self, within: Duration) -> Stamp {
        self.shared.now().after(within).min(self.budget())
    }

    /// The time from `from` until now.
    pub(crate) fn since(&self, from: Stamp) -> When {
        When { from: from.micros(), to: self.shared.now().micros() }
    }

    /// The devices that the names stand for.
    pub(crate) fn devices(&self, names: &[Located<String>]) -> Vec<u32> {
        self.plan.population.members(names)
    }

    /// A device as it was planned.
    pub(crate) fn planned(&self, device: u32) -> Result<&PlannedDevice> {
        let planned = self.plan.population.devices.get(device as usize);
        planned.ok_or_else(|| Stop::Broken(format!("there is no device {device}")))
    }

    /// The tenant that a device belongs to; `none`: it waits in the lobby.
    pub(crate) fn tenant_of(&self, device: u32) -> String {
        let planned = || self.plan.population.devices.get(device as usize).map(|device| device.tenant.clone());
        self.lobby.owner(device).or_else(planned).unwrap_or_default()
    }

    /// Devices by their tenant, both in order.
    pub(crate) fn by_tenant(&self, devices: &[u32]) -> BTreeMap<String, Vec<u32>> {
        let mut by_tenant: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for device in devices {
            by_tenant.entry(self.tenant_of(*device)).or_default().push(*device);
        }
        by_tenant
    }

    /// A device's name.
    pub(crate) fn name_of(&self, device: u32) -> String {
        self.shared.device_name(device).to_string()
    }

    /// What the platform calls a device.
    pub(crate) fn id_of(&self, device: u32) -> Option<String> {
        self.ids.read(|ids| ids.get(device as usize).cloned().flatten())
    }

    /// Takes note of what the platform calls a device; `None`: it knows it no longer.
    pub(crate) fn call(&self, device: u32, id: Option<String>) {
        self.ids.change(|ids| {
            if let Some(known) = ids.get_mut(device as usize) {
                *known = id;
            }
        });
    }

    /// The platform let a device of `tenant` in.
    pub(crate) fn let_in(&self, tenant: &str, device: u32) {
        self.accepted.change(|accepted| accepted.entry(tenant.to_owned()).or_default().insert(device));
    }

    /// The platform let a device of `tenant` go.
    pub(crate) fn let_go(&self, tenant: &str, device: u32) {
        self.accepted.change(|accepted| accepted.entry(tenant.to_owned()).or_default().remove(&device));
    }

    /// The devices of `tenant` that are in, of those that it accepted.
    pub(crate) fn inside(&self, tenant: &str) -> BTreeSet<u32> {
        self.accepted.get(tenant).unwrap_or_default()
    }

    /// The devices of `tenant` that are in, whatever they speak.
    pub(crate) fn all_inside(&self, tenant: &str) -> BTreeSet<u32> {
        self.inside(tenant).into_iter().chain(self.things.inside(self, tenant)).collect()
    }

    /// The tenants of the scenario that are there and let somebody in.
    pub(crate) fn open_accounts(&self) -> Vec<String> {
        let declared = &self.plan.scenario.platform.tenants;
        let open = self.people.open_tenants().into_iter().map(|tenant| tenant.at.name.to_string());
        open.filter(|name| declared.get(name).is_some()).collect()
    }

    /// A tenant that is there.
    pub(crate) fn tenant(&self, name: &str) -> Result<TenantRef> {
        let tenant =
            self.people.tenant(name).ok_or_else(|| Stop::Failed(format!("`{name}` is not on the platform")))?;
        Ok(tenant.at)
    }

    /// Asks those of these devices that speak MQTT, and had no round trip since `began`, for a sign of life: they have none
    /// to give by themselves.
    pub(crate) fn ask_for_signs<'d>(&self, devices: impl IntoIterator<Item = &'d u32>, began: Stamp) {
        let things = devices.into_iter().copied().filter(|device| things::is_thing(self, *device));
        let silent: Vec<u32> = self.shared.record(|record| {
            things
                .filter(|device| record.devices[*device as usize].served.is_none_or(|served| served < began))
                .collect()
        });
        silent.into_iter().for_each(|device| self.fleet.ping(device));
    }

    /// The provider's name among tenants, when the scenario has one.
    pub(crate) const PROVIDER: &'static str = "provider";

    /// Waits until a device does something, or a moment; an interruption ends it.
    pub(crate) async fn breathe(&self, deadline: Stamp) -> Result<()> {
        let until = self.shared.now().after(GLANCE).min(deadline);
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Stop::Interrupted),
            () = self.shared.changed(until) => Ok(()),
        }
    }

    /// Waits until then; an interruption ends it.
    pub(crate) async fn pause_until(&self, then: Stamp) -> Result<()> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Stop::Interrupted),
            () = self.world.clock.sleep_until(then) => Ok(()),
        }
    }

    /// Waits a moment, whatever devices do meanwhile: between looks that ask the platform.
    pub(crate) async fn glance(&self, deadline: Stamp) -> Result<()> {
        self.pause_until(self.shared.now().after(GLANCE).min(deadline)).await
    }
}
