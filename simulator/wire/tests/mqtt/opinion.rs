//! `rumqttc`'s opinion of a packet: shared by the tests and the fuzzer.

use bytes::BytesMut;
use fleetproof_wire::mqtt::packet::Disconnect;
use fleetproof_wire::mqtt::{Packet, Version};
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;

/// Through `rumqttc`: read and written again. `None`: it does not read it, or not write what it read.
pub fn through(version: Version, mut bytes: BytesMut, limit: u32) -> Option<BytesMut> {
    let mut out = BytesMut::new();
    match version {
        Version::V311 => {
            v4::Packet::read(&mut bytes, limit as usize).ok()?.write(&mut out, limit as usize).ok()?;
        }
        Version::V5 => {
            v5::Packet::read(&mut bytes, Some(limit)).ok()?.write(&mut out, Some(limit)).ok()?;
        }
    }
    Some(out)
}

/// What `rumqttc` has wrong (`codec.rs` names it) is not asked.
pub fn is_beyond_it(version: Version, packet: &Packet) -> bool {
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
