//! Runs per combination, fragments, steps inside steps, requests of one's own: as a user has them.

use crate::tool::{Folder, Said, files, fleetproof_in};
use serde_json::Value;

const FRAGMENT: &str = "fragment: A fleet that is enrolled and online
takes: { fleet: device }
steps:
  - enroll: { devices: [\"{{ fleet }}\"] }
  - expect: { within: 60s, online: { devices: [\"{{ fleet }}\"] } }
";

const FLOW: &str = "scenario: Flow
matrix: { fleet: [2, 3] }
vars: { wait: { range: [1, 9] }, kind: { one_of: [hot, cold] } }
platform:
  tenants:
    acme: { device_limit: 10, admin: ada@acme.test }
    globex: { device_limit: 10, admin: gus@globex.test }
devices:
  hvac: { tenant: acme, simulated: \"{{ matrix.fleet }}\", speaks: mender, runs: \"1.0\" }
  lifts: { tenant: globex, simulated: 2, speaks: mender, runs: \"1.0\" }
steps:
  - parallel:
      branches:
        - - use: { fragment: parts/enrolled.fragment.yaml, with: { fleet: hvac } }
          - log: { text: \"{{ kind }} side is in\" }
        - - use: { fragment: parts/enrolled.fragment.yaml, with: { fleet: lifts } }
  - repeat:
      times: 2
      steps:
        - log: { text: \"round {{ round }} of {{ run.id }}\" }
        - wait_until: { elapsed: { for: \"{{ wait }}s\" } }
  - http: { method: get, path: \"/api/management/v2/devauth/devices?per_page=1\", by: ada@acme.test, status: 200, save: { first: \"$[0].id\" } }
  - http: { method: get, path: \"/api/management/v2/devauth/devices/{{ first }}\", by: ada@acme.test, status: 200, body: { \"$.id\": \"{{ first }}\", $.status: accepted } }
";

const END: &str = "  - expect: { within: 20s, counts: { tenant: acme, accepted: \"{{ matrix.fleet }}\" } }\n";

/// A folder with the scenario and its fragment.
fn folder(name: &str, text: &str) -> Folder {
    let folder = Folder::new(&format!("flow-{name}"));
    std::fs::create_dir(folder.join("parts")).unwrap();
    std::fs::write(folder.join("parts/enrolled.fragment.yaml"), FRAGMENT).unwrap();
    std::fs::write(folder.join("flow.yaml"), text).unwrap();
    folder
}

fn run(folder: &Folder, more: &[&str]) -> Said {
    fleetproof_in(folder.path(), &[&["run", "flow.yaml", "--report", "out", "--keep-going"], more].concat())
}

fn events(folder: &Folder) -> Vec<Value> {
    let journal = std::fs::read_to_string(folder.join("out/run.jsonl")).unwrap();
    journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The numbers of all steps, in the order in which they began.
fn numbers(events: &[Value]) -> Vec<String> {
    let begun = events.iter().filter_map(|event| event["what"]["step"]["index"].as_str());
    begun.map(str::to_owned).collect()
}

#[test]
fn every_combination_is_run_and_told_by_its_values() {
    let folder = folder("rows", &format!("{FLOW}{END}"));
    let said = run(&folder, &["--seed", "3"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("Flow [fleet=2]") && said.err.contains("Flow [fleet=3]"), "{}", said.err);
    let events = events(&folder);
    let rows: Vec<&Value> =
        events.iter().map(|event| &event["what"]["scenario"]["matrix"]).filter(|row| !row.is_null()).collect();
    assert_eq!(rows, [&serde_json::json!({ "fleet": "2" }), &serde_json::json!({ "fleet": "3" })]);
    let numbers = numbers(&events);
    let one = &numbers[..numbers.len() / 2];
    for number in ["1", "1.1.1", "1.1.1.2", "1.1.2", "1.2.1.1", "2", "2.1.1", "2.2.2", "5"] {
        assert!(one.iter().any(|has| has == number), "{number} is not among {one:?}");
    }
    let notes: Vec<&str> = events.iter().filter_map(|event| event["what"]["note"]["text"].as_str()).collect();
    assert!(notes.iter().any(|note| note.starts_with("round 2 of run-")), "{notes:?}");
    assert!(notes.iter().all(|note| !note.contains("{{")), "{notes:?}");
    let junit = std::fs::read_to_string(folder.join("out/junit.xml")).unwrap();
    assert!(junit.contains("Flow [fleet=3]") && junit.contains("matrix.fleet"), "{junit}");
}

#[test]
fn branches_give_the_same_journal_and_a_replay_finds_its_fragments() {
    let folder = folder("replay", &format!("{FLOW}{END}"));
    let said = run(&folder, &["--seed", "5"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let first = std::fs::read(folder.join("out/run.jsonl")).unwrap();
    run(&folder, &["--seed", "5", "--jobs", "1"]);
    assert_eq!(first, std::fs::read(folder.join("out/run.jsonl")).unwrap(), "another journal");
    std::fs::remove_dir_all(folder.join("parts")).unwrap();
    let said = fleetproof_in(folder.path(), &["replay", "out"]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(said.out.contains("Flow [fleet=3]: the journals are the same"), "{}", said.out);
}

#[test]
fn a_seed_narrows_a_matrix_of_seeds() {
    let text = format!("{FLOW}{END}").replace("fleet: [2, 3]", "fleet: [2], seed: [1, 2]");
    let folder = folder("seeds", &text);
    let said = run(&folder, &["--seed", "2"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("1 passed, 1 skipped"), "{}", said.err);
    assert!(said.err.contains("asks for another combination than seed 1"), "{}", said.err);
}

#[test]
fn what_is_needed_and_not_there_skips_with_the_reason() {
    let folder = folder("needs", &format!("{FLOW}{END}").replace("vars: {", "needs: [containers]\nvars: {"));
    let said = run(&folder, &["--seed", "2"]);
    assert_eq!(said.code, Some(4), "{}", said.err);
    assert!(said.err.contains("it needs `containers`, which is not there"), "{}", said.err);
    let planned = fleetproof_in(folder.path(), &["plan", "flow.yaml"]);
    assert!(planned.out.contains("skipped: it needs `containers`"), "{}", planned.out);
}

#[test]
fn a_step_inside_others_is_told_where_it_failed() {
    let step = "  - http: { method: get, path: \"/api/management/v2/devauth/devices/{{ first }}\", by: ada@acme.test, status: 418 }\n";
    let folder = folder("fails", &format!("{FLOW}  - repeat:\n      times: 3\n      steps:\n      {step}{END}"));
    let said = run(&folder, &["--seed", "1"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("step 5.1.1 http"), "{}", said.err);
    assert!(said.err.contains("418 must come back; came back 200"), "{}", said.err);
    assert!(!numbers(&events(&folder)).iter().any(|number| number == "5.2.1"), "a round after one that failed");
}

#[test]
fn a_refusal_of_a_request_needs_that_somebody_is_granted_it() {
    let refused = "  - http: { method: get, path: \"/api/management/v2/devauth/devices/{{ first }}\", by: gus@globex.test, refused: unseen }\n";
    let folder = folder("controlled", &format!("{FLOW}{refused}{END}"));
    let said = run(&folder, &["--seed", "1"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let uncontrolled = FLOW.lines().filter(|line| !line.contains("$.status")).collect::<Vec<_>>().join("\n");
    std::fs::write(folder.join("flow.yaml"), format!("{uncontrolled}\n{refused}{END}")).unwrap();
    let said = run(&folder, &["--seed", "1"]);
    assert_eq!(said.code, Some(4), "{}", said.err);
    assert!(said.err.contains("nobody was granted `GET /api/management/v2/devauth/devices/"), "{}", said.err);
}

#[test]
fn a_secret_of_the_environment_is_sent_and_in_no_output() {
    let step = "  - log: { text: \"key {{ key }}\" }\n  - http: { method: get, path: /api/management/v2/devauth/devices, headers: { Authorization: \"Bearer {{ key }}\" }, refused: unauthenticated }\n";
    let granted =
        "  - http: { method: get, path: /api/management/v2/devauth/devices, by: ada@acme.test, status: 200 }\n";
    let text = format!("{FLOW}{step}{granted}{END}").replace("vars: {", "vars: { key: { secret: PATH },");
    let folder = folder("secret", &text);
    let said = run(&folder, &["--seed", "1"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let path = std::env::var("PATH").unwrap();
    for file in files(&folder.join("out")) {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        assert!(!text.contains(&path), "{} holds it", file.display());
    }
    std::fs::write(folder.join("flow.yaml"), text.replace("secret: PATH", "secret: FLEETPROOF_NOWHERE")).unwrap();
    let said = run(&folder, &["--seed", "1"]);
    assert_eq!(said.code, Some(4), "{}", said.err);
    assert!(said.err.contains("the environment has no `FLEETPROOF_NOWHERE`"), "{}", said.err);
}

#[test]
fn a_plan_tells_combinations_draws_and_inner_steps() {
    let folder = folder("plan", &format!("{FLOW}{END}"));
    let said = fleetproof_in(folder.path(), &["plan", "flow.yaml", "--seed", "1"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    insta::assert_snapshot!(said.out);
}

#[test]
fn a_fragment_is_checked_and_is_no_scenario() {
    let folder = folder("fragment", &format!("{FLOW}{END}"));
    let said = fleetproof_in(folder.path(), &["check", "."]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let wrong = FRAGMENT.replace("enroll:", "enrol:");
    std::fs::write(folder.join("parts/enrolled.fragment.yaml"), wrong).unwrap();
    let said = fleetproof_in(folder.path(), &["check", "flow.yaml"]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("parts/enrolled.fragment.yaml:4:5"), "{}", said.err);
    assert!(said.err.contains("the fragment is used here") && said.err.contains("1 mistake"), "{}", said.err);
    let said = fleetproof_in(folder.path(), &["run", "parts"]);
    assert_eq!(said.code, Some(2), "{}", said.err);
}
