//! `check`: everything that is wrong with every file, at once.

use crate::tool::{Folder, fleetproof};

#[test]
fn all_mistakes_of_all_files_are_shown_at_once() {
    let said = fleetproof(&["check", "broken"]);
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
    for file in ["1-structure", "2-names", "3-quantities", "4-logic", "5-not-yaml"] {
        assert!(said.err.contains(&format!("--> broken/{file}.yaml:")), "nothing about {file}");
    }
    insta::assert_snapshot!(said.err);
}

#[test]
fn every_command_that_reads_scenarios_says_the_same_of_them() {
    let checked = fleetproof(&["check", "broken"]);
    for command in ["run", "plan"] {
        let said = fleetproof(&[command, "broken"]);
        assert_eq!((said.code, &said.err), (Some(2), &checked.err), "{command}");
    }
    let said = fleetproof(&["serve", "broken/4-logic.yaml"]);
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
    assert!(said.err.contains("broken/4-logic.yaml"), "{}", said.err);
}

#[test]
fn right_files_are_counted() {
    let said = fleetproof(&["check", "../../../scenarios"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.ends_with(" files without a mistake\n"), "{}", said.err);
}

#[test]
fn what_is_not_there_is_the_callers_mistake() {
    let empty = Folder::new("nothing");
    let shown = empty.path().to_str().unwrap();
    let cases: [(&str, &[&str]); 11] = [
        ("an unknown file", &["check", "nowhere.yaml"]),
        ("an unknown file to run", &["run", "nowhere.yaml"]),
        ("an unknown folder", &["plan", "nowhere"]),
        ("a folder without scenarios", &["check", shown]),
        ("a folder without scenarios to run", &["run", shown]),
        ("an unknown defect", &["run", "scenarios/neighbours.yaml", "--seeded-defect", "gremlins"]),
        ("an unknown tag", &["run", "scenarios/neighbours.yaml", "--tag", "gremlins"]),
        ("an unknown run", &["report", "nowhere"]),
        ("an unknown run to replay", &["replay", "nowhere"]),
        ("no duration", &["run", "scenarios/neighbours.yaml", "--wall-limit", "5"]),
        ("an unknown command", &["prove"]),
    ];
    let mut told = String::new();
    for (what, arguments) in cases {
        let said = fleetproof(arguments);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{what}: {}", said.err);
        assert!(!said.err.is_empty(), "{what}");
        told.push_str(&format!("# {what}\n{}\n", said.err.replace(shown, "<folder>")));
    }
    insta::assert_snapshot!(told);
    assert!(!crate::tool::here().join(".fleetproof").exists(), "what never ran leaves no run");
}
