//! `rumqttc`'s packets as a second opinion: what we write it reads, what it writes of that we read, and it is the same.

use super::{LIMIT, packets, reader_of, written};
use bytes::BytesMut;
use fleetproof_wire::mqtt::packet::{Connect, Disconnect, Publish};
use fleetproof_wire::mqtt::{Packet, Qos, Version};
use proptest::prelude::*;
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;

/// Through `rumqttc`: read and written again. `None`: it does not read it, or not write what it read.
fn through(version: Version, mut bytes: BytesMut) -> Option<BytesMut> {
    let mut out = BytesMut::new();
    match version {
        Version::V311 => {
            v4::Packet::read(&mut bytes, LIMIT as usize).ok()?.write(&mut out, LIMIT as usize).ok()?;
        }
        Version::V5 => {
            v5::Packet::read(&mut bytes, Some(LIMIT)).ok()?.write(&mut out, Some(LIMIT)).ok()?;
        }
    }
    assert!(bytes.is_empty(), "rumqttc left {} bytes", bytes.len());
    Some(out)
}

/// What `rumqttc` has wrong (`codec.rs` names it) is not asked.
fn is_beyond_it(version: Version, packet: &Packet) -> bool {
    match packet {
        Packet::Connect(connect) => {
            let empty = connect.username.as_deref() == Some("") || connect.password.as_deref() == Some(&b""[..]);
            let text = connect.password.as_deref().is_none_or(|password| std::str::from_utf8(password).is_ok());
            empty || !text
        }
        Packet::ConnAck(ack) => version == Version::V311 && ack.code == 7,
        Packet::Publish(publish) => publish.subscription_identifiers.len() > 1,
        Packet::Disconnect(end) => {
            version == Version::V5 && Disconnect { code: end.code, ..Disconnect::default() } == *end
        }
        Packet::Auth(_) => true,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_referee_agrees((version, from_client, packet) in packets::any_packet()) {
        prop_assume!(!is_beyond_it(version, &packet));
        let mut bytes = through(version, written(version, &packet)).expect("rumqttc reads and writes it");
        let mut codec = reader_of(&packet, version, from_client);
        prop_assert_eq!(codec.decode(&mut bytes), Ok(Some(packet)));
        prop_assert!(bytes.is_empty());
    }
}

/// The mistakes that are the reason for frames of our own. When one of these fails, `rumqttc` has become better.
#[test]
fn what_the_referee_has_wrong() {
    let changed = |version: Version, packet: Packet| {
        let Some(mut bytes) = through(version, written(version, &packet)) else { return true };
        reader_of(&packet, version, !packet_is_from_server(&packet)).decode(&mut bytes) != Ok(Some(packet))
    };
    for version in [Version::V311, Version::V5] {
        let mut connect = Connect::new(version, "c");
        connect.username = Some(String::new());
        assert!(changed(version, Packet::Connect(Box::new(connect.clone()))));
        connect.username = Some("u".into());
        assert!(!changed(version, Packet::Connect(Box::new(connect.clone()))));
        connect.password = Some(vec![0xff].into());
        assert!(changed(version, Packet::Connect(Box::new(connect))));
    }
    let mut publish = Publish::new("a", "payload", Qos::AtMostOnce);
    publish.subscription_identifiers = vec![1, 2, 3];
    assert!(changed(Version::V5, Packet::Publish(publish)));
    for code in [0, 0x04, 0x8e] {
        let end = Disconnect { code, ..Disconnect::default() };
        assert!(changed(Version::V5, Packet::Disconnect(end)));
    }
    assert!(changed(Version::V5, Packet::Auth(Box::default())));
    let mut bytes = BytesMut::new();
    let long = v4::Packet::Publish(v4::Publish::new("x".repeat(65_537), rumqttc::mqttbytes::QoS::AtMostOnce, ""));
    assert!(long.write(&mut bytes, LIMIT as usize).is_ok() && bytes[4..6] == [0, 1]);
}

const fn packet_is_from_server(packet: &Packet) -> bool {
    match packet {
        Packet::Publish(publish) => !publish.subscription_identifiers.is_empty(),
        _ => false,
    }
}
