//! `rumqttc`'s packets as a second opinion: what we write it reads, what it writes of that we read, and it is the same.

use super::opinion::{is_beyond_it, through};
use super::{LIMIT, packets, reader_of, written};
use bytes::BytesMut;
use fleetproof_wire::mqtt::packet::{Connect, Disconnect, Publish};
use fleetproof_wire::mqtt::{Packet, Qos, Version};
use proptest::prelude::*;
use rumqttc::mqttbytes::v4;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_referee_agrees((version, from_client, packet) in packets::any_packet()) {
        prop_assume!(!is_beyond_it(version, &packet));
        let mut bytes = through(version, written(version, &packet), LIMIT).expect("rumqttc reads and writes it");
        let mut codec = reader_of(&packet, version, from_client);
        prop_assert_eq!(codec.decode(&mut bytes), Ok(Some(packet)));
        prop_assert!(bytes.is_empty());
    }
}

/// The mistakes that are the reason for frames of our own. When one of these fails, `rumqttc` has become better.
#[test]
fn what_the_referee_has_wrong() {
    let changed = |version: Version, packet: Packet| {
        let Some(mut bytes) = through(version, written(version, &packet), LIMIT) else { return true };
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
