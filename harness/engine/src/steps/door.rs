//! Devices at the door: `enroll`, `knock`, `claim`.

use super::{WITHIN, WITHIN_SLOW, within};
use crate::actors::{self, Default};
use crate::outcome::{Ending, Part, Refused, judge};
use crate::refusals;
use crate::run::{Barred, Result, Run, Stop};
use crate::strain::pace::due_at;
use crate::things::{by_tongue, is_thing, lobby};
use fleetproof_dialects::mender::devices::DeviceRow;
use fleetproof_journal::What;
use fleetproof_language::{AtTheDoor, Claiming, Located, Outcome, Rate, Refusal};
use fleetproof_world::Stamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many devices one person accepts at the same time.
const LANES: usize = 8;

/// Knock, be claimed, be served.
pub(crate) async fn enroll(run: &Run, step: &Located<AtTheDoor>) -> Result<Ending> {
    let (polling, things) = by_tongue(run, &run.devices(&step.devices));
    let deadline = run.deadline(within(&step.outcome, WITHIN_SLOW));
    let mut parts = run.things.admit(run, &things, &step.outcome).await?;
    listen(run, &things).await?;
    let all: Vec<u32> = polling.iter().chain(&things).copied().collect();
    send_to_the_door(run, &all, step.rate.as_ref(), deadline).await?;
    let standing = wait_at_the_door(run, &polling, deadline).await?;
    parts.splice(0..0, let_in(run, &standing, &step.outcome, deadline).await?);
    wait_at_home(run, &things, deadline).await?;
    let ending = judge(&step.outcome, &parts, "devices enrolled");
    join_groups(run, &all).await?;
    refusals::note(run, "claim", &parts, step.span, &step.outcome);
    Ok(ending)
}

/// They show their identity and wait.
pub(crate) async fn knock(run: &Run, step: &Located<AtTheDoor>) -> Result<Ending> {
    let devices = run.devices(&step.devices);
    let (polling, things) = by_tongue(run, &devices);
    let (unbound, bound): (Vec<u32>, Vec<u32>) = things.iter().partition(|device| lobby::is_unbound(run, **device));
    let deadline = run.deadline(within(&step.outcome, WITHIN));
    let since = run.shared.now();
    send_to_the_door(run, &devices, step.rate.as_ref(), deadline).await?;
    wait_at_the_door(run, &polling, deadline).await?;
    wait_to_be_refused(run, &bound, deadline).await?;
    if unbound.is_empty() {
        return Ok(Ending::passed(format!("{} devices wait at the door", devices.len())));
    }
    let parts = waiting_in_the_lobby(run, &unbound, &step.outcome, since, deadline).await?;
    refusals::note(run, "knock", &parts, step.span, &step.outcome);
    Ok(judge(&step.outcome, &parts, "devices wait in the lobby"))
}

/// How often a device is turned away until it counts as refused. The first time its certificate is only taken note of.
const TURNED_AWAY: u32 = 3;

/// Waits until each device has announced itself in the lobby, or was turned away again and again.
async fn waiting_in_the_lobby(
    run: &Run,
    devices: &[u32],
    outcome: &Outcome,
    since: Stamp,
    deadline: Stamp,
) -> Result<Vec<Part>> {
    let may_be_refused = outcome.refused.is_some() || outcome.may_fail;
    loop {
        let late = run.shared.now() >= deadline;
        let parts: Vec<Option<Part>> = run.shared.record(|record| {
            let part = |device: &u32| {
                let seen = &record.devices[*device as usize];
                let result = match seen.announced {
                    Some(_) => Ok(()),
                    None if seen.turned_away >= TURNED_AWAY && (late || may_be_refused) => Err(Refused {
                        kind: Some(Refusal::Unauthenticated),
                        answer: format!("turned away {} times", seen.turned_away),
                        done_anyway: None,
                    }),
                    None => return None,
                };
                Some(Part { name: run.name_of(*device), result })
            };
            devices.iter().map(part).collect()
        });
        let waits = devices.iter().zip(&parts).find(|(_, part)| part.is_none()).map(|(device, _)| *device);
        if let Some(device) = waits.filter(|_| late) {
            let text = format!("`{}` has neither announced itself nor been turned away", run.name_of(device));
            return Err(Stop::Failed(text));
        }
        if let Some(mut parts) = parts.into_iter().collect::<Option<Vec<Part>>>() {
            if parts.iter().any(|part| part.result.is_err()) && run.shared.faults().0 > 0 {
                let text = "devices did not get into the lobby, and a fault is on: that proves no refusal";
                return Err(Stop::Inconclusive(text.to_owned()));
            }
            kept_out(run, devices, &mut parts, since).await?;
            return Ok(parts);
        }
        run.breathe(deadline).await?;
    }
}

/// Whoever was turned away must not wait in the lobby all the same; it is barred from now on.
async fn kept_out(run: &Run, devices: &[u32], parts: &mut [Part], since: Stamp) -> Result<()> {
    if parts.iter().all(|part| part.result.is_ok()) {
        return Ok(());
    }
    let ledger = run.lobby.ledger(run).await?;
    for (device, part) in devices.iter().zip(parts) {
        let Err(no) = &mut part.result else { continue };
        let certificate = run.things.identities.of(run, *device)?.identity.fingerprint();
        if let Some(row) = ledger.get(&certificate).filter(|row| row.state == "inlobby") {
            no.done_anyway = Some(format!("the lobby lists it as {}", row.state));
        }
        let text = format!("`{}` was turned away by the lobby", part.name);
        let seq = run.shared.emit("engine", None, What::Note { text });
        run.barred.insert(*device, Barred { since, seq });
    }
    Ok(())
}

/// "These are ours."
pub(crate) async fn claim(run: &Run, step: &Located<Claiming>) -> Result<Ending> {
    let devices = run.devices(&step.devices);
    let (polling, things) = by_tongue(run, &devices);
    let (unbound, things): (Vec<u32>, Vec<u32>) = things.iter().partition(|device| lobby::is_unbound(run, **device));
    let deadline = run.deadline(within(&step.outcome, WITHIN));
    let standing = wait_at_the_door(run, &polling, deadline).await?;
    let mut parts = let_in(run, &standing, &step.outcome, deadline).await?;
    parts.extend(run.things.admit(run, &things, &step.outcome).await?);
    listen(run, &things).await?;
    if let Some(tenant) = step.tenant.as_ref().filter(|_| !unbound.is_empty()) {
        let by = actors::acting(run, &step.outcome, Default::AdminOf(tenant)).await?;
        parts.extend(run.lobby.claim(run, &by, tenant, &unbound).await?);
    }
    // Who has dialled already tries again at once, who has not is claimed before its first boot.
    let dialled: Vec<u32> = things.iter().copied().filter(|device| !run.fleet.is_waiting(*device)).collect();
    dialled.iter().for_each(|device| run.fleet.call(*device));
    wait_at_home(run, &dialled, deadline).await?;
    let ending = judge(&step.outcome, &parts, "devices claimed");
    join_groups(run, &devices).await?;
    refusals::note(run, "claim", &parts, step.span, &step.outcome);
    Ok(ending)
}

/// Whoever is to hear what devices publish listens before they say anything.
async fn listen(run: &Run, things: &[u32]) -> Result<()> {
    for (tenant, devices) in run.by_tenant(things) {
        run.listeners.hear(run, &tenant, &devices).await?;
    }
    Ok(())
}

/// Waits until each device that its account knows was let in.
async fn wait_at_home(run: &Run, things: &[u32], deadline: Stamp) -> Result<()> {
    let known: Vec<u32> = things.iter().copied().filter(|device| run.things.certificate(*device).is_some()).collect();
    loop {
        let missing = run.shared.record(|record| {
            known.iter().copied().find(|device| record.devices[*device as usize].authenticated.is_none())
        });
        let Some(device) = missing else { return Ok(()) };
        if run.shared.now() >= deadline {
            return Err(Stop::Failed(format!("`{}` is known to its account and is not let in", run.name_of(device))));
        }
        run.breathe(deadline).await?;
    }
}

/// Waits until each device was turned away: nobody knows it yet.
async fn wait_to_be_refused(run: &Run, things: &[u32], deadline: Stamp) -> Result<()> {
    loop {
        let missing = run.shared.record(|record| {
            let waits = |device: &u32| {
                let seen = &record.devices[*device as usize];
                seen.knocked.is_none() && seen.authenticated.is_none()
            };
            things.iter().copied().find(waits)
        });
        let Some(device) = missing else { return Ok(()) };
        if run.shared.now() >= deadline {
            return Err(Stop::Failed(format!("`{}` dialled and has no answer", run.name_of(device))));
        }
        run.breathe(deadline).await?;
    }
}

/// Tells devices to knock, so many in a time if there is a rate.
async fn send_to_the_door(run: &Run, devices: &[u32], rate: Option<&Located<Rate>>, deadline: Stamp) -> Result<()> {
    let server = run.mender.gateway().clone();
    let began = run.shared.now();
    for (number, device) in (0..).zip(devices) {
        if let Some(rate) = rate {
            let due = began.after(Duration::from_micros(due_at(rate.value, number)));
            if due > deadline {
                return Err(Stop::Failed(format!(
                    "{number} of {} devices have knocked, and the time is over at this `rate`: give the step a longer `within`",
                    devices.len()
                )));
            }
            run.pause_until(due).await?;
        }
        if is_thing(run, *device) {
            run.things.dial(run, *device).await?;
            continue;
        }
        let tenant = run.tenant_of(*device);
        let known = run.people.tenant(&tenant);
        let token = known.map(|tenant| tenant.token.clone());
        let token = token.ok_or_else(|| {
            Stop::Failed(format!("`{tenant}` is not on the platform: its devices have nowhere to knock"))
        })?;
        run.fleet.knock(*device, &server, &token);
    }
    Ok(())
}

/// Waits until the platform lists every device, and returns each with what the platform calls it.
async fn wait_at_the_door(run: &Run, devices: &[u32], deadline: Stamp) -> Result<Vec<(u32, DeviceRow)>> {
    let mut standing = Vec::new();
    for (tenant, devices) in run.by_tenant(devices) {
        let admin = run.people.admin(&tenant).await?;
        loop {
            let rows = run.mender.devices(&admin, None).await?;
            let by_identity: BTreeMap<String, DeviceRow> =
                rows.into_iter().filter_map(|row| Some((row.identity.get("mac")?.clone(), row))).collect();
            let found: Vec<_> = devices
                .iter()
                .filter_map(|device| Some((*device, by_identity.get(mac(run, *device)?)?.clone())))
                .collect();
            if found.len() == devices.len() {
                for (device, row) in &found {
                    run.call(*device, Some(row.id.clone()));
                }
                standing.extend(found);
                break;
            }
            if run.shared.now() >= deadline {
                let missing = devices.iter().find(|device| !found.iter().any(|(known, _)| known == *device));
                let name = missing.map_or_else(String::new, |device| run.name_of(*device));
                return Err(Stop::Failed(format!(
                    "{} of {} devices of `{tenant}` knocked and the platform does not list them, `{name}` for one",
                    devices.len() - found.len(),
                    devices.len()
                )));
            }
            run.breathe(deadline).await?;
        }
    }
    Ok(standing)
}

fn mac(run: &Run, device: u32) -> Option<&str> {
    run.plan.population.devices.get(device as usize)?.identity.get("mac").map(String::as_str)
}

/// Accepts devices, several at a time, and waits until each that got in was served.
async fn let_in(run: &Run, standing: &[(u32, DeviceRow)], outcome: &Outcome, deadline: Stamp) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    let mut by_tenant: BTreeMap<String, Vec<&(u32, DeviceRow)>> = BTreeMap::new();
    for entry in standing {
        by_tenant.entry(run.tenant_of(entry.0)).or_default().push(entry);
    }
    for (tenant, entries) in by_tenant {
        let by = actors::acting(run, outcome, Default::AdminOf(&tenant)).await?;
        for lane in entries.chunks(LANES) {
            let calls = lane.iter().map(|(_, row)| {
                let set = row.auth_sets.last().map(|set| set.id.clone()).unwrap_or_default();
                let (mender, by, id) = (run.mender.clone(), by.clone(), row.id.clone());
                async move { mender.accept(&by, &id, &set).await }
            });
            let answers = actors::together(calls).await;
            for ((device, _), answer) in lane.iter().zip(answers) {
                let result = match answer {
                    Ok(()) => {
                        run.let_in(&tenant, *device);
                        run.barred.remove(device);
                        Ok(())
                    }
                    Err(error) => Err(refusals::read(error)?),
                };
                parts.push(Part { name: run.name_of(*device), result });
            }
        }
        refused_stay_outside(run, &tenant, &mut parts).await?;
    }
    let inside: Vec<u32> =
        standing.iter().map(|(device, _)| *device).filter(|device| is_inside(run, *device)).collect();
    loop {
        let missing = run.shared.record(|record| {
            inside.iter().copied().find(|device| record.devices[*device as usize].authenticated.is_none())
        });
        let Some(device) = missing else { return Ok(parts) };
        if run.shared.now() >= deadline {
            return Err(Stop::Failed(format!("`{}` was accepted and is not let in", run.name_of(device))));
        }
        run.breathe(deadline).await?;
    }
}

fn is_inside(run: &Run, device: u32) -> bool {
    run.accepted.read(|accepted| accepted.get(&run.tenant_of(device)).is_some_and(|inside| inside.contains(&device)))
}

/// A device that was refused must not be accepted on the platform all the same.
async fn refused_stay_outside(run: &Run, tenant: &str, parts: &mut [Part]) -> Result<()> {
    if parts.iter().all(|part| part.result.is_ok()) {
        return Ok(());
    }
    let admin = run.people.admin(tenant).await?;
    let rows = run.mender.devices(&admin, Some("accepted")).await?;
    let accepted: std::collections::BTreeSet<String> = rows.into_iter().map(|row| row.id).collect();
    for part in parts {
        let device = run.plan.population.devices.iter().position(|device| device.name == part.name);
        let id = device.and_then(|device| run.id_of(u32::try_from(device).ok()?));
        if let (Err(no), Some(id)) = (&mut part.result, id)
            && accepted.contains(&id)
        {
            no.done_anyway = Some("the platform lists it as accepted".to_owned());
        }
    }
    Ok(())
}

/// Puts accepted devices into those selections that are groups on the platform too.
async fn join_groups(run: &Run, devices: &[u32]) -> Result<()> {
    let (devices, things) = by_tongue(run, devices);
    run.things.join_groups(run, &things).await?;
    for group in run.plan.population.groups.clone() {
        let members = run.plan.population.named.get(&group).cloned().unwrap_or_default();
        let joining: Vec<u32> =
            members.into_iter().filter(|device| devices.contains(device) && is_inside(run, *device)).collect();
        for (tenant, devices) in run.by_tenant(&joining) {
            let admin = run.people.admin(&tenant).await?;
            for device in devices {
                if let Some(id) = run.id_of(device) {
                    run.mender.set_group(&admin, &id, &group).await?;
                }
            }
        }
    }
    Ok(())
}
