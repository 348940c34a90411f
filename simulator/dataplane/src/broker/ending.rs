//! How connections and sessions end, and the wills that are said then.

use super::account::{Account, Timer, Turn};
use super::defects::Defect;
use super::outcomes::{Closed, ConnectionId, Origin, Presence, Reason};
use super::principals::Status;
use super::receiving::{Said, Speaker};
use super::session::{Session, SessionId};
use fleetproof_wire::mqtt::packet::{Disconnect, Packet, Version, Will, code};
use std::collections::VecDeque;
use std::sync::Arc;

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) reason: Reason,
    /// What the client is told, if its version has a word for it.
    pub(super) code: u8,
    /// Whether its will is said.
    pub(super) will: bool,
}

impl End {
    pub(super) const fn of(reason: Reason, code: u8) -> Self {
        Self { reason, code, will: reason.says_will() }
    }
}

impl Account {
    /// Ends the connection of a client, if it has one.
    pub(super) fn end_client(&mut self, turn: &mut Turn<'_>, client_id: &str, reason: Reason, code: u8) {
        let session = self.clients.get(client_id).and_then(|id| self.sessions.get(id));
        if let Some(id) = session.and_then(|session| session.connection) {
            self.end(turn, id, End::of(reason, code));
        }
    }

    /// Ends a connection.
    pub(super) fn end(&mut self, turn: &mut Turn<'_>, id: ConnectionId, end: End) {
        let Some(mut connection) = self.connections.remove(&id) else { return };
        turn.disarm(connection.checked, Timer::KeepAlive(id));
        turn.effects.routes.remove(&id);
        turn.effects.calm(id);
        if let Some(registered) = self.principals.get_mut(&connection.principal) {
            registered.connections.remove(&id);
        }
        // A client that is still there gets its acknowledgements and the reason, but no message any more.
        if !matches!(end.reason, Reason::ConnectionLost | Reason::ClientInitiatedDisconnect) {
            let mut last: VecDeque<Packet> = std::mem::take(&mut connection.outbox);
            last.retain(|packet| !matches!(packet, Packet::Publish(_)));
            if connection.version == Version::V5 {
                last.push_back(Packet::Disconnect(Disconnect { code: end.code, ..Disconnect::default() }));
            }
            if !last.is_empty() {
                turn.effects.farewells.insert(id, last);
                turn.effects.awaken(id);
            }
        }
        turn.effects.closed.push(Closed { connection: id, reason: end.reason, code: end.code });
        let Some(session) = self.sessions.get_mut(&connection.session) else { return };
        session.connection = None;
        let client_id = Arc::clone(&session.client_id);
        if session.expiry > 0 {
            Self::store_again(session, &mut self.queued_bytes);
        }
        if turn.has(Defect::AliasSurvives) {
            self.old_aliases.insert(Arc::clone(&client_id), std::mem::take(&mut connection.aliases_in));
        }
        self.presence.go(&client_id, turn.now);
        let account = turn.account;
        let now = turn.now;
        self.tell_presence(
            turn,
            Presence {
                account,
                client_id,
                principal: Arc::clone(&connection.principal),
                session_identifier: Arc::clone(&connection.identifier),
                version: connection.presence,
                gone: Some(end.reason),
                source: connection.source.take(),
                at: now,
            },
        );
        self.leave(turn, connection.session, connection.will.take().filter(|_| end.will));
    }

    /// What was sent and not acknowledged waits again, before everything else.
    fn store_again(session: &mut Session, queued_bytes: &mut usize) {
        for delivery in &mut session.waiting {
            delivery.stored = true;
        }
        while let Some((_, mut delivery)) = session.inflight.pop_back() {
            delivery.stored = true;
            let bytes = delivery.message.bytes();
            session.waiting_bytes += bytes;
            *queued_bytes += bytes;
            session.waiting.push_front(delivery);
        }
    }

    /// A session is without a connection: its will, and its own end, now or later.
    fn leave(&mut self, turn: &mut Turn<'_>, id: SessionId, will: Option<Box<Will>>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let expiry = session.expiry;
        if let Some(will) = will {
            let delay = u64::from(will.delay.unwrap_or(0)) * super::quotas::SECOND;
            if delay == 0 || expiry == 0 {
                self.say_will(turn, id, &will);
            } else {
                let at = turn.now.saturating_add(delay.min(expiry));
                session.will = Some((at, will));
                turn.arm(at, Timer::Will(id));
            }
        }
        if expiry == 0 {
            self.drop_session(turn, id);
        } else if let Some(session) = self.sessions.get_mut(&id) {
            let ends = turn.now.saturating_add(expiry);
            session.ends = Some(ends);
            turn.arm(ends, Timer::Expire(id));
        }
    }

    /// Forgets a session. A will that still waited is said.
    pub(super) fn drop_session(&mut self, turn: &mut Turn<'_>, id: SessionId) {
        self.say_waiting_will(turn, id);
        let Some(session) = self.sessions.remove(&id) else { return };
        if self.clients.get(&session.client_id) == Some(&id) {
            self.clients.remove(&session.client_id);
        }
        self.queued_bytes = self.queued_bytes.saturating_sub(session.waiting_bytes);
        let limits = crate::topics::Limits { bytes: usize::MAX, slashes: usize::MAX - 3 };
        for filter in &session.subscriptions {
            // The account's quotas may have shrunk since it was taken.
            if let Ok(filter) = crate::topics::Filter::parse(filter, limits) {
                self.index.unsubscribe(filter, &id);
            }
        }
        if let Some(ends) = session.ends {
            turn.disarm(ends, Timer::Expire(id));
        }
        if let Some(wake) = session.wake {
            turn.disarm(wake, Timer::Wake(id));
        }
    }

    pub(super) fn say_waiting_will(&mut self, turn: &mut Turn<'_>, id: SessionId) {
        if let Some((at, will)) = self.sessions.get_mut(&id).and_then(|session| session.will.take()) {
            turn.disarm(at, Timer::Will(id));
            self.say_will(turn, id, &will);
        }
    }

    /// Says a will, if its author may say such a thing at this time.
    fn say_will(&mut self, turn: &mut Turn<'_>, id: SessionId, will: &Will) {
        let Some(session) = self.sessions.get(&id) else { return };
        let active = self
            .principals
            .get(&session.principal)
            .is_some_and(|registered| registered.principal.status == Status::Active);
        let trusted = turn.has(Defect::WillUnchecked) && active || turn.has(Defect::WillAfterRevocation) && !active;
        let speaker = Speaker {
            origin: Origin {
                account: turn.account,
                connection: None,
                client_id: Arc::clone(&session.client_id),
                principal: Arc::clone(&session.principal),
                thing: session.facts.thing.as_ref().map(|thing| Arc::clone(&thing.name)),
            },
            facts: Arc::clone(&session.facts),
            rules: Some(Arc::clone(&session.rules)),
            session: Some(id),
            trusted,
        };
        let said = Said {
            topic: Arc::clone(&will.topic),
            payload: will.payload.clone(),
            qos: will.qos,
            retain: will.retain,
            properties: will.properties.clone(),
        };
        // Nobody is there to be told of a refusal; it is counted.
        let _ = self.say(turn, &speaker, said);
    }

    /// A timer of this account went off.
    pub(super) fn due(&mut self, turn: &mut Turn<'_>, timer: Timer) {
        match timer {
            Timer::KeepAlive(id) => {
                let Some(connection) = self.connections.get_mut(&id) else { return };
                let until = connection.last_heard.saturating_add(connection.patience);
                if until > turn.now {
                    connection.checked = until;
                    turn.arm(until, timer);
                } else {
                    self.end(turn, id, End::of(Reason::KeepAliveTimeout, code::KEEP_ALIVE_TIMEOUT));
                }
            }
            Timer::Expire(id) => self.drop_session(turn, id),
            Timer::Will(id) => self.say_waiting_will(turn, id),
            Timer::Wake(id) => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.wake = None;
                    self.pump(turn, id);
                }
            }
            Timer::Drain(id) => {
                if self.connections.contains_key(&id) {
                    turn.effects.awaken(id);
                }
            }
        }
    }
}
