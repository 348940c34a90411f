//! Random and damaged policies, read and asked, held against a slow evaluator: `fuzz-policy [seconds [seed]]`.
//!
//! Ends with 1 when a reader panics or both disagree, with what it was on standard error.
#![expect(clippy::unwrap_used, reason = "what cannot be drawn is a fault of this program")]

#[path = "../tests/policy/draw.rs"]
mod draw;
#[path = "../tests/policy/reference.rs"]
mod reference;

use draw::Draw;
use fleetproof_dataplane::policy::{Document, Policies};
use reference::Asked;
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

#[derive(Default)]
struct Counted {
    documents: u64,
    understood: u64,
    questions: u64,
    allowed: u64,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut number = |otherwise: u64| arguments.next().map_or(Some(otherwise), |text| text.parse().ok());
    let (Some(seconds), Some(seed)) = (number(10), number(1)) else {
        eprintln!("fuzz-policy [seconds [seed]]: both are whole numbers");
        return ExitCode::from(2);
    };
    #[expect(clippy::disallowed_methods, reason = "how long this program runs is a matter of real time")]
    let now = std::time::Instant::now;
    let end = now() + Duration::from_secs(seconds);
    let mut counted = Counted::default();
    for round in 0_u64.. {
        if round % 64 == 0 && now() >= end {
            break;
        }
        let start = seed.wrapping_mul(1_000_003).wrapping_add(round);
        match catch_unwind(|| one(start)) {
            Ok(Ok(round)) => {
                counted.documents += round.documents;
                counted.understood += round.understood;
                counted.questions += round.questions;
                counted.allowed += round.allowed;
            }
            Ok(Err(disagreement)) => {
                eprintln!("round {round} of seed {seed}: {disagreement}");
                return ExitCode::FAILURE;
            }
            Err(_) => {
                eprintln!("round {round} of seed {seed} panicked");
                return ExitCode::FAILURE;
            }
        }
    }
    let Counted { documents, understood, questions, allowed } = counted;
    println!(
        "{documents} documents, {understood} understood; {questions} questions, {allowed} allowed; no disagreement"
    );
    ExitCode::SUCCESS
}

fn one(start: u64) -> Result<Counted, String> {
    let mut draw = Draw(start);
    let mut counted = Counted::default();
    let (mut compiled, mut slow, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..=draw.below(3) {
        let mut text = draw.document().to_string();
        if draw.below(2) == 0 {
            text = draw.damaged(&text);
        }
        counted.documents += 1;
        if let Ok(document) = Document::parse(&text) {
            counted.understood += 1;
            compiled.push(Arc::new(document));
            slow.push(serde_json::from_str(&text).map_err(|error| format!("{text} is no JSON: {error}"))?);
            texts.push(text);
        }
    }
    let policies = Policies::new(compiled);
    for _ in 0..8 {
        let (facts, home, action) = (draw.facts(), draw.home(), draw.action());
        let name = draw.asked(&facts);
        let resource = draw.resource_of(&name);
        let is_allowed = policies.allow(action, resource, &home, &facts);
        let asked = Asked { action, resource, home: &home, facts: &facts };
        if is_allowed != reference::allows(&slow, &asked) {
            return Err(format!(
                "{action:?} {resource:?} is allowed: {is_allowed}, and the slow evaluator says otherwise\n{home:?}\n{facts:?}\n{}",
                texts.join("\n")
            ));
        }
        counted.questions += 1;
        counted.allowed += u64::from(is_allowed);
    }
    Ok(counted)
}
