//! `rolled_back`: each tried the deployment and runs the old version again, healthy; the platform shows the failure.

use super::platform_view;
use crate::proof::{Proof, Seen};
use crate::record::DeviceRecord;
use crate::rollouts::Whose;
use crate::run::{Result, Run};
use fleetproof_language::Located;
use std::collections::BTreeMap;

/// Per device the first link of the chain that is missing: offered, fetched, installed, ended, healthy, told.
pub(super) async fn look(run: &Run, devices: &[Located<String>], deployment: &str, version: &str) -> Result<Seen> {
    let devices = run.devices(devices);
    let expected =
        format!("every device tried `{deployment}` and runs {version} again; the platform shows the failure");
    let Some(deployed) = run.deployments.get(deployment) else {
        return Ok(Seen::Hidden(Proof::of(expected).actual(format!("`{deployment}` was never made"))));
    };
    let (mut wrong, mut evidence) = (BTreeMap::new(), Vec::new());
    run.shared.record(|record| {
        for device in &devices {
            let seen = &record.devices[*device as usize];
            let id = deployed.ids.get(&Whose::of(run, *device)).map_or("", String::as_str);
            match missing_link(seen, id, version) {
                Some(missing) => drop(wrong.insert(*device, format!("`{}` {missing}", run.name_of(*device)))),
                None => {
                    let update = seen.heard_of(id);
                    let links = update.map(|update| {
                        [update.download_started, update.install_started, update.finished.as_ref().map(|end| end.seq)]
                    });
                    evidence.extend(links.into_iter().flatten().flatten());
                }
            }
        }
    });
    if wrong.is_empty() {
        let (statuses, told) =
            (platform_view::statuses(run, deployment).await?, platform_view::versions(run, &devices).await?);
        for device in &devices {
            let name = run.name_of(*device);
            match (statuses.get(device).map(String::as_str), told.get(device)) {
                (Some("failure"), Some(told)) if told == version => {}
                (Some("failure"), told) => {
                    let told = told.map_or("nothing", String::as_str);
                    wrong.insert(*device, format!("the platform says that `{name}` runs {told}"));
                }
                (Some(status), _) => drop(wrong.insert(*device, format!("the platform shows `{name}` as `{status}`"))),
                (None, _) => {
                    drop(wrong.insert(*device, format!("the platform does not show `{name}` in the deployment")))
                }
            }
        }
    }
    let proof = Proof::of(expected).evidence(evidence);
    Ok(Seen::of(proof, devices.len(), wrong.into_values().collect(), "devices rolled back"))
}

/// The first thing that did not happen on the device.
fn missing_link(seen: &DeviceRecord, deployment: &str, version: &str) -> Option<String> {
    let Some(update) = seen.heard_of(deployment) else { return Some("was never offered it".to_owned()) };
    if update.download_started.is_none() {
        return Some("never began to fetch it".to_owned());
    }
    if update.install_started.is_none() {
        return Some("fetched it and never began to install it".to_owned());
    }
    let Some(finished) = &update.finished else { return Some("is not done with it".to_owned()) };
    if finished.success {
        return Some(format!("took it: it runs {}", finished.version));
    }
    if finished.inconsistent {
        return Some(format!("is left between two versions: it runs {}", finished.version));
    }
    if seen.running != version {
        return Some(format!("runs {}", seen.running));
    }
    (!seen.healthy).then(|| format!("runs {version} and is not healthy"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use fleetproof_devices::DeviceEvent as Event;
    use fleetproof_world::Stamp;

    fn chain() -> Vec<Event> {
        let id = || "d1".to_owned();
        vec![
            Event::Offered { deployment: id(), artifact: "v3".into(), asked: 0 },
            Event::DownloadStarted { deployment: id() },
            Event::Downloaded { deployment: id(), bytes: 1 },
            Event::InstallStarted { deployment: id() },
            Event::Booted { version: "3.0".into(), healthy: false, trial: true },
            Event::Booted { version: "2.0".into(), healthy: true, trial: false },
            Event::Finished { deployment: id(), success: false, version: "2.0".into(), inconsistent: false },
        ]
    }

    /// What is missing after the first `length` events.
    fn after(length: usize) -> Option<String> {
        let mut record = Record::new(["2.0".to_owned()]);
        for (seq, event) in (1..).zip(chain().iter().take(length)) {
            record.note(Stamp::from_micros(seq), 0, event, seq);
        }
        missing_link(&record.devices[0], "d1", "2.0")
    }

    #[test]
    fn each_missing_link_has_a_name() {
        let told: Vec<String> =
            (0..=chain().len()).map(|n| after(n).unwrap_or_else(|| "rolled back".to_owned())).collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
