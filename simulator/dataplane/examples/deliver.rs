//! What a message costs: publish to one subscriber among many sessions, taken and acknowledged.
//!
//! `cargo run --release -p fleetproof-dataplane --example deliver`

use fleetproof_dataplane::broker::{Broker, ConnectionId, Principal, Quotas, Rate, Rules, Status};
use fleetproof_dataplane::policy::{Action, CertificateFacts, Facts, Home, Resource};
use fleetproof_wire::mqtt::packet::{Ack, Connect, Packet, Publish, Qos, Subscribe, Subscription, Version};
use std::sync::Arc;

/// Everything is allowed: what a policy costs is measured elsewhere.
#[derive(Debug)]
struct Everything;

impl Rules for Everything {
    fn allow(&self, _: Action, _: Resource<'_>, _: &Home, _: &Facts) -> bool {
        true
    }
}

const MESSAGES: u64 = 200_000;

#[expect(clippy::disallowed_methods, reason = "it measures what the machine does")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn measure(sessions: u64, qos: Qos) {
    let mut broker = Broker::new(None);
    let most = Rate::per_second(u32::MAX);
    let quotas = Quotas {
        connects: most,
        publishes_per_connection: most,
        throughput: most,
        inbound: most,
        outbound: most,
        subscribes: most,
        ..Quotas::default()
    };
    let account = broker.add_account(0, Home { region: "eu-central-1".into(), account: "111111111111".into() }, quotas);
    let certificate = Arc::new(CertificateFacts { id: "c".into(), ..CertificateFacts::default() });
    let principal = Principal { status: Status::Active, rules: Arc::new(Everything), certificate, things: vec![] };
    broker.set_principal(0, account, principal);
    let mut packets = Vec::new();
    let start = now();
    for number in 0..sessions {
        let connection = ConnectionId(number);
        broker.connect(0, connection, account, "c", None, Connect::new(Version::V5, &format!("device-{number:05}")));
        let filters = vec![Subscription::new(&format!("devices/{number:05}/+"), Qos::AtLeastOnce)];
        let subscribe = Subscribe { packet_id: 1, filters, identifier: None, user_properties: vec![] };
        broker.receive(0, connection, Packet::Subscribe(subscribe));
        broker.take(0, connection, &mut packets);
        packets.clear();
        broker.outcomes().clear();
    }
    let joined = start.elapsed();
    let topics: Vec<Arc<str>> = (0..sessions).map(|number| format!("devices/{number:05}/telemetry").into()).collect();
    let mut publish = Publish::new("", vec![7; 200], qos);
    publish.packet_id = u16::from(qos == Qos::AtLeastOnce);
    let start = now();
    let mut got = 0;
    for number in 0..MESSAGES {
        // A stride that visits every session in an order that no cache likes.
        let target = number * 7_919 % sessions;
        let author = ConnectionId((target + 1) % sessions);
        if let Some(topic) = topics.get(usize::try_from(target).unwrap_or(0)) {
            publish.topic = Arc::clone(topic);
        }
        let time = number * 10;
        broker.receive(time, author, Packet::Publish(publish.clone()));
        broker.take(time, author, &mut packets);
        packets.clear();
        broker.take(time, ConnectionId(target), &mut packets);
        for packet in packets.drain(..) {
            if let Packet::Publish(delivered) = packet {
                got += 1;
                if delivered.qos == Qos::AtLeastOnce {
                    broker.receive(time, ConnectionId(target), Packet::PubAck(Ack::of(delivered.packet_id)));
                }
            }
        }
    }
    let spent = start.elapsed();
    assert_eq!(got, MESSAGES, "every message arrives");
    println!(
        "{sessions:>6} sessions, {qos:?}: {} ns per message; {} ns per CONNECT and SUBSCRIBE",
        spent.as_nanos() / u128::from(MESSAGES),
        joined.as_nanos() / u128::from(sessions),
    );
}

fn main() {
    for sessions in [1_000, 10_000] {
        for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
            measure(sessions, qos);
        }
    }
}
