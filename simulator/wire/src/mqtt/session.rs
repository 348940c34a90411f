//! The client's side of a session: what to send and what happened, without a stream and without a clock.
//!
//! Packets go in, packets come out: whoever has the connection reads and writes them with a [`Codec`](super::Codec). Time is
//! a number of µs since any beginning. Nothing is hidden: a connection that is lost stays lost until [`Session::connect`],
//! and [`Session::raw`] sends whatever it is given.
//!
//! Spoken are QoS 0 and 1. A message of QoS 2 that comes in is an [`Event::Message`] without an acknowledgement, and the
//! packets of its protocol are [`Event::Other`]: whoever asked for it answers with [`Session::raw`].

use super::fault::{Fault, Kind, Rule};
use super::packet::{
    Ack, Acks, Auth, ConnAck, Connect, Disconnect, Packet, Publish, Qos, Subscribe, Subscription, Unsubscribe, Version,
};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

/// How many messages of QoS 1 a session keeps until they are acknowledged, if nobody says otherwise.
pub const CAPACITY: usize = 100;

/// How many topic aliases a session gives out, if the server takes as many.
pub const ALIASES: u16 = 16;

const FIRST: Rule = Rule::both(Kind::Protocol, "MQTT-3.2.0-1", "the server's first packet is not CONNACK");
const SECOND: Rule = Rule::new(Kind::Protocol, "", "MQTT-3.2.0-2", "a CONNACK that no CONNECT waits for");
const PRESENT: Rule = Rule::new(
    Kind::Protocol,
    "MQTT-3.2.2-1",
    "MQTT-3.2.2-2",
    "CONNACK says that a session is present although a clean one was asked for",
);
const CODES: Rule = Rule::new(
    Kind::Protocol,
    "MQTT-3.8.4-5",
    "MQTT-3.8.4-6",
    "an acknowledgement has not one code for each topic filter that was asked for",
);
const ALIAS: Rule = Rule::new(
    Kind::TopicAlias,
    "",
    "MQTT-3.3.2-11",
    "the server uses a topic alias that is larger than it may or that stands for nothing",
);

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server lets the client in. [`ConnAck::session_present`] says whether it had kept the session.
    Connected(Box<ConnAck>),
    /// The server does not. The connection is over.
    Refused(Box<ConnAck>),
    /// A message. Behind a topic alias its topic has been filled in.
    Message(Publish),
    /// The server has a message of this session, or refuses it (version 5, code 0x80 and above). It is not sent again.
    Acknowledged(Ack),
    /// The answer to a [`Session::subscribe`].
    Subscribed(Acks),
    /// The answer to a [`Session::unsubscribe`].
    Unsubscribed(Acks),
    /// The answer to a PINGREQ.
    Pong,
    /// A step of an extended authentication.
    Authentication(Box<Auth>),
    /// An acknowledgement of something that this session did not send, as after [`Session::raw`].
    Other(Packet),
    /// The server ends the connection.
    Disconnected(Disconnect),
    /// The server has said nothing for one and a half times the keep-alive: the connection counts as lost.
    Lost,
}

/// Why the session does not take something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no connection, and this cannot wait for one.
    NotConnected,
    /// As many messages of QoS 1 wait for their acknowledgements as the session keeps.
    Full(usize),
    /// The server takes no messages of that QoS, or the session does not speak it.
    Qos(Qos),
    /// All 65535 packet ids are in use.
    NoPacketId,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => write!(f, "there is no MQTT connection: connect first"),
            Self::Full(capacity) => {
                write!(f, "{capacity} messages wait for an acknowledgement already: no more are kept")
            }
            Self::Qos(qos) => {
                write!(f, "messages of {qos:?} cannot be published here: use a lower QoS, or send it raw")
            }
            Self::NoPacketId => write!(f, "all 65535 packet ids are in use: wait for acknowledgements"),
        }
    }
}

impl std::error::Error for Refusal {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Apart,
    /// CONNECT was sent, asking for a clean session or not.
    Connecting {
        clean: bool,
    },
    Connected,
}

/// A message of QoS 1 without an acknowledgement.
#[derive(Debug)]
struct Outgoing {
    publish: Publish,
    /// Sent in this session, on whichever connection.
    ever: bool,
    /// Sent on this connection.
    here: bool,
}

/// What waits for a SUBACK or UNSUBACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Subscribe(usize),
    Unsubscribe(usize),
}

/// One client's session.
#[derive(Debug)]
pub struct Session {
    connect: Box<Connect>,
    outgoing: VecDeque<Outgoing>,
    asked: BTreeMap<u16, Asked>,
    /// What the server's aliases stand for.
    incoming_aliases: BTreeMap<u16, Arc<str>>,
    /// What ours stand for: the first is alias 1.
    outgoing_aliases: Vec<Arc<str>>,
    /// µs; 0: none.
    keep_alive: u64,
    last_sent: u64,
    last_received: u64,
    capacity: usize,
    state: State,
    pinged: bool,
    maximum_qos: Qos,
    last_id: u16,
    /// What we allow ourselves in flight, whatever the server would take.
    window: u16,
    receive_maximum: u16,
    in_flight: u16,
    aliases: u16,
    server_aliases: u16,
}

impl Session {
    /// A session that has never been connected. `connect` is what it connects with each time.
    #[must_use]
    pub fn new(connect: Connect) -> Self {
        Self {
            connect: Box::new(connect),
            outgoing: VecDeque::new(),
            asked: BTreeMap::new(),
            incoming_aliases: BTreeMap::new(),
            outgoing_aliases: Vec::new(),
            keep_alive: 0,
            last_sent: 0,
            last_received: 0,
            capacity: CAPACITY,
            state: State::Apart,
            pinged: false,
            maximum_qos: Qos::AtLeastOnce,
            last_id: 0,
            window: u16::MAX,
            receive_maximum: u16::MAX,
            in_flight: 0,
            aliases: ALIASES,
            server_aliases: 0,
        }
    }

    /// The same with another number of messages kept until they are acknowledged ([`CAPACITY`]).
    #[must_use]
    pub const fn keeping(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// The same with at most so many messages of QoS 1 in flight, even if the server takes more.
    #[must_use]
    pub const fn with_window(mut self, window: u16) -> Self {
        self.window = window;
        self
    }

    /// The same with at most so many topic aliases of its own ([`ALIASES`]); 0: none.
    #[must_use]
    pub const fn with_aliases(mut self, aliases: u16) -> Self {
        self.aliases = aliases;
        self
    }

    /// The version that is spoken.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.connect.version
    }

    /// The client's id: the one that the server gave, if it gave one.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.connect.client_id
    }

    /// Whether CONNACK has come and nothing has ended the connection since.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.state == State::Connected
    }

    /// How many messages of QoS 1 wait for their acknowledgements, sent or not.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.outgoing.len()
    }

    /// Forgets all messages that wait for their acknowledgements.
    pub fn forget(&mut self) {
        self.outgoing = VecDeque::new();
        self.in_flight = 0;
    }

    /// On a new connection: the CONNECT to send, clean or not. What is left of an earlier connection is over.
    pub fn connect(&mut self, now: u64, clean: bool) -> Packet {
        self.lose();
        self.state = State::Connecting { clean };
        self.keep_alive = u64::from(self.connect.keep_alive) * 1_000_000;
        (self.last_sent, self.last_received) = (now, now);
        let mut connect = self.connect.clone();
        connect.clean_start = clean;
        Packet::Connect(connect)
    }

    /// The connection is over, for whatever reason. Unacknowledged messages wait for the next one; what is asked is forgotten.
    pub fn lose(&mut self) {
        self.state = State::Apart;
        self.pinged = false;
        self.in_flight = 0;
        self.asked = BTreeMap::new();
        self.incoming_aliases = BTreeMap::new();
        self.outgoing_aliases = Vec::new();
        self.server_aliases = 0;
        for outgoing in &mut self.outgoing {
            outgoing.here = false;
        }
    }

    /// Publishes. The packet id is chosen here; it is the answer for QoS 1, and 0 for QoS 0. A message of QoS 1 waits if
    /// there is no connection, or if the server has not room for it (*Receive Maximum*).
    ///
    /// # Errors
    /// Any [`Refusal`].
    pub fn publish(&mut self, now: u64, mut publish: Publish, out: &mut Vec<Packet>) -> Result<u16, Refusal> {
        if publish.qos > self.maximum_qos {
            return Err(Refusal::Qos(publish.qos));
        }
        publish.dup = false;
        publish.packet_id = 0;
        if publish.qos == Qos::AtMostOnce {
            if !self.is_connected() {
                return Err(Refusal::NotConnected);
            }
            let publish = self.shorten(publish);
            self.last_sent = now;
            out.push(Packet::Publish(publish));
            return Ok(0);
        }
        if self.outgoing.len() >= self.capacity {
            return Err(Refusal::Full(self.capacity));
        }
        let packet_id = self.packet_id()?;
        publish.packet_id = packet_id;
        self.outgoing.push_back(Outgoing { publish, ever: false, here: false });
        self.pump(now, out);
        Ok(packet_id)
    }

    /// Subscribes; the answer is the packet id, which [`Event::Subscribed`] will have.
    ///
    /// # Errors
    /// [`Refusal::NotConnected`], [`Refusal::NoPacketId`].
    pub fn subscribe(&mut self, now: u64, filters: Vec<Subscription>, out: &mut Vec<Packet>) -> Result<u16, Refusal> {
        let packet_id = self.ask(now, Asked::Subscribe(filters.len()))?;
        out.push(Packet::Subscribe(Subscribe { packet_id, filters, identifier: None, user_properties: Vec::new() }));
        Ok(packet_id)
    }

    /// Unsubscribes; the answer is the packet id, which [`Event::Unsubscribed`] will have.
    ///
    /// # Errors
    /// [`Refusal::NotConnected`], [`Refusal::NoPacketId`].
    pub fn unsubscribe(&mut self, now: u64, filters: Vec<String>, out: &mut Vec<Packet>) -> Result<u16, Refusal> {
        let packet_id = self.ask(now, Asked::Unsubscribe(filters.len()))?;
        out.push(Packet::Unsubscribe(Unsubscribe { packet_id, filters, user_properties: Vec::new() }));
        Ok(packet_id)
    }

    /// Sends that packet as it is. The session makes no note of it but that something was sent.
    pub fn raw(&mut self, now: u64, packet: Packet, out: &mut Vec<Packet>) {
        self.last_sent = now;
        out.push(packet);
    }

    /// Says goodbye. The connection is over once this is sent.
    pub fn disconnect(&mut self, disconnect: Disconnect, out: &mut Vec<Packet>) {
        if self.state != State::Apart {
            out.push(Packet::Disconnect(disconnect));
        }
        self.lose();
    }

    /// When [`Session::tick`] wants to be called next, in µs; `None`: not before something else happens.
    #[must_use]
    pub fn next_wake(&self) -> Option<u64> {
        let (ping, gone) = self.deadlines()?;
        Some(ping.unwrap_or(gone).min(gone))
    }

    /// What is due by now: a PINGREQ, or the end of a connection on which the server is silent.
    pub fn tick(&mut self, now: u64, out: &mut Vec<Packet>) -> Option<Event> {
        let (ping, gone) = self.deadlines()?;
        if now >= gone {
            self.lose();
            return Some(Event::Lost);
        }
        if ping.is_some_and(|ping| now >= ping) {
            self.pinged = true;
            self.last_sent = now;
            out.push(Packet::PingReq);
        }
        None
    }

    /// When a PINGREQ is due and when the server counts as gone.
    fn deadlines(&self) -> Option<(Option<u64>, u64)> {
        if self.state == State::Apart || self.keep_alive == 0 {
            return None;
        }
        let gone = self.last_received + self.keep_alive + self.keep_alive / 2;
        // The server wants to hear something in time (3.1.2.10). A client that only sends would never hear from it, and so
        // asks as well when it was silent for long.
        let heard = if self.pinged { self.last_sent } else { self.last_sent.min(self.last_received) };
        Some(((self.state == State::Connected).then_some(heard + self.keep_alive), gone))
    }

    /// A packet came from the server. What has to be sent in turn goes to `out`.
    ///
    /// # Errors
    /// A [`Fault`] if the server may not send that now; the connection is to be closed, in version 5 after a DISCONNECT with
    /// its code.
    pub fn receive(&mut self, now: u64, packet: Packet, out: &mut Vec<Packet>) -> Result<Option<Event>, Fault> {
        self.last_received = now;
        let version = self.version();
        match packet {
            Packet::ConnAck(ack) => return self.connected(now, ack, out).map(Some),
            Packet::Auth(auth) => return Ok(Some(Event::Authentication(auth))),
            Packet::Disconnect(disconnect) => {
                self.lose();
                return Ok(Some(Event::Disconnected(disconnect)));
            }
            _ if self.state != State::Connected => return Err(FIRST.broken(version)),
            _ => {}
        }
        Ok(Some(match packet {
            Packet::Publish(mut publish) => {
                self.lengthen(&mut publish)?;
                if publish.qos == Qos::AtLeastOnce {
                    self.last_sent = now;
                    out.push(Packet::PubAck(Ack::of(publish.packet_id)));
                }
                Event::Message(publish)
            }
            Packet::PubAck(ack) => {
                let is_it = |outgoing: &Outgoing| outgoing.here && outgoing.publish.packet_id == ack.packet_id;
                let Some(index) = self.outgoing.iter().position(is_it) else {
                    return Ok(Some(Event::Other(Packet::PubAck(ack))));
                };
                self.outgoing.remove(index);
                self.in_flight = self.in_flight.saturating_sub(1);
                self.pump(now, out);
                if self.outgoing.is_empty() {
                    // An idle session holds no buffer.
                    self.outgoing = VecDeque::new();
                }
                Event::Acknowledged(ack)
            }
            Packet::SubAck(acks) => match self.asked.get(&acks.packet_id) {
                Some(Asked::Subscribe(filters)) if acks.codes.len() != *filters => return Err(CODES.broken(version)),
                Some(Asked::Subscribe(_)) => {
                    self.asked.remove(&acks.packet_id);
                    Event::Subscribed(acks)
                }
                _ => Event::Other(Packet::SubAck(acks)),
            },
            Packet::UnsubAck(acks) => match self.asked.get(&acks.packet_id) {
                Some(Asked::Unsubscribe(filters)) if version == Version::V5 && acks.codes.len() != *filters => {
                    return Err(CODES.broken(version));
                }
                Some(Asked::Unsubscribe(_)) => {
                    self.asked.remove(&acks.packet_id);
                    Event::Unsubscribed(acks)
                }
                _ => Event::Other(Packet::UnsubAck(acks)),
            },
            Packet::PingResp => {
                self.pinged = false;
                Event::Pong
            }
            other => Event::Other(other),
        }))
    }

    /// CONNACK: what the server can do, and what has to be sent again.
    fn connected(&mut self, now: u64, ack: Box<ConnAck>, out: &mut Vec<Packet>) -> Result<Event, Fault> {
        let State::Connecting { clean } = self.state else { return Err(SECOND.broken(self.version())) };
        if ack.code != 0 {
            self.lose();
            return Ok(Event::Refused(ack));
        }
        if ack.session_present && clean {
            return Err(PRESENT.broken(self.version()));
        }
        self.state = State::Connected;
        let said = &ack.properties;
        self.receive_maximum = said.receive_maximum.unwrap_or(u16::MAX);
        self.server_aliases = said.topic_alias_maximum.unwrap_or(0);
        self.maximum_qos = if said.maximum_qos == Some(0) { Qos::AtMostOnce } else { Qos::AtLeastOnce };
        if let Some(seconds) = said.server_keep_alive {
            self.keep_alive = u64::from(seconds) * 1_000_000;
        }
        if let Some(client_id) = &said.assigned_client_id {
            self.connect.client_id.clone_from(client_id);
        }
        if !ack.session_present {
            // To a server that knows nothing of them, they are new.
            for outgoing in &mut self.outgoing {
                outgoing.ever = false;
            }
        }
        self.pump(now, out);
        Ok(Event::Connected(ack))
    }

    /// Sends the messages that wait, in their order, as far as the server has room.
    fn pump(&mut self, now: u64, out: &mut Vec<Packet>) {
        if !self.is_connected() {
            return;
        }
        let room = self.receive_maximum.min(self.window);
        // Acknowledgements may come in any order, but messages are sent in theirs: who waits stands behind who is sent.
        let mut index = self.outgoing.partition_point(|outgoing| outgoing.here);
        while self.in_flight < room {
            let Some(outgoing) = self.outgoing.get_mut(index) else { return };
            let mut publish = outgoing.publish.clone();
            publish.dup = outgoing.ever;
            (outgoing.ever, outgoing.here) = (true, true);
            index += 1;
            self.in_flight += 1;
            self.last_sent = now;
            let publish = self.shorten(publish);
            out.push(Packet::Publish(publish));
        }
    }

    /// Puts an alias in the place of a topic, if the server takes one; an alias that is there already stays.
    fn shorten(&mut self, mut publish: Publish) -> Publish {
        let room = usize::from(self.server_aliases.min(self.aliases));
        if room == 0 || self.version() == Version::V311 || publish.topic_alias.is_some() || publish.topic.is_empty() {
            return publish;
        }
        let known = self.outgoing_aliases.iter().position(|topic| *topic == publish.topic);
        if let Some(index) = known {
            publish.topic = Arc::default();
            publish.topic_alias = u16::try_from(index + 1).ok();
        } else if self.outgoing_aliases.len() < room {
            self.outgoing_aliases.push(Arc::clone(&publish.topic));
            publish.topic_alias = u16::try_from(self.outgoing_aliases.len()).ok();
        }
        publish
    }

    /// Fills in the topic that an alias of the server stands for, or learns it.
    fn lengthen(&mut self, publish: &mut Publish) -> Result<(), Fault> {
        let Some(alias) = publish.topic_alias else { return Ok(()) };
        if alias > self.connect.topic_alias_maximum.unwrap_or(0) {
            return Err(ALIAS.broken(self.version()));
        }
        if publish.topic.is_empty() {
            let topic = self.incoming_aliases.get(&alias).ok_or_else(|| ALIAS.broken(self.version()))?;
            publish.topic = Arc::clone(topic);
        } else {
            self.incoming_aliases.insert(alias, Arc::clone(&publish.topic));
        }
        Ok(())
    }

    fn ask(&mut self, now: u64, asked: Asked) -> Result<u16, Refusal> {
        if !self.is_connected() {
            return Err(Refusal::NotConnected);
        }
        let packet_id = self.packet_id()?;
        self.asked.insert(packet_id, asked);
        self.last_sent = now;
        Ok(packet_id)
    }

    /// A packet id that is not in use (section 2.3.1, in version 5 2.2.1).
    fn packet_id(&mut self) -> Result<u16, Refusal> {
        for _ in 0..u16::MAX {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            let id = self.last_id;
            let used = self.asked.contains_key(&id) || self.outgoing.iter().any(|one| one.publish.packet_id == id);
            if !used {
                return Ok(id);
            }
        }
        Err(Refusal::NoPacketId)
    }
}
