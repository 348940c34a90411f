//! The detector: makes the attempts of `isolation` and `access`, each with its control, and judges them.
//!
//! [`run_isolation`] and [`run_access`] pitch a *camp* in every tenant (canary users of each role, a canary device,
//! objects with the tenant's word in them), go through the compiled attempts operation by operation (`round`), and
//! strike the camps again: nothing living is left. Attempts upon one operation in one direction share the object that
//! they attack and one look before and after; when the look differs, they are made again one by one, each upon an
//! object of its own, so that the culprit is named.

mod ask;
mod camp;
mod clients;
mod control;
mod feints;
mod ghosts;
mod guests;
mod links;
mod lists;
mod planted;
mod prey;
mod round;
mod tell;
mod trial;
mod wired;

use camp::{Camp, Names};
pub use clients::Endpoints;
use fleetproof_claims::model::{BodyTemplate, Compiled, Family, Kind, Surface, Surfaces};
use fleetproof_claims::wired::{Deed, WiredAttempt};
use fleetproof_dialects::DialectError;
use fleetproof_dialects::mender::{Mender, Session, TenantRef};
use fleetproof_journal::{Attempted, Verdict, What};
use fleetproof_world::Stamp;
use guests::House;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A tenant as the detector needs it.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Name in the scenario, id on the platform.
    pub at: TenantRef,
    /// The session of its admin: makes and removes the canary users.
    pub admin: Session,
    /// It may have children.
    pub provider: bool,
}

/// What the detector works with.
pub struct DetectorContext<'a> {
    /// The platform.
    pub mender: Mender,
    /// The surfaces that the attempts were compiled from.
    pub surfaces: &'a Surfaces,
    /// The tenants between which it is tried, and the provider if there is one.
    pub seats: Vec<Seat>,
    /// Until when something may be waited for that ends by itself.
    pub deadline: Stamp,
    /// Stands in the name of everything that is made; another one for each claim of a run.
    pub label: String,
    /// Where all endpoints for MQTT are; `None`: nothing is tried there.
    pub endpoints: Option<Endpoints>,
    /// The sessions of the scenario's own people who are asked about (`access`), by name.
    pub people: BTreeMap<String, Session>,
    /// Told of every attempt when it is judged, and of the coverage at the end.
    pub emit: &'a mut (dyn FnMut(What) + Send),
}

/// What came of a claim's attempts.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// The verdict: the worst attempt decides, and an operation that nothing covers is inconclusive.
    pub verdict: Verdict,
    /// How many attempts were made.
    pub attempts: u32,
    /// On how many operations.
    pub operations: u32,
    /// Those that did not pass, in the order in which they were made.
    pub findings: Vec<Attempted>,
    /// What was not covered, and what was not to be.
    pub uncovered: Vec<String>,
    /// Operations that are left out, and why.
    pub exempt: Vec<(String, String)>,
    /// Attempts that could not be made, by reason.
    pub not_made: BTreeMap<String, u32>,
}

/// Why attempts could not be made at all. What the platform does wrong is no error but evidence.
#[derive(Debug)]
pub enum DetectorError {
    /// The platform did not serve what a rightful owner asked while things were prepared or put back.
    Dialect(DialectError),
    /// A tenant is attacked whose seat was not given.
    NoSeat(String),
    /// A camp lacks what it was pitched with: a bug.
    NoCamp,
    /// Something that is shown to the platform could not be made.
    Unprepared(String),
}

impl fmt::Display for DetectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dialect(error) => write!(f, "the attempts could not be prepared: {error}"),
            Self::NoSeat(tenant) => write!(f, "`{tenant}` is not there to be attacked"),
            Self::NoCamp => f.write_str("a canary user is missing"),
            Self::Unprepared(why) => write!(f, "the attempts could not be prepared: {why}"),
        }
    }
}

impl std::error::Error for DetectorError {}

impl From<DialectError> for DetectorError {
    fn from(error: DialectError) -> Self {
        Self::Dialect(error)
    }
}

/// Makes the attempts of `isolation`, and leaves the platform as it was.
///
/// # Errors
/// [`DetectorError`] when a rightful owner is not served while the attempts are prepared.
pub async fn run_isolation(ctx: &mut DetectorContext<'_>, compiled: &Compiled) -> Result<Detection, DetectorError> {
    run(ctx, compiled, "isolation").await
}

/// Makes the attempts of `access`, and leaves the platform as it was.
///
/// # Errors
/// [`DetectorError`] when a rightful owner is not served while the attempts are prepared.
pub async fn run_access(ctx: &mut DetectorContext<'_>, compiled: &Compiled) -> Result<Detection, DetectorError> {
    run(ctx, compiled, "access").await
}

/// All that the rounds share.
pub(crate) struct Field {
    pub(crate) mender: Mender,
    pub(crate) surfaces: Vec<Surface>,
    camps: BTreeMap<String, Camp>,
    provider: Option<String>,
    people: BTreeMap<String, Session>,
    names: Names,
    endpoints: Option<Endpoints>,
    house: Option<House>,
    deadline: Stamp,
    claim: &'static str,
}

impl Field {
    fn camp(&self, tenant: &str) -> Result<&Camp, DetectorError> {
        self.camps.get(tenant).ok_or_else(|| DetectorError::NoSeat(tenant.to_owned()))
    }

    /// The camp of the tenant that has children.
    fn provider(&self) -> Option<&Camp> {
        self.provider.as_ref().and_then(|name| self.camps.get(name))
    }
}

async fn run(
    ctx: &mut DetectorContext<'_>,
    compiled: &Compiled,
    claim: &'static str,
) -> Result<Detection, DetectorError> {
    let alone = (ctx.seats.len() < 2).then(|| without_offers(compiled, ctx.surfaces));
    let compiled = alone.as_ref().unwrap_or(compiled);
    // Whoever does not attack accounts, or the lobby, makes nothing there either.
    let attacked: BTreeSet<Family> =
        compiled.attempts.iter().map(|attempt| ctx.surfaces.known[attempt.surface].family).collect();
    let apart = |family: Family| matches!(family, Family::Account | Family::Lobby);
    let in_play: Vec<usize> = (0..ctx.surfaces.known.len())
        .filter(|at| {
            let family = ctx.surfaces.known[*at].family;
            !apart(family) || attacked.contains(&family)
        })
        .collect();
    let counted_anew = renumbered(compiled, &in_play);
    let compiled = &counted_anew;
    let (at_lobby, at_endpoints): (Vec<WiredAttempt>, Vec<WiredAttempt>) =
        compiled.wired.iter().cloned().partition(|attempt| matches!(attempt.deed, Deed::AtLobby(_)));
    let house = match attacked.contains(&Family::Lobby) || !at_lobby.is_empty() {
        true => House::of(&ctx.mender, &ctx.seats).await?,
        false => None,
    };
    let mut field = Field {
        mender: ctx.mender.clone(),
        surfaces: in_play.iter().map(|at| affordable(&ctx.surfaces.known[*at])).collect(),
        camps: BTreeMap::new(),
        provider: ctx.seats.iter().find(|seat| seat.provider).map(|seat| seat.at.name.to_string()),
        people: ctx.people.clone(),
        names: Names::new(&ctx.label),
        endpoints: ctx.endpoints.clone(),
        house,
        deadline: ctx.deadline,
        claim,
    };
    let mut outcome = Ok(());
    let mut attempted = Vec::new();
    // Where nothing is tried by requests nobody is needed who makes them.
    let seats: &[Seat] = if compiled.attempts.is_empty() { &[] } else { &ctx.seats };
    for seat in seats {
        match Camp::pitch(&field.mender, &field.surfaces, seat, &field.names, field.operator()).await {
            Ok(camp) => drop(field.camps.insert(seat.at.name.to_string(), camp)),
            Err(error) => outcome = Err(error),
        }
    }
    if outcome.is_ok() {
        outcome = round::all(&field, compiled, ctx.emit, &mut attempted).await;
    }
    // Whatever happened: nothing living is left.
    let mut struck = Ok(());
    for camp in field.camps.values() {
        struck = struck.and(camp.strike(&field.mender, &field.surfaces, &field.names).await);
    }
    if let (Ok(()), false) = (&outcome, at_lobby.is_empty()) {
        let porch = feints::Porch::new(&field, &ctx.seats, &ctx.label);
        outcome = feints::all(&porch, &at_lobby, ctx.emit, &mut attempted).await;
    }
    if let (Ok(()), false, Some(endpoints)) = (&outcome, at_endpoints.is_empty(), &ctx.endpoints) {
        let coast = wired::Coast {
            mender: &ctx.mender,
            endpoints,
            seats: &ctx.seats,
            label: &ctx.label,
            deadline: ctx.deadline,
        };
        outcome = wired::all(&coast, &at_endpoints, ctx.emit, &mut attempted).await;
    }
    // A platform that has let an attempt through may well not serve its owners either: that is no excuse for it.
    if !attempted.iter().any(|attempted| attempted.verdict == Verdict::Failed) {
        outcome?;
        struck?;
    }
    let detection = summed(compiled, attempted);
    (ctx.emit)(What::Coverage {
        claim: claim.to_owned(),
        operations: u32::try_from(compiled.operations).unwrap_or(u32::MAX),
        attempted: detection.operations,
        exempt: detection.exempt.clone(),
        uncovered: detection.uncovered.clone(),
        attempts: detection.attempts,
    });
    Ok(detection)
}

/// The same attempts with their surfaces counted among those in play.
fn renumbered(compiled: &Compiled, in_play: &[usize]) -> Compiled {
    let mut compiled = compiled.clone();
    for attempt in &mut compiled.attempts {
        // Whatever is attacked is in play.
        attempt.surface = in_play.partition_point(|at| *at < attempt.surface);
    }
    compiled
}

/// What is left where one tenant is alone: nobody offers it anything.
fn without_offers(compiled: &Compiled, surfaces: &Surfaces) -> Compiled {
    const WHY: &str = "no other account takes part that could offer a certificate";
    let offered = |surface: &Surface| surface.slots.iter().any(|slot| slot.kind == Kind::Offer);
    let mut left = compiled.clone();
    let mut exempt = BTreeSet::new();
    left.attempts.retain(|attempt| {
        let is_offer = surfaces.known.get(attempt.surface).is_some_and(offered);
        if is_offer {
            exempt.insert(attempt.operation.clone());
        }
        !is_offer
    });
    left.exempt.extend(exempt.into_iter().map(|operation| (operation, WHY.to_owned())));
    left
}

/// A child without devices fits into every pool.
fn affordable(surface: &Surface) -> Surface {
    let mut surface = surface.clone();
    let counts_devices = surface.operation.contains("Device Limit");
    if let Some(BodyTemplate::Json(body)) = &mut surface.body {
        for name in ["device_limit", "limit"] {
            if let Some(limit) = body.get_mut(name).filter(|_| name == "device_limit" || counts_devices) {
                *limit = 0.into();
            }
        }
    }
    surface
}

fn summed(compiled: &Compiled, attempted: Vec<Attempted>) -> Detection {
    let made: Vec<&Attempted> = attempted.iter().filter(|a| a.verdict != Verdict::Skipped).collect();
    let operations: BTreeSet<&str> = made.iter().map(|a| a.operation.as_str()).collect();
    let mut planned: BTreeSet<&str> = compiled.attempts.iter().map(|a| a.operation.as_str()).collect();
    planned.extend(compiled.wired.iter().map(|attempt| attempt.operation));
    let mut uncovered = compiled.uncovered.clone();
    uncovered.extend(planned.iter().filter(|operation| !operations.contains(**operation)).map(|o| (*o).to_owned()));
    let worst = made.iter().map(|a| a.verdict).fold(Verdict::Passed, |worst, next| match (worst, next) {
        (Verdict::Failed, _) | (_, Verdict::Failed) => Verdict::Failed,
        (Verdict::Inconclusive, _) | (_, Verdict::Inconclusive) => Verdict::Inconclusive,
        _ => Verdict::Passed,
    });
    let verdict = if worst == Verdict::Passed && (!uncovered.is_empty() || made.is_empty()) {
        Verdict::Inconclusive
    } else {
        worst
    };
    let mut not_made: BTreeMap<String, u32> = BTreeMap::new();
    for skipped in attempted.iter().filter(|a| a.verdict == Verdict::Skipped) {
        *not_made.entry(skipped.lost.clone().unwrap_or_default()).or_default() += 1;
    }
    Detection {
        verdict,
        attempts: u32::try_from(made.len()).unwrap_or(u32::MAX),
        operations: u32::try_from(operations.len()).unwrap_or(u32::MAX),
        uncovered,
        exempt: compiled.exempt.clone(),
        not_made,
        findings: attempted
            .into_iter()
            .filter(|a| matches!(a.verdict, Verdict::Failed | Verdict::Inconclusive))
            .collect(),
    }
}
