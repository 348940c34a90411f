//! Steps again for each point at which they can be interrupted, and calls of the platform that fail meanwhile.

use crate::tool::{Folder, fleetproof_in};

/// Runs steps on a platform of which one tenant is still to be onboarded; exit code, what was said, the journal.
fn run(name: &str, platform: &str, steps: &str) -> (i32, String, String) {
    let folder = Folder::new(&format!("sweep-{name}"));
    let text = format!(
        "scenario: {name}
budget: 1h
platform:
{platform}
  tenants:
    acme: {{ device_limit: 10, admin: ada@acme.test, starts: absent }}
    globex: {{ device_limit: 10, admin: gus@globex.test }}
steps:
{steps}
"
    );
    std::fs::write(folder.join("one.yaml"), text).unwrap();
    let said = fleetproof_in(folder.path(), &["run", "one.yaml", "--seed", "1", "--report", "out"]);
    let journal = std::fs::read_to_string(folder.join("out/run.jsonl")).unwrap_or_default();
    (said.code.unwrap(), said.err, journal)
}

/// Accounts are made of tenants.
const ORGANISED: &str = "  regions: [eu-west]";

/// Tenants are made at once.
const PLAIN: &str = "  provider: { device_limit: 100, admin: pia@provider.test }";

fn sweep(points: &str, onboard: &str) -> String {
    format!(
        "  - sweep:
      interrupt: {{ fail_calls: {{ component: accounts }} }}
      points: {points}
      steps: [{{ onboard: {{ tenants: [acme]{onboard} }} }}]
      expect: {{ within: 30s, onboarded: {{ tenants: [acme], outcome: whole_or_undone }} }}
  - onboard: {{ tenants: [acme], within: 2m }}
  - expect: {{ within: 30s, onboarded: {{ tenants: [acme], outcome: whole }} }}"
    )
}

#[test]
fn a_sweep_draws_its_points_and_leaves_nothing_of_a_round() {
    let once = || run("drawn", ORGANISED, &sweep("drawn\n      draws: 4", ", within: 2m"));
    let ((code, said, first), (_, _, second)) = (once(), once());
    assert_eq!(code, 0, "{said}");
    assert!(first == second, "the same seed gives the same journal");
    assert!(first.contains("round 0 of 4: nothing fails: the control"));
    assert_eq!(first.matches("fails once, with ").count(), 4, "a point for each draw");
    assert_eq!(first.matches(": 1 calls failed").count(), 4, "each was met");
    let judged = first.lines().filter(|line| line.contains("\"judged\"")).count();
    assert_eq!(judged, 6, "the control, four points, and what comes after the sweep");
    assert!(first.contains("s later a first message was heard at "));
}

#[test]
fn the_control_of_a_sweep_must_pass() {
    // An account takes longer than the minute that the step has: rounds may fail, the control may not.
    let (code, said, journal) = run("control", ORGANISED, &sweep("every", ""));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("the tenants were not there in time"), "{said}");
    assert!(!journal.contains("round 1 of"), "it is over");
}

#[test]
fn a_sweep_that_never_met_its_points_is_inconclusive() {
    let (code, said, journal) = run("unmet", PLAIN, &sweep("every", ""));
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("20 of 20 points were never met"), "{said}");
    assert!(journal.contains("round 20: 0 calls failed"));
}

fn held(share: &str, inside: &str) -> String {
    format!(
        "  - while:
      background: [{{ fault: {{ fail_calls: {{ component: accounts, share: {share} }} }} }}]
      steps: [{inside}]
  - expect: {{ within: 30s, onboarded: {{ tenants: [acme], outcome: whole }} }}"
    )
}

#[test]
fn calls_fail_while_steps_run_and_no_more_afterwards() {
    let onboard = "{ onboard: { tenants: [acme], within: 5m } }";
    let (code, said, journal) = run("share", ORGANISED, &held("20%", onboard));
    assert_eq!(code, 0, "{said}");
    assert!(journal.contains("fail_calls of accounts put on") && journal.contains("fail_calls of accounts lifted: "));
    // Where each try fails nothing comes of it, and the fault is lifted all the same.
    let (code, said, journal) = run("all", ORGANISED, &held("100%", onboard));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("INTERNAL_FAILURE"), "{said}");
    assert!(journal.contains("fail_calls of accounts lifted: 3 calls failed"), "{journal}");
}

#[test]
fn calls_that_nobody_makes_cannot_fail() {
    let steps = "{ log: { text: nothing } }";
    let (code, said, _) = run("idle", ORGANISED, &held("20%", steps));
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("no call was made that could have failed"), "{said}");
    let alone = "  - fault: { fail_calls: { component: accounts, share: 20%, for: 5s } }
  - expect: { within: 30s, onboarded: { tenants: [globex], outcome: whole } }";
    let (code, said, _) = run("alone", ORGANISED, alone);
    assert_eq!(code, 4, "{said}");
}

/// Runs steps on a few devices of one customer; exit code, what was said, the journal.
fn updated(name: &str, devices: &str, steps: &str) -> (i32, String, String) {
    let folder = Folder::new(&format!("sweep-{name}"));
    let text = format!(
        "scenario: {name}
budget: 1h
platform:
  tenants:
    acme: {{ admin: ada@acme.test }}
artifacts:
  v2: {{ version: \"2.0\", size: 16 KiB }}
devices:
  vans: {{ tenant: acme, {devices}, runs: \"1.0\" }}
steps:
  - enroll: {{ devices: [vans] }}
{steps}
"
    );
    std::fs::write(folder.join("one.yaml"), text).unwrap();
    let said = fleetproof_in(folder.path(), &["run", "one.yaml", "--seed", "1", "--report", "out"]);
    let journal = std::fs::read_to_string(folder.join("out/run.jsonl")).unwrap_or_default();
    (said.code.unwrap(), said.err, journal)
}

/// A sweep over the connections of all of them.
fn cut(points: &str, more: &str, expect: &str) -> String {
    format!(
        "  - sweep:
      interrupt: {{ connection: {{ devices: [vans] }} }}
      points: {points}
      steps:
        - deploy: {{ artifact: v2, devices: [vans], name: update }}{more}
      expect: {{ within: 3m, {expect} }}"
    )
}

const UPDATED: &str = "updated: { devices: [vans], version: \"2.0\" }";

#[test]
fn connections_are_cut_at_drawn_packets_and_devices_are_what_they_were_afterwards() {
    for (name, speaks, draws) in [("cut-mender", "mender", 6), ("cut-mqtt", "mqtt", 9)] {
        // The name is free again, and so are the devices: they have the old version.
        let after = format!(
            "\n  - deploy: {{ artifact: v2, devices: [vans], name: later }}\n  - expect: {{ within: 3m, {UPDATED} }}"
        );
        let steps = cut(&format!("drawn\n      draws: {draws}"), "", UPDATED) + &after;
        let once = || updated(name, &format!("simulated: 4, speaks: {speaks}"), &steps);
        let ((code, said, first), (_, _, second)) = (once(), once());
        assert_eq!(code, 0, "{said}");
        assert!(first == second, "the same seed gives the same journal");
        assert!(first.contains("round 0: nothing is interrupted: the control"));
        let rounds = draws / 3;
        assert_eq!(first.matches("` is left alone; `").count(), rounds, "one of four is left alone");
        assert_eq!(first.matches("3 of 3 connections ended there").count(), rounds);
        assert!(first.contains(&format!("{draws} points in {rounds} rounds, and a round that was left alone")));
        assert_eq!(first.matches("\"restored\"").count(), 4 * (1 + rounds), "after each round");
        let judged = first.lines().filter(|line| line.contains("\"judged\"")).count();
        assert_eq!(judged, 2 + rounds);
        assert!(first.contains("update-r0") || speaks == "mender", "a job has a name of its own in each round");
    }
}

#[test]
fn one_device_takes_one_point_after_the_other() {
    let steps = cut("every", "", UPDATED);
    let (code, said, journal) = updated("cut-one", "simulated: 1, speaks: mender", &steps);
    assert_eq!(code, 0, "{said}");
    assert!(!journal.contains("is left alone;"), "the control is a round of its own");
    let points = journal.matches("1 of 1 connections ended there").count();
    assert!(points >= 18 && journal.contains(&format!("{points} points in {points} rounds")), "{points}");
    for packet in ["POST …/next", "answer 200 to POST …/next", "GET of the file", "answer 204 to PUT …/status"] {
        assert!(journal.contains(&format!(", {packet}\"")), "{packet}");
    }
}

#[test]
fn a_device_that_is_left_alone_must_end_updated() {
    let abort = "\n        - abort: { deployment: update }";
    let steps = cut("every", abort, "reported: { devices: [vans] }");
    let (code, said, journal) = updated("cut-control", "simulated: 2, speaks: mender", &steps);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("which was left alone, did not end updated"), "{said}");
    assert!(!journal.contains("round 1 of"), "it is over");
}
