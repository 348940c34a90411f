//! `reported`: the platform's version and outcome are the devices' own.

use super::platform_view;
use crate::proof::{Proof, Seen};
use crate::run::{Result, Run};
use fleetproof_claims::rollout::Rules;
use fleetproof_devices::INCONSISTENT;
use fleetproof_language::{Located, Misbehaviour};
use std::collections::{BTreeMap, BTreeSet};

/// What the claim shows when it holds.
const EXPECTED: &str = "the platform shows of every device what is true of it";

/// Compares, device by device, what it runs and how each of its updates ended with what the platform shows. While some
/// are still busy it cannot hold: the platform is asked then in the `last` look only, which has to tell everything.
pub(super) async fn look(run: &Run, devices: &[Located<String>], last: bool) -> Result<Seen> {
    let devices = run.devices(devices);
    let busy = if last { Vec::new() } else { busy(run, &devices) };
    if !busy.is_empty() {
        return Ok(Seen::of(Proof::of(EXPECTED), devices.len(), busy, "devices are shown as they are"));
    }
    let told = platform_view::versions(run, &devices).await?;
    let (mut shown, mut aborts, mut stop_by_themselves) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    for (name, deployed) in run.deployments.all() {
        aborts.extend(deployed.ids.values().filter_map(|id| Some((id.clone(), deployed.abort_seq?))));
        let Rules { timeout, step_timeout, threshold, .. } = &*deployed.rules;
        if timeout.is_some() || step_timeout.is_some() || threshold.is_some() {
            stop_by_themselves.extend(deployed.ids.values().cloned());
        }
        let statuses = platform_view::statuses(run, &name).await?;
        for (whose, id) in deployed.ids {
            for device in deployed.devices.iter().filter(|device| whose.has(run, **device)) {
                shown.insert((*device, id.clone()), (name.clone(), statuses.get(device).cloned()));
            }
        }
    }
    let forbidden: BTreeMap<String, &str> = run
        .plan
        .scenario
        .artifacts
        .iter()
        .filter_map(|(name, artifact)| {
            let way = artifact.misbehaves.as_ref()?.value;
            let what = match way {
                Misbehaviour::BadChecksum => "bad checksum",
                Misbehaviour::BadSignature => "bad signature",
                Misbehaviour::WrongDeviceType => "other device type",
                _ => return None,
            };
            Some((name.value.clone(), what))
        })
        .collect();
    let (mut wrong, mut evidence) = (Vec::new(), Vec::new());
    run.shared.record(|record| {
        for device in &devices {
            let (seen, name) = (&record.devices[*device as usize], run.name_of(*device));
            let inconsistent =
                seen.updates.last().filter(|update| update.finished.as_ref().is_some_and(|end| end.inconsistent));
            match told.get(device) {
                // What runs on a device that is dead nobody can know; that it is not said to be well stands below.
                _ if seen.died.is_some() => {}
                Some(version)
                    if inconsistent.is_some_and(|update| *version == format!("{}{INCONSISTENT}", update.artifact)) =>
                {
                    evidence.extend(seen.told.as_ref().map(|(_, _, seq)| *seq));
                }
                Some(version) if *version == seen.running => {
                    evidence.extend(seen.told.as_ref().map(|(_, _, seq)| *seq))
                }
                Some(version) => wrong.push(format!("`{name}` runs {}, the platform says {version}", seen.running)),
                None => wrong.push(format!("`{name}` runs {}, the platform says nothing", seen.running)),
            }
            for update in seen.last_updates() {
                let Some((deployment, status)) = shown.get(&(*device, update.deployment.clone())) else {
                    wrong.push(format!(
                        "`{name}` was offered `{}`, which the scenario never deployed to it",
                        update.artifact
                    ));
                    continue;
                };
                if let (Some(way), Some(seq)) = (forbidden.get(&update.artifact), update.install_started) {
                    wrong.push(format!(
                        "`{name}` began to install `{}`, whose {way} no device may install (#{seq})",
                        update.artifact
                    ));
                    continue;
                }
                let aborted = aborts.get(&update.deployment).copied().unwrap_or(u64::MAX);
                let late = update.reports.iter().find(|(_, answer, seq)| *seq > aborted && (200..300).contains(answer));
                if let Some((status, ..)) = late {
                    let text = "was aborted, and the platform still took note of";
                    wrong.push(format!("`{deployment}` on `{name}` {text} `{status}`"));
                    continue;
                }
                let status = status.as_deref().unwrap_or("absent");
                let own = update.finished.as_ref().map(|finished| (finished.success, finished.seq));
                // It had committed when the scenario's abort, the threshold or the end of its time came, and was told so.
                let stopped = aborted != u64::MAX || stop_by_themselves.contains(&update.deployment);
                let too_late = stopped
                    && update.reports.last().is_some_and(|(status, answer, _)| status == "success" && *answer == 409);
                match (own, status) {
                    (Some((true, seq)), "success" | "already-installed")
                    | (Some((false, seq)), "failure" | "aborted") => {
                        evidence.push(seq);
                    }
                    (Some((true, seq)), "aborted" | "failure") if too_late => evidence.push(seq),
                    (Some((success, _)), _) => {
                        let own = if success { "a success" } else { "a failure" };
                        wrong.push(format!("`{deployment}` on `{name}` was {own}, the platform shows `{status}`"));
                    }
                    // Nothing can save it: what the platform may not do is to call that a success.
                    (None, "success" | "already-installed") if seen.died.is_some() => {
                        wrong.push(format!("`{name}` died of `{deployment}`, the platform shows `{status}`"));
                    }
                    (None, _) if seen.died.is_some() => evidence.extend(seen.died),
                    (None, _) => wrong.push(format!("`{name}` is still busy with `{deployment}`")),
                }
            }
        }
    });
    let proof = Proof::of(EXPECTED).evidence(evidence);
    Ok(Seen::of(proof, devices.len(), wrong, "devices are shown as they are"))
}

/// The devices that are in the middle of an update.
fn busy(run: &Run, devices: &[u32]) -> Vec<String> {
    run.shared.record(|record| {
        let busy = devices.iter().filter_map(|device| {
            let seen = &record.devices[*device as usize];
            let update = seen.last_updates().find(|update| update.finished.is_none() && seen.died.is_none())?;
            Some(format!("`{}` is still busy with `{}`", run.name_of(*device), update.artifact))
        });
        busy.collect()
    })
}
