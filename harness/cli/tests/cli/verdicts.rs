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

/// On the real clock, with a defect that is there in the first run only.
#[test]
fn flaky_is_1_unless_it_is_allowed_and_every_run_is_kept_and_shown() {
    let folder = Folder::new("verdict-flaky");
    let file = scenario(&folder, "now and then", "", ONLINE);
    let defect = ["--clock", "real", "--seeded-defect", "device-list-forgets-tenant", "--first-run-only"];
    let fresh = || std::fs::remove_dir_all(folder.join("out")).unwrap();

    let (code, said) = run(folder.path(), &[&[file.as_str()][..], &defect].concat());
    assert_eq!(code, 1, "nobody asked for a second run: {said}");
    assert!(said.contains("1 failed"), "{said}");
    fresh();

    let (code, said) = run(folder.path(), &[&[file.as_str(), "--retries", "2"][..], &defect].concat());
    assert_eq!(code, 1, "{said}");
    for shown in ["1 flaky", "run 1 of 2:", "one_owner", "passed as run 2"] {
        assert!(said.contains(shown), "{shown}: {said}");
    }
    let own = folder.join("out/scenarios/now and then");
    assert!(own.join("run-1.jsonl").is_file() && own.join("run.jsonl").is_file());
    let junit = std::fs::read_to_string(folder.join("out/junit.xml")).unwrap();
    assert_eq!(junit.matches("<testsuite ").count(), 2, "{junit}");
    let markdown = fleetproof_in(folder.path(), &["report", "out", "--markdown"]).out;
    assert!(markdown.contains("| **flaky** | now and then |") && markdown.contains("run 1 of 2"), "{markdown}");
    fresh();

    let (code, said) = run(folder.path(), &[&[file.as_str(), "--retries", "1", "--allow-flaky"][..], &defect].concat());
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("1 flaky"), "allowed, and told all the same: {said}");
    fresh();

    // What fails every time is not flaky, whatever is allowed.
    let (code, said) =
        run(folder.path(), &[&[file.as_str(), "--retries", "1", "--allow-flaky"][..], &defect[..4]].concat());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("1 failed") && said.contains("run 1 of 2:"), "{said}");
    fresh();

    // In virtual time the same would come again: nothing is retried.
    let (code, said) = run(folder.path(), &[&[file.as_str(), "--retries", "3"][..], &defect[2..]].concat());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("1 failed") && !said.contains("run 1 of"), "{said}");
}

#[test]
fn skipped_is_0_and_listed_beside_others_and_4_alone_unless_allowed() {
    let folder = Folder::new("verdict-skipped");
    let good = scenario(&folder, "good", "", ONLINE);
    let other = scenario(&folder, "other", "", ONLINE);
    // A shard that is left without a scenario: all of its nothing was skipped.
    let (code, said) = run(folder.path(), &[&good, &other, "--shard", "3/3"]);
    assert_eq!(code, 4, "CI must not be green on nothing: {said}");
    assert!(said.contains("shard 3 of 3: 0 of 2 scenarios"), "{said}");
    let (code, said) = run(folder.path(), &[&good, &other, "--shard", "3/3", "--allow-empty"]);
    assert_eq!(code, 0, "{said}");

    // A scenario that needs what the real clock cannot give it.
    let fresh = || std::fs::remove_dir_all(folder.join("out")).unwrap();
    let needy = scenario(&folder, "needy", "needs: [virtual_time]", ONLINE);
    for (files, more, due) in [
        (vec![needy.as_str()], None, 4),
        (vec![needy.as_str()], Some("--allow-empty"), 0),
        (vec![needy.as_str(), good.as_str()], None, 0),
    ] {
        fresh();
        let (code, said) = run(folder.path(), &[&files[..], &["--clock", "real"], more.as_slice()].concat());
        assert_eq!(code, due, "{files:?} {more:?}: {said}");
        assert!(
            said.contains("1 skipped") && said.contains("skipped: it needs virtual time"),
            "with its reason: {said}"
        );
        let junit = std::fs::read_to_string(folder.join("out/junit.xml")).unwrap();
        assert!(junit.contains("<skipped"), "{junit}");
    }
    // In virtual time it has what it needs.
    fresh();
    let (code, said) = run(folder.path(), &[&needy]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

/// Every scenario is in exactly one shard, and the shards' report is that of the whole.
#[test]
fn shards_together_are_the_whole() {
    let folder = Folder::new("shards");
    let files: Vec<String> = ["c", "a", "b"].iter().map(|name| scenario(&folder, name, "", ONLINE)).collect();
    let all: Vec<&str> = files.iter().map(String::as_str).collect();
    for (shard, out, names) in [("1/2", "one", ["a", "c"].as_slice()), ("2/2", "two", &["b"])] {
        let arguments = [&["run", "--seed", "1", "--report", out, "--shard", shard][..], &all].concat();
        let said = fleetproof_in(folder.path(), &arguments);
        assert_eq!(said.code, Some(0), "{}", said.err);
        let mut ran: Vec<String> = std::fs::read_dir(folder.join(out).join("scenarios"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        ran.sort();
        assert_eq!(ran, names);
    }
    let whole = fleetproof_in(folder.path(), &[&["run", "--seed", "1", "--report", "whole"][..], &all].concat());
    assert_eq!(whole.code, Some(0), "{}", whole.err);
    let report = |runs: &[&str]| fleetproof_in(folder.path(), &[&["report", "--markdown"][..], runs].concat()).out;
    assert_eq!(report(&["one", "two"]), report(&["whole"]));
    let twice = fleetproof_in(folder.path(), &["report", "one", "whole"]);
    assert_eq!(twice.code, Some(2));
    assert!(twice.err.contains("no shards of one"), "{}", twice.err);
}
