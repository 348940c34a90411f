//! From a message to the outboxes of those who get it.

use super::account::{Account, Hit, Judge, Timer, Turn};
use super::crossings::Crossing;
use super::defects::Defect;
use super::outcomes::ConnectionId;
use super::quotas::SECOND;
use super::session::{Connection, Delivery, Message, Options, Session, SessionId};
use super::sizes;
use crate::topics::{Found, Group, Reach};
use fleetproof_wire::mqtt::packet::{MessageProperties, Packet, Publish, Qos, Version};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Account {
    /// Brings a message to everybody who subscribed to its topic: once to each, and once to each group.
    pub(super) fn route(&mut self, turn: &mut Turn<'_>, message: &Arc<Message>) {
        let mut hits = std::mem::take(&mut self.hits);
        let reach = if turn.has(Defect::WildcardReachesReserved) { Reach::Everything } else { Reach::Ordinary };
        let judge = Judge { principals: &self.principals, home: &self.home, defect: turn.defect };
        let sessions = &self.sessions;
        let shared = &mut self.shared;
        self.index.visit(&message.topic, reach, |found| match found {
            Found::One(session, options) => {
                if !(options.no_local && message.from == Some(*session)) {
                    hits.push(Hit { session: *session, options: *options, shared: false });
                }
            }
            Found::Shared(name, group) => {
                *shared += 1;
                if turn.has(Defect::SharedGroupCrosses) && shared.is_multiple_of(2) {
                    turn.effects.crossings.push(Crossing::Group(name.into(), Arc::clone(message)));
                } else if let Some((session, options)) = choose(group, sessions, judge, message) {
                    hits.push(Hit { session, options, shared: true });
                }
            }
        });
        // Who has several subscriptions gets one copy, with the best of their options.
        hits.sort_by_key(|hit| (hit.shared, hit.session));
        let mut rest = hits.as_slice();
        while let Some((first, behind)) = rest.split_first() {
            let same = behind.iter().take_while(|hit| !hit.shared && !first.shared && hit.session == first.session);
            let mut options = first.options;
            let mut count = 0;
            for hit in same {
                options.qos = options.qos.max(hit.options.qos);
                options.retain_as_published |= hit.options.retain_as_published;
                count += 1;
            }
            rest = behind.get(count..).unwrap_or_default();
            self.offer(turn, first.session, delivery(message, options));
        }
        hits.clear();
        self.hits = hits;
    }

    /// Brings a message to a group of this name, if there is one. Only a defect asks for it.
    pub(super) fn route_to_group(&mut self, turn: &mut Turn<'_>, name: &str, message: &Arc<Message>) -> bool {
        let judge = Judge { principals: &self.principals, home: &self.home, defect: turn.defect };
        let sessions = &self.sessions;
        let mut chosen = None;
        self.index.visit(&message.topic, Reach::Ordinary, |found| {
            if let Found::Shared(other, group) = found
                && other == name
                && chosen.is_none()
            {
                chosen = choose(group, sessions, judge, message);
            }
        });
        if let Some((session, options)) = chosen {
            self.offer(turn, session, delivery(message, options));
        }
        chosen.is_some()
    }

    /// Brings a message to a session: at once, into its queue, or nowhere.
    pub(super) fn offer(&mut self, turn: &mut Turn<'_>, id: SessionId, mut delivery: Delivery) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let judge = Judge { principals: &self.principals, home: &self.home, defect: turn.defect };
        let now = turn.now;
        delivery.unchecked |= turn.has(Defect::ReceiveUnchecked);
        let withheld = !delivery.unchecked
            && (delivery.qos == Qos::AtMostOnce || session.connection.is_none())
            && !judge.may_receive(session, &delivery.message.topic);
        if withheld {
            self.totals.withheld += 1;
            return;
        }
        if delivery.qos == Qos::AtMostOnce {
            let Some(connection) = session.connection.and_then(|id| self.connections.get_mut(&id)) else { return };
            if is_full(connection, &self.quotas) {
                self.totals.discarded_slow += 1;
            } else if !connection.publishes.take(self.quotas.publishes_per_connection, now, 1)
                || !self.rates.outbound.take(self.quotas.outbound, now, 1)
            {
                self.totals.discarded_out += 1;
            } else if write(connection, &delivery, 0, now) {
                self.totals.delivered += 1;
                if let Some(connection) = session.connection {
                    turn.effects.awaken(connection);
                }
            } else {
                self.totals.oversized += 1;
            }
            return;
        }
        let bytes = delivery.message.bytes();
        let away = session.connection.is_none();
        let no_room = session.waiting.len() >= self.quotas.queued_per_session
            || session.waiting_bytes + bytes > self.quotas.queued_bytes_per_session
            || self.queued_bytes + bytes > self.quotas.queued_bytes;
        if no_room || (away && !self.rates.queued.take(self.quotas.queued, now, 1)) {
            self.totals.discarded_queue += 1;
            return;
        }
        delivery.stored = away;
        session.waiting_bytes += bytes;
        self.queued_bytes += bytes;
        session.waiting.push_back(delivery);
        if !away {
            self.pump(turn, id);
        }
    }

    /// Sends what waits for a session, as far as everything allows it.
    pub(super) fn pump(&mut self, turn: &mut Turn<'_>, id: SessionId) {
        let now = turn.now;
        let quotas = &self.quotas;
        let judge = Judge { principals: &self.principals, home: &self.home, defect: turn.defect };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(connection_id) = session.connection else { return };
        let Some(connection) = self.connections.get_mut(&connection_id) else { return };
        let unheld = turn.has(Defect::InFlightUnheld);
        let window = if unheld { 60_000 } else { quotas.unacknowledged_out.min(connection.receive_maximum) };
        while let Some(front) = session.waiting.front() {
            let stored = front.stored;
            let over = front.message.is_expired(now) && !turn.has(Defect::ExpiryUnheld);
            let trusted = front.unchecked || (stored && turn.has(Defect::StoredUnchecked));
            if over || !(trusted || judge.may_receive(session, &front.message.topic)) {
                let count = if over { &mut self.totals.expired } else { &mut self.totals.withheld };
                *count += 1;
                unqueue(session, &mut self.queued_bytes);
                continue;
            }
            if session.inflight.len() >= usize::from(window) || is_full(connection, quotas) {
                break;
            }
            let mut at = connection.publishes.ready_at(quotas.publishes_per_connection, now, 1);
            at = at.max(self.rates.outbound.ready_at(quotas.outbound, now, 1));
            if stored {
                at = at.max(session.replay.ready_at(quotas.replay, now, 1));
            }
            if at > now {
                if session.wake.is_none_or(|wake| at < wake) && at != u64::MAX {
                    if let Some(wake) = session.wake.replace(at) {
                        turn.disarm(wake, Timer::Wake(id));
                    }
                    turn.arm(at, Timer::Wake(id));
                }
                break;
            }
            let Some(delivery) = unqueue(session, &mut self.queued_bytes) else { break };
            let packet_id = session.packet_id();
            if !write(connection, &delivery, packet_id, now) {
                self.totals.oversized += 1;
                continue;
            }
            connection.publishes.take(quotas.publishes_per_connection, now, 1);
            self.rates.outbound.take(quotas.outbound, now, 1);
            if stored {
                session.replay.take(quotas.replay, now, 1);
            }
            session.inflight.push_back((packet_id, delivery));
            self.totals.delivered += 1;
            turn.effects.awaken(connection_id);
        }
    }

    /// A client has a message.
    pub(super) fn acknowledged(&mut self, turn: &mut Turn<'_>, id: ConnectionId, packet_id: u16) {
        let Some(connection) = self.connections.get(&id) else { return };
        let session_id = connection.session;
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        // An id that is not known belongs to an earlier try: there is nothing to be done about it.
        if let Some(place) = session.inflight.iter().position(|(sent, _)| *sent == packet_id) {
            session.inflight.remove(place);
            self.pump(turn, session_id);
        }
    }

    /// Hands out what is to be sent, as much as the connection's throughput allows.
    pub(super) fn take(&mut self, turn: &mut Turn<'_>, id: ConnectionId, into: &mut Vec<Packet>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let session = connection.session;
        loop {
            let before = connection.outbox.len();
            let at = connection.bytes_out.even_at(self.quotas.throughput, turn.now);
            if at > turn.now && before > 0 {
                turn.effects.calm(id);
                turn.arm(at, Timer::Drain(id));
                return;
            }
            let Some(packet) = connection.outbox.pop_front() else { break };
            let bytes = sizes::packet(&packet, connection.version);
            connection.outbox_bytes = connection.outbox_bytes.saturating_sub(bytes);
            connection.acks -= u16::from(matches!(packet, Packet::PubAck(_)));
            connection.bytes_out.owe(self.quotas.throughput, turn.now, bytes);
            into.push(packet);
        }
        turn.effects.calm(id);
        // There is room again for what waited.
        self.pump(turn, session);
    }
}

fn delivery(message: &Arc<Message>, options: Options) -> Delivery {
    Delivery {
        qos: message.qos.min(options.qos),
        retain: message.retain && options.retain_as_published,
        message: Arc::clone(message),
        stored: false,
        unchecked: false,
    }
}

/// A member of a group: the next one that is there and may have the message, else the next one it can wait for.
fn choose(
    group: &mut Group<SessionId, Options>,
    sessions: &BTreeMap<SessionId, Session>,
    judge: Judge<'_>,
    message: &Message,
) -> Option<(SessionId, Options)> {
    let fits = |id: &SessionId, here: bool| {
        sessions
            .get(id)
            .is_some_and(|session| session.connection.is_some() == here && judge.may_receive(session, &message.topic))
    };
    group.choose(|id, _| fits(id, true)).or_else(|| {
        let waits = message.qos != Qos::AtMostOnce;
        group.choose(|id, options| waits && options.qos != Qos::AtMostOnce && fits(id, false))
    })
}

fn unqueue(session: &mut Session, queued_bytes: &mut usize) -> Option<Delivery> {
    let delivery = session.waiting.pop_front()?;
    let bytes = delivery.message.bytes();
    session.waiting_bytes = session.waiting_bytes.saturating_sub(bytes);
    *queued_bytes = queued_bytes.saturating_sub(bytes);
    Some(delivery)
}

fn is_full(connection: &Connection, quotas: &super::quotas::Quotas) -> bool {
    connection.outbox.len() >= quotas.outbox || connection.outbox_bytes >= quotas.outbox_bytes
}

/// Puts a message into an outbox. False: it is larger than the client takes.
fn write(connection: &mut Connection, delivery: &Delivery, packet_id: u16, now: u64) -> bool {
    let message = &delivery.message;
    let mut publish = Publish {
        // A second try is a new packet here, under another id (AWS does not set DUP).
        dup: false,
        qos: delivery.qos,
        retain: delivery.retain,
        topic: Arc::clone(&message.topic),
        packet_id,
        payload: message.payload.clone(),
        topic_alias: None,
        subscription_identifiers: Vec::new(),
        properties: MessageProperties::default(),
    };
    if connection.version == Version::V5 {
        publish.properties = message.properties.clone();
        if let Some(at) = message.expires {
            let left = at.saturating_sub(now).div_ceil(SECOND);
            publish.properties.expiry = Some(u32::try_from(left).unwrap_or(u32::MAX).max(1));
        }
        let bound = connection.aliases_out.iter().position(|topic| *topic == message.topic);
        let free = connection.aliases_out.len() < usize::from(connection.aliases_out_most);
        if bound.is_some() || free {
            let place = bound.unwrap_or(connection.aliases_out.len());
            publish.topic_alias = u16::try_from(place + 1).ok();
        }
        if bound.is_some() {
            publish.topic = Arc::default();
        }
        let bytes = sizes::publish(&publish, Version::V5);
        if bytes > connection.maximum_packet_size {
            return false;
        }
        if bound.is_none() && free {
            connection.aliases_out.push(Arc::clone(&message.topic));
        }
        connection.outbox_bytes += bytes;
    } else {
        connection.outbox_bytes += sizes::publish(&publish, Version::V311);
    }
    connection.outbox.push_back(Packet::Publish(publish));
    true
}
