//! `report.json`: the report for programs.

use crate::report::{Claim, Report, Scenario};
use fleetproof_journal::{RunFacts, Verdict};
use serde_json::{Value, json as object};

/// Version of the report's format. Keys may be added under one version; it grows when one goes or
/// changes its meaning.
pub const VERSION: u32 = 2;

/// The report as JSON. Durations and times are µs on the scenario's clock, `evidence` are numbers
/// of events in the scenario's journal. Attempts that passed are counted, the others listed.
///
/// `facts` are what is unique to the run; without them a virtual run's report is the same whenever
/// its seed is.
#[must_use]
pub fn json(report: &Report, facts: Option<&RunFacts>) -> Value {
    let mut value = object!({
        "version": VERSION,
        "verdict": report.verdict(),
        "counts": counts(report.scenarios.iter().map(|scenario| scenario.verdict)),
        "scenarios": report.scenarios.iter().map(scenario).collect::<Vec<_>>(),
    });
    if let (Some(facts), Some(map)) = (facts, value.as_object_mut()) {
        map.insert("run".to_owned(), object!(facts));
    }
    value
}

fn counts(verdicts: impl Iterator<Item = Verdict>) -> Value {
    let mut counts = serde_json::Map::new();
    for verdict in verdicts {
        let so_far = counts.get(verdict.word()).and_then(Value::as_u64).unwrap_or(0);
        counts.insert(verdict.word().to_owned(), object!(so_far + 1));
    }
    Value::Object(counts)
}

fn scenario(scenario: &Scenario) -> Value {
    object!({
        "name": scenario.name,
        "about": scenario.about,
        "file": scenario.file,
        "verdict": scenario.verdict,
        "because": scenario.because,
        "seed": scenario.seed,
        "clock": scenario.clock,
        "devices": scenario.devices,
        "tenants": scenario.tenants,
        "covers": scenario.covers,
        "seeded_defect": scenario.defect,
        "matrix": scenario.matrix,
        "duration": scenario.took,
        "polls": scenario.polls,
        "attempts": counts(scenario.tries().map(|tried| tried.attempted.verdict)),
        "steps": scenario.steps,
        "claims": scenario.claims.iter().map(claim).collect::<Vec<_>>(),
        "watched": scenario.watched.iter().map(|(seq, text)| object!({ "event": seq, "text": text })).collect::<Vec<_>>(),
        "notes": scenario.notes,
        "reproduce": scenario.reproduce(),
        "not_replayable": scenario.not_replayable(),
        "earlier": scenario.earlier.iter().map(self::scenario).collect::<Vec<_>>(),
    })
}

fn claim(claim: &Claim) -> Value {
    let judged = &claim.judged;
    let open = claim.tries.iter().filter(|tried| tried.attempted.verdict != Verdict::Passed);
    object!({
        "claim": judged.claim,
        "rows": judged.rows,
        "verdict": judged.verdict,
        "place": claim.place,
        "at": claim.at,
        "expected": judged.expected,
        "actual": judged.actual,
        "details": judged.details,
        "evidence": judged.evidence,
        "first_anomaly": judged.first_anomaly,
        "coverage": claim.covered,
        "attempts": counts(claim.tries.iter().map(|tried| tried.attempted.verdict)),
        "open_attempts": open.collect::<Vec<_>>(),
    })
}
