//! The claims, a file each: what is looked at, and what it must show.

mod access;
mod acknowledged;
mod alive;
mod attempts;
mod audit;
mod barred;
mod bound;
mod call_rate;
pub(crate) mod client_limits;
mod counts;
mod delivery;
mod forgotten;
mod in_lobby;
mod isolation;
mod neighbour;
mod onboarded;
mod online;
mod owned_once;
mod platform_view;
mod pool;
mod quota;
mod received;
mod removed;
mod reported;
mod residency;
mod rolled_back;
mod rollout;
mod storage;
mod untouched;
mod updated;

use crate::outcome::Ending;
use crate::proof::{Proof, Seen};
use crate::run::{Result, Run, Stop};
use fleetproof_journal::{Judged, Verdict, What};
use fleetproof_language::{Claim, Class, Expect, Limit, Located};
use fleetproof_world::Stamp;
use std::time::Duration;

/// An eventual claim while it is watched.
struct Watched<'a> {
    claim: &'a Located<Claim>,
    /// Since when it has held without a break.
    holds_since: Option<Stamp>,
    last: Option<Seen>,
}

/// Judges all claims of one `expect`: eventual ones first, then what was recorded, then the attempts; counts and audit
/// last, since attempts move the ledger.
pub(crate) async fn expect(run: &Run, expect: &Located<Expect>) -> Result<Ending> {
    let began = run.shared.now();
    let deadline = expect.within.as_ref().map_or(began, |within| run.deadline(within.value));
    let limits = Limits {
        began,
        deadline,
        stays: expect.stays.as_ref().map_or(Duration::ZERO, |stays| stays.value),
        cut_short: expect.within.as_ref().is_some_and(|within| began.after(within.value) > run.budget()),
    };
    let mut judged: Vec<Judged> = Vec::new();
    let of = |wanted: fn(&Claim) -> bool| expect.claims.iter().filter(move |claim| wanted(&claim.value));

    judged.extend(eventually(run, of(|claim| !comes_last(claim) && claim.kind() == Class::Eventual), &limits).await?);
    for claim in of(|claim| claim.kind() == Class::Safety) {
        judged.push(on_the_record(run, claim, deadline).await?);
    }
    for claim in of(|claim| !comes_last(claim) && claim.kind() == Class::Active) {
        judged.push(by_attempts(run, claim, deadline).await?);
    }
    judged.extend(eventually(run, of(comes_last), &limits).await?);

    let worst = Verdict::worst(judged.iter().map(|judged| judged.verdict)).unwrap_or(Verdict::Inconclusive);
    let held = judged.iter().filter(|judged| judged.verdict == Verdict::Passed).count();
    let detail = match judged.iter().find(|judged| judged.verdict == worst) {
        Some(first) if worst != Verdict::Passed => format!("`{}`: {}", first.claim, first.actual),
        _ => format!("{held} of {} claims hold", judged.len()),
    };
    Ok(Ending { verdict: worst, detail })
}

/// Claims of later `expect`s that are still judged once a step failed: those on the record, if their subject exists.
pub(crate) async fn after_a_failure(run: &Run, expect: &Located<Expect>) -> Result<Vec<Judged>> {
    let mut judged = Vec::new();
    for claim in &expect.claims {
        match &claim.value {
            Claim::Untouched { deployment, .. } if run.deployments.contains_key(&deployment.value) => {
                let now = run.shared.now();
                judged.push(on_the_record(run, claim, now).await?);
            }
            Claim::Delivery { .. } => {
                let now = run.shared.now();
                judged.push(on_the_record(run, claim, now).await?);
            }
            Claim::Neighbour { measure, baseline, .. }
                if run.measured.contains_key(&measure.value) && run.measured.contains_key(&baseline.value) =>
            {
                let now = run.shared.now();
                judged.push(on_the_record(run, claim, now).await?);
            }
            Claim::Measured { measure, .. } if run.measured.contains_key(&measure.value) => {
                let now = run.shared.now();
                judged.push(on_the_record(run, claim, now).await?);
            }
            other => {
                let text = format!("`{}` is not judged: an earlier step failed", other.name());
                run.shared.emit("engine", run.place(claim.span), What::Note { text });
            }
        }
    }
    Ok(judged)
}

fn comes_last(claim: &Claim) -> bool {
    matches!(claim, Claim::Counts { .. } | Claim::Audit { .. })
}

/// The time that an `expect` has.
struct Limits {
    began: Stamp,
    /// Until when eventual claims may become true.
    deadline: Stamp,
    /// How long they must stay true.
    stays: Duration,
    /// The scenario's budget ends before what the `expect` says.
    cut_short: bool,
}

/// Watches eventual claims until each held (for as long as it must), or the deadline passed. What never held because the
/// budget ended first is not proven wrong.
async fn eventually<'a>(
    run: &Run,
    claims: impl Iterator<Item = &'a Located<Claim>>,
    limits: &Limits,
) -> Result<Vec<Judged>> {
    let mut open: Vec<Watched<'_>> = claims.map(|claim| Watched { claim, holds_since: None, last: None }).collect();
    let mut judged = Vec::new();
    while !open.is_empty() {
        let now = run.shared.now();
        let late = now >= limits.deadline;
        let mut still = Vec::new();
        for mut watched in open {
            let seen = look(run, &watched.claim.value, limits.began, late).await?;
            let settled = match (&seen, watched.holds_since) {
                (Seen::Holds(_), since) => {
                    let since = *watched.holds_since.insert(since.unwrap_or(now));
                    now.since(since) >= limits.stays
                }
                // It held and holds no longer: that it might again is of no use.
                (_, Some(_)) => true,
                (_, None) => false,
            };
            if settled || late {
                let unfinished = !settled && limits.cut_short;
                let seen = if unfinished { seen.cut_short(run.plan.scenario.budget()) } else { seen };
                judged.push(conclude(run, watched.claim, seen));
            } else {
                watched.last = Some(seen);
                still.push(watched);
            }
        }
        open = still;
        if !open.is_empty() {
            run.glance(limits.deadline).await?;
        }
    }
    Ok(judged)
}

/// Judges a claim on what was recorded; waits while the evidence is still on its way, at most until `deadline`.
async fn on_the_record(run: &Run, claim: &Located<Claim>, deadline: Stamp) -> Result<Judged> {
    loop {
        let seen = match &claim.value {
            Claim::Untouched { devices, deployment } => untouched::look(run, devices, deployment),
            Claim::Delivery { devices, lost, duplicated } => {
                let (lost, duplicated) = (lost.value.into(), duplicated.value.into());
                delivery::judge(run, devices, lost, duplicated, deadline).await?
            }
            Claim::OwnedOnce { devices, among } => owned_once::look(run, devices, among).await?,
            Claim::Acknowledged { tenants, lost } => acknowledged::attempt(run, tenants, lost.value).await?,
            Claim::Neighbour { measure, baseline, p99, lost, errors } => {
                let errors = errors.as_ref().map_or(0, |errors| errors.value);
                let due = neighbour::Due { p99: p99.value, lost: lost.value, errors };
                neighbour::neighbour(run, measure, baseline, &due)
            }
            Claim::Measured { measure, latency, errors, lost } => {
                let latency = u64::try_from(latency.value.as_micros()).unwrap_or(u64::MAX);
                neighbour::measured(run, measure, latency, errors.value, lost.value)
            }
            other => Seen::Hidden(Proof::of(other.name()).actual("nothing is recorded about it")),
        };
        let hidden = matches!(seen, Seen::Hidden(_));
        if !hidden || run.shared.now() >= deadline {
            return Ok(conclude(run, claim, seen));
        }
        run.breathe(deadline).await?;
    }
}

/// One look at an eventual claim, perhaps the last.
async fn look(run: &Run, claim: &Claim, began: Stamp, last: bool) -> Result<Seen> {
    match claim {
        Claim::Online { devices } => Ok(online::look(run, devices, began)),
        Claim::Barred { devices, like } => Ok(barred::look(run, devices, like)),
        Claim::Removed { tenants } => removed::look(run, tenants).await,
        Claim::Alive { tenants } => alive::look(run, tenants, began).await,
        Claim::Updated { devices, version } => updated::look(run, devices, version).await,
        Claim::RolledBack { devices, deployment, version } => {
            rolled_back::look(run, devices, deployment, version).await
        }
        Claim::Reported { devices } => reported::look(run, devices, last).await,
        Claim::Rollout { deployment, ended } => rollout::look(run, deployment, ended.value).await,
        Claim::Forgotten { devices, tenant } => forgotten::look(run, devices, tenant).await,
        Claim::Onboarded { tenants, outcome } => onboarded::look(run, tenants, outcome.value).await,
        Claim::Counts { tenant, accepted, pending, limit } => {
            let due = counts::Due {
                accepted: accepted.value.into(),
                pending: pending.as_ref().map(|pending| pending.value.into()),
                limit: limit.as_ref().map(|limit| limit.value.into()),
            };
            counts::look(run, tenant, due).await
        }
        Claim::Audit { tenants } => audit::look(run, tenants).await,
        Claim::InLobby { devices } => in_lobby::look(run, devices).await,
        Claim::Bound { devices, tenant } => bound::look(run, devices, tenant, began).await,
        Claim::Received { subscription, count, text } => {
            let text = text.as_ref().map(|text| text.value.as_str());
            Ok(received::look(run, subscription, count.value, text))
        }
        Claim::OwnedOnce { .. }
        | Claim::Residency { .. }
        | Claim::Untouched { .. }
        | Claim::Delivery { .. }
        | Claim::Acknowledged { .. }
        | Claim::Isolation { .. }
        | Claim::Access { .. }
        | Claim::Quota { .. }
        | Claim::Neighbour { .. }
        | Claim::Measured { .. }
        | Claim::Pool { .. } => Err(Stop::Broken(format!("`{}` is no eventual claim", claim.name()))),
    }
}

/// A claim that makes its own attempts.
async fn by_attempts(run: &Run, claim: &Located<Claim>, deadline: Stamp) -> Result<Judged> {
    let seen = match &claim.value {
        Claim::Isolation { .. } => isolation::attempt(run, claim, deadline).await?,
        Claim::Access { .. } => access::attempt(run, claim, deadline).await?,
        Claim::Quota { tenants, limits, over_by } => {
            let over_by = over_by.as_ref().map_or(OVER_BY, |over_by| over_by.value);
            let limits: Vec<Limit> = limits.iter().map(|limit| limit.value).collect();
            quota::attempt(run, tenants, &limits, over_by).await?
        }
        Claim::Residency { tenants } => residency::attempt(run, tenants).await?,
        Claim::Pool { over_by, callers } => {
            let over_by = over_by.as_ref().map_or(OVER_BY, |over_by| over_by.value);
            pool::attempt(run, over_by, callers.as_ref().map_or(CALLERS, |callers| callers.value)).await?
        }
        other => return Err(Stop::Broken(format!("`{}` makes no attempts", other.name()))),
    };
    Ok(conclude(run, claim, seen))
}

/// By how much a limit is exceeded when the claim does not say.
const OVER_BY: u32 = 20;

/// How many callers ask at once when the claim does not say.
const CALLERS: u32 = 8;

/// Turns the last look into a verdict, and writes it down.
fn conclude(run: &Run, claim: &Located<Claim>, seen: Seen) -> Judged {
    let rows = claim.rows().iter().map(|row| row.word().to_owned()).collect();
    let judged = seen.judge(claim.name(), rows);
    run.shared.emit("engine", run.place(claim.span), What::Judged(judged.clone()));
    judged
}
