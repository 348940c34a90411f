//! How many bytes a packet has, for limits that are told in bytes. The codec need not be asked.

use fleetproof_wire::mqtt::packet::{MessageProperties, Packet, Publish, UserProperties, Version};

const fn varint(value: usize) -> usize {
    match value {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    }
}

fn users(properties: &UserProperties) -> usize {
    properties.iter().map(|(key, value)| 5 + key.len() + value.len()).sum()
}

/// Bytes of what version 5 says about a message.
pub(super) fn properties(properties: &MessageProperties) -> usize {
    properties.payload_format.map_or(0, |_| 2)
        + properties.expiry.map_or(0, |_| 5)
        + properties.content_type.as_ref().map_or(0, |text| 3 + text.len())
        + properties.response_topic.as_ref().map_or(0, |text| 3 + text.len())
        + properties.correlation_data.as_ref().map_or(0, |data| 3 + data.len())
        + users(&properties.user_properties)
}

/// Bytes of a PUBLISH.
pub(super) fn publish(publish: &Publish, version: Version) -> usize {
    let mut rest = 2 + publish.topic.len() + usize::from(publish.packet_id != 0) * 2 + publish.payload.len();
    if version == Version::V5 {
        let told = properties(&publish.properties) + publish.topic_alias.map_or(0, |_| 3);
        rest += varint(told) + told;
    }
    1 + varint(rest) + rest
}

/// Bytes of a packet from the server, near enough for a rate.
pub(super) fn packet(packet: &Packet, version: Version) -> usize {
    match packet {
        Packet::Publish(message) => publish(message, version),
        Packet::SubAck(acks) | Packet::UnsubAck(acks) => 5 + acks.codes.len(),
        Packet::ConnAck(_) => 40,
        Packet::PingReq | Packet::PingResp => 2,
        _ => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetproof_wire::mqtt::packet::Qos;

    #[test]
    fn sizes_are_those_on_the_wire() {
        let mut message = Publish::new("a/b", "hello", Qos::AtMostOnce);
        assert_eq!(publish(&message, Version::V311), 2 + 2 + 3 + 5);
        assert_eq!(publish(&message, Version::V5), 2 + 2 + 3 + 1 + 5);
        message.packet_id = 7;
        message.topic_alias = Some(1);
        message.properties.expiry = Some(1);
        message.properties.user_properties = vec![("k".into(), "vv".into())];
        assert_eq!(publish(&message, Version::V5), 2 + 2 + 3 + 2 + (1 + 3 + 5 + 8) + 5);
        let large = Publish::new("a", vec![0; 200], Qos::AtMostOnce);
        assert_eq!(publish(&large, Version::V311), 3 + 3 + 200);
    }
}
