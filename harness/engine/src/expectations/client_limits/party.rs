//! Who takes part in a trial: clients of the tenant, the application that hears them, and a neighbour who goes on.

use super::{Interrupted, Tried, rest, turned_away};
use crate::run::{Result, Run, Stop};
use bytes::Bytes;
use fleetproof_dialects::aws::client::{Client, ClientError, Connect, Dial, Qos, Version, at_least_once};
use fleetproof_dialects::mender::ClientLimit;
use fleetproof_world::World;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long nothing comes until all has come.
const QUIET: Duration = Duration::from_secs(3);

/// What a device says when it comes in, as a broker counts it: it asks for its next job, and reports its shadow, which counts four.
const COMES_IN: u64 = 5;

/// How often the neighbour speaks before and after.
const SPEAKS: u64 = 20;

/// Ears of the application: each gets a part of what is said, so that none gets more than a connection carries.
const EARS: u64 = 4;

/// A tenant, as somebody who may do everything in its account.
pub(super) struct Party {
    dial: Dial,
    world: World,
}

impl Party {
    /// Connects as one of its clients, with a clean session, or with one that lasts.
    pub(super) fn connect(
        &self,
        client: &str,
        lasts: Option<u32>,
    ) -> impl Future<Output = std::result::Result<(Client, bool, Option<u32>), ClientError>> + Send + 'static + use<>
    {
        let mut connect = Connect::new(Version::V5, client);
        (connect.clean_start, connect.session_expiry, connect.keep_alive) = (lasts.is_none(), lasts, 600);
        let (world, dial) = (self.world.clone(), Dial { from: client.into(), ..self.dial.clone() });
        async move {
            let (client, answer) = Client::connect_as(&world, &dial, connect).await?;
            Ok((client, answer.session_present, answer.properties.session_expiry))
        }
    }
}

/// Everything that a trial needs.
pub(super) struct Bench<'r> {
    pub(super) run: &'r Run,
    tenant: String,
    pub(super) subject: Party,
    neighbour: Neighbour,
    /// What the platform says of the limits, as far as it was asked.
    told: BTreeMap<ClientLimit, Option<u64>>,
    /// The name of this trial: topics and clients begin with it.
    pub(super) name: String,
    clients: u64,
    /// Clients of the trial that are connected beside devices.
    pub(super) connected: u64,
    ears: Vec<Client>,
}

/// A client of another tenant that speaks, and one that hears it.
struct Neighbour {
    tenant: String,
    party: Party,
    speaks: Client,
    hears: Client,
    said: u64,
    heard: u64,
    topic: String,
    /// What it was refused, or lost.
    paid: Vec<String>,
}

impl<'r> Bench<'r> {
    pub(super) async fn open(run: &'r Run, tenant: &str, neighbour: &str) -> Result<Self> {
        let name = format!("quota-{}", run.shared.now().micros());
        let party = async |tenant: &str| -> Result<Party> {
            let dial = run.listeners.dial(run, tenant, &name).await?;
            Ok(Party { dial, world: run.world.clone() })
        };
        let (subject, other) = (party(tenant).await?, party(neighbour).await?);
        let lost =
            |error: ClientError| Stop::Inconclusive(format!("a client of `{neighbour}` does not get in: {error}"));
        // By names that clients of the subject have too: they are others in another account.
        let (speaks, ..) = other.connect(&format!("{name}-1"), None).await.map_err(lost)?;
        let (mut hears, ..) = other.connect(&format!("{name}-2"), None).await.map_err(lost)?;
        let topic = format!("{name}/n");
        let codes = hears.subscribe(vec![at_least_once(&topic)]).await.map_err(lost)?;
        if codes.iter().any(|code| *code >= 0x80) {
            return Err(Stop::Inconclusive(format!("a client of `{neighbour}` may not subscribe: {codes:?}")));
        }
        let neighbour = Neighbour {
            tenant: neighbour.to_owned(),
            party: other,
            speaks,
            hears,
            said: 0,
            heard: 0,
            topic,
            paid: Vec::new(),
        };
        Ok(Self {
            run,
            tenant: tenant.to_owned(),
            subject,
            neighbour,
            told: BTreeMap::new(),
            name,
            clients: 0,
            connected: 0,
            ears: Vec::new(),
        })
    }

    /// Whose limits are tried.
    pub(super) fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Who goes on meanwhile.
    pub(super) fn neighbour(&self) -> &str {
        &self.neighbour.tenant
    }

    /// What the platform says that a limit is.
    pub(super) async fn told(&mut self, limit: ClientLimit) -> Result<Option<u64>> {
        if let Some(told) = self.told.get(&limit) {
            return Ok(*told);
        }
        let at = self.run.tenant(&self.tenant)?;
        let told = self.run.mender.client_limit(&at.id, limit).await?;
        self.told.insert(limit, told);
        Ok(told)
    }

    /// The same, where it is only to be kept away from.
    pub(super) async fn other(&mut self, limit: ClientLimit) -> Tried<u64> {
        Ok(self.told(limit).await?.unwrap_or(u64::MAX))
    }

    /// The name of a client that was not there before.
    pub(super) fn new_name(&mut self) -> String {
        self.clients += 1;
        format!("{}-{}", self.name, self.clients)
    }

    /// A client of the subject, that has every right to be there.
    pub(super) async fn client(&mut self, who: &'static str) -> Tried<Client> {
        let rate = self.other(ClientLimit::Connects).await?;
        if rate < 100 {
            rest(self.run, Duration::from_micros(1_000_000 / rate.max(1) + 1_000)).await?;
        }
        let name = self.new_name();
        let (client, ..) = self.subject.connect(&name, None).await.map_err(turned_away(who))?;
        self.connected += 1;
        Ok(client)
    }

    /// A client of the subject goes.
    pub(super) async fn gone(&mut self, client: Client) {
        client.leave().await;
        self.connected = self.connected.saturating_sub(1);
    }

    /// The application begins to hear what is said below the trial's name, or, with `all`, whatever is said.
    pub(super) async fn listens(&mut self, all: bool) -> Tried<()> {
        for number in 0..if all { 1 } else { EARS } {
            let mut ear = self.client("the application").await?;
            let filter = if all { "#".to_owned() } else { format!("{}/{number}/#", self.name) };
            let codes = ear.subscribe(vec![at_least_once(&filter)]).await.map_err(turned_away("the application"))?;
            if codes.iter().any(|code| *code >= 0x80) {
                return Err(Interrupted::Stop(Stop::Inconclusive(format!("the application hears nothing: {codes:?}"))));
            }
            self.ears.push(ear);
        }
        Ok(())
    }

    /// Where message `number` is said, so that one of the ears hears it.
    pub(super) fn topic(&self, number: u64) -> String {
        format!("{}/{}/m", self.name, number % EARS)
    }

    /// A message, and where it is said.
    pub(super) fn message(&self, number: u64) -> (String, Bytes) {
        (self.topic(number), self.says(number))
    }

    /// What message `number` says.
    pub(super) fn says(&self, number: u64) -> Bytes {
        format!("{} {number}", self.name).into()
    }

    /// All that the application has heard by now, each message by its number, with its bytes, as often as it came.
    pub(super) async fn heard(&mut self) -> Tried<Vec<(u64, usize)>> {
        let mut heard = Vec::new();
        for ear in &mut self.ears {
            heard.extend(all_of(self.run, &self.name, ear).await.map_err(turned_away("the application"))?);
        }
        heard.sort_unstable();
        Ok(heard)
    }

    /// The same through one client.
    pub(super) async fn heard_by(&self, client: &mut Client) -> Tried<Vec<u64>> {
        let heard = all_of(self.run, &self.name, client).await.map_err(turned_away("the subscriber"))?;
        Ok(heard.into_iter().map(|(number, _)| number).collect())
    }

    /// Messages that the tenant's devices said so far, with those that each says when it comes in, and connections that they
    /// made.
    pub(super) fn own(&self) -> (u64, u64) {
        self.run.shared.record(|record| {
            let of_tenant = |device: &u32| self.run.tenant_of(*device) == self.tenant;
            let said: u64 = record.messages.iter().filter(|(device, _)| of_tenant(device)).map(|(_, it)| it.said).sum();
            let indices = 0_u32..;
            let connects: u64 =
                indices.zip(&record.devices).filter(|(device, _)| of_tenant(device)).map(|(_, it)| it.connects).sum();
            (said + connects * COMES_IN, connects)
        })
    }

    /// Connections of the tenant: of its devices, its application's, and those of the trial.
    pub(super) fn all_connected(&self) -> u64 {
        let devices = self.run.shared.record(|record| {
            let indices = 0_u32..;
            let of_tenant = |device: u32| self.run.tenant_of(device) == self.tenant;
            indices.zip(&record.devices).filter(|(device, it)| it.connected && of_tenant(*device)).count()
        });
        devices as u64 + self.run.listeners.connections(&self.tenant) + self.connected
    }

    /// The neighbour says as much as it likes.
    pub(super) async fn neighbour_speaks(&mut self) {
        if let Err(why) = self.neighbour.speak(SPEAKS).await {
            self.neighbour.paid.push(why);
        }
    }

    /// What the neighbour lost, or was refused, by all this.
    pub(super) async fn what_the_neighbour_paid(&mut self) -> Result<Vec<String>> {
        let (run, number) = (self.run, self.clients + 10);
        let neighbour = &mut self.neighbour;
        let tenant = neighbour.tenant.clone();
        let mut paid = std::mem::take(&mut neighbour.paid);
        if paid.is_empty()
            && let Err(why) = neighbour.speak(SPEAKS).await
        {
            paid.push(why);
        }
        match neighbour.party.connect(&format!("{}-{number}-n", self.name), None).await {
            Ok((client, ..)) => client.leave().await,
            Err(error) => paid.push(format!("`{tenant}` paid for it: a client does not get in: {error}")),
        }
        match all_of(run, &self.name, &mut neighbour.hears).await {
            Ok(heard) => neighbour.heard = heard.len() as u64,
            Err(error) => paid.push(format!("`{tenant}` paid for it: its application is out: {error}")),
        }
        if paid.is_empty() && neighbour.heard != neighbour.said {
            paid.push(format!(
                "`{tenant}` paid for it: {} of its {} messages arrived",
                neighbour.heard, neighbour.said
            ));
        }
        Ok(paid)
    }

    /// What the neighbour did meanwhile.
    pub(super) fn neighbours_story(&self) -> String {
        let Neighbour { tenant, said, heard, .. } = &self.neighbour;
        format!("meanwhile `{tenant}` said {said} messages, {heard} arrived")
    }

    /// Everybody goes.
    pub(super) async fn close(self) {
        for ear in self.ears {
            ear.leave().await;
        }
        self.neighbour.speaks.leave().await;
        self.neighbour.hears.leave().await;
    }
}

impl Neighbour {
    async fn speak(&mut self, messages: u64) -> std::result::Result<(), String> {
        let prefix = self.topic.trim_end_matches("/n").to_owned();
        let messages: Vec<(String, Bytes)> = (self.said..self.said + messages)
            .map(|number| (self.topic.clone(), Bytes::from(format!("{prefix} {number}"))))
            .collect();
        self.said += messages.len() as u64;
        let codes = self.speaks.publish_all(&messages, Qos::AtLeastOnce).await;
        let tenant = &self.tenant;
        let codes = codes.map_err(|error| format!("`{tenant}` paid for it: its client is out: {error}"))?;
        match codes.iter().find(|code| **code != Some(0)) {
            None => Ok(()),
            Some(code) => Err(format!("`{tenant}` paid for it: a message was answered {code:02X?}")),
        }
    }
}

/// Messages of a trial that a client has got or gets until nothing comes any more.
async fn all_of(run: &Run, name: &str, client: &mut Client) -> std::result::Result<Vec<(u64, usize)>, ClientError> {
    let mut heard = Vec::new();
    // What others say meanwhile is no reason to wait longer.
    let mut until = run.shared.now().after(QUIET);
    while let Some(publish) = client.message(until.min(run.budget())).await? {
        let text = String::from_utf8_lossy(&publish.payload);
        let number =
            text.strip_prefix(name).and_then(|rest| rest.split_whitespace().next()).and_then(|it| it.parse().ok());
        if let Some(number) = number {
            heard.push((number, publish.payload.len()));
            until = run.shared.now().after(QUIET);
        }
    }
    Ok(heard)
}
