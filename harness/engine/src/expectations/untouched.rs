//! `untouched`: not offered, fetched or written; the version is as before, or came by a deployment of the device's own.

use crate::proof::{Proof, Seen};
use crate::record::DeviceRecord;
use crate::run::Run;
use fleetproof_language::Located;

/// Judged on the record. Evidence is that each device was served after the deployment was over, and that another one
/// got it.
pub(super) fn look(run: &Run, devices: &[Located<String>], deployment: &str) -> Seen {
    let devices = run.devices(devices);
    let expected =
        format!("no device here ever hears of `{deployment}`, and each runs what it ran or what was meant for it");
    let Some(deployed) = run.deployments.get(deployment) else {
        return Seen::Hidden(Proof::of(expected).actual(format!("`{deployment}` was never made")));
    };
    let ids: Vec<&str> = deployed.ids.values().map(String::as_str).collect();
    run.shared.record(|record| {
        let (mut wrong, mut anomaly, mut unheard) = (Vec::new(), None, Vec::new());
        let reached: Vec<_> =
            record.devices.iter().flat_map(|device| ids.iter().filter_map(|id| device.heard_of(id))).collect();
        let over = record
            .devices
            .iter()
            .flat_map(|device| ids.iter().filter_map(|id| device.heard_of(id)))
            .map(|update| update.finished.as_ref().map(|finished| finished.at))
            .collect::<Option<Vec<_>>>()
            .and_then(|ends| ends.into_iter().max())
            .or(deployed.aborted);
        for device in &devices {
            let seen = &record.devices[*device as usize];
            let name = run.name_of(*device);
            if let Some(update) = ids.iter().find_map(|id| seen.heard_of(id)) {
                let first = update.offered.or(update.download_started);
                anomaly = anomaly.or(first);
                wrong.push(format!("`{name}` was offered `{}`", update.artifact));
            } else if let Some(ran) = deployed.ran.get(*device as usize).filter(|ran| **ran != seen.running)
                && !has_it_from_another(run, *device, seen, deployment)
            {
                wrong.push(format!("`{name}` ran {ran} and runs {}", seen.running));
            } else if over.is_none_or(|over| seen.served.is_none_or(|served| served <= over)) {
                unheard.push(name);
            }
        }
        let mut proof = Proof::of(expected).evidence([deployed.seq]);
        proof.anomaly = anomaly;
        if !wrong.is_empty() {
            return Seen::of(proof, devices.len(), wrong, "devices are untouched");
        }
        if reached.is_empty() {
            return Seen::Hidden(proof.actual("nobody got the deployment: that these did not proves nothing"));
        }
        if !unheard.is_empty() {
            let text = format!("{} of {} were not heard of since it was over", unheard.len(), devices.len());
            return Seen::Hidden(proof.actual(text).details(unheard));
        }
        let offered = reached.iter().filter_map(|update| update.offered).take(1);
        Seen::of(proof.evidence(offered), devices.len(), wrong, "devices are untouched")
    })
}

/// Whether another deployment of the scenario, one that is meant for the device, brought what it runs.
fn has_it_from_another(run: &Run, device: u32, seen: &DeviceRecord, deployment: &str) -> bool {
    let brought = |id: &String| {
        seen.heard_of(id).is_some_and(|update| {
            let booted = update.boots.iter().any(|(version, ..)| *version == seen.running);
            booted || update.finished.as_ref().is_some_and(|finished| finished.version == seen.running)
        })
    };
    run.deployments.read(|all| {
        let meant = all.iter().filter(|(name, other)| *name != deployment && other.devices.contains(&device));
        meant.flat_map(|(_, other)| other.ids.values()).any(brought)
    })
}
