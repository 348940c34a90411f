//! Each quota one below its limit, at it, and one above; and the neighbour, who notices nothing.

use crate::support::{SECOND, World, all, lasting, message, surely, v3, v5};
use fleetproof_dataplane::broker::{Quotas, Rate, Reason};
use fleetproof_dataplane::topics::Limits;
use fleetproof_wire::mqtt::packet::{Connect, Packet, Publish, Qos};

fn quotas(change: impl FnOnce(&mut Quotas)) -> Quotas {
    let mut quotas = Quotas::default();
    change(&mut quotas);
    quotas
}

#[test]
fn connections_of_an_account() {
    let mut w = World::with(None, quotas(|q| q.connections = 2));
    let (a, b) = (w.a, w.b);
    let first = w.join(a, "1");
    w.join(a, "2");
    w.allow(a, "3", all());
    let (refused, answer) = w.answer(a, "3", v5("3"));
    assert_eq!(answer.code, 0x97);
    assert_eq!(w.end_of(refused).map(|end| end.reason), Some(Reason::Throttled));
    assert_eq!(w.answer(a, "3", v3("3")).1.code, 3);
    // Taking over needs no new place, and the neighbour has his own.
    assert_eq!(w.answer(a, "1", v5("1")).1.code, 0);
    assert!(w.is_closed(first));
    w.join(b, "3");
    assert_eq!(w.broker.usage(a).map(|usage| usage.totals.connects_throttled), Some(2));
}

#[test]
fn connects_of_an_account_and_of_a_client() {
    let mut w = World::with(None, quotas(|q| q.connects = Rate::per_second(3)));
    let (a, b) = (w.a, w.b);
    w.allow(a, "c", all());
    w.allow(b, "c", all());
    let codes: Vec<_> = (0..4)
        .map(|client| {
            let id = w.knock(a, "c", v5(&format!("{client}")));
            w.code(id)
        })
        .collect();
    assert_eq!(codes, [Some(0), Some(0), Some(0), Some(0x97)]);
    let neighbour = w.knock(b, "c", v5("0"));
    assert_eq!(w.code(neighbour), Some(0));
    w.pass(1);
    let again = w.knock(a, "c", v5("0"));
    assert_eq!(w.code(again), Some(0));
    let too_soon = w.knock(a, "c", v5("0"));
    assert_eq!(w.code(too_soon), Some(0x97));
    assert!(!w.is_closed(again), "who was too fast took nothing over");
}

#[test]
fn who_may_not_use_a_client_id_does_not_use_up_its_rate() {
    let mut w = World::sound();
    let a = w.a;
    w.allow(a, "owner", all());
    w.allow(a, "thief", crate::support::only(fleetproof_dataplane::policy::Action::Connect, "client/thief"));
    let thief = w.knock(a, "thief", v5("owner"));
    assert_eq!(w.code(thief), Some(0x87));
    let owner = w.knock(a, "owner", v5("owner"));
    assert_eq!(w.code(owner), Some(0));
}

#[test]
fn strangers_use_nothing_of_an_account() {
    let mut w = World::with(None, quotas(|q| q.connects = Rate::per_second(1)));
    let a = w.a;
    w.allow(a, "c", all());
    for _ in 0..10 {
        let stranger = w.knock(a, "stranger", v5("c"));
        assert_eq!(w.code(stranger), Some(0x87));
    }
    let client = w.knock(a, "c", v5("c"));
    assert_eq!(w.code(client), Some(0));
}

#[test]
fn publishes_of_a_connection_are_discarded_without_a_word() {
    let mut w = World::sound();
    let a = w.a;
    let client = w.join(a, "c");
    w.pass(1);
    let mut acks = 0;
    for id in 1..=101 {
        w.publish(client, surely(id, "t", "x"));
        acks += w.take(client).len();
    }
    assert_eq!(acks, 100);
    assert!(!w.is_closed(client));
    assert_eq!(w.broker.usage(a).map(|usage| usage.totals.discarded_in), Some(1));
    w.pass(1);
    w.publish(client, surely(102, "t", "x"));
    assert_eq!(w.code(client), Some(0));
}

#[test]
fn what_goes_out_beyond_the_rate_is_discarded_or_waits() {
    let mut w = World::sound();
    let a = w.a;
    let client = w.join(a, "c");
    w.subscribe(client, &["t"]);
    w.pass(2);
    for _ in 0..120 {
        w.say(a, "t", "x");
    }
    assert_eq!(w.messages(client).len(), 100, "the rate allows no more at once");
    w.pass(1);
    assert_eq!(w.messages(client).len(), 20, "QoS 1 waited");
    w.pass(2);
    let author = w.join(a, "author");
    let other = w.join(a, "other");
    w.pass(1);
    for _ in 0..100 {
        w.publish(author, message("t", "x"));
        w.publish(other, message("t", "x"));
    }
    assert_eq!(w.messages(client).len(), 100);
    w.pass(2);
    assert_eq!(w.messages(client).len(), 0, "QoS 0 was discarded");
}

#[test]
fn throughput_is_delayed_both_ways() {
    let mut w = World::sound();
    let a = w.a;
    let client = w.join(a, "c");
    w.subscribe(client, &["t"]);
    w.pass(2);
    let big = || Packet::Publish(Publish::new("t", vec![0; 100 * 1024], Qos::AtMostOnce));
    let now = w.now;
    let read_at: Vec<u64> = (0..6).map(|_| w.broker.receive(now, client, big())).collect();
    assert_eq!(read_at.first(), Some(&now));
    let late = read_at.last().copied().unwrap_or_default() - now;
    assert!((100_000..300_000).contains(&late), "600 of 512 KiB: {late} µs");
    let at_once = w.take(client).len();
    assert!((5..=6).contains(&at_once), "{at_once}");
    w.pass(2);
    assert_eq!(w.take(client).len() + at_once, 6);
}

#[test]
fn inbound_and_outbound_of_an_account() {
    let mut w = World::with(None, quotas(|q| q.inbound = Rate::per_second(10)));
    let (a, b) = (w.a, w.b);
    let (noisy, old, quiet) = (w.join(a, "noisy"), w.join_as(a, v3("old")), w.join(b, "quiet"));
    w.pass(1);
    for id in 1..=10 {
        w.publish(noisy, surely(id, "t", "x"));
        assert_eq!(w.code(noisy), Some(0));
    }
    w.publish(noisy, surely(11, "t", "x"));
    assert_eq!(w.code(noisy), Some(0x97));
    w.publish(old, surely(1, "t", "x"));
    assert_eq!(w.take(old), [], "version 3.1.1 has no word for it");
    w.publish(quiet, surely(1, "t", "x"));
    assert_eq!(w.code(quiet), Some(0), "the neighbour has a rate of his own");
    w.pass(1);
    // A shadow update counts four: two fit into ten, and two single ones.
    for (id, code) in [(1, 0), (2, 0), (3, 0x97)] {
        w.publish(noisy, surely(id, "$aws/things/noisy/shadow/update", "{}"));
        assert_eq!(w.code(noisy), Some(code));
    }
    let mut w = World::with(None, quotas(|q| q.outbound = Rate::per_second(10)));
    let (a, b) = (w.a, w.b);
    let (busy, calm) = (w.join(a, "busy"), w.join(b, "calm"));
    w.subscribe(busy, &["t"]);
    w.subscribe(calm, &["t"]);
    w.pass(1);
    for _ in 0..15 {
        w.say(a, "t", "x");
    }
    w.say(b, "t", "x");
    assert_eq!((w.messages(busy).len(), w.messages(calm).len()), (10, 1));
    w.pass(1);
    assert_eq!(w.messages(busy).len(), 5);
}

#[test]
fn subscriptions() {
    let mut w = World::with(None, quotas(|q| q.subscriptions = 60));
    let (a, b) = (w.a, w.b);
    let client = w.join(a, "c");
    let names: Vec<String> = (0..70).map(|number| format!("t/{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut codes = Vec::new();
    for chunk in names.chunks(8) {
        codes.extend(w.subscribe(client, chunk));
    }
    assert_eq!(codes.iter().filter(|code| **code == 1).count(), 50);
    assert!(codes.iter().skip(50).all(|code| *code == 0x97));
    assert_eq!(w.subscribe(client, &["t/0"]), [1], "one that is there already is no new one");
    let old = w.join_as(a, v3("old"));
    let mut codes = w.subscribe(old, &names[..8]);
    codes.extend(w.subscribe(old, &names[8..16]));
    assert_eq!(codes.iter().filter(|code| **code == 0x80).count(), 6, "the account had room for ten more");
    let neighbour = w.join(b, "c");
    assert_eq!(w.subscribe(neighbour, &["t/0"]), [1]);
    assert_eq!(w.unsubscribe(client, &["t/0"]), Some(vec![0]));
    assert_eq!(w.subscribe(old, &["x"]), [1]);
    let nine = w.join(b, "nine");
    w.subscribe(nine, &names[..9]);
    assert_eq!(w.end_of(nine).map(|end| end.code), Some(0x97));
    let eight = w.join(b, "eight");
    assert_eq!(w.subscribe(eight, &names[..8]), [1; 8]);
    let mut w = World::with(None, quotas(|q| q.subscribes = Rate::per_second(2)));
    let client = w.join(w.a, "c");
    assert_eq!(w.subscribe(client, &["1", "2", "3"]), [1, 1, 0x97]);
}

#[test]
fn unacknowledged_messages() {
    let mut w = World::with(None, quotas(|q| q.unacknowledged_in = 2));
    let a = w.a;
    let (new, old) = (w.join(a, "new"), w.join_as(a, v3("old")));
    for id in 1..=3 {
        w.publish(new, surely(id, "t", "x"));
        w.publish(old, surely(id, "t", "x"));
    }
    assert_eq!(w.end_of(new).map(|end| end.code), Some(0x93));
    assert_eq!(w.take(old).len(), 2, "no more were taken");
    w.publish(old, surely(3, "t", "x"));
    assert_eq!(w.take(old).len(), 1);

    let mut w = World::sound();
    let a = w.a;
    let (wide, narrow) = (w.join(a, "wide"), w.join_as(a, Connect { receive_maximum: Some(3), ..v5("narrow") }));
    w.subscribe(wide, &["t"]);
    w.subscribe(narrow, &["t"]);
    w.pass(1);
    for _ in 0..100 {
        w.say(a, "t", "x");
    }
    w.pass(1);
    for _ in 0..10 {
        w.say(a, "t", "x");
    }
    assert_eq!(w.take(wide).len(), 100);
    assert_eq!(w.take(narrow).len(), 3);
    w.pass(5);
    assert_eq!((w.take(wide).len(), w.take(narrow).len()), (0, 0));
    w.send(wide, Packet::PubAck(fleetproof_wire::mqtt::packet::Ack::of(1)));
    assert_eq!(w.take(wide).len(), 1);
}

#[test]
fn sizes() {
    let mut w = World::sound();
    let a = w.a;
    let client = w.join(a, "c");
    w.publish(client, Publish { packet_id: 1, ..Publish::new("t", vec![0; 131_072], Qos::AtLeastOnce) });
    assert_eq!(w.code(client), Some(0));
    w.pass(1);
    w.publish(client, Publish { packet_id: 2, ..Publish::new("t", vec![0; 131_073], Qos::AtLeastOnce) });
    assert_eq!(w.end_of(client).map(|end| (end.reason, end.code)), Some((Reason::ClientError, 0x97)));
    let client = w.join(a, "c");
    for (topic, code) in [("x".repeat(256), 0), ("x".repeat(257), 0x90), ("/".repeat(7), 0), ("/".repeat(8), 0x90)] {
        w.publish(client, surely(1, &topic, "x"));
        assert_eq!(w.code(client), Some(code), "{topic}");
    }
    let old = w.join_as(a, v3("old"));
    w.publish(old, surely(1, &"/".repeat(8), "x"));
    assert!(w.is_closed(old));
    assert_eq!(w.subscribe(client, &["/+/+/+/+/+/+/+", "/+/+/+/+/+/+/+/+"]), [1, 0x8f]);
    w.allow(a, "long", all());
    assert_eq!(w.answer(a, "long", v5(&"x".repeat(128))).1.code, 0);
    assert_eq!(w.answer(a, "long", v5(&"x".repeat(129))).1.code, 0x85);
    assert_eq!(w.answer(a, "long", v3(&"x".repeat(129))).1.code, 2);
}

#[test]
fn retained_messages() {
    let mut w = World::with(None, quotas(|q| q.retained = 2));
    let (a, b) = (w.a, w.b);
    let (full, other) = (w.join(a, "c"), w.join(b, "c"));
    let keep = |id, topic: &str, payload: &str| Publish { retain: true, ..surely(id, topic, payload) };
    for (id, topic, payload, code) in
        [(1, "1", "x", 0), (2, "2", "x", 0), (3, "3", "x", 0x97), (4, "2", "y", 0), (5, "1", "", 0), (6, "3", "x", 0)]
    {
        w.publish(full, keep(id, topic, payload));
        assert_eq!(w.code(full), Some(code), "{topic} {payload}");
    }
    w.publish(other, keep(1, "1", "x"));
    assert_eq!(w.code(other), Some(0));
    assert_eq!(w.broker.usage(a).map(|usage| (usage.retained, usage.retained_bytes)), Some((2, 4)));
    let mut w = World::with(None, quotas(|q| q.retained_bytes = 10));
    let client = w.join(w.a, "c");
    w.publish(client, keep(1, "1", "123456789"));
    assert_eq!(w.code(client), Some(0));
    w.publish(client, keep(2, "2", ""));
    w.publish(client, keep(3, "3", "x"));
    assert_eq!(w.take(client).len(), 2);
    assert_eq!(w.broker.usage(w.a).map(|usage| usage.retained_bytes), Some(10));
}

#[test]
fn what_is_stored_for_who_is_away() {
    let mut w = World::with(None, quotas(|q| q.queued = Rate::per_second(5)));
    let a = w.a;
    let client = w.join_as(a, lasting("c"));
    w.subscribe(client, &["t"]);
    w.lose(client);
    for number in 0..8 {
        w.say(a, "t", &number.to_string());
    }
    assert_eq!(w.broker.usage(a).map(|usage| usage.totals.discarded_queue), Some(3));
    let client = w.connect(a, "c", lasting("c"));
    let mut times = Vec::new();
    for _ in 0..10 {
        let got = w.messages(client).len();
        times.push(got);
        let next = w.broker.next_due().unwrap_or(w.now);
        if got == 0 || next > w.now + SECOND {
            break;
        }
        w.now = w.now.max(next);
        w.broker.due(w.now);
    }
    assert_eq!(times.iter().sum::<usize>(), 5);
    assert!(times.iter().take(5).all(|got| *got == 1), "one each 100 ms: {times:?}");
    assert_eq!(w.broker.usage(a).map(|usage| usage.queued_bytes), Some(0));

    for limit in [
        quotas(|q| q.queued_per_session = 2),
        quotas(|q| q.queued_bytes_per_session = 5),
        quotas(|q| q.queued_bytes = 5),
    ] {
        let mut w = World::with(None, limit);
        let a = w.a;
        let client = w.join_as(a, lasting("c"));
        w.subscribe(client, &["t"]);
        w.lose(client);
        for _ in 0..4 {
            w.say(a, "t", "x");
        }
        assert_eq!(w.broker.usage(a).map(|usage| usage.totals.discarded_queue), Some(2));
    }
}

#[test]
fn a_slow_reader_loses_what_may_be_lost() {
    let mut w = World::with(None, quotas(|q| q.outbox = 10));
    let a = w.a;
    let (slow, author) = (w.join(a, "slow"), w.join(a, "author"));
    w.subscribe(slow, &["t"]);
    for number in 0..20 {
        w.publish(author, message("t", &number.to_string()));
    }
    for number in 20..25 {
        w.say(a, "t", &number.to_string());
    }
    let usage = w.broker.usage(a).unwrap();
    assert_eq!((usage.totals.discarded_slow, usage.queued_bytes), (10, 15));
    let got = w.messages(slow);
    let expected: Vec<String> = (0..10).chain(20..25).map(|number| number.to_string()).collect();
    assert_eq!(got, expected);
}

#[test]
fn other_quotas_hold_from_then_on_and_for_one_account() {
    let mut w = World::sound();
    let (a, b) = (w.a, w.b);
    let (changed, same) = (w.join(a, "c"), w.join(b, "c"));
    w.broker.set_quotas(a, quotas(|q| q.topics = Limits { bytes: 3, slashes: 7 }));
    w.publish(changed, surely(1, "long", "x"));
    w.publish(same, surely(1, "long", "x"));
    assert_eq!((w.code(changed), w.code(same)), (Some(0x90), Some(0)));
}

#[test]
fn sessions_of_an_account() {
    let mut w = World::with(None, quotas(|q| q.sessions = 1));
    let a = w.a;
    let client = w.join_as(a, lasting("1"));
    w.leave(client);
    w.allow(a, "2", all());
    assert_eq!(w.answer(a, "2", v5("2")).1.code, 0x97);
    assert_eq!(w.answer(a, "1", lasting("1")).1.code, 0);
}
