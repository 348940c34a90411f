//! From a [`Packet`] to bytes.
//!
//! What has a form on the wire is written, be it allowed or not: a tool that attacks a server writes packets that no client
//! would send. What has no form (a string of more than 65535 bytes) is a fault, and nothing is written.

use super::fault::{Fault, Kind};
use super::packet::{
    Ack, Acks, Auth, ConnAck, Connect, Disconnect, MessageProperties, Packet, Publish, RetainHandling, Subscribe,
    Unsubscribe, UserProperties, Version,
};
use super::strict::{Type, id};
use bytes::{BufMut, BytesMut};

/// The largest value of a variable byte integer.
const LARGEST: usize = 268_435_455;

/// Appends a packet to `bytes` if it has at most `limit` of them, and tells how many it has.
pub(super) fn packet(packet: &Packet, version: Version, limit: u32, bytes: &mut BytesMut) -> Result<u32, Fault> {
    let version = if let Packet::Connect(connect) = packet { connect.version } else { version };
    // The first pass counts, so that lengths stand there before what they measure and nothing has to be moved.
    let mut count = Count::default();
    body(packet, version, &mut count);
    if let Some(what) = count.unwritable {
        return Err(Fault::plain(Kind::Unwritable, what));
    }
    let whole = u32::try_from(1 + width(count.length) + count.length).unwrap_or(u32::MAX);
    if count.length > LARGEST || whole > limit {
        let limit = limit.min(LARGEST as u32);
        return Err(Fault::plain(
            Kind::TooLarge { bytes: whole, limit },
            "the packet is larger than the other side takes",
        ));
    }
    bytes.reserve(whole as usize);
    bytes.put_u8(first(packet));
    Out::integer(bytes, count.length);
    body(packet, version, bytes);
    Ok(whole)
}

/// Where bytes go: into a buffer, or only counted.
trait Out {
    fn slice(&mut self, bytes: &[u8]);

    fn refuse(&mut self, _what: &'static str) {}

    fn byte(&mut self, byte: u8) {
        self.slice(&[byte]);
    }

    fn two(&mut self, two: u16) {
        self.slice(&two.to_be_bytes());
    }

    fn four(&mut self, four: u32) {
        self.slice(&four.to_be_bytes());
    }

    fn integer(&mut self, mut value: usize) {
        if value > LARGEST {
            self.refuse("a number is larger than 268435455, the largest variable byte integer");
        }
        loop {
            let low = (value & 0x7f) as u8;
            value >>= 7;
            if value == 0 {
                return self.byte(low);
            }
            self.byte(low | 0x80);
        }
    }

    fn binary(&mut self, bytes: &[u8]) {
        let Ok(length) = u16::try_from(bytes.len()) else {
            return self.refuse("a string or binary field has more than 65535 bytes");
        };
        self.two(length);
        self.slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.binary(text.as_bytes());
    }

    fn byte_property(&mut self, id: u8, value: Option<u8>) {
        if let Some(value) = value {
            self.slice(&[id, value]);
        }
    }

    fn two_property(&mut self, id: u8, value: Option<u16>) {
        if let Some(value) = value {
            self.byte(id);
            self.two(value);
        }
    }

    fn four_property(&mut self, id: u8, value: Option<u32>) {
        if let Some(value) = value {
            self.byte(id);
            self.four(value);
        }
    }

    fn text_property(&mut self, id: u8, value: Option<&str>) {
        self.binary_property(id, value.map(str::as_bytes));
    }

    fn binary_property(&mut self, id: u8, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.byte(id);
            self.binary(value);
        }
    }

    fn pairs(&mut self, pairs: &UserProperties) {
        for (key, value) in pairs {
            self.byte(id::USER_PROPERTY);
            self.text(key);
            self.text(value);
        }
    }
}

impl Out for BytesMut {
    fn slice(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// How many bytes there would be, and whether something has no form.
#[derive(Default)]
struct Count {
    length: usize,
    unwritable: Option<&'static str>,
}

impl Out for Count {
    fn slice(&mut self, bytes: &[u8]) {
        self.length = self.length.saturating_add(bytes.len());
    }

    fn refuse(&mut self, what: &'static str) {
        self.unwritable = Some(what);
    }
}

/// How many bytes a variable byte integer takes.
const fn width(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

/// The first byte: type and flags.
fn first(packet: &Packet) -> u8 {
    let (kind, flags) = match packet {
        Packet::Connect(_) => (Type::Connect, 0),
        Packet::ConnAck(_) => (Type::ConnAck, 0),
        Packet::Publish(publish) => {
            let (dup, retain) = (u8::from(publish.dup), u8::from(publish.retain));
            (Type::Publish, dup << 3 | (publish.qos as u8) << 1 | retain)
        }
        Packet::PubAck(_) => (Type::PubAck, 0),
        Packet::PubRec(_) => (Type::PubRec, 0),
        Packet::PubRel(_) => (Type::PubRel, 2),
        Packet::PubComp(_) => (Type::PubComp, 0),
        Packet::Subscribe(_) => (Type::Subscribe, 2),
        Packet::SubAck(_) => (Type::SubAck, 0),
        Packet::Unsubscribe(_) => (Type::Unsubscribe, 2),
        Packet::UnsubAck(_) => (Type::UnsubAck, 0),
        Packet::PingReq => (Type::PingReq, 0),
        Packet::PingResp => (Type::PingResp, 0),
        Packet::Disconnect(_) => (Type::Disconnect, 0),
        Packet::Auth(_) => (Type::Auth, 0),
    };
    (kind as u8) << 4 | flags
}

fn body<O: Out>(packet: &Packet, version: Version, out: &mut O) {
    let v5 = version == Version::V5;
    match packet {
        Packet::Connect(packet) => connect(packet, v5, out),
        Packet::ConnAck(packet) => connack(packet, v5, out),
        Packet::Publish(packet) => publish(packet, v5, out),
        Packet::PubAck(packet) | Packet::PubRec(packet) | Packet::PubRel(packet) | Packet::PubComp(packet) => {
            ack(packet, v5, out);
        }
        Packet::Subscribe(packet) => subscribe(packet, v5, out),
        Packet::SubAck(packet) => acks(packet, v5, true, out),
        Packet::Unsubscribe(packet) => unsubscribe(packet, v5, out),
        Packet::UnsubAck(packet) => acks(packet, v5, v5, out),
        Packet::PingReq | Packet::PingResp => {}
        Packet::Disconnect(packet) => disconnect(packet, v5, out),
        Packet::Auth(packet) if v5 => auth(packet, out),
        Packet::Auth(_) => out.refuse("AUTH is a packet of version 5 only"),
    }
}

/// Writes the length of the properties, then them. `write` runs twice, and must say the same both times.
fn properties<O: Out>(v5: bool, out: &mut O, write: impl Fn(&mut dyn Out)) {
    if v5 {
        let mut count = Count::default();
        write(&mut count);
        out.integer(count.length);
        write(out);
    }
}

fn connect<O: Out>(packet: &Connect, v5: bool, out: &mut O) {
    let mut flags = u8::from(packet.clean_start) << 1;
    if let Some(will) = &packet.will {
        flags |= 0x04 | (will.qos as u8) << 3 | u8::from(will.retain) << 5;
    }
    flags |= u8::from(packet.username.is_some()) << 7 | u8::from(packet.password.is_some()) << 6;
    out.text("MQTT");
    out.byte(if v5 { 5 } else { 4 });
    out.byte(flags);
    out.two(packet.keep_alive);
    properties(v5, out, |out| {
        out.four_property(id::SESSION_EXPIRY, packet.session_expiry);
        out.two_property(id::RECEIVE_MAXIMUM, packet.receive_maximum);
        out.four_property(id::MAXIMUM_PACKET_SIZE, packet.maximum_packet_size);
        out.two_property(id::TOPIC_ALIAS_MAXIMUM, packet.topic_alias_maximum);
        out.byte_property(id::REQUEST_RESPONSE, packet.request_response_information);
        out.byte_property(id::REQUEST_PROBLEM, packet.request_problem_information);
        out.pairs(&packet.user_properties);
        out.text_property(id::AUTHENTICATION_METHOD, packet.authentication_method.as_deref());
        out.binary_property(id::AUTHENTICATION_DATA, packet.authentication_data.as_deref());
    });
    out.text(&packet.client_id);
    if let Some(will) = &packet.will {
        properties(v5, out, |out| {
            out.four_property(id::WILL_DELAY, will.delay);
            message(&will.properties, out);
        });
        out.text(&will.topic);
        out.binary(&will.payload);
    }
    if let Some(username) = &packet.username {
        out.text(username);
    }
    if let Some(password) = &packet.password {
        out.binary(password);
    }
}

fn message(properties: &MessageProperties, out: &mut dyn Out) {
    out.byte_property(id::PAYLOAD_FORMAT, properties.payload_format);
    out.four_property(id::MESSAGE_EXPIRY, properties.expiry);
    out.text_property(id::CONTENT_TYPE, properties.content_type.as_deref());
    out.text_property(id::RESPONSE_TOPIC, properties.response_topic.as_deref());
    out.binary_property(id::CORRELATION_DATA, properties.correlation_data.as_deref());
    out.pairs(&properties.user_properties);
}

fn connack<O: Out>(packet: &ConnAck, v5: bool, out: &mut O) {
    out.byte(u8::from(packet.session_present));
    out.byte(packet.code);
    let all = &packet.properties;
    properties(v5, out, |out| {
        out.four_property(id::SESSION_EXPIRY, all.session_expiry);
        out.two_property(id::RECEIVE_MAXIMUM, all.receive_maximum);
        out.byte_property(id::MAXIMUM_QOS, all.maximum_qos);
        out.byte_property(id::RETAIN_AVAILABLE, all.retain_available);
        out.four_property(id::MAXIMUM_PACKET_SIZE, all.maximum_packet_size);
        out.text_property(id::ASSIGNED_CLIENT_ID, all.assigned_client_id.as_deref());
        out.two_property(id::TOPIC_ALIAS_MAXIMUM, all.topic_alias_maximum);
        out.text_property(id::REASON, all.reason.as_deref());
        out.pairs(&all.user_properties);
        out.byte_property(id::WILDCARDS, all.wildcard_subscriptions);
        out.byte_property(id::SUBSCRIPTION_IDENTIFIERS, all.subscription_identifiers);
        out.byte_property(id::SHARED, all.shared_subscriptions);
        out.two_property(id::SERVER_KEEP_ALIVE, all.server_keep_alive);
        out.text_property(id::RESPONSE_INFORMATION, all.response_information.as_deref());
        out.text_property(id::SERVER_REFERENCE, all.server_reference.as_deref());
        out.text_property(id::AUTHENTICATION_METHOD, all.authentication_method.as_deref());
        out.binary_property(id::AUTHENTICATION_DATA, all.authentication_data.as_deref());
    });
}

fn publish<O: Out>(packet: &Publish, v5: bool, out: &mut O) {
    out.text(&packet.topic);
    if packet.qos != super::packet::Qos::AtMostOnce {
        out.two(packet.packet_id);
    }
    properties(v5, out, |out| {
        out.two_property(id::TOPIC_ALIAS, packet.topic_alias);
        for identifier in &packet.subscription_identifiers {
            out.byte(id::SUBSCRIPTION_IDENTIFIER);
            out.integer(*identifier as usize);
        }
        message(&packet.properties, out);
    });
    out.slice(&packet.payload);
}

fn ack<O: Out>(packet: &Ack, v5: bool, out: &mut O) {
    out.two(packet.packet_id);
    // What may be left away is left away (section 3.4.2.1): that is what most of these packets are.
    let bare = packet.reason.is_none() && packet.user_properties.is_empty();
    if !v5 || bare && packet.code == 0 {
        return;
    }
    out.byte(packet.code);
    if !bare {
        properties(v5, out, |out| {
            out.text_property(id::REASON, packet.reason.as_deref());
            out.pairs(&packet.user_properties);
        });
    }
}

fn subscribe<O: Out>(packet: &Subscribe, v5: bool, out: &mut O) {
    out.two(packet.packet_id);
    properties(v5, out, |out| {
        if let Some(identifier) = packet.identifier {
            out.byte(id::SUBSCRIPTION_IDENTIFIER);
            out.integer(identifier as usize);
        }
        out.pairs(&packet.user_properties);
    });
    for filter in &packet.filters {
        out.text(&filter.filter);
        let mut options = filter.qos as u8;
        if v5 {
            options |= u8::from(filter.no_local) << 2 | u8::from(filter.retain_as_published) << 3;
            options |= match filter.retain_handling {
                RetainHandling::Always => 0,
                RetainHandling::WhenNew => 1 << 4,
                RetainHandling::Never => 2 << 4,
            };
        }
        out.byte(options);
    }
}

fn acks<O: Out>(packet: &Acks, v5: bool, codes: bool, out: &mut O) {
    out.two(packet.packet_id);
    properties(v5, out, |out| {
        out.text_property(id::REASON, packet.reason.as_deref());
        out.pairs(&packet.user_properties);
    });
    if codes {
        out.slice(&packet.codes);
    }
}

fn unsubscribe<O: Out>(packet: &Unsubscribe, v5: bool, out: &mut O) {
    out.two(packet.packet_id);
    properties(v5, out, |out| out.pairs(&packet.user_properties));
    for filter in &packet.filters {
        out.text(filter);
    }
}

fn disconnect<O: Out>(packet: &Disconnect, v5: bool, out: &mut O) {
    let bare = Disconnect { code: packet.code, ..Disconnect::default() } == *packet;
    if !v5 || bare && packet.code == 0 {
        return;
    }
    out.byte(packet.code);
    if !bare {
        properties(v5, out, |out| {
            out.four_property(id::SESSION_EXPIRY, packet.session_expiry);
            out.text_property(id::REASON, packet.reason.as_deref());
            out.pairs(&packet.user_properties);
            out.text_property(id::SERVER_REFERENCE, packet.server_reference.as_deref());
        });
    }
}

fn auth<O: Out>(packet: &Auth, out: &mut O) {
    if *packet == Auth::default() {
        return;
    }
    out.byte(packet.code);
    properties(true, out, |out| {
        out.text_property(id::AUTHENTICATION_METHOD, packet.method.as_deref());
        out.binary_property(id::AUTHENTICATION_DATA, packet.data.as_deref());
        out.text_property(id::REASON, packet.reason.as_deref());
        out.pairs(&packet.user_properties);
    });
}
