//! What clients send, and what may be said where.

use super::account::{Account, Subject, Turn};
use super::crossings::Crossing;
use super::defects::Defect;
use super::ending::End;
use super::outcomes::{ConnectionId, Origin, Outcome, Reason, Refusal};
use super::principals::Rules;
use super::quotas::SECOND;
use super::reserved::{Class, classify, weight};
use super::session::{Message, SessionId};
use super::sizes;
use crate::policy::{Action, Facts, Resource};
use crate::topics::check_name;
use bytes::Bytes;
use fleetproof_wire::mqtt::packet::{Ack, Disconnect, MessageProperties, Packet, Publish, Qos, Version, code};
use std::sync::Arc;

/// Who says something.
pub(super) struct Speaker {
    pub(super) origin: Origin,
    pub(super) facts: Arc<Facts>,
    pub(super) rules: Option<Arc<dyn Rules>>,
    pub(super) session: Option<SessionId>,
    /// No policy is asked. Only a service, and a defect, say so.
    pub(super) trusted: bool,
}

/// What is said.
pub(super) struct Said {
    pub(super) topic: Arc<str>,
    pub(super) payload: Bytes,
    pub(super) qos: Qos,
    pub(super) retain: bool,
    pub(super) properties: MessageProperties,
}

impl Account {
    /// A packet has come. Returns when the next one shall be read.
    pub(super) fn receive(&mut self, turn: &mut Turn<'_>, id: ConnectionId, packet: Packet) -> u64 {
        let Some(connection) = self.connections.get_mut(&id) else { return turn.now };
        connection.last_heard = turn.now;
        let bytes = match &packet {
            Packet::Publish(publish) => sizes::publish(publish, connection.version),
            _ => 2,
        };
        connection.bytes_in.owe(self.quotas.throughput, turn.now, bytes);
        let read_at = connection.bytes_in.even_at(self.quotas.throughput, turn.now);
        match packet {
            Packet::Publish(publish) => self.publish(turn, id, publish),
            Packet::PubAck(ack) => self.acknowledged(turn, id, ack.packet_id),
            Packet::Subscribe(subscribe) => self.subscribe(turn, id, subscribe),
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(turn, id, unsubscribe),
            Packet::PingReq => self.push(turn, id, Packet::PingResp),
            Packet::Disconnect(disconnect) => self.goodbye(turn, id, &disconnect),
            // The rest is the server's to say, or belongs to QoS 2, or comes a second time.
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::PubRec(_)
            | Packet::PubRel(_)
            | Packet::PubComp(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp => self.fault(turn, id, code::PROTOCOL_ERROR),
        }
        read_at
    }

    /// The client broke the protocol or a limit.
    pub(super) fn fault(&mut self, turn: &mut Turn<'_>, id: ConnectionId, code: u8) {
        self.end(turn, id, End::of(Reason::ClientError, code));
    }

    fn goodbye(&mut self, turn: &mut Turn<'_>, id: ConnectionId, disconnect: &Disconnect) {
        let Some(connection) = self.connections.get(&id) else { return };
        if let Some(seconds) = disconnect.session_expiry {
            if !connection.outlived && seconds > 0 {
                return self.fault(turn, id, code::PROTOCOL_ERROR);
            }
            if let Some(session) = self.sessions.get_mut(&connection.session) {
                session.expiry = u64::from(seconds.min(self.quotas.session_expiry_most)) * SECOND;
            }
        }
        // Anything but a plain goodbye leaves the will standing (version 5, section 3.14.2.1).
        let will = disconnect.code != code::SUCCESS;
        self.end(turn, id, End { reason: Reason::ClientInitiatedDisconnect, code: disconnect.code, will });
    }

    fn publish(&mut self, turn: &mut Turn<'_>, id: ConnectionId, publish: Publish) {
        let now = turn.now;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let version = connection.version;
        let most = self.quotas.payload + usize::from(turn.has(Defect::PayloadOffByOne));
        let fault = if publish.qos == Qos::ExactlyOnce {
            code::QOS_NOT_SUPPORTED
        } else if publish.dup && publish.qos == Qos::AtMostOnce {
            code::MALFORMED_PACKET
        } else if (publish.qos == Qos::AtLeastOnce && publish.packet_id == 0)
            || !publish.subscription_identifiers.is_empty()
            || publish.properties.response_topic.as_ref().is_some_and(|topic| topic.contains(['+', '#', '\0']))
        {
            code::PROTOCOL_ERROR
        } else if publish.payload.len() > most {
            code::QUOTA_EXCEEDED
        } else {
            code::SUCCESS
        };
        if fault != code::SUCCESS {
            return self.fault(turn, id, fault);
        }
        if !connection.publishes.take(self.quotas.publishes_per_connection, now, 1)
            && !turn.has(Defect::PublishRateUnheld)
        {
            self.totals.discarded_in += 1;
            return;
        }
        if publish.qos == Qos::AtLeastOnce && connection.acks >= self.quotas.unacknowledged_in {
            if version == Version::V5 {
                return self.fault(turn, id, code::RECEIVE_MAXIMUM_EXCEEDED);
            }
            self.totals.discarded_in += 1;
            return;
        }
        let (topic, binds) = match publish.topic_alias {
            None if publish.topic.is_empty() && version == Version::V5 => {
                return self.fault(turn, id, code::PROTOCOL_ERROR);
            }
            None => (publish.topic, None),
            Some(alias) if version == Version::V311 || alias == 0 || alias > self.quotas.aliases => {
                return self.fault(turn, id, code::TOPIC_ALIAS_INVALID);
            }
            Some(alias) if publish.topic.is_empty() => {
                match connection.aliases_in.get(usize::from(alias) - 1).cloned().flatten() {
                    Some(topic) => (topic, None),
                    None => return self.fault(turn, id, code::TOPIC_ALIAS_INVALID),
                }
            }
            Some(alias) => (publish.topic, Some(alias)),
        };
        if let Err(error) = check_name(&topic, self.quotas.topics) {
            if error.is_quota() && version == Version::V5 && publish.qos == Qos::AtLeastOnce {
                return self.refuse(turn, id, publish.packet_id, code::TOPIC_NAME_INVALID);
            }
            return self.fault(turn, id, code::TOPIC_NAME_INVALID);
        }
        if let Some(alias) = binds
            && turn.has(Defect::AliasBoundByRefused)
        {
            self.bind(id, alias, &topic);
        }
        let Some(speaker) = self.speaker(turn, id) else { return };
        let said = Said {
            topic: Arc::clone(&topic),
            payload: publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            properties: publish.properties,
        };
        match self.say(turn, &speaker, said) {
            Ok(()) => {
                if let Some(alias) = binds {
                    self.bind(id, alias, &topic);
                }
                if publish.qos == Qos::AtLeastOnce {
                    self.push(turn, id, Packet::PubAck(Ack::of(publish.packet_id)));
                }
            }
            Err(refusal) if publish.qos == Qos::AtLeastOnce && version == Version::V5 => {
                self.refuse(turn, id, publish.packet_id, refusal.code());
            }
            Err(Refusal::NotAuthorized) => self.end(turn, id, End::of(Reason::AuthError, code::NOT_AUTHORIZED)),
            // No acknowledgement, so that the client may try again.
            Err(_) => {}
        }
    }

    fn refuse(&mut self, turn: &mut Turn<'_>, id: ConnectionId, packet_id: u16, code: u8) {
        self.push(turn, id, Packet::PubAck(Ack { code, ..Ack::of(packet_id) }));
    }

    fn bind(&mut self, id: ConnectionId, alias: u16, topic: &Arc<str>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let place = usize::from(alias.saturating_sub(1));
        if connection.aliases_in.len() <= place {
            connection.aliases_in.resize(place + 1, None);
        }
        if let Some(bound) = connection.aliases_in.get_mut(place) {
            *bound = Some(Arc::clone(topic));
        }
    }

    /// Who speaks on a connection.
    fn speaker(&self, turn: &Turn<'_>, id: ConnectionId) -> Option<Speaker> {
        let connection = self.connections.get(&id)?;
        let session = self.sessions.get(&connection.session)?;
        Some(Speaker {
            origin: Origin {
                account: turn.account,
                connection: Some(id),
                client_id: Arc::clone(&session.client_id),
                principal: Arc::clone(&session.principal),
                thing: session.facts.thing.as_ref().map(|thing| Arc::clone(&thing.name)),
            },
            facts: Arc::clone(&session.facts),
            rules: turn.has(Defect::PolicyRemembered).then(|| Arc::clone(&session.rules)),
            session: Some(connection.session),
            trusted: false,
        })
    }

    /// Takes a message: to a service, to a rule, or to who subscribed. Its topic is a name within the quotas.
    pub(super) fn say(&mut self, turn: &mut Turn<'_>, speaker: &Speaker, said: Said) -> Result<(), Refusal> {
        let class = classify(&said.topic);
        let units = weight(&said.topic, class);
        if !self.rates.inbound.take(self.quotas.inbound, turn.now, units) {
            self.totals.discarded_in += 1;
            return Err(Refusal::QuotaExceeded);
        }
        if turn.has(Defect::InboundCountedGlobally) {
            turn.effects.crossings.push(Crossing::Spent(units));
        }
        if !self.may_say(turn, speaker, &said, class) {
            self.totals.denied += 1;
            return Err(Refusal::NotAuthorized);
        }
        match class {
            Class::Request(service) if !speaker.trusted => {
                let Said { topic, payload, qos, properties, .. } = said;
                let origin = speaker.origin.clone();
                turn.effects.outcomes.push(Outcome::Request { service, origin, topic, payload, qos, properties });
            }
            Class::Ingest(rule) if !speaker.trusted => {
                let rule = rule.into();
                let Said { topic, payload, .. } = said;
                turn.effects.outcomes.push(Outcome::Ingest { rule, origin: speaker.origin.clone(), topic, payload });
            }
            _ => self.spread(turn, speaker.session, said)?,
        }
        self.totals.published += 1;
        Ok(())
    }

    fn may_say(&self, turn: &Turn<'_>, speaker: &Speaker, said: &Said, class: Class<'_>) -> bool {
        if speaker.trusted {
            return true;
        }
        if class == Class::Closed && !turn.has(Defect::AnswersOpen) {
            return false;
        }
        let judge = self.judge(turn.defect);
        let who =
            Subject { principal: &speaker.origin.principal, facts: &speaker.facts, then: speaker.rules.as_deref() };
        let unchecked = turn.has(Defect::ThingTopicsUnchecked) && said.topic.starts_with("$aws/things/");
        if !unchecked && !judge.allows(who, Action::Publish, Resource::Topic(&said.topic)) {
            return false;
        }
        let cleared = turn.has(Defect::ClearUnchecked) && said.payload.is_empty();
        !said.retain
            || cleared
            || (class == Class::Ordinary && judge.allows(who, Action::RetainPublish, Resource::Topic(&said.topic)))
    }

    /// Keeps and routes a message that may be said.
    pub(super) fn spread(
        &mut self,
        turn: &mut Turn<'_>,
        from: Option<SessionId>,
        mut said: Said,
    ) -> Result<(), Refusal> {
        if let Some(seconds) = &mut said.properties.expiry {
            *seconds = (*seconds).clamp(1, self.quotas.message_expiry_most.max(1));
        }
        let expires = said.properties.expiry.map(|seconds| turn.now.saturating_add(u64::from(seconds) * SECOND));
        let message = Arc::new(Message {
            topic: said.topic,
            payload: said.payload,
            qos: said.qos.min(Qos::AtLeastOnce),
            retain: said.retain,
            properties: said.properties,
            expires,
            from,
        });
        if message.retain {
            if !self.retained.set(&message, &self.quotas, turn.now) {
                self.totals.discarded_in += 1;
                return Err(Refusal::QuotaExceeded);
            }
            if turn.has(Defect::RetainedCrosses) {
                turn.effects.crossings.push(Crossing::Retained(Arc::clone(&message)));
            }
        }
        self.route(turn, &message);
        Ok(())
    }
}
