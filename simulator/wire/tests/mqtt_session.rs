#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! A client's session against a server of a few lines.

use fleetproof_wire::mqtt::packet::{
    Ack, Acks, ConnAck, ConnAckProperties, Connect, Disconnect, Publish, Subscription, code,
};
use fleetproof_wire::mqtt::session::{CAPACITY, Event, Refusal};
use fleetproof_wire::mqtt::{Packet, Qos, Session, Version};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const SECOND: u64 = 1_000_000;

fn connack(session_present: bool, code: u8, properties: ConnAckProperties) -> Packet {
    Packet::ConnAck(Box::new(ConnAck { session_present, code, properties }))
}

fn session(version: Version, keep_alive: u16) -> Session {
    let mut connect = Connect::new(version, "device");
    connect.keep_alive = keep_alive;
    connect.topic_alias_maximum = Some(2);
    Session::new(connect)
}

/// Connected by a server that says that of itself; what was sent on CONNACK.
fn connect(session: &mut Session, present: bool, properties: ConnAckProperties) -> Vec<Packet> {
    let mut out = Vec::new();
    assert!(matches!(session.connect(0, !present), Packet::Connect(connect) if connect.clean_start != present));
    assert!(!session.is_connected());
    let event = session.receive(0, connack(present, 0, properties), &mut out).unwrap();
    assert!(matches!(event, Some(Event::Connected(_))) && session.is_connected());
    out
}

fn connected(version: Version, properties: ConnAckProperties) -> Session {
    let mut session = session(version, 30);
    assert!(connect(&mut session, false, properties).is_empty());
    session
}

fn message(topic: &str, qos: Qos) -> Publish {
    Publish::new(topic, "payload", qos)
}

/// Packet id, DUP and payload of what was sent.
fn publishes(out: &[Packet]) -> Vec<(u16, bool)> {
    let one = |packet: &Packet| match packet {
        Packet::Publish(publish) => (publish.packet_id, publish.dup),
        other => panic!("{other:?}"),
    };
    out.iter().map(one).collect()
}

#[test]
fn a_refusal_ends_it() {
    let mut session = session(Version::V311, 0);
    session.connect(0, true);
    let event = session.receive(1, connack(false, 5, ConnAckProperties::default()), &mut Vec::new()).unwrap().unwrap();
    assert!(matches!(event, Event::Refused(ack) if ack.code == 5));
    assert!(!session.is_connected());
}

#[test]
fn a_server_that_breaks_the_order_is_found_out() {
    let mut out = Vec::new();
    let mut one = session(Version::V5, 0);
    one.connect(0, true);
    let early = one.receive(0, Packet::PingResp, &mut out).unwrap_err();
    assert_eq!((early.statement, early.code()), (Some("MQTT-3.2.0-1"), code::PROTOCOL_ERROR));
    let present = one.receive(0, connack(true, 0, ConnAckProperties::default()), &mut out).unwrap_err();
    assert_eq!(present.statement, Some("MQTT-3.2.2-2"));
    let mut two = connected(Version::V5, ConnAckProperties::default());
    let second = two.receive(0, connack(false, 0, ConnAckProperties::default()), &mut out).unwrap_err();
    assert_eq!(second.statement, Some("MQTT-3.2.0-2"));
    let id = two.subscribe(0, vec![Subscription::new("a", Qos::AtMostOnce)], &mut out).unwrap();
    let two_codes = Acks { packet_id: id, codes: vec![0, 0], reason: None, user_properties: Vec::new() };
    assert_eq!(two.receive(0, Packet::SubAck(two_codes), &mut out).unwrap_err().statement, Some("MQTT-3.8.4-6"));
}

#[test]
fn subscriptions_are_answered() {
    for version in [Version::V311, Version::V5] {
        let mut session = connected(version, ConnAckProperties::default());
        let mut out = Vec::new();
        let filters = vec![Subscription::new("a", Qos::AtLeastOnce), Subscription::new("b", Qos::AtMostOnce)];
        let first = session.subscribe(0, filters, &mut out).unwrap();
        let second = session.unsubscribe(0, vec!["a".into()], &mut out).unwrap();
        assert!(matches!(&out[0], Packet::Subscribe(sent) if sent.packet_id == first && sent.filters.len() == 2));
        assert!(matches!(&out[1], Packet::Unsubscribe(sent) if sent.packet_id == second && sent.filters == ["a"]));
        let acks = |packet_id, codes| Acks { packet_id, codes, reason: None, user_properties: Vec::new() };
        let codes = if version == Version::V5 { vec![0x11] } else { Vec::new() };
        let gone = session.receive(0, Packet::UnsubAck(acks(second, codes.clone())), &mut out).unwrap();
        assert_eq!(gone, Some(Event::Unsubscribed(acks(second, codes))));
        let there = session.receive(0, Packet::SubAck(acks(first, vec![1, 0x80])), &mut out).unwrap();
        assert_eq!(there, Some(Event::Subscribed(acks(first, vec![1, 0x80]))));
        // Nobody asked again.
        let again = session.receive(0, Packet::SubAck(acks(first, vec![1, 0x80])), &mut out).unwrap();
        assert!(matches!(again, Some(Event::Other(Packet::SubAck(_)))));
        assert_eq!(out.len(), 2);
    }
}

#[test]
fn unacknowledged_messages_are_sent_again_with_dup_if_the_server_kept_the_session_and_as_new_if_not() {
    for (present, dup) in [(true, true), (false, false)] {
        let mut session = connected(Version::V311, ConnAckProperties::default());
        let mut out = Vec::new();
        let ids: Vec<u16> =
            (0..3).map(|_| session.publish(0, message("t", Qos::AtLeastOnce), &mut out).unwrap()).collect();
        assert_eq!(publishes(&out), [(ids[0], false), (ids[1], false), (ids[2], false)]);
        let acknowledged = session.receive(0, Packet::PubAck(Ack::of(ids[1])), &mut out).unwrap();
        assert_eq!(acknowledged, Some(Event::Acknowledged(Ack::of(ids[1]))));
        session.lose();
        let waiting = session.publish(0, message("t", Qos::AtLeastOnce), &mut out).unwrap();
        assert_eq!(session.publish(0, message("t", Qos::AtMostOnce), &mut out), Err(Refusal::NotConnected));
        assert_eq!(out.len(), 3, "nothing is sent without a connection");
        let again = connect(&mut session, present, ConnAckProperties::default());
        assert_eq!(publishes(&again), [(ids[0], dup), (ids[2], dup), (waiting, false)]);
        assert_eq!(session.unacknowledged(), 3);
    }
}

#[test]
fn no_more_is_in_flight_than_the_server_takes() {
    let server = ConnAckProperties { receive_maximum: Some(2), ..ConnAckProperties::default() };
    let mut session = connected(Version::V5, server.clone()).keeping(4).with_aliases(0);
    let mut out = Vec::new();
    let ids: Vec<u16> = (0..4).map(|_| session.publish(0, message("t", Qos::AtLeastOnce), &mut out).unwrap()).collect();
    assert_eq!(session.publish(0, message("t", Qos::AtLeastOnce), &mut out), Err(Refusal::Full(4)));
    assert_eq!(publishes(&out), [(ids[0], false), (ids[1], false)]);
    out.clear();
    // QoS 0 and other packets are not held back (MQTT-3.3.4-8).
    session.publish(0, message("t", Qos::AtMostOnce), &mut out).unwrap();
    assert_eq!(publishes(&out), [(0, false)]);
    out.clear();
    session.receive(0, Packet::PubAck(Ack::of(ids[1])), &mut out).unwrap();
    assert_eq!(publishes(&out), [(ids[2], false)]);
    // A refusal is an acknowledgement too (MQTT-4.4.0-2).
    out.clear();
    let refusal = Ack { code: code::NOT_AUTHORIZED, ..Ack::of(ids[0]) };
    let event = session.receive(0, Packet::PubAck(refusal.clone()), &mut out).unwrap();
    assert_eq!(event, Some(Event::Acknowledged(refusal)));
    assert_eq!(publishes(&out), [(ids[3], false)]);
    // On the next connection the two that are left fit again; a narrower window of our own counts as well.
    let mut session = session.with_window(1);
    assert_eq!(publishes(&connect(&mut session, true, server)), [(ids[2], true)]);
}

#[test]
fn messages_are_acknowledged_by_their_qos() {
    let mut session = connected(Version::V311, ConnAckProperties::default());
    let mut out = Vec::new();
    let mut one = message("t", Qos::AtMostOnce);
    assert!(matches!(session.receive(0, Packet::Publish(one.clone()), &mut out), Ok(Some(Event::Message(_)))));
    assert!(out.is_empty());
    (one.qos, one.packet_id) = (Qos::AtLeastOnce, 7);
    let event = session.receive(0, Packet::Publish(one.clone()), &mut out).unwrap();
    assert_eq!(event, Some(Event::Message(one.clone())));
    assert_eq!(out, [Packet::PubAck(Ack::of(7))]);
    one.qos = Qos::ExactlyOnce;
    assert!(matches!(session.receive(0, Packet::Publish(one), &mut out), Ok(Some(Event::Message(_)))));
    assert_eq!(out.len(), 1, "QoS 2 is answered by hand");
}

#[test]
fn qos_beyond_what_is_spoken_is_refused() {
    let mut session =
        connected(Version::V5, ConnAckProperties { maximum_qos: Some(0), ..ConnAckProperties::default() });
    let mut out = Vec::new();
    let refused = session.publish(0, message("t", Qos::AtLeastOnce), &mut out);
    assert_eq!(refused, Err(Refusal::Qos(Qos::AtLeastOnce)));
    let mut session =
        connected(Version::V5, ConnAckProperties { maximum_qos: Some(1), ..ConnAckProperties::default() });
    assert!(session.publish(0, message("t", Qos::AtLeastOnce), &mut out).is_ok());
    let refused = session.publish(0, message("t", Qos::ExactlyOnce), &mut out);
    assert_eq!(refused, Err(Refusal::Qos(Qos::ExactlyOnce)));
}

#[test]
fn aliases_of_the_server_stand_for_topics_on_one_connection() {
    let mut session = connected(Version::V5, ConnAckProperties::default());
    let mut out = Vec::new();
    let mut alias = |session: &mut Session, topic: &str, alias: u16| {
        let mut publish = message(topic, Qos::AtMostOnce);
        publish.topic_alias = Some(alias);
        match session.receive(0, Packet::Publish(publish), &mut out) {
            Ok(Some(Event::Message(publish))) => Ok(publish.topic.to_string()),
            Ok(other) => panic!("{other:?}"),
            Err(fault) => Err(fault.code()),
        }
    };
    assert_eq!(alias(&mut session, "", 1), Err(0x94));
    assert_eq!(alias(&mut session, "a", 1), Ok("a".into()));
    assert_eq!(alias(&mut session, "", 1), Ok("a".into()));
    assert_eq!(alias(&mut session, "b", 1), Ok("b".into()));
    assert_eq!(alias(&mut session, "", 1), Ok("b".into()));
    assert_eq!(alias(&mut session, "c", 2), Ok("c".into()));
    assert_eq!(alias(&mut session, "d", 3), Err(0x94));
    session.lose();
    connect(&mut session, true, ConnAckProperties::default());
    assert_eq!(alias(&mut session, "", 1), Err(0x94));
}

#[test]
fn aliases_of_our_own_are_used_as_far_as_the_server_allows() {
    let mut out = Vec::new();
    let server = ConnAckProperties { topic_alias_maximum: Some(2), ..ConnAckProperties::default() };
    let mut session = connected(Version::V5, server.clone());
    for topic in ["a", "a", "b", "c", "b", "c"] {
        session.publish(0, message(topic, Qos::AtMostOnce), &mut out).unwrap();
    }
    let mut own = message("own", Qos::AtMostOnce);
    own.topic_alias = Some(9);
    session.publish(0, own, &mut out).unwrap();
    let sent = |out: &[Packet]| -> Vec<(String, Option<u16>)> {
        let one = |packet: &Packet| match packet {
            Packet::Publish(publish) => (publish.topic.to_string(), publish.topic_alias),
            other => panic!("{other:?}"),
        };
        out.iter().map(one).collect()
    };
    let expected =
        [("a", Some(1)), ("", Some(1)), ("b", Some(2)), ("c", None), ("", Some(2)), ("c", None), ("own", Some(9))];
    assert_eq!(sent(&out), expected.map(|(topic, alias)| (topic.to_owned(), alias)));
    // What is sent again goes out with its topic: the next connection knows no alias.
    out.clear();
    session.publish(0, message("a", Qos::AtLeastOnce), &mut out).unwrap();
    assert_eq!(sent(&out), [(String::new(), Some(1))]);
    session.lose();
    let again = connect(&mut session, true, server.clone());
    assert_eq!(sent(&again), [("a".to_owned(), Some(1))]);
    let mut none = connected(Version::V5, server).with_aliases(0);
    out.clear();
    none.publish(0, message("a", Qos::AtMostOnce), &mut out).unwrap();
    assert_eq!(sent(&out), [("a".to_owned(), None)]);
}

#[test]
fn the_keep_alive_asks_in_time_and_gives_up_after_one_and_a_half() {
    let mut session = connected(Version::V311, ConnAckProperties::default());
    let mut out = Vec::new();
    assert_eq!(session.next_wake(), Some(30 * SECOND));
    assert_eq!(session.tick(30 * SECOND - 1, &mut out), None);
    assert!(out.is_empty());
    assert_eq!(session.tick(30 * SECOND, &mut out), None);
    assert_eq!(out, [Packet::PingReq]);
    assert_eq!(session.tick(30 * SECOND, &mut out), None);
    assert_eq!(out.len(), 1, "one question is enough");
    assert_eq!(session.next_wake(), Some(45 * SECOND));
    assert_eq!(session.receive(31 * SECOND, Packet::PingResp, &mut out), Ok(Some(Event::Pong)));
    assert_eq!(session.next_wake(), Some(60 * SECOND));
    // Who sends all the time asks nevertheless: nothing else would show that the server is gone.
    for second in 32..=60 {
        session.publish(second * SECOND, message("t", Qos::AtMostOnce), &mut Vec::new()).unwrap();
    }
    out.clear();
    assert_eq!(session.next_wake(), Some(61 * SECOND));
    session.tick(61 * SECOND, &mut out);
    assert_eq!(out, [Packet::PingReq]);
    assert_eq!(session.tick(76 * SECOND - 1, &mut out), None);
    assert_eq!(session.tick(76 * SECOND, &mut out), Some(Event::Lost));
    assert_eq!((session.is_connected(), session.next_wake()), (false, None));
}

#[test]
fn the_server_may_say_another_keep_alive() {
    let mut session = connected(Version::V5, ConnAckProperties { server_keep_alive: Some(5), ..Default::default() });
    assert_eq!(session.next_wake(), Some(5 * SECOND));
    let mut none = connected(Version::V5, ConnAckProperties { server_keep_alive: Some(0), ..Default::default() });
    assert_eq!(none.next_wake(), None);
    assert_eq!(none.tick(u64::MAX, &mut Vec::new()), None);
    // A server that never answers CONNECT is gone as well; nobody asks it before.
    session.connect(0, true);
    assert_eq!(session.next_wake(), Some(45 * SECOND));
    let mut out = Vec::new();
    assert_eq!(session.tick(45 * SECOND, &mut out), Some(Event::Lost));
    assert!(out.is_empty());
}

#[test]
fn either_side_may_end_it() {
    let mut out = Vec::new();
    let mut session = connected(Version::V5, ConnAckProperties::default());
    let taken_over = Disconnect { code: code::SESSION_TAKEN_OVER, ..Disconnect::default() };
    let event = session.receive(0, Packet::Disconnect(taken_over.clone()), &mut out).unwrap();
    assert_eq!(event, Some(Event::Disconnected(taken_over)));
    assert!(!session.is_connected());
    session.disconnect(Disconnect::default(), &mut out);
    assert!(out.is_empty(), "after the end nothing is sent");
    connect(&mut session, false, ConnAckProperties::default());
    let with_will = Disconnect { code: code::DISCONNECT_WITH_WILL, ..Disconnect::default() };
    session.disconnect(with_will.clone(), &mut out);
    assert_eq!(out, [Packet::Disconnect(with_will)]);
    assert!(!session.is_connected());
}

#[test]
fn an_assigned_client_id_is_kept() {
    let mut session = Session::new(Connect::new(Version::V5, ""));
    let given = ConnAckProperties { assigned_client_id: Some("given".into()), ..ConnAckProperties::default() };
    connect(&mut session, false, given);
    assert!(matches!(session.connect(0, false), Packet::Connect(connect) if connect.client_id == "given"));
}

#[test]
fn anything_can_be_sent_raw_and_its_answer_is_seen() {
    let mut session = connected(Version::V5, ConnAckProperties::default());
    let mut out = Vec::new();
    let mut twice = message("t", Qos::ExactlyOnce);
    twice.packet_id = 9;
    session.raw(0, Packet::Publish(twice.clone()), &mut out);
    assert_eq!(out, [Packet::Publish(twice)]);
    let answer = Packet::PubRec(Ack::of(9));
    assert_eq!(session.receive(0, answer.clone(), &mut out), Ok(Some(Event::Other(answer))));
    let answer = Packet::PubAck(Ack::of(9));
    assert_eq!(session.receive(0, answer.clone(), &mut out), Ok(Some(Event::Other(answer))));
}

#[test]
fn packet_ids_in_use_are_passed_over() {
    let mut session = connected(Version::V311, ConnAckProperties::default());
    let mut out = Vec::new();
    let kept = session.publish(0, message("t", Qos::AtLeastOnce), &mut out).unwrap();
    let asked = session.subscribe(0, vec![Subscription::new("a", Qos::AtMostOnce)], &mut out).unwrap();
    for _ in 0..70_000 {
        let id = session.publish(0, message("t", Qos::AtLeastOnce), &mut out).unwrap();
        assert!(id != 0 && id != kept && id != asked);
        session.receive(0, Packet::PubAck(Ack::of(id)), &mut out).unwrap();
        out.clear();
    }
}

#[test]
fn an_idle_session_is_small() {
    let size = size_of::<Session>();
    println!("size_of::<Session>() = {size} bytes, size_of::<Connect>() = {} bytes", size_of::<Connect>());
    assert!(size <= 256, "{size}");
}

#[derive(Clone, Debug)]
enum Step {
    Publish,
    Acknowledge(prop::sample::Index),
    Break,
    Connect { present: bool, receive_maximum: u16 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let connect =
        (any::<bool>(), 1..6_u16).prop_map(|(present, receive_maximum)| Step::Connect { present, receive_maximum });
    let step = prop_oneof![
        6 => Just(Step::Publish),
        6 => any::<prop::sample::Index>().prop_map(Step::Acknowledge),
        1 => Just(Step::Break),
        2 => connect,
    ];
    prop::collection::vec(step, 0..80)
}

/// What a server sees: which messages of QoS 1 are unacknowledged on this connection, and which it ever saw in this session.
#[derive(Default)]
struct Server {
    open: Vec<(u16, String)>,
    seen: BTreeMap<u16, String>,
    done: BTreeSet<String>,
    receive_maximum: usize,
}

impl Server {
    fn take(&mut self, out: &mut Vec<Packet>) {
        for packet in out.drain(..) {
            let Packet::Publish(publish) = packet else { panic!("{packet:?}") };
            let name = String::from_utf8(publish.payload.to_vec()).unwrap();
            assert!(self.open.iter().all(|(id, _)| *id != publish.packet_id), "a packet id is used twice");
            assert_eq!(publish.dup, self.seen.get(&publish.packet_id) == Some(&name), "of {name}");
            assert!(!self.done.contains(&name), "{name} was acknowledged");
            if let Some((_, last)) = self.open.last() {
                assert!(last.parse::<u32>().unwrap() < name.parse().unwrap(), "messages keep their order");
            }
            self.seen.insert(publish.packet_id, name.clone());
            self.open.push((publish.packet_id, name));
            assert!(self.open.len() <= self.receive_maximum, "no more in flight than allowed");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever happens to connections: no message is lost, none is sent after its acknowledgement, ids are unique, DUP is set
    /// exactly when this session's server saw it before, and the window holds.
    #[test]
    fn messages_of_qos_1_arrive_at_least_once(steps in steps()) {
        let mut session = session(Version::V5, 0).keeping(CAPACITY);
        let mut server = Server::default();
        let mut out = Vec::new();
        let mut published = 0_u32;
        let last = [Step::Connect { present: true, receive_maximum: 3 }];
        for step in steps.into_iter().chain(last) {
            match step {
                Step::Publish => {
                    let publish = Publish::new("t", published.to_string(), Qos::AtLeastOnce);
                    if session.publish(0, publish, &mut out).is_ok() {
                        published += 1;
                    }
                }
                Step::Acknowledge(index) if !server.open.is_empty() => {
                    let (id, name) = server.open.remove(index.index(server.open.len()));
                    server.seen.remove(&id);
                    server.done.insert(name);
                    session.receive(0, Packet::PubAck(Ack::of(id)), &mut out).unwrap();
                }
                Step::Acknowledge(_) => {}
                Step::Break => {
                    session.lose();
                    server.open.clear();
                }
                Step::Connect { present, receive_maximum } => {
                    server.open.clear();
                    if !present {
                        server.seen.clear();
                    }
                    server.receive_maximum = usize::from(receive_maximum);
                    session.connect(0, !present);
                    let said = ConnAckProperties { receive_maximum: Some(receive_maximum), ..Default::default() };
                    session.receive(0, connack(present, 0, said), &mut out).unwrap();
                }
            }
            server.take(&mut out);
        }
        while let Some((id, name)) = server.open.pop() {
            server.seen.remove(&id);
            server.done.insert(name);
            session.receive(0, Packet::PubAck(Ack::of(id)), &mut out).unwrap();
            server.take(&mut out);
        }
        prop_assert_eq!(server.done.len(), published as usize);
        prop_assert_eq!(session.unacknowledged(), 0);
    }
}

#[test]
fn a_topic_is_shared_and_not_copied_for_each_message() {
    let topic: Arc<str> = "t".into();
    let mut session = connected(Version::V311, ConnAckProperties::default());
    let mut out = Vec::new();
    let publish = Publish { topic: Arc::clone(&topic), ..message("", Qos::AtLeastOnce) };
    session.publish(0, publish, &mut out).unwrap();
    assert!(matches!(&out[0], Packet::Publish(sent) if Arc::ptr_eq(&sent.topic, &topic)));
}
