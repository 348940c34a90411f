#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! The agent beside its updates: identity, polls, inventory, downloads that break, the end.

mod fixture;

use fixture::{Module, Outcome, Script, config, good_artifact, run, run_in, run_with};
use fleetproof_devices::{DeviceConfig, DeviceEvent, Key, Order, SimulatedBody, auth_request};
use fleetproof_world::{Runtime, World};
use std::collections::BTreeMap;
use std::time::Duration;

const NOW: &[(Duration, Order)] = &[(Duration::ZERO, Order::Knock)];

fn seconds(outcome: &Outcome, wanted: impl Fn(&DeviceEvent) -> bool) -> Vec<u64> {
    let both = outcome.times.iter().zip(&outcome.events);
    both.filter(|(_, event)| wanted(event)).map(|(at, _)| at.micros() / 1_000_000).collect()
}

/// Nothing is offered: the name that runs is the one that the platform has.
fn idle() -> Script {
    Script { offers: "factory-v1".into(), ..Script::default() }
}

#[test]
fn an_identity_is_shown_until_it_is_accepted() {
    let outcome = run_with(
        Script { pending: 3, ..idle() },
        config("hvac-7"),
        Module::new(false),
        Duration::from_secs(300),
        &[(Duration::from_secs(10), Order::Knock)],
    );
    // At once, then at every poll: 5 s after the order, then each minute.
    let knocks = |wanted: u16| seconds(&outcome, |event| *event == DeviceEvent::Knocked { status: wanted });
    assert_eq!((knocks(401), knocks(200)), (vec![10, 15, 75], vec![135]));
    assert_eq!(seconds(&outcome, |event| *event == DeviceEvent::Authenticated), [135]);
    assert_eq!(outcome.wire[3..6], ["auth 200", "inventory factory-v1", "next v2 factory-v1"]);
}

#[test]
fn the_auth_request_is_the_same_every_time_and_signed() {
    let identity = BTreeMap::from([("mac".to_owned(), "02".to_owned()), ("sn".to_owned(), "1".to_owned())]);
    let key = || Key::from_stream(&mut World::on_sockets(1).seeds.stream("key"));
    let request = auth_request(&identity, &key(), "tenant");
    assert_eq!(request, auth_request(&identity, &key(), "tenant"));
    assert!(request.body.ends_with(b"\n"), "the signature is over the body with its newline");
    let header = |name: &str| request.headers.iter().find(|(known, _)| known == name).unwrap().1.clone();
    assert_eq!(header("Authorization"), "Bearer tenant");
    assert_eq!(header("X-MEN-Signature"), key().sign(&request.body));
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["id_data"], r#"{"mac":"02","sn":"1"}"#);
    assert_eq!(body["tenant_token"], "tenant");
    assert_eq!(body["pubkey"], key().public_pem());
}

#[test]
fn an_update_takes_ten_requests() {
    let outcome = run(Script::default(), SimulatedBody::new("hvac-7".into(), "v1"));
    let from = outcome.wire.iter().position(|note| note.starts_with("next")).unwrap();
    let expected = [
        "next v2 factory-v1",
        "downloading",
        "get",
        "installing",
        "rebooting",
        "auth 200",
        "installing",
        "success",
        "inventory v2",
        "next v2 v2",
    ];
    assert_eq!(outcome.wire[from..from + 10], expected);
}

/// An event, but for since when it had asked.
fn told(event: &DeviceEvent) -> String {
    let text = format!("{event:?}");
    text.split_once(", asked: ").map_or(text.clone(), |(before, _)| format!("{before} }}"))
}

#[test]
fn what_a_device_saw_of_a_good_update() {
    let outcome = run(Script::default(), SimulatedBody::new("hvac-7".into(), "v1"));
    let kinds = |event: &&DeviceEvent| {
        !matches!(event, DeviceEvent::Polled { status: 204, .. } | DeviceEvent::InventorySent { .. })
    };
    let events: Vec<String> = outcome.events.iter().filter(kinds).map(told).collect();
    let length = good_artifact("v2").len();
    let reported = |status: &str| format!(r#"Reported {{ deployment: "d1", status: "{status}", answer: 204 }}"#);
    assert_eq!(
        events,
        [
            r#"Booted { version: "v1", healthy: true, trial: false }"#.to_owned(),
            "Knocked { status: 200 }".to_owned(),
            "Authenticated".to_owned(),
            "Polled { status: 200 }".to_owned(),
            r#"Offered { deployment: "d1", artifact: "v2" }"#.to_owned(),
            reported("downloading"),
            r#"DownloadStarted { deployment: "d1" }"#.to_owned(),
            format!(r#"Downloaded {{ deployment: "d1", bytes: {length} }}"#),
            reported("installing"),
            r#"InstallStarted { deployment: "d1" }"#.to_owned(),
            reported("rebooting"),
            r#"Booted { version: "v2", healthy: true, trial: true }"#.to_owned(),
            "Knocked { status: 200 }".to_owned(),
            reported("installing"),
            r#"Committed { deployment: "d1", version: "v2" }"#.to_owned(),
            reported("success"),
            r#"Finished { deployment: "d1", success: true, version: "v2", inconsistent: false }"#.to_owned(),
        ]
    );
}

#[test]
fn the_inventory_is_sent_after_every_tenth_poll() {
    let outcome = run(idle(), Module::new(false));
    let sent = seconds(&outcome, |event| matches!(event, DeviceEvent::InventorySent { status: 200, .. }));
    // After authentication, after the answer that it runs already, then after polls 10, 20, …
    assert_eq!(sent[..4], [0, 5, 5 + 9 * 60, 5 + 19 * 60]);
}

#[test]
fn a_dead_token_makes_it_show_its_identity_again() {
    let outcome = run(Script { forgets_after: Some(4), ..idle() }, Module::new(false));
    let dead = outcome.wire.iter().position(|note| note == "401").unwrap();
    assert_eq!(outcome.wire[dead + 1], "auth 200");
    assert!(outcome.events.iter().any(|event| matches!(event, DeviceEvent::Polled { status: 401, .. })));
}

#[test]
fn a_rejected_device_knocks_and_asks_for_nothing() {
    // It is told so once at an inventory, once at a poll.
    for after in [4, 5] {
        let script = Script { forgets_after: Some(after), rejects_from: Some(2), ..idle() };
        let outcome = run(script, Module::new(false));
        let dead = outcome.wire.iter().position(|note| note == "401").unwrap();
        assert!(outcome.wire[dead + 1..].iter().all(|note| note == "auth 401"), "{:?}", outcome.wire);
        assert!(outcome.wire.len() > dead + 10);
    }
}

#[test]
fn a_broken_download_goes_on_where_it_broke() {
    let script = Script { breaks: vec![1_000, 0, 7_000], ..Script::default() };
    let outcome = run(script, SimulatedBody::new("hvac-7".into(), "v1"));
    let gets: Vec<_> = outcome.wire.iter().filter(|note| note.starts_with("get")).collect();
    assert_eq!(gets, ["get", "get from 1000", "get from 1000", "get from 8000"]);
    assert_eq!(outcome.artifact(), "v2");
}

#[test]
fn a_download_that_never_comes_fails_the_update() {
    let outcome = run(Script { breaks: vec![10; 20], ..Script::default() }, SimulatedBody::new("hvac-7".into(), "v1"));
    assert_eq!(outcome.wire.iter().filter(|note| note.starts_with("get")).count(), 10);
    assert_eq!(outcome.wire[outcome.wire.len() - 1], "next v2 factory-v1");
    assert!(outcome.wire.iter().any(|note| note == "failure"));
}

#[test]
fn a_platform_that_hangs_is_given_up_after_a_while() {
    let outcome = run(Script { vanishes_at_auth: Some(1), ..Script::default() }, Module::new(false));
    let hung = DeviceEvent::Unreachable { error: "no answer within 30 s".into() };
    assert!(outcome.events.iter().filter(|event| **event == hung).count() > 10);
}

#[test]
fn a_platform_that_is_not_there_is_evidence() {
    let config = DeviceConfig { server: "nowhere".into(), ..config("hvac-7") };
    let outcome = run_with(Script::default(), config, Module::new(false), Duration::from_secs(100), NOW);
    let gone = DeviceEvent::Unreachable { error: "nobody listens at `nowhere`".into() };
    assert_eq!(outcome.events.iter().filter(|event| **event == gone).count(), 3);
}

#[test]
fn a_retired_device_polls_once_more_and_is_silent() {
    let orders = [(Duration::ZERO, Order::Knock), (Duration::from_secs(100), Order::Retire)];
    let run = |script| run_with(script, config("hvac-7"), Module::new(false), Duration::from_secs(4_000), &orders);
    for (script, status) in [(idle(), 204), (Script { forgets_after: Some(6), ..idle() }, 401)] {
        let outcome = run(script);
        assert_eq!(outcome.events.last(), Some(&DeviceEvent::Retired { status }));
        assert_eq!(seconds(&outcome, |_| true).last(), Some(&100));
    }
}

#[test]
fn nothing_is_said_before_the_first_order() {
    let outcome = run_with(idle(), config("hvac-7"), Module::new(false), Duration::from_secs(4_000), &[]);
    assert!(outcome.wire.is_empty() && outcome.events.is_empty());
}

#[test]
fn an_update_is_finished_after_the_device_was_switched_off() {
    // The record says that the update is committed and not yet told.
    let record = r#"{"artifact":"v2","update":{"deployment":"d1","artifact":"v2","stage":"Report",
        "told":"installing","outcome":"success","brings":{"provides":{},"clears":[],"scripts":[]},
        "supports_rollback":true,"needs_reboot":true,"inconsistent":false,"rollback_reboots":0,"why":""}}"#;
    let outcome = run(Script::default(), Module { record: record.into(), ..Module::new(true) });
    assert_eq!(outcome.wire[..3], ["auth 200", "success", "inventory v2"]);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = || {
        let outcome = run(Script { breaks: vec![100], ..Script::default() }, SimulatedBody::new("hvac-7".into(), "v1"));
        (outcome.times, outcome.events, outcome.wire)
    };
    assert_eq!(run(), run());
}

#[test]
fn sockets_carry_the_same_update() {
    let runtime = Runtime::real_time().unwrap();
    let outcome = runtime.block_on(async {
        let fast = DeviceConfig {
            poll: Duration::from_millis(200),
            phase: Duration::from_millis(10),
            jitter: 0,
            boot_time: Duration::from_millis(20),
            ..config("hvac-7")
        };
        let body = SimulatedBody::new("hvac-7".into(), "v1");
        run_in(World::on_sockets(1), Script::default(), fast, body, Duration::from_millis(1_500), NOW).await
    });
    assert_eq!(
        outcome.update(),
        ["downloading", "get", "installing", "rebooting", "auth 200", "installing", "success"]
    );
    assert_eq!(outcome.artifact(), "v2");
}
