//! A run that passes: what it prints, what it leaves, what comes of its record.

use crate::tool::{Folder, files, fleetproof, fleetproof_in};
use serde_json::Value;
use std::path::Path;

const SCENARIO: &str = "scenarios/neighbours.yaml";

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// One run, and everything that can be had from it.
#[test]
fn a_run_passes_and_its_record_tells_the_same() {
    let folder = Folder::new("passing");
    let run = folder.shown("run");
    let said = fleetproof(&["run", SCENARIO, "--seed", "7", "--report", &run, "--format", "json"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.starts_with("seed 7\n"), "{}", said.err);
    assert!(said.err.contains("(seed 7)"), "{}", said.err);
    assert!(said.err.ends_with(&format!("1 scenario: 1 passed; passed\njournal and reports: {run}\n")), "{}", said.err);

    let root = folder.join("run");
    let names: Vec<String> =
        files(&root).iter().map(|path| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()).collect();
    insta::assert_snapshot!(names.join("\n"));
    let own = root.join("scenarios/Two neighbours");
    assert_eq!(read(&own.join("run.jsonl")), read(&root.join("run.jsonl")), "one scenario: its journal is the run's");
    assert_eq!(read(&own.join("scenario.yaml")), read(&crate::tool::here().join(SCENARIO)));

    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(report, serde_json::from_str::<Value>(&read(&root.join("report.json"))).unwrap());
    assert_eq!((&report["run"]["exit_code"], &report["scenarios"][0]["seed"]), (&Value::from(0), &Value::from(7)));
    let again: Value = serde_json::from_str(&fleetproof(&["report", &run, "--json"]).out).unwrap();
    assert_eq!(again, report);
    let junit = fleetproof(&["report", &run, "--junit"]);
    assert_eq!((junit.code, junit.out.trim_end()), (Some(0), read(&root.join("junit.xml")).trim_end()));
    assert!(junit.out.contains(r#"failures="0" errors="0""#), "{}", junit.out);
    let text = fleetproof(&["report", &run]);
    assert_eq!(text.code, Some(0));
    assert!(!text.out.is_empty() && said.err.contains(&text.out), "the same report, on standard output:\n{}", text.out);

    let replayed = fleetproof(&["replay", &run]);
    assert_eq!((replayed.code, replayed.out.as_str()), (Some(0), "Two neighbours: the journals are the same\n"));

    let journal = own.join("run.jsonl");
    let altered = read(&journal).replacen("\"verdict\":\"passed\"", "\"verdict\":\"failed\"", 1);
    std::fs::write(&journal, altered).unwrap();
    let replayed = fleetproof(&["replay", &run]);
    assert_eq!(replayed.code, Some(3), "{}", replayed.out);
    assert!(replayed.out.starts_with("Two neighbours: the journals differ\n  then: {"), "{}", replayed.out);
}

/// The seed is drawn when nobody gives one, and always printed; the folder is where it is documented to be.
#[test]
fn without_a_word_the_seed_is_drawn_and_the_run_is_kept() {
    let folder = Folder::new("defaults");
    let scenario = "scenario: Quick\nplatform: { provider: { device_limit: 9, admin: pia@provider.test } }\n\
                    steps:\n  - expect: { pool: { over_by: 2, callers: 2 } }\n";
    std::fs::write(folder.join("quick.yaml"), scenario).unwrap();
    let drawn = || {
        let said = fleetproof_in(folder.path(), &["run", "quick.yaml"]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert_eq!(said.out, "");
        let seed: u64 = said.err.lines().next().unwrap().strip_prefix("seed ").unwrap().parse().unwrap();
        assert!(said.err.contains(&format!("(seed {seed})")), "{}", said.err);
        seed
    };
    let (first, second) = (drawn(), drawn());
    assert_ne!(first, second, "drawn anew each time (one in a million is alike)");
    let runs = folder.join(".fleetproof/runs");
    assert_eq!(std::fs::read_dir(&runs).unwrap().count(), 3, "two runs, and `latest`");
    let facts: Value = serde_json::from_str(&read(&runs.join("latest/run.json"))).unwrap();
    assert_eq!(facts["exit_code"], 0);
    let latest = fleetproof_in(folder.path(), &["replay"]);
    assert_eq!((latest.code, latest.out.as_str()), (Some(0), "Quick: the journals are the same\n"));
    let report = fleetproof_in(folder.path(), &["report", "--json"]);
    let report: Value = serde_json::from_str(&report.out).unwrap();
    assert_eq!(report["scenarios"][0]["seed"], second);
}
