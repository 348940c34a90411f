//! Faults between devices and platform: what they do, that they are proven, and that nothing of them stays.

use crate::tool::{Folder, fleetproof_in};

/// Runs three devices of one tenant; exit code, what was said, the journal.
fn run(name: &str, device: &str, steps: &str) -> (i32, String, String) {
    let folder = Folder::new(&format!("faults-{name}"));
    let text = format!(
        "scenario: {name}
platform:
  tenants:
    acme: {{ device_limit: 10, admin: ada@acme.test }}
artifacts:
  v2: {{ version: \"2.0\", size: 8 KiB }}
devices:
  hvac: {{ tenant: acme, simulated: 3, speaks: mender, runs: \"1.0\", poll: 2s{device} }}
steps:
{steps}
"
    );
    std::fs::write(folder.join("one.yaml"), text).unwrap();
    let said = fleetproof_in(folder.path(), &["run", "one.yaml", "--seed", "1", "--report", "out"]);
    let journal = std::fs::read_to_string(folder.join("out/run.jsonl")).unwrap_or_default();
    (said.code.unwrap(), said.err, journal)
}

const ENROLL: &str = "  - enroll: { devices: [hvac] }";
const UPDATED: &str = "  - deploy: { artifact: v2, devices: [hvac], name: x }
  - expect: { within: 90s, updated: { devices: [hvac], version: \"2.0\" }, acknowledged: { tenants: [acme], lost: 0 } }";

#[test]
fn a_fault_is_put_on_acts_and_is_lifted() {
    for fault in [
        "partition: { between: [hvac, platform], for: 10s }",
        "partition: { between: [platform, acme], one_way: true, for: 10s }",
        "slow: { between: [acme, platform], latency: 200ms, spread: 100ms, loss: 10%, bandwidth: 4 KiB/s, for: 10s }",
    ] {
        let (code, said, journal) = run("held", "", &format!("{ENROLL}\n  - fault: {{ {fault} }}\n{UPDATED}"));
        assert_eq!(code, 0, "{fault}: {said}");
        assert!(journal.contains(" put on") && journal.contains(" lifted: "), "{fault}");
        assert!(!journal.contains("it met nothing"), "{fault}");
    }
}

#[test]
fn a_reset_meets_a_download_and_the_update_arrives() {
    let steps = format!(
        "{ENROLL}\n  - deploy: {{ artifact: v2, devices: [hvac], name: x }}\n  - wait_until: {{ elapsed: {{ for: 5s }} }}\n  \
         - fault: {{ reset: {{ between: [hvac, platform] }} }}\n  \
         - expect: {{ within: 90s, updated: {{ devices: [hvac], version: \"2.0\" }} }}"
    );
    let (code, said, journal) = run("reset", ", bandwidth: 1 KiB/s", &steps);
    assert_eq!(code, 0, "{said}");
    assert!(journal.contains("reset between hvac and platform: "), "{journal}");
    assert!(journal.contains("unreachable"), "somebody saw it");
}

#[test]
fn a_fault_that_met_nothing_is_inconclusive() {
    for fault in [
        "partition: { between: [hvac, platform], for: 10s }",
        "slow: { between: [hvac, platform], latency: 1s, for: 10s }",
        "reset: { between: [hvac, platform] }",
    ] {
        let (code, said, _) = run("idle", "", &format!("  - fault: {{ {fault} }}\n{ENROLL}\n{UPDATED}"));
        assert_eq!(code, 4, "{fault}: {said}");
        assert!(said.contains("met nothing"), "{said}");
    }
}

#[test]
fn faults_and_flaky_devices_are_the_same_every_time() {
    let steps = format!(
        "{ENROLL}\n  - fault: {{ slow: {{ between: [hvac, platform], spread: 900ms, loss: 20%, for: 20s }} }}\n{UPDATED}"
    );
    let once = || run("again", ", flaky: { offline: 30%, for: 2s }, clock_skew: 5m", &steps);
    let ((code, said, first), (_, _, second)) = (once(), once());
    assert_eq!(code, 0, "{said}");
    assert!(first == second, "the same seed gives the same journal");
}

#[test]
fn a_revoked_token_is_dead_and_the_device_gets_in_anew() {
    let (code, said, journal) = run("revoke", "", &format!("{ENROLL}\n  - revoke: {{ devices: [hvac] }}\n{UPDATED}"));
    assert_eq!(code, 0, "{said}");
    assert_eq!(journal.matches("token_refused").count(), 3);
}

#[test]
fn a_fault_is_held_while_other_steps_run() {
    let held = |fault: &str, within: &str| {
        format!(
            "{ENROLL}\n  - while:\n      background:\n        - fault: {{ {fault} }}\n      steps:\n        \
             - deploy: {{ artifact: v2, devices: [hvac], name: x }}\n        \
             - expect: {{ within: {within}, updated: {{ devices: [hvac], version: \"2.0\" }} }}\n  \
             - expect: {{ within: 20s, online: {{ devices: [hvac] }} }}"
        )
    };
    let (code, said, journal) = run("beside", "", &held("slow: { between: [hvac, platform], latency: 300ms }", "90s"));
    assert_eq!(code, 0, "{said}");
    let at = |text: &str| journal.lines().position(|line| line.contains(text));
    let (on, off) = (at("slow between hvac and platform put on"), at("slow between hvac and platform lifted"));
    let offered = at("\"offered\"");
    assert!(on.is_some() && on < offered && offered < off, "{journal}");
    // What fails meanwhile does not leave it on.
    let (code, said, journal) = run("cut-off", "", &held("partition: { between: [hvac, platform] }", "10s"));
    assert_eq!(code, 1, "{said}");
    assert!(journal.contains("partition between hvac and platform lifted"), "{journal}");
}
