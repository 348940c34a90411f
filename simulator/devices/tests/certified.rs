#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! What the vendors certify devices for (Device Advisor's cases), each seen to happen against a server that provokes it.

mod broker;

use broker::{Endpoint, Running, Script, Seen, plan};
use fleetproof_devices::mqtt::{Backoff, Format, Jitter, Publishes, ThingPlan};
use fleetproof_devices::{Body, Delivery, DeviceEvent, SimulatedBody};
use fleetproof_wire::mqtt::packet::{Qos, Version};
use fleetproof_world::{Runtime, World};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A thing that belongs to `home` already.
fn settled() -> SimulatedBody {
    let mut body = SimulatedBody::new("hvac-7".into(), "v1");
    body.keep(br#"{"home":"home","record":{"artifact":"factory-v1"}}"#.to_vec()).unwrap();
    body
}

/// One that says nothing but its messages.
fn quiet(qos: Qos) -> ThingPlan {
    let publishes =
        Publishes { topic: "app/{thing}".into(), every: Duration::from_secs(20), size: 200, qos, format: Format::Json };
    ThingPlan { jobs: false, shadow: false, publishes: vec![publishes], ..plan() }
}

fn run(script: Script, plan: ThingPlan, seconds: u64) -> Running {
    Runtime::virtual_time().unwrap().block_on(async {
        let (world, seen) = (World::simulated(1), Arc::new(Mutex::new(Seen::default())));
        let _endpoint = Endpoint::start(&world, "home", script, &seen).await;
        let running = Running::start(&world, plan, settled(), &seen);
        running.run(seconds).await;
        running
    })
}

/// How long it waited between its dials, in ms.
fn waits(running: &Running) -> Vec<u64> {
    running.times("home: connect clean").windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn connect_and_publish() {
    let running = run(Script::default(), quiet(Qos::AtLeastOnce), 301);
    let seen = running.seen.lock().unwrap();
    let connect = seen.connect.as_ref().unwrap();
    assert_eq!((&*connect.client_id, connect.keep_alive, connect.clean_start), ("hvac-7", 30, true));
    let tally = seen.ledger.tally();
    assert_eq!((tally.sent, tally.acknowledged, tally.received, tally.lost), (15, 15, 15, 0));
    assert!(seen.payloads.iter().all(|payload| payload.len() == 200));
}

#[test]
fn no_puback_is_answered_by_the_same_message_again_with_dup() {
    let script = Script { no_pubacks: 1, keeps_sessions: true, ..Script::default() };
    let running = run(script, ThingPlan { session: Some(3_600), ..quiet(Qos::AtLeastOnce) }, 61);
    let notes = running.notes();
    let at = notes.iter().position(|note| note == "home: app/hvac-7 1").unwrap();
    assert_eq!(notes[at + 1..at + 4], ["home: over", "home: connect kept", "home: app/hvac-7 1 dup"]);
    let resent = running.watched.deliveries.lock().unwrap().contains(&Delivery::Sent { number: 1, again: true });
    assert!(resent && running.seen.lock().unwrap().ledger.tally().acknowledged == 3);
}

#[test]
fn where_the_session_was_not_kept_it_is_said_anew_and_counted_once() {
    let running = run(Script { no_pubacks: 1, ..Script::default() }, quiet(Qos::AtLeastOnce), 61);
    assert_eq!((running.count("home: app/hvac-7 1"), running.count("home: app/hvac-7 1 dup")), (2, 0));
    let tally = running.seen.lock().unwrap().ledger.tally();
    assert_eq!((tally.sent, tally.received, tally.duplicates), (3, 3, 0));
}

#[test]
fn no_suback_is_answered_by_asking_again_then_by_a_new_connection() {
    let running = run(Script { no_subacks: 2, ..Script::default() }, quiet(Qos::AtLeastOnce), 61);
    assert_eq!(running.times("home: subscribe 1").len(), 3);
    assert_eq!(running.count("home: connect clean"), 1, "the third was answered");
    let apart: Vec<u64> = running.times("home: subscribe 1").windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(apart.iter().all(|ms| (10_000..10_100).contains(ms)), "{apart:?}");
    let running = run(Script { no_subacks: 3, ..Script::default() }, quiet(Qos::AtLeastOnce), 61);
    assert_eq!((running.times("home: subscribe 1").len(), running.count("home: connect clean")), (4, 2));
    let why = |event: &DeviceEvent| matches!(event, DeviceEvent::Disconnected { why, .. } if why == "no SUBACK");
    assert_eq!(running.saw(why), 1);
}

#[test]
fn no_pingresp_is_answered_by_a_new_connection() {
    let silent = ThingPlan { publishes: Vec::new(), ..quiet(Qos::AtMostOnce) };
    let calm = run(Script::default(), silent.clone(), 301);
    assert_eq!(
        (calm.count("home: ping"), calm.count("home: connect clean")),
        (10, 1),
        "every 30 s, with nothing else to say"
    );
    let running = run(Script { no_pongs: 1, ..Script::default() }, silent, 100);
    assert_eq!(running.count("home: connect clean"), 2);
    let lost = running
        .events()
        .iter()
        .position(|event| matches!(event, DeviceEvent::Disconnected { why, .. } if why == "no PINGRESP"));
    assert!(lost.is_some());
    let (ping, again) = (running.times("home: ping")[0], running.times("home: connect clean")[1]);
    assert!((10_000..10_300).contains(&(again - ping)), "10 s of patience, then the first backoff: {}", again - ping);
}

#[test]
fn who_speaks_needs_no_ping() {
    let running = run(Script::default(), quiet(Qos::AtMostOnce), 301);
    assert_eq!(running.count("home: ping"), 0);
}

/// The ratio of each wait to the one before, where the ceiling still grows.
#[test]
fn backoff_is_exponential_and_jittered_when_it_is_refused() {
    let refusing = || Script { refuses: true, ..Script::default() };
    let backoff = Backoff { first: Duration::from_secs(1), jitter: Jitter::None, ..Backoff::default() };
    let long = Duration::from_secs(100_000);
    let plain = run(refusing(), ThingPlan { backoff, refused_for: long, ..quiet(Qos::AtMostOnce) }, 1_000);
    let seconds: Vec<u64> = waits(&plain).iter().map(|ms| ms / 1_000).collect();
    assert_eq!(seconds[..9], [1, 2, 4, 8, 16, 32, 64, 128, 128]);

    let backoff = Backoff { jitter: Jitter::Full, ..backoff };
    let jittered = run(refusing(), ThingPlan { backoff, refused_for: long, ..quiet(Qos::AtMostOnce) }, 3_000);
    let jittered = waits(&jittered);
    let ceilings = [1, 2, 4, 8, 16, 32, 64, 128].map(|seconds| seconds * 1_000 + 10);
    assert!(
        jittered.len() >= 10 && jittered.iter().zip(ceilings).all(|(wait, ceiling)| *wait <= ceiling),
        "{jittered:?}"
    );
    assert!(jittered.iter().zip(&seconds).any(|(wait, whole)| *wait < whole * 800), "{jittered:?}");
}

#[test]
fn backoff_goes_on_when_the_server_lets_in_and_hangs_up() {
    for says_goodbye in [false, true] {
        let script = Script { hangs_up: Some((Duration::from_secs(2), usize::MAX)), says_goodbye, ..Script::default() };
        let backoff = Backoff { first: Duration::from_secs(1), jitter: Jitter::None, ..Backoff::default() };
        let speaks = if says_goodbye { Version::V5 } else { Version::V311 };
        let running = run(script, ThingPlan { backoff, speaks, ..quiet(Qos::AtMostOnce) }, 150);
        let seconds: Vec<u64> = waits(&running).iter().map(|ms| ms / 1_000).collect();
        assert_eq!(seconds[..5], [3, 4, 6, 10, 18], "2 s of connection, then 1, 2, 4, 8, 16 s");
    }
}

#[test]
fn a_connection_that_held_begins_the_backoff_anew() {
    let script = Script { hangs_up: Some((Duration::from_secs(40), usize::MAX)), ..Script::default() };
    let backoff = Backoff { first: Duration::from_secs(1), jitter: Jitter::None, ..Backoff::default() };
    let running = run(script, ThingPlan { backoff, ..quiet(Qos::AtMostOnce) }, 300);
    assert!(waits(&running).iter().all(|ms| (41_000..41_100).contains(ms)), "{:?}", waits(&running));
}

#[test]
fn a_kept_session_is_not_subscribed_again_and_an_expired_one_is() {
    let hangs_up = Some((Duration::from_secs(50), 1));
    for (keeps_sessions, subscribed) in [(true, 1), (false, 2)] {
        let script = Script { keeps_sessions, hangs_up, ..Script::default() };
        let plan = ThingPlan { session: Some(3_600), speaks: Version::V5, ..quiet(Qos::AtLeastOnce) };
        let running = run(script, plan, 121);
        assert_eq!((running.count("home: connect kept"), running.count("home: subscribe 1")), (2, subscribed));
        let connect = running.seen.lock().unwrap().connect.clone().unwrap();
        assert_eq!((connect.clean_start, connect.session_expiry), (false, Some(3_600)));
        let present = |event: &DeviceEvent| matches!(event, DeviceEvent::Connected { session_present: true, .. });
        assert_eq!(running.saw(present), usize::from(keeps_sessions));
    }
}

#[test]
fn what_is_sent_with_qos_0_is_not_sent_again() {
    let script = Script { hangs_up: Some((Duration::from_secs(25), 3)), ..Script::default() };
    let running = run(script, quiet(Qos::AtMostOnce), 200);
    let again = |what: &Delivery| matches!(what, Delivery::Sent { again: true, .. } | Delivery::Acknowledged { .. });
    assert!(!running.watched.deliveries.lock().unwrap().iter().any(again));
}

#[test]
fn what_waits_for_its_puback_is_bounded() {
    let mut plan = quiet(Qos::AtLeastOnce);
    (plan.publishes[0].every, plan.in_flight) = (Duration::from_secs(1), 3);
    let running = run(Script { no_pubacks: 100, ..Script::default() }, plan, 9);
    let deliveries = running.watched.deliveries.lock().unwrap();
    let sent = deliveries.iter().filter(|what| matches!(what, Delivery::Sent { .. })).count();
    let held = deliveries.iter().filter(|what| matches!(what, Delivery::HeldBack { .. })).count();
    assert_eq!(sent, 3);
    assert!(held >= 4, "{held}");
}

#[test]
fn a_large_payload_and_every_format_arrive() {
    for format in [Format::Json, Format::Cbor, Format::Binary] {
        let mut plan = quiet(Qos::AtLeastOnce);
        (plan.publishes[0].format, plan.publishes[0].size) = (format, 128 * 1024);
        let running = run(Script::default(), plan, 50);
        let seen = running.seen.lock().unwrap();
        assert!(seen.payloads.len() == 2 && seen.payloads.iter().all(|payload| payload.len() == 128 * 1024));
    }
}

#[test]
fn losses_are_counted_from_numbers_whatever_was_acknowledged() {
    let script = Script { loses: vec![2, 5], ..Script::default() };
    let running = run(script, quiet(Qos::AtLeastOnce), 201);
    let tally = running.seen.lock().unwrap().ledger.tally();
    assert_eq!((tally.sent, tally.acknowledged, tally.lost, tally.lost_acknowledged), (10, 10, 2, 2));
}

#[test]
fn a_will_is_left_with_the_server() {
    let will = Some(("app/{thing}/gone".to_owned(), "gone".to_owned()));
    let running = run(Script::default(), ThingPlan { will, ..quiet(Qos::AtMostOnce) }, 10);
    let will = running.seen.lock().unwrap().connect.clone().unwrap().will.unwrap();
    assert_eq!((&*will.topic, &will.payload[..]), ("app/hvac-7/gone", &b"gone"[..]));
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = || {
        let script = Script { hangs_up: Some((Duration::from_secs(3), 6)), no_pubacks: 1, ..Script::default() };
        let running = run(script, quiet(Qos::AtLeastOnce), 600);
        running.seen.lock().unwrap().notes.clone()
    };
    assert!(run().len() > 40 && run() == run());
}
