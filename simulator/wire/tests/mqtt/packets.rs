//! Any valid packet of either version, from either side: shared by the tests and the fuzzer.

use bytes::Bytes;
use fleetproof_wire::mqtt::packet::{
    Ack, Acks, Auth, ConnAck, ConnAckProperties, Connect, Disconnect, MessageProperties, Publish, RetainHandling,
    Subscribe, Subscription, Unsubscribe, UserProperties, Will,
};
use fleetproof_wire::mqtt::{Packet, Qos, Version};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![6 => "[a-zA-Z0-9 _.:$/üß€😀\u{feff}-]{0,12}", 1 => "[a-z]{130,140}"]
}

fn binary() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..24).prop_map(Bytes::from)
}

fn topic() -> impl Strategy<Value = String> {
    "[a-z$ü ]{1,6}(/[a-z€]{0,4}){0,3}"
}

fn filter() -> impl Strategy<Value = String> {
    prop_oneof![
        topic(),
        select(vec!["#", "+", "/", "a/#", "+/b/+", "$share/g/a/+", "$share/g/#", "$aws/things/+/jobs/#"])
            .prop_map(str::to_owned),
    ]
}

fn pairs() -> impl Strategy<Value = UserProperties> {
    vec((text(), text()), 0..4)
}

fn qos() -> impl Strategy<Value = Qos> {
    select(vec![Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce])
}

fn flag() -> impl Strategy<Value = Option<u8>> {
    of(0..=1_u8)
}

fn message() -> impl Strategy<Value = MessageProperties> {
    (flag(), of(any::<u32>()), of(text()), of(topic()), of(binary()), pairs()).prop_map(
        |(payload_format, expiry, content_type, response_topic, correlation_data, user_properties)| MessageProperties {
            payload_format,
            expiry,
            content_type,
            response_topic,
            correlation_data,
            user_properties,
        },
    )
}

fn will() -> impl Strategy<Value = Will> {
    (topic(), binary(), qos(), any::<bool>(), of(any::<u32>()), message()).prop_map(
        |(topic, payload, qos, retain, delay, properties)| Will {
            topic: topic.into(),
            payload,
            qos,
            retain,
            delay,
            properties,
        },
    )
}

/// CONNECT of that version.
pub fn connect(version: Version) -> impl Strategy<Value = Packet> {
    let head = (text(), any::<bool>(), any::<u16>(), of(will()), of(text()), of(binary()));
    let numbers = (of(any::<u32>()), of(1..=u16::MAX), of(1..=u32::MAX), of(any::<u16>()), flag(), flag());
    let rest = (pairs(), of((text(), of(binary()))));
    (head, numbers, rest).prop_map(move |(head, numbers, (user_properties, authentication))| {
        let (client_id, clean_start, keep_alive, will, username, password) = head;
        let (authentication_method, authentication_data) =
            authentication.map_or((None, None), |(method, data)| (Some(method), data));
        let v5 = Connect {
            version,
            client_id,
            clean_start,
            keep_alive,
            will,
            username,
            password,
            session_expiry: numbers.0,
            receive_maximum: numbers.1,
            maximum_packet_size: numbers.2,
            topic_alias_maximum: numbers.3,
            request_response_information: numbers.4,
            request_problem_information: numbers.5,
            user_properties,
            authentication_method,
            authentication_data,
        };
        Packet::Connect(Box::new(if version == Version::V5 { v5 } else { old_connect(v5) }))
    })
}

/// What version 3.1.1 has room for.
fn old_connect(v5: Connect) -> Connect {
    let will = v5.will.map(|will| Will { delay: None, properties: MessageProperties::default(), ..will });
    let password = v5.password.filter(|_| v5.username.is_some());
    Connect {
        clean_start: v5.clean_start,
        keep_alive: v5.keep_alive,
        will,
        username: v5.username,
        password,
        ..Connect::new(Version::V311, &v5.client_id)
    }
}

fn connack(version: Version) -> impl Strategy<Value = Packet> {
    let codes = match version {
        Version::V311 => vec![0, 0, 1, 2, 3, 4, 5, 7],
        Version::V5 => vec![0, 0, 0x80, 0x81, 0x84, 0x85, 0x87, 0x8A, 0x95, 0x97, 0x9B, 0x9F],
    };
    let numbers = (of(any::<u32>()), of(1..=u16::MAX), of(1..=u32::MAX), of(any::<u16>()), of(any::<u16>()));
    let flags = (flag(), flag(), flag(), flag(), flag());
    let texts = (of(text()), of(text()), of(text()), of(text()), of(text()), of(binary()), pairs());
    (any::<bool>(), select(codes), numbers, flags, texts).prop_map(move |(present, code, numbers, flags, texts)| {
        let properties = ConnAckProperties {
            session_expiry: numbers.0,
            receive_maximum: numbers.1,
            maximum_packet_size: numbers.2,
            topic_alias_maximum: numbers.3,
            server_keep_alive: numbers.4,
            maximum_qos: flags.0,
            retain_available: flags.1,
            wildcard_subscriptions: flags.2,
            subscription_identifiers: flags.3,
            shared_subscriptions: flags.4,
            assigned_client_id: texts.0,
            reason: texts.1,
            response_information: texts.2,
            server_reference: texts.3,
            authentication_method: texts.4,
            authentication_data: texts.5,
            user_properties: texts.6,
        };
        let properties = if version == Version::V5 { properties } else { ConnAckProperties::default() };
        Packet::ConnAck(Box::new(ConnAck { session_present: present && code == 0, code, properties }))
    })
}

fn publish(version: Version, from_client: bool) -> impl Strategy<Value = Packet> {
    let payload = prop_oneof![8 => binary(), 1 => vec(any::<u8>(), 16_300..16_400).prop_map(Bytes::from)];
    let head = (qos(), any::<bool>(), any::<bool>(), topic(), 1..=u16::MAX, payload);
    let rest = (of(1..=u16::MAX), any::<bool>(), vec(1..=268_435_455_u32, 0..4), message());
    (head, rest).prop_map(move |((qos, dup, retain, topic, packet_id, payload), rest)| {
        let (topic_alias, alias_only, identifiers, properties) = rest;
        let mut publish = Publish::new(&topic, payload, qos);
        publish.dup = dup && qos != Qos::AtMostOnce;
        publish.retain = retain;
        publish.packet_id = if qos == Qos::AtMostOnce { 0 } else { packet_id };
        if version == Version::V5 {
            publish.topic_alias = topic_alias;
            if alias_only && topic_alias.is_some() {
                publish.topic = "".into();
            }
            if !from_client {
                publish.subscription_identifiers = identifiers;
            }
            publish.properties = properties;
        }
        Packet::Publish(publish)
    })
}

fn ack(version: Version, codes: Vec<u8>) -> impl Strategy<Value = Ack> {
    (1..=u16::MAX, select(codes), of(text()), pairs()).prop_map(move |(packet_id, code, reason, user_properties)| {
        if version == Version::V5 { Ack { packet_id, code, reason, user_properties } } else { Ack::of(packet_id) }
    })
}

fn subscription(version: Version) -> impl Strategy<Value = Subscription> {
    let handling = select(vec![RetainHandling::Always, RetainHandling::WhenNew, RetainHandling::Never]);
    (filter(), qos(), any::<bool>(), any::<bool>(), handling).prop_map(
        move |(filter, qos, no_local, retain_as_published, retain_handling)| {
            let plain = Subscription::new(&filter, qos);
            if version == Version::V311 {
                return plain;
            }
            let no_local = no_local && !filter.starts_with("$share/");
            Subscription { no_local, retain_as_published, retain_handling, ..plain }
        },
    )
}

fn subscribe(version: Version) -> impl Strategy<Value = Packet> {
    (1..=u16::MAX, vec(subscription(version), 1..5), of(1..=268_435_455_u32), pairs()).prop_map(
        move |(packet_id, filters, identifier, user_properties)| {
            let (identifier, user_properties) =
                if version == Version::V5 { (identifier, user_properties) } else { (None, Vec::new()) };
            Packet::Subscribe(Subscribe { packet_id, filters, identifier, user_properties })
        },
    )
}

fn acks(version: Version, codes: Vec<u8>) -> impl Strategy<Value = Acks> {
    (1..=u16::MAX, vec(select(codes), 1..5), of(text()), pairs()).prop_map(
        move |(packet_id, codes, reason, user_properties)| {
            let (reason, user_properties) =
                if version == Version::V5 { (reason, user_properties) } else { (None, Vec::new()) };
            Acks { packet_id, codes, reason, user_properties }
        },
    )
}

fn unsubscribe(version: Version) -> impl Strategy<Value = Packet> {
    (1..=u16::MAX, vec(filter(), 1..5), pairs()).prop_map(move |(packet_id, filters, pairs)| {
        let user_properties = if version == Version::V5 { pairs } else { Vec::new() };
        Packet::Unsubscribe(Unsubscribe { packet_id, filters, user_properties })
    })
}

fn disconnect(version: Version, from_client: bool) -> impl Strategy<Value = Packet> {
    let codes = select(vec![0, 0, 4, 0x81, 0x82, 0x87, 0x8D, 0x8E, 0x98, 0x9B, 0xA2]);
    (codes, of(any::<u32>()), of(text()), pairs(), of(text())).prop_map(
        move |(code, session_expiry, reason, user_properties, server_reference)| {
            if version == Version::V311 {
                return Packet::Disconnect(Disconnect::default());
            }
            let session_expiry = session_expiry.filter(|_| from_client);
            Packet::Disconnect(Disconnect { code, session_expiry, reason, user_properties, server_reference })
        },
    )
}

fn auth() -> impl Strategy<Value = Packet> {
    (select(vec![0, 0x18, 0x19]), of(text()), of(binary()), of(text()), pairs()).prop_map(
        |(code, method, data, reason, user_properties)| {
            Packet::Auth(Box::new(Auth { code, method, data, reason, user_properties }))
        },
    )
}

/// Any valid packet of that version but CONNECT, from that side.
pub fn packet(version: Version, from_client: bool) -> BoxedStrategy<Packet> {
    let received = || ack(version, vec![0, 0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]);
    let released = || ack(version, vec![0, 0x92]);
    let both = prop_oneof![
        4 => publish(version, from_client),
        1 => received().prop_map(Packet::PubAck),
        1 => received().prop_map(Packet::PubRec),
        1 => released().prop_map(Packet::PubRel),
        1 => released().prop_map(Packet::PubComp),
    ];
    if from_client {
        let own = prop_oneof![
            3 => subscribe(version),
            2 => unsubscribe(version),
            1 => Just(Packet::PingReq),
            2 => disconnect(version, true),
        ];
        return with_auth(version, prop_oneof![both, own].boxed());
    }
    let (granted, removed) = match version {
        Version::V311 => (vec![0, 1, 2, 0x80], vec![0]),
        Version::V5 => (vec![0, 1, 2, 0x80, 0x87, 0x8F, 0x97, 0xA2], vec![0, 0x11, 0x87, 0x8F]),
    };
    let old = version == Version::V311;
    let unsuback = acks(version, removed).prop_map(move |acks| {
        let codes = if old { Vec::new() } else { acks.codes };
        Packet::UnsubAck(Acks { codes, ..acks })
    });
    let own = prop_oneof![
        3 => connack(version),
        2 => acks(version, granted).prop_map(Packet::SubAck),
        2 => unsuback,
        1 => Just(Packet::PingResp),
    ];
    if old {
        return prop_oneof![both, own].boxed();
    }
    with_auth(version, prop_oneof![2 => both, 2 => own, 1 => disconnect(version, false)].boxed())
}

fn with_auth(version: Version, others: BoxedStrategy<Packet>) -> BoxedStrategy<Packet> {
    if version == Version::V311 {
        return others;
    }
    prop_oneof![12 => others, 1 => auth()].boxed()
}

/// A version, a side and a valid packet; one in ten is a CONNECT.
pub fn any_packet() -> BoxedStrategy<(Version, bool, Packet)> {
    let mut all = Vec::new();
    for version in [Version::V311, Version::V5] {
        all.push((1, connect(version).prop_map(move |packet| (version, true, packet)).boxed()));
        for from_client in [false, true] {
            let one = packet(version, from_client).prop_map(move |packet| (version, from_client, packet));
            all.push((4, one.boxed()));
        }
    }
    proptest::strategy::Union::new_weighted(all).boxed()
}
