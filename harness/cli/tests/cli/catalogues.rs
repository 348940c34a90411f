//! `schema`, `claims`, `defects`, `plan`, help: what there is, and what would run.

use crate::tool::fleetproof;
use serde_json::Value;
use std::collections::BTreeSet;

/// Every number that counts attempts or operations stands for itself only until an attempt is added.
fn without_counts(text: &str) -> String {
    let mut kept = String::new();
    for line in text.lines() {
        let counts = line.contains(" attempts on ");
        let mut digits = false;
        for c in line.chars() {
            let is_digit = c.is_ascii_digit();
            match (counts && is_digit, digits) {
                (true, true) => {}
                (true, false) => kept.push('#'),
                _ => kept.push(c),
            }
            digits = is_digit;
        }
        kept.push('\n');
    }
    kept
}

#[test]
fn the_plan_of_the_quickstart() {
    let said = fleetproof(&["plan", "../../../scenarios/quickstart.yaml"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(without_counts(&said.out));
}

#[test]
fn a_plan_lists_every_attempt_that_it_counts() {
    let said = fleetproof(&["plan", "scenarios/neighbours.yaml", "--attempts"]);
    let counted: usize = said
        .out
        .lines()
        .filter_map(|line| line.split_once(" attempts on "))
        .fold(0, |sum, (before, _)| sum + before.rsplit(' ').next().unwrap().parse::<usize>().unwrap());
    let listed =
        said.out.lines().filter(|line| line.starts_with("    isolation/") || line.starts_with("    h")).count();
    assert!(counted > 100, "{counted}");
    assert_eq!(listed, counted, "{}", said.out.lines().last().unwrap_or_default());
}

#[test]
fn the_catalogue_of_claims() {
    let said = fleetproof(&["claims"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(said.out);
}

#[test]
fn the_catalogue_of_defects() {
    let said = fleetproof(&["defects"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(said.out);

    let names = fleetproof(&["defects", "--names"]).out;
    let listed: Vec<&str> = said.out.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(names.lines().collect::<Vec<_>>(), listed);
}

#[test]
fn defects_are_caught_by_words_of_the_language() {
    let claims = fleetproof(&["claims"]).out;
    let schema = fleetproof(&["schema"]).out;
    let words: Vec<&str> =
        claims.lines().filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(':').next()).collect();
    assert!(words.contains(&"isolation"), "{words:?}");
    for line in fleetproof(&["defects"]).out.lines().filter(|line| line.starts_with("    caught by")) {
        let word = line.split('`').nth(1).unwrap();
        // A step that finds its own effect missing counts too.
        assert!(words.contains(&word) || schema.contains(&format!("\"{word}\": {{")), "no claim and no step: {word}");
    }
}

#[test]
fn the_schema_is_json_for_scenarios() {
    let said = fleetproof(&["schema"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let schema: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&schema["else"]["$ref"], &schema["then"]["$ref"]),
        (&"#/$defs/Scenario".into(), &"#/$defs/Fragment".into())
    );
    let scenario = &schema["$defs"]["Scenario"];
    assert_eq!(scenario["type"], "object");
    let keys: Vec<&String> = scenario["properties"].as_object().unwrap().keys().collect();
    insta::assert_snapshot!(keys.iter().map(|key| key.as_str()).collect::<Vec<_>>().join(" "));
}

#[test]
fn help_names_every_command() {
    let said = fleetproof(&["--help"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(said.out);
}

/// Another seed makes the same choices in another way; what a scenario fixes is no choice.
#[test]
fn choices_have_names_that_no_seed_changes() {
    let choices = |seed: &str| -> Vec<(String, String)> {
        let said =
            fleetproof(&["plan", "../../../scenarios/service-provider/bad-network.yaml", "--choices", "--seed", seed]);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
        let line = |line: &str| {
            let (choice, value) = line.rsplit_once('\t').unwrap();
            (choice.to_owned(), value.to_owned())
        };
        said.out.lines().map(line).collect()
    };
    let (one, again, other) = (choices("1"), choices("1"), choices("2"));
    assert_eq!(one, again);
    let names = |all: &[(String, String)]| all.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&one), names(&other));
    let differ = one.iter().zip(&other).filter(|(one, other)| one != other).count();
    assert!(differ * 10 > one.len() * 9, "{differ} of {}", one.len());
    let kinds: BTreeSet<&str> = one.iter().map(|(name, _)| name.rsplit('/').next().unwrap()).collect();
    assert_eq!(kinds, BTreeSet::from(["canary", "clock_skew", "first_poll", "mac"]));
}
