//! `quota` with the limit `call_rate`: after a quiet interval exactly so many calls get through at once, the rest is
//! refused as documented and not carried out, who waits as told gets in again, and no other tenant is refused anything.
//!
//! Each call of the rush changes the caller's own settings to a word of its own, which is then looked for.

use crate::actors;
use crate::run::{Result, Run, Stop};
use fleetproof_dialects::Answer;
use fleetproof_dialects::mender::{Mender, Session, fill};
use fleetproof_journal::What;
use fleetproof_language::{Located, Rate};
use fleetproof_world::Stamp;
use std::time::Duration;

/// What is asked: it changes something that is the caller's alone, and is there to be seen.
const CHANGE: &str = "Update My User Settings";

/// What shows it.
const LOOK: &str = "Show My User Settings";

/// So many calls at once are made at the most.
const MOST: u64 = 5_000;

/// How often the others ask meanwhile.
const OTHERS: u32 = 5;

/// What was seen.
#[derive(Default)]
pub(super) struct Found {
    /// What is not as it should be.
    pub(super) wrong: Vec<String>,
    /// What could not be seen.
    pub(super) hidden: Vec<String>,
    pub(super) evidence: Vec<u64>,
}

/// Rushes the management interface in the name of the tenant's admin.
pub(super) async fn attempt(run: &Run, tenant: &Located<String>, over_by: u32) -> Result<Found> {
    let mut found = Found::default();
    let name = tenant.value.as_str();
    let Some(rate) = run.call_rates.get(name) else {
        found.hidden.push(format!("`{name}` was given no `call_rate`"));
        return Ok(found);
    };
    let count = u64::from(rate.count);
    if count > MOST {
        found.hidden.push(format!("`{name}` may make {rate} calls: more than can be made at once"));
        return Ok(found);
    }
    let admin = run.people.admin(name).await?;
    let told = run.mender.call_rate(&admin).await?;
    if told != Some((count, rate.per.as_secs())) {
        found.wrong.push(format!("`{name}` is told {}, due {rate}", shown(told)));
    }
    let before = run.mender.own_settings(&admin).await?;
    let mut others = Vec::new();
    for other in run.people.open_tenants().into_iter().filter(|other| *other.at.name != *name) {
        others.push((other.at.name.to_string(), run.people.admin(&other.at.name).await?));
    }
    rest(run, rate.per).await?;

    let mark = |number: u64| format!("call-{}-{number}", run.shared.now().micros());
    let marks: Vec<String> = (0..count + u64::from(over_by)).map(mark).collect();
    let from = run.shared.now();
    let rush = rush(run, &admin, &marks, &others).await?;
    let until = run.shared.now();
    let (through, more) = (rush.through.len() as u64, came_in(rate, from, until));
    let text = format!(
        "{} calls of `{CHANGE}` at once by {} of `{name}`, which may make {rate}: {through} got through, {} were refused, {more} more came in meanwhile",
        marks.len(),
        admin.who(),
        marks.len() as u64 - through
    );
    found.evidence.push(run.shared.emit("engine", run.place(tenant.span), What::Note { text }));
    if !(count..=count + more).contains(&through) {
        let due = if more == 0 { format!("{count}") } else { format!("{count} to {}", count + more) };
        found.wrong.push(format!("`{name}`: {through} calls got through at once, due {due}"));
    }
    if more >= u64::from(over_by) {
        found.hidden.push(format!("{more} more calls came in during the rush: the limit was never reached for long"));
    }
    found.wrong.extend(rush.odd);
    if after(run, name, &admin, (from, until), &rush.through, rush.wait, &mut found).await? {
        run.mender.set_own_settings(&admin, &before).await?;
    }
    Ok(found)
}

/// Nobody of the tenant asks for anything until all of the quota is there.
async fn rest(run: &Run, time: Duration) -> Result<()> {
    let until = run.shared.now().after(time);
    if until > run.budget() {
        return Err(Stop::Inconclusive(format!("{} s of rest do not fit into what is left", time.as_secs())));
    }
    while run.shared.now() < until {
        run.glance(until).await?;
    }
    Ok(())
}

/// How many calls a quota gains in a time.
fn came_in(rate: Rate, from: Stamp, until: Stamp) -> u64 {
    let gained = until.since(from).as_micros() * u128::from(rate.count) / rate.per.as_micros().max(1);
    u64::try_from(gained).unwrap_or(u64::MAX)
}

struct Rush {
    /// The words of the calls that were answered with yes.
    through: Vec<String>,
    /// How long the last one who was refused was told to wait.
    wait: Option<Duration>,
    /// What is not as documented.
    odd: Vec<String>,
}

async fn rush(run: &Run, admin: &Session, marks: &[String], others: &[(String, Session)]) -> Result<Rush> {
    let surfaces = run.plan.surfaces.clone();
    let surface = surfaces.known.iter().find(|surface| surface.operation == CHANGE);
    let surface = surface.ok_or_else(|| Stop::Inconclusive(format!("the platform has no `{CHANGE}`")))?;
    let mut calls = Vec::new();
    for mark in marks {
        let request = fill::build(surface, &fill::Fills::default().mark("mark", mark.as_str()))?;
        calls.push((Some(mark.clone()), admin.clone(), request));
    }
    let look = surfaces.known.iter().find(|surface| surface.operation == LOOK);
    let look = look.map(|surface| fill::build(surface, &fill::Fills::default())).transpose()?;
    for (_, other) in others {
        for _ in 0..OTHERS {
            calls.extend(look.clone().map(|look| (None, other.clone(), look)));
        }
    }
    let asked = calls.iter().map(|(mark, by, _)| (mark.clone(), by.clone())).collect::<Vec<_>>();
    let calls = calls.into_iter().map(|(_, by, request)| {
        let mender = run.mender.clone();
        async move { mender.send_once(&by, Mender::door(&request.target), request).await }
    });
    let mut rush = Rush { through: Vec::new(), wait: None, odd: Vec::new() };
    for ((mark, by), answer) in asked.into_iter().zip(actors::together(calls).await) {
        let answer = answer?;
        match mark {
            Some(mark) if answer.is_success() => rush.through.push(mark),
            Some(_) => refused(&answer, &mut rush),
            None if answer.is_success() => {}
            None => rush.odd.push(format!("{} asked meanwhile and paid for it: {answer}", by.who())),
        }
    }
    Ok(rush)
}

/// A refusal as documented: 429, and when to come again.
fn refused(answer: &Answer, rush: &mut Rush) {
    let wait = answer.header("retry-after").and_then(|seconds| seconds.parse().ok());
    match (answer.status, wait) {
        (429, Some(seconds)) => rush.wait = Some(Duration::from_secs(seconds)),
        (429, None) => rush.odd.push(format!("refused without saying when to come again: {answer}")),
        _ => rush.odd.push(format!("refused in another way: {answer}")),
    }
}

/// Who waits as told gets in, and finds what was answered with yes, and nothing that was refused. Whether he got in: who is
/// kept out cannot look, nor tidy up.
async fn after(
    run: &Run,
    tenant: &str,
    admin: &Session,
    (from, until): (Stamp, Stamp),
    through: &[String],
    wait: Option<Duration>,
    found: &mut Found,
) -> Result<bool> {
    let Some(wait) = wait else { return Ok(true) };
    rest(run, wait).await?;
    let clock = &run.world.clock;
    let again = run.mender.look_once(admin, LOOK).await?;
    if !again.is_success() {
        let waited = wait.as_secs();
        found.wrong.push(format!("`{tenant}` waited {waited} s as it was told, and was answered: {again}"));
        return Ok(false);
    }
    let settings = again.text();
    if !through.iter().any(|mark| settings.contains(&format!("\"{mark}\""))) {
        found.wrong.push(format!("`{tenant}`: the settings are not those of a call that got through: {settings}"));
    }
    let (from, until) = (clock.unix_ms_at(from) / 1_000 * 1_000, clock.unix_ms_at(until));
    let (from, until) = (fleetproof_world::rfc3339(from), fleetproof_world::rfc3339(until + 1));
    let log = run.mender.audit_log(admin).await?;
    let subject = admin.subject().map(ToString::to_string).unwrap_or_default();
    let changes = log.iter().filter(|row| {
        row.action == "update" && row.object == subject && row.actor == subject && from <= row.time && row.time <= until
    });
    let changes = changes.count();
    if changes != through.len() {
        found.wrong.push(format!(
            "`{tenant}`: {} calls got through, its log has {changes} changes of that time",
            through.len()
        ));
    }
    Ok(true)
}

fn shown(told: Option<(u64, u64)>) -> String {
    told.map_or_else(|| "no limit".to_owned(), |(calls, seconds)| format!("{calls} calls in {seconds} s"))
}
