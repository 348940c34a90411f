//! `rollout`: it kept to its pace from the first device to the last, and ended as it should. The model that judges is
//! `fleetproof_claims::rollout`; here is what it is told: what the devices saw, and what the platform shows.

use crate::proof::{Proof, Seen};
use crate::record::{DeviceRecord, Update};
use crate::rollouts::Whose;
use crate::run::{Deployed, Pace, Result, Run};
use crate::steps::artifact;
use fleetproof_claims::rollout::{
    Behaves, Device, End, Finding, Finished, Offer, Report, Rollout, Rules, Shown, When, rollout,
};
use fleetproof_dialects::mender::updates::Image;
use fleetproof_language::{Protocol, RolloutEnd};
use fleetproof_world::Stamp;
use std::collections::BTreeMap;

/// One look: each tenant's part of the deployment is judged by itself.
pub(super) async fn look(run: &Run, deployment: &str, ended: RolloutEnd) -> Result<Seen> {
    let Some(deployed) = run.deployments.get(deployment) else {
        let expected = format!("`{deployment}` ends {ended}");
        return Ok(Seen::Hidden(Proof::of(expected).actual(format!("`{deployment}` was never made"))));
    };
    let end = if ended == RolloutEnd::Finished { End::Finished } else { End::Aborted };
    let image = artifact(run, &deployed.artifact)?.image;
    let (mut all, mut told) = (Finding::default(), Vec::new());
    for (whose, id) in &deployed.ids {
        let tenant = &whose.tenant;
        let shown = shown(run, &deployed, whose, id, ended).await?;
        let state = shown.state.clone();
        let part = part(run, &deployed, whose, id, &image, shown);
        let begun = part.devices.iter().filter(|device| !device.offers.is_empty()).count();
        let whose = if deployed.ids.len() > 1 { format!(" in `{tenant}`") } else { String::new() };
        told.push(format!("it is {state}{whose}: {begun} of {} devices were told", part.devices.len()));
        let found = rollout(&part, end, &image.version);
        all.breaches.extend(found.breaches);
        all.open.extend(found.open);
        all.missing.extend(found.missing);
        all.evidence.extend(found.evidence);
        strangers(run, &deployed, id, &mut all);
    }
    Ok(seen(deployment, ended, &deployed.rules, all, &told.join("; ")))
}

/// What the platform shows; of single devices only once it has ended, since until then they move.
async fn shown(run: &Run, deployed: &Deployed, whose: &Whose, id: &str, ended: RolloutEnd) -> Result<Shown> {
    let admin = run.people.admin(&whose.tenant).await?;
    let asked = run.shared.now();
    let pace = whose.state(run, &admin, id).await?;
    let mut devices = BTreeMap::new();
    if pace.state == ended.word() {
        let parts = whose.parts(run, &admin, id, &deployed.devices).await?;
        devices.extend(parts.into_iter().map(|(device, part)| (run.name_of(device), (part.status, part.attempts))));
    }
    Ok(Shown { at: run.since(asked), state: pace.state, stopped_by: pace.aborted_by, devices })
}

const fn when((asked, answered): (Stamp, Stamp)) -> When {
    When { from: asked.micros(), to: answered.micros() }
}

/// A tenant's part of the deployment, as its devices saw it.
fn part(run: &Run, deployed: &Deployed, whose: &Whose, id: &str, image: &Image, shown: Shown) -> Rollout {
    let Pace { made, first, pauses, stopped } = deployed.paces.get(whose).cloned().unwrap_or_default();
    let members = deployed.devices.iter().filter(|device| whose.has(run, **device));
    let mut devices: Vec<Device> = run.shared.record(|record| {
        let device = |index: &u32| {
            let seen = record.devices.get(*index as usize)?;
            let ran = deployed.ran.get(*index as usize).cloned().unwrap_or_default();
            Some(device(run.name_of(*index), ran, id, image, seen, made))
        };
        members.clone().filter_map(device).collect()
    });
    if whose.speaks == Protocol::Mqtt {
        let listens = |index: &u32| run.shared.record(|record| listens(&record.devices[*index as usize], id, made));
        wait_for_word(&mut devices, &members.map(listens).collect::<Vec<_>>(), shown.at);
    }
    Rollout { rules: (*deployed.rules).clone(), made, devices, first: Some(first), pauses, stopped, shown }
}

/// Whether a device listened from before the job was made until it was told of it, without a break.
fn listens(seen: &DeviceRecord, id: &str, made: When) -> bool {
    let told = seen.attempts(id).next().map_or(Stamp::from_micros(u64::MAX), |update| update.offered_at.1);
    seen.was_connected(Stamp::from_micros(made.from), told)
}

/// A device that listens asks all the time, and need not say so: whenever another was told, it was not; nor has one been that
/// was not told until `now`.
fn wait_for_word(devices: &mut [Device], listen: &[bool], now: When) {
    let mut told: Vec<u64> = devices.iter().filter_map(|device| Some(device.offers.first()?.at.to)).collect();
    told.sort_unstable();
    for (device, _) in devices.iter_mut().zip(listen).filter(|(_, listens)| **listens) {
        let own = device.offers.first().map_or(u64::MAX, |offer| offer.at.from);
        let before = told.iter().filter(|at| **at + 1 < own).take(KEPT);
        device.in_vain.extend(before.map(|at| When { from: at + 1, to: at + 1 }));
        if device.offers.is_empty() {
            device.in_vain.push(now);
        }
    }
}

/// How many moments in which a device was not told are kept.
const KEPT: usize = 64;

fn device(name: String, ran: String, id: &str, image: &Image, seen: &DeviceRecord, made: When) -> Device {
    let in_vain = seen.in_vain.iter().map(|times| when(*times)).filter(|asked| asked.from >= made.to).collect();
    Device { behaves: behaves(image, &name), name, ran, offers: seen.attempts(id).map(offer).collect(), in_vain }
}

fn offer(update: &Update) -> Offer {
    let report = |((status, answer, event), times): (&(String, u16, u64), &(Stamp, Stamp))| Report {
        status: status.clone(),
        answer: *answer,
        at: when(*times),
        event: *event,
    };
    Offer {
        at: when(update.offered_at),
        event: update.offered.unwrap_or_default(),
        reports: update.reports.iter().zip(&update.reported_at).map(report).collect(),
        finished: update.finished.as_ref().map(|finished| Finished {
            success: finished.success,
            version: finished.version.clone(),
            between: finished.inconsistent,
            event: finished.seq,
        }),
    }
}

/// What the artifact does on a device.
fn behaves(image: &Image, device: &str) -> Behaves {
    if !image.is_affected(device) {
        return Behaves::Well;
    }
    match image.misbehaves.as_deref() {
        None => Behaves::Well,
        Some("fails_rollback") => Behaves::IsLeftBetween,
        Some("crashes_after_commit" | "bricks") => Behaves::Dies,
        Some(_) => Behaves::RollsBack,
    }
}

/// Devices that it was not for, and that heard of it.
fn strangers(run: &Run, deployed: &Deployed, id: &str, finding: &mut Finding) {
    let found: Vec<(u32, Option<u64>)> = run.shared.record(|record| {
        let others = (0..).zip(&record.devices).filter(|(device, _)| !deployed.devices.contains(device));
        others.filter_map(|(device, seen)| Some((device, seen.heard_of(id)?.offered))).collect()
    });
    for (device, event) in found {
        finding.breaches.push((event, format!("`{}` was told of it, and it was not for it", run.name_of(device))));
    }
}

/// What it was to keep to, in words.
fn kept_to(rules: &Rules) -> String {
    let words = [
        ("phases", !rules.phases.is_empty()),
        ("rate", rules.rate.is_some()),
        ("retries", rules.retries > 0),
        ("timeout", rules.timeout.is_some() || rules.step_timeout.is_some()),
        ("threshold", rules.threshold.is_some()),
    ];
    let words: Vec<&str> = words.iter().filter(|(_, asked)| *asked).map(|(word, _)| *word).collect();
    if words.is_empty() { String::new() } else { format!(", and keeps to its {} until then", words.join(", ")) }
}

fn seen(deployment: &str, ended: RolloutEnd, rules: &Rules, finding: Finding, told: &str) -> Seen {
    let mut proof = Proof::of(format!("`{deployment}` ends {ended}{}", kept_to(rules)));
    proof.anomaly = finding.breaches.iter().filter_map(|(event, _)| *event).min();
    if !finding.breaches.is_empty() || !finding.open.is_empty() {
        let first = finding.breaches.first().map(|(_, what)| format!("; {what}")).unwrap_or_default();
        let events: Vec<u64> = finding.breaches.iter().filter_map(|(event, _)| *event).take(16).collect();
        let lines = finding.breaches.into_iter().map(|(_, what)| what).chain(finding.open).collect();
        return Seen::Broken(proof.actual(format!("{told}{first}")).evidence(events).details(lines));
    }
    if !finding.missing.is_empty() {
        let missing = finding.missing.join("; ");
        return Seen::Hidden(proof.actual(format!("{told}; {missing}")).details(finding.missing));
    }
    Seen::Holds(proof.actual(told).evidence(finding.evidence))
}
