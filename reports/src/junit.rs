//! JUnit's XML, as CI systems read it.

use crate::report::{Claim, Report, Scenario, Try};
use crate::words::{clean, short};
use fleetproof_journal::{Attempted, Place, Verdict};
use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};
use std::collections::BTreeMap;
use std::time::Duration;

/// The report as JUnit's XML: a suite per scenario (and per
/// earlier run of it), a case per claim. A claim that rests on
/// attempts has a case per operation instead, and one of its own for what no operation says. A
/// step that did not succeed, and a scenario that ended otherwise than its claims, are cases too.
///
/// `failed` and `flaky` are failures; `invalid`, `broken`, `inconclusive` and `interrupted` errors.
#[must_use]
pub fn junit(report: &Report) -> String {
    let mut document = Document::new("fleetproof");
    document.set_time(report.scenarios.iter().map(|scenario| Duration::from_micros(scenario.took)).sum());
    let runs = report.scenarios.iter().flat_map(|scenario| scenario.earlier.iter().chain([scenario]));
    document.add_test_suites(runs.map(suite));
    // Writing to memory cannot fail; if it does, nobody may take an empty file for a good one.
    document.to_string().unwrap_or_else(|error| format!("<!-- {error} -->"))
}

fn suite(scenario: &Scenario) -> TestSuite {
    let mut suite = TestSuite::new(&*clean(&scenario.name));
    suite.set_time(Duration::from_micros(scenario.took));
    let mut property = |name: &str, value: &str| {
        suite.add_property((name, &*clean(value)));
    };
    property("seed", &scenario.seed.to_string());
    property("clock", &scenario.clock);
    property("devices", &scenario.devices.to_string());
    property("covers", &scenario.covers.join(" "));
    property("reproduce", &scenario.reproduce());
    if let Some(defect) = &scenario.defect {
        property("seeded-defect", defect);
    }
    for (axis, value) in &scenario.matrix {
        property(&format!("matrix.{axis}"), value);
    }
    suite.add_test_cases(cases(scenario));
    suite
}

fn cases(scenario: &Scenario) -> Vec<TestCase> {
    let mut cases = Vec::new();
    let claims = scenario.claims.iter().filter(|claim| claim.judged.verdict != Verdict::Passed).count();
    for (step, verdict) in scenario.troubled() {
        if step.verb == "expect" && claims > 0 {
            continue;
        }
        let status = status(verdict, &step.detail, &[located(step.place.as_ref()), again(scenario)]);
        cases.push(case(scenario, &format!("step {} {}", step.index, step.verb), status));
    }
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for claim in &scenario.claims {
        let times = seen.entry(&claim.judged.claim).or_insert(0);
        *times += 1;
        let name = match times {
            1 => claim.judged.claim.clone(),
            times => format!("{} #{times}", claim.judged.claim),
        };
        claim_cases(scenario, claim, &name, &mut cases);
    }
    if let Some(because) = &scenario.because {
        cases.push(case(scenario, "scenario", status(scenario.verdict, because, &[again(scenario)])));
    }
    cases
}

fn claim_cases(scenario: &Scenario, claim: &Claim, name: &str, cases: &mut Vec<TestCase>) {
    let mut operations: BTreeMap<&str, Vec<&Try>> = BTreeMap::new();
    for tried in &claim.tries {
        operations.entry(&tried.attempted.operation).or_default().push(tried);
    }
    let mut worst = Verdict::Passed;
    for (operation, tries) in &operations {
        let verdict = Verdict::worst(tries.iter().map(|tried| tried.attempted.verdict)).unwrap_or(worst);
        worst = worst.and(verdict);
        let bad: Vec<&&Try> = tries.iter().filter(|tried| tried.attempted.verdict == verdict).collect();
        let message = bad.first().map(|tried| summary(&tried.attempted)).unwrap_or_default();
        let mut text = vec![located(claim.place.as_ref())];
        text.extend(bad.iter().take(8).map(|tried| told(tried)));
        if bad.len() > 8 {
            text.push(format!("and {} more in run.jsonl", bad.len() - 8));
        }
        text.push(again(scenario));
        let mut case = case(scenario, &format!("{name}: {operation}"), status(verdict, &message, &text));
        case.set_assertions(tries.len());
        cases.push(case);
    }
    if let Some(covered) = &claim.covered {
        for operation in &covered.uncovered {
            let message = "no attempt covers this operation, and no exemption excuses it";
            let status = status(Verdict::Inconclusive, message, &[located(claim.place.as_ref())]);
            cases.push(case(scenario, &format!("{name}: {operation}"), status));
            worst = worst.and(Verdict::Inconclusive);
        }
        for (operation, reason) in &covered.exempt {
            cases.push(case(scenario, &format!("{name}: {operation}"), status(Verdict::Skipped, reason, &[])));
        }
    }
    let judged = &claim.judged;
    if operations.is_empty() || worst != judged.verdict {
        let message = format!("expected {}; {}", judged.expected, judged.actual);
        let mut text = vec![located(claim.place.as_ref())];
        text.extend(judged.details.iter().map(|detail| clean(detail).into_owned()));
        text.extend(claim.evidence.iter().take(20).map(|(seq, event)| format!("#{seq} {event}")));
        text.push(again(scenario));
        cases.push(case(scenario, name, status(judged.verdict, &message, &text)));
    }
}

fn case(scenario: &Scenario, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(&*clean(name), status);
    case.set_classname(&*clean(&scenario.name));
    case
}

fn status(verdict: Verdict, message: &str, text: &[String]) -> TestCaseStatus {
    let mut status = match verdict {
        Verdict::Passed => return TestCaseStatus::success(),
        Verdict::Skipped => TestCaseStatus::skipped(),
        Verdict::Failed | Verdict::Flaky => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Invalid | Verdict::Broken | Verdict::Inconclusive | Verdict::Interrupted => {
            TestCaseStatus::non_success(NonSuccessKind::Error)
        }
    };
    status.set_type(verdict.word()).set_message(short(message, 500));
    let text: Vec<&str> = text.iter().map(String::as_str).filter(|line| !line.is_empty()).collect();
    if !text.is_empty() {
        status.set_description(text.join("\n"));
    }
    status
}

fn located(place: Option<&Place>) -> String {
    place
        .map(|place| format!("{}:{}:{}: {}", clean(&place.file), place.line, place.column, clean(place.text.trim())))
        .unwrap_or_default()
}

fn again(scenario: &Scenario) -> String {
    format!("reproduce: {}", clean(&scenario.reproduce()))
}

fn summary(tried: &Attempted) -> String {
    let lost = tried.lost.as_ref().map(|lost| format!("; lost: {lost}")).unwrap_or_default();
    format!("{} asked for {} of {} and got {}{lost}", tried.actor, tried.operation, tried.victim, tried.answer)
}

fn told(tried: &Try) -> String {
    let told = &tried.attempted;
    let mut text = format!(
        "#{} {}\n  request: {}\n  came back: {}\n  expected: {}",
        tried.seq,
        clean(&told.id),
        short(&told.request, 300),
        short(&told.answer, 300),
        short(&told.expected, 300)
    );
    let others = [("never existed", &told.never_existed), ("control", &told.control), ("lost", &told.lost)];
    for (label, other) in others {
        if let Some(other) = other {
            text.push_str(&format!("\n  {label}: {}", short(other, 300)));
        }
    }
    text
}
