//! A run that fails: the whole story, on one page.

use crate::tool::{Folder, fleetproof};
use serde_json::Value;

/// What drifts with every attempt that is added: ids, numbers of events, counts, the folder.
fn steady(text: &str, folder: &str) -> String {
    let mut kept = String::new();
    for word in text.replace(folder, "<folder>").split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '-') {
        let (body, end) = word.split_at(word.len() - word.chars().next_back().map_or(0, char::len_utf8));
        let (body, end) =
            if word.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '-') { (word, "") } else { (body, end) };
        let is_id = body.len() > 20 && body.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        let is_number = !body.is_empty() && body.bytes().all(|byte| byte.is_ascii_digit());
        let drifts = is_number && (kept.ends_with('#') || body.len() > 2);
        kept.push_str(if is_id {
            "<id>"
        } else if drifts {
            "<n>"
        } else {
            body
        });
        kept.push_str(end);
    }
    kept
}

#[test]
fn a_failure_tells_who_asked_for_what_and_what_it_cost() {
    const DEFECT: &str = "download-forgets-tenant";
    let folder = Folder::new("failing");
    let run = folder.shown("run");
    let arguments = ["run", "scenarios/neighbours.yaml", "--seed", "1", "--seeded-defect", DEFECT, "--report", &run];
    let said = fleetproof(&arguments);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{}", said.err);

    // Each part of the story by itself, so that accepting a snapshot cannot lose one.
    for (what, part) in [
        ("the claim", "failed Two neighbours: isolation (P2"),
        ("the line of the scenario", "scenarios/neighbours.yaml:26:"),
        ("the caret", "^^^^^^^^^"),
        ("the operation", "operation     Download Artifact"),
        ("the tenant that asked", "acme"),
        ("the tenant that was asked about", "globex"),
        ("the request", "GET /api/management/v1/deployments/artifacts/"),
        ("what the victim lost", "lost"),
        ("what came back", "came back     200"),
        (
            "the seed and the command",
            &format!("fleetproof run scenarios/neighbours.yaml --seed 1 --seeded-defect {DEFECT}"),
        ),
    ] {
        assert!(said.err.contains(part), "{what} is missing, `{part}`:\n{}", said.err);
    }
    insta::assert_snapshot!(steady(&said.err, &run));

    let report: Value = serde_json::from_str(&fleetproof(&["report", &run, "--json"]).out).unwrap();
    assert_eq!((&report["run"]["exit_code"], &report["counts"]["failed"]), (&Value::from(1), &Value::from(1)));
    let junit = fleetproof(&["report", &run, "--junit"]).out;
    assert!(junit.contains("<failure") && junit.contains(DEFECT), "{junit}");
    assert_eq!(fleetproof(&["report", &run]).code, Some(0), "a report of a failure is no failure");

    let replayed = fleetproof(&["replay", &run]);
    assert_eq!((replayed.code, replayed.out.as_str()), (Some(0), "Two neighbours: the journals are the same\n"));
}
