//! CONNECT, sessions, wills, keep-alive (sections 3.1, 3.2, 3.14, 4.1, 4.12).

use crate::support::{World, all, lasting, message, surely, v3, v5, will};
use fleetproof_dataplane::broker::{ConnectionId, Reason};
use fleetproof_wire::mqtt::packet::{Connect, Disconnect, Packet, Publish, Qos, Version, Will};

/// A session that outlives its connection, in both versions.
fn staying(version: Version, client_id: &str) -> Connect {
    match version {
        Version::V5 => lasting(client_id),
        Version::V311 => Connect { clean_start: false, ..v3(client_id) },
    }
}

const BOTH: [Version; 2] = [Version::V311, Version::V5];

#[test]
pub fn nothing_comes_before_connect() {
    let mut w = World::sound();
    w.send(ConnectionId(77), Packet::PingReq);
    assert_eq!(w.end_of(ConnectionId(77)).map(|end| end.reason), Some(Reason::ClientError));
    assert_eq!(w.take(ConnectionId(77)), []);
}

#[test]
pub fn a_second_connect_ends_the_connection() {
    for version in BOTH {
        let mut w = World::sound();
        let client = w.join_as(w.a, Connect::new(version, "c"));
        w.send(client, Packet::Connect(Box::new(Connect::new(version, "c"))));
        assert_eq!(w.end_of(client).map(|end| end.code), Some(0x82));
    }
}

#[test]
pub fn a_clean_start_forgets() {
    for version in BOTH {
        let mut w = World::sound();
        let a = w.a;
        let client = w.join_as(a, staying(version, "c"));
        w.subscribe(client, &["t"]);
        w.leave(client);
        w.say(a, "t", "x");
        let (client, answer) = w.answer(a, "c", Connect { clean_start: true, ..staying(version, "c") });
        assert_eq!((answer.code, answer.session_present), (0, false));
        w.say(a, "t", "y");
        assert!(w.messages(client).is_empty());
    }
}

#[test]
pub fn a_session_goes_on() {
    for version in BOTH {
        let mut w = World::sound();
        let a = w.a;
        w.allow(a, "c", all());
        let (client, answer) = w.answer(a, "c", staying(version, "c"));
        assert_eq!((answer.code, answer.session_present), (0, false), "there is none yet");
        w.subscribe(client, &["t"]);
        w.lose(client);
        w.say(a, "t", "stored");
        let (client, answer) = w.answer(a, "c", staying(version, "c"));
        assert_eq!((answer.code, answer.session_present), (0, true));
        w.say(a, "t", "live");
        w.pass(1);
        assert_eq!(w.messages(client), ["stored", "live"]);
    }
}

#[test]
pub fn a_session_ends_in_time() {
    for version in BOTH {
        for (seconds, present) in [(3_590, true), (3_610, false)] {
            let mut w = World::sound();
            let a = w.a;
            let client = w.join_as(a, staying(version, "c"));
            w.subscribe(client, &["t"]);
            w.pass(600);
            assert_eq!(w.broker.usage(a).map(|usage| usage.sessions), Some(1), "not while it is connected");
            w.lose(client);
            w.pass(seconds);
            assert_eq!(w.answer(a, "c", staying(version, "c")).1.session_present, present);
        }
        let mut w = World::sound();
        let client = w.join_as(w.a, Connect::new(version, "c"));
        w.lose(client);
        assert_eq!(w.broker.usage(w.a).map(|usage| usage.sessions), Some(0));
    }
}

#[test]
pub fn a_goodbye_can_change_when_a_session_ends() {
    let mut w = World::sound();
    let a = w.a;
    let bye = |seconds| Packet::Disconnect(Disconnect { session_expiry: Some(seconds), ..Disconnect::default() });
    let client = w.join_as(a, lasting("c"));
    w.send(client, bye(10));
    w.pass(8);
    assert!(w.answer(a, "c", lasting("c")).1.session_present);
    let client = w.join_as(a, v5("d"));
    w.send(client, bye(10));
    assert_eq!(w.end_of(client).map(|end| end.code), Some(0x82), "0 cannot become more");
}

/// A watcher of `w`, and client `c` with a will there.
fn with_will(version: Version, will: Will, connect: Connect) -> (World, ConnectionId, ConnectionId) {
    let mut w = World::sound();
    let watcher = w.join(w.a, "watcher");
    w.subscribe(watcher, &["w"]);
    let client = w.join_as(w.a, Connect { version, will: Some(will), ..connect });
    (w, watcher, client)
}

#[test]
pub fn a_will_is_said_when_the_connection_breaks() {
    for version in BOTH {
        let (mut w, watcher, client) = with_will(version, will("w", "words"), staying(version, "c"));
        assert!(w.messages(watcher).is_empty());
        w.lose(client);
        assert_eq!(w.messages(watcher), ["words"]);
        w.pass(4_000);
        assert!(w.messages(watcher).is_empty(), "once");
        let (mut w, watcher, client) = with_will(version, will("w", "words"), Connect::new(version, "c"));
        w.send(
            client,
            Packet::Subscribe(fleetproof_wire::mqtt::packet::Subscribe {
                packet_id: 1,
                filters: vec![],
                identifier: None,
                user_properties: vec![],
            }),
        );
        assert_eq!(w.messages(watcher), ["words"], "also when the server closes it");
    }
}

#[test]
pub fn a_goodbye_takes_the_will_along() {
    for version in BOTH {
        let (mut w, watcher, client) = with_will(version, will("w", "words"), staying(version, "c"));
        w.leave(client);
        w.pass(4_000);
        assert!(w.messages(watcher).is_empty());
    }
    let (mut w, watcher, client) = with_will(Version::V5, will("w", "words"), v5("c"));
    w.send(client, Packet::Disconnect(Disconnect { code: 4, ..Disconnect::default() }));
    assert_eq!(w.messages(watcher), ["words"], "unless the goodbye asks for it");
}

#[test]
pub fn a_will_is_retained_as_it_says() {
    for version in BOTH {
        for retain in [false, true] {
            let last = Will { retain, ..will("w", "words") };
            let (mut w, _, client) = with_will(version, last, Connect::new(version, "c"));
            w.lose(client);
            assert_eq!(w.broker.retained(w.now, w.a, "w").is_some(), retain);
        }
    }
}

#[test]
pub fn a_will_waits_and_is_forgotten_on_return() {
    let late = Will { delay: Some(30), ..will("w", "words") };
    let (mut w, watcher, client) = with_will(Version::V5, late.clone(), lasting("c"));
    w.lose(client);
    w.pass(29);
    assert!(w.messages(watcher).is_empty());
    w.pass(2);
    assert_eq!(w.messages(watcher), ["words"]);
    let (mut w, watcher, client) = with_will(Version::V5, late.clone(), lasting("c"));
    w.lose(client);
    w.pass(20);
    w.connect(w.a, "c", lasting("c"));
    w.pass(60);
    assert!(w.messages(watcher).is_empty());
    let (mut w, watcher, client) = with_will(Version::V5, late.clone(), lasting("c"));
    w.lose(client);
    w.connect(w.a, "c", v5("c"));
    assert_eq!(w.messages(watcher), ["words"], "the session ended");
    let (mut w, watcher, client) = with_will(Version::V5, late, Connect { session_expiry: Some(5), ..lasting("c") });
    w.lose(client);
    w.pass(6);
    assert_eq!(w.messages(watcher), ["words"], "the session ended before the delay");
}

#[test]
pub fn a_wills_properties_stay_in_order() {
    let mut last = will("w", "words");
    last.properties.user_properties =
        vec![("b".into(), "1".into()), ("a".into(), "2".into()), ("b".into(), "0".into())];
    let expected = last.properties.clone();
    let (mut w, watcher, client) = with_will(Version::V5, last, v5("c"));
    w.lose(client);
    assert_eq!(w.published(watcher).first().map(|got| got.properties.clone()), Some(expected));
}

#[test]
pub fn silence_ends_a_connection() {
    for version in BOTH {
        let mut w = World::sound();
        let client = w.join_as(w.a, Connect { keep_alive: 60, ..Connect::new(version, "c") });
        w.pass(80);
        w.send(client, Packet::PingReq);
        w.pass(89);
        assert!(!w.is_closed(client));
        w.pass(2);
        assert_eq!(w.end_of(client).map(|end| (end.reason, end.code)), Some((Reason::KeepAliveTimeout, 0x8d)));
    }
}

#[test]
pub fn packets_are_no_larger_than_the_client_takes() {
    let mut w = World::sound();
    let client = w.join_as(w.a, Connect { maximum_packet_size: Some(60), ..v5("c") });
    w.subscribe(client, &["t"]);
    w.say(w.a, "t", &"x".repeat(100));
    w.say(w.a, "t", "small");
    assert_eq!(w.messages(client), ["small"], "as if the large one had been sent");
    let author = w.join(w.a, "author");
    w.publish(author, message("t", &"x".repeat(100)));
    assert!(w.messages(client).is_empty());
    assert_eq!(w.broker.usage(w.a).map(|usage| usage.totals.oversized), Some(2));
}

#[test]
pub fn aliases_are_no_more_than_the_client_takes() {
    for most in [None, Some(0), Some(2)] {
        let mut w = World::sound();
        let client = w.join_as(w.a, Connect { topic_alias_maximum: most, ..v5("c") });
        w.subscribe(client, &["#"]);
        for topic in ["1", "2", "3", "3", "2", "1"] {
            w.say(w.a, topic, "x");
        }
        let used = w.published(client).iter().filter_map(|got| got.topic_alias).max();
        assert_eq!(used, most.filter(|most| *most > 0));
    }
}

#[test]
pub fn an_answer_says_only_what_was_asked() {
    let mut w = World::sound();
    w.allow(w.a, "c", all());
    let (_, answer) = w.answer(w.a, "c", v5("c"));
    let said = answer.properties;
    assert_eq!((said.response_information, said.reason, said.authentication_method), (None, None, None));
    assert!(said.user_properties.is_empty());
    assert_eq!(
        (said.maximum_qos, said.subscription_identifiers, said.topic_alias_maximum),
        (Some(1), Some(0), Some(8))
    );
    assert_eq!(w.answer(w.a, "c", v3("c")).1.properties, Default::default());
}

#[test]
pub fn ordinary_client_ids_are_taken() {
    for version in BOTH {
        let mut w = World::sound();
        for id in ["a", "0123456789abcdefghijklm", "NOPQRSTUVWXYZ"] {
            w.join_as(w.a, Connect::new(version, id));
        }
        assert_eq!(w.broker.usage(w.a).map(|usage| usage.sessions), Some(3));
    }
}

#[test]
pub fn an_empty_client_id_becomes_one_of_its_own() {
    let mut w = World::sound();
    let a = w.a;
    w.allow(a, "c", all());
    let (_, first) = w.answer(a, "c", v5(""));
    let (_, second) = w.answer(a, "c", v5(""));
    let (first, second) = (first.properties.assigned_client_id, second.properties.assigned_client_id);
    assert!(first.is_some() && second.is_some() && first != second);
    assert_eq!(w.answer(a, "c", v3("")).1.code, 0);
    assert_eq!(w.broker.usage(a).map(|usage| usage.connections), Some(3));
    let (refused, answer) = w.answer(a, "c", Connect { clean_start: false, ..v3("") });
    assert_eq!(answer.code, 2);
    assert!(w.is_closed(refused));
}

#[test]
pub fn who_is_refused_is_told_and_closed() {
    for (version, not_allowed, bad_id) in [(Version::V311, 7, 2), (Version::V5, 0x87, 0x85)] {
        let mut w = World::sound();
        w.allow(w.a, "c", all());
        for (certificate, id, code) in [("unknown", "x", not_allowed), ("c", "$reserved", bad_id)] {
            let (refused, answer) = w.answer(w.a, certificate, Connect::new(version, id));
            assert_eq!((answer.code, answer.session_present), (code, false));
            assert!(w.is_closed(refused));
            w.publish(refused, Publish { retain: true, ..message("t", "x") });
            assert_eq!(w.take(refused), [], "no DISCONNECT, and nothing is done for it any more");
            assert_eq!(w.broker.retained(w.now, w.a, "t"), None);
        }
    }
}

#[test]
pub fn a_newer_connection_ends_the_older_one() {
    for version in BOTH {
        let mut w = World::sound();
        let older = w.join_as(w.a, Connect::new(version, "c"));
        let newer = w.join_as(w.a, Connect::new(version, "c"));
        assert_eq!(w.end_of(older).map(|end| end.code), Some(0x8e));
        assert_eq!(w.code(older), (version == Version::V5).then_some(0x8e));
        assert!(!w.is_closed(newer));
    }
}

#[test]
pub fn connack_comes_first_and_once() {
    for version in BOTH {
        let mut w = World::sound();
        let client = w.join_as(w.a, staying(version, "c"));
        w.subscribe(client, &["t"]);
        w.lose(client);
        w.say(w.a, "t", "x");
        let client = w.knock(w.a, "c", staying(version, "c"));
        w.pass(1);
        let client = if w.is_closed(client) { w.knock(w.a, "c", staying(version, "c")) } else { client };
        w.send(client, Packet::PingReq);
        let packets = w.take(client);
        assert!(matches!(packets.first(), Some(Packet::ConnAck(answer)) if answer.code == 0));
        assert_eq!(packets.iter().filter(|packet| matches!(packet, Packet::ConnAck(_))).count(), 1);
        assert!(packets.len() >= 3, "{packets:?}");
    }
}

#[test]
pub fn qos_2_is_not_taken_and_not_granted() {
    let mut w = World::sound();
    let a = w.a;
    w.allow(a, "c", all());
    let last = Will { qos: Qos::ExactlyOnce, ..will("w", "x") };
    let (refused, answer) = w.answer(a, "c", Connect { will: Some(last.clone()), ..v5("c") });
    assert_eq!(answer.code, 0x9b);
    assert!(w.is_closed(refused));
    assert_eq!(w.answer(a, "c", Connect { will: Some(last), ..v3("c") }).1.code, 3);
    let (client, answer) = w.answer(a, "c", v5("c"));
    assert_eq!(answer.properties.maximum_qos, Some(1));
    let line = fleetproof_wire::mqtt::packet::Subscription::new("t", Qos::ExactlyOnce);
    assert_eq!(w.subscribe_as(client, vec![line]), [1]);
    w.publish(client, Publish { packet_id: 1, ..Publish::new("t", "x", Qos::ExactlyOnce) });
    assert_eq!(w.code(client), Some(0x9b));
    let old = w.join_as(a, v3("old"));
    w.publish(old, Publish { packet_id: 1, ..Publish::new("t", "x", Qos::ExactlyOnce) });
    assert!(w.is_closed(old));
    assert_eq!(w.take(old), []);
    let stray = w.join(a, "stray");
    w.send(stray, Packet::PubRel(fleetproof_wire::mqtt::packet::Ack::of(1)));
    assert_eq!(w.code(stray), Some(0x82));
}

#[test]
pub fn a_keep_alive_within_the_limits_is_the_clients() {
    let mut w = World::sound();
    w.allow(w.a, "c", all());
    let (_, answer) = w.answer(w.a, "c", Connect { keep_alive: 100, ..v5("c") });
    assert_eq!(answer.properties.server_keep_alive, None);
}

#[test]
pub fn extended_authentication_is_refused() {
    let mut w = World::sound();
    w.allow(w.a, "c", all());
    let connect = Connect { authentication_method: Some("SCRAM".into()), ..v5("c") };
    let (refused, answer) = w.answer(w.a, "c", connect);
    assert_eq!(answer.code, 0x8c);
    assert!(w.is_closed(refused));
}

#[test]
pub fn after_the_end_nothing_is_sent() {
    for version in BOTH {
        let mut w = World::sound();
        let client = w.join_as(w.a, staying(version, "c"));
        w.subscribe(client, &["t"]);
        w.say(w.a, "t", "x");
        w.leave(client);
        assert_eq!(w.take(client), []);
        let client = w.connect(w.a, "c", staying(version, "c"));
        w.messages(client);
        w.publish(client, surely(0, "t", "x"));
        w.say(w.a, "t", "y");
        let last = w.take(client);
        let expected: &[u8] = if version == Version::V5 { &[0x82] } else { &[] };
        let codes: Vec<u8> = last
            .iter()
            .map(|packet| match packet {
                Packet::Disconnect(bye) => {
                    assert_eq!(bye.session_expiry, None);
                    bye.code
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(codes, expected);
        assert_eq!(w.take(client), []);
    }
}
