//! The rules of both versions that a frame must keep, and the cursor that reads a frame by them.
//!
//! Nothing is read that was not checked: lengths against what is left, strings for UTF-8 and U+0000, topics and filters for
//! their wildcards, properties against the table of section 2.2.2.2 (which packet, how often, which values).

use super::codec::MAXIMUM_ITEMS;
use super::fault::{Fault, Kind, Rule};
use super::packet::{Qos, UserProperties, Version};
use bytes::{Buf, Bytes};
use std::sync::Arc;

/// A packet's type: the upper half of its first byte (section 2.2.1, in version 5 2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Type {
    Connect = 1,
    ConnAck,
    Publish,
    PubAck,
    PubRec,
    PubRel,
    PubComp,
    Subscribe,
    SubAck,
    Unsubscribe,
    UnsubAck,
    PingReq,
    PingResp,
    Disconnect,
    Auth,
}

impl Type {
    /// All of them, in the order of their numbers.
    const ALL: [Self; 15] = [
        Self::Connect,
        Self::ConnAck,
        Self::Publish,
        Self::PubAck,
        Self::PubRec,
        Self::PubRel,
        Self::PubComp,
        Self::Subscribe,
        Self::SubAck,
        Self::Unsubscribe,
        Self::UnsubAck,
        Self::PingReq,
        Self::PingResp,
        Self::Disconnect,
        Self::Auth,
    ];

    /// The type that a first byte announces, after its flags were checked (section 2.2.2, in version 5 2.1.3).
    pub(super) fn of(first: u8, version: Version) -> Result<Self, Fault> {
        let number = usize::from(first >> 4);
        let found = number.checked_sub(1).and_then(|index| Self::ALL.get(index)).copied();
        let Some(found) = found.filter(|found| *found != Self::Auth || version == Version::V5) else {
            return Err(Fault::plain(Kind::Malformed, "a packet type that is reserved"));
        };
        let flags = first & 0x0f;
        match found {
            Self::Publish => {
                if flags & 0b0110 == 0b0110 {
                    return Err(PUBLISH_QOS.broken(version));
                }
                if flags & 0b1110 == 0b1000 {
                    return Err(PUBLISH_DUP.broken(version));
                }
            }
            Self::PubRel if flags != 0b0010 => return Err(PUBREL_FLAGS.broken(version)),
            Self::Subscribe if flags != 0b0010 => return Err(SUBSCRIBE_FLAGS.broken(version)),
            Self::Unsubscribe if flags != 0b0010 => return Err(UNSUBSCRIBE_FLAGS.broken(version)),
            Self::PubRel | Self::Subscribe | Self::Unsubscribe => {}
            Self::Disconnect if flags != 0 => return Err(DISCONNECT_FLAGS.broken(version)),
            Self::Auth if flags != 0 => return Err(AUTH_FLAGS.broken(version)),
            _ if flags != 0 => return Err(FLAGS.broken(version)),
            _ => {}
        }
        Ok(found)
    }
}

// The rules. The first id is that of version 3.1.1, the second that of version 5.
const FLAGS: Rule =
    Rule::new(Kind::Malformed, "MQTT-2.2.2-1", "MQTT-2.1.3-1", "reserved flags of the fixed header are set");
const PUBLISH_QOS: Rule = Rule::both(Kind::Malformed, "MQTT-3.3.1-4", "PUBLISH has both QoS bits set");
// Not numbered as malformed anywhere; what a receiver shall make of it is left open, so it is a protocol error.
const PUBLISH_DUP: Rule = Rule::both(Kind::Protocol, "MQTT-3.3.1-2", "PUBLISH of QoS 0 has DUP set");
const PUBREL_FLAGS: Rule = Rule::both(Kind::Malformed, "MQTT-3.6.1-1", "the flags of PUBREL are not 0010");
const SUBSCRIBE_FLAGS: Rule = Rule::both(Kind::Malformed, "MQTT-3.8.1-1", "the flags of SUBSCRIBE are not 0010");
const UNSUBSCRIBE_FLAGS: Rule = Rule::both(Kind::Malformed, "MQTT-3.10.1-1", "the flags of UNSUBSCRIBE are not 0010");
const DISCONNECT_FLAGS: Rule = Rule::both(Kind::Malformed, "MQTT-3.14.1-1", "the flags of DISCONNECT are not 0000");
const AUTH_FLAGS: Rule = Rule::both(Kind::Malformed, "MQTT-3.15.1-1", "the flags of AUTH are not 0000");
const UTF8: Rule = Rule::new(Kind::Malformed, "MQTT-1.5.3-1", "MQTT-1.5.4-1", "a string is not well-formed UTF-8");
const NUL: Rule = Rule::new(Kind::Malformed, "MQTT-1.5.3-2", "MQTT-1.5.4-2", "a string has the character U+0000");
const PACKET_ID: Rule = Rule::new(Kind::Protocol, "MQTT-2.3.1-1", "MQTT-2.2.1-3", "the packet id is 0");
const EMPTY_TOPIC: Rule = Rule::both(Kind::TopicName, "MQTT-4.7.3-1", "a topic name is empty");
const TOPIC_WILDCARD: Rule =
    Rule::new(Kind::TopicName, "MQTT-4.7.1-1", "MQTT-4.7.0-1", "a topic name has a wildcard, + or #");
const EMPTY_FILTER: Rule = Rule::both(Kind::TopicFilter, "MQTT-4.7.3-1", "a topic filter is empty");
const HASH: Rule =
    Rule::new(Kind::TopicFilter, "MQTT-4.7.1-2", "MQTT-4.7.1-1", "# in a topic filter is not the whole last level");
const PLUS: Rule =
    Rule::new(Kind::TopicFilter, "MQTT-4.7.1-3", "MQTT-4.7.1-2", "+ in a topic filter is not a whole level");
const SHARE_NAME: Rule =
    Rule::new(Kind::TopicFilter, "", "MQTT-4.8.2-1", "the share name of a shared subscription is missing");
const SHARE_FORM: Rule = Rule::new(
    Kind::TopicFilter,
    "",
    "MQTT-4.8.2-2",
    "a shared subscription is not $share/name/filter with a name that has no wildcard",
);
const RESPONSE_TOPIC: Rule =
    Rule::new(Kind::Protocol, "", "MQTT-3.3.2-14", "the response topic has a wildcard, + or #");
const INTEGER: Rule =
    Rule::new(Kind::Malformed, "", "MQTT-1.5.5-1", "a variable byte integer takes more bytes than it needs");
const ALIAS: Rule = Rule::new(Kind::TopicAlias, "", "MQTT-3.3.2-8", "the topic alias is 0");
const RECEIVED_IDENTIFIER: Rule =
    Rule::new(Kind::Protocol, "", "MQTT-3.3.4-6", "PUBLISH from a client has a subscription identifier");
const SERVER_EXPIRY: Rule =
    Rule::new(Kind::Protocol, "", "MQTT-3.14.2-2", "DISCONNECT from a server has a session expiry interval");

/// A length points past the packet's end, or the packet ends early.
const SHORT: Fault = Fault::plain(Kind::Malformed, "the packet ends before its fields do");

/// A topic name: at least one character, no wildcard (section 4.7).
pub(super) fn check_topic(topic: &str, version: Version) -> Result<(), Fault> {
    if topic.is_empty() {
        return Err(EMPTY_TOPIC.broken(version));
    }
    if topic.contains(['+', '#']) {
        return Err(TOPIC_WILDCARD.broken(version));
    }
    Ok(())
}

/// A topic filter (section 4.7; 4.8.2 for shared ones, which are version 5's: in 3.1.1 `$share` is a level like any other).
pub(super) fn check_filter(filter: &str, version: Version) -> Result<(), Fault> {
    if filter.is_empty() {
        return Err(EMPTY_FILTER.broken(version));
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        if level.contains('#') && (level.len() > 1 || levels.peek().is_some()) {
            return Err(HASH.broken(version));
        }
        if level.contains('+') && level.len() > 1 {
            return Err(PLUS.broken(version));
        }
    }
    if let (Version::V5, Some(rest)) = (version, filter.strip_prefix("$share/")) {
        let (name, shared) = rest.split_once('/').unwrap_or((rest, ""));
        if name.is_empty() {
            return Err(SHARE_NAME.broken(version));
        }
        if shared.is_empty() || name.contains(['+', '#']) {
            return Err(SHARE_FORM.broken(version));
        }
    }
    Ok(())
}

/// A variable byte integer (section 2.2.3, in version 5 1.5.5) at the beginning of `bytes`: its value and how many bytes it
/// takes; `None`: it goes on beyond them.
pub(super) fn integer(bytes: &[u8], version: Version) -> Result<Option<(u32, usize)>, Fault> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            if version == Version::V5 && *byte == 0 && index > 0 {
                return Err(INTEGER.broken(version));
            }
            return Ok(Some((value, index + 1)));
        }
    }
    if bytes.len() >= 4 {
        return Err(Fault::plain(Kind::Malformed, "a length takes more than four bytes"));
    }
    Ok(None)
}

/// Where properties stand: a bit for each place of section 2.2.2.2.
pub(super) mod place {
    pub(in super::super) const CONNECT: u16 = 1;
    pub(in super::super) const CONNACK: u16 = 1 << 1;
    pub(in super::super) const PUBLISH: u16 = 1 << 2;
    pub(in super::super) const WILL: u16 = 1 << 3;
    /// PUBACK, PUBREC, PUBREL, PUBCOMP.
    pub(in super::super) const ACK: u16 = 1 << 4;
    pub(in super::super) const SUBSCRIBE: u16 = 1 << 5;
    /// SUBACK, UNSUBACK.
    pub(in super::super) const ACKS: u16 = 1 << 6;
    pub(in super::super) const UNSUBSCRIBE: u16 = 1 << 7;
    pub(in super::super) const DISCONNECT: u16 = 1 << 8;
    pub(in super::super) const AUTH: u16 = 1 << 9;
    pub(super) const EVERYWHERE: u16 = (1 << 10) - 1;
}

/// The identifiers of properties (section 2.2.2.2).
pub(super) mod id {
    pub(in super::super) const PAYLOAD_FORMAT: u8 = 0x01;
    pub(in super::super) const MESSAGE_EXPIRY: u8 = 0x02;
    pub(in super::super) const CONTENT_TYPE: u8 = 0x03;
    pub(in super::super) const RESPONSE_TOPIC: u8 = 0x08;
    pub(in super::super) const CORRELATION_DATA: u8 = 0x09;
    pub(in super::super) const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;
    pub(in super::super) const SESSION_EXPIRY: u8 = 0x11;
    pub(in super::super) const ASSIGNED_CLIENT_ID: u8 = 0x12;
    pub(in super::super) const SERVER_KEEP_ALIVE: u8 = 0x13;
    pub(in super::super) const AUTHENTICATION_METHOD: u8 = 0x15;
    pub(in super::super) const AUTHENTICATION_DATA: u8 = 0x16;
    pub(in super::super) const REQUEST_PROBLEM: u8 = 0x17;
    pub(in super::super) const WILL_DELAY: u8 = 0x18;
    pub(in super::super) const REQUEST_RESPONSE: u8 = 0x19;
    pub(in super::super) const RESPONSE_INFORMATION: u8 = 0x1A;
    pub(in super::super) const SERVER_REFERENCE: u8 = 0x1C;
    pub(in super::super) const REASON: u8 = 0x1F;
    pub(in super::super) const RECEIVE_MAXIMUM: u8 = 0x21;
    pub(in super::super) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
    pub(in super::super) const TOPIC_ALIAS: u8 = 0x23;
    pub(in super::super) const MAXIMUM_QOS: u8 = 0x24;
    pub(in super::super) const RETAIN_AVAILABLE: u8 = 0x25;
    pub(in super::super) const USER_PROPERTY: u8 = 0x26;
    pub(in super::super) const MAXIMUM_PACKET_SIZE: u8 = 0x27;
    pub(in super::super) const WILDCARDS: u8 = 0x28;
    pub(in super::super) const SUBSCRIPTION_IDENTIFIERS: u8 = 0x29;
    pub(in super::super) const SHARED: u8 = 0x2A;
}

/// What form a property's value has.
#[derive(Clone, Copy)]
enum Form {
    /// A byte that is 0 or 1: every one-byte property is.
    Flag,
    Two,
    /// Two bytes, not 0.
    TwoAboveZero,
    Four,
    /// Four bytes, not 0.
    FourAboveZero,
    /// A variable byte integer, not 0.
    Integer,
    Text,
    Binary,
    Pair,
}

/// A property's form and the places where it may stand (section 2.2.2.2).
const fn property(id: u8) -> Option<(Form, u16)> {
    use place::{ACK, ACKS, AUTH, CONNACK, CONNECT, DISCONNECT, EVERYWHERE, PUBLISH, SUBSCRIBE, WILL};
    Some(match id {
        id::PAYLOAD_FORMAT => (Form::Flag, PUBLISH | WILL),
        id::MESSAGE_EXPIRY => (Form::Four, PUBLISH | WILL),
        id::CONTENT_TYPE | id::RESPONSE_TOPIC => (Form::Text, PUBLISH | WILL),
        id::CORRELATION_DATA => (Form::Binary, PUBLISH | WILL),
        id::SUBSCRIPTION_IDENTIFIER => (Form::Integer, PUBLISH | SUBSCRIBE),
        id::SESSION_EXPIRY => (Form::Four, CONNECT | CONNACK | DISCONNECT),
        id::ASSIGNED_CLIENT_ID | id::RESPONSE_INFORMATION => (Form::Text, CONNACK),
        id::SERVER_KEEP_ALIVE => (Form::Two, CONNACK),
        id::AUTHENTICATION_METHOD => (Form::Text, CONNECT | CONNACK | AUTH),
        id::AUTHENTICATION_DATA => (Form::Binary, CONNECT | CONNACK | AUTH),
        id::REQUEST_PROBLEM | id::REQUEST_RESPONSE => (Form::Flag, CONNECT),
        id::WILL_DELAY => (Form::Four, WILL),
        id::SERVER_REFERENCE => (Form::Text, CONNACK | DISCONNECT),
        id::REASON => (Form::Text, CONNACK | ACK | ACKS | DISCONNECT | AUTH),
        id::RECEIVE_MAXIMUM => (Form::TwoAboveZero, CONNECT | CONNACK),
        id::TOPIC_ALIAS_MAXIMUM => (Form::Two, CONNECT | CONNACK),
        id::TOPIC_ALIAS => (Form::Two, PUBLISH),
        id::MAXIMUM_QOS | id::RETAIN_AVAILABLE | id::WILDCARDS | id::SUBSCRIPTION_IDENTIFIERS | id::SHARED => {
            (Form::Flag, CONNACK)
        }
        id::USER_PROPERTY => (Form::Pair, EVERYWHERE),
        id::MAXIMUM_PACKET_SIZE => (Form::FourAboveZero, CONNECT | CONNACK),
        _ => return None,
    })
}

/// The value of a property.
pub(super) enum Value {
    Byte(u8),
    Two(u16),
    Four(u32),
    Text(String),
    Binary(Bytes),
}

impl Value {
    /// As a byte. The table above says which form an identifier has, so that the other forms cannot come.
    pub(super) const fn byte(&self) -> Option<u8> {
        match self {
            Self::Byte(byte) => Some(*byte),
            _ => None,
        }
    }

    /// As two bytes.
    pub(super) const fn two(&self) -> Option<u16> {
        match self {
            Self::Two(two) => Some(*two),
            _ => None,
        }
    }

    /// As four bytes.
    pub(super) const fn four(&self) -> Option<u32> {
        match self {
            Self::Four(four) => Some(*four),
            _ => None,
        }
    }

    /// As a string.
    pub(super) fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// As bytes.
    pub(super) fn binary(self) -> Option<Bytes> {
        match self {
            Self::Binary(binary) => Some(binary),
            _ => None,
        }
    }
}

/// Reads a packet behind its fixed header. Bytes are shared with the frame, never copied; strings are.
pub(super) struct Cursor {
    rest: Bytes,
    /// The version by whose rules it is read.
    pub(super) version: Version,
    /// Whether a client sent it.
    pub(super) from_client: bool,
}

impl Cursor {
    pub(super) const fn new(body: Bytes, version: Version, from_client: bool) -> Self {
        Self { rest: body, version, from_client }
    }

    pub(super) fn is_v5(&self) -> bool {
        self.version == Version::V5
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.rest)
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), Fault> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Fault::plain(Kind::Malformed, "bytes follow after the packet's last field"))
    }

    pub(super) fn byte(&mut self) -> Result<u8, Fault> {
        self.rest.try_get_u8().map_err(|_| SHORT)
    }

    pub(super) fn two(&mut self) -> Result<u16, Fault> {
        self.rest.try_get_u16().map_err(|_| SHORT)
    }

    fn four(&mut self) -> Result<u32, Fault> {
        self.rest.try_get_u32().map_err(|_| SHORT)
    }

    fn integer(&mut self) -> Result<u32, Fault> {
        let (value, width) = integer(&self.rest, self.version)?.ok_or(SHORT)?;
        self.rest.advance(width);
        Ok(value)
    }

    fn take(&mut self, length: usize) -> Result<Bytes, Fault> {
        if length > self.rest.len() {
            return Err(SHORT);
        }
        Ok(self.rest.split_to(length))
    }

    pub(super) fn binary(&mut self) -> Result<Bytes, Fault> {
        let length = usize::from(self.two()?);
        self.take(length)
    }

    /// A string (section 1.5.3, in version 5 1.5.4), as a `String` or an `Arc<str>`.
    pub(super) fn text<T: for<'a> From<&'a str>>(&mut self) -> Result<T, Fault> {
        let length = usize::from(self.two()?);
        let bytes = self.rest.get(..length).ok_or(SHORT)?;
        let text = std::str::from_utf8(bytes).map_err(|_| UTF8.broken(self.version))?;
        if text.contains('\0') {
            return Err(NUL.broken(self.version));
        }
        let text = T::from(text);
        self.rest.advance(length);
        Ok(text)
    }

    pub(super) fn topic(&mut self) -> Result<Arc<str>, Fault> {
        let topic: Arc<str> = self.text()?;
        check_topic(&topic, self.version)?;
        Ok(topic)
    }

    pub(super) fn filter(&mut self) -> Result<String, Fault> {
        let filter: String = self.text()?;
        check_filter(&filter, self.version)?;
        Ok(filter)
    }

    pub(super) fn packet_id(&mut self) -> Result<u16, Fault> {
        match self.two()? {
            0 => Err(PACKET_ID.broken(self.version)),
            packet_id => Ok(packet_id),
        }
    }

    /// Reads the properties that stand here (section 2.2.2) and hands each one out, user properties as pairs into `pairs`.
    /// In version 3.1.1 there are none.
    pub(super) fn properties(
        &mut self,
        place: u16,
        pairs: &mut UserProperties,
        mut found: impl FnMut(u8, Value),
    ) -> Result<(), Fault> {
        if !self.is_v5() {
            return Ok(());
        }
        let length = self.integer()? as usize;
        let rest = self.take(length)?;
        let mut inside = Self::new(rest, self.version, self.from_client);
        let mut seen = 0_u64;
        let mut identifiers = 0;
        while !inside.is_empty() {
            let id = inside.byte()?;
            let Some((form, places)) = property(id) else {
                return Err(Fault::plain(Kind::Malformed, "a property that the specification does not know"));
            };
            if places & place == 0 {
                return Err(Fault::plain(Kind::Protocol, "a property that does not belong into this packet"));
            }
            match (id, place, self.from_client) {
                (id::SUBSCRIPTION_IDENTIFIER, place::PUBLISH, true) => {
                    return Err(RECEIVED_IDENTIFIER.broken(self.version));
                }
                (id::SESSION_EXPIRY, place::DISCONNECT, false) => return Err(SERVER_EXPIRY.broken(self.version)),
                _ => {}
            }
            let repeatable = id == id::USER_PROPERTY || id == id::SUBSCRIPTION_IDENTIFIER && place == place::PUBLISH;
            if seen & 1 << id != 0 && !repeatable {
                return Err(Fault::plain(Kind::Protocol, "a property stands there twice"));
            }
            seen |= 1 << id;
            let value = match form {
                Form::Pair => {
                    let (key, value) = (inside.text()?, inside.text()?);
                    count(pairs.len())?;
                    pairs.push((key, value));
                    continue;
                }
                Form::Flag => Value::Byte(inside.byte()?),
                Form::Two | Form::TwoAboveZero => Value::Two(inside.two()?),
                Form::Four | Form::FourAboveZero => Value::Four(inside.four()?),
                Form::Integer => {
                    identifiers += 1;
                    count(identifiers)?;
                    Value::Four(inside.integer()?)
                }
                Form::Text => Value::Text(inside.text()?),
                Form::Binary => Value::Binary(inside.binary()?),
            };
            check_value(id, form, &value, self.version)?;
            found(id, value);
        }
        Ok(())
    }
}

fn check_value(id: u8, form: Form, value: &Value, version: Version) -> Result<(), Fault> {
    let wrong = match (form, value) {
        (Form::Flag, Value::Byte(2..)) => "a property that is 0 or 1 has another value",
        (Form::TwoAboveZero, Value::Two(0)) => "the receive maximum is 0",
        (Form::FourAboveZero, Value::Four(0)) => "the maximum packet size is 0",
        (Form::Integer, Value::Four(0)) => "the subscription identifier is 0",
        (Form::Two, Value::Two(0)) if id == id::TOPIC_ALIAS => return Err(ALIAS.broken(version)),
        (Form::Text, Value::Text(topic)) if id == id::RESPONSE_TOPIC && topic.contains(['+', '#']) => {
            return Err(RESPONSE_TOPIC.broken(version));
        }
        _ => return Ok(()),
    };
    Err(Fault::plain(Kind::Protocol, wrong))
}

/// One more item may come after `already` of them.
pub(super) fn count(already: usize) -> Result<(), Fault> {
    if already < MAXIMUM_ITEMS {
        return Ok(());
    }
    Err(Fault::plain(Kind::TooMany, "the packet has more filters, properties or codes than are read"))
}

/// The two bits of a QoS.
pub(super) const fn qos(bits: u8) -> Option<Qos> {
    match bits {
        0 => Some(Qos::AtMostOnce),
        1 => Some(Qos::AtLeastOnce),
        2 => Some(Qos::ExactlyOnce),
        _ => None,
    }
}

/// Whether a reason code may stand in a packet of that type (version 5, section 2.4; in CONNACK and SUBACK also 3.1.1).
pub(super) fn is_code(kind: Type, code: u8, version: Version) -> bool {
    match (kind, version) {
        // 7 is no code of the standard: AWS answers it for "not authorised".
        (Type::ConnAck, Version::V311) => matches!(code, 0..=5 | 7),
        (Type::SubAck, Version::V311) => matches!(code, 0..=2 | 0x80),
        (Type::ConnAck, Version::V5) => {
            matches!(code, 0 | 0x80..=0x8A | 0x8C | 0x90 | 0x95 | 0x97 | 0x99..=0x9D | 0x9F)
        }
        (Type::PubAck | Type::PubRec, _) => matches!(code, 0 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99),
        (Type::PubRel | Type::PubComp, _) => matches!(code, 0 | 0x92),
        (Type::SubAck, Version::V5) => {
            matches!(code, 0..=2 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91 | 0x97 | 0x9E | 0xA1 | 0xA2)
        }
        (Type::UnsubAck, _) => matches!(code, 0 | 0x11 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91),
        (Type::Disconnect, _) => {
            matches!(code, 0 | 4 | 0x80..=0x83 | 0x87 | 0x89 | 0x8B..=0x90 | 0x93..=0xA2)
        }
        (Type::Auth, _) => matches!(code, 0 | 0x18 | 0x19),
        _ => false,
    }
}
