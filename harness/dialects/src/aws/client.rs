//! A client of an account's endpoint: what an application behind the account, or somebody who tries what he may not, says and
//! hears by MQTT. Every answer is handed out as it is.

use bytes::{Bytes, BytesMut};
use fleetproof_wire::mqtt::packet::{ConnAck, Disconnect, Packet};
pub use fleetproof_wire::mqtt::packet::{Connect, Publish, Qos, Subscription, Version, Will};
use fleetproof_wire::mqtt::session::Event;
use fleetproof_wire::mqtt::{Codec, Session};
use fleetproof_world::tls::TlsClient;
use fleetproof_world::{Name, Stamp, Stream, World};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Bytes of the largest packet that is read: a payload of 128 KB and its topic.
const LARGEST: u32 = 256 * 1024;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where and as whom a client connects.
#[derive(Clone, Debug)]
pub struct Dial {
    /// Its name on the network.
    pub from: Name,
    /// The door on the network.
    pub door: Name,
    /// The host that it names in its handshake.
    pub host: String,
    /// Whom it trusts and what it shows.
    pub tls: TlsClient,
}

/// Why a client is not in, or not any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientError {
    /// The server answered that it may not come in.
    Refused {
        /// The code of CONNACK.
        code: u8,
        /// What else it said.
        reason: Option<String>,
    },
    /// The connection did not come about, or ended.
    Lost(String),
    /// The server ended it, and said why.
    Ended {
        /// The code of DISCONNECT.
        code: u8,
    },
    /// There was no answer in time.
    Silent,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code, reason: Some(reason) } => write!(f, "refused with 0x{code:02X} ({reason})"),
            Self::Refused { code, reason: None } => write!(f, "refused with 0x{code:02X}"),
            Self::Lost(why) => write!(f, "the connection was lost: {why}"),
            Self::Ended { code } => write!(f, "the server ended the connection with 0x{code:02X}"),
            Self::Silent => write!(f, "no answer within {} s", PATIENCE.as_secs()),
        }
    }
}

impl std::error::Error for ClientError {}

/// A client that was let in.
pub struct Client {
    world: World,
    session: Session,
    codec: Codec,
    stream: Stream,
    inbox: BytesMut,
    /// What came and was not handed out.
    heard: VecDeque<Event>,
    /// Acknowledgements that are held back; `None`: none is.
    held: Option<Vec<Packet>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.session.client_id()).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects in version 5, with a clean session.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn connect(world: &World, dial: &Dial, client_id: &str) -> Result<Self, ClientError> {
        let mut connect = Connect::new(Version::V5, client_id);
        connect.keep_alive = 60;
        Self::connect_as(world, dial, connect).await.map(|(client, _)| client)
    }

    /// Connects with that CONNECT; what the server answered comes along.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn connect_as(world: &World, dial: &Dial, connect: Connect) -> Result<(Self, ConnAck), ClientError> {
        let until = world.clock.now().after(PATIENCE);
        let opened = world.clock.until(until, Self::open(world, dial, connect)).await;
        opened.unwrap_or(Err(ClientError::Silent))
    }

    async fn open(world: &World, dial: &Dial, connect: Connect) -> Result<(Self, ConnAck), ClientError> {
        let lost = |error: std::io::Error| ClientError::Lost(error.to_string());
        let stream = world.net.connect(&dial.from, &dial.door).await.map_err(lost)?;
        let stream = dial.tls.connect(stream, &dial.host).await.map_err(lost)?;
        let (version, clean) = (connect.version, connect.clean_start);
        let mut client = Self {
            world: world.clone(),
            // A message that is refused binds no alias, and nobody knows beforehand which will be.
            session: Session::new(connect).with_aliases(0),
            codec: Codec::client(version, LARGEST),
            stream,
            inbox: BytesMut::new(),
            heard: VecDeque::new(),
            held: None,
        };
        let packet = client.session.connect(world.clock.now().micros(), clean);
        client.send(&[packet]).await?;
        match client.event().await? {
            Event::Connected(answer) => Ok((client, *answer)),
            Event::Refused(answer) => {
                let reason = answer.properties.reason.as_deref().map(str::to_owned);
                Err(ClientError::Refused { code: answer.code, reason })
            }
            other => Err(ClientError::Lost(format!("the first packet was {other:?}"))),
        }
    }

    /// Subscribes: a code for each filter.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn subscribe(&mut self, filters: Vec<Subscription>) -> Result<Vec<u8>, ClientError> {
        let mut out = Vec::new();
        let now = self.world.clock.now().micros();
        let id = self.session.subscribe(now, filters, &mut out).map_err(|no| ClientError::Lost(no.to_string()))?;
        self.send(&out).await?;
        let is_mine = |event: &Event| matches!(event, Event::Subscribed(acks) if acks.packet_id == id);
        match self.wait_for(is_mine).await? {
            Event::Subscribed(acks) => Ok(acks.codes),
            _ => Ok(Vec::new()),
        }
    }

    /// Publishes: the code of PUBACK, 0 where none is due.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn publish(&mut self, topic: &str, payload: Bytes, qos: Qos, retain: bool) -> Result<u8, ClientError> {
        let mut publish = Publish::new(topic, payload, qos);
        publish.retain = retain;
        let mut out = Vec::new();
        let now = self.world.clock.now().micros();
        let id = self.session.publish(now, publish, &mut out).map_err(|no| ClientError::Lost(no.to_string()))?;
        self.send(&out).await?;
        if qos == Qos::AtMostOnce {
            return Ok(0);
        }
        let is_mine = |event: &Event| matches!(event, Event::Acknowledged(ack) if ack.packet_id == id);
        match self.wait_for(is_mine).await? {
            Event::Acknowledged(ack) => Ok(ack.code),
            _ => Ok(0),
        }
    }

    /// Publishes all of these at once, as far as the server takes them: the code of PUBACK for each, 0 where none is due; `None`
    /// where it did not come in time.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn publish_all(
        &mut self,
        messages: &[(String, Bytes)],
        qos: Qos,
    ) -> Result<Vec<Option<u8>>, ClientError> {
        let (mut out, mut waiting) = (Vec::new(), BTreeMap::new());
        let mut codes = vec![None; messages.len()];
        for (at, (topic, payload)) in messages.iter().enumerate() {
            let publish = Publish::new(topic.as_str(), payload.clone(), qos);
            let now = self.world.clock.now().micros();
            let id = self.session.publish(now, publish, &mut out).map_err(|no| ClientError::Lost(no.to_string()))?;
            if qos == Qos::AtMostOnce {
                codes[at] = Some(0);
            } else {
                waiting.insert(id, at);
            }
        }
        self.send(&out).await?;
        let clock = self.world.clock.clone();
        let mut until = clock.now().after(PATIENCE);
        while !waiting.is_empty() {
            match clock.until(until, self.event()).await {
                None => break,
                Some(event) => match event? {
                    Event::Acknowledged(ack) if waiting.contains_key(&ack.packet_id) => {
                        if let Some(at) = waiting.remove(&ack.packet_id) {
                            codes[at] = Some(ack.code);
                        }
                        until = clock.now().after(PATIENCE);
                    }
                    other => self.heard.push_back(other),
                },
            }
        }
        Ok(codes)
    }

    /// From now on messages are taken and not acknowledged.
    pub fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// Acknowledges all that was held back, and from now on everything as it comes.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn release(&mut self) -> Result<(), ClientError> {
        let held = self.held.take().unwrap_or_default();
        self.send(&held).await
    }

    /// A round trip, after which all that was said before has been dealt with.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn ping(&mut self) -> Result<(), ClientError> {
        let mut out = Vec::new();
        self.session.raw(self.world.clock.now().micros(), Packet::PingReq, &mut out);
        self.send(&out).await?;
        self.wait_for(|event| matches!(event, Event::Pong)).await.map(drop)
    }

    /// The next message, at most until `until`; `None`: there was none.
    ///
    /// # Errors
    /// [`ClientError`]: the connection has ended.
    pub async fn message(&mut self, until: Stamp) -> Result<Option<Publish>, ClientError> {
        loop {
            if let Some(at) = self.heard.iter().position(|event| matches!(event, Event::Message(_)))
                && let Some(Event::Message(publish)) = self.heard.remove(at)
            {
                return Ok(Some(publish));
            }
            let clock = self.world.clock.clone();
            match clock.until(until, self.event()).await {
                None => return Ok(None),
                Some(event) => self.heard.push_back(event?),
            }
        }
    }

    /// Says goodbye.
    pub async fn leave(mut self) {
        let mut out = Vec::new();
        self.session.disconnect(Disconnect::default(), &mut out);
        // It leaves anyway.
        let _sent = self.send(&out).await;
    }

    async fn wait_for(&mut self, is_it: impl Fn(&Event) -> bool) -> Result<Event, ClientError> {
        let clock = self.world.clock.clone();
        let until = clock.now().after(PATIENCE);
        loop {
            match clock.until(until, self.event()).await {
                None => return Err(ClientError::Silent),
                Some(event) => {
                    let event = event?;
                    if is_it(&event) {
                        return Ok(event);
                    }
                    self.heard.push_back(event);
                }
            }
        }
    }

    /// What happens next. Nothing is lost when the future is dropped while it waits for the network.
    async fn event(&mut self) -> Result<Event, ClientError> {
        loop {
            let decoded = self.codec.decode(&mut self.inbox);
            if let Some(packet) = decoded.map_err(|fault| ClientError::Lost(fault.to_string()))? {
                let (mut out, now) = (Vec::new(), self.world.clock.now().micros());
                let event = self.session.receive(now, packet, &mut out);
                let event = event.map_err(|fault| ClientError::Lost(fault.to_string()))?;
                if let Some(held) = &mut self.held {
                    held.extend(out.extract_if(.., |packet| matches!(packet, Packet::PubAck(_))));
                }
                self.send(&out).await?;
                match event {
                    None => continue,
                    Some(Event::Disconnected(why)) => return Err(ClientError::Ended { code: why.code }),
                    Some(Event::Lost) => return Err(ClientError::Lost("the server says nothing".to_owned())),
                    Some(event) => return Ok(event),
                }
            }
            let wake = self.session.next_wake().map(Stamp::from_micros);
            let clock = self.world.clock.clone();
            let read = async { self.stream.read_buf(&mut self.inbox).await };
            let read = match wake {
                Some(wake) => clock.until(wake, read).await,
                None => Some(read.await),
            };
            match read {
                Some(Ok(0)) => return Err(ClientError::Lost("the server hung up".to_owned())),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(ClientError::Lost(error.to_string())),
                None => {
                    let mut out = Vec::new();
                    let event = self.session.tick(clock.now().micros(), &mut out);
                    self.send(&out).await?;
                    if event.is_some() {
                        return Err(ClientError::Lost("the server says nothing".to_owned()));
                    }
                }
            }
        }
    }

    async fn send(&mut self, packets: &[Packet]) -> Result<(), ClientError> {
        if packets.is_empty() {
            return Ok(());
        }
        let mut bytes = BytesMut::new();
        for packet in packets {
            self.codec.encode(packet, &mut bytes).map_err(|fault| ClientError::Lost(fault.to_string()))?;
        }
        let lost = |error: std::io::Error| ClientError::Lost(error.to_string());
        self.stream.write_all(&bytes).await.map_err(lost)?;
        self.stream.flush().await.map_err(lost)
    }
}

/// A subscription of QoS 1.
#[must_use]
pub fn at_least_once(filter: &str) -> Subscription {
    Subscription::new(filter, Qos::AtLeastOnce)
}
