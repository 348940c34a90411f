#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! What is filled in, and what fragments come to where they are used.

use fleetproof_language::{Claim, Live, MatrixRow, Piece, Scalar, Scenario, Script, Sources, Step, check, fragments};
use std::collections::BTreeMap;

const FRAGMENT: &str = r#"fragment: A fleet is updated
takes: { fleet: device, artifact: artifact, version: text, patience: duration }
steps:
  - deploy: { artifact: "{{ artifact }}", devices: ["{{ fleet }}"], name: rollout }
  - repeat:
      times: 2
      steps:
        - http: { method: get, path: "/api/{{ run.id }}/{{ round }}", status: 200, save: { thing: $.id } }
        - log: { text: "{{ thing }} of {{ fleet }}" }
  - expect:
      within: "{{ patience }}"
      updated: { devices: ["{{ fleet }}"], version: "{{ version }}" }
      untouched: { devices: ["{{ fleet }}"], deployment: rollout }
"#;

const USER: &str = r#"scenario: Fleets
matrix: { fleet: [25, 50], poll: [2s] }
vars: { version: { one_of: ["2.0", "2.10"] }, lag: { range: [3, 9] }, token: { secret: ACME_TOKEN } }
platform: { tenants: { acme: { device_limit: 300, admin: ada@acme.test } } }
artifacts: { v2: { version: "{{ version }}", size: 64 KiB } }
devices:
  hvac:  { tenant: acme, simulated: "{{ matrix.fleet }}", speaks: mender, runs: "1.0", poll: "{{ matrix.poll }}", boot_time: "{{ lag }}s" }
  lifts: { tenant: acme, simulated: 4, speaks: mender, runs: "1.0" }
steps:
  - log: { text: "seed {{ run.seed }}, key {{ token }}" }
  - parallel:
      branches:
        - - use: { fragment: ../parts/updated.fragment.yaml, with: { fleet: hvac, artifact: v2, version: "{{ version }}", patience: 60s } }
        - - use: { fragment: ../parts/updated.fragment.yaml, with: { fleet: lifts, artifact: v2, version: "{{ version }}", patience: 90s } }
"#;

fn script(user: &str) -> (Sources, Script) {
    let mut sources = Sources::new();
    let file = sources.add("lab/fleets.yaml", user.to_owned());
    for (used, path) in fragments(&sources, file) {
        assert_eq!(path, "parts/updated.fragment.yaml");
        sources.add_fragment(&path, FRAGMENT.as_bytes().to_vec(), used);
    }
    let (mut scripts, mistakes) = check(&sources, &[file]);
    let shown: Vec<String> = mistakes.iter().map(|mistake| mistake.render(&sources)).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
    (sources, scripts.pop().unwrap())
}

fn drawn(version: &str, lag: &str) -> BTreeMap<String, Scalar> {
    let version = Scalar { text: version.to_owned(), plain: false };
    let lag = Scalar { text: lag.to_owned(), plain: true };
    BTreeMap::from([("version".to_owned(), version), ("lag".to_owned(), lag)])
}

fn filled(sources: &Sources, script: &Script, row: &MatrixRow) -> Scenario {
    script.fill(sources, row, 7, &drawn("2.10", "4")).unwrap().0
}

#[test]
fn a_combination_is_filled_in_before_it_is_typed() {
    let (sources, script) = script(USER);
    let rows: Vec<String> = script.rows().iter().map(MatrixRow::name).collect();
    assert_eq!(rows, ["fleet=25, poll=2s", "fleet=50, poll=2s"]);
    let it = filled(&sources, &script, &script.rows()[1]);
    assert_eq!(it.scenario.value, "Fleets [fleet=50, poll=2s]");
    let hvac = it.devices.get("hvac").unwrap();
    assert_eq!((hvac.simulated.value, hvac.boot_time.as_ref().unwrap().as_secs()), (50, 4));
    assert_eq!(it.artifacts.get("v2").unwrap().version.value, "2.10");
    let Step::Log(log) = &it.steps[0].value else { panic!() };
    let due = [Piece::Text("seed 7, key ".to_owned()), Piece::Secret("token".to_owned())];
    assert_eq!(log.text.value, Live(due.to_vec()));
}

#[test]
fn what_a_fragment_declares_is_told_apart_by_its_use() {
    let (sources, script) = script(USER);
    let it = filled(&sources, &script, &script.rows()[0]);
    let Step::Parallel(parallel) = &it.steps[1].value else { panic!() };
    let mut spans = Vec::new();
    for (branch, steps) in (1..).zip(&parallel.branches) {
        let Step::Use(used) = &steps[0].value else { panic!() };
        let Step::Deploy(deploy) = &used.steps[0].value else { panic!() };
        assert_eq!(deploy.name.value, format!("2.{branch}.1/rollout"));
        let Step::Expect(expect) = &used.steps[2].value else { panic!() };
        let Claim::Untouched { deployment, devices } = &expect.claims[1].value else { panic!() };
        assert_eq!(deployment.value, deploy.name.value);
        assert_eq!(devices[0].value, ["hvac", "lifts"][branch - 1]);
        let Step::Repeat(repeat) = &used.steps[1].value else { panic!() };
        let (Step::Http(http), Step::Log(log)) = (&repeat.steps[0].value, &repeat.steps[1].value) else { panic!() };
        assert_eq!(http.path.written(), "/api/{{ run.id }}/{{ round }}");
        assert_eq!(log.text.value.0[0], Piece::Saved(format!("2.{branch}.1/thing")));
        // The same line of the same file, and still two places: each says from where it is used.
        let place = sources.place(used.steps[0].span).unwrap();
        assert_eq!((place.file.as_str(), place.line), ("parts/updated.fragment.yaml", 4));
        assert_eq!(sources.used(used.steps[0].span), Some(used.fragment.span));
        spans.push(used.steps[0].span);
    }
    assert_ne!(spans[0], spans[1]);
    assert_eq!(it.all_steps().len(), 14);
}

#[test]
fn steps_and_claims_are_worded_as_they_were_filled_in() {
    let (sources, script) = script(USER);
    let (it, wording) = script.fill(&sources, &script.rows()[0], 7, &drawn("2.10", "4")).unwrap();
    assert_eq!(wording.of(it.steps[0].span), r#"{ text: "seed 7, key {{ token }}" }"#);
    assert_eq!(wording.of(it.steps[1].span), "", "branches have lines of their own");
    let Step::Parallel(parallel) = &it.steps[1].value else { panic!() };
    for (branch, fleet, patience) in [(0, "hvac", "60s"), (1, "lifts", "90s")] {
        let Step::Use(used) = &parallel.branches[branch][0].value else { panic!() };
        let due = format!("{{ artifact: v2, devices: [{fleet}], name: rollout }}");
        assert_eq!(wording.of(used.steps[0].span), due);
        let Step::Expect(expect) = &used.steps[2].value else { panic!() };
        assert_eq!(wording.of(used.steps[2].span), format!("{{ within: {patience} }}"), "without its claims");
        let due = format!(r#"{{ devices: [{fleet}], version: "2.10" }}"#);
        assert_eq!(wording.of(expect.claims[0].span), due);
    }
}

#[test]
fn what_only_a_seed_draws_is_wrong_only_then() {
    let user = USER.replace("range: [3, 9]", "range: [0, 9]").replace("boot_time: \"{{ lag }}s\"", "boot_time: 1s");
    let (sources, script) = script(&user);
    assert!(script.fill(&sources, &script.rows()[0], 1, &drawn("2.0", "0")).is_ok());
    let wrong = script.fill(&sources, &script.rows()[0], 1, &drawn("", "0")).unwrap_err();
    assert!(wrong[0].render(&sources).contains("wrong-shape"), "{}", wrong[0].render(&sources));
}
