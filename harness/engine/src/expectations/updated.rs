//! `updated`: each runs the version, and the platform says so.

use super::platform_view;
use crate::proof::{Proof, Seen};
use crate::run::{Result, Run};
use fleetproof_language::Located;
use std::collections::BTreeMap;

/// Devices first (that costs nothing), the platform once they agree.
pub(super) async fn look(run: &Run, devices: &[Located<String>], version: &str) -> Result<Seen> {
    let devices = run.devices(devices);
    let (mut wrong, mut evidence) = (BTreeMap::new(), Vec::new());
    let mut last_deployment: BTreeMap<u32, String> = BTreeMap::new();
    run.shared.record(|record| {
        for device in &devices {
            let seen = &record.devices[*device as usize];
            let unfinished = seen.last_updates().find(|update| update.finished.is_none());
            if seen.running != version || !seen.healthy {
                let health = if seen.healthy { "" } else { ", and is not healthy" };
                wrong.insert(*device, format!("`{}` runs {}{health}", run.name_of(*device), seen.running));
            } else if let Some(update) = unfinished {
                wrong.insert(*device, format!("`{}` is still busy with `{}`", run.name_of(*device), update.artifact));
            } else if let Some(update) = seen.updates.last() {
                evidence.extend(update.finished.as_ref().map(|finished| finished.seq));
                last_deployment.insert(*device, update.deployment.clone());
            } else {
                evidence.extend(seen.told.as_ref().map(|(_, _, seq)| *seq));
            }
        }
    });
    if wrong.is_empty() {
        let told = platform_view::versions(run, &devices).await?;
        for device in &devices {
            match told.get(device) {
                Some(told) if told == version => {}
                Some(told) => {
                    wrong.insert(*device, format!("the platform says that `{}` runs {told}", run.name_of(*device)));
                }
                None => {
                    wrong.insert(*device, format!("the platform says nothing of `{}`", run.name_of(*device)));
                }
            }
        }
        for (device, status) in unsuccessful(run, &last_deployment).await? {
            wrong.insert(device, format!("the platform shows `{}` as `{status}`", run.name_of(device)));
        }
    }
    let proof = Proof::of(format!("every device runs {version}, and the platform says so")).evidence(evidence);
    Ok(Seen::of(proof, devices.len(), wrong.into_values().collect(), &format!("devices run {version}")))
}

/// Devices whose last deployment the platform does not show as a success.
async fn unsuccessful(run: &Run, last: &BTreeMap<u32, String>) -> Result<BTreeMap<u32, String>> {
    let mut wrong = BTreeMap::new();
    for (name, deployed) in run.deployments.all() {
        let here: Vec<u32> = last
            .iter()
            .filter(|(_, id)| deployed.ids.values().any(|known| known == *id))
            .map(|(device, _)| *device)
            .collect();
        if here.is_empty() {
            continue;
        }
        let statuses = platform_view::statuses(run, &name).await?;
        for device in here {
            match statuses.get(&device).map(String::as_str) {
                Some("success" | "already-installed") => {}
                Some(status) => drop(wrong.insert(device, status.to_owned())),
                None => drop(wrong.insert(device, "no part of the deployment".to_owned())),
            }
        }
    }
    Ok(wrong)
}
