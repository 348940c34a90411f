#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! MQTT packets: what is written is read again, what breaks a rule is refused by its statement, and `rumqttc` agrees.

mod faults;
mod packets;
mod referee;

use bytes::{BufMut, BytesMut};
use fleetproof_wire::mqtt::packet::{Connect, Publish};
use fleetproof_wire::mqtt::{Codec, Fault, Kind, Packet, Qos, Version};
use proptest::prelude::*;

const LIMIT: u32 = 128 * 1024;

/// A codec that reads what that side sends; a server has seen CONNECT already.
fn reader(version: Version, from_client: bool) -> Codec {
    if !from_client {
        return Codec::client(version, LIMIT);
    }
    let mut codec = Codec::server(LIMIT);
    let mut bytes = written(version, &Packet::Connect(Box::new(Connect::new(version, "c"))));
    assert!(codec.decode(&mut bytes).unwrap().is_some());
    codec
}

/// What a reader for this packet is: a server that waits, for CONNECT.
fn reader_of(packet: &Packet, version: Version, from_client: bool) -> Codec {
    if matches!(packet, Packet::Connect(_)) { Codec::server(LIMIT) } else { reader(version, from_client) }
}

fn written(version: Version, packet: &Packet) -> BytesMut {
    let mut bytes = BytesMut::new();
    let length = Codec::client(version, LIMIT).encode(packet, &mut bytes).unwrap();
    assert_eq!(length as usize, bytes.len());
    bytes
}

/// A frame: first byte, length, body.
fn frame(first: u8, body: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::from(&[first][..]);
    let mut length = body.len();
    while length >= 0x80 {
        bytes.put_u8(length as u8 & 0x7f | 0x80);
        length >>= 7;
    }
    bytes.put_u8(length as u8);
    bytes.put_slice(body);
    bytes
}

fn fault(mut codec: Codec, bytes: &[u8]) -> Fault {
    codec.decode(&mut BytesMut::from(bytes)).unwrap_err()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Every field of every packet comes back, with another packet behind it.
    #[test]
    fn what_is_written_is_read_again((version, from_client, packet) in packets::any_packet()) {
        let mut bytes = written(version, &packet);
        let length = bytes.len();
        bytes.extend_from_slice(&[0xff; 3]);
        let mut codec = reader_of(&packet, version, from_client);
        prop_assert_eq!(codec.decode(&mut bytes), Ok(Some(packet)));
        prop_assert_eq!(bytes.len(), 3, "of {}", length);
        prop_assert_eq!(codec.version(), Some(version));
    }

    /// Until the last byte is there, nothing is said and nothing is lost.
    #[test]
    fn a_packet_may_come_in_pieces((version, from_client, packet) in packets::any_packet(), cut in any::<prop::sample::Index>()) {
        let whole = written(version, &packet);
        let cut = cut.index(whole.len());
        let mut codec = reader_of(&packet, version, from_client);
        let mut bytes = BytesMut::from(&whole[..cut]);
        prop_assert_eq!(codec.decode(&mut bytes), Ok(None));
        prop_assert_eq!(&bytes[..], &whole[..cut]);
        bytes.extend_from_slice(&whole[cut..]);
        prop_assert_eq!(codec.decode(&mut bytes), Ok(Some(packet)));
    }

    /// What was read from mutated bytes is a packet like any other: it can be written, and is the same when read again.
    #[test]
    fn mutated_packets_are_refused_or_understood(
        (version, from_client, packet) in packets::any_packet(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = written(version, &packet);
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        let mut codec = reader_of(&packet, version, from_client);
        if let Ok(Some(read)) = codec.decode(&mut bytes) {
            let version = codec.version().unwrap();
            let mut again = written(version, &read);
            prop_assert_eq!(reader_of(&read, version, from_client).decode(&mut again), Ok(Some(read)));
        }
    }

    /// Bytes without any form never panic, and never make the reader wait for more than its limit.
    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), v5 in any::<bool>(), from_client in any::<bool>()) {
        let version = if v5 { Version::V5 } else { Version::V311 };
        let mut codec = reader(version, from_client);
        codec.set_limit(100);
        let mut bytes = BytesMut::from(&bytes[..]);
        while let Ok(Some(_)) = codec.decode(&mut bytes) {}
        if codec.decode(&mut bytes) == Ok(None) {
            prop_assert!(bytes.len() < 100);
        }
    }
}

#[test]
fn a_packet_that_is_too_large_is_refused_before_it_arrives() {
    let mut codec = reader(Version::V311, true);
    codec.set_limit(1_000);
    // 998 bytes and three of a fixed header.
    let refused = codec.clone().decode(&mut BytesMut::from(&[0x30, 0xe6, 0x07][..])).unwrap_err();
    assert_eq!(refused.kind, Kind::TooLarge { bytes: 1_001, limit: 1_000 });
    assert_eq!(refused.code(), 0x95);
    assert_eq!(codec.decode(&mut BytesMut::from(&[0x30, 0xe5, 0x07][..])), Ok(None));
    // A server that waits for CONNECT is bounded as well.
    let largest = fault(Codec::server(1_000), &[0x10, 0xff, 0xff, 0xff, 0x7f]);
    assert_eq!(largest.kind, Kind::TooLarge { bytes: 268_435_460, limit: 1_000 });
}

#[test]
fn no_larger_packet_is_written_than_the_other_side_takes() {
    let mut codec = Codec::client(Version::V5, LIMIT);
    let packet = Packet::Publish(Publish::new("a", vec![0; 100], Qos::AtMostOnce));
    let mut bytes = BytesMut::from(&b"before"[..]);
    // Topic 3, properties 1, payload 100, fixed header 2.
    codec.set_peer_limit(105);
    assert_eq!(codec.encode(&packet, &mut bytes).unwrap_err().kind, Kind::TooLarge { bytes: 106, limit: 105 });
    assert_eq!(&bytes[..], b"before");
    codec.set_peer_limit(106);
    assert_eq!(codec.encode(&packet, &mut bytes), Ok(106));
    assert_eq!(bytes.len(), 6 + 106);
}

#[test]
fn what_has_no_form_on_the_wire_is_not_written() {
    let codec = Codec::client(Version::V5, LIMIT);
    let mut bytes = BytesMut::new();
    let long = "x".repeat(65_536);
    let topic = Packet::Publish(Publish::new(&long, "", Qos::AtMostOnce));
    let mut connect = Connect::new(Version::V5, "c");
    connect.user_properties = vec![("k".into(), long.clone())];
    let mut identifier = Publish::new("a", "", Qos::AtMostOnce);
    identifier.subscription_identifiers = vec![268_435_456];
    for packet in [topic, Packet::Connect(Box::new(connect)), Packet::Publish(identifier)] {
        assert_eq!(codec.encode(&packet, &mut bytes).unwrap_err().kind, Kind::Unwritable);
        assert!(bytes.is_empty());
    }
    let auth = Packet::Auth(Box::default());
    let old = Codec::client(Version::V311, LIMIT);
    assert_eq!(old.encode(&auth, &mut bytes).unwrap_err().kind, Kind::Unwritable);
    let longest = Packet::Publish(Publish::new(&long[1..], "", Qos::AtMostOnce));
    assert!(codec.encode(&longest, &mut bytes).is_ok());
}

#[test]
fn a_server_that_knows_no_version_answers_as_3_1_1() {
    let refusal = fleetproof_wire::mqtt::packet::ConnAck {
        session_present: false,
        code: 1,
        properties: fleetproof_wire::mqtt::packet::ConnAckProperties::default(),
    };
    let mut bytes = BytesMut::new();
    Codec::server(LIMIT).encode(&Packet::ConnAck(Box::new(refusal)), &mut bytes).unwrap();
    assert_eq!(&bytes[..], [0x20, 2, 0, 1]);
}
