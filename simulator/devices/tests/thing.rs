#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! A thing's life: the lobby, its endpoint, jobs, the shadow, the end.

mod broker;

use broker::{Endpoint, Running, Script, ScriptedJob, Seen, plan, serve_files};
use bytes::Bytes;
use fleetproof_devices::mqtt::{Format, Publishes, ThingPlan};
use fleetproof_devices::{Body, DeviceEvent, Image, Nature, Order, ReleaseKey, SimulatedBody};
use fleetproof_wire::image;
use fleetproof_wire::mqtt::packet::Qos;
use fleetproof_world::{Runtime, World};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn factory() -> SimulatedBody {
    SimulatedBody::new("hvac-7".into(), "v1")
}

fn settled() -> SimulatedBody {
    let mut body = factory();
    body.keep(br#"{"home":"home","record":{"artifact":"factory-v1"}}"#.to_vec()).unwrap();
    body
}

fn in_virtual_time<T>(work: impl AsyncFnOnce(World, Arc<Mutex<Seen>>) -> T) -> T {
    Runtime::virtual_time().unwrap().block_on(async { work(World::simulated(1), Arc::default()).await })
}

#[test]
fn a_device_from_the_factory_knocks_until_it_is_told_and_moves_in() {
    in_virtual_time(async |world, seen| {
        let lobby = Script { answers: [None, Some(0)].into(), tells: Some((3, "home".into())), ..Script::default() };
        let _lobby = Endpoint::start(&world, "lobby", lobby, &seen).await;
        let _home = Endpoint::start(&world, "home", Script::default(), &seen).await;
        let running = Running::start(&world, plan(), factory(), &seen);
        running.run(60).await;
        let notes = running.notes();
        let announced = "lobby: announced factory default lobby";
        assert_eq!(
            notes[..10],
            [
                "lobby: connect clean",
                "lobby: over",
                "lobby: connect clean",
                "lobby: subscribe 1",
                announced,
                announced,
                announced,
                "lobby: disconnect",
                "lobby: over",
                "home: connect clean",
            ],
            "the first dial is thrown out: the lobby does not know the certificate yet"
        );
        let times = running.times(announced);
        assert!(times.windows(2).all(|pair| (5_000..5_010).contains(&(pair[1] - pair[0]))), "{times:?}");
        let moved = running.times("home: connect clean")[0] - running.times("lobby: disconnect")[0];
        assert!((5_000..5_200).contains(&moved), "it starts anew after 5 s: {moved}");
        let home: Vec<&str> = notes.iter().filter_map(|note| note.strip_prefix("home: ")).collect();
        assert_eq!(
            home,
            ["connect clean", "subscribe 8", "subscribe 1", "reported v1", "start-next", "ping", "ping"][..home.len()]
        );
        assert!(home.len() >= 5);
        let events = running.events();
        let told = DeviceEvent::Routed { endpoint: "home".into() };
        let (told, in_) = (
            events.iter().position(|event| *event == told),
            events.iter().position(|event| *event == DeviceEvent::Authenticated),
        );
        assert!(told.is_some() && told < in_);
    });
}

#[test]
fn where_it_belongs_survives_a_loss_of_power_and_a_reset_forgets_it() {
    in_virtual_time(async |world, seen| {
        let _lobby = Endpoint::start(&world, "lobby", Script::default(), &seen).await;
        let home = Endpoint::start(&world, "home", Script::default(), &seen).await;
        let running = Running::start(&world, plan(), settled(), &seen);
        running.run(20).await;
        assert_eq!((running.count("home: connect clean"), running.count("lobby: connect clean")), (1, 0));
        home.say("lobby/hvac-70", r#"{"config":"factory reset"}"#);
        running.run(20).await;
        assert_eq!(running.count("lobby: connect clean"), 0, "that was for another");
        home.say("lobby/hvac-7", r#"{"config":"factory reset"}"#);
        running.run(20).await;
        assert_eq!(running.saw(|event| *event == DeviceEvent::FactoryReset), 1);
        assert!(running.count("lobby: announced factory default lobby") >= 2);
        assert_eq!(running.count("home: connect clean"), 1);
    });
}

#[test]
fn a_re_route_is_followed() {
    in_virtual_time(async |world, seen| {
        let home = Endpoint::start(&world, "home", Script::default(), &seen).await;
        let _other = Endpoint::start(&world, "other", Script::default(), &seen).await;
        let running = Running::start(&world, plan(), settled(), &seen);
        running.run(20).await;
        home.say("lobby/hvac-7", r#"{"iotep":"other","config":"default config"}"#);
        running.run(20).await;
        assert_eq!((running.count("home: disconnect"), running.count("other: connect clean")), (1, 1));
        let left = running
            .events()
            .iter()
            .any(|event| *event == DeviceEvent::Disconnected { endpoint: "home".into(), why: "it left".into() });
        assert!(left);
    });
}

#[test]
fn who_is_refused_for_too_long_goes_to_the_lobby_and_says_so() {
    in_virtual_time(async |world, seen| {
        let lobby = Script { tells: Some((2, "other".into())), ..Script::default() };
        let _lobby = Endpoint::start(&world, "lobby", lobby, &seen).await;
        let _home = Endpoint::start(&world, "home", Script { refuses: true, ..Script::default() }, &seen).await;
        let _other = Endpoint::start(&world, "other", Script::default(), &seen).await;
        let patient = ThingPlan { refused_for: Duration::from_secs(60), ..plan() };
        let running = Running::start(&world, patient, settled(), &seen);
        running.run(400).await;
        assert_eq!(running.saw(|event| *event == DeviceEvent::TurnedBack { endpoint: "home".into() }), 1);
        let turned = running.times("lobby: announced refused home");
        assert_eq!(turned.len(), 2);
        assert!((60_000..260_000).contains(&turned[0]), "after 60 s, at the next refusal: {}", turned[0]);
        assert_eq!(running.count("other: connect clean"), 1);
        assert!(running.saw(|event| matches!(event, DeviceEvent::Refused { code: 5, .. })) >= 5);
    });
}

#[test]
fn an_endpoint_that_is_not_there_is_turned_away_from_and_tried_again() {
    in_virtual_time(async |world, seen| {
        // There is no lobby either.
        let patient = ThingPlan { refused_for: Duration::from_secs(60), ..plan() };
        let running = Running::start(&world, patient, settled(), &seen);
        running.run(300).await;
        assert!(running.saw(|event| matches!(event, DeviceEvent::TurnedBack { .. })) >= 1);
        let _home = Endpoint::start(&world, "home", Script::default(), &seen).await;
        running.run(1_000).await;
        assert_eq!(running.count("home: connect clean"), 1, "a lobby that is down does not keep it from its home");
    });
}

#[test]
fn the_shadow_sets_the_interval_and_conflicts_are_told_again() {
    in_virtual_time(async |world, seen| {
        let script = Script { conflicts: 2, wants_interval: Some(5), ..Script::default() };
        let _home = Endpoint::start(&world, "home", script, &seen).await;
        let publishes = Publishes {
            topic: "app/{thing}".into(),
            every: Duration::from_secs(60),
            size: 0,
            qos: Qos::AtLeastOnce,
            format: Format::Cbor,
        };
        let running = Running::start(&world, ThingPlan { publishes: vec![publishes], ..plan() }, settled(), &seen);
        running.run(31).await;
        let reported = running.seen.lock().unwrap().reported.clone();
        let told = |seconds: u64| json!({ "state": "running", "telemetryInterval": seconds, "version": "v1" });
        assert_eq!(reported, [told(60), told(5)]);
        assert_eq!(running.count("home: shadow conflict"), 2);
        assert_eq!(running.saw(|event| matches!(event, DeviceEvent::ShadowApplied { version: 8 })), 1);
        assert_eq!(running.saw(|event| matches!(event, DeviceEvent::InventorySent { status: 200, .. })), 2);
        assert_eq!(running.seen.lock().unwrap().ledger.tally().received, 6, "every 5 s");
    });
}

#[test]
fn a_subscription_that_is_refused_is_told() {
    in_virtual_time(async |world, seen| {
        let script = Script { refuses_filter: Some("lobby/"), ..Script::default() };
        let _home = Endpoint::start(&world, "home", script, &seen).await;
        let running = Running::start(&world, plan(), settled(), &seen);
        running.run(20).await;
        let refused = DeviceEvent::SubscriptionRefused { filter: "lobby/hvac-7".into(), code: 0x80 };
        assert_eq!(running.saw(|event| *event == refused), 1);
        assert_eq!(running.count("home: start-next"), 1, "the rest goes on");
    });
}

#[test]
fn a_retired_device_shows_itself_a_last_time() {
    for (refuses, status) in [(false, 200), (true, 401)] {
        in_virtual_time(async |world, seen| {
            let home = Endpoint::start(&world, "home", Script::default(), &seen).await;
            let running = Running::start(&world, plan(), settled(), &seen);
            running.run(20).await;
            home.script.lock().unwrap().refuses = refuses;
            running.orders.send(Order::Retire).unwrap();
            running.run(20).await;
            assert_eq!(running.saw(|event| *event == DeviceEvent::Retired { status }), 1);
            let said = running.notes().len();
            running.run(2_000).await;
            assert!(running.task.is_finished() && running.notes().len() == said, "then it is silent");
        });
    }
}

/// An update to `image` as a job, described by `file`, and changed by `change`.
fn updated(image: &Image, file: serde_json::Value, nature: Nature, change: impl FnOnce(&mut ScriptedJob)) -> Running {
    let bytes = image::write(image, 5_000);
    in_virtual_time(async |world, seen| {
        let mut job = ScriptedJob::of("http://storage/fw?X-Amz-Signature=1", file);
        change(&mut job);
        let _home = Endpoint::start(&world, "home", Script { job: Some(job), ..Script::default() }, &seen).await;
        serve_files(&world, "storage", BTreeMap::from([("/fw".into(), bytes)]), Duration::from_secs(2)).await;
        let config = fleetproof_devices::mqtt::ThingConfig { nature, ..broker::config(plan()) };
        let running = Running::start_as(&world, config, settled(), &seen);
        running.run(600).await;
        running
    })
}

fn good(version: &str) -> Image {
    Image::good(version, 9)
}

fn failed(reason: &str, why: &str) -> String {
    format!(r#"FAILED {}"#, json!({ "reason": reason, "why": why }))
}

fn ended(running: &Running) -> (bool, String) {
    let ended = running.events().into_iter().find_map(|event| match event {
        DeviceEvent::Finished { success, version, .. } => Some((success, version)),
        _ => None,
    });
    ended.unwrap()
}

#[test]
fn an_update_goes_through_its_self_test() {
    let running = updated(&good("v2"), json!({ "version": "v2", "filesize": 5000 }), Nature::default(), |_| {});
    assert_eq!(
        running.steps(),
        [
            r#"IN_PROGRESS {"receive":"0/5000"}"#,
            r#"IN_PROGRESS {"receive":"5000/5000"}"#,
            r#"IN_PROGRESS {"self_test":"ready","updatedBy":"0x1000000"}"#,
            r#"IN_PROGRESS {"self_test":"active","updatedBy":"0x1000000"}"#,
            r#"SUCCEEDED {"reason":"accepted  v2","updatedBy":"0x1000000"}"#,
        ]
    );
    assert_eq!(ended(&running), (true, "v2".into()));
    assert_eq!(
        running.notes().iter().filter(|note| note.starts_with("home: reported")).collect::<Vec<_>>(),
        ["home: reported v1", "home: reported v2"]
    );
    let events = running.events();
    let at = |wanted: &DeviceEvent| events.iter().position(|event| event == wanted).unwrap();
    let deployment = || "AFR_OTA-1".to_owned();
    let order = [
        at(&DeviceEvent::DownloadStarted { deployment: deployment() }),
        at(&DeviceEvent::Downloaded { deployment: deployment(), bytes: 5_000 }),
        at(&DeviceEvent::InstallStarted { deployment: deployment() }),
        at(&DeviceEvent::Booted { version: "v2".into(), healthy: true, trial: true }),
        at(&DeviceEvent::Committed { deployment: deployment(), version: "v2".into() }),
    ];
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn an_artifact_of_the_other_dialect_is_installed_too() {
    let artifact = image::update_artifact("v2", &good("v2"), 20_000);
    in_virtual_time(async |world, seen| {
        let job = ScriptedJob::of("http://storage/fw", json!({}));
        let _home = Endpoint::start(&world, "home", Script { job: Some(job), ..Script::default() }, &seen).await;
        serve_files(&world, "storage", BTreeMap::from([("/fw".into(), artifact)]), Duration::ZERO).await;
        let running = Running::start(&world, plan(), settled(), &seen);
        running.run(300).await;
        assert_eq!(ended(&running), (true, "v2".into()));
    });
}

#[test]
fn an_image_that_does_not_come_up_is_rolled_back_and_the_job_fails() {
    for (misbehaves, why) in [
        ("never_boots", "version v1 runs: the bootloader has reverted"),
        ("loses_network", "the platform could not be reached before the commit"),
        ("fails_install", "the image failed to install"),
        ("fails_commit", "the image failed to commit"),
    ] {
        let image = Image { misbehaves: Some(misbehaves.into()), ..good("v2") };
        let running = updated(&image, json!({ "version": "v2" }), Nature::default(), |_| {});
        let last = running.steps().pop().unwrap();
        assert_eq!(last, failed("rejected: 0x00000016", why), "{misbehaves}");
        assert_eq!(ended(&running), (false, "v1".into()), "{misbehaves}");
    }
}

#[test]
fn older_same_and_mislabelled_versions_are_not_installed() {
    for (version, file, reason, why) in [
        ("v1", json!({ "version": "v1" }), "rejected: 0x00000010", "version v1 runs already"),
        ("v0.9", json!({ "version": "v0.9" }), "rejected: 0x0000000f", "v0.9 is older than v1"),
        ("v0.9", json!({}), "rejected: 0x0000000f", "v0.9 is older than v1"),
        ("v3", json!({ "version": "v2" }), "rejected: 0x00000016", "the image is v3, not v2 as the document says"),
        (
            "v2",
            json!({ "filesize": 5001 }),
            "0x00000008: 0x00000000",
            "the file has 5000 bytes, not 5001 as the document says",
        ),
    ] {
        let running = updated(&good(version), file, Nature::default(), |_| {});
        assert_eq!(running.steps().last().unwrap(), &failed(reason, why));
        assert_eq!(running.saw(|event| matches!(event, DeviceEvent::InstallStarted { .. })), 0, "{why}");
        assert_eq!(ended(&running), (false, "v1".into()));
    }
}

#[test]
fn a_device_with_a_key_installs_what_is_signed_by_it_and_nothing_else() {
    let key = ReleaseKey::from_seed(b"release");
    let nature = || Nature { release: Some(Arc::new(key.check())), ..Nature::default() };
    let bytes = image::write(&good("v2"), 5_000);
    let signed = |key: &ReleaseKey| {
        let signature = String::from_utf8(key.sign(&bytes).to_vec()).unwrap();
        json!({ "version": "v2", "sig-sha256-ecdsa": signature })
    };
    assert_eq!(ended(&updated(&good("v2"), signed(&key), nature(), |_| {})), (true, "v2".into()));
    for file in [json!({}), signed(&ReleaseKey::from_seed(b"another"))] {
        let running = updated(&good("v2"), file, nature(), |_| {});
        assert_eq!(ended(&running), (false, "v1".into()));
        assert_eq!(running.saw(|event| matches!(event, DeviceEvent::InstallStarted { .. })), 0);
    }
}

#[test]
fn a_job_that_cannot_be_done_is_rejected() {
    let running = updated(&good("v2"), json!({}), Nature::default(), |job| job.document = json!({ "reboot": true }));
    assert_eq!(running.steps(), [r#"REJECTED {"reason":"aborted: 0x0000000c","why":"the document has no afr_ota"}"#]);
    assert_eq!(ended(&running), (false, "v1".into()));
}

#[test]
fn a_self_test_that_the_device_knows_nothing_of_is_tampering() {
    let running = updated(&good("v2"), json!({ "version": "v2" }), Nature::default(), |job| {
        job.status = "IN_PROGRESS".into();
        job.details = json!({ "self_test": "ready" });
    });
    let why = "the service says that an image is being tested, and there is none";
    assert_eq!(running.steps(), [failed("rejected: 0x00000011", why)]);
}

#[test]
fn a_cancelled_job_is_given_up_wherever_it_stands() {
    // Before the download, before the installation, before the restart, in the self-test.
    for before in 1..=4 {
        let running = updated(&good("v2"), json!({ "version": "v2" }), Nature::default(), |job| {
            job.cancelled_before = Some(before)
        });
        assert_eq!(ended(&running), (false, "v1".into()), "before update {before}");
        let installed = running.saw(|event| matches!(event, DeviceEvent::InstallStarted { .. }));
        assert_eq!(installed, usize::from(before > 2), "before update {before}");
        let rolled_back = running.saw(|event| matches!(event, DeviceEvent::RolledBack { .. }));
        assert_eq!(rolled_back, usize::from(before >= 2), "before update {before}");
    }
}

#[test]
fn versions_that_somebody_else_changed_are_told_again() {
    for before in 1..=5 {
        let running = updated(&good("v2"), json!({ "version": "v2" }), Nature::default(), |job| {
            job.changed_before = Some(before)
        });
        assert_eq!(ended(&running), (true, "v2".into()), "before update {before}");
    }
}

#[test]
fn an_answer_that_is_lost_does_not_end_the_job() {
    for lost in 1..=5 {
        let running =
            updated(&good("v2"), json!({ "version": "v2" }), Nature::default(), |job| job.unanswered = Some(lost));
        assert_eq!(ended(&running), (true, "v2".into()), "answer {lost}");
        assert_eq!(running.steps().last().unwrap(), r#"SUCCEEDED {"reason":"accepted  v2","updatedBy":"0x1000000"}"#);
    }
}

#[test]
fn an_update_is_finished_after_the_power_was_cut_anywhere() {
    let bytes = image::write(&good("v2"), 2_000);
    let cut = |at: u64| {
        in_virtual_time(async |world, seen| {
            let job = ScriptedJob::of("http://storage/fw", json!({ "version": "v2" }));
            let home = Endpoint::start(&world, "home", Script { job: Some(job), ..Script::default() }, &seen).await;
            serve_files(&world, "storage", BTreeMap::from([("/fw".into(), bytes.clone())]), Duration::ZERO).await;
            let mut body = settled();
            body.cut_power_at(body.operations() + at);
            let running = Running::start(&world, plan(), body, &seen);
            running.run(900).await;
            let status = home.script.lock().unwrap().job.as_ref().unwrap().status.clone();
            let runs = running.events().iter().rev().find_map(|event| match event {
                DeviceEvent::Booted { version, .. } => Some(version.clone()),
                _ => None,
            });
            (status, runs.unwrap(), running.count("lobby: connect clean"))
        })
    };
    let mut outcomes = BTreeMap::new();
    for at in 1..=60 {
        let (status, runs, at_lobby) = cut(at);
        assert!(
            matches!((&*status, &*runs), ("SUCCEEDED", "v2") | ("FAILED", "v1")),
            "cut at {at}: {status}, {runs} runs"
        );
        assert_eq!(at_lobby, 0, "it knows where it belongs");
        *outcomes.entry(status).or_insert(0) += 1;
    }
    assert_eq!(outcomes.len(), 2, "some cuts cost the update, others do not: {outcomes:?}");
}

#[test]
fn an_update_is_finished_after_the_device_was_switched_off() {
    // The record says that the update is committed and not yet told.
    let record =
        br#"{"home":"home","numbers":5000,"record":{"artifact":"v2","update":{"deployment":"AFR_OTA-1","artifact":"v2",
        "stage":"Report","told":"installing","outcome":"success","brings":{"provides":{},"clears":[],"scripts":[]},
        "supports_rollback":true,"needs_reboot":true,"inconsistent":false,"rollback_reboots":0,"why":""}}}"#;
    in_virtual_time(async |world, seen| {
        let mut job = ScriptedJob::of("http://storage/fw", json!({}));
        (job.status, job.version) = ("IN_PROGRESS".into(), 5);
        job.details = json!({ "self_test": "active", "updatedBy": "0x1000000" });
        let _home = Endpoint::start(&world, "home", Script { job: Some(job), ..Script::default() }, &seen).await;
        let mut body = SimulatedBody::new("hvac-7".into(), "v2");
        body.keep(record.to_vec()).unwrap();
        let publishes = Publishes {
            topic: "app/{thing}".into(),
            every: Duration::from_secs(10),
            size: 0,
            qos: Qos::AtLeastOnce,
            format: Format::Json,
        };
        let running = Running::start(&world, ThingPlan { publishes: vec![publishes], ..plan() }, body, &seen);
        running.run(60).await;
        let told = running.steps();
        assert_eq!(told, [r#"SUCCEEDED {"reason":"accepted  v2","updatedBy":"0x1000000"}"#]);
        assert_eq!(ended(&running), (true, "v2".into()));
        assert_eq!(running.count("home: app/hvac-7 5001"), 1, "no number is given twice");
    });
}

#[test]
fn power_that_goes_while_it_moves_leaves_it_at_one_place_or_the_other() {
    for at in 1..=8 {
        in_virtual_time(async |world, seen| {
            let lobby = Script { tells: Some((1, "home".into())), ..Script::default() };
            let _lobby = Endpoint::start(&world, "lobby", lobby, &seen).await;
            let _home = Endpoint::start(&world, "home", Script::default(), &seen).await;
            let mut body = factory();
            body.cut_power_at(body.operations() + at);
            let running = Running::start(&world, plan(), body, &seen);
            running.run(120).await;
            assert_eq!(running.count("home: reported v1"), 1, "cut at {at}: {:?}", running.notes());
        });
    }
}

#[test]
fn a_device_that_is_sent_elsewhere_while_it_fetches_gives_the_job_up_where_it_was() {
    let bytes = image::write(&good("v2"), 5_000);
    in_virtual_time(async |world, seen| {
        let job = ScriptedJob::of("http://storage/fw", json!({ "version": "v2", "filesize": 5000 }));
        let home = Endpoint::start(&world, "home", Script { job: Some(job), ..Script::default() }, &seen).await;
        let _other = Endpoint::start(&world, "other", Script::default(), &seen).await;
        serve_files(&world, "storage", BTreeMap::from([("/fw".into(), bytes)]), Duration::from_secs(20)).await;
        let running = Running::start(&world, plan(), settled(), &seen);
        running.run(10).await;
        assert_eq!(running.saw(|event| matches!(event, DeviceEvent::DownloadStarted { .. })), 1);
        // Its own endpoint, told once more, is no reason to stop.
        home.say("lobby/hvac-7", r#"{"iotep":"home","config":"default config"}"#);
        running.run(2).await;
        home.say("lobby/hvac-7", r#"{"iotep":"other","config":"default config"}"#);
        running.run(30).await;
        let steps = running.steps();
        let last = steps.last().map(String::as_str);
        assert_eq!(last, Some(failed("aborted: 0x00000013", "the device is sent elsewhere").as_str()));
        assert_eq!(ended(&running), (false, "v1".into()));
        assert_eq!((running.count("home: disconnect"), running.count("other: connect clean")), (1, 1));
    });
}

#[test]
fn a_device_that_is_moved_in_the_middle_of_an_update_gives_it_up_and_goes() {
    let bytes = image::write(&good("v2"), 5_000);
    in_virtual_time(async |world, seen| {
        let lobby = Script { tells: Some((3, "other".into())), ..Script::default() };
        let _lobby = Endpoint::start(&world, "lobby", lobby, &seen).await;
        // It lets nobody in any more once the device restarts.
        let job = ScriptedJob::of("http://storage/fw", json!({ "version": "v2", "filesize": 5000 }));
        let answers = std::iter::once(Some(0)).chain([Some(5); 100]).collect();
        let home = Script { job: Some(job), answers, ..Script::default() };
        let _home = Endpoint::start(&world, "home", home, &seen).await;
        let _other = Endpoint::start(&world, "other", Script::default(), &seen).await;
        serve_files(&world, "storage", BTreeMap::from([("/fw".into(), bytes)]), Duration::from_secs(2)).await;
        let patient = ThingPlan { refused_for: Duration::from_secs(5), ..plan() };
        let running = Running::start(&world, patient, settled(), &seen);
        running.run(600).await;
        assert!(running.saw(|event| *event == DeviceEvent::TurnedBack { endpoint: "home".into() }) >= 1);
        assert_eq!(ended(&running), (false, "v1".into()), "it could not ask whether it may keep it");
        assert_eq!(running.count("other: reported v1"), 1);
        assert_eq!(running.count("other: start-next"), 1, "at home it asks for its job");
    });
}

#[test]
fn a_record_that_cannot_be_read_is_a_device_from_the_factory() {
    in_virtual_time(async |world, seen| {
        let _lobby = Endpoint::start(&world, "lobby", Script::default(), &seen).await;
        let mut body = factory();
        body.keep(Bytes::from_static(b"{\"home\":7}").to_vec()).unwrap();
        let running = Running::start(&world, plan(), body, &seen);
        running.run(20).await;
        assert!(running.count("lobby: announced factory default lobby") > 0);
    });
}
