//! The packets of MQTT 3.1.1 (OASIS 2014) and 5.0 (OASIS 2019) as one set of values.
//!
//! One type stands for a packet in both versions. What only version 5 has (properties, reason codes) is absent in a packet
//! that came by version 3.1.1, and is left out of one that goes there.

use bytes::Bytes;
use std::sync::Arc;

/// Which version of the protocol a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Protocol level 4.
    V311,
    /// Protocol level 5.
    V5,
}

/// How surely a message arrives (section 4.3 of both versions).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Qos {
    /// QoS 0.
    #[default]
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce,
    /// QoS 2.
    ExactlyOnce,
}

/// A packet of either version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// A client wants in.
    Connect(Box<Connect>),
    /// The answer to that.
    ConnAck(Box<ConnAck>),
    /// A message.
    Publish(Publish),
    /// A message of QoS 1 has arrived.
    PubAck(Ack),
    /// A message of QoS 2 has arrived (first step).
    PubRec(Ack),
    /// A message of QoS 2 is released (second step).
    PubRel(Ack),
    /// A message of QoS 2 is over (third step).
    PubComp(Ack),
    /// A client wants messages.
    Subscribe(Subscribe),
    /// The answer to that.
    SubAck(Acks),
    /// A client wants no more of them.
    Unsubscribe(Unsubscribe),
    /// The answer to that. In version 3.1.1 `codes` is empty.
    UnsubAck(Acks),
    /// Still there?
    PingReq,
    /// Still there.
    PingResp,
    /// The end, and why.
    Disconnect(Disconnect),
    /// A step of an extended authentication (version 5).
    Auth(Box<Auth>),
}

/// Key and value of a user property (version 5); may be repeated, the order counts.
pub type UserProperties = Vec<(String, String)>;

/// CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// The version that is asked for.
    pub version: Version,
    /// Empty: the server shall choose one.
    pub client_id: String,
    /// *Clean Session* of 3.1.1, *Clean Start* of 5: what was kept of an earlier session is forgotten.
    pub clean_start: bool,
    /// Seconds; 0: none.
    pub keep_alive: u16,
    /// What the server shall say when the connection ends without a DISCONNECT.
    pub will: Option<Will>,
    /// A name, which need not be the client's.
    pub username: Option<String>,
    /// Any bytes (section 3.1.3.5). In version 3.1.1 only beside a `username`.
    pub password: Option<Bytes>,
    /// Seconds that the session outlives the connection; `u32::MAX`: for ever. Absent: 0. Version 5; in 3.1.1 the session
    /// lives on exactly when `clean_start` is false.
    pub session_expiry: Option<u32>,
    /// How many QoS 1 messages the client takes unacknowledged. Absent: 65535. Version 5.
    pub receive_maximum: Option<u16>,
    /// Bytes of the largest packet that the client takes. Version 5.
    pub maximum_packet_size: Option<u32>,
    /// How many topic aliases the client takes. Absent: 0. Version 5.
    pub topic_alias_maximum: Option<u16>,
    /// Version 5.
    pub request_response_information: Option<u8>,
    /// Version 5; 0: no reason strings but in CONNACK and DISCONNECT.
    pub request_problem_information: Option<u8>,
    /// Version 5.
    pub user_properties: UserProperties,
    /// Extended authentication (version 5).
    pub authentication_method: Option<String>,
    /// Extended authentication (version 5).
    pub authentication_data: Option<Bytes>,
}

impl Connect {
    /// A client that asks for nothing beyond a clean session.
    #[must_use]
    pub fn new(version: Version, client_id: &str) -> Self {
        Self {
            version,
            client_id: client_id.to_owned(),
            clean_start: true,
            keep_alive: 0,
            will: None,
            username: None,
            password: None,
            session_expiry: None,
            receive_maximum: None,
            maximum_packet_size: None,
            topic_alias_maximum: None,
            request_response_information: None,
            request_problem_information: None,
            user_properties: Vec::new(),
            authentication_method: None,
            authentication_data: None,
        }
    }
}

/// A message to be said after its author's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// Where.
    pub topic: Arc<str>,
    /// What.
    pub payload: Bytes,
    /// How surely.
    pub qos: Qos,
    /// Whether it stays there.
    pub retain: bool,
    /// Seconds to wait for the client's return. Version 5.
    pub delay: Option<u32>,
    /// What version 5 says about the message.
    pub properties: MessageProperties,
}

/// What version 5 may say about a message; travels with it from publisher to subscriber.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageProperties {
    /// 1: the payload is UTF-8.
    pub payload_format: Option<u8>,
    /// Seconds until the message is worth nothing any more.
    pub expiry: Option<u32>,
    /// MIME type, or anything.
    pub content_type: Option<String>,
    /// Where an answer is expected.
    pub response_topic: Option<String>,
    /// What the answer shall carry.
    pub correlation_data: Option<Bytes>,
    /// Any pairs.
    pub user_properties: UserProperties,
}

impl MessageProperties {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// CONNACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnAck {
    /// Whether the server had kept the client's session.
    pub session_present: bool,
    /// In version 3.1.1 a return code (section 3.2.2.3: 0 to 5, and AWS's 7), in version 5 a reason code.
    pub code: u8,
    /// What the server says about itself (version 5).
    pub properties: ConnAckProperties,
}

/// What a server of version 5 says about itself in CONNACK (section 3.2.2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct ConnAckProperties {
    pub session_expiry: Option<u32>,
    pub receive_maximum: Option<u16>,
    pub maximum_qos: Option<u8>,
    pub retain_available: Option<u8>,
    pub maximum_packet_size: Option<u32>,
    pub assigned_client_id: Option<String>,
    pub topic_alias_maximum: Option<u16>,
    pub reason: Option<String>,
    pub user_properties: UserProperties,
    pub wildcard_subscriptions: Option<u8>,
    pub subscription_identifiers: Option<u8>,
    pub shared_subscriptions: Option<u8>,
    pub server_keep_alive: Option<u16>,
    pub response_information: Option<String>,
    pub server_reference: Option<String>,
    pub authentication_method: Option<String>,
    pub authentication_data: Option<Bytes>,
}

/// PUBLISH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Sent again after a first try that nobody acknowledged.
    pub dup: bool,
    /// How surely.
    pub qos: Qos,
    /// To the server: keep it. From the server: it was kept.
    pub retain: bool,
    /// Where; empty beside a topic alias (version 5).
    pub topic: Arc<str>,
    /// 1 to 65535 for QoS 1 and 2; 0 for QoS 0.
    pub packet_id: u16,
    /// What. When it was read, it shares the memory of the buffer that it was read from: who keeps it for long copies it.
    pub payload: Bytes,
    /// Version 5: stands for the topic.
    pub topic_alias: Option<u16>,
    /// Version 5, from the server only.
    pub subscription_identifiers: Vec<u32>,
    /// What version 5 says about the message.
    pub properties: MessageProperties,
}

impl Publish {
    /// A message without properties and, for QoS 0, ready to go: others want a packet id.
    #[must_use]
    pub fn new(topic: &str, payload: impl Into<Bytes>, qos: Qos) -> Self {
        Self {
            dup: false,
            qos,
            retain: false,
            topic: topic.into(),
            packet_id: 0,
            payload: payload.into(),
            topic_alias: None,
            subscription_identifiers: Vec::new(),
            properties: MessageProperties::default(),
        }
    }
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Of the PUBLISH.
    pub packet_id: u16,
    /// Version 5; 0: success.
    pub code: u8,
    /// Version 5.
    pub reason: Option<String>,
    /// Version 5.
    pub user_properties: UserProperties,
}

impl Ack {
    /// All is well.
    #[must_use]
    pub const fn of(packet_id: u16) -> Self {
        Self { packet_id, code: 0, reason: None, user_properties: Vec::new() }
    }
}

/// SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// 1 to 65535.
    pub packet_id: u16,
    /// At least one.
    pub filters: Vec<Subscription>,
    /// Version 5.
    pub identifier: Option<u32>,
    /// Version 5.
    pub user_properties: UserProperties,
}

/// One line of a SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Levels between `/`, with `+` and `#`; may begin with `$share/group/`.
    pub filter: String,
    /// How surely at most.
    pub qos: Qos,
    /// Not what the subscriber itself says. Version 5.
    pub no_local: bool,
    /// RETAIN stays as the publisher set it. Version 5.
    pub retain_as_published: bool,
    /// Whether kept messages are sent. Version 5.
    pub retain_handling: RetainHandling,
}

impl Subscription {
    /// With no options but the QoS.
    #[must_use]
    pub fn new(filter: &str, qos: Qos) -> Self {
        Self {
            filter: filter.to_owned(),
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::default(),
        }
    }
}

/// When kept messages are sent to a subscriber (version 5, section 3.8.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetainHandling {
    /// At each SUBSCRIBE.
    #[default]
    Always,
    /// When the subscription is new.
    WhenNew,
    /// Not at all.
    Never,
}

/// SUBACK, UNSUBACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acks {
    /// Of the SUBSCRIBE or UNSUBSCRIBE.
    pub packet_id: u16,
    /// One per filter, in their order: the QoS granted, 0x80 and above for a refusal.
    pub codes: Vec<u8>,
    /// Version 5.
    pub reason: Option<String>,
    /// Version 5.
    pub user_properties: UserProperties,
}

/// UNSUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// 1 to 65535.
    pub packet_id: u16,
    /// At least one.
    pub filters: Vec<String>,
    /// Version 5.
    pub user_properties: UserProperties,
}

/// DISCONNECT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disconnect {
    /// Version 5; 0: as it should be, 4: with the will.
    pub code: u8,
    /// Version 5: another expiry than CONNECT asked for.
    pub session_expiry: Option<u32>,
    /// Version 5.
    pub reason: Option<String>,
    /// Version 5.
    pub user_properties: UserProperties,
    /// Version 5: try there.
    pub server_reference: Option<String>,
}

/// AUTH (version 5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auth {
    /// 0: success, 0x18: go on, 0x19: once more.
    pub code: u8,
    /// The same one throughout; that of CONNECT.
    pub method: Option<String>,
    /// What the method says.
    pub data: Option<Bytes>,
    /// Why.
    pub reason: Option<String>,
    /// Any pairs.
    pub user_properties: UserProperties,
}

/// Reason codes of version 5 that are used here (section 2.4, table 2-6).
pub mod code {
    #![expect(missing_docs, reason = "the names are those of the specification")]
    pub const SUCCESS: u8 = 0x00;
    pub const DISCONNECT_WITH_WILL: u8 = 0x04;
    pub const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
    pub const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;
    pub const CONTINUE_AUTHENTICATION: u8 = 0x18;
    pub const RE_AUTHENTICATE: u8 = 0x19;
    pub const UNSPECIFIED: u8 = 0x80;
    pub const MALFORMED_PACKET: u8 = 0x81;
    pub const PROTOCOL_ERROR: u8 = 0x82;
    pub const IMPLEMENTATION_SPECIFIC: u8 = 0x83;
    pub const UNSUPPORTED_VERSION: u8 = 0x84;
    pub const CLIENT_ID_NOT_VALID: u8 = 0x85;
    pub const BAD_USER_NAME_OR_PASSWORD: u8 = 0x86;
    pub const NOT_AUTHORIZED: u8 = 0x87;
    pub const SERVER_UNAVAILABLE: u8 = 0x88;
    pub const SERVER_BUSY: u8 = 0x89;
    pub const BANNED: u8 = 0x8A;
    pub const SERVER_SHUTTING_DOWN: u8 = 0x8B;
    pub const BAD_AUTHENTICATION_METHOD: u8 = 0x8C;
    pub const KEEP_ALIVE_TIMEOUT: u8 = 0x8D;
    pub const SESSION_TAKEN_OVER: u8 = 0x8E;
    pub const TOPIC_FILTER_INVALID: u8 = 0x8F;
    pub const TOPIC_NAME_INVALID: u8 = 0x90;
    pub const PACKET_ID_IN_USE: u8 = 0x91;
    pub const PACKET_ID_NOT_FOUND: u8 = 0x92;
    pub const RECEIVE_MAXIMUM_EXCEEDED: u8 = 0x93;
    pub const TOPIC_ALIAS_INVALID: u8 = 0x94;
    pub const PACKET_TOO_LARGE: u8 = 0x95;
    pub const MESSAGE_RATE_TOO_HIGH: u8 = 0x96;
    pub const QUOTA_EXCEEDED: u8 = 0x97;
    pub const ADMINISTRATIVE_ACTION: u8 = 0x98;
    pub const PAYLOAD_FORMAT_INVALID: u8 = 0x99;
    pub const RETAIN_NOT_SUPPORTED: u8 = 0x9A;
    pub const QOS_NOT_SUPPORTED: u8 = 0x9B;
    pub const USE_ANOTHER_SERVER: u8 = 0x9C;
    pub const SERVER_MOVED: u8 = 0x9D;
    pub const SHARED_SUBSCRIPTIONS_NOT_SUPPORTED: u8 = 0x9E;
    pub const CONNECTION_RATE_EXCEEDED: u8 = 0x9F;
    pub const MAXIMUM_CONNECT_TIME: u8 = 0xA0;
    pub const SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED: u8 = 0xA1;
    pub const WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED: u8 = 0xA2;
}
