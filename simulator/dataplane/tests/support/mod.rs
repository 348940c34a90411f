//! Two accounts, certificates with allow-lists, clients whose packets are values.

#![expect(dead_code, reason = "each test binary uses a part")]

use bytes::Bytes;
use fleetproof_dataplane::broker::{
    AccountId, Broker, Closed, ConnectionId, Defect, Notice, Outcome, Principal, Quotas, Reason, Rules, Status,
};
use fleetproof_dataplane::policy::{Action, CertificateFacts, Facts, Home, Resource, ThingFacts};
use fleetproof_wire::mqtt::packet::{
    Ack, ConnAck, Connect, Disconnect, Packet, Publish, Qos, Subscribe, Subscription, Unsubscribe, Version, Will,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// µs in a second.
pub const SECOND: u64 = 1_000_000;

/// What is allowed: actions on `client/…`, `topic/…`, `topicfilter/…`; a `*` at the end stands for anything.
#[derive(Clone, Debug)]
pub struct Allow(pub Vec<(Action, &'static str)>);

impl Rules for Allow {
    fn allow(&self, action: Action, resource: Resource<'_>, _: &Home, _: &Facts) -> bool {
        let name = match resource {
            Resource::Client(id) => format!("client/{id}"),
            Resource::Topic(name) => format!("topic/{name}"),
            Resource::Filter(filter) => format!("topicfilter/{filter}"),
            Resource::Thing(name) => format!("thing/{name}"),
        };
        self.0.iter().any(|(allowed, pattern)| {
            *allowed == action
                && pattern.strip_suffix('*').map_or(name == *pattern, |beginning| name.starts_with(beginning))
        })
    }
}

/// Everything that a client can do.
pub fn all() -> Allow {
    Allow(vec![
        (Action::Connect, "*"),
        (Action::Publish, "*"),
        (Action::Subscribe, "*"),
        (Action::Receive, "*"),
        (Action::RetainPublish, "*"),
    ])
}

/// Everything but some actions.
pub fn all_but(without: &[Action]) -> Allow {
    let mut rules = all();
    rules.0.retain(|(action, _)| !without.contains(action));
    rules
}

/// Everything, but one action only on one resource.
pub fn only(action: Action, pattern: &'static str) -> Allow {
    let mut rules = all_but(&[action]);
    rules.0.push((action, pattern));
    rules
}

pub fn v5(client_id: &str) -> Connect {
    Connect::new(Version::V5, client_id)
}

pub fn v3(client_id: &str) -> Connect {
    Connect::new(Version::V311, client_id)
}

/// Version 5 with a session of an hour, resumed if there is one.
pub fn lasting(client_id: &str) -> Connect {
    Connect { clean_start: false, session_expiry: Some(3_600), ..v5(client_id) }
}

pub fn will(topic: &str, payload: &str) -> Will {
    Will {
        topic: topic.into(),
        payload: Bytes::from(payload.to_owned()),
        qos: Qos::AtLeastOnce,
        retain: false,
        delay: None,
        properties: Default::default(),
    }
}

pub fn message(topic: &str, payload: &str) -> Publish {
    Publish::new(topic, payload.to_owned(), Qos::AtMostOnce)
}

pub fn surely(packet_id: u16, topic: &str, payload: &str) -> Publish {
    Publish { packet_id, ..Publish::new(topic, payload.to_owned(), Qos::AtLeastOnce) }
}

pub struct World {
    pub broker: Broker,
    pub now: u64,
    pub a: AccountId,
    pub b: AccountId,
    pub closed: Vec<Closed>,
    /// Taken and not looked at.
    unread: BTreeMap<ConnectionId, Vec<Packet>>,
    last: u64,
    last_packet: u16,
}

impl World {
    pub fn new(defect: Option<Defect>) -> Self {
        Self::with(defect, Quotas::default())
    }

    pub fn sound() -> Self {
        Self::new(None)
    }

    /// Both accounts have the same quotas.
    pub fn with(defect: Option<Defect>, quotas: Quotas) -> Self {
        let mut broker = Broker::new(defect);
        let home = |account: &str| Home { region: "eu-central-1".into(), account: account.into() };
        let a = broker.add_account(0, home("111111111111"), quotas.clone());
        let b = broker.add_account(0, home("222222222222"), quotas);
        Self { broker, now: SECOND, a, b, closed: vec![], unread: BTreeMap::new(), last: 0, last_packet: 0 }
    }

    /// Lets time pass, with everything that happens meanwhile.
    pub fn pass(&mut self, seconds: u64) {
        let until = self.now + seconds * SECOND;
        while let Some(at) = self.broker.next_due().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.broker.due(self.now);
        }
        self.now = until;
    }

    pub fn register(&mut self, account: AccountId, certificate: &str, status: Status, rules: Allow, things: &[&str]) {
        let things =
            things.iter().map(|name| Arc::new(ThingFacts { name: (*name).into(), ..ThingFacts::default() })).collect();
        let certificate = Arc::new(CertificateFacts { id: certificate.into(), ..CertificateFacts::default() });
        let principal = Principal { status, rules: Arc::new(rules), certificate, things };
        self.broker.set_principal(self.now, account, principal);
    }

    /// Changes nothing but what a certificate may.
    pub fn allow(&mut self, account: AccountId, certificate: &str, rules: Allow) {
        self.register(account, certificate, Status::Active, rules, &[]);
    }

    /// Says CONNECT at this moment.
    pub fn knock(&mut self, account: AccountId, certificate: &str, connect: Connect) -> ConnectionId {
        self.last += 1;
        let id = ConnectionId(self.last);
        self.broker.connect(self.now, id, account, certificate, Some("192.0.2.1".into()), connect);
        id
    }

    /// Says CONNECT a second later, and reads the answer.
    pub fn answer(&mut self, account: AccountId, certificate: &str, connect: Connect) -> (ConnectionId, ConnAck) {
        self.pass(1);
        let id = self.knock(account, certificate, connect);
        let mut packets = self.take(id);
        assert!(!packets.is_empty(), "no CONNACK");
        let first = packets.remove(0);
        self.unread.insert(id, packets);
        match first {
            Packet::ConnAck(answer) => (id, *answer),
            other => panic!("CONNACK comes first, not {other:?}"),
        }
    }

    /// Says CONNECT a second later; must be accepted.
    pub fn connect(&mut self, account: AccountId, certificate: &str, connect: Connect) -> ConnectionId {
        let (id, answer) = self.answer(account, certificate, connect);
        assert_eq!(answer.code, 0, "not accepted");
        id
    }

    /// A client of version 5 with a certificate of its own that may everything.
    pub fn join(&mut self, account: AccountId, client_id: &str) -> ConnectionId {
        self.join_as(account, v5(client_id))
    }

    /// The same with another CONNECT. The certificate is called as the client.
    pub fn join_as(&mut self, account: AccountId, connect: Connect) -> ConnectionId {
        let certificate = connect.client_id.clone();
        self.allow(account, &certificate, all());
        self.connect(account, &certificate, connect)
    }

    /// The same with other rules.
    pub fn join_with(&mut self, account: AccountId, client_id: &str, rules: Allow) -> ConnectionId {
        self.allow(account, client_id, rules);
        self.connect(account, client_id, v5(client_id))
    }

    pub fn send(&mut self, id: ConnectionId, packet: Packet) {
        self.broker.receive(self.now, id, packet);
    }

    pub fn publish(&mut self, id: ConnectionId, publish: Publish) {
        self.send(id, Packet::Publish(publish));
    }

    /// Subscribes; the codes of SUBACK.
    pub fn subscribe(&mut self, id: ConnectionId, filters: &[&str]) -> Vec<u8> {
        let filters = filters.iter().map(|filter| Subscription::new(filter, Qos::AtLeastOnce)).collect();
        self.subscribe_as(id, filters)
    }

    /// Subscribes with options; the codes of SUBACK.
    pub fn subscribe_as(&mut self, id: ConnectionId, filters: Vec<Subscription>) -> Vec<u8> {
        self.last_packet = self.last_packet % 60_000 + 1;
        let packet_id = self.last_packet;
        let subscribe = Subscribe { packet_id, filters, identifier: None, user_properties: vec![] };
        self.send(id, Packet::Subscribe(subscribe));
        let codes = self.take_until(id, |packet| match packet {
            Packet::SubAck(acks) if acks.packet_id == packet_id => Some(acks.codes.clone()),
            _ => None,
        });
        codes.unwrap_or_default()
    }

    pub fn unsubscribe(&mut self, id: ConnectionId, filters: &[&str]) -> Option<Vec<u8>> {
        self.last_packet = self.last_packet % 60_000 + 1;
        let packet_id = self.last_packet;
        let filters = filters.iter().map(|filter| (*filter).to_owned()).collect();
        self.send(id, Packet::Unsubscribe(Unsubscribe { packet_id, filters, user_properties: vec![] }));
        self.take_until(id, |packet| match packet {
            Packet::UnsubAck(acks) if acks.packet_id == packet_id => Some(acks.codes.clone()),
            _ => None,
        })
    }

    fn take_until<T>(&mut self, id: ConnectionId, mut found: impl FnMut(&Packet) -> Option<T>) -> Option<T> {
        let mut packets = self.take(id);
        let place = packets.iter().position(|packet| found(packet).is_some());
        let result = place.and_then(|place| found(&packets.remove(place)));
        self.unread.insert(id, packets);
        result
    }

    /// What is to be sent now.
    pub fn take(&mut self, id: ConnectionId) -> Vec<Packet> {
        let mut packets = self.unread.remove(&id).unwrap_or_default();
        self.broker.take(self.now, id, &mut packets);
        packets
    }

    /// What is to be sent to a client that acknowledges every message at once.
    pub fn read(&mut self, id: ConnectionId) -> Vec<Packet> {
        let mut all = Vec::new();
        loop {
            let packets = self.take(id);
            if packets.is_empty() {
                return all;
            }
            for packet in &packets {
                if let Packet::Publish(publish) = packet
                    && publish.qos == Qos::AtLeastOnce
                {
                    self.send(id, Packet::PubAck(Ack::of(publish.packet_id)));
                }
            }
            all.extend(packets);
        }
    }

    /// The messages among that.
    pub fn published(&mut self, id: ConnectionId) -> Vec<Publish> {
        let packets = self.read(id);
        packets
            .into_iter()
            .filter_map(|packet| match packet {
                Packet::Publish(publish) => Some(publish),
                _ => None,
            })
            .collect()
    }

    /// Their payloads.
    pub fn messages(&mut self, id: ConnectionId) -> Vec<String> {
        let all = self.published(id);
        all.iter().map(|publish| String::from_utf8_lossy(&publish.payload).into_owned()).collect()
    }

    /// The code of the next PUBACK, DISCONNECT or CONNACK.
    pub fn code(&mut self, id: ConnectionId) -> Option<u8> {
        self.take_until(id, |packet| match packet {
            Packet::PubAck(ack) => Some(ack.code),
            Packet::Disconnect(disconnect) => Some(disconnect.code),
            Packet::ConnAck(answer) => Some(answer.code),
            _ => None,
        })
    }

    /// Why a connection was closed.
    pub fn end_of(&mut self, id: ConnectionId) -> Option<Closed> {
        self.closed.extend(self.broker.closed());
        self.closed.iter().find(|closed| closed.connection == id).copied()
    }

    pub fn is_closed(&mut self, id: ConnectionId) -> bool {
        self.end_of(id).is_some()
    }

    /// The stream breaks.
    pub fn lose(&mut self, id: ConnectionId) {
        self.broker.lost(self.now, id, Reason::ConnectionLost, 0);
    }

    /// The client says goodbye.
    pub fn leave(&mut self, id: ConnectionId) {
        self.send(id, Packet::Disconnect(Disconnect::default()));
    }

    /// A service says something.
    pub fn say(&mut self, account: AccountId, topic: &str, payload: &str) {
        let notice = Notice::new(topic, payload.to_owned(), Qos::AtLeastOnce);
        self.broker.publish(self.now, account, notice).unwrap();
    }

    pub fn requests(&mut self) -> Vec<Arc<str>> {
        let outcomes = self.broker.outcomes();
        outcomes
            .into_iter()
            .filter_map(|outcome| match outcome {
                Outcome::Request { topic, .. } => Some(topic),
                _ => None,
            })
            .collect()
    }
}
