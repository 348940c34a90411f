//! The broker: sessions, delivery, retained messages, wills, shared subscriptions, presence, quotas.
//!
//! A [`Broker`] holds accounts. An account is one tenant's endpoint in one region, and everything is the account's: client
//! ids, sessions, subscriptions, groups, retained messages, rates. The code of an account has no way to another one; only
//! planted [`Defect`]s make some, and those stand in `crossings`.
//!
//! Nothing happens by itself. The owner hands in what came ([`Broker::connect`], [`Broker::receive`], [`Broker::lost`]) with
//! the time in µs, asks when it wants to be called next ([`Broker::next_due`], [`Broker::due`]), and then looks which
//! connections have something to send ([`Broker::ready`], [`Broker::take`]), which are to be closed ([`Broker::closed`]),
//! and what others want to know ([`Broker::outcomes`]). The same calls give the same answers.
//!
//! Where AWS differs from the standard, this follows AWS: no `QoS` 2; `#` does not match the level above it; what is kept is
//! sent to exact, unshared filters only; an unacknowledged message is sent again after a return, as a new packet without
//! DUP. What AWS does not tell is decided here: of several subscriptions of one client that match, one copy is sent; a
//! group's members take turns; a session goes on only for its own certificate or the next one of its thing.

mod account;
mod connecting;
mod crossings;
mod defects;
mod delivering;
mod ending;
mod outcomes;
mod presence;
mod principals;
mod quotas;
mod receiving;
mod reserved;
mod retained;
mod session;
mod sizes;
mod subscribing;

pub use defects::Defect;
pub use outcomes::{AccountId, Closed, ConnectionId, Origin, Outcome, Presence, Reason, Refusal, Service};
pub use principals::{Principal, Rules, Status};
pub use quotas::{Quotas, Rate, Totals, Usage};

use crate::policy::Home;
use account::{Account, Effects, Turn};
use bytes::Bytes;
use connecting::Knock;
use ending::End;
use fleetproof_wire::mqtt::packet::{Connect, MessageProperties, Packet, Qos, code};
use principals::Registered;
use receiving::{Said, Speaker};
use session::{Delivery, Message, SessionId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// All accounts of a data plane.
#[derive(Debug, Default)]
pub struct Broker {
    accounts: BTreeMap<AccountId, Account>,
    last_account: u32,
    effects: Effects,
    defect: Option<Defect>,
}

/// A message that is not from a connection.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Where.
    pub topic: Arc<str>,
    /// What.
    pub payload: Bytes,
    /// How surely; `QoS` 2 counts as 1.
    pub qos: Qos,
    /// Whether it stays there.
    pub retain: bool,
    /// What version 5 says about it.
    pub properties: MessageProperties,
}

impl Notice {
    /// A message without properties.
    #[must_use]
    pub fn new(topic: &str, payload: impl Into<Bytes>, qos: Qos) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos,
            retain: false,
            properties: MessageProperties::default(),
        }
    }
}

/// A message that is kept at its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Where.
    pub topic: Arc<str>,
    /// What.
    pub payload: Bytes,
    /// How surely it was said.
    pub qos: Qos,
}

impl Broker {
    /// A broker without accounts, that misbehaves in one way or in none.
    #[must_use]
    pub fn new(defect: Option<Defect>) -> Self {
        Self { defect, ..Self::default() }
    }

    /// Calls something on an account, then does what a planted defect left behind.
    fn on<T>(
        &mut self,
        now: u64,
        account: AccountId,
        call: impl FnOnce(&mut Account, &mut Turn<'_>) -> T,
    ) -> Option<T> {
        let found = self.accounts.get_mut(&account)?;
        let mut turn = Turn { now, account, effects: &mut self.effects, defect: self.defect };
        let result = call(found, &mut turn);
        if self.defect.is_some() {
            self.cross(now, account);
        }
        Some(result)
    }

    // ---- Accounts ----

    /// A new account, empty. One home is one account: the owner asks once for each.
    pub fn add_account(&mut self, now: u64, home: Home, quotas: Quotas) -> AccountId {
        self.last_account += 1;
        let id = AccountId(self.last_account);
        self.accounts.insert(id, Account::new(home, quotas, now));
        id
    }

    /// Ends an account: its connections are closed, everything else is gone, no will is said.
    pub fn remove_account(&mut self, now: u64, account: AccountId) {
        self.on(now, account, |account, turn| {
            let connections: Vec<ConnectionId> = account.connections.keys().copied().collect();
            for id in connections {
                let end =
                    End { reason: Reason::ServerInitiatedDisconnect, code: code::SERVER_SHUTTING_DOWN, will: false };
                account.end(turn, id, end);
            }
        });
        self.accounts.remove(&account);
        self.effects.timers.retain(|(_, of, _)| *of != account);
    }

    /// Other quotas from now on. What was used stays used; connections, sessions and messages that are beyond stay.
    pub fn set_quotas(&mut self, account: AccountId, quotas: Quotas) {
        if let Some(account) = self.accounts.get_mut(&account) {
            account.quotas = quotas;
        }
    }

    /// What an account uses. None: there is no such account.
    #[must_use]
    pub fn usage(&self, account: AccountId) -> Option<Usage> {
        self.accounts.get(&account).map(Account::usage)
    }

    // ---- Principals ----

    /// Registers a certificate in an account, or changes it. What it may is asked anew at its next use. When it is not
    /// active its connections end at once.
    pub fn set_principal(&mut self, now: u64, account: AccountId, principal: Principal) {
        let lenient = self.defect == Some(Defect::RevokedStaysConnected);
        self.on(now, account, |account, turn| {
            let id = Arc::clone(&principal.certificate.id);
            let active = principal.status == Status::Active;
            let connections = account.principals.remove(&id).map(|before| before.connections).unwrap_or_default();
            let registered = Registered { principal, connections };
            for connection in &registered.connections {
                let Some(live) = account.connections.get(connection) else { continue };
                if let Some(session) = account.sessions.get_mut(&live.session) {
                    let asks = (session.facts.persistent_connect, session.facts.last_will);
                    session.facts = Account::facts(&registered, &session.client_id, live.source.as_ref(), asks);
                }
            }
            let connections: Vec<ConnectionId> = registered.connections.iter().copied().collect();
            account.principals.insert(id, registered);
            if !active && !lenient {
                account.forbid(turn, &connections);
            }
        });
    }

    /// Takes a certificate out of an account. Its connections end at once.
    pub fn remove_principal(&mut self, now: u64, account: AccountId, certificate_id: &str) {
        self.on(now, account, |account, turn| {
            if turn.has(Defect::RevokedStaysConnected) {
                return;
            }
            let gone = account.principals.remove(certificate_id);
            let connections: Vec<ConnectionId> = gone.into_iter().flat_map(|gone| gone.connections).collect();
            account.forbid(turn, &connections);
        });
    }

    // ---- Connections ----

    /// A client says CONNECT at an account's endpoint, on a connection that the owner has never named before. `source` is
    /// its address. The answer is in the outbox; who is refused is also among [`closed`](Self::closed).
    pub fn connect(
        &mut self,
        now: u64,
        connection: ConnectionId,
        account: AccountId,
        certificate_id: &str,
        source: Option<Arc<str>>,
        connect: Connect,
    ) {
        if self.effects.routes.contains_key(&connection) {
            self.receive(now, connection, Packet::Connect(Box::new(connect)));
            return;
        }
        if self.defect == Some(Defect::PrincipalOfAnyAccount) {
            self.borrow_principal(account, certificate_id);
        }
        let knock = Knock { connection, principal: certificate_id, source, connect };
        if self.on(now, account, |account, turn| account.connect(turn, knock)).is_none() {
            let closed = Closed { connection, reason: Reason::ServerError, code: code::SERVER_UNAVAILABLE };
            self.effects.closed.push(closed);
        }
    }

    fn borrow_principal(&mut self, account: AccountId, certificate_id: &str) {
        let registered = self.accounts.values().find_map(|account| account.principals.get(certificate_id));
        let Some(principal) = registered.map(|registered| registered.principal.clone()) else { return };
        if let Some(account) = self.accounts.get_mut(&account) {
            account
                .principals
                .entry(certificate_id.into())
                .or_insert_with(|| Registered { principal, connections: BTreeSet::new() });
        }
    }

    /// A client sent a packet. Returns the time (µs) at which the next one shall be read from this connection: `now`, or
    /// later when it sent more bytes than its throughput.
    pub fn receive(&mut self, now: u64, connection: ConnectionId, packet: Packet) -> u64 {
        let Some(account) = self.effects.routes.get(&connection).copied() else {
            // Nothing comes before CONNECT [MQTT-3.1.0-1]. Of a connection that is being closed nothing is read any more.
            if !self.effects.farewells.contains_key(&connection) {
                let closed = Closed { connection, reason: Reason::ClientError, code: code::PROTOCOL_ERROR };
                self.effects.closed.push(closed);
            }
            return now;
        };
        self.on(now, account, |account, turn| account.receive(turn, connection, packet)).unwrap_or(now)
    }

    /// A connection ended, and why: [`Reason::ConnectionLost`], or [`Reason::ClientError`] when its bytes were no packets
    /// (then `code` is what the client is told). Who closed a connection that the broker wanted closed, without taking what
    /// was left for it, reports it too: its last packets are kept until then.
    pub fn lost(&mut self, now: u64, connection: ConnectionId, why: Reason, code: u8) {
        self.effects.farewells.remove(&connection);
        if let Some(account) = self.effects.routes.get(&connection).copied() {
            self.on(now, account, |account, turn| account.end(turn, connection, End::of(why, code)));
        }
    }

    /// Puts what is to be sent on a connection at the end of `into`. What the connection's throughput does not allow yet
    /// comes later: the connection is then among [`ready`](Self::ready) again in time.
    pub fn take(&mut self, now: u64, connection: ConnectionId, into: &mut Vec<Packet>) {
        if let Some(last) = self.effects.farewells.remove(&connection) {
            into.extend(last);
            self.effects.calm(connection);
        } else if let Some(account) = self.effects.routes.get(&connection).copied() {
            self.on(now, account, |account, turn| account.take(turn, connection, into));
        }
    }

    /// The connections that have something to send, in their order. Each stays until it was taken from.
    pub fn ready(&self) -> impl Iterator<Item = ConnectionId> {
        self.effects.ready.iter().copied()
    }

    /// Those of [`ready`](Self::ready) that came in since the last call: whoever wakes a task for each has no need to look at
    /// the others, which were woken before.
    pub fn woken(&mut self) -> BTreeSet<ConnectionId> {
        std::mem::take(&mut self.effects.woken)
    }

    /// The connections that are to be closed since the last call.
    pub fn closed(&mut self) -> Vec<Closed> {
        std::mem::take(&mut self.effects.closed)
    }

    /// What happened for others than clients since the last call.
    pub fn outcomes(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.effects.outcomes)
    }

    // ---- Time ----

    /// When something will happen by itself (µs).
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        self.effects.timers.first().map(|(at, ..)| *at)
    }

    /// Does everything whose time has come.
    pub fn due(&mut self, now: u64) {
        while let Some((at, account, timer)) = self.effects.timers.first().copied() {
            if at > now {
                break;
            }
            self.effects.timers.remove(&(at, account, timer));
            self.on(now, account, |account, turn| account.due(turn, timer));
        }
    }

    // ---- Services and administration ----

    /// A service says something in an account, to everybody who subscribed and may receive it. No policy is asked of the
    /// author; the account's inbound rate holds.
    ///
    /// # Errors
    ///
    /// The topic is not a name, the payload too large, a quota used up, the account unknown.
    pub fn publish(&mut self, now: u64, account: AccountId, notice: Notice) -> Result<(), Refusal> {
        self.on(now, account, |account, turn| {
            let origin = Origin {
                account: turn.account,
                connection: None,
                client_id: Arc::default(),
                principal: Arc::default(),
                thing: None,
            };
            let speaker = Speaker { origin, facts: Arc::default(), rules: None, session: None, trusted: true };
            account.say_notice(turn, &speaker, notice)
        })
        .unwrap_or(Err(Refusal::NoSuchAccount))
    }

    /// A device says something by HTTPS: its certificate and its policies decide as they do over MQTT.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish), and what the certificate or its policies do not allow.
    pub fn publish_as(
        &mut self,
        now: u64,
        account: AccountId,
        certificate_id: &str,
        source: Option<Arc<str>>,
        notice: Notice,
    ) -> Result<(), Refusal> {
        self.on(now, account, |account, turn| {
            let registered = account.principals.get(certificate_id).ok_or(Refusal::NotAuthorized)?;
            let facts = Account::facts(registered, &Arc::default(), source.as_ref(), (false, false));
            let origin = Origin {
                account: turn.account,
                connection: None,
                client_id: Arc::default(),
                principal: certificate_id.into(),
                thing: facts.thing.as_ref().map(|thing| Arc::clone(&thing.name)),
            };
            let speaker = Speaker { origin, facts, rules: None, session: None, trusted: false };
            account.say_notice(turn, &speaker, notice)
        })
        .unwrap_or(Err(Refusal::NoSuchAccount))
    }

    /// A service answers a client, whether it subscribed or not, and nobody else. False: the client is not connected.
    pub fn reply(&mut self, now: u64, connection: ConnectionId, notice: Notice) -> bool {
        let Some(account) = self.effects.routes.get(&connection).copied() else { return false };
        if self.defect == Some(Defect::ReplyBroadcast) {
            return self.publish(now, account, notice).is_ok();
        }
        let replied = self.on(now, account, |account, turn| {
            let Some(session) = account.connections.get(&connection).map(|connection| connection.session) else {
                return false;
            };
            let Notice { topic, payload, qos, properties, .. } = notice;
            let qos = qos.min(Qos::AtLeastOnce);
            let message = Message { topic, payload, qos, retain: false, properties, expires: None, from: None };
            let message = Arc::new(message);
            account.offer(turn, session, Delivery { message, qos, retain: false, stored: false, unchecked: false });
            true
        });
        replied.unwrap_or(false)
    }

    /// Ends a client's connection (`DeleteConnection`). `clean_session`: its session too. False: it is not connected.
    pub fn disconnect_client(
        &mut self,
        now: u64,
        account: AccountId,
        client_id: &str,
        clean_session: bool,
        prevent_will: bool,
    ) -> bool {
        let ended = self.on(now, account, |account, turn| {
            let Some(session) = account.clients.get(client_id).copied() else { return false };
            let connection = account.sessions.get(&session).and_then(|session| session.connection);
            let will = !prevent_will || turn.has(Defect::PreventedWillSaid);
            if !will {
                account.unsay_will(turn, session);
            }
            if let Some(id) = connection {
                let end = End { reason: Reason::ApiInitiatedDisconnect, code: code::ADMINISTRATIVE_ACTION, will };
                account.end(turn, id, end);
            }
            if clean_session {
                account.drop_session(turn, session);
            }
            connection.is_some()
        });
        ended.unwrap_or(false)
    }

    /// Whether a client is connected.
    #[must_use]
    pub fn is_connected(&self, account: AccountId, client_id: &str) -> bool {
        let session =
            self.accounts.get(&account).and_then(|account| account.sessions.get(account.clients.get(client_id)?));
        session.is_some_and(|session| session.connection.is_some())
    }

    /// Forgets a client that belongs elsewhere now: connection, session, queue, presence. No will is said.
    pub fn forget_client(&mut self, now: u64, account: AccountId, client_id: &str) {
        self.on(now, account, |account, turn| account.forget(turn, client_id));
    }

    /// Forgets every client that is this thing or speaks as it, and what is retained at or below `prefixes`.
    pub fn forget_thing(&mut self, now: u64, account: AccountId, thing: &str, prefixes: &[&str]) {
        self.on(now, account, |account, turn| {
            let of_thing = |session: &&session::Session| {
                let named = session.facts.thing.as_ref().is_some_and(|facts| &*facts.name == thing);
                named || &*session.client_id == thing
            };
            let clients: Vec<Arc<str>> =
                account.sessions.values().filter(of_thing).map(|session| Arc::clone(&session.client_id)).collect();
            for client in clients {
                account.forget(turn, &client);
            }
            for prefix in prefixes {
                account.retained.remove_below(prefix);
            }
        });
    }

    /// What is retained at a topic.
    #[must_use]
    pub fn retained(&self, now: u64, account: AccountId, topic: &str) -> Option<Kept> {
        let message = self.accounts.get(&account)?.retained.get(topic, now)?;
        Some(kept(message))
    }

    /// What is retained at topics behind `after` ("" for the first), in their order.
    pub fn list_retained(&self, now: u64, account: AccountId, after: &str) -> impl Iterator<Item = Kept> {
        let account = self.accounts.get(&account);
        account.into_iter().flat_map(move |account| account.retained.topics(after, now)).map(kept)
    }
}

fn kept(message: &Arc<Message>) -> Kept {
    Kept { topic: Arc::clone(&message.topic), payload: message.payload.clone(), qos: message.qos }
}

impl Account {
    /// Ends connections whose certificate may not have any. Their wills are not theirs to say any more: nothing allows them.
    fn forbid(&mut self, turn: &mut Turn<'_>, connections: &[ConnectionId]) {
        for id in connections {
            self.end(turn, *id, End::of(Reason::ForbiddenAccess, code::NOT_AUTHORIZED));
        }
    }

    fn say_notice(&mut self, turn: &mut Turn<'_>, speaker: &Speaker, notice: Notice) -> Result<(), Refusal> {
        let limits = if speaker.trusted {
            // A service's topics contain names that a client chose; they are bounded elsewhere.
            crate::topics::Limits { bytes: 1_024, slashes: crate::topics::MOST_LEVELS }
        } else {
            self.quotas.topics
        };
        crate::topics::check_name(&notice.topic, limits).map_err(|_| Refusal::TopicNameInvalid)?;
        if notice.payload.len() > self.quotas.payload {
            return Err(Refusal::TooLarge);
        }
        let Notice { topic, payload, qos, retain, properties } = notice;
        self.say(turn, speaker, Said { topic, payload, qos, retain, properties })
    }

    fn forget(&mut self, turn: &mut Turn<'_>, client_id: &str) {
        if let Some(session) = self.clients.get(client_id).copied() {
            self.end_quietly(turn, session);
            if !turn.has(Defect::ForgottenKeepsSession) {
                self.drop_session(turn, session);
            }
        }
        self.presence.forget(client_id);
    }

    /// A will that waits for its time is never said.
    fn unsay_will(&mut self, turn: &mut Turn<'_>, id: SessionId) {
        if let Some((at, _)) = self.sessions.get_mut(&id).and_then(|session| session.will.take()) {
            turn.disarm(at, account::Timer::Will(id));
        }
    }

    fn end_quietly(&mut self, turn: &mut Turn<'_>, id: SessionId) {
        self.unsay_will(turn, id);
        if let Some(connection) = self.sessions.get(&id).and_then(|session| session.connection) {
            let end = End { reason: Reason::ServerInitiatedDisconnect, code: code::ADMINISTRATIVE_ACTION, will: false };
            self.end(turn, connection, end);
        }
    }
}
