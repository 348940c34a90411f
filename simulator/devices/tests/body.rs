#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! The simulated body: what an image can do to a device, and power cut in every flash operation.

mod fixture;

use fixture::{Outcome, Script, config, run, run_with};
use fleetproof_devices::{Body, BodyCall, Cause, DeviceEvent, Health, Image, Order, SimulatedBody};
use fleetproof_wire::image::{ALL, update_artifact, write};
use std::time::Duration;

const OLD: &str = "factory-v1";

fn image(word: &str, affects: u32) -> Image {
    Image { version: "v2".into(), misbehaves: Some(word.into()), seed: 3, affects }
}

fn body() -> SimulatedBody {
    SimulatedBody::new("hvac-7".into(), "v1")
}

/// What becomes of a device that is offered an image that misbehaves.
fn misbehaving(word: &str) -> Outcome {
    run(Script { artifact: update_artifact("v2", &image(word, ALL), 3_000), ..Script::default() }, body())
}

fn boots(outcome: &Outcome) -> Vec<(String, bool, bool)> {
    let boot = |event: &DeviceEvent| match event {
        DeviceEvent::Booted { version, healthy, trial } => Some((version.clone(), *healthy, *trial)),
        _ => None,
    };
    outcome.events.iter().filter_map(boot).collect()
}

fn finished(outcome: &Outcome) -> Option<(bool, String, bool)> {
    outcome.events.iter().find_map(|event| match event {
        DeviceEvent::Finished { success, version, inconsistent, .. } => {
            Some((*success, version.clone(), *inconsistent))
        }
        _ => None,
    })
}

fn saw(outcome: &Outcome, wanted: impl Fn(&DeviceEvent) -> bool) -> bool {
    outcome.events.iter().any(wanted)
}

#[test]
fn what_can_be_undone_is_rolled_back() {
    for word in ["never_boots", "hangs", "loses_network", "fails_install", "fails_commit"] {
        let outcome = misbehaving(word);
        assert!(saw(&outcome, |event| matches!(event, DeviceEvent::InstallStarted { .. })), "{word}");
        let back = |event: &DeviceEvent| matches!(event, DeviceEvent::RolledBack { version, .. } if version == "v1");
        assert!(saw(&outcome, back), "{word}");
        assert!(!saw(&outcome, |event| matches!(event, DeviceEvent::Committed { .. })), "{word}");
        assert_eq!(finished(&outcome), Some((false, "v1".into(), false)), "{word}");
        assert_eq!(boots(&outcome).last().unwrap(), &("v1".into(), true, false), "{word}");
        assert_eq!(outcome.artifact(), OLD, "{word}");
        let update = outcome.update();
        assert_eq!(update[update.len() - 2..], ["failure", "log"], "{word}");
    }
}

#[test]
fn an_image_that_does_not_come_up_is_tried_once() {
    for word in ["never_boots", "hangs"] {
        let v = |version: &str, healthy, trial| (version.to_owned(), healthy, trial);
        // From the factory; on trial; what ran before; and once more after the rollback.
        let expected = [v("v1", true, false), v("v2", false, true), v("v1", true, false), v("v1", true, false)];
        assert_eq!(boots(&misbehaving(word)), expected, "{word}");
    }
}

#[test]
fn without_network_it_waits_and_goes_back() {
    let outcome = misbehaving("loses_network");
    let lost = DeviceEvent::Unreachable { error: "the network is unreachable".into() };
    assert_eq!(outcome.events.iter().filter(|event| **event == lost).count(), 10);
    assert!(boots(&outcome).contains(&("v2".into(), true, true)));
}

#[test]
fn a_bad_checksum_or_device_type_is_never_installed() {
    for word in ["bad_checksum", "wrong_device_type"] {
        let outcome = misbehaving(word);
        assert_eq!(outcome.update(), ["downloading", "get", "failure", "log"], "{word}");
        assert!(!saw(&outcome, |event| matches!(event, DeviceEvent::InstallStarted { .. })), "{word}");
        assert_eq!((finished(&outcome), outcome.artifact()), (Some((false, "v1".into(), false)), OLD), "{word}");
    }
}

#[test]
fn a_rollback_that_fails_leaves_it_inconsistent_and_says_so() {
    let outcome = misbehaving("fails_rollback");
    assert_eq!(finished(&outcome), Some((false, "v2".into(), true)));
    assert_eq!(outcome.artifact(), "v2_INCONSISTENT");
    assert!(!saw(&outcome, |event| matches!(event, DeviceEvent::RolledBack { .. })));
    assert_eq!(outcome.update().last().unwrap(), "log");
}

#[test]
fn what_nothing_can_save_is_never_heard_of_again() {
    for (word, trial, last) in [("bricks", true, "rebooting"), ("crashes_after_commit", false, "installing")] {
        let outcome = misbehaving(word);
        assert_eq!(boots(&outcome).last().unwrap(), &("v2".into(), false, trial), "{word}");
        assert_eq!(finished(&outcome), None, "{word}: the deployment stays unfinished");
        assert_eq!(outcome.wire.last().unwrap(), last, "{word}");
        let [.., booted, died] = outcome.events.as_slice() else { panic!("{word}") };
        assert!(matches!(booted, DeviceEvent::Booted { healthy: false, .. }), "{word}");
        assert!(matches!(died, DeviceEvent::Died { .. }), "{word}");
    }
}

#[test]
fn an_image_misbehaves_on_those_it_affects_only() {
    let image = image("fails_commit", 300_000);
    for n in 0..20 {
        let name = format!("hvac-{n}");
        let script = Script { artifact: update_artifact("v2", &image, 3_000), ..Script::default() };
        let now = [(Duration::ZERO, Order::Knock)];
        let body = SimulatedBody::new(name.as_str().into(), "v1");
        let outcome = run_with(script, config(&name), body, Duration::from_secs(600), &now);
        assert_eq!(finished(&outcome).unwrap().0, !image.is_affected(&name), "{name}");
    }
}

/// Every flash operation of an update of 20,000 bytes: whichever loses power, the device ends in the
/// old version or in the new one, runs it, and tells the platform the same.
#[test]
fn power_cut_in_every_flash_operation_of_an_update() {
    let now = [(Duration::ZERO, Order::Knock)];
    let update = |at: Option<u64>| {
        let mut body = body();
        at.into_iter().for_each(|at| body.cut_power_at(at));
        run_with(Script::default(), config("hvac-7"), body, Duration::from_secs(300), &now)
    };
    let uncut = update(None).events;
    let (mut olds, mut news) = (0, 0);
    // A cut in the bootloader shows only as a longer boot, so the end is where several change nothing.
    let (mut operation, mut unchanged) = (0, 0);
    while unchanged < 5 {
        operation += 1;
        let outcome = update(Some(operation));
        let boots = boots(&outcome);
        let (version, healthy, _) = boots.last().unwrap();
        assert!(*healthy, "cut at {operation}: {boots:?}");
        let (artifact, word) = if version == "v1" { (OLD, "failure") } else { ("v2", "success") };
        assert_eq!(outcome.artifact(), artifact, "cut at {operation}");
        let told = outcome.wire.iter().rev().find(|note| ["success", "failure"].contains(&note.as_str()));
        assert_eq!(told.unwrap(), word, "cut at {operation}");
        unchanged = if outcome.events == uncut { unchanged + 1 } else { 0 };
        *(if version == "v1" { &mut olds } else { &mut news }) += 1;
    }
    // 20 pages and 79 rows of the image; some more for the settings and the record.
    assert!((115..170).contains(&operation) && olds > 99 && news > 15, "{operation}: {olds} old, {news} new");
}

#[tokio::test]
async fn the_bootloader_always_starts_a_valid_image() {
    // Without an agent: write, install, boot, commit, one cut anywhere, then two boots.
    let image = write(&Image::good("v2", 5), 4_000);
    for at in 1..=40 {
        let mut body = body();
        body.cut_power_at(at);
        let mut went = body.write(image.clone()).await.is_ok();
        went = went && body.call(&BodyCall::Install).await.is_ok();
        if went {
            assert_eq!(body.boot().await.health, Health::Healthy, "cut at {at}");
            let _ = body.call(&BodyCall::Commit).await;
        }
        for _ in 0..2 {
            let boot = body.boot().await;
            assert_eq!(boot.health, Health::Healthy, "cut at {at}");
            assert!(["v1", "v2"].contains(&boot.version.as_str()), "cut at {at}");
        }
    }
}

#[tokio::test]
async fn settings_that_were_cut_are_the_old_ones() {
    let written = async || {
        let mut body = body();
        body.write(write(&Image::good("v2", 5), 4_000)).await.unwrap();
        body
    };
    for operation in 1..=2 {
        let mut body = written().await;
        body.cut_power_at(body.operations() + operation);
        assert_eq!(body.call(&BodyCall::Install).await, Err(Cause::PowerLost));
        assert_eq!(body.boot().await.version, "v1", "what was not installed is not tried");

        let mut body = written().await;
        body.call(&BodyCall::Install).await.unwrap();
        body.boot().await;
        body.cut_power_at(body.operations() + operation);
        assert_eq!(body.call(&BodyCall::Commit).await, Err(Cause::PowerLost));
        assert_eq!(body.boot().await.version, "v1", "what was not committed is reverted");
    }
}

#[tokio::test]
async fn an_image_that_is_not_committed_is_reverted_by_the_next_boot() {
    let mut body = body();
    body.write(write(&Image::good("v2", 5), 4_000)).await.unwrap();
    body.call(&BodyCall::Install).await.unwrap();
    assert_eq!(body.boot().await.version, "v2");
    assert!(body.call(&BodyCall::VerifyReboot).await.is_ok());
    assert_eq!(body.boot().await.version, "v1");
    assert!(body.call(&BodyCall::VerifyReboot).await.is_err());
}
