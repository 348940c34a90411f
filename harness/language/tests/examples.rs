#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
//! Whole files: what the design's examples become.

use fleetproof_language::{Sources, Step, check};

fn one(path: &str) -> fleetproof_language::Scenario {
    let mut sources = Sources::new();
    let text = std::fs::read(format!("{}/tests/valid/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let file = sources.add_bytes(path, text);
    let (mut scenarios, mistakes) = check(&sources, &[file]);
    let shown: Vec<String> = mistakes.iter().map(|mistake| mistake.render(&sources)).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
    scenarios.pop().unwrap().1
}

#[test]
fn the_examples_are_right() {
    let quickstart = one("quickstart.yaml");
    assert_eq!(quickstart.platform.provider.as_ref().unwrap().device_limit.value, 1000);
    let verbs: Vec<&str> = quickstart.steps.iter().map(|step| step.verb()).collect();
    assert_eq!(verbs, ["enroll", "expect", "deploy", "expect", "deploy", "expect", "expect"]);
    let Step::Expect(expect) = &quickstart.steps[5].value else { panic!() };
    let claims: Vec<&str> = expect.claims.iter().map(|claim| claim.name()).collect();
    assert_eq!(claims, ["rolled_back", "untouched"]);
    assert_eq!(one("provider-carve.yaml").steps.len(), 11);
    assert_eq!(one("two-hats.yaml").steps.len(), 13);
}
