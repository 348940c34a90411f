//! One account: everything that one tenant's endpoint knows. Nothing in here can name another account.

use super::crossings::Crossing;
use super::defects::Defect;
use super::outcomes::{AccountId, Closed, ConnectionId, Outcome};
use super::presence::Counters;
use super::principals::{Registered, Rules, Status};
use super::quotas::{Bucket, Quotas, Totals, Usage};
use super::retained::Retained;
use super::session::{Connection, Options, Session, SessionId};
use crate::policy::{Action, Facts, Home, Resource};
use crate::topics::Index;
use fleetproof_wire::mqtt::packet::Packet;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What happens by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Was anything heard?
    KeepAlive(ConnectionId),
    /// The session ends.
    Expire(SessionId),
    /// The will is said.
    Will(SessionId),
    /// There may be more to send.
    Wake(SessionId),
    /// The outbox may be emptied further.
    Drain(ConnectionId),
}

/// What calls leave behind for the owner.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) routes: BTreeMap<ConnectionId, AccountId>,
    pub(super) ready: BTreeSet<ConnectionId>,
    /// Those of `ready` that nobody was told of.
    pub(super) woken: BTreeSet<ConnectionId>,
    pub(super) closed: Vec<Closed>,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) timers: BTreeSet<(u64, AccountId, Timer)>,
    /// Last packets of connections that are to be closed.
    pub(super) farewells: BTreeMap<ConnectionId, VecDeque<Packet>>,
    /// What reaches other accounts. Only defects put something here.
    pub(super) crossings: Vec<Crossing>,
}

impl Effects {
    /// A connection has something to send.
    pub(super) fn awaken(&mut self, id: ConnectionId) {
        if self.ready.insert(id) {
            self.woken.insert(id);
        }
    }

    /// A connection has nothing to send.
    pub(super) fn calm(&mut self, id: ConnectionId) {
        if self.ready.remove(&id) {
            self.woken.remove(&id);
        }
    }
}

/// One call.
pub(super) struct Turn<'a> {
    pub(super) now: u64,
    pub(super) account: AccountId,
    pub(super) effects: &'a mut Effects,
    pub(super) defect: Option<Defect>,
}

impl Turn<'_> {
    /// Whether the broker is to misbehave in this way.
    pub(super) fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    pub(super) fn arm(&mut self, at: u64, timer: Timer) {
        if at != u64::MAX {
            self.effects.timers.insert((at, self.account, timer));
        }
    }

    pub(super) fn disarm(&mut self, at: u64, timer: Timer) {
        self.effects.timers.remove(&(at, self.account, timer));
    }
}

/// A subscription that a message is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub(super) session: SessionId,
    pub(super) options: Options,
    /// Chosen out of a group: a copy of its own.
    pub(super) shared: bool,
}

#[derive(Debug)]
pub(super) struct Account {
    pub(super) home: Home,
    pub(super) quotas: Quotas,
    pub(super) principals: BTreeMap<Arc<str>, Registered>,
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    pub(super) clients: BTreeMap<Arc<str>, SessionId>,
    pub(super) index: Index<SessionId, Options>,
    pub(super) retained: Retained,
    pub(super) presence: Counters,
    pub(super) rates: Rates,
    /// When client ids last connected, and in which order, for their rate.
    pub(super) recent: BTreeMap<Arc<str>, Bucket>,
    pub(super) recent_order: VecDeque<(u64, Arc<str>)>,
    pub(super) last_session: u64,
    pub(super) queued_bytes: usize,
    pub(super) totals: Totals,
    /// Kept for its room.
    pub(super) hits: Vec<Hit>,
    /// Messages to shared groups. Asked only by a defect.
    pub(super) shared: u64,
    /// Topic aliases of clients that went. Asked only by a defect.
    pub(super) old_aliases: BTreeMap<Arc<str>, Vec<Option<Arc<str>>>>,
}

#[derive(Debug)]
pub(super) struct Rates {
    pub(super) connects: Bucket,
    pub(super) inbound: Bucket,
    pub(super) outbound: Bucket,
    pub(super) subscribes: Bucket,
    pub(super) queued: Bucket,
}

/// Who is asked about.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) principal: &'a str,
    pub(super) facts: &'a Facts,
    /// What the policies were when the connection began. Asked only by a defect.
    pub(super) then: Option<&'a dyn Rules>,
}

/// Who decides what is allowed: what is registered now.
#[derive(Clone, Copy)]
pub(super) struct Judge<'a> {
    pub(super) principals: &'a BTreeMap<Arc<str>, Registered>,
    pub(super) home: &'a Home,
    pub(super) defect: Option<Defect>,
}

impl Judge<'_> {
    pub(super) fn allows(&self, who: Subject<'_>, action: Action, resource: Resource<'_>) -> bool {
        let Some(registered) = self.principals.get(who.principal) else { return false };
        let lenient = matches!(self.defect, Some(Defect::RevokedStaysConnected | Defect::InactiveMayConnect));
        if registered.principal.status != Status::Active && !lenient {
            return false;
        }
        match (self.defect, who.then) {
            (Some(Defect::PolicyRemembered), Some(then)) => then.allow(action, resource, self.home, who.facts),
            _ => registered.principal.rules.allow(action, resource, self.home, who.facts),
        }
    }

    /// Whether a message may be stored for, or sent to, a session.
    pub(super) fn may_receive(&self, session: &Session, topic: &str) -> bool {
        if self.defect == Some(Defect::InactiveQueues) && session.connection.is_none() {
            return true;
        }
        let who = Subject { principal: &session.principal, facts: &session.facts, then: Some(&*session.rules) };
        self.allows(who, Action::Receive, Resource::Topic(topic))
    }
}

impl Account {
    pub(super) fn new(home: Home, quotas: Quotas, now: u64) -> Self {
        Self {
            rates: Rates {
                connects: Bucket::full(quotas.connects, now),
                inbound: Bucket::full(quotas.inbound, now),
                outbound: Bucket::full(quotas.outbound, now),
                subscribes: Bucket::full(quotas.subscribes, now),
                queued: Bucket::full(quotas.queued, now),
            },
            home,
            quotas,
            principals: BTreeMap::new(),
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            clients: BTreeMap::new(),
            index: Index::default(),
            retained: Retained::default(),
            presence: Counters::default(),
            recent: BTreeMap::new(),
            recent_order: VecDeque::new(),
            last_session: 0,
            queued_bytes: 0,
            totals: Totals::default(),
            hits: Vec::new(),
            shared: 0,
            old_aliases: BTreeMap::new(),
        }
    }

    pub(super) const fn judge(&self, defect: Option<Defect>) -> Judge<'_> {
        Judge { principals: &self.principals, home: &self.home, defect }
    }

    /// What is known of somebody who calls himself `client_id` with this certificate.
    pub(super) fn facts(
        registered: &Registered,
        client_id: &Arc<str>,
        source: Option<&Arc<str>>,
        (persistent_connect, last_will): (bool, bool),
    ) -> Arc<Facts> {
        Arc::new(Facts {
            client_id: Arc::clone(client_id),
            thing: registered.principal.thing(client_id).cloned(),
            certificate: Arc::clone(&registered.principal.certificate),
            source_ip: source.cloned(),
            persistent_connect,
            last_will,
        })
    }

    /// Puts a packet that is not a message into an outbox.
    pub(super) fn push(&mut self, turn: &mut Turn<'_>, id: ConnectionId, packet: Packet) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.acks += u16::from(matches!(packet, Packet::PubAck(_)));
            connection.outbox_bytes += super::sizes::packet(&packet, connection.version);
            connection.outbox.push_back(packet);
            turn.effects.awaken(id);
        }
    }

    pub(super) fn usage(&self) -> Usage {
        Usage {
            connections: self.connections.len(),
            sessions: self.sessions.len(),
            subscriptions: self.index.len(),
            retained: self.retained.len(),
            retained_bytes: self.retained.bytes(),
            queued_bytes: self.queued_bytes,
            totals: self.totals,
        }
    }
}
