//! Every report over one run that ends in every way a run can end.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use fixture::{Telling, attempt, judged};
use fleetproof_journal::{Lenience, RunFacts, Verdict, What, read};
use fleetproof_reports::{Colour, Report, count, duration, json, junit, terminal};
use proptest::prelude::*;

fn report() -> Report {
    Report::read(&fixture::run()).unwrap()
}

#[test]
fn terminal_text() {
    insta::assert_snapshot!(terminal(&report(), Colour::Never));
}

#[test]
fn colour_adds_nothing_but_colour() {
    let coloured = terminal(&report(), Colour::Always);
    let mut plain = String::new();
    for (index, part) in coloured.split("\u{1b}[").enumerate() {
        plain.push_str(if index == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    assert_eq!(plain, terminal(&report(), Colour::Never));
    assert!(coloured.contains("\u{1b}[1;31mfailed"));
}

#[test]
fn junit_xml() {
    let xml = junit(&report());
    insta::assert_snapshot!(xml);
    let read = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    assert_eq!((read.test_suites.len(), read.tests > 0), (9, true));
}

#[test]
fn report_json() {
    let facts = RunFacts {
        run: "20261122-051500-7".into(),
        started: "2026-11-22T05:15:00Z".into(),
        took_ms: Some(1875),
        host: "lab".into(),
        version: "0.1.0".into(),
        schema: "b3".into(),
        command: vec!["fleetproof".into(), "run".into(), "scenarios".into()],
        exit_code: Some(130),
    };
    let value = json(&report(), Some(&facts));
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap());
    assert!(json(&report(), None).get("run").is_none());
}

#[test]
fn the_run_ends_with_the_worst() {
    let report = report();
    let verdicts: Vec<Verdict> = report.scenarios.iter().map(|scenario| scenario.verdict).collect();
    use Verdict::*;
    assert_eq!(verdicts, [Passed, Failed, Failed, Inconclusive, Skipped, Interrupted, Broken, Broken, Failed]);
    assert_eq!(report.exit_code(Lenience::NONE), 130);
    assert_eq!(Report::of(&[]).exit_code(Lenience::NONE), 2);
    assert_eq!(terminal(&Report::of(&[]), Colour::Never), "no scenario ran\n");
}

fn one(telling: Vec<u8>) -> Report {
    Report::read(&String::from_utf8(telling).unwrap()).unwrap()
}

#[test]
fn a_scenario_that_says_passed_without_a_claim_is_inconclusive() {
    let mut telling = Telling::of("empty", 1, "virtual", 1, None);
    telling.step(1, "enroll", 10, Verdict::Passed, "1 device");
    let report = one(telling.end(Verdict::Passed));
    assert_eq!(report.verdict(), Some(Verdict::Inconclusive));
    assert!(terminal(&report, Colour::Never).contains("no claim was judged"));
}

#[test]
fn an_end_that_says_passed_does_not_hide_a_claim_that_failed() {
    let mut telling = Telling::of("liar", 1, "virtual", 1, None);
    telling.judge(9, "  online: {}", judged("online", Verdict::Failed, "online", "is not", &[]));
    assert_eq!(one(telling.end(Verdict::Passed)).exit_code(Lenience::NONE), 1);
}

#[test]
fn attempts_belong_to_the_claim_they_were_made_for() {
    let coverage = |claim: &str| What::Coverage {
        claim: claim.into(),
        operations: 1,
        attempted: 1,
        exempt: vec![],
        uncovered: vec![],
        attempts: 1,
    };
    let mut telling = Telling::of("two", 1, "virtual", 1, None);
    for claim in ["isolation", "access"] {
        telling.say(1, "detector", What::Attempted(attempt(claim, "List Devices", "admin", Verdict::Passed)));
        telling.say(1, "detector", coverage(claim));
        telling.judge(9, "online", judged("online", Verdict::Passed, "", "", &[]));
        telling.judge(9, claim, judged(claim, Verdict::Passed, "", "", &[]));
    }
    let report = one(telling.end(Verdict::Passed));
    let tools: Vec<Vec<&str>> = report.scenarios[0]
        .claims
        .iter()
        .map(|claim| claim.tries.iter().map(|tried| tried.attempted.tool.as_str()).collect())
        .collect();
    assert_eq!(tools, [vec![], vec!["isolation"], vec![], vec!["access"]]);
}

#[test]
fn a_step_inside_others_speaks_for_them() {
    let mut telling = Telling::of("nested", 1, "virtual", 1, None);
    telling.begin("1", 10, "parallel");
    telling.begin("1.1.1", 12, "claim");
    telling.begin("1.2.1", 13, "knock");
    telling.done("1.1.1", 40, Verdict::Failed, "exactly 1 of 2 may get through, 2 did");
    telling.done("1.2.1", 10, Verdict::Passed, "3 devices wait at the door");
    telling.done("1", 0, Verdict::Failed, "step 1.1.1 claim failed: exactly 1 of 2 may get through, 2 did");
    let report = one(telling.end(Verdict::Failed));
    let steps: Vec<(&str, u64)> =
        report.scenarios[0].steps.iter().map(|step| (step.index.as_str(), step.took)).collect();
    assert_eq!(steps, [("1", 50_000), ("1.1.1", 40_000), ("1.2.1", 50_000)]);
    insta::assert_snapshot!(terminal(&report, Colour::Never));
    let xml = junit(&report);
    assert!(xml.contains("step 1.1.1 claim") && !xml.contains("step 1 parallel"), "{xml}");
}

#[test]
fn numbers_and_durations() {
    let counts = [0, 7, 999, 1000, 12_345, 1_000_000].map(count);
    assert_eq!(counts.join(" "), "0 7 999 1,000 12,345 1,000,000");
    let durations =
        [0, 999, 1_000, 999_999, 1_000_000, 59_999_000, 60_000_000, 3_599_900_000, 3_600_000_000].map(duration);
    assert_eq!(durations.join(", "), "0 ms, 0 ms, 1 ms, 999 ms, 1.000 s, 59.999 s, 1 m 00.0 s, 59 m 59.9 s, 1 h 00 m");
}

/// Texts a stranger would send: escapes, line ends, marks that turn the direction.
fn nasty() -> impl Strategy<Value = String> {
    let mark = prop::sample::select(
        "\u{1b}\u{9b}\n\r\t\u{0}\u{7f}\u{202e}\u{2066}\u{2028}\u{feff}\u{200b}<&\"']]>".chars().collect::<Vec<_>>(),
    );
    prop::collection::vec(prop_oneof![mark, any::<char>()], 0..30).prop_map(String::from_iter)
}

fn is_nasty(c: char) -> bool {
    c.is_control() || "\u{200b}\u{202e}\u{2066}\u{2028}\u{feff}\u{fffe}\u{ffff}".contains(c)
}

proptest! {
    #[test]
    fn no_text_of_a_stranger_reaches_a_terminal_or_ci_unclean(text in nasty()) {
        let mut telling = Telling::of(&text, 1, "real", 1, Some(&text));
        let mut tried = attempt(&text, &text, &text, Verdict::Failed);
        for field in [&mut tried.request, &mut tried.answer, &mut tried.expected] {
            field.clone_from(&text);
        }
        tried.lost = Some(text.clone());
        telling.step(1, &text, 1, Verdict::Broken, &text);
        telling.say(1, &text, What::Watched { what: text.clone(), detail: text.clone() });
        let seq = telling.say(1, "detector", What::Attempted(tried));
        let mut claim = judged(&text, Verdict::Failed, &text, &text, &[seq, 2]);
        claim.details = vec![text.clone()];
        telling.judge(9, &text, claim);
        telling.say(1, "e", What::Note { text: text.clone() });
        let report = one(telling.end(Verdict::Interrupted));
        let shown = terminal(&report, Colour::Never);
        for line in shown.lines() {
            prop_assert!(!line.contains(is_nasty), "{line:?}");
        }
        let xml = junit(&report);
        prop_assert!(quick_junit::Report::deserialize_from_str(&xml).is_ok(), "{}", xml);
        for line in xml.lines() {
            prop_assert!(!line.contains(is_nasty), "{line:?}");
        }
    }

    #[test]
    fn a_run_cut_anywhere_is_never_green(cut in 0..fixture::run().lines().count()) {
        let text: String = fixture::run().split_inclusive('\n').take(cut + 1).collect();
        let events = read(&text).unwrap();
        let report = Report::of(&events);
        let whole = events.last().is_none_or(|event| matches!(event.what, What::Ended { .. }));
        if !whole {
            prop_assert_ne!(report.exit_code(Lenience::NONE), 0);
        }
        prop_assert!(!terminal(&report, Colour::Never).is_empty());
    }
}
