//! Hands compiled attempts to the detector, and draws the verdict from what came of them.

use crate::detector::{Detection, DetectorContext, DetectorError, Endpoints, Seat, run_access, run_isolation};
use crate::proof::{Proof, Seen};
use crate::run::{Result, Run, Stop};
use fleetproof_dialects::mender::Session;
use fleetproof_journal::{Attempted, Verdict, What};
use fleetproof_language::{Claim, Located};
use fleetproof_world::Stamp;
use std::collections::BTreeMap;

/// Makes the attempts of `claim` at the tenants called `between`, in the sessions of `people` where they ask for them.
pub(super) async fn make(
    run: &Run,
    claim: &Located<Claim>,
    between: Vec<String>,
    people: BTreeMap<String, Session>,
    deadline: Stamp,
    expected: &str,
) -> Result<Seen> {
    let plan = run.plan.clone();
    let Some(compiled) = plan.attempts.get(&claim.span) else {
        return Err(Stop::Broken(format!("the attempts of `{}` were never compiled", claim.name())));
    };
    let mut seats = Vec::new();
    for tenant in run.people.open_tenants() {
        if tenant.is_provider
            || between.iter().any(|name| **name == *tenant.at.name)
            || homes_of(&people, &tenant.at.id)
        {
            let admin = run.people.admin(&tenant.at.name).await?;
            seats.push(Seat { at: tenant.at.clone(), admin, provider: tenant.is_provider });
        }
    }
    let (shared, place) = (run.shared.clone(), run.place(claim.span));
    let (mut first, mut last) = (None, 0);
    let mut emit = |what: What| {
        last = shared.emit("detector", place.clone(), what);
        first.get_or_insert(last);
    };
    let mut context = DetectorContext {
        mender: run.mender.clone(),
        surfaces: &plan.surfaces,
        seats,
        deadline,
        label: format!("fp{}", shared.now().micros()),
        endpoints: run.things.door().ok().map(|(door, trusted)| Endpoints { door, trusted }),
        people,
        emit: &mut emit,
    };
    let detection = match &claim.value {
        Claim::Isolation { .. } => run_isolation(&mut context, compiled).await,
        _ => run_access(&mut context, compiled).await,
    };
    let proof = Proof::of(expected).evidence(first.into_iter().chain([last]));
    match detection {
        Ok(detection) => Ok(seen(&detection, proof)),
        Err(DetectorError::NoSeat(tenant)) => {
            let text = format!("`{tenant}` is not there, or suspended: nobody can attack it, and nobody look");
            Ok(Seen::Hidden(proof.actual(text)))
        }
        Err(DetectorError::Dialect(error)) => Err(error.into()),
        Err(error) => Err(Stop::Broken(error.to_string())),
    }
}

fn homes_of(people: &BTreeMap<String, Session>, tenant: &str) -> bool {
    people.values().any(|session| session.tenant_id().is_some_and(|id| **id == *tenant))
}

/// The worst attempt decides; what nothing covers is inconclusive.
fn seen(detection: &Detection, proof: Proof) -> Seen {
    let summary = format!(
        "{} attempts on {} operations, {} exempt",
        detection.attempts,
        detection.operations,
        detection.exempt.len()
    );
    match detection.verdict {
        Verdict::Passed => Seen::Holds(proof.actual(summary)),
        Verdict::Failed => {
            let broken: Vec<&Attempted> =
                detection.findings.iter().filter(|attempted| attempted.verdict == Verdict::Failed).collect();
            let lines = broken.iter().map(|attempted| told(attempted)).collect();
            Seen::Broken(proof.actual(format!("{} of {summary}", broken.len())).details(lines))
        }
        _ => {
            let lines = detection.uncovered.iter().map(|operation| format!("no attempt covers `{operation}`"));
            let weak = detection.findings.iter().map(told);
            Seen::Hidden(proof.actual(summary).details(lines.chain(weak).collect()))
        }
    }
}

/// One attempt on a line: on what, who asked, what the victim lost. The request and its answer stand with the attempt.
pub(super) fn told(attempted: &Attempted) -> String {
    let lost = attempted.lost.as_deref().unwrap_or("nothing known");
    format!("`{}` upon `{}` by {}: {lost}", attempted.operation, attempted.victim, attempted.actor)
}
