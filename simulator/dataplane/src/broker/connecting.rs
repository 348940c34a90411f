//! CONNECT: who is let in, with which session, on which terms.

use super::account::{Account, Subject, Timer, Turn};
use super::defects::Defect;
use super::outcomes::{Closed, ConnectionId, Outcome, Presence, Reason};
use super::principals::{Rules, Status};
use super::quotas::{Bucket, SECOND};
use super::session::{Connection, Session, SessionId};
use crate::policy::{Action, Facts, Resource};
use crate::topics::check_name;
use fleetproof_wire::mqtt::packet::{
    ConnAck, ConnAckProperties, Connect, Packet, Qos, UserProperties, Version, Will, code,
};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// What AWS answers in version 3.1.1 to who is not allowed in, in the place of the standard's 5.
const NOT_AUTHORIZED_311: u8 = 7;

/// What a code of version 5 is in version 3.1.1.
const fn return_code(code: u8) -> u8 {
    match code {
        code::SUCCESS => 0,
        code::UNSUPPORTED_VERSION => 1,
        code::CLIENT_ID_NOT_VALID => 2,
        code::BAD_USER_NAME_OR_PASSWORD | code::BAD_AUTHENTICATION_METHOD => 4,
        code::NOT_AUTHORIZED => NOT_AUTHORIZED_311,
        _ => 3,
    }
}

/// A client that is let in.
struct Admitted {
    client_id: Arc<str>,
    facts: Arc<Facts>,
    rules: Arc<dyn Rules>,
}

/// A client that is not let in.
struct Denied {
    code: u8,
    /// Whether the account knows its certificate.
    known: bool,
}

impl Denied {
    const fn known(code: u8) -> Self {
        Self { code, known: true }
    }

    const fn stranger() -> Self {
        Self { code: code::NOT_AUTHORIZED, known: false }
    }
}

/// A client that knocks.
pub(super) struct Knock<'a> {
    pub(super) connection: ConnectionId,
    pub(super) principal: &'a str,
    pub(super) source: Option<Arc<str>>,
    pub(super) connect: Connect,
}

impl Account {
    pub(super) fn connect(&mut self, turn: &mut Turn<'_>, knock: Knock<'_>) {
        let client_id = self.client_id(turn, &knock);
        let Denied { code, known } = match self.admit(turn, &knock, client_id.as_ref()) {
            Ok(admitted) => return self.welcome(turn, knock, admitted),
            Err(denied) => denied,
        };
        if code == code::QUOTA_EXCEEDED && known {
            self.totals.connects_throttled += 1;
        } else {
            self.totals.connects_refused += 1;
        }
        turn.effects.outcomes.push(Outcome::Refused {
            account: turn.account,
            client_id: client_id.unwrap_or_default(),
            principal: knock.principal.into(),
            code,
            at: turn.now,
        });
        let reason = match code {
            code::NOT_AUTHORIZED => Reason::AuthError,
            code::QUOTA_EXCEEDED => Reason::Throttled,
            _ => Reason::ClientError,
        };
        let told = if knock.connect.version == Version::V5 { code } else { return_code(code) };
        let answer = ConnAck { session_present: false, code: told, properties: ConnAckProperties::default() };
        turn.effects.routes.remove(&knock.connection);
        turn.effects.farewells.insert(knock.connection, VecDeque::from([Packet::ConnAck(Box::new(answer))]));
        turn.effects.awaken(knock.connection);
        turn.effects.closed.push(Closed { connection: knock.connection, reason, code });
    }

    /// The client's id, given or assigned. None: neither.
    fn client_id(&self, turn: &Turn<'_>, knock: &Knock<'_>) -> Option<Arc<str>> {
        let given = &knock.connect.client_id;
        if given.is_empty() {
            // What is assigned cannot be found again: nobody is given a session that cannot be resumed.
            let assigns = knock.connect.version == Version::V5 || knock.connect.clean_start;
            return assigns.then(|| format!("$GEN/{:08x}{:016x}", turn.account.0, knock.connection.0).into());
        }
        if turn.has(Defect::ClientIdCaseBlind)
            && let Some(alike) = self.clients.keys().find(|id| id.eq_ignore_ascii_case(given))
        {
            return Some(Arc::clone(alike));
        }
        let fits = given.len() <= self.quotas.client_id_bytes
            && !given.starts_with('$')
            && !given.chars().any(char::is_control);
        fits.then(|| given.as_str().into())
    }

    /// Everything that may be said against a client, and whether the account knows it.
    fn admit(&mut self, turn: &Turn<'_>, knock: &Knock<'_>, client_id: Option<&Arc<str>>) -> Result<Admitted, Denied> {
        let connect = &knock.connect;
        let now = turn.now;
        // Who is not of this account uses nothing of it, not even its rate.
        let registered = self.principals.get(knock.principal).ok_or(Denied::stranger())?;
        if registered.principal.status != Status::Active && !turn.has(Defect::InactiveMayConnect) {
            return Err(Denied::stranger());
        }
        if !self.rates.connects.take(self.quotas.connects, now, 1) {
            return Err(Denied::known(code::QUOTA_EXCEEDED));
        }
        let client_id = client_id.ok_or(Denied::known(code::CLIENT_ID_NOT_VALID))?;
        if connect.authentication_method.is_some() || connect.authentication_data.is_some() {
            return Err(Denied::known(code::BAD_AUTHENTICATION_METHOD));
        }
        if connect.receive_maximum == Some(0) || connect.maximum_packet_size == Some(0) {
            return Err(Denied::known(code::PROTOCOL_ERROR));
        }
        if let Some(will) = &connect.will {
            self.check_will(will)?;
        }
        let asks = (self.expiry(connect) > 0, connect.will.is_some());
        let facts = Self::facts(registered, client_id, knock.source.as_ref(), asks);
        let rules = Arc::clone(&registered.principal.rules);
        let who = Subject { principal: knock.principal, facts: &facts, then: None };
        if !self.judge(turn.defect).allows(who, Action::Connect, Resource::Client(client_id)) {
            return Err(Denied::known(code::NOT_AUTHORIZED));
        }
        let known = self.clients.get(client_id);
        let taken_over = known.and_then(|id| self.sessions.get(id)).is_some_and(|session| session.connection.is_some());
        if (!taken_over && self.connections.len() >= self.quotas.connections)
            || (known.is_none() && self.sessions.len() >= self.quotas.sessions)
        {
            return Err(Denied::known(code::QUOTA_EXCEEDED));
        }
        // Last, so that only who may use a client id can use up its rate.
        if !self.take_client_rate(client_id, now) && !turn.has(Defect::ConnectRateUnheld) {
            return Err(Denied::known(code::QUOTA_EXCEEDED));
        }
        Ok(Admitted { client_id: Arc::clone(client_id), facts, rules })
    }

    fn check_will(&self, will: &Will) -> Result<(), Denied> {
        if will.qos == Qos::ExactlyOnce {
            return Err(Denied::known(code::QOS_NOT_SUPPORTED));
        }
        if check_name(&will.topic, self.quotas.topics).is_err() {
            return Err(Denied::known(code::TOPIC_NAME_INVALID));
        }
        if will.payload.len() > self.quotas.payload {
            return Err(Denied::known(code::QUOTA_EXCEEDED));
        }
        Ok(())
    }

    /// Buckets of single client ids are kept until they are full again.
    fn take_client_rate(&mut self, client_id: &Arc<str>, now: u64) -> bool {
        let rate = self.quotas.connects_per_client;
        if rate.burst == 0 {
            return false;
        }
        let full_after = u64::from(rate.burst) * SECOND / u64::from(rate.per_second.max(1)) + 1;
        while let Some((at, old)) = self.recent_order.front()
            && at.saturating_add(full_after) <= now
        {
            if self.recent.get_mut(old).is_some_and(|bucket| bucket.ready_at(rate, now, rate.burst) <= now) {
                self.recent.remove(old);
            }
            self.recent_order.pop_front();
        }
        let bucket = match self.recent.get_mut(client_id) {
            Some(bucket) => bucket,
            None => self.recent.entry(Arc::clone(client_id)).or_insert_with(|| Bucket::full(rate, now)),
        };
        let taken = bucket.take(rate, now, 1);
        if taken {
            self.recent_order.push_back((now, Arc::clone(client_id)));
        }
        taken
    }

    /// µs that the session shall outlive the connection.
    fn expiry(&self, connect: &Connect) -> u64 {
        let seconds = match connect.version {
            Version::V5 => connect.session_expiry.unwrap_or(0).min(self.quotas.session_expiry_most),
            Version::V311 if connect.clean_start => 0,
            Version::V311 => self.quotas.session_expiry,
        };
        u64::from(seconds) * SECOND
    }

    fn welcome(&mut self, turn: &mut Turn<'_>, knock: Knock<'_>, admitted: Admitted) {
        let Admitted { client_id, facts, rules } = admitted;
        let Knock { connection: id, principal, source, mut connect } = knock;
        let now = turn.now;
        let expiry = self.expiry(&connect);
        self.end_client(turn, &client_id, Reason::DuplicateClientId, code::SESSION_TAKEN_OVER);
        if turn.has(Defect::TakeoverCrosses) {
            turn.effects.crossings.push(super::crossings::Crossing::Takeover(Arc::clone(&client_id)));
        }
        let principal: Arc<str> = principal.into();
        let kept = self.resumable(turn, &client_id, &principal, &facts, connect.clean_start);
        let session_present = kept.is_some();
        let session_id = kept.unwrap_or_else(|| self.new_session(&client_id, &principal, &facts, &rules, now));
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        if let Some(ends) = session.ends.take() {
            turn.disarm(ends, Timer::Expire(session_id));
        }
        // The client is back before its will's time.
        if let Some((at, _)) = session.will.take() {
            turn.disarm(at, Timer::Will(session_id));
        }
        session.connection = Some(id);
        session.expiry = expiry;
        session.principal = Arc::clone(&principal);
        session.facts = facts;
        session.rules = rules;
        if let Some(registered) = self.principals.get_mut(&principal) {
            registered.connections.insert(id);
        }
        let presence = self.presence.come(&client_id, now);
        let identifier = identifier(turn, id);
        let keep_alive = self.keep_alive(connect.keep_alive);
        let patience = u64::from(keep_alive) * SECOND * 3 / 2;
        let checked = now.saturating_add(patience);
        turn.arm(checked, Timer::KeepAlive(id));
        let aliases_in = if turn.has(Defect::AliasSurvives) {
            self.old_aliases.remove(&client_id).unwrap_or_default()
        } else {
            Vec::new()
        };
        let connection = Connection {
            session: session_id,
            version: connect.version,
            principal: Arc::clone(&principal),
            source: source.clone(),
            identifier: Arc::clone(&identifier),
            presence,
            patience,
            last_heard: now,
            checked,
            outbox: VecDeque::new(),
            outbox_bytes: 0,
            acks: 0,
            publishes: Bucket::full(self.quotas.publishes_per_connection, now),
            bytes_in: Bucket::full(self.quotas.throughput, now),
            bytes_out: Bucket::full(self.quotas.throughput, now),
            aliases_in,
            aliases_out: Vec::new(),
            aliases_out_most: connect.topic_alias_maximum.unwrap_or(0).min(self.quotas.aliases),
            receive_maximum: connect.receive_maximum.unwrap_or(u16::MAX),
            maximum_packet_size: connect.maximum_packet_size.map_or(usize::MAX, |most| most as usize),
            outlived: expiry > 0,
            will: connect.will.take().map(Box::new),
        };
        self.connections.insert(id, connection);
        turn.effects.routes.insert(id, turn.account);
        self.totals.connects += 1;
        let properties = self.terms(&connect, &client_id, keep_alive, expiry);
        let answer = ConnAck { session_present, code: code::SUCCESS, properties };
        self.push(turn, id, Packet::ConnAck(Box::new(answer)));
        let account = turn.account;
        self.tell_presence(
            turn,
            Presence {
                account,
                client_id,
                principal,
                session_identifier: identifier,
                version: presence,
                gone: None,
                source,
                at: now,
            },
        );
        self.pump(turn, session_id);
    }

    /// The session that a client goes on with. One that it may not go on with, or does not want, ends here.
    fn resumable(
        &mut self,
        turn: &mut Turn<'_>,
        client_id: &str,
        principal: &str,
        facts: &Facts,
        clean_start: bool,
    ) -> Option<SessionId> {
        let id = *self.clients.get(client_id)?;
        let session = self.sessions.get(&id)?;
        // A thing's next certificate goes on where the last one was. What waits for one owner is never another's.
        let thing = |facts: &Facts| facts.thing.as_ref().map(|thing| Arc::clone(&thing.name));
        let same_thing = thing(&session.facts).is_some_and(|name| thing(facts) == Some(name));
        let owned = &*session.principal == principal || same_thing || turn.has(Defect::SessionOfAnyPrincipal);
        if clean_start || !owned {
            self.drop_session(turn, id);
            return None;
        }
        Some(id)
    }

    fn new_session(
        &mut self,
        client_id: &Arc<str>,
        principal: &Arc<str>,
        facts: &Arc<Facts>,
        rules: &Arc<dyn Rules>,
        now: u64,
    ) -> SessionId {
        self.last_session += 1;
        let id = SessionId(self.last_session);
        self.clients.insert(Arc::clone(client_id), id);
        self.sessions.insert(
            id,
            Session {
                client_id: Arc::clone(client_id),
                principal: Arc::clone(principal),
                facts: Arc::clone(facts),
                rules: Arc::clone(rules),
                connection: None,
                subscriptions: BTreeSet::new(),
                waiting: VecDeque::new(),
                waiting_bytes: 0,
                inflight: VecDeque::new(),
                last_packet_id: 0,
                replay: Bucket::full(self.quotas.replay, now),
                wake: None,
                expiry: 0,
                ends: None,
                will: None,
            },
        );
        id
    }

    fn keep_alive(&self, wanted: u16) -> u16 {
        let most = self.quotas.keep_alive_most;
        if wanted == 0 { most } else { wanted.clamp(self.quotas.keep_alive_least.min(most), most) }
    }

    /// What the server says of itself in version 5.
    fn terms(&self, connect: &Connect, client_id: &str, keep_alive: u16, expiry: u64) -> ConnAckProperties {
        if connect.version == Version::V311 {
            return ConnAckProperties::default();
        }
        let seconds = u32::try_from(expiry / SECOND).unwrap_or(u32::MAX);
        ConnAckProperties {
            session_expiry: (connect.session_expiry.unwrap_or(0) != seconds).then_some(seconds),
            receive_maximum: Some(self.quotas.unacknowledged_in.max(1)),
            maximum_qos: Some(1),
            retain_available: Some(1),
            // The payload, and as much again as AWS leaves for topic and properties.
            maximum_packet_size: u32::try_from(self.quotas.payload + 18 * 1024).ok(),
            assigned_client_id: connect.client_id.is_empty().then(|| client_id.to_owned()),
            topic_alias_maximum: Some(self.quotas.aliases),
            reason: None,
            user_properties: UserProperties::new(),
            wildcard_subscriptions: Some(1),
            subscription_identifiers: Some(0),
            shared_subscriptions: Some(1),
            server_keep_alive: (connect.keep_alive != keep_alive).then_some(keep_alive),
            ..ConnAckProperties::default()
        }
    }
}

/// A connection's name in events: the same in every run of the same calls.
fn identifier(turn: &Turn<'_>, id: ConnectionId) -> Arc<str> {
    let (high, low) = (id.0 >> 48, id.0 & 0xffff_ffff_ffff);
    format!("{:08x}-{:04x}-4000-8000-{:012x}", turn.account.0, high, low).into()
}
