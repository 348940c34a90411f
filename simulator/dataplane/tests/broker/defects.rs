//! Each planted defect can be seen, and the sound broker does not show it.

use crate::support::{SECOND, World, all, all_but, lasting, message, only, surely, v5, will};
use fleetproof_dataplane::broker::{Defect, Notice, Quotas, Rate, Status};
use fleetproof_dataplane::policy::Action;
use fleetproof_wire::mqtt::packet::{Connect, Packet, Publish, Qos, Subscription};

/// Whether what the defect does wrong is seen in a broker in which `planted` is.
#[expect(clippy::too_many_lines, reason = "one short scene for each")]
fn is_seen(defect: Defect, planted: Option<Defect>) -> bool {
    let mut w = World::new(planted);
    let (a, b) = (w.a, w.b);
    match defect {
        Defect::TakeoverCrosses => {
            let victim = w.join(a, "x");
            w.join(b, "x");
            w.is_closed(victim)
        }
        Defect::RetainedCrosses => {
            let author = w.join(a, "author");
            w.publish(author, Publish { retain: true, ..message("t", "canary") });
            let other = w.join(b, "other");
            let subscribed = Subscription::new("t", Qos::AtMostOnce);
            w.send(other, subscribe(subscribed));
            w.messages(other) == ["canary"]
        }
        Defect::SharedGroupCrosses => {
            let (author, member, other) = (w.join(a, "author"), w.join(a, "member"), w.join(b, "other"));
            w.subscribe(member, &["$share/g/t"]);
            w.subscribe(other, &["$share/g/t"]);
            for _ in 0..4 {
                w.publish(author, message("t", "canary"));
            }
            let (own, foreign) = (w.messages(member).len(), w.messages(other).len());
            assert_eq!(own + foreign, 4, "nothing is lost");
            foreign > 0
        }
        Defect::PresenceCrosses => {
            let watcher = w.join(b, "watcher");
            w.subscribe(watcher, &["$aws/events/#"]);
            w.messages(watcher);
            w.join(a, "canary");
            w.messages(watcher).iter().any(|event| event.contains("canary"))
        }
        Defect::InboundCountedGlobally => {
            let few = Quotas { inbound: Rate::per_second(5), ..Quotas::default() };
            let mut w = World::with(planted, few);
            let (noisy, quiet) = (w.join(a, "noisy"), w.join(b, "quiet"));
            w.pass(2);
            for _ in 0..5 {
                w.publish(noisy, message("t", "x"));
            }
            w.publish(quiet, surely(1, "t", "x"));
            w.code(quiet) == Some(0x97)
        }
        Defect::PrincipalOfAnyAccount => {
            w.allow(a, "of-a", all());
            w.answer(b, "of-a", v5("x")).1.code == 0
        }
        Defect::SessionOfAnyPrincipal => {
            away_with_message(&mut w);
            w.allow(a, "thief", all());
            let thief = w.connect(a, "thief", lasting("x"));
            w.messages(thief) == ["canary"]
        }
        Defect::InactiveMayConnect => {
            w.register(a, "c", Status::Inactive, all(), &[]);
            w.answer(a, "c", v5("x")).1.code == 0
        }
        Defect::RevokedStaysConnected => {
            let client = w.join(a, "x");
            w.register(a, "x", Status::Revoked, all(), &[]);
            let still = !w.is_closed(client);
            let watcher = w.join(a, "watcher");
            w.subscribe(watcher, &["t"]);
            w.publish(client, message("t", "canary"));
            assert_eq!(still, w.messages(watcher) == ["canary"]);
            still
        }
        Defect::InactiveQueues => {
            let client = w.join_as(a, lasting("x"));
            w.subscribe(client, &["t"]);
            w.lose(client);
            w.register(a, "x", Status::Inactive, all(), &[]);
            w.say(a, "t", "canary");
            w.allow(a, "x", all());
            let client = w.connect(a, "x", lasting("x"));
            w.messages(client) == ["canary"]
        }
        Defect::PolicyRemembered => {
            let client = w.join(a, "x");
            w.subscribe(client, &["t"]);
            w.allow(a, "x", all_but(&[Action::Receive]));
            w.say(a, "t", "canary");
            w.messages(client) == ["canary"]
        }
        Defect::WillUnchecked => {
            w.allow(a, "x", only(Action::Publish, "topic/own"));
            last_words(&mut w, v5("x"), |w, client| w.lose(client)) == ["canary"]
        }
        Defect::WillAfterRevocation => {
            w.allow(a, "x", all());
            let revoke = |w: &mut World, _| w.register(w.a, "x", Status::Revoked, all(), &[]);
            last_words(&mut w, v5("x"), revoke) == ["canary"]
        }
        Defect::ReceiveUnchecked => {
            let client = w.join_with(a, "x", all_but(&[Action::Receive]));
            assert_eq!(w.subscribe(client, &["t"]), [1]);
            w.say(a, "t", "canary");
            w.messages(client) == ["canary"]
        }
        Defect::RetainedUnchecked => {
            let author = w.join(a, "author");
            w.publish(author, Publish { retain: true, ..surely(1, "t", "canary") });
            let client = w.join_with(a, "x", all_but(&[Action::Receive]));
            w.send(client, subscribe(Subscription::new("t", Qos::AtLeastOnce)));
            w.messages(client) == ["canary"]
        }
        Defect::StoredUnchecked => {
            away_with_message(&mut w);
            w.allow(a, "x", all_but(&[Action::Receive]));
            let client = w.connect(a, "x", lasting("x"));
            w.messages(client) == ["canary"]
        }
        Defect::SecondFilterUnchecked => {
            let client = w.join_with(a, "x", only(Action::Subscribe, "topicfilter/own"));
            let codes = w.subscribe(client, &["own", "foreign"]);
            w.say(a, "foreign", "canary");
            let got = w.messages(client) == ["canary"];
            assert_eq!(got, codes == [1, 1]);
            got
        }
        Defect::ThingTopicsUnchecked => {
            let client = w.join_with(a, "x", only(Action::Publish, "topic/own"));
            w.publish(client, message("$aws/things/victim/shadow/update", "{}"));
            w.requests() == ["$aws/things/victim/shadow/update".into()]
        }
        Defect::AnswersOpen => {
            let (victim, forger) = (w.join(a, "victim"), w.join(a, "forger"));
            w.subscribe(victim, &["$aws/things/victim/jobs/notify-next"]);
            w.publish(forger, message("$aws/things/victim/jobs/notify-next", "canary"));
            w.messages(victim) == ["canary"]
        }
        Defect::ClearUnchecked => {
            let author = w.join(a, "author");
            w.publish(author, Publish { retain: true, ..message("t", "kept") });
            let other = w.join_with(a, "x", all_but(&[Action::RetainPublish]));
            w.publish(other, Publish { retain: true, ..message("t", "") });
            w.broker.retained(w.now, a, "t").is_none()
        }
        Defect::AliasBoundByRefused => {
            let client = w.join_with(a, "x", only(Action::Publish, "topic/own"));
            w.publish(client, Publish { topic_alias: Some(1), ..surely(1, "foreign", "x") });
            assert_eq!(w.code(client), Some(0x87));
            w.publish(client, Publish { topic_alias: Some(1), ..surely(2, "", "x") });
            !w.is_closed(client)
        }
        Defect::AliasSurvives => {
            let watcher = w.join(a, "watcher");
            w.subscribe(watcher, &["t"]);
            let client = w.join(a, "x");
            w.publish(client, Publish { topic_alias: Some(1), ..message("t", "first") });
            w.leave(client);
            let client = w.join(a, "x");
            w.publish(client, Publish { topic_alias: Some(1), ..message("", "canary") });
            w.messages(watcher) == ["first", "canary"]
        }
        Defect::WildcardReachesReserved => {
            let client = w.join(a, "x");
            w.subscribe(client, &["#"]);
            w.say(a, "$aws/things/victim/jobs/notify", "canary");
            w.messages(client) == ["canary"]
        }
        Defect::ReplyBroadcast => {
            let (asker, other) = (w.join(a, "asker"), w.join(a, "other"));
            w.subscribe(other, &["$aws/things/+/jobs/get/accepted"]);
            let answer = Notice::new("$aws/things/asker/jobs/get/accepted", "canary", Qos::AtMostOnce);
            w.broker.reply(w.now, asker, answer);
            w.messages(other) == ["canary"]
        }
        Defect::ClientIdCaseBlind => {
            let victim = w.join(a, "device");
            w.join(a, "DEVICE");
            w.is_closed(victim)
        }
        Defect::ConnectRateUnheld => {
            w.allow(a, "x", all());
            let _ = w.knock(a, "x", v5("x"));
            let second = w.knock(a, "x", v5("x"));
            w.code(second) == Some(0)
        }
        Defect::PublishRateUnheld => {
            let client = w.join(a, "x");
            w.pass(2);
            let acks = (1..=120).filter(|id| {
                w.publish(client, surely(*id, "t", "x"));
                w.code(client) == Some(0)
            });
            acks.count() > 100
        }
        Defect::InFlightUnheld => {
            let client = w.join_as(a, Connect { receive_maximum: Some(5), ..v5("x") });
            w.subscribe(client, &["t"]);
            for _ in 0..10 {
                w.say(a, "t", "x");
            }
            w.take(client).len() > 5
        }
        Defect::PayloadOffByOne => {
            let client = w.join(a, "x");
            w.publish(client, Publish::new("t", vec![0; 128 * 1024 + 1], Qos::AtMostOnce));
            !w.is_closed(client)
        }
        Defect::SubscriptionsPerPacket => {
            let client = w.join(a, "x");
            let mut granted = 0;
            for packet in 0..7 {
                let filters: Vec<String> = (0..8).map(|line| format!("t/{packet}/{line}")).collect();
                let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
                granted += w.subscribe(client, &filters).iter().filter(|code| **code < 0x80).count();
            }
            granted > 50
        }
        Defect::ExpiryUnheld => {
            let client = w.join_as(a, lasting("x"));
            w.subscribe(client, &["t"]);
            w.lose(client);
            let author = w.join(a, "author");
            let mut short = surely(1, "t", "canary");
            short.properties.expiry = Some(10);
            w.publish(author, short);
            w.pass(60);
            let client = w.connect(a, "x", lasting("x"));
            w.messages(client) == ["canary"]
        }
        Defect::ForgottenKeepsSession => {
            away_with_message(&mut w);
            w.broker.forget_client(w.now, a, "x");
            let (client, answer) = w.answer(a, "x", lasting("x"));
            let got = w.messages(client) == ["canary"];
            assert_eq!(got, answer.session_present);
            got
        }
        Defect::PreventedWillSaid => {
            w.allow(a, "x", all());
            let end = |w: &mut World, _| assert!(w.broker.disconnect_client(w.now, w.a, "x", false, true));
            last_words(&mut w, v5("x"), end) == ["canary"]
        }
    }
}

fn subscribe(line: Subscription) -> Packet {
    Packet::Subscribe(fleetproof_wire::mqtt::packet::Subscribe {
        packet_id: 1,
        filters: vec![line],
        identifier: None,
        user_properties: vec![],
    })
}

/// In the first account client `x` with certificate `x` is away, and a message waits for it.
fn away_with_message(w: &mut World) {
    let client = w.join_as(w.a, lasting("x"));
    w.subscribe(client, &["t"]);
    w.lose(client);
    w.say(w.a, "t", "canary");
    assert!(w.broker.usage(w.a).is_some_and(|usage| usage.queued_bytes > 0));
}

/// Client `x` with certificate `x` comes with a will, and goes. What others hear.
fn last_words(
    w: &mut World,
    connect: Connect,
    go: impl FnOnce(&mut World, fleetproof_dataplane::broker::ConnectionId),
) -> Vec<String> {
    let watcher = w.join(w.a, "watcher");
    w.subscribe(watcher, &["last/words"]);
    let client = w.connect(w.a, "x", Connect { will: Some(will("last/words", "canary")), ..connect });
    w.now += SECOND;
    go(w, client);
    w.messages(watcher)
}

macro_rules! seen {
    ($($test:ident: $defect:ident,)+) => {
        $(
            #[test]
            fn $test() {
                assert!(!is_seen(Defect::$defect, None), "the sound broker shows it");
                assert!(is_seen(Defect::$defect, Some(Defect::$defect)), "it cannot be seen");
            }
        )+

        #[test]
        fn every_defect_has_a_test() {
            assert_eq!(Defect::ALL, [$(Defect::$defect),+]);
            for defect in Defect::ALL {
                assert!(defect.sentence().ends_with('.') && !defect.name().is_empty(), "{defect}");
            }
        }
    };
}

seen! {
    takeover_crosses: TakeoverCrosses,
    retained_crosses: RetainedCrosses,
    shared_group_crosses: SharedGroupCrosses,
    presence_crosses: PresenceCrosses,
    inbound_counted_globally: InboundCountedGlobally,
    principal_of_any_account: PrincipalOfAnyAccount,
    session_of_any_principal: SessionOfAnyPrincipal,
    inactive_may_connect: InactiveMayConnect,
    revoked_stays_connected: RevokedStaysConnected,
    inactive_queues: InactiveQueues,
    policy_remembered: PolicyRemembered,
    will_unchecked: WillUnchecked,
    will_after_revocation: WillAfterRevocation,
    receive_unchecked: ReceiveUnchecked,
    retained_unchecked: RetainedUnchecked,
    stored_unchecked: StoredUnchecked,
    second_filter_unchecked: SecondFilterUnchecked,
    thing_topics_unchecked: ThingTopicsUnchecked,
    answers_open: AnswersOpen,
    clear_unchecked: ClearUnchecked,
    alias_bound_by_refused: AliasBoundByRefused,
    alias_survives: AliasSurvives,
    wildcard_reaches_reserved: WildcardReachesReserved,
    reply_broadcast: ReplyBroadcast,
    client_id_case_blind: ClientIdCaseBlind,
    connect_rate_unheld: ConnectRateUnheld,
    publish_rate_unheld: PublishRateUnheld,
    in_flight_unheld: InFlightUnheld,
    payload_off_by_one: PayloadOffByOne,
    subscriptions_per_packet: SubscriptionsPerPacket,
    expiry_unheld: ExpiryUnheld,
    forgotten_keeps_session: ForgottenKeepsSession,
    prevented_will_said: PreventedWillSaid,
}
