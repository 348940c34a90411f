#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! What is peculiar to a device: its clock, its line, its network, the key it tells releases by.

mod fixture;

use bytes::Bytes;
use fixture::{Outcome, Script, config, good_artifact, run_with};
use fleetproof_devices::{DeviceConfig, DeviceEvent, Flaky, Image, Nature, Order, ReleaseKey, SimulatedBody};
use fleetproof_wire::image::signed_artifact;
use std::sync::Arc;
use std::time::Duration;

fn with(nature: Nature, artifact: Bytes) -> Outcome {
    let config = DeviceConfig { nature, ..config("hvac-7") };
    let body = SimulatedBody::new("hvac-7".into(), "v1");
    let orders = [(Duration::ZERO, Order::Knock)];
    run_with(Script { artifact, ..Script::default() }, config, body, Duration::from_secs(3600), &orders)
}

fn installs(outcome: &Outcome) -> bool {
    outcome.events.iter().any(|event| matches!(event, DeviceEvent::InstallStarted { .. }))
}

fn succeeds(outcome: &Outcome) -> bool {
    outcome.events.iter().any(|event| matches!(event, DeviceEvent::Finished { success: true, .. }))
}

fn image(misbehaves: Option<&str>) -> Image {
    Image { misbehaves: misbehaves.map(str::to_owned), ..Image::good("v2", 9) }
}

#[test]
fn a_device_with_a_key_installs_what_is_signed_by_it_and_nothing_else() {
    let key = ReleaseKey::from_seed(b"release");
    let nature = || Nature { release: Some(Arc::new(key.check())), ..Nature::default() };
    let signed = |way, key| signed_artifact("v2", &image(way), 20_000, key);
    assert!(succeeds(&with(nature(), signed(None, &key))));
    let stranger = ReleaseKey::from_seed(b"another");
    let bad = [good_artifact("v2"), signed(None, &stranger), signed(Some("bad_signature"), &key)];
    for artifact in bad {
        let outcome = with(nature(), artifact);
        assert!(!installs(&outcome) && !succeeds(&outcome));
        assert_eq!(outcome.update(), ["downloading", "get", "failure", "log"]);
    }
    let careless = with(Nature::default(), signed(Some("bad_signature"), &key));
    assert!(succeeds(&careless), "who has no key does not look");
}

#[test]
fn a_link_that_has_expired_by_the_devices_clock_is_not_followed() {
    let ahead = |years: i64| Nature { skew_ms: years * 365 * 86_400_000, ..Nature::default() };
    let outcome = with(ahead(30), good_artifact("v2"));
    assert_eq!(outcome.update(), ["downloading", "failure", "log"], "not even tried");
    for years in [-30, 1] {
        assert!(succeeds(&with(ahead(years), good_artifact("v2"))), "{years}");
    }
}

#[test]
fn a_narrow_line_takes_its_time() {
    let finished = |bandwidth| {
        let outcome = with(Nature { bandwidth, ..Nature::default() }, good_artifact("v2"));
        let both = outcome.times.iter().zip(&outcome.events);
        let ends = |wanted: fn(&DeviceEvent) -> bool| both.clone().find(|(_, event)| wanted(event)).unwrap().0.micros();
        ends(|event| matches!(event, DeviceEvent::Downloaded { .. }))
            - ends(|event| matches!(event, DeviceEvent::DownloadStarted { .. }))
    };
    let bytes = good_artifact("v2").len() as u64;
    assert!(finished(None) < 1_000_000);
    let took = finished(Some(1_000));
    assert!(took >= bytes * 1_000 && took < bytes * 1_000 + 3_000_000, "{took} µs for {bytes} bytes");
}

#[test]
fn an_update_gets_through_a_network_that_comes_and_goes() {
    let flaky = Some(Flaky { offline: 400_000, gap: Duration::from_secs(20) });
    let outcome = with(Nature { flaky, bandwidth: Some(2_000), ..Nature::default() }, good_artifact("v2"));
    assert!(succeeds(&outcome), "{:?}", outcome.events);
    let calm = with(Nature::default(), good_artifact("v2"));
    assert_ne!(outcome.times, calm.times);
    let again = with(Nature { flaky, bandwidth: Some(2_000), ..Nature::default() }, good_artifact("v2"));
    assert_eq!(outcome.times, again.times, "the same seed, the same gaps");
}

#[test]
fn a_token_that_is_refused_is_told() {
    let script = Script { forgets_after: Some(4), offers: "factory-v1".into(), ..Script::default() };
    let orders = [(Duration::ZERO, Order::Knock)];
    let body = SimulatedBody::new("hvac-7".into(), "v1");
    let outcome = run_with(script, config("hvac-7"), body, Duration::from_secs(300), &orders);
    assert!(outcome.events.contains(&DeviceEvent::TokenRefused));
}
