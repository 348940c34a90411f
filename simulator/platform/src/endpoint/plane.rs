//! The broker, and what it has to know: which accounts there are, and which certificates may do what.

use super::limits;
use super::worker::{self, Addressee, Work};
use crate::jobs;
use crate::lobby;
use crate::platform::{Platform, PlatformError};
use crate::registry::{Change, Endpoint, Principal, PrincipalThing};
use bytes::Bytes;
use fleetproof_dataplane::broker::{self, AccountId, Broker, ConnectionId, Notice, Outcome, Quotas, Reason, Status};
use fleetproof_dataplane::policy::{Document, Home, Policies};
use fleetproof_wire::mqtt::Qos;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Requests to the services of one account in a region that wait for their turn. What comes beyond is not done.
const WAITING: usize = 1_000;

/// Who is where: the tenant's id and the region.
type Place = (String, String);

/// The data plane of a platform.
#[derive(Debug, Default)]
pub(crate) struct DataPlane {
    state: Mutex<State>,
    /// Something is due sooner than whoever waits for it knows, or there is somebody to work for.
    stirred: Notify,
    /// Who looks something up and tells the broker does so alone, so that what is told last is what was read last.
    telling: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    broker: Broker,
    seats: BTreeMap<Place, Seat>,
    places: BTreeMap<AccountId, Place>,
    connections: BTreeMap<ConnectionId, Arc<Signal>>,
    last_connection: u64,
    /// Accounts that nobody works for yet.
    idle: Vec<(Endpoint, AccountId, Receiver<Work>)>,
    /// When whoever keeps time wakes up.
    waits_until: Option<u64>,
}

/// An account in a region.
#[derive(Debug)]
struct Seat {
    id: AccountId,
    /// The certificates that the broker was told of.
    known: BTreeSet<String>,
    work: Sender<Work>,
}

/// What a connection's task waits for beside its client.
#[derive(Debug, Default)]
pub(super) struct Signal {
    came: Notify,
    is_told: AtomicBool,
    is_closed: AtomicBool,
}

impl Signal {
    /// Waits until there is something to send, or the connection is to be closed.
    pub(super) async fn wait(&self) {
        self.came.notified().await;
        self.is_told.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    fn tell(&self) {
        if !self.is_told.swap(true, Ordering::Relaxed) {
            self.came.notify_one();
        }
    }
}

impl DataPlane {
    /// A data plane without accounts, whose broker has this defect or none.
    pub(crate) fn new(defect: Option<broker::Defect>) -> Self {
        let plane = Self::default();
        plane.state().broker = Broker::new(defect);
        plane
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The broker's calls do not stop half-way: whoever panicked did so with what it got from one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the broker, with the time in µs since 1970, and passes on what came of it.
    pub(crate) fn with<T>(&self, app: &Platform, call: impl FnOnce(&mut Broker, u64) -> T) -> T {
        let now = app.now_ms() * 1_000;
        let mut state = self.state();
        let result = call(&mut state.broker, now);
        let is_sooner = state.pass_on();
        drop(state);
        if is_sooner {
            self.stirred.notify_one();
        }
        result
    }

    /// Says something to whoever listens in an account and region. Where no client ever was nobody listens; what the
    /// account's quotas do not allow any more is not said.
    pub(crate) fn publish(&self, app: &Platform, tenant: &str, region: &str, pushes: Vec<(String, Bytes)>) {
        let place = (tenant.to_owned(), region.to_owned());
        let Some(id) = self.state().seats.get(&place).map(|seat| seat.id) else { return };
        self.with(app, |broker, now| {
            for (topic, payload) in pushes {
                let _over_quota = broker.publish(now, id, Notice::new(&topic, payload, Qos::AtLeastOnce));
            }
        });
    }

    /// Says something to one client, whether it listens or not, and to nobody else. False: it is not there any more.
    pub(crate) fn reply(&self, app: &Platform, connection: ConnectionId, (topic, payload): (String, Bytes)) -> bool {
        self.with(app, |broker, now| broker.reply(now, connection, Notice::new(&topic, payload, Qos::AtLeastOnce)))
    }

    /// Whether a client is connected to an account in a region.
    pub(crate) fn is_connected(&self, tenant: &str, region: &str, client_id: &str) -> bool {
        let state = self.state();
        let seat = state.seats.get(&(tenant.to_owned(), region.to_owned()));
        seat.is_some_and(|seat| state.broker.is_connected(seat.id, client_id))
    }

    /// Ends a client's connection, with its session where `clean_session`, without its will where `prevent_will`.
    pub(crate) fn disconnect(
        &self,
        app: &Platform,
        (tenant, region): (&str, &str),
        client_id: &str,
        clean_session: bool,
        prevent_will: bool,
    ) {
        let place = (tenant.to_owned(), region.to_owned());
        let Some(id) = self.state().seats.get(&place).map(|seat| seat.id) else { return };
        self.with(app, |broker, now| broker.disconnect_client(now, id, client_id, clean_session, prevent_will));
    }

    /// Forgets every client of an account that is this thing, with what waits for it, and what is retained at or below topics.
    pub(crate) fn forget_thing(&self, app: &Platform, tenant: &str, region: &str, thing: &str, topics: &[String]) {
        let place = (tenant.to_owned(), region.to_owned());
        let Some(id) = self.state().seats.get(&place).map(|seat| seat.id) else { return };
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        self.with(app, |broker, now| broker.forget_thing(now, id, thing, &topics));
    }

    /// Something is due sooner than whoever keeps time knows.
    pub(crate) fn stir(&self) {
        self.stirred.notify_one();
    }

    /// A number and a signal for a connection that begins.
    pub(super) fn enter(&self) -> (ConnectionId, Arc<Signal>) {
        let mut state = self.state();
        state.last_connection += 1;
        let (id, signal) = (ConnectionId(state.last_connection), Arc::<Signal>::default());
        state.connections.insert(id, signal.clone());
        (id, signal)
    }

    /// A connection ends for a reason that the broker does not know. What it is told last can be taken afterwards.
    pub(super) fn lose(&self, app: &Platform, id: ConnectionId, why: Reason, code: u8) {
        self.with(app, |broker, now| broker.lost(now, id, why, code));
    }

    /// A connection has ended, and is not sent anything any more.
    pub(super) fn leave(&self, app: &Platform, id: ConnectionId) {
        self.with(app, |broker, now| broker.lost(now, id, Reason::ConnectionLost, 0));
        self.state().connections.remove(&id);
    }

    /// The broker's account behind an endpoint.
    ///
    /// # Errors
    /// The database.
    pub(crate) async fn open(&self, app: &Platform, endpoint: &Endpoint) -> Result<AccountId, PlatformError> {
        let place = (endpoint.tenant.clone(), endpoint.region.clone());
        if let Some(seat) = self.state().seats.get(&place) {
            return Ok(seat.id);
        }
        // Who sets limits meanwhile finds the account, or has set them before they are read.
        let _alone = self.telling.lock().await;
        let quotas = limits::quotas_of(app, &endpoint.tenant).await?;
        let mut state = self.state();
        if let Some(seat) = state.seats.get(&place) {
            return Ok(seat.id);
        }
        let home = Home { region: endpoint.region.as_str().into(), account: endpoint.account.as_str().into() };
        let id = state.broker.add_account(app.now_ms() * 1_000, home, quotas);
        let (work, waiting) = mpsc::channel(WAITING);
        state.seats.insert(place.clone(), Seat { id, known: BTreeSet::new(), work });
        state.places.insert(id, place);
        state.idle.push((endpoint.clone(), id, waiting));
        drop(state);
        self.stirred.notify_one();
        Ok(id)
    }

    /// The regions in which a broker keeps a message with `word` in it.
    pub(crate) fn regions_that_retain(&self, app: &Platform, word: &str) -> BTreeSet<String> {
        let now = app.now_ms() * 1_000;
        let state = self.state();
        let has = |id: AccountId| {
            let bytes = word.as_bytes();
            let mut kept = state.broker.list_retained(now, id, "");
            kept.any(|kept| {
                kept.topic.contains(word) || kept.payload.windows(bytes.len().max(1)).any(|part| part == bytes)
            })
        };
        state.seats.iter().filter(|(_, seat)| has(seat.id)).map(|((_, region), _)| region.clone()).collect()
    }

    /// Other quotas for a tenant's account, in all regions where it was opened.
    pub(super) fn limit(&self, app: &Platform, tenant: &str, quotas: &Quotas, everybody: bool) {
        let ids: Vec<AccountId> = {
            let state = self.state();
            let is_its = |place: &Place| everybody || place.0 == tenant;
            state.seats.iter().filter(|(place, _)| is_its(place)).map(|(_, seat)| seat.id).collect()
        };
        self.with(app, |broker, _| {
            for id in ids {
                broker.set_quotas(id, quotas.clone());
            }
        });
    }

    /// Sees to it that the broker knows a certificate as the registry has it now. Gives what the registry has.
    ///
    /// # Errors
    /// The database.
    pub(super) async fn know(
        &self,
        app: &Platform,
        endpoint: &Endpoint,
        certificate: &str,
    ) -> Result<Option<Principal>, PlatformError> {
        let place = (endpoint.tenant.clone(), endpoint.region.clone());
        let _alone = self.telling.lock().await;
        let found = app.principal(&endpoint.tenant, &endpoint.region, certificate).await?;
        self.tell(app, &place, certificate, found.as_ref());
        Ok(found)
    }

    /// Tells the broker what a certificate is; `None`: nobody.
    fn tell(&self, app: &Platform, place: &Place, certificate: &str, found: Option<&Principal>) {
        let principal = found.map(understood);
        let mut state = self.state();
        let Some(seat) = state.seats.get_mut(place) else { return };
        let (id, was_known) = (seat.id, seat.known.contains(certificate));
        match (&principal, was_known) {
            (Some(_), _) => drop(seat.known.insert(certificate.to_owned())),
            (None, true) => drop(seat.known.remove(certificate)),
            (None, false) => return,
        }
        drop(state);
        self.with(app, |broker, now| match principal {
            Some(principal) => broker.set_principal(now, id, principal),
            None => broker.remove_principal(now, id, certificate),
        });
    }

    /// Time, changes and work, until `stop`.
    pub(super) async fn keep(&self, app: &Platform, stop: CancellationToken) {
        let mut changes = app.changes();
        let workers = TaskTracker::new();
        // What has changed before anybody listened.
        for place in self.places() {
            self.look_again(app, &place).await;
        }
        loop {
            for (endpoint, id, waiting) in std::mem::take(&mut self.state().idle) {
                workers.spawn(worker::work(app.clone(), endpoint, id, waiting, stop.clone()));
            }
            let due = {
                let mut state = self.state();
                state.waits_until =
                    state.broker.next_due().into_iter().chain(app.jobs().due_us()).chain(app.lobbies().due_us()).min();
                state.waits_until
            };
            let sleep = async {
                match due {
                    Some(due) => {
                        let wait = due.saturating_sub(app.now_ms() * 1_000);
                        app.clock().sleep(Duration::from_micros(wait)).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                changed = changes.next() => {
                    for change in changed {
                        self.take_note(app, change).await;
                    }
                }
                () = self.stirred.notified() => {}
                () = sleep => {
                    self.with(app, Broker::due);
                    if app.jobs().due_us().is_some_and(|due| due <= app.now_ms() * 1_000) {
                        jobs::advance(app).await;
                    }
                    if app.lobbies().due_us().is_some_and(|due| due <= app.now_ms() * 1_000) {
                        lobby::tick(app).await;
                    }
                }
            }
        }
        workers.close();
        workers.wait().await;
    }

    fn places(&self) -> Vec<Place> {
        self.state().seats.keys().cloned().collect()
    }

    /// The registry has changed. A database that does not answer is asked again with the next change, and by who connects.
    async fn take_note(&self, app: &Platform, change: Change) {
        match change {
            Change::Account { tenant } => {
                for place in self.places().into_iter().filter(|place| place.0 == tenant) {
                    self.look_again(app, &place).await;
                }
            }
            Change::Principal { tenant, region, certificate } => {
                let place = (tenant, region);
                let is_known = self.state().seats.get(&place).is_some_and(|seat| seat.known.contains(&certificate));
                if is_known {
                    let _alone = self.telling.lock().await;
                    if let Ok(found) = app.principal(&place.0, &place.1, &certificate).await {
                        self.tell(app, &place, &certificate, found.as_ref());
                    }
                }
            }
        }
    }

    /// Everything that is known of an account is looked up again; an account that is gone is forgotten.
    async fn look_again(&self, app: &Platform, place: &Place) {
        let _alone = self.telling.lock().await;
        let Ok(account) = app.account(&place.0).await else { return };
        let is_there = account.is_some_and(|account| account.endpoints.iter().any(|at| at.region == place.1));
        if !is_there {
            return self.forget(app, place);
        }
        let Ok(all) = app.principals(&place.0, &place.1).await else { return };
        let all: BTreeMap<&str, &Principal> = all.iter().map(|found| (found.certificate.as_str(), found)).collect();
        let known = self.state().seats.get(place).map(|seat| seat.known.clone()).unwrap_or_default();
        for certificate in known {
            self.tell(app, place, &certificate, all.get(certificate.as_str()).copied());
        }
    }

    fn forget(&self, app: &Platform, place: &Place) {
        let mut state = self.state();
        let Some(seat) = state.seats.remove(place) else { return };
        state.places.remove(&seat.id);
        drop(state);
        // Its worker ends when it has done what waits, since nobody can hand it more.
        self.with(app, |broker, now| broker.remove_account(now, seat.id));
    }
}

impl State {
    /// Passes on what the broker left behind. Whether something is due sooner than who keeps time knows.
    fn pass_on(&mut self) -> bool {
        for id in self.broker.woken() {
            if let Some(signal) = self.connections.get(&id) {
                signal.tell();
            }
        }
        for closed in self.broker.closed() {
            if let Some(signal) = self.connections.get(&closed.connection) {
                signal.is_closed.store(true, Ordering::Relaxed);
                signal.tell();
            }
        }
        for outcome in self.broker.outcomes() {
            let (account, work) = match outcome {
                Outcome::Request { service, origin, topic, payload, .. } => {
                    (origin.account, Work { to: Addressee::Service(service), origin, topic, payload })
                }
                // Only a lobby has a rule: what is said to any other is said to nobody.
                Outcome::Ingest { origin, topic, payload, .. } => {
                    (origin.account, Work { to: Addressee::Rule, origin, topic, payload })
                }
                Outcome::Presence(_) | Outcome::Subscriptions { .. } | Outcome::Refused { .. } => continue,
            };
            let seat = self.places.get(&account).and_then(|place| self.seats.get(place));
            if let Some(seat) = seat {
                // Whoever has so much waiting is not answered: its requests time out, and nobody else's do.
                drop(seat.work.try_send(work));
            }
        }
        let due = self.broker.next_due();
        due.is_some_and(|due| self.waits_until.is_none_or(|until| due < until))
    }
}

/// A certificate as the broker wants it. With one policy that is not understood (from before a
/// stricter rule; it may be the one that denies) nothing is allowed.
fn understood(found: &Principal) -> broker::Principal {
    let documents: Result<Vec<_>, _> =
        found.policies.values().map(|text| Document::parse(text).map(Arc::new)).collect();
    let thing = |thing: &PrincipalThing| found.thing_facts(&thing.name).map(Arc::new);
    broker::Principal {
        status: match found.status.as_str() {
            "ACTIVE" => Status::Active,
            "REVOKED" => Status::Revoked,
            "PENDING_ACTIVATION" => Status::PendingActivation,
            "PENDING_TRANSFER" => Status::PendingTransfer,
            _ => Status::Inactive,
        },
        rules: Arc::new(Policies::new(documents.unwrap_or_default())),
        certificate: Arc::new(found.certificate_facts()),
        things: found.things.iter().filter_map(thing).collect(),
    }
}
