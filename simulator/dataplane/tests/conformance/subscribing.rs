//! SUBSCRIBE, UNSUBSCRIBE, PINGREQ, topics, shared subscriptions (sections 3.8 to 3.12, 4.7, 4.8).

use crate::support::{World, all, only, v3};
use fleetproof_dataplane::policy::Action;
use fleetproof_wire::mqtt::packet::{Ack, Connect, Packet, Qos, Subscribe, Subscription, Unsubscribe, Version};

const BOTH: [Version; 2] = [Version::V311, Version::V5];

fn refusal(version: Version, code: u8) -> u8 {
    if version == Version::V5 { code } else { 0x80 }
}

#[test]
pub fn each_filter_has_its_answer() {
    for version in BOTH {
        let mut w = World::sound();
        w.allow(w.a, "c", only(Action::Subscribe, "topicfilter/t*"));
        let client = w.connect(w.a, "c", Connect::new(version, "c"));
        let line = |filter, qos| Subscription::new(filter, qos);
        let codes = w.subscribe_as(
            client,
            vec![
                line("t/1", Qos::AtMostOnce),
                line("foreign", Qos::AtLeastOnce),
                line("t/2", Qos::AtLeastOnce),
                line("t/#/x", Qos::AtLeastOnce),
                line("t/3", Qos::ExactlyOnce),
            ],
        );
        assert_eq!(codes, [0, refusal(version, 0x87), 1, refusal(version, 0x8f), 1]);
        for topic in ["t/1", "foreign", "t/2", "t/3"] {
            w.say(w.a, topic, topic);
        }
        assert_eq!(w.messages(client), ["t/1", "t/2", "t/3"], "as many subscriptions one by one");
    }
}

#[test]
pub fn a_subscription_is_replaced() {
    for version in BOTH {
        let mut w = World::sound();
        let client = w.join_as(w.a, Connect::new(version, "c"));
        w.subscribe_as(client, vec![Subscription::new("t", Qos::AtMostOnce)]);
        w.say(w.a, "t", "before");
        w.subscribe_as(client, vec![Subscription::new("t", Qos::AtLeastOnce)]);
        w.say(w.a, "t", "after");
        let got: Vec<_> = w.published(client).iter().map(|got| got.qos).collect();
        assert_eq!(got, [Qos::AtMostOnce, Qos::AtLeastOnce], "one copy each, none lost");
        assert_eq!(w.broker.usage(w.a).map(|usage| usage.subscriptions), Some(1));
    }
}

#[test]
pub fn qos_is_the_lower_of_both() {
    for version in BOTH {
        let mut w = World::sound();
        let client = w.join_as(w.a, Connect::new(version, "c"));
        w.subscribe_as(
            client,
            vec![
                Subscription::new("0", Qos::AtMostOnce),
                Subscription::new("1", Qos::AtLeastOnce),
                Subscription::new("$share/g/2", Qos::AtMostOnce),
            ],
        );
        let author = w.join(w.a, "author");
        for topic in ["0", "1", "2"] {
            w.publish(author, crate::support::message(topic, "low"));
            w.say(w.a, topic, "high");
        }
        let got: Vec<_> = w.published(client).iter().map(|got| u8::from(got.qos == Qos::AtLeastOnce)).collect();
        assert_eq!(got, [0, 0, 0, 1, 0, 0]);
    }
}

#[test]
pub fn empty_requests_are_faults() {
    for version in BOTH {
        let subscribe = Subscribe { packet_id: 1, filters: vec![], identifier: None, user_properties: vec![] };
        let unsubscribe = Unsubscribe { packet_id: 1, filters: vec![], user_properties: vec![] };
        for packet in [Packet::Subscribe(subscribe), Packet::Unsubscribe(unsubscribe)] {
            let mut w = World::sound();
            let client = w.join_as(w.a, Connect::new(version, "c"));
            w.send(client, packet);
            assert_eq!(w.end_of(client).map(|end| end.code), Some(0x82));
        }
    }
}

#[test]
pub fn what_is_not_supported_is_said() {
    let mut w = World::sound();
    let client = w.join(w.a, "c");
    w.send(
        client,
        Packet::Subscribe(Subscribe {
            packet_id: 1,
            filters: vec![Subscription::new("t", Qos::AtMostOnce)],
            identifier: Some(1),
            user_properties: vec![],
        }),
    );
    assert_eq!(w.code(client), Some(0xa1));
    let client = w.join(w.a, "c");
    let line = Subscription { no_local: true, ..Subscription::new("$share/g/t", Qos::AtMostOnce) };
    w.subscribe_as(client, vec![line]);
    assert_eq!(w.end_of(client).map(|end| end.code), Some(0x82));
}

#[test]
pub fn unsubscribing_stops_new_messages_only() {
    for version in BOTH {
        let mut w = World::sound();
        let client = w.join_as(w.a, Connect { receive_maximum: Some(1), ..Connect::new(version, "c") });
        w.subscribe(client, &["t", "t/+"]);
        w.say(w.a, "t", "1");
        w.say(w.a, "t", "2");
        let codes = w.unsubscribe(client, &["t", "T", "t/#", "t/+"]);
        let expected: &[u8] = if version == Version::V5 { &[0, 0x11, 0x11, 0] } else { &[] };
        assert_eq!(codes.as_deref(), Some(expected));
        w.say(w.a, "t", "3");
        w.say(w.a, "t/1", "4");
        assert_eq!(w.messages(client), ["1", "2"], "what was on its way arrives");
        assert!(w.unsubscribe(client, &["t"]).is_some(), "answered although there is nothing");
    }
}

#[test]
pub fn a_ping_is_answered() {
    for version in BOTH {
        let mut w = World::sound();
        let client = w.join_as(w.a, Connect::new(version, "c"));
        w.send(client, Packet::PingReq);
        assert_eq!(w.take(client), [Packet::PingResp]);
    }
}

#[test]
pub fn filters_are_well_formed_or_fail() {
    for version in BOTH {
        let mut w = World::sound();
        let client = w.join_as(w.a, Connect::new(version, "c"));
        for bad in
            ["", "a#", "#/a", "a+", "+a/b", "nul\0", "$share/", "$share/g", "$share/g/", "$share//t", "$share/+/t"]
        {
            assert_eq!(w.subscribe(client, &[bad]), [refusal(version, 0x8f)], "{bad:?}");
        }
        assert!(!w.is_closed(client));
        assert_eq!(w.broker.usage(w.a).map(|usage| usage.subscriptions), Some(0));
    }
}

#[test]
pub fn wildcards_do_not_reach_reserved_topics() {
    for version in BOTH {
        let mut w = World::sound();
        let client = w.join_as(w.a, Connect::new(version, "c"));
        w.subscribe(client, &["#", "+/x", "+/+", "/#"]);
        w.say(w.a, "$SYS/x", "no");
        w.say(w.a, "$aws/x", "no");
        assert!(w.messages(client).is_empty());
        w.subscribe(client, &["$SYS/#"]);
        w.say(w.a, "$SYS/x", "yes");
        assert_eq!(w.messages(client), ["yes"]);
    }
}

#[test]
pub fn topics_are_taken_as_they_are() {
    for version in BOTH {
        let mut w = World::sound();
        let client = w.join_as(w.a, Connect::new(version, "c"));
        let topics = ["/a", "a/", "a//b", "A", "a b", "a/\u{e9}", "a/e\u{301}"];
        w.subscribe(client, &topics);
        for topic in topics {
            w.say(w.a, topic, topic);
        }
        for near in ["a", "a/b", "/A", "A ", "a/e"] {
            w.say(w.a, near, "near");
        }
        assert_eq!(w.messages(client), topics);
    }
}

#[test]
pub fn a_group_gives_each_message_to_one_member() {
    for version in BOTH {
        let mut w = World::sound();
        let members = ["1", "2", "3"].map(|name| w.join_as(w.a, Connect::new(version, name)));
        for member in members {
            assert_eq!(w.subscribe(member, &["$share/g/t"]), [1]);
        }
        for _ in 0..9 {
            w.say(w.a, "t", "x");
        }
        assert_eq!(members.map(|member| w.messages(member).len()), [3, 3, 3]);
        // A refusal is the end of a message: nobody else gets it.
        w.say(w.a, "t", "refused");
        let got = w.take(members[0]);
        let [Packet::Publish(publish)] = got.as_slice() else { panic!("{got:?}") };
        w.send(members[0], Packet::PubAck(Ack { code: 0x97, ..Ack::of(publish.packet_id) }));
        assert_eq!(members.map(|member| w.messages(member).len()), [0, 0, 0]);
        assert!(w.unsubscribe(members[1], &["$share/g/t"]).is_some_and(|codes| !codes.contains(&0x11)));
    }
}

#[test]
pub fn the_level_above_is_not_matched() {
    let mut w = World::sound();
    w.allow(w.a, "c", all());
    let client = w.connect(w.a, "c", v3("c"));
    w.subscribe(client, &["sensor/#"]);
    w.say(w.a, "sensor", "no");
    w.say(w.a, "sensor/", "yes");
    assert_eq!(w.messages(client), ["yes"]);
}
