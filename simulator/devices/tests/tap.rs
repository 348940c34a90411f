#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! Updates whose connection is cut before any of their packets, and devices that become again what they were.

mod fixture;

use fixture::{Outcome, Script, config, run_with};
use fleetproof_devices::{DeviceConfig, DeviceEvent, Nature, Order, SimulatedBody, Tap, Tapped};
use std::sync::Arc;
use std::time::Duration;

/// What a device does under a tap that is open from the start.
fn under_a_tap(cut_at: Option<usize>, orders: &[(Duration, Order)]) -> (Outcome, Tapped) {
    let tap = Arc::<Tap>::default();
    tap.open(cut_at);
    let nature = Nature { tap: Some(tap.clone()), ..Nature::default() };
    let config = DeviceConfig { nature, ..config("hvac-7") };
    let body = SimulatedBody::new("hvac-7".into(), "v1");
    let outcome = run_with(Script::default(), config, body, Duration::from_secs(3600), orders);
    (outcome, tap.close())
}

const KNOCK: &[(Duration, Order)] = &[(Duration::ZERO, Order::Knock)];

#[test]
fn the_packets_of_an_update_are_counted_from_its_poll_to_its_inventory() {
    let (outcome, tapped) = under_a_tap(None, KNOCK);
    assert!(outcome.events.iter().any(|event| matches!(event, DeviceEvent::Finished { success: true, .. })));
    let both = |what: &str, status: u16| [what.to_owned(), format!("answer {status} to {what}")];
    let (status, auth) = ("PUT …/status", "POST …/auth_requests");
    let due: Vec<String> = [
        both("POST …/next", 200),
        both(status, 204),
        both("GET of the file", 200),
        both(status, 204),
        both(status, 204),
        both(auth, 200),
        both(status, 204),
        both(status, 204),
        both("PUT …/attributes", 200),
    ]
    .concat();
    let whole: Vec<String> = tapped.packets.iter().filter(|what| *what != "the rest of the file").cloned().collect();
    assert_eq!(whole, due);
    assert!(tapped.is_over && !tapped.is_cut);
    assert_eq!(tapped.packets.len() - whole.len(), 1, "a file that comes in pieces can be cut between them");
}

#[test]
fn an_update_ends_well_whichever_of_its_packets_is_cut() {
    let (calm, tapped) = under_a_tap(None, KNOCK);
    let heard = |outcome: &Outcome, what: &str| outcome.wire.iter().filter(|note| note.starts_with(what)).count();
    for (at, what) in tapped.packets.iter().enumerate() {
        let (outcome, cut) = under_a_tap(Some(at), KNOCK);
        assert!(cut.is_cut && cut.packets == tapped.packets[..=at], "{at}: {what}");
        let events = &outcome.events;
        let ends: Vec<_> = events.iter().filter(|event| matches!(event, DeviceEvent::Finished { .. })).collect();
        assert!(matches!(ends[..], [DeviceEvent::Finished { success: true, .. }]), "{at}, {what}: {events:?}");
        let told = "connection reset by the network";
        let seen = |event: &&DeviceEvent| matches!(event, DeviceEvent::Unreachable { error } if error.contains(told));
        assert_eq!(events.iter().filter(seen).count(), 1, "{at}: {what}");
        // What was cut on its way there was never heard; what was answered was, and comes a second time where it must be known.
        if what.contains("file") {
            let parts = heard(&outcome, "get") - heard(&calm, "get");
            assert_eq!(parts, usize::from(!what.starts_with("GET")), "{what}");
            assert_eq!(
                heard(&outcome, "get from"),
                usize::from(what.starts_with("the rest")),
                "it goes on where it broke"
            );
        }
    }
    let (outcome, cut) = under_a_tap(Some(tapped.packets.len()), KNOCK);
    assert!(!cut.is_cut && cut.is_over, "there is no such packet");
    assert_eq!(outcome.update(), calm.update());
}

#[test]
fn a_device_becomes_again_what_it_was() {
    let orders = [
        (Duration::ZERO, Order::Knock),
        (Duration::ZERO, Order::Save),
        (Duration::from_secs(1800), Order::Restore),
        (Duration::from_secs(1800), Order::Restore),
    ];
    let (outcome, _) = under_a_tap(None, &orders);
    let at = |wanted: &DeviceEvent| outcome.events.iter().position(|event| event == wanted).unwrap();
    let restored = at(&DeviceEvent::Restored);
    assert!(at(&DeviceEvent::Saved) < restored);
    let after: Vec<String> = outcome.events[restored..]
        .iter()
        .filter(|event| !matches!(event, DeviceEvent::Polled { .. }))
        .map(|event| format!("{event:?}"))
        .collect();
    let once = [
        "Restored",
        r#"Booted { version: "v1", healthy: true, trial: false }"#,
        "Knocked { status: 200 }",
        "Authenticated",
        r#"InventorySent { status: 200, version: "factory-v1" }"#,
    ];
    assert_eq!(after[..10], [once, once].concat());
    let (never, _) = under_a_tap(None, &[(Duration::ZERO, Order::Knock), (Duration::from_secs(1800), Order::Restore)]);
    assert!(!never.events.contains(&DeviceEvent::Restored), "nothing was saved");
}
