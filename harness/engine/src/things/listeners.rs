//! Who hears what devices publish: an application of their tenant, in the tenant's account. What it received is one end of
//! the delivery ledger; what the devices say they sent is the other.
//!
//! A broker sends a client so many messages a second and drops what is beyond that, so an application has as many
//! connections as its devices need. It keeps its session: what comes while it is away waits for it.

use super::{Things, broken};
use crate::kept::Kept;
use crate::run::{Result, Run, Stop};
use crate::shared::Shared;
use fleetproof_devices::mqtt::Message;
use fleetproof_dialects::aws::client::{Client, ClientError, Connect, Dial, Subscription, Version, at_least_once};
use fleetproof_dialects::aws::{Introduced, Place, application};
use fleetproof_journal::What;
use fleetproof_world::World;
use fleetproof_world::tls::{Identity, TlsClient};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Subscriptions of one connection at the most (AWS IoT Core's quota).
const SUBSCRIPTIONS: usize = 50;

/// Messages that come over one connection in a second at the most: well below AWS IoT Core's quota of 100.
const RATE: f64 = 60.0;

/// Filters of one SUBSCRIBE at the most.
const FILTERS: usize = 8;

/// Seconds that a session outlives its connection.
const SESSION: u32 = 3_600;

/// How long until it dials again.
const AGAIN: Duration = Duration::from_secs(1);

/// The applications of a run.
#[derive(Default)]
pub(crate) struct Listeners {
    /// By endpoint: what the application there shows, and how many connections it has.
    applications: Kept<BTreeMap<String, Application>>,
    /// Endpoint and device: heard already.
    heard: Kept<BTreeSet<(String, u32)>>,
    /// Connections for one purpose so far: a client may not connect twice in a second.
    dials: Kept<u64>,
}

/// The application of a tenant in one region.
#[derive(Clone)]
struct Application {
    tenant: String,
    shows: Introduced,
    connections: u64,
}

impl Listeners {
    /// Sees to it that the application of `tenant` hears these devices, as far as they publish.
    pub(crate) async fn hear(&self, run: &Run, tenant: &str, devices: &[u32]) -> Result<()> {
        let new: Vec<u32> = devices
            .iter()
            .copied()
            .filter(|device| run.planned(*device).is_ok_and(|planned| planned.publishes.is_some()))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let place = run.things.place(run, tenant).await?;
        let is_new = |device: &u32| !self.heard.contains(&(place.endpoint.clone(), *device));
        let new: Vec<u32> = new.into_iter().filter(is_new).collect();
        let mut rest = &new[..];
        while !rest.is_empty() {
            let (these, others) = rest.split_at(fitting(run, rest));
            self.open(run, tenant, &place, these).await?;
            these.iter().for_each(|device| self.heard.insert((place.endpoint.clone(), *device)));
            rest = others;
        }
        Ok(())
    }

    /// How many connections the application of `tenant` has had.
    pub(crate) fn connections(&self, tenant: &str) -> u64 {
        self.applications.read(|all| all.values().filter(|one| one.tenant == tenant).map(|one| one.connections).sum())
    }

    /// As whom, and where, an application of `tenant` connects.
    pub(crate) async fn dial(&self, run: &Run, tenant: &str, name: &str) -> Result<Dial> {
        let place = run.things.place(run, tenant).await?;
        let made = self.introduced(run, tenant, &place).await?;
        dial(&run.things, &made, name, &place.endpoint, &run.world)
    }

    /// The application of a tenant, connected once more: `what_for` stands in its name.
    pub(crate) async fn client(&self, run: &Run, tenant: &str, what_for: &str) -> Result<Client> {
        let number = self.dials.change(|dials| {
            *dials += 1;
            *dials
        });
        let name = format!("{tenant}-{what_for}-{number}");
        let dial = self.dial(run, tenant, &name).await?;
        let client = Client::connect(&run.world, &dial, &name).await;
        client.map_err(|error| Stop::Failed(format!("the application of `{tenant}` does not get in: {error}")))
    }

    /// The application of a tenant in any of its regions, connected once more; what came of it is handed out.
    pub(crate) async fn client_at(
        &self,
        run: &Run,
        tenant: &str,
        place: &Place,
        what_for: &str,
    ) -> Result<std::result::Result<Client, ClientError>> {
        let number = self.dials.change(|dials| {
            *dials += 1;
            *dials
        });
        let name = format!("{tenant}-{what_for}-{number}");
        let made = self.introduced(run, tenant, place).await?;
        let dial = dial(&run.things, &made, &name, &place.endpoint, &run.world)?;
        Ok(Client::connect(&run.world, &dial, &name).await)
    }

    /// What the application of `tenant` shows; it is made known where it is not yet.
    async fn introduced(&self, run: &Run, tenant: &str, place: &Place) -> Result<Introduced> {
        if let Some(known) = self.applications.get(&place.endpoint) {
            return Ok(known.shows);
        }
        let admin = run.people.admin(tenant).await?;
        let shows = application(&run.mender, &admin, &place.region, &format!("{tenant}-application")).await?;
        run.shared.declare_secret(shows.key.reveal());
        let known = Application { tenant: tenant.to_owned(), shows: shows.clone(), connections: 0 };
        self.applications.insert(place.endpoint.clone(), known);
        Ok(shows)
    }

    async fn open(&self, run: &Run, tenant: &str, place: &Place, devices: &[u32]) -> Result<()> {
        let made = self.introduced(run, tenant, place).await?;
        let number = self.applications.change(|all| {
            let known = all.get_mut(&place.endpoint)?;
            known.connections += 1;
            Some(known.connections)
        });
        let name = format!("{tenant}-application-{}-{}", place.region, number.unwrap_or_default());
        let listener = Listener {
            world: run.world.clone(),
            shared: run.shared.clone(),
            dial: dial(&run.things, &made, &name, &place.endpoint, &run.world)?,
            client: name,
            tenant: tenant.into(),
            by_topic: devices.iter().filter_map(|device| Some((own_topic(run, *device)?, *device))).collect(),
        };
        let client = listener.connect().await;
        let client =
            client.map_err(|error| Stop::Failed(format!("the application of `{tenant}` does not get in: {error}")))?;
        run.fleet.spawn(listener.listen(client));
        Ok(())
    }
}

/// As whom an application connects.
fn dial(things: &Things, made: &Introduced, name: &str, host: &str, world: &World) -> Result<Dial> {
    let (door, trusted) = things.door()?;
    let identity = Identity::from_pem(&made.certificate, made.key.reveal()).map_err(broken)?;
    let tls = TlsClient::trusting(&trusted, &world.clock).map_err(broken)?.presenting(&identity).map_err(broken)?;
    Ok(Dial { from: name.into(), door, host: host.to_owned(), tls })
}

/// Where a device says what it says by itself.
fn own_topic(run: &Run, device: u32) -> Option<String> {
    let (planned, shown) = (run.planned(device).ok()?, run.things.identities.of(run, device).ok()?);
    Some(format!("app/{}/{}", shown.name, planned.publishes.as_ref()?.topic))
}

/// How many of the first of these devices one connection can hear.
fn fitting(run: &Run, devices: &[u32]) -> usize {
    let mut rate = 0.0;
    let fits = devices.iter().take(SUBSCRIPTIONS).take_while(|device| {
        let every = run.planned(**device).ok().and_then(|planned| planned.publishes.as_ref()).map(|it| it.every);
        rate += every.map_or(0.0, |every| 1.0 / every.as_secs_f64().max(0.001));
        rate <= RATE
    });
    fits.count().max(1)
}

/// One connection of an application.
struct Listener {
    world: World,
    shared: Shared,
    dial: Dial,
    client: String,
    tenant: Arc<str>,
    /// Where each device says what it says by itself. What it says beside that is not for this application.
    by_topic: BTreeMap<String, u32>,
}

impl Listener {
    /// Connects, and subscribes to all of its devices where the server has not kept that.
    async fn connect(&self) -> std::result::Result<Client, ClientError> {
        let mut connect = Connect::new(Version::V5, &self.client);
        (connect.clean_start, connect.session_expiry, connect.keep_alive) = (false, Some(SESSION), 60);
        let (mut client, answer) = Client::connect_as(&self.world, &self.dial, connect).await?;
        if answer.session_present {
            return Ok(client);
        }
        let filters: Vec<Subscription> = self.by_topic.keys().map(|topic| at_least_once(topic)).collect();
        for filters in filters.chunks(FILTERS) {
            let codes = client.subscribe(filters.to_vec()).await?;
            if let Some(code) = codes.iter().find(|code| **code >= 0x80) {
                return Err(ClientError::Lost(format!("a subscription was refused with 0x{code:02X}")));
            }
        }
        Ok(client)
    }

    /// Takes note of everything that comes, over as many connections as that takes.
    async fn listen(self, mut client: Client) {
        loop {
            let why = loop {
                match client.message(self.shared.now().after(Duration::from_secs(3_600))).await {
                    Ok(Some(publish)) => self.take(&publish.topic, &publish.payload),
                    Ok(None) => {}
                    Err(error) => break error,
                }
            };
            self.told(&format!("is out: {why}"));
            client = loop {
                self.world.clock.sleep(AGAIN).await;
                match self.connect().await {
                    Ok(client) => break client,
                    Err(why) => self.told(&format!("does not get in: {why}")),
                }
            };
            self.told("is in again");
        }
    }

    fn told(&self, what: &str) {
        self.shared.emit("application", None, What::Note { text: format!("`{}` {what}", self.client) });
    }

    fn take(&self, topic: &str, payload: &[u8]) {
        let thing = topic.split('/').nth(1).unwrap_or_default();
        let number = Message::read(payload).filter(|message| &*message.device == thing).map(|message| message.number);
        // Anything else is nothing that a device says: an attempt of somebody's, which is judged where it was made.
        if let (Some(device), Some(number)) = (self.by_topic.get(topic), number) {
            self.shared.arrived(&self.tenant, *device, number);
        }
    }
}
