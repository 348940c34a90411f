//! What everybody in a run writes to: the journal, the record of the devices, the ledger of changes.

use crate::record::{Heard, Record, Seq};
use crate::strain::meter::{Figures, Meter};
use fleetproof_claims::without_credentials;
use fleetproof_devices::{Asked, Delivery, DeviceEvent, Witness};
use fleetproof_dialects::{AuditDue, Exchange, Watch};
use fleetproof_journal::{Journal, Place, Secret, Secrets, What};
use fleetproof_world::{Clock, Stamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// How much of a path is told, in characters. Links to files are paths whose query is a credential.
const LONGEST: usize = 2_000;

/// Bytes of a message that a device heard, as far as they are kept.
const HEARD: usize = 4_096;

/// How much of it is told, in characters.
const SHOWN: usize = 200;

/// The hub of a run. Cheap to clone; no lock in it is ever held over an await.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);

struct Inner {
    clock: Clock,
    journal: Journal,
    secrets: Secrets,
    names: Vec<Arc<str>>,
    record: Mutex<Record>,
    changes: Mutex<Vec<Change>>,
    canaries: Mutex<BTreeMap<String, Vec<String>>>,
    changed: Notify,
    faults: Mutex<Faults>,
    tally: Mutex<Tally>,
    meters: Mutex<BTreeMap<u64, Meter>>,
}

/// What the last event of a run sums up.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    claims: u32,
    attempts: u32,
    broken: u32,
}

/// Faults that the harness put on.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    on: usize,
    /// The event that says that the last one was lifted.
    lifted: Option<Seq>,
}

/// A change that the platform acknowledged, and the audit entries that it calls for.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The event in the journal.
    pub(crate) seq: Seq,
    /// Who asked.
    pub(crate) by: Arc<str>,
    /// For which operation.
    pub(crate) operation: Arc<str>,
    /// When it was asked and when the answer was there, in ms since 1970.
    pub(crate) between: (u64, u64),
    /// The entries.
    pub(crate) due: AuditDue,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// A hub that writes to `journal`; `devices` are the names and first versions of the population.
    pub(crate) fn new(clock: Clock, journal: Journal, secrets: Secrets, devices: Vec<(String, String)>) -> Self {
        let (names, versions): (Vec<_>, Vec<_>) = devices.into_iter().unzip();
        Self(Arc::new(Inner {
            clock,
            journal,
            secrets,
            names: names.into_iter().map(Arc::from).collect(),
            record: Mutex::new(Record::new(versions)),
            changes: Mutex::default(),
            canaries: Mutex::default(),
            changed: Notify::new(),
            faults: Mutex::default(),
            tally: Mutex::default(),
            meters: Mutex::default(),
        }))
    }

    /// Now, on the run's clock.
    pub(crate) fn now(&self) -> Stamp {
        self.0.clock.now()
    }

    /// Writes an event, and gives its number.
    pub(crate) fn emit(&self, source: &str, place: Option<Place>, what: What) -> Seq {
        {
            let mut tally = lock(&self.0.tally);
            tally.claims += u32::from(matches!(what, What::Judged(_)));
            tally.attempts += u32::from(matches!(what, What::Attempted(_)));
        }
        self.0.journal.emit(self.now().micros(), source, place, what)
    }

    /// Something that is always watched was seen broken: the scenario cannot pass any more.
    pub(crate) fn broken(&self, what: &str, detail: String) {
        lock(&self.0.tally).broken += 1;
        self.emit("engine", None, What::Watched { what: what.to_owned(), detail });
    }

    /// How often something that is always watched was seen broken.
    pub(crate) fn watched_broken(&self) -> u32 {
        lock(&self.0.tally).broken
    }

    /// Claims judged and attempts made so far.
    pub(crate) fn tally(&self) -> (u32, u32) {
        let tally = *lock(&self.0.tally);
        (tally.claims, tally.attempts)
    }

    /// Whatever is written from now on, `text` is not in it.
    pub(crate) fn declare_secret(&self, text: &str) {
        self.0.secrets.declare(&Secret::new(text));
    }

    /// The journal, to be read from.
    pub(crate) fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// A message of a device arrived with the application of `tenant`.
    pub(crate) fn arrived(&self, tenant: &Arc<str>, device: u32, number: u64) {
        lock(&self.0.record).note_arrival(self.now(), tenant, device, number);
        self.0.changed.notify_waiters();
    }

    /// Reads the record of the devices.
    pub(crate) fn record<T>(&self, read: impl FnOnce(&Record) -> T) -> T {
        read(&lock(&self.0.record))
    }

    /// From now on it is kept when a device asked in vain.
    pub(crate) fn keep_polls_in_vain(&self) {
        lock(&self.0.record).keeps_vain = true;
    }

    /// The name of a device.
    pub(crate) fn device_name(&self, device: u32) -> Arc<str> {
        self.0.names.get(device as usize).cloned().unwrap_or_else(|| "?".into())
    }

    /// The changes that the platform acknowledged so far.
    pub(crate) fn changes(&self) -> Vec<Change> {
        lock(&self.0.changes).clone()
    }

    /// From now on what these devices ask is measured; the measurement's number.
    pub(crate) fn measure(&self, devices: BTreeSet<u32>) -> u64 {
        let mut meters = lock(&self.0.meters);
        let number = meters.last_key_value().map_or(0, |(last, _)| last + 1);
        meters.insert(number, Meter::new(devices));
        number
    }

    /// Ends a measurement: what came of it.
    pub(crate) fn measured(&self, number: u64) -> Figures {
        lock(&self.0.meters).remove(&number).map(|meter| meter.figures()).unwrap_or_default()
    }

    /// From now on nobody but the people of `tenant` may read `word`.
    pub(crate) fn declare_canary(&self, tenant: &str, word: &str) {
        lock(&self.0.canaries).entry(tenant.to_owned()).or_default().push(word.to_owned());
    }

    /// A fault was put on.
    pub(crate) fn fault_put(&self) {
        lock(&self.0.faults).on += 1;
    }

    /// A fault was lifted, as the event says.
    pub(crate) fn fault_lifted(&self, seq: Seq) {
        let mut faults = lock(&self.0.faults);
        faults.on = faults.on.saturating_sub(1);
        faults.lifted = Some(seq);
    }

    /// How many faults are on, and the event that says that the last one before was lifted.
    pub(crate) fn faults(&self) -> (usize, Option<Seq>) {
        let faults = *lock(&self.0.faults);
        (faults.on, faults.lifted)
    }

    /// Returns when a device did something worth an event, or at `deadline`.
    pub(crate) async fn changed(&self, deadline: Stamp) {
        self.0.clock.until(deadline, self.0.changed.notified()).await;
    }

    fn leaked(&self, exchange: &Exchange) -> Option<(String, String)> {
        let reader = exchange.tenant.as_deref()?;
        let canaries = lock(&self.0.canaries);
        let text = String::from_utf8_lossy(&exchange.body);
        canaries
            .iter()
            .filter(|(owner, _)| owner.as_str() != reader)
            .flat_map(|(owner, words)| words.iter().map(move |canary| (owner, canary)))
            .find(|(_, canary)| text.contains(canary.as_str()))
            .map(|(owner, canary)| (owner.clone(), canary.clone()))
    }
}

impl Watch for Shared {
    fn exchanged(&self, exchange: &Exchange) {
        let is_change = !exchange.due.is_empty();
        if is_change || !matches!(&*exchange.method, "GET" | "HEAD") {
            let seq = self.emit(
                "engine",
                None,
                What::Asked {
                    by: exchange.who.to_string(),
                    tenant: exchange.tenant.as_deref().unwrap_or("-").to_owned(),
                    operation: exchange.operation.as_deref().unwrap_or("-").to_owned(),
                    request: format!("{} {}", exchange.method, without_credentials(&exchange.path, LONGEST)),
                    status: exchange.status,
                },
            );
            let (by, operation) = (&exchange.who, exchange.operation.clone().unwrap_or_else(|| "-".into()));
            let clock = &self.0.clock;
            let between = (clock.unix_ms_at(exchange.asked), clock.unix_ms_at(exchange.answered));
            let change = |due| Change { seq, by: by.clone(), operation: operation.clone(), between, due };
            lock(&self.0.changes).extend(exchange.due.iter().cloned().map(change));
        }
        if let Some((owner, word)) = self.leaked(exchange) {
            let detail = format!(
                "`{}` of {} asked {} {} and read `{word}`, which only {owner} may know",
                exchange.who,
                exchange.tenant.as_deref().unwrap_or("-"),
                exchange.method,
                without_credentials(&exchange.path, LONGEST)
            );
            self.broken("no_canary_crosses", detail);
        }
    }
}

/// The eyes on one population: every event of every device goes to the record, and all but the routine to the journal.
#[derive(Clone)]
pub(crate) struct Eyes(pub(crate) Shared);

impl Witness for Eyes {
    fn saw(&mut self, at: Stamp, device: u32, what: DeviceEvent) {
        let inner = &self.0.0;
        let is_known = lock(&inner.record).is_known(device, &what);
        let seq = match &what {
            _ if is_known => 0,
            event => {
                let (word, detail) = told(event);
                let name = self.0.device_name(device).to_string();
                inner.journal.emit(at.micros(), "device", None, What::Device { device: name, what: word, detail })
            }
        };
        lock(&inner.record).note(at, device, &what, seq);
        inner.changed.notify_waiters();
    }

    fn delivered(&mut self, at: Stamp, device: u32, what: Delivery) {
        let inner = &self.0.0;
        lock(&inner.record).note_message(at, device, what);
        if let Delivery::Acknowledged { took, .. } = what {
            self.asked(at, device, Asked { status: Some(200), took, modelled: false });
        }
    }

    fn heard(&mut self, at: Stamp, device: u32, topic: &str, payload: &[u8]) {
        let inner = &self.0.0;
        let text = String::from_utf8_lossy(&payload[..payload.len().min(HEARD)]).into_owned();
        let shown: String = text.chars().take(SHOWN).collect();
        let detail =
            serde_json::Map::from_iter([("topic".to_owned(), topic.into()), ("text".to_owned(), shown.into())]);
        let name = self.0.device_name(device).to_string();
        let told = What::Device { device: name, what: "heard".to_owned(), detail };
        let seq = inner.journal.emit(at.micros(), "device", None, told);
        lock(&inner.record).note_heard(device, Heard { at, topic: topic.to_owned(), text, seq });
        inner.changed.notify_waiters();
    }

    fn asked(&mut self, _: Stamp, device: u32, asked: Asked) {
        for meter in lock(&self.0.0.meters).values_mut() {
            meter.note(device, asked);
        }
    }
}

/// An event as the journal has it: its word and its fields.
fn told(event: &DeviceEvent) -> (String, serde_json::Map<String, serde_json::Value>) {
    match serde_json::to_value(event) {
        Ok(serde_json::Value::Object(fields)) => match fields.into_iter().next() {
            Some((word, serde_json::Value::Object(detail))) => (word, detail),
            Some((word, _)) => (word, serde_json::Map::new()),
            None => ("nothing".to_owned(), serde_json::Map::new()),
        },
        Ok(serde_json::Value::String(word)) => (word, serde_json::Map::new()),
        _ => ("untold".to_owned(), serde_json::Map::new()),
    }
}
