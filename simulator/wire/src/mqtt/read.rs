//! From a frame to a [`Packet`], by the rules of [`strict`](super::strict).

use super::fault::{Fault, Kind, Rule};
use super::packet::{
    Ack, Acks, Auth, ConnAck, ConnAckProperties, Connect, Disconnect, MessageProperties, Packet, Publish,
    RetainHandling, Subscribe, Subscription, Unsubscribe, UserProperties, Version, Will,
};
use super::strict::{Cursor, Type, Value, count, id, is_code, place, qos};
use bytes::Bytes;
use std::sync::Arc;

// The rules. The first id is that of version 3.1.1, the second that of version 5.
const PROTOCOL_NAME: Rule = Rule::both(Kind::Malformed, "MQTT-3.1.2-1", "the protocol name of CONNECT is not MQTT");
const LEVEL: &str = "MQTT-3.1.2-2";
const RESERVED: Rule = Rule::both(Kind::Malformed, "MQTT-3.1.2-3", "the reserved flag of CONNECT is set");
const WILL_QOS_ALONE: Rule =
    Rule::new(Kind::Malformed, "MQTT-3.1.2-13", "MQTT-3.1.2-11", "CONNECT has a QoS of a will without the will");
const WILL_RETAIN_ALONE: Rule = Rule::new(
    Kind::Malformed,
    "MQTT-3.1.2-15",
    "MQTT-3.1.2-13",
    "CONNECT has the retain flag of a will without the will",
);
const WILL_QOS: Rule = Rule::new(Kind::Malformed, "MQTT-3.1.2-14", "MQTT-3.1.2-12", "the QoS of the will is 3");
const PASSWORD_ALONE: Rule =
    Rule::new(Kind::Malformed, "MQTT-3.1.2-22", "", "CONNECT has a password without a user name");
const CONNACK_FLAGS: Rule = Rule::new(Kind::Malformed, "", "MQTT-3.2.2-1", "reserved flags of CONNACK are set");
const PRESENT: Rule =
    Rule::new(Kind::Protocol, "MQTT-3.2.2-4", "MQTT-3.2.2-6", "CONNACK refuses and has a session present");
const NO_SUBSCRIPTIONS: Rule =
    Rule::new(Kind::Protocol, "MQTT-3.8.3-3", "MQTT-3.8.3-2", "SUBSCRIBE has no topic filter");
// The id of version 3.1.1 is spelt like this in the standard.
const OPTIONS: Rule =
    Rule::new(Kind::Malformed, "MQTT-3-8.3-4", "MQTT-3.8.3-5", "reserved bits of a subscription's options are set");
const SUBSCRIPTION_QOS: Rule = Rule::new(Kind::Malformed, "MQTT-3-8.3-4", "", "the QoS of a subscription is 3");
const SHARED_NO_LOCAL: Rule =
    Rule::new(Kind::Protocol, "", "MQTT-3.8.3-4", "a shared subscription has the no-local option");
const NO_FILTERS: Rule = Rule::both(Kind::Protocol, "MQTT-3.10.3-2", "UNSUBSCRIBE has no topic filter");

/// Reads what stands behind the fixed header: `first` is the packet's first byte, `kind` its type.
pub(super) fn packet(kind: Type, first: u8, mut cursor: Cursor) -> Result<Packet, Fault> {
    let cursor = &mut cursor;
    let packet = match kind {
        Type::Connect => Packet::Connect(Box::new(connect(cursor)?)),
        Type::ConnAck => Packet::ConnAck(Box::new(connack(cursor)?)),
        Type::Publish => Packet::Publish(publish(first, cursor)?),
        Type::PubAck => Packet::PubAck(ack(kind, cursor)?),
        Type::PubRec => Packet::PubRec(ack(kind, cursor)?),
        Type::PubRel => Packet::PubRel(ack(kind, cursor)?),
        Type::PubComp => Packet::PubComp(ack(kind, cursor)?),
        Type::Subscribe => Packet::Subscribe(subscribe(cursor)?),
        Type::SubAck => Packet::SubAck(acks(kind, cursor)?),
        Type::Unsubscribe => Packet::Unsubscribe(unsubscribe(cursor)?),
        Type::UnsubAck => Packet::UnsubAck(acks(kind, cursor)?),
        Type::PingReq => Packet::PingReq,
        Type::PingResp => Packet::PingResp,
        Type::Disconnect => Packet::Disconnect(disconnect(cursor)?),
        Type::Auth => Packet::Auth(Box::new(auth(cursor)?)),
    };
    cursor.end()?;
    Ok(packet)
}

/// The version that a CONNECT asks for: its protocol name and level, the first thing in its body.
pub(super) fn version(body: &Bytes) -> Result<Version, Fault> {
    let mut cursor = Cursor::new(body.clone(), Version::V5, true);
    let name = cursor.binary()?;
    let level = cursor.byte()?;
    match (name.as_ref(), level) {
        (b"MQTT", 4) => Ok(Version::V311),
        (b"MQTT", 5) => Ok(Version::V5),
        // MQIsdp is MQTT 3.1, level 3: an old version, not nonsense.
        (b"MQTT" | b"MQIsdp", level) => Err(Fault {
            kind: Kind::UnsupportedVersion(level),
            statement: Some(LEVEL),
            what: "CONNECT asks for a protocol level that is not spoken",
        }),
        _ => Err(PROTOCOL_NAME.broken(Version::V5)),
    }
}

fn connect(cursor: &mut Cursor) -> Result<Connect, Fault> {
    let version = cursor.version;
    let (_name, _level) = (cursor.binary()?, cursor.byte()?);
    let flags = cursor.byte()?;
    let keep_alive = cursor.two()?;
    if flags & 1 != 0 {
        return Err(RESERVED.broken(version));
    }
    let (has_will, will_qos, will_retain) = (flags & 0x04 != 0, flags >> 3 & 3, flags & 0x20 != 0);
    let (has_username, has_password) = (flags & 0x80 != 0, flags & 0x40 != 0);
    if !has_will && will_qos != 0 {
        return Err(WILL_QOS_ALONE.broken(version));
    }
    if !has_will && will_retain {
        return Err(WILL_RETAIN_ALONE.broken(version));
    }
    let will_qos = qos(will_qos).ok_or_else(|| WILL_QOS.broken(version))?;
    if has_password && !has_username && version == Version::V311 {
        return Err(PASSWORD_ALONE.broken(version));
    }
    let mut connect = Connect::new(version, "");
    connect.clean_start = flags & 0x02 != 0;
    connect.keep_alive = keep_alive;
    let mut pairs = UserProperties::new();
    cursor.properties(place::CONNECT, &mut pairs, |id, value| match id {
        id::SESSION_EXPIRY => connect.session_expiry = value.four(),
        id::RECEIVE_MAXIMUM => connect.receive_maximum = value.two(),
        id::MAXIMUM_PACKET_SIZE => connect.maximum_packet_size = value.four(),
        id::TOPIC_ALIAS_MAXIMUM => connect.topic_alias_maximum = value.two(),
        id::REQUEST_RESPONSE => connect.request_response_information = value.byte(),
        id::REQUEST_PROBLEM => connect.request_problem_information = value.byte(),
        id::AUTHENTICATION_METHOD => connect.authentication_method = value.text(),
        id::AUTHENTICATION_DATA => connect.authentication_data = value.binary(),
        _ => {}
    })?;
    connect.user_properties = pairs;
    if connect.authentication_data.is_some() && connect.authentication_method.is_none() {
        return Err(Fault::plain(Kind::Protocol, "CONNECT has authentication data without a method"));
    }
    connect.client_id = cursor.text()?;
    if has_will {
        let mut delay = None;
        let mut properties = MessageProperties::default();
        let mut pairs = UserProperties::new();
        cursor.properties(place::WILL, &mut pairs, |id, value| match id {
            id::WILL_DELAY => delay = value.four(),
            _ => message(&mut properties, id, value),
        })?;
        properties.user_properties = pairs;
        let (topic, payload) = (cursor.topic()?, cursor.binary()?);
        connect.will = Some(Will { topic, payload, qos: will_qos, retain: will_retain, delay, properties });
    }
    if has_username {
        connect.username = Some(cursor.text()?);
    }
    if has_password {
        connect.password = Some(cursor.binary()?);
    }
    Ok(connect)
}

/// The properties that PUBLISH and a will have in common.
fn message(properties: &mut MessageProperties, id: u8, value: Value) {
    match id {
        id::PAYLOAD_FORMAT => properties.payload_format = value.byte(),
        id::MESSAGE_EXPIRY => properties.expiry = value.four(),
        id::CONTENT_TYPE => properties.content_type = value.text(),
        id::RESPONSE_TOPIC => properties.response_topic = value.text(),
        id::CORRELATION_DATA => properties.correlation_data = value.binary(),
        _ => {}
    }
}

/// A code, and whether it may stand there.
fn code(kind: Type, cursor: &mut Cursor) -> Result<u8, Fault> {
    let code = cursor.byte()?;
    if is_code(kind, code, cursor.version) {
        return Ok(code);
    }
    let statement = match (kind, cursor.version) {
        (Type::ConnAck, Version::V5) => Some("MQTT-3.2.2-8"),
        (Type::PubAck, _) => Some("MQTT-3.4.2-1"),
        (Type::PubRec, _) => Some("MQTT-3.5.2-1"),
        (Type::PubRel, _) => Some("MQTT-3.6.2-1"),
        (Type::PubComp, _) => Some("MQTT-3.7.2-1"),
        (Type::SubAck, _) => Some("MQTT-3.9.3-2"),
        (Type::UnsubAck, _) => Some("MQTT-3.11.3-2"),
        (Type::Disconnect, _) => Some("MQTT-3.14.2-1"),
        (Type::Auth, _) => Some("MQTT-3.15.2-1"),
        _ => None,
    };
    Err(Fault { kind: Kind::Protocol, statement, what: "a return or reason code that this packet does not have" })
}

fn connack(cursor: &mut Cursor) -> Result<ConnAck, Fault> {
    let flags = cursor.byte()?;
    if flags & !1 != 0 {
        return Err(CONNACK_FLAGS.broken(cursor.version));
    }
    let session_present = flags == 1;
    let code = code(Type::ConnAck, cursor)?;
    if session_present && code != 0 {
        return Err(PRESENT.broken(cursor.version));
    }
    let mut properties = ConnAckProperties::default();
    let mut pairs = UserProperties::new();
    cursor.properties(place::CONNACK, &mut pairs, |id, value| match id {
        id::SESSION_EXPIRY => properties.session_expiry = value.four(),
        id::RECEIVE_MAXIMUM => properties.receive_maximum = value.two(),
        id::MAXIMUM_QOS => properties.maximum_qos = value.byte(),
        id::RETAIN_AVAILABLE => properties.retain_available = value.byte(),
        id::MAXIMUM_PACKET_SIZE => properties.maximum_packet_size = value.four(),
        id::ASSIGNED_CLIENT_ID => properties.assigned_client_id = value.text(),
        id::TOPIC_ALIAS_MAXIMUM => properties.topic_alias_maximum = value.two(),
        id::REASON => properties.reason = value.text(),
        id::WILDCARDS => properties.wildcard_subscriptions = value.byte(),
        id::SUBSCRIPTION_IDENTIFIERS => properties.subscription_identifiers = value.byte(),
        id::SHARED => properties.shared_subscriptions = value.byte(),
        id::SERVER_KEEP_ALIVE => properties.server_keep_alive = value.two(),
        id::RESPONSE_INFORMATION => properties.response_information = value.text(),
        id::SERVER_REFERENCE => properties.server_reference = value.text(),
        id::AUTHENTICATION_METHOD => properties.authentication_method = value.text(),
        id::AUTHENTICATION_DATA => properties.authentication_data = value.binary(),
        _ => {}
    })?;
    properties.user_properties = pairs;
    Ok(ConnAck { session_present, code, properties })
}

fn publish(first: u8, cursor: &mut Cursor) -> Result<Publish, Fault> {
    // The flags were checked with the type, so that this QoS is none but 0, 1 or 2.
    let qos = qos(first >> 1 & 3).unwrap_or_default();
    let topic: Arc<str> = cursor.text()?;
    let packet_id = if qos == super::packet::Qos::AtMostOnce { 0 } else { cursor.packet_id()? };
    let mut topic_alias = None;
    let mut subscription_identifiers = Vec::new();
    let mut properties = MessageProperties::default();
    let mut pairs = UserProperties::new();
    cursor.properties(place::PUBLISH, &mut pairs, |id, value| match id {
        id::TOPIC_ALIAS => topic_alias = value.two(),
        id::SUBSCRIPTION_IDENTIFIER => subscription_identifiers.extend(value.four()),
        _ => message(&mut properties, id, value),
    })?;
    properties.user_properties = pairs;
    if topic_alias.is_none() && topic.is_empty() && cursor.is_v5() {
        return Err(Fault::plain(Kind::Protocol, "PUBLISH has neither a topic nor a topic alias"));
    }
    if topic_alias.is_none() || !topic.is_empty() {
        super::strict::check_topic(&topic, cursor.version)?;
    }
    Ok(Publish {
        dup: first & 0x08 != 0,
        qos,
        retain: first & 0x01 != 0,
        topic,
        packet_id,
        payload: cursor.rest(),
        topic_alias,
        subscription_identifiers,
        properties,
    })
}

fn ack(kind: Type, cursor: &mut Cursor) -> Result<Ack, Fault> {
    let mut ack = Ack::of(cursor.packet_id()?);
    // Version 5 leaves the code away when it is 0, and the properties when there are none (section 3.4.2.1).
    if cursor.is_v5() && !cursor.is_empty() {
        ack.code = code(kind, cursor)?;
        if !cursor.is_empty() {
            cursor.properties(place::ACK, &mut ack.user_properties, |_, value| ack.reason = value.text())?;
        }
    }
    Ok(ack)
}

fn subscribe(cursor: &mut Cursor) -> Result<Subscribe, Fault> {
    let version = cursor.version;
    let packet_id = cursor.packet_id()?;
    let mut identifier = None;
    let mut user_properties = UserProperties::new();
    cursor.properties(place::SUBSCRIBE, &mut user_properties, |_, value| identifier = value.four())?;
    let mut filters = Vec::new();
    while !cursor.is_empty() {
        count(filters.len())?;
        let filter = cursor.filter()?;
        let options = cursor.byte()?;
        let reserved = if cursor.is_v5() { 0xc0 } else { 0xfc };
        if options & reserved != 0 {
            return Err(OPTIONS.broken(version));
        }
        let qos = qos(options & 3).ok_or_else(|| SUBSCRIPTION_QOS.broken(version))?;
        let no_local = options & 0x04 != 0;
        if no_local && filter.starts_with("$share/") {
            return Err(SHARED_NO_LOCAL.broken(version));
        }
        let retain_handling = match options >> 4 & 3 {
            0 => RetainHandling::Always,
            1 => RetainHandling::WhenNew,
            2 => RetainHandling::Never,
            _ => return Err(Fault::plain(Kind::Protocol, "the retain handling of a subscription is 3")),
        };
        let retain_as_published = options & 0x08 != 0;
        filters.push(Subscription { filter, qos, no_local, retain_as_published, retain_handling });
    }
    if filters.is_empty() {
        return Err(NO_SUBSCRIPTIONS.broken(version));
    }
    Ok(Subscribe { packet_id, filters, identifier, user_properties })
}

fn acks(kind: Type, cursor: &mut Cursor) -> Result<Acks, Fault> {
    let packet_id = cursor.packet_id()?;
    let mut reason = None;
    let mut user_properties = UserProperties::new();
    cursor.properties(place::ACKS, &mut user_properties, |_, value| reason = value.text())?;
    let mut codes = Vec::new();
    // The UNSUBACK of version 3.1.1 has none (section 3.11.3).
    if cursor.is_v5() || kind == Type::SubAck {
        while !cursor.is_empty() {
            count(codes.len())?;
            codes.push(code(kind, cursor)?);
        }
        if codes.is_empty() {
            return Err(Fault::plain(Kind::Protocol, "an acknowledgement has no code"));
        }
    }
    Ok(Acks { packet_id, codes, reason, user_properties })
}

fn unsubscribe(cursor: &mut Cursor) -> Result<Unsubscribe, Fault> {
    let packet_id = cursor.packet_id()?;
    let mut user_properties = UserProperties::new();
    cursor.properties(place::UNSUBSCRIBE, &mut user_properties, |_, _| {})?;
    let mut filters = Vec::new();
    while !cursor.is_empty() {
        count(filters.len())?;
        filters.push(cursor.filter()?);
    }
    if filters.is_empty() {
        return Err(NO_FILTERS.broken(cursor.version));
    }
    Ok(Unsubscribe { packet_id, filters, user_properties })
}

fn disconnect(cursor: &mut Cursor) -> Result<Disconnect, Fault> {
    let mut disconnect = Disconnect::default();
    // Code and properties may be left away like those of PUBACK (section 3.14.2.1); 3.1.1 has neither.
    if cursor.is_v5() && !cursor.is_empty() {
        disconnect.code = code(Type::Disconnect, cursor)?;
        if !cursor.is_empty() {
            let mut pairs = UserProperties::new();
            cursor.properties(place::DISCONNECT, &mut pairs, |id, value| match id {
                id::SESSION_EXPIRY => disconnect.session_expiry = value.four(),
                id::REASON => disconnect.reason = value.text(),
                id::SERVER_REFERENCE => disconnect.server_reference = value.text(),
                _ => {}
            })?;
            disconnect.user_properties = pairs;
        }
    }
    Ok(disconnect)
}

fn auth(cursor: &mut Cursor) -> Result<Auth, Fault> {
    let mut auth = Auth::default();
    // Both may be left away for a success without properties (section 3.15.2.1).
    if !cursor.is_empty() {
        auth.code = code(Type::Auth, cursor)?;
        let mut pairs = UserProperties::new();
        cursor.properties(place::AUTH, &mut pairs, |id, value| match id {
            id::AUTHENTICATION_METHOD => auth.method = value.text(),
            id::AUTHENTICATION_DATA => auth.data = value.binary(),
            id::REASON => auth.reason = value.text(),
            _ => {}
        })?;
        auth.user_properties = pairs;
    }
    Ok(auth)
}
