//! PUBLISH both ways (sections 3.3, 3.4, 4.3, 4.4, 4.5, 4.6, 4.9).

use crate::support::{World, all_but, lasting, message, surely, v3, v5};
use fleetproof_dataplane::policy::Action;
use fleetproof_wire::mqtt::packet::{
    Ack, Connect, MessageProperties, Packet, Publish, Qos, RetainHandling, Subscription, Version,
};

const BOTH: [Version; 2] = [Version::V311, Version::V5];

fn keep(topic: &str, payload: &str) -> Publish {
    Publish { retain: true, ..message(topic, payload) }
}

#[test]
pub fn dup_is_each_senders_own() {
    for version in BOTH {
        let mut w = World::sound();
        let (client, author) = (w.join_as(w.a, Connect::new(version, "c")), w.join(w.a, "author"));
        w.subscribe(client, &["t"]);
        w.publish(author, Publish { dup: true, ..surely(1, "t", "x") });
        w.publish(author, message("t", "y"));
        let got = w.published(client);
        assert_eq!(
            got.iter().map(|got| (got.dup, got.qos)).collect::<Vec<_>>(),
            [(false, Qos::AtLeastOnce), (false, Qos::AtMostOnce)]
        );
        w.publish(author, Publish { dup: true, ..message("t", "x") });
        assert_eq!(w.end_of(author).map(|end| end.code), Some(0x81));
    }
}

#[test]
pub fn a_retained_message_is_replaced_and_cleared() {
    for version in BOTH {
        let mut w = World::sound();
        let (client, author) = (w.join(w.a, "c"), w.join_as(w.a, Connect::new(version, "author")));
        w.subscribe(client, &["t"]);
        let at = |w: &World| w.broker.retained(w.now, w.a, "t").map(|kept| kept.payload);
        w.publish(author, message("t", "0"));
        assert_eq!(at(&w), None, "not asked to stay");
        w.publish(author, keep("t", "1"));
        w.publish(author, keep("t", "2"));
        w.publish(author, message("t", "3"));
        w.publish(author, message("t", ""));
        assert_eq!(at(&w).as_deref(), Some(b"2".as_slice()));
        w.publish(author, keep("t", ""));
        assert_eq!(at(&w), None);
        assert_eq!(w.messages(client), ["0", "1", "2", "3", "", ""], "those who were there got all of them");
        let late = w.join_as(w.a, Connect::new(version, "late"));
        w.subscribe(late, &["t"]);
        assert!(w.messages(late).is_empty());
    }
}

#[test]
pub fn a_new_subscriber_gets_what_is_retained() {
    for version in BOTH {
        let mut w = World::sound();
        let author = w.join(w.a, "author");
        w.publish(author, keep("t", "kept"));
        let client = w.join_as(w.a, Connect::new(version, "c"));
        w.subscribe(client, &["t", "+", "#", "$share/g/t"]);
        let got = w.published(client);
        assert_eq!(got.len(), 1, "only the exact filter, unlike the standard");
        assert!(got[0].retain);
        w.subscribe(client, &["t"]);
        assert_eq!(w.messages(client), ["kept"], "each time");
        w.publish(author, keep("t", "live"));
        assert_eq!(
            w.published(client).iter().map(|got| got.retain).collect::<Vec<_>>(),
            [false, false],
            "and its group"
        );
    }
}

#[test]
pub fn retain_handling() {
    for (handling, counts) in
        [(RetainHandling::Always, [1, 1]), (RetainHandling::WhenNew, [1, 0]), (RetainHandling::Never, [0, 0])]
    {
        let mut w = World::sound();
        let author = w.join(w.a, "author");
        w.publish(author, keep("t", "kept"));
        let client = w.join(w.a, "c");
        let got = counts.map(|_| {
            let line = Subscription { retain_handling: handling, ..Subscription::new("t", Qos::AtMostOnce) };
            w.subscribe_as(client, vec![line]);
            w.messages(client).len()
        });
        assert_eq!(got, counts, "{handling:?}");
    }
}

#[test]
pub fn retain_as_published() {
    for as_published in [false, true] {
        let mut w = World::sound();
        let (client, author) = (w.join(w.a, "c"), w.join(w.a, "author"));
        let line = Subscription { retain_as_published: as_published, ..Subscription::new("t", Qos::AtMostOnce) };
        w.subscribe_as(client, vec![line]);
        w.publish(author, keep("t", "1"));
        w.publish(author, message("t", "2"));
        assert_eq!(w.published(client).iter().map(|got| got.retain).collect::<Vec<_>>(), [as_published, false]);
    }
}

#[test]
pub fn a_topic_with_wildcards_ends_the_connection() {
    for version in BOTH {
        for topic in ["+", "a/#", "a+b", "nul\0"] {
            let mut w = World::sound();
            let client = w.join_as(w.a, Connect::new(version, "c"));
            w.publish(client, surely(1, topic, "x"));
            assert_eq!(w.end_of(client).map(|end| end.code), Some(0x90), "{topic:?}");
        }
    }
    let mut w = World::sound();
    let old = w.join_as(w.a, v3("c"));
    w.publish(old, message("", "x"));
    assert!(w.is_closed(old), "empty");
}

#[test]
pub fn overlapping_subscriptions_give_the_best_qos() {
    for version in BOTH {
        let mut w = World::sound();
        let client = w.join_as(w.a, Connect::new(version, "c"));
        let line = |filter, qos| Subscription::new(filter, qos);
        w.subscribe_as(
            client,
            vec![line("t/#", Qos::AtMostOnce), line("t/+", Qos::AtLeastOnce), line("t/1", Qos::AtMostOnce)],
        );
        w.say(w.a, "t/1", "x");
        let got = w.published(client);
        assert_eq!(got.iter().map(|got| (&*got.topic, got.qos)).collect::<Vec<_>>(), [("t/1", Qos::AtLeastOnce)]);
        assert!(got[0].subscription_identifiers.is_empty());
    }
}

#[test]
pub fn what_version_5_says_about_a_message_is_passed_on() {
    let mut w = World::sound();
    let (client, old, author) = (w.join(w.a, "c"), w.join_as(w.a, v3("old")), w.join(w.a, "author"));
    w.subscribe(client, &["t"]);
    w.subscribe(old, &["t"]);
    let properties = MessageProperties {
        payload_format: Some(1),
        expiry: None,
        content_type: Some("text/plain".into()),
        response_topic: Some("answers/here".into()),
        correlation_data: Some(vec![0, 255].into()),
        user_properties: vec![("b".into(), "1".into()), ("a".into(), "2".into()), ("b".into(), "1".into())],
    };
    w.publish(author, Publish { properties: properties.clone(), ..message("t", "x") });
    assert_eq!(w.published(client)[0].properties, properties);
    assert!(w.published(old)[0].properties.is_empty());
}

#[test]
pub fn expiry_counts_while_a_message_waits() {
    let mut w = World::sound();
    let client = w.join_as(w.a, lasting("c"));
    w.subscribe(client, &["t"]);
    w.lose(client);
    let author = w.join(w.a, "author");
    for (id, seconds) in [(1, 20), (2, 100)] {
        let mut publish = surely(id, "t", "x");
        publish.properties.expiry = Some(seconds);
        w.publish(author, publish);
    }
    w.pass(29);
    let client = w.connect(w.a, "c", lasting("c"));
    let got = w.published(client);
    assert_eq!(got.iter().map(|got| got.properties.expiry).collect::<Vec<_>>(), [Some(70)]);
    let mut kept = keep("r", "x");
    kept.properties.expiry = Some(10);
    w.publish(author, kept);
    w.pass(4);
    w.subscribe(client, &["r"]);
    assert_eq!(w.published(client).first().and_then(|got| got.properties.expiry), Some(6));
    w.pass(10);
    w.subscribe(client, &["r"]);
    assert!(w.published(client).is_empty());
}

#[test]
pub fn aliases_belong_to_one_connection() {
    let alias = |topic: &str, alias| Publish { topic_alias: Some(alias), ..message(topic, "x") };
    let mut w = World::sound();
    let watcher = w.join(w.a, "watcher");
    w.subscribe(watcher, &["#"]);
    let client = w.join_as(w.a, lasting("c"));
    for number in 1..=8 {
        w.publish(client, alias(&format!("t/{number}"), number));
        w.publish(client, alias("", number));
    }
    w.publish(client, alias("u", 1));
    w.publish(client, alias("", 1));
    let topics: Vec<_> = w.published(watcher).iter().map(|got| got.topic.to_string()).collect();
    assert_eq!(topics.len(), 18);
    assert_eq!(topics.iter().filter(|topic| *topic == "t/8").count(), 2);
    assert_eq!(&topics[16..], ["u", "u"]);
    w.lose(client);
    let client = w.connect(w.a, "c", lasting("c"));
    w.publish(client, alias("", 1));
    assert_eq!(w.end_of(client).map(|end| end.code), Some(0x94));
    for wrong in [alias("t", 0), alias("t", 9)] {
        let client = w.join(w.a, "c");
        w.publish(client, wrong);
        assert_eq!(w.end_of(client).map(|end| end.code), Some(0x94));
    }
    let client = w.join(w.a, "c");
    w.publish(client, message("", "x"));
    assert_eq!(w.end_of(client).map(|end| end.code), Some(0x82));
}

#[test]
pub fn a_response_topic_is_one_topic() {
    let mut w = World::sound();
    let client = w.join(w.a, "c");
    let mut publish = message("t", "x");
    publish.properties.response_topic = Some("a/#".into());
    w.publish(client, publish);
    assert_eq!(w.end_of(client).map(|end| end.code), Some(0x82));
}

#[test]
pub fn a_message_is_acknowledged_each_time() {
    for version in BOTH {
        let mut w = World::sound();
        let watcher = w.join(w.a, "watcher");
        w.subscribe(watcher, &["t"]);
        let client = w.join_as(w.a, Connect::new(version, "c"));
        for dup in [false, true] {
            w.publish(client, Publish { dup, ..surely(7, "t", "x") });
            assert_eq!(w.take(client), [Packet::PubAck(Ack::of(7))]);
        }
        assert_eq!(w.messages(watcher).len(), 2, "acknowledged, so the second is a new one");
        w.publish(client, message("t", "x"));
        assert_eq!(w.take(client), []);
        w.publish(client, surely(0, "t", "x"));
        assert!(w.is_closed(client), "no packet id");
    }
}

#[test]
pub fn acknowledgements_keep_their_order() {
    let mut w = World::sound();
    let client = w.join(w.a, "c");
    for id in [3, 1, 2] {
        w.publish(client, surely(id, "t", "x"));
    }
    assert_eq!(w.take(client), [3, 1, 2].map(|id| Packet::PubAck(Ack::of(id))));
}

#[test]
pub fn subscription_identifiers_are_not_the_clients_to_send() {
    let mut w = World::sound();
    let client = w.join(w.a, "c");
    w.publish(client, Publish { subscription_identifiers: vec![1], ..message("t", "x") });
    assert_eq!(w.end_of(client).map(|end| end.code), Some(0x82));
}

#[test]
pub fn no_more_is_sent_than_the_client_takes() {
    let mut w = World::sound();
    let client = w.join_as(w.a, Connect { receive_maximum: Some(2), ..v5("c") });
    w.subscribe(client, &["t"]);
    for _ in 0..5 {
        w.say(w.a, "t", "x");
    }
    let first = w.take(client);
    assert_eq!(first.len(), 2);
    let author = w.join(w.a, "author");
    w.publish(author, message("t", "QoS 0 needs no place"));
    w.send(client, Packet::PingReq);
    let others = w.take(client);
    assert_eq!(others.len(), 2);
    assert_eq!(others[1], Packet::PingResp);
    // A refusal is an acknowledgement too: the message is over, and goes to nobody else.
    w.send(client, Packet::PubAck(Ack { code: 0x80, ..Ack::of(1) }));
    assert_eq!(w.take(client).len(), 1);
    assert_eq!(w.take(client).len(), 0);
}

#[test]
pub fn packet_ids_in_use_are_not_used_again() {
    let mut w = World::sound();
    let client = w.join(w.a, "c");
    w.subscribe(client, &["t"]);
    let mut held = Vec::new();
    for round in 0..1_000 {
        w.now += 100_000;
        w.broker.due(w.now);
        w.say(w.a, "t", "x");
        for packet in w.take(client) {
            let Packet::Publish(publish) = packet else { continue };
            assert!(publish.packet_id != 0 && !held.contains(&publish.packet_id));
            if round < 50 {
                held.push(publish.packet_id);
            } else {
                w.send(client, Packet::PubAck(Ack::of(publish.packet_id)));
            }
        }
    }
    assert_eq!(held.len(), 50);
    assert_eq!(w.broker.usage(w.a).map(|usage| usage.totals.delivered), Some(1_000));
}

#[test]
pub fn what_was_not_acknowledged_comes_again_in_order() {
    for version in BOTH {
        let mut w = World::sound();
        let connect = Connect { clean_start: false, session_expiry: Some(100), ..Connect::new(version, "c") };
        let client = w.join_as(w.a, connect.clone());
        w.subscribe(client, &["t"]);
        for number in 1..=4 {
            w.say(w.a, "t", &number.to_string());
        }
        assert_eq!(w.take(client).len(), 4);
        w.send(client, Packet::PubAck(Ack::of(2)));
        w.pass(30);
        assert_eq!(w.take(client).len(), 0, "not before the client returns");
        w.lose(client);
        let client = w.connect(w.a, "c", connect);
        w.pass(2);
        assert_eq!(w.messages(client), ["1", "3", "4"]);
    }
}

#[test]
pub fn messages_keep_their_order() {
    for version in BOTH {
        let mut w = World::sound();
        let client = w.join_as(w.a, Connect { receive_maximum: Some(3), ..Connect::new(version, "c") });
        w.subscribe(client, &["t/#"]);
        let (one, two) = (w.join(w.a, "one"), w.join(w.a, "two"));
        for id in 1..=20 {
            w.publish(one, surely(id, "t/1", &format!("one {id:02}")));
            w.publish(two, surely(id, "t/1", &format!("two {id:02}")));
        }
        let got = w.messages(client);
        assert_eq!(got.len(), 40);
        for author in ["one", "two"] {
            let of: Vec<_> = got.iter().filter(|payload| payload.starts_with(author)).collect();
            assert!(of.is_sorted());
        }
    }
}

#[test]
pub fn who_may_not_publish_is_told_or_closed() {
    let mut w = World::sound();
    let client = w.join_with(w.a, "c", all_but(&[Action::Publish]));
    w.publish(client, surely(1, "t", "x"));
    assert_eq!(w.code(client), Some(0x87));
    w.allow(w.a, "old", all_but(&[Action::Publish]));
    let old = w.connect(w.a, "old", v3("old"));
    w.publish(old, surely(1, "t", "x"));
    assert_eq!(w.take(old), [], "neither acknowledged nor kept");
    assert!(w.is_closed(old));
}

#[test]
pub fn every_matching_session_gets_a_message() {
    for version in BOTH {
        let mut w = World::sound();
        let stays = Connect { clean_start: false, session_expiry: Some(100), ..Connect::new(version, "away") };
        let (here, away) = (w.join_as(w.a, Connect::new(version, "here")), w.join_as(w.a, stays.clone()));
        w.subscribe(here, &["t/+"]);
        w.subscribe(away, &["t/#"]);
        w.lose(away);
        w.say(w.a, "t/1", "x");
        assert_eq!(w.messages(here), ["x"]);
        let away = w.connect(w.a, "away", stays);
        assert_eq!(w.messages(away), ["x"]);
    }
}

#[test]
pub fn no_local() {
    let mut w = World::sound();
    let (client, other) = (w.join(w.a, "c"), w.join(w.a, "other"));
    let line = Subscription { no_local: true, ..Subscription::new("t", Qos::AtMostOnce) };
    w.subscribe_as(client, vec![line]);
    w.publish(client, message("t", "own"));
    w.publish(other, message("t", "other's"));
    assert_eq!(w.messages(client), ["other's"]);
    w.subscribe(client, &["t"]);
    w.publish(client, message("t", "own"));
    assert_eq!(w.messages(client), ["own"]);
}
