//! SUBSCRIBE and UNSUBSCRIBE.

use super::account::{Account, Subject, Turn};
use super::defects::Defect;
use super::outcomes::ConnectionId;
use super::session::{Delivery, Options, SessionId};
use crate::policy::{Action, Resource};
use crate::topics::Filter;
use fleetproof_wire::mqtt::packet::{
    Acks, Packet, Qos, RetainHandling, Subscribe, Subscription, Unsubscribe, UserProperties, Version, code,
};
use std::sync::Arc;

impl Account {
    pub(super) fn subscribe(&mut self, turn: &mut Turn<'_>, id: ConnectionId, packet: Subscribe) {
        let Some(connection) = self.connections.get(&id) else { return };
        let (session_id, version) = (connection.session, connection.version);
        let fault = if packet.identifier.is_some() && version == Version::V5 {
            code::SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED
        } else if packet.filters.is_empty()
            || packet.packet_id == 0
            || packet.filters.iter().any(|line| line.no_local && line.filter.starts_with("$share/"))
        {
            code::PROTOCOL_ERROR
        } else if packet.filters.len() > self.quotas.filters_per_packet {
            code::QUOTA_EXCEEDED
        } else {
            code::SUCCESS
        };
        if fault != code::SUCCESS {
            return self.fault(turn, id, fault);
        }
        let mut codes = Vec::with_capacity(packet.filters.len());
        let mut added = Vec::new();
        let mut kept = Vec::new();
        for (line, subscription) in packet.filters.iter().enumerate() {
            let code = match self.subscribe_one(turn, session_id, line, subscription) {
                Ok(new) => {
                    added.push(Arc::from(subscription.filter.as_str()));
                    let wanted = match subscription.retain_handling {
                        RetainHandling::Always => true,
                        RetainHandling::WhenNew => new,
                        RetainHandling::Never => false,
                    };
                    if wanted {
                        kept.push(subscription);
                    }
                    u8::from(subscription.qos != Qos::AtMostOnce)
                }
                // Version 3.1.1 knows one way to say no.
                Err(_) if version == Version::V311 => code::UNSPECIFIED,
                Err(code) => code,
            };
            codes.push(code);
        }
        self.push(turn, id, Packet::SubAck(acks(packet.packet_id, codes)));
        self.tell_change(turn, id, true, added);
        for subscription in kept {
            self.send_retained(turn, session_id, subscription);
        }
    }

    /// Whether the subscription is new, or why it is not made.
    fn subscribe_one(
        &mut self,
        turn: &Turn<'_>,
        id: SessionId,
        line: usize,
        wanted: &Subscription,
    ) -> Result<bool, u8> {
        let filter = Filter::parse(&wanted.filter, self.quotas.topics).map_err(|_| code::TOPIC_FILTER_INVALID)?;
        let session = self.sessions.get(&id).ok_or(code::UNSPECIFIED)?;
        let who = Subject { principal: &session.principal, facts: &session.facts, then: Some(&*session.rules) };
        let unchecked = turn.has(Defect::SecondFilterUnchecked) && line > 0;
        if !unchecked && !self.judge(turn.defect).allows(who, Action::Subscribe, Resource::Filter(&wanted.filter)) {
            self.totals.denied += 1;
            return Err(code::NOT_AUTHORIZED);
        }
        let new = !session.subscriptions.contains(wanted.filter.as_str());
        let counted = if turn.has(Defect::SubscriptionsPerPacket) { line } else { session.subscriptions.len() };
        let full = new
            && (counted >= self.quotas.subscriptions_per_connection || self.index.len() >= self.quotas.subscriptions);
        if full || !self.rates.subscribes.take(self.quotas.subscribes, turn.now, 1) {
            self.totals.subscriptions_refused += 1;
            return Err(code::QUOTA_EXCEEDED);
        }
        let options = Options {
            qos: wanted.qos.min(Qos::AtLeastOnce),
            no_local: wanted.no_local,
            retain_as_published: wanted.retain_as_published,
        };
        self.index.subscribe(filter, id, options);
        if new && let Some(session) = self.sessions.get_mut(&id) {
            session.subscriptions.insert(wanted.filter.as_str().into());
        }
        Ok(new)
    }

    /// Sends what is kept at the topic of a filter, if the filter is one topic and nobody shares it.
    fn send_retained(&mut self, turn: &mut Turn<'_>, id: SessionId, wanted: &Subscription) {
        let Ok(filter) = Filter::parse(&wanted.filter, self.quotas.topics) else { return };
        if filter.group.is_some() || !filter.is_exact() {
            return;
        }
        let Some(message) = self.retained.get(filter.path, turn.now).cloned() else { return };
        let own = wanted.no_local && message.from == Some(id);
        if !own {
            let qos = message.qos.min(wanted.qos);
            let unchecked = turn.has(Defect::RetainedUnchecked);
            self.offer(turn, id, Delivery { message, qos, retain: true, stored: false, unchecked });
        }
    }

    pub(super) fn unsubscribe(&mut self, turn: &mut Turn<'_>, id: ConnectionId, packet: Unsubscribe) {
        let Some(connection) = self.connections.get(&id) else { return };
        let (session_id, version) = (connection.session, connection.version);
        if packet.filters.is_empty() || packet.packet_id == 0 {
            return self.fault(turn, id, code::PROTOCOL_ERROR);
        }
        if packet.filters.len() > self.quotas.filters_per_packet {
            return self.fault(turn, id, code::QUOTA_EXCEEDED);
        }
        let mut codes = Vec::new();
        let mut removed = Vec::new();
        for text in &packet.filters {
            let code = match Filter::parse(text, self.quotas.topics) {
                Err(_) => code::TOPIC_FILTER_INVALID,
                Ok(filter) if self.index.unsubscribe(filter, &session_id).is_some() => {
                    if let Some(session) = self.sessions.get_mut(&session_id) {
                        session.subscriptions.remove(text.as_str());
                    }
                    removed.push(Arc::from(text.as_str()));
                    code::SUCCESS
                }
                Ok(_) => code::NO_SUBSCRIPTION_EXISTED,
            };
            if version == Version::V5 {
                codes.push(code);
            }
        }
        self.push(turn, id, Packet::UnsubAck(acks(packet.packet_id, codes)));
        self.tell_change(turn, id, false, removed);
    }

    fn tell_change(&mut self, turn: &mut Turn<'_>, id: ConnectionId, subscribed: bool, filters: Vec<Arc<str>>) {
        let Some(connection) = self.connections.get(&id) else { return };
        let Some(session) = self.sessions.get(&connection.session) else { return };
        let who = (Arc::clone(&session.client_id), Arc::clone(&session.principal), Arc::clone(&connection.identifier));
        self.tell_subscriptions(turn, who, subscribed, filters);
    }
}

const fn acks(packet_id: u16, codes: Vec<u8>) -> Acks {
    Acks { packet_id, codes, reason: None, user_properties: UserProperties::new() }
}
