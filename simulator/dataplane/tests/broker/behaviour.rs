//! What AWS does beyond the standard: identity, presence, services, administration; and that accounts are worlds apart.

use crate::support::{SECOND, World, all, all_but, lasting, message, only, surely, v3, v5, will};
use bytes::Bytes;
use fleetproof_dataplane::broker::{ConnectionId, Notice, Outcome, Reason, Refusal, Service, Status};
use fleetproof_dataplane::policy::Action;
use fleetproof_wire::mqtt::packet::{Connect, Packet, Publish, Qos, Subscription, Will};
use proptest::prelude::*;

#[test]
fn only_active_certificates_of_the_account_connect() {
    let mut w = World::sound();
    let (a, b) = (w.a, w.b);
    w.allow(a, "of-a", all());
    assert_eq!(w.answer(a, "of-a", v5("x")).1.code, 0);
    let (foreign, answer) = w.answer(b, "of-a", v5("x"));
    assert_eq!(answer.code, 0x87);
    assert_eq!(w.end_of(foreign).map(|end| end.reason), Some(Reason::AuthError));
    assert_eq!(w.answer(b, "of-a", v3("x")).1.code, 7);
    for status in [Status::Inactive, Status::Revoked, Status::PendingActivation, Status::PendingTransfer] {
        w.register(a, "c", status, all(), &[]);
        assert_eq!(w.answer(a, "c", v5("y")).1.code, 0x87, "{status:?}");
    }
    w.allow(a, "c", only(Action::Connect, "client/own"));
    assert_eq!(w.answer(a, "c", v5("other")).1.code, 0x87);
    assert_eq!(w.answer(a, "c", v5("own")).1.code, 0);
    let refused = w.broker.outcomes().into_iter().filter(|outcome| matches!(outcome, Outcome::Refused { .. }));
    assert_eq!(refused.count(), 7);
}

#[test]
fn client_ids_that_are_none() {
    let mut w = World::sound();
    let a = w.a;
    w.allow(a, "c", all());
    for bad in ["$GEN/1", "$x", "nul\0", "line\n"] {
        assert_eq!(w.answer(a, "c", v5(bad)).1.code, 0x85, "{bad:?}");
    }
    for good in ["a b", "ü", "../x", "a/+/#", "*", "?"] {
        assert_eq!(w.answer(a, "c", v5(good)).1.code, 0, "{good:?}");
    }
}

#[test]
fn the_same_name_in_two_accounts_is_two_clients() {
    let mut w = World::sound();
    let (first, second) = (w.join(w.a, "x"), w.join(w.b, "x"));
    assert!(!w.is_closed(first) && !w.is_closed(second));
    let newer = w.join(w.a, "x");
    assert_eq!(w.end_of(first).map(|end| (end.reason, end.code)), Some((Reason::DuplicateClientId, 0x8e)));
    assert_eq!(w.code(first), Some(0x8e));
    assert!(!w.is_closed(second) && !w.is_closed(newer));
}

#[test]
fn a_session_goes_on_for_the_next_certificate_of_its_thing_only() {
    for (things, kept) in [(&["x"] as &[&str], true), (&["y"], false), (&[], false)] {
        let mut w = World::sound();
        let a = w.a;
        w.register(a, "old", Status::Active, all(), &["x"]);
        let client = w.connect(a, "old", lasting("x"));
        w.subscribe(client, &["t"]);
        w.lose(client);
        w.say(a, "t", "waits");
        w.register(a, "new", Status::Active, all(), things);
        let (client, answer) = w.answer(a, "new", lasting("x"));
        assert_eq!(answer.session_present, kept, "{things:?}");
        assert_eq!(w.messages(client).len(), usize::from(kept));
    }
}

#[test]
fn a_revoked_certificate_is_out_at_once() {
    let mut w = World::sound();
    let (a, b) = (w.a, w.b);
    let (client, same_in_b) = (w.join(a, "x"), w.join(b, "x"));
    w.subscribe(client, &["t"]);
    w.register(a, "x", Status::Inactive, all(), &[]);
    assert_eq!(w.end_of(client).map(|end| (end.reason, end.code)), Some((Reason::ForbiddenAccess, 0x87)));
    assert!(!w.is_closed(same_in_b), "the same certificate in another account is another matter");
    let again = w.join(a, "x");
    w.broker.remove_principal(w.now, a, "x");
    assert!(w.is_closed(again));
    assert_eq!(w.answer(a, "x", v5("x")).1.code, 0x87);
}

#[test]
fn a_policy_holds_from_its_next_use() {
    let mut w = World::sound();
    let a = w.a;
    let client = w.join(a, "x");
    w.subscribe(client, &["t"]);
    w.say(a, "t", "1");
    w.allow(a, "x", all_but(&[Action::Receive]));
    w.say(a, "t", "2");
    w.allow(a, "x", all());
    w.say(a, "t", "3");
    assert_eq!(w.messages(client), ["1", "3"], "the first was on its way already");
    w.allow(a, "x", all_but(&[Action::Publish, Action::Subscribe]));
    assert_eq!(w.subscribe(client, &["u"]), [0x87]);
    w.publish(client, surely(1, "t", "x"));
    assert_eq!(w.code(client), Some(0x87));
    assert!(!w.is_closed(client));
    w.publish(client, message("t", "x"));
    assert_eq!(w.end_of(client).map(|end| end.reason), Some(Reason::AuthError));
    let old = w.join_as(a, v3("old"));
    w.allow(a, "old", all_but(&[Action::Publish, Action::Subscribe]));
    assert_eq!(w.subscribe(old, &["u"]), [0x80]);
    w.publish(old, surely(1, "t", "x"));
    assert!(w.is_closed(old));
}

#[test]
fn retaining_needs_a_right_of_its_own_and_a_topic_that_is_not_reserved() {
    let mut w = World::sound();
    let a = w.a;
    let client = w.join_with(a, "x", all_but(&[Action::RetainPublish]));
    let keep = |id, topic: &str| Publish { retain: true, ..surely(id, topic, "x") };
    w.publish(client, keep(1, "t"));
    assert_eq!(w.code(client), Some(0x87));
    w.allow(a, "x", all());
    w.publish(client, keep(2, "$aws/things/x/shadow/update"));
    assert_eq!(w.code(client), Some(0x87));
    w.publish(client, keep(3, "t"));
    assert_eq!(w.code(client), Some(0));
    assert_eq!(w.broker.list_retained(w.now, a, "").count(), 1);
    assert_eq!(w.broker.retained(w.now, w.b, "t"), None);
}

#[test]
fn wills_are_said_as_their_author_may_at_that_time() {
    let mut w = World::sound();
    let a = w.a;
    let watcher = w.join(a, "watcher");
    w.subscribe(watcher, &["w/#"]);
    w.allow(a, "x", only(Action::Publish, "topic/w/own"));
    let say = |topic: &str| Connect { will: Some(will(topic, topic)), ..v5("x") };
    for (topic, heard) in [("w/own", 1), ("w/foreign", 0)] {
        let client = w.connect(a, "x", say(topic));
        w.lose(client);
        assert_eq!(w.messages(watcher).len(), heard, "{topic}");
    }
    let late = Will { delay: Some(60), ..will("w/own", "late") };
    let client = w.connect(a, "x", Connect { will: Some(late), ..lasting("x") });
    w.lose(client);
    w.register(a, "x", Status::Revoked, all(), &[]);
    w.pass(120);
    assert!(w.messages(watcher).is_empty(), "it was revoked before its will's time");
    w.allow(a, "x", all());
    let reserved = Will { retain: true, ..will("$aws/things/y/jobs/notify", "forged") };
    let client = w.connect(a, "x", Connect { will: Some(reserved), ..v5("x") });
    w.lose(client);
    assert_eq!(w.broker.list_retained(w.now, a, "").count(), 0);
}

#[test]
fn presence_is_told_in_the_account_and_to_the_owner() {
    let mut w = World::sound();
    let (a, b) = (w.a, w.b);
    let (watcher, elsewhere) = (w.join(a, "watcher"), w.join(b, "watcher"));
    w.subscribe(watcher, &["$aws/events/#"]);
    w.subscribe(elsewhere, &["$aws/events/#"]);
    w.messages(watcher);
    w.messages(elsewhere);
    w.broker.outcomes();
    for _ in 0..2 {
        let client = w.join(a, "x");
        w.subscribe(client, &["t"]);
        w.unsubscribe(client, &["t"]);
        w.leave(client);
    }
    let events = w.messages(watcher);
    let told = |event: &String| {
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        let reason = event["disconnectReason"].as_str().unwrap_or("-").to_owned();
        (event["eventType"].as_str().unwrap().to_owned(), event["versionNumber"].as_u64(), reason)
    };
    let told: Vec<_> = events.iter().map(told).collect();
    let line = |kind: &str, version: Option<u64>, reason: &str| (kind.to_owned(), version, reason.to_owned());
    let expected: Vec<_> = (0..2)
        .flat_map(|version| {
            [
                line("connected", Some(version), "-"),
                line("subscribed", None, "-"),
                line("unsubscribed", None, "-"),
                line("disconnected", Some(version), "CLIENT_INITIATED_DISCONNECT"),
            ]
        })
        .collect();
    assert_eq!(told, expected);
    assert!(events[0].contains(r#""ipAddress":"192.0.2.1""#) && events[0].contains(r#""principalIdentifier":"x""#));
    assert!(w.messages(elsewhere).is_empty());
    let values = w.broker.outcomes();
    assert_eq!(values.len(), 8);
    w.pass(3_700);
    w.broker.outcomes();
    w.join(a, "x");
    let version = w.broker.outcomes().into_iter().find_map(|outcome| match outcome {
        Outcome::Presence(presence) => Some(presence.version),
        _ => None,
    });
    assert_eq!(version, Some(0), "an hour away, and the numbers begin anew");
    w.join(a, "a+b#");
    assert!(w.broker.outcomes().is_empty(), "such ids have no events");
}

#[test]
fn requests_go_to_services_and_answers_to_who_asked() {
    let mut w = World::sound();
    let a = w.a;
    w.register(a, "cert", Status::Active, all(), &["thing"]);
    let asker = w.connect(a, "cert", v5("thing"));
    let other = w.join(a, "other");
    w.subscribe(other, &["$aws/things/#", "$aws/rules/#"]);
    w.broker.outcomes();
    let mut request = surely(1, "$aws/things/thing/jobs/get", "{}");
    request.properties.correlation_data = Some(Bytes::from_static(b"7"));
    w.publish(asker, request);
    w.publish(asker, message("$aws/rules/lobby/a/b", "hello"));
    assert_eq!(w.code(asker), Some(0));
    let outcomes = w.broker.outcomes();
    let [Outcome::Request { service, origin, topic, properties, .. }, Outcome::Ingest { rule, origin: teller, .. }] =
        outcomes.as_slice()
    else {
        panic!("{outcomes:?}")
    };
    assert_eq!((*service, &**topic, &**rule), (Service::Jobs, "$aws/things/thing/jobs/get", "lobby"));
    assert_eq!(properties.correlation_data.as_deref(), Some(b"7".as_slice()));
    assert_eq!(origin, teller);
    assert_eq!((&*origin.client_id, &*origin.principal, origin.thing.as_deref()), ("thing", "cert", Some("thing")));
    assert_eq!((origin.account, origin.connection), (a, Some(asker)));
    let answer = Notice::new("$aws/things/thing/jobs/get/accepted", "answer", Qos::AtLeastOnce);
    assert!(w.broker.reply(w.now, asker, answer.clone()));
    assert_eq!(w.messages(asker), ["answer"], "it did not subscribe");
    assert!(w.messages(other).is_empty());
    w.register(a, "cert", Status::Active, all_but(&[Action::Receive]), &["thing"]);
    w.broker.reply(w.now, asker, answer.clone());
    assert!(w.messages(asker).is_empty());
    assert!(!w.broker.reply(w.now, ConnectionId(999), answer));
}

#[test]
fn https_has_the_same_rules() {
    let mut w = World::sound();
    let a = w.a;
    let watcher = w.join(a, "watcher");
    w.subscribe(watcher, &["t"]);
    w.allow(a, "x", only(Action::Publish, "topic/t"));
    let notice = |topic: &str| Notice::new(topic, "x", Qos::AtLeastOnce);
    let now = w.now;
    assert_eq!(w.broker.publish_as(now, a, "x", None, notice("t")), Ok(()));
    assert_eq!(w.broker.publish_as(now, a, "x", None, notice("u")), Err(Refusal::NotAuthorized));
    assert_eq!(w.broker.publish_as(now, w.b, "x", None, notice("t")), Err(Refusal::NotAuthorized));
    assert_eq!(w.broker.publish_as(now, a, "x", None, notice("t/+")), Err(Refusal::TopicNameInvalid));
    let large = Notice::new("t", vec![0; 131_073], Qos::AtMostOnce);
    assert_eq!(w.broker.publish_as(now, a, "x", None, large), Err(Refusal::TooLarge));
    assert_eq!(w.messages(watcher), ["x"]);
}

#[test]
fn administration_ends_and_forgets() {
    let mut w = World::sound();
    let (a, b) = (w.a, w.b);
    let watcher = w.join(a, "watcher");
    w.subscribe(watcher, &["last"]);
    let come = |w: &mut World| {
        let client = w.join_as(a, Connect { will: Some(will("last", "words")), ..lasting("x") });
        w.subscribe(client, &["t"]);
        client
    };
    let client = come(&mut w);
    assert!(!w.broker.disconnect_client(w.now, b, "x", true, true), "another account's client");
    assert!(w.broker.disconnect_client(w.now, a, "x", false, false));
    assert_eq!(w.end_of(client).map(|end| (end.reason, end.code)), Some((Reason::ApiInitiatedDisconnect, 0x98)));
    assert_eq!(w.messages(watcher), ["words"]);
    let (_, answer) = w.answer(a, "x", lasting("x"));
    assert!(answer.session_present);
    come(&mut w);
    w.messages(watcher);
    assert!(w.broker.disconnect_client(w.now, a, "x", true, true));
    assert!(w.messages(watcher).is_empty());
    let (client, answer) = w.answer(a, "x", lasting("x"));
    assert!(!answer.session_present);

    w.subscribe(client, &["t"]);
    w.publish(client, Publish { retain: true, ..message("things/x/state", "mine") });
    w.publish(client, Publish { retain: true, ..message("things/xy/state", "not mine") });
    assert!(w.broker.is_connected(a, "x") && !w.broker.is_connected(w.b, "x"));
    w.lose(client);
    assert!(!w.broker.is_connected(a, "x"), "its session is no connection");
    w.say(a, "t", "waits");
    w.broker.forget_thing(w.now, a, "x", &["things/x"]);
    assert_eq!(
        w.broker.list_retained(w.now, a, "").map(|kept| kept.topic).collect::<Vec<_>>(),
        ["things/xy/state".into()]
    );
    let (client, answer) = w.answer(a, "x", lasting("x"));
    assert!(!answer.session_present);
    assert!(w.messages(client).is_empty());

    w.broker.remove_account(w.now, a);
    assert_eq!(w.end_of(client).map(|end| end.code), Some(0x8b));
    assert_eq!(w.broker.usage(a), None);
    let nowhere = w.knock(a, "x", v5("x"));
    assert!(w.is_closed(nowhere));
}

#[test]
fn a_group_has_turns_waits_and_is_the_accounts_own() {
    let mut w = World::sound();
    let (a, b) = (w.a, w.b);
    let one = w.join_as(a, lasting("one"));
    let two = w.join_as(a, v3("two"));
    let foreign = w.join(b, "one");
    for member in [one, two, foreign] {
        assert_eq!(w.subscribe(member, &["$share/g/t/+"]), [1]);
    }
    for number in 0..4 {
        w.say(a, "t/1", &number.to_string());
    }
    assert_eq!((w.messages(one), w.messages(two)), (vec!["0".into(), "2".into()], vec!["1".into(), "3".into()]));
    w.allow(a, "two", all_but(&[Action::Receive]));
    w.say(a, "t/1", "for one");
    w.say(a, "t/1", "for one too");
    assert_eq!(w.messages(one).len(), 2, "who may not receive takes no turn");
    w.lose(one);
    w.say(a, "t/1", "waits");
    assert!(w.messages(two).is_empty());
    let one = w.connect(a, "one", lasting("one"));
    assert_eq!(w.messages(one), ["waits"]);
    assert!(w.messages(foreign).is_empty());
}

#[test]
fn aliases_save_the_topic_towards_a_client_that_takes_them() {
    let mut w = World::sound();
    let a = w.a;
    let client = w.join_as(a, Connect { topic_alias_maximum: Some(1), ..v5("x") });
    w.subscribe(client, &["#"]);
    for topic in ["1", "2", "1"] {
        w.say(a, topic, "x");
    }
    let got: Vec<_> = w.published(client).iter().map(|got| (got.topic.to_string(), got.topic_alias)).collect();
    assert_eq!(got, [("1".into(), Some(1)), ("2".into(), None), (String::new(), Some(1))]);
    let plain = w.join(a, "plain");
    w.subscribe(plain, &["1"]);
    w.say(a, "1", "x");
    assert_eq!(w.published(plain).first().map(|got| got.topic_alias), Some(None));
}

#[test]
fn expiries_have_their_bounds() {
    let mut w = World::sound();
    let a = w.a;
    let (client, author) = (w.join(a, "x"), w.join(a, "author"));
    w.subscribe(client, &["t"]);
    for (asked, told) in [(0, 1), (1, 1), (604_800, 604_800), (u32::MAX, 604_800)] {
        let mut publish = message("t", "x");
        publish.properties.expiry = Some(asked);
        w.publish(author, publish);
        assert_eq!(w.published(client).first().and_then(|got| got.properties.expiry), Some(told));
    }
    for (asked, told) in [(u32::MAX, Some(604_800)), (604_800, None), (0, None)] {
        let connect = Connect { session_expiry: Some(asked), ..v5("y") };
        w.allow(a, "y", all());
        assert_eq!(w.answer(a, "y", connect).1.properties.session_expiry, told, "{asked}");
    }
    for (asked, told) in [(0, Some(1_200)), (29, Some(30)), (30, None), (1_200, None), (1_201, Some(1_200))] {
        let connect = Connect { keep_alive: asked, ..v5("y") };
        assert_eq!(w.answer(a, "y", connect).1.properties.server_keep_alive, told, "{asked}");
    }
}

/// What somebody does in an account.
#[derive(Clone, Debug)]
enum Step {
    Connect(u8, bool, bool),
    Lose(u8),
    Leave(u8),
    Subscribe(u8, u8, bool),
    Publish(u8, u8, bool, bool, u16),
    Alias(u8, u16),
    Ack(u8, u16),
    Revoke(u8),
    Allow(u8),
    Forget(u8),
    Pass(u64),
}

const FILTERS: [&str; 8] = ["#", "t/+", "t/1", "$share/g/t/1", "$share/g/#", "$aws/#", "+/1", "$share/h/+/+"];
const TOPICS: [&str; 6] = ["t/1", "t/2", "x", "$aws/things/0/shadow/update", "$aws/events/x", "$aws/rules/r"];

fn step() -> impl Strategy<Value = Step> {
    let who = 0..4_u8;
    prop_oneof![
        4 => (who.clone(), any::<bool>(), any::<bool>()).prop_map(|(who, old, lasting)| Step::Connect(who, old, lasting)),
        1 => who.clone().prop_map(Step::Lose),
        1 => who.clone().prop_map(Step::Leave),
        3 => (who.clone(), 0..8_u8, any::<bool>()).prop_map(|(who, filter, sure)| Step::Subscribe(who, filter, sure)),
        6 => (who.clone(), 0..6_u8, any::<bool>(), any::<bool>(), any::<u16>())
            .prop_map(|(who, topic, sure, retain, id)| Step::Publish(who, topic, sure, retain, id)),
        1 => (who.clone(), 0..10_u16).prop_map(|(who, alias)| Step::Alias(who, alias)),
        1 => (who.clone(), 0..20_u16).prop_map(|(who, id)| Step::Ack(who, id)),
        1 => who.clone().prop_map(Step::Revoke),
        1 => who.clone().prop_map(Step::Allow),
        1 => who.prop_map(Step::Forget),
        2 => (0..100_u64).prop_map(Step::Pass),
    ]
}

/// The clients of one account, and everything that they got.
struct Actors {
    account: fleetproof_dataplane::broker::AccountId,
    /// Connection ids of this account begin here.
    base: u64,
    last: u64,
    live: [Option<ConnectionId>; 4],
    got: Vec<(u64, ConnectionId, Packet)>,
}

impl Actors {
    fn new(w: &mut World, account: fleetproof_dataplane::broker::AccountId, base: u64) -> Self {
        for who in 0..4 {
            w.allow(account, &who.to_string(), all());
        }
        Self { account, base, last: 0, live: [None; 4], got: vec![] }
    }

    fn act(&mut self, w: &mut World, step: &Step) {
        let send = |w: &mut World, id: Option<ConnectionId>, packet| {
            if let Some(id) = id {
                w.send(id, packet);
            }
        };
        match step {
            Step::Connect(who, old, stays) => {
                let name = who.to_string();
                let mut connect = if *old { v3(&name) } else { lasting(&name) };
                connect.clean_start = !stays;
                connect.will = Some(will("t/1", &format!("will of {name} in {}", self.base)));
                self.last += 1;
                let id = ConnectionId(self.base + self.last);
                w.broker.connect(w.now, id, self.account, &name, None, connect);
                self.live[usize::from(*who)] = Some(id);
            }
            Step::Lose(who) => {
                if let Some(id) = self.live[usize::from(*who)].take() {
                    w.lose(id);
                }
            }
            Step::Leave(who) => send(w, self.live[usize::from(*who)], Packet::Disconnect(Default::default())),
            Step::Subscribe(who, filter, sure) => {
                let qos = if *sure { Qos::AtLeastOnce } else { Qos::AtMostOnce };
                let filters = vec![Subscription::new(FILTERS[usize::from(*filter)], qos)];
                let subscribe = fleetproof_wire::mqtt::packet::Subscribe {
                    packet_id: 1,
                    filters,
                    identifier: None,
                    user_properties: vec![],
                };
                send(w, self.live[usize::from(*who)], Packet::Subscribe(subscribe));
            }
            Step::Publish(who, topic, sure, retain, id) => {
                let payload = format!("said by {who} in {}", self.base);
                let mut publish = message(TOPICS[usize::from(*topic)], &payload);
                publish.retain = *retain;
                if *sure {
                    publish.qos = Qos::AtLeastOnce;
                    publish.packet_id = *id;
                }
                send(w, self.live[usize::from(*who)], Packet::Publish(publish));
            }
            Step::Alias(who, alias) => {
                let publish = Publish { topic_alias: Some(*alias), ..message("", "x") };
                send(w, self.live[usize::from(*who)], Packet::Publish(publish));
            }
            Step::Ack(who, id) => {
                send(w, self.live[usize::from(*who)], Packet::PubAck(fleetproof_wire::mqtt::packet::Ack::of(*id)));
            }
            Step::Revoke(who) => w.register(self.account, &who.to_string(), Status::Revoked, all(), &[]),
            Step::Allow(who) => w.allow(self.account, &who.to_string(), all()),
            Step::Forget(who) => w.broker.forget_client(w.now, self.account, &who.to_string()),
            Step::Pass(_) => {}
        }
    }

    /// Takes what there is for this account's connections.
    fn collect(&mut self, w: &mut World) {
        for id in (self.base + 1..=self.base + self.last).map(ConnectionId) {
            let now = w.now;
            self.got.extend(w.take(id).into_iter().map(|packet| (now, id, packet)));
        }
    }
}

/// Plays what happens in the first account, with or without a second one beside it.
fn play(steps: &[(bool, Step)], with_neighbour: bool) -> (Vec<(u64, ConnectionId, Packet)>, String) {
    let mut w = World::sound();
    let (a, b) = (w.a, w.b);
    let mut own = Actors::new(&mut w, a, 1_000);
    let mut neighbour = Actors::new(&mut w, b, 2_000);
    for (is_own, step) in steps {
        if let Step::Pass(tenths) = step {
            let until = w.now + tenths * SECOND / 10;
            while let Some(at) = w.broker.next_due().filter(|at| *at <= until) {
                w.now = w.now.max(at);
                w.broker.due(w.now);
                own.collect(&mut w);
                neighbour.collect(&mut w);
            }
            w.now = until;
        } else if *is_own {
            own.act(&mut w, step);
        } else if with_neighbour {
            neighbour.act(&mut w, step);
        }
        own.collect(&mut w);
        neighbour.collect(&mut w);
        for (.., packet) in &neighbour.got {
            assert!(!format!("{packet:?}").contains("in 1000"), "the neighbour got {packet:?}");
        }
    }
    (own.got, format!("{:?}", w.broker.usage(a)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_account_sees_nothing_of_its_neighbour(steps in proptest::collection::vec((any::<bool>(), step()), 0..120)) {
        let alone = play(&steps, false);
        prop_assert_eq!(&play(&steps, true), &alone);
        let told = format!("{:?}", alone.0);
        prop_assert!(!told.contains("in 2000"));
    }
}
