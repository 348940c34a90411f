//! Every verdict that this version can come to, from the outside: exit code, and the reason as a person reads it.

use crate::tool::{Folder, fleetproof_in};
use std::path::Path;

/// A world in which nothing is wrong, with these steps after its devices are in.
fn scenario(folder: &Folder, name: &str, top: &str, steps: &str) -> String {
    let text = format!(
        "scenario: {name}
{top}
platform:
  provider: {{ device_limit: 20, admin: pia@provider.test }}
  tenants:
    acme: {{ device_limit: 10, admin: ada@acme.test }}
    globex: {{ device_limit: 10, admin: gus@globex.test }}
artifacts:
  v2: {{ version: \"2.0\", size: 1 KiB }}
devices:
  hvac: {{ tenant: acme, simulated: 2, speaks: mender, runs: \"1.0\" }}
  lifts: {{ tenant: globex, simulated: 2, speaks: mender, runs: \"1.0\" }}
steps:
  - enroll: {{ devices: [hvac, lifts] }}
{steps}
"
    );
    let file = format!("{}.yaml", name.replace(' ', "-"));
    std::fs::write(folder.join(&file), text).unwrap();
    file
}

const ONLINE: &str = "  - expect: { within: 20s, online: { devices: [hvac, lifts] } }";

/// Runs in `folder`: the exit code, and what was said.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let said = fleetproof_in(folder, &[&["run", "--seed", "1", "--report", "out"], arguments].concat());
    assert_eq!(said.out, "", "what people read goes to standard error");
    (said.code.unwrap(), said.err)
}

#[test]
fn passed_is_0() {
    let folder = Folder::new("verdict-passed");
    let file = scenario(&folder, "all well", "", ONLINE);
    let (code, said) = run(folder.path(), &[&file]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn failed_is_1_whether_a_claim_a_step_or_what_is_always_watched_breaks() {
    let folder = Folder::new("verdict-failed");
    let claim =
        scenario(&folder, "a claim", "", "  - expect: { within: 5s, updated: { devices: [hvac], version: \"2.0\" } }");
    let (code, said) = run(folder.path(), &[&claim]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("failed a claim: updated"), "{said}");

    let step = "  - deploy: { artifact: v2, devices: [hvac], name: x, refused: forbidden, by: ada@acme.test }\n";
    let step = scenario(&folder, "a step", "", &format!("{step}{ONLINE}"));
    let (code, said) = run(folder.path(), &[&step]);
    assert_eq!(code, 2, "nobody else may do it, so it is refused before it runs: {said}");
    let step = "  - suspend: { tenants: [acme] }\n";
    let step = scenario(
        &folder,
        "a step",
        "",
        &format!("{step}  - expect: {{ within: 20s, online: {{ devices: [lifts] }} }}"),
    );
    let (code, said) = run(folder.path(), &[&step, "--seeded-defect", "suspended-users-served"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("failed a step: step 2 suspend"), "{said}");

    let watched = scenario(&folder, "watched", "", ONLINE);
    let (code, said) = run(folder.path(), &[&watched, "--seeded-defect", "device-list-forgets-tenant"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("always watched") && said.contains("one_owner"), "{said}");
}

#[test]
fn invalid_is_2_for_files_and_for_the_command_line() {
    let folder = Folder::new("verdict-invalid");
    let good = scenario(&folder, "good", "", ONLINE);
    let bad = scenario(&folder, "bad", "", "  - expect: { online: { devices: [hvac] } }");
    for (what, arguments) in [
        ("a mistake in a file", vec![bad.as_str()]),
        ("one bad file spoils the run", vec![good.as_str(), bad.as_str()]),
        ("no such file", vec!["nowhere.yaml"]),
        ("no scenario in a folder", vec!["empty"]),
        ("no such defect", vec![good.as_str(), "--seeded-defect", "none-such"]),
        ("no such option", vec![good.as_str(), "--nonsense"]),
    ] {
        std::fs::create_dir_all(folder.join("empty")).unwrap();
        let (code, said) = run(folder.path(), &arguments);
        assert_eq!(code, 2, "{what}: {said}");
        assert!(!said.is_empty() && !folder.join("out").exists(), "{what}: nothing runs: {said}");
    }
}

#[test]
fn broken_is_3_when_the_surroundings_fail() {
    let folder = Folder::new("verdict-broken");
    let file = scenario(&folder, "good", "", ONLINE);
    // Where the journal should go stands a file.
    std::fs::write(folder.join("out"), "in the way").unwrap();
    let (code, said) = run(folder.path(), &[&file]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("out"), "it says what is in the way: {said}");
}

#[test]
fn inconclusive_is_4_when_the_evidence_is_not_enough() {
    let folder = Folder::new("verdict-inconclusive");
    for (name, top, steps, reason) in [
        (
            "a budget used up",
            "budget: 8s",
            "  - expect: { within: 60s, updated: { devices: [hvac], version: \"2.0\" } }".to_owned(),
            "the budget of 8 s was used up here",
        ),
        (
            "a refusal without its control",
            "",
            format!("  - suspend: {{ tenants: [acme], by: pia@provider.test, refused: invalid }}\n{ONLINE}"),
            "nobody entitled carried out `suspend`",
        ),
        (
            "nobody got the deployment",
            "",
            "  - deploy: { artifact: v2, devices: [hvac], name: x, by: gus@globex.test, may_fail: true }\n  - expect: { within: 5s, untouched: { devices: [hvac], deployment: x } }".to_owned(),
            "nobody got the deployment",
        ),
    ] {
        let file = scenario(&folder, name, top, &steps);
        let (code, said) = run(folder.path(), &[&file]);
        assert_eq!(code, 4, "{name}: {said}");
        assert!(said.contains(reason), "{name}: {said}");
    }
}

/// Of several verdicts the worst decides, in the order interrupted, failed, invalid, broken, inconclusive, passed.
#[test]
fn the_worst_of_several_decides() {
    let folder = Folder::new("verdict-worst");
    let passed = scenario(&folder, "passes", "", ONLINE);
    let unsure = scenario(
        &folder,
        "unsure",
        "budget: 8s",
        "  - expect: { within: 60s, updated: { devices: [hvac], version: \"2.0\" } }",
    );
    let failed =
        scenario(&folder, "fails", "", "  - expect: { within: 5s, updated: { devices: [hvac], version: \"2.0\" } }");
    assert_eq!(run(folder.path(), &["--keep-going", &passed, &unsure]).0, 4);
    std::fs::remove_dir_all(folder.join("out")).unwrap();
    assert_eq!(run(folder.path(), &["--keep-going", &failed, &unsure, &passed]).0, 1);
}
