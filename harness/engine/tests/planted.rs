#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! Defects of the data plane that claims on limits, neighbours and messages must catch: each is planted, a scenario is run, and the
//! claim that the catalogue names goes red. On a sound platform the same scenarios pass, twice the same byte for byte.

use fleetproof_dialects::mender::Mender;
use fleetproof_engine::{Settings, run};
use fleetproof_journal::{Journal, Secrets, Verdict, What, read};
use fleetproof_language::{Sources, read as read_scenario};
use fleetproof_plan::{ClockKind, plan};
use fleetproof_platform::broker_defects;
use fleetproof_stacks::Embedded;
use std::collections::BTreeSet;
use std::sync::Arc;

const HEAD: &str = r#"scenario: planted
budget: 20m
platform:
  tenants:
    acme: { device_limit: 10, admin: ada@acme.test, quotas: { QUOTAS } }
    globex: { device_limit: 10, admin: gus@globex.test }
devices:
  pump:     { tenant: acme,   simulated: 1, speaks: mqtt }
  gauge:    { tenant: acme,   simulated: 1, speaks: mqtt }
  rival:    { tenant: globex, simulated: 1, speaks: mqtt }
  watchman: { tenant: globex, simulated: 1, speaks: mqtt }
steps:
  - enroll: { devices: [pump, gauge, rival, watchman] }
"#;

/// A scenario in which one limit is tried.
fn limited(limit: &str, value: &str) -> String {
    let head = HEAD.replace("QUOTAS", &format!("{limit}: {value}"));
    format!("{head}  - expect: {{ quota: {{ tenants: [acme], limits: [{limit}] }} }}\n")
}

/// A scenario in which devices speak and listen.
fn messages() -> String {
    let head = HEAD.replace(", quotas: { QUOTAS }", "");
    let steps = r#"
  - mqtt: { publish: { devices: [pump], topic: app/all/plan, text: kept, retain: true } }
  - mqtt: { subscribe: { devices: [pump], topic: app/all/plan, name: own } }
  - mqtt: { subscribe: { devices: [rival], topic: app/all/plan, name: other } }
  - expect: { within: 20s, received: { subscription: own, count: 1, text: kept } }
  - expect: { within: 20s, received: { subscription: other, count: 0, text: kept } }
  - mqtt: { publish: { devices: [pump], topic: $aws/things/pump-1/jobs/get, text: "{}" } }
  - mqtt: { publish: { devices: [gauge], topic: $aws/things/pump-1/jobs/get, text: "{}", refused: forbidden } }
"#;
    format!("{head}{steps}")
}

/// A crowd of one tenant publishes while the devices of another are measured.
fn storm() -> String {
    r#"scenario: planted
platform:
  tenants:
    loud:  { device_limit: 100, admin: lou@loud.test }
    quiet: { device_limit: 50, admin: quin@quiet.test }
devices:
  stadium: { tenant: loud,  simulated: 100, speaks: mqtt }
  clinic:  { tenant: quiet, simulated: 30, speaks: mqtt, publishes: { topic: vitals, every: 1s, size: 200 B } }
steps:
  - enroll: { devices: [stadium, clinic] }
  - measure: { name: calm, devices: [clinic], for: 5s }
  - while:
      background:
        - load: { publish: { devices: [stadium], topic: roar, every: 20ms, size: 100 B } }
      steps:
        - measure: { name: storm, devices: [clinic], for: 5s }
  - expect: { neighbour: { measure: storm, baseline: calm, p99: 1.5x, lost: 0 } }
"#
    .to_owned()
}

/// What is tried at two tenants' endpoints.
fn attacked() -> String {
    r#"scenario: Two accounts
platform:
  tenants:
    acme:   { admin: ada@acme.test }
    globex: { admin: gus@globex.test }
devices:
  lifts: { tenant: acme, simulated: 2, speaks: mqtt }
steps:
  - enroll: { devices: [lifts] }
  - expect: { isolation: { between: [acme, globex], surfaces: [mqtt] } }
"#
    .to_owned()
}

/// Runs a scenario: how it ended, what went wrong by the name of the claim or the step, and all that was told.
fn played(text: &str, defect: Option<&str>) -> (Verdict, BTreeSet<String>, Vec<u8>) {
    let mut sources = Sources::new();
    let file = sources.add("planted.yaml", text.to_owned());
    let script = read_scenario(&sources, file).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    let surfaces = Arc::new(Mender::surfaces(&Embedded::document()).unwrap());
    let scenario = Arc::new(script.scenario().clone());
    let plan = Arc::new(plan(scenario, Embedded::capabilities(), surfaces, 1, ClockKind::Virtual));
    let secrets = Secrets::new();
    let journal = Journal::in_memory(secrets.clone());
    let settings = Settings { defect: defect.map(str::to_owned), ..Settings::default() };
    let verdict = run(plan, Arc::new(sources), journal.clone(), secrets, &settings);
    let told = journal.finish().unwrap();
    let mut failed = BTreeSet::new();
    for event in read(std::str::from_utf8(&told).unwrap()).unwrap() {
        match event.what {
            What::Judged(judged) if judged.verdict == Verdict::Failed => drop(failed.insert(judged.claim)),
            What::StepDone { verdict: Verdict::Failed, detail, .. } => drop(failed.insert(detail)),
            _ => {}
        }
    }
    (verdict, failed, told)
}

/// The scenario that a defect of a limit turns red.
fn scenario_for(defect: &str) -> String {
    match defect {
        "connections-unheld" => limited("connections", "30"),
        "connect-rate-unheld" => limited("connect_rate", "20/s"),
        "client-connect-rate-unheld" => limited("connects_per_client", "2/s"),
        "publish-rate-unheld" | "inbound-counted-globally" | "takeover-crosses" => limited("publish_rate", "100/s"),
        "client-publish-rate-unheld" => limited("device_publish_rate", "50/s"),
        "bandwidth-unheld" => limited("connection_bandwidth", "64 KiB/s"),
        "in-flight-unheld" => limited("in_flight", "30"),
        "payload-off-by-one" => limited("payload", "4 KiB"),
        "subscriptions-per-packet" => limited("subscriptions", "20"),
        "filters-off-by-one" => limited("filters", "9"),
        "topic-levels-off-by-one" => limited("topic_levels", "7"),
        "retained-off-by-one" => limited("retained", "20"),
        "queued-off-by-one" => limited("queued", "20"),
        "jobs-unheld" => limited("jobs", "5"),
        "storage-off-by-one" => limited("storage", "128 KiB"),
        "session-expiry-unheld" => limited("session_expiry", "60s"),
        "client-limits-for-all" => limited("payload", "4 KiB")
            .replace("  - expect:", "  - configure: { tenant: globex, quotas: { payload: 8 KiB } }\n  - expect:"),
        "one-line-at-the-broker" => storm(),
        other if broker_defects::attacked().iter().any(|defect| defect.name == other) => attacked(),
        _ => messages(),
    }
}

fn caught(defect: &str, due: &str) -> Result<(), String> {
    let (verdict, failed, _) = played(&scenario_for(defect), Some(defect));
    let by = failed.iter().any(|what| what == due || (due == "mqtt" && what.contains("refused as")));
    match verdict == Verdict::Failed && by {
        true => Ok(()),
        false => Err(format!("{defect}: {verdict:?}, failed: {failed:?}")),
    }
}

#[test]
fn a_sound_platform_passes_and_does_so_twice_the_same() {
    let all = broker_defects::all();
    let scenarios: BTreeSet<String> = all.map(|defect| scenario_for(defect.name)).collect();
    for text in scenarios {
        let (verdict, _, told) = played(&text, None);
        assert_eq!(verdict, Verdict::Passed, "{text}\n{}", String::from_utf8_lossy(&told));
        assert!(played(&text, None).2 == told, "not the same again: {text}");
    }
}

#[test]
fn limits_that_are_not_held_are_seen() {
    let missed: Vec<String> =
        broker_defects::limits().iter().filter_map(|defect| caught(defect.name, defect.caught_by).err()).collect();
    assert_eq!(missed, [""; 0]);
}

#[test]
fn messages_that_reach_who_may_not_have_them_are_seen() {
    let missed: Vec<String> =
        broker_defects::messages().iter().filter_map(|defect| caught(defect.name, defect.caught_by).err()).collect();
    assert_eq!(missed, [""; 0]);
}

#[test]
fn what_reaches_from_one_client_to_another_is_seen() {
    let missed: Vec<String> =
        broker_defects::attacked().iter().filter_map(|defect| caught(defect.name, defect.caught_by).err()).collect();
    assert_eq!(missed, [""; 0]);
}
