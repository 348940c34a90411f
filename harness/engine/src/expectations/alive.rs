//! `alive`: the owner is served on each surface, devices have round trips, running deployments move.

use crate::proof::{Proof, Seen};
use crate::record::Update;
use crate::run::{Result, Run};
use fleetproof_dialects::DialectError;
use fleetproof_journal::What;
use fleetproof_language::Located;
use fleetproof_world::Stamp;

/// Looks at everything of each tenant that must go on.
pub(super) async fn look(run: &Run, tenants: &[Located<String>], began: Stamp) -> Result<Seen> {
    let (mut wrong, mut evidence) = (Vec::new(), Vec::new());
    for tenant in tenants {
        let mut signs = owner(run, tenant).await?;
        signs.extend(devices(run, tenant, began));
        signs.extend(deployments(run, tenant, began));
        if signs.is_empty() {
            let devices = run.inside(tenant).len() + run.things.inside(run, tenant).len();
            let text = format!("`{}` goes on: its admin is served everywhere, its {devices} devices are", tenant.value);
            evidence.push(run.shared.emit("engine", None, What::Note { text }));
        }
        wrong.extend(signs);
    }
    let expected = "owners are served on each surface, devices have round trips, running deployments move";
    Ok(Seen::of(Proof::of(expected).evidence(evidence), tenants.len(), wrong, "tenants are alive"))
}

/// What its admin is not served.
async fn owner(run: &Run, tenant: &str) -> Result<Vec<String>> {
    let admin = match run.people.admin(tenant).await {
        Ok(admin) => admin,
        Err(error) => return Ok(vec![format!("the admin of `{tenant}` is not let in: {error}")]),
    };
    let mender = &run.mender;
    let mut wrong = Vec::new();
    let looked: [(&str, std::result::Result<(), DialectError>); 6] = [
        ("Tenant Info", mender.tenant_info(&admin).await.map(drop)),
        ("DeviceAuth Management List Devices", mender.devices(&admin, None).await.map(drop)),
        ("List Artifacts", mender.has_artifact(&admin, "none").await.map(drop)),
        ("Deployments V1 List Deployments", mender.deployments(&admin).await.map(drop)),
        ("List Users Management", mender.users(&admin).await.map(drop)),
        ("Get Audit Logs", mender.audit_log(&admin).await.map(drop)),
    ];
    for (operation, answer) in looked {
        if let Err(error) = answer {
            wrong.push(format!("`{}` asks `{operation}` in `{tenant}` and is not served: {error}", admin.who()));
        }
    }
    Ok(wrong)
}

/// Its devices that had no round trip since.
fn devices(run: &Run, tenant: &str, began: Stamp) -> Vec<String> {
    let things = run.things.inside(run, tenant);
    run.ask_for_signs(&things, began);
    let accepted = run.inside(tenant);
    run.shared.record(|record| {
        accepted
            .iter()
            .chain(&things)
            .filter_map(|device| {
                let seen = &record.devices[*device as usize];
                if seen.served.is_some_and(|served| served >= began) {
                    return None;
                }
                let told = match seen.knocked {
                    Some((at, status, _)) if seen.served.is_none_or(|served| at > served) => {
                        format!("`{}` knocked at {at} and was answered {status}", run.name_of(*device))
                    }
                    _ => format!("`{}` was not served since", run.name_of(*device)),
                };
                Some(told)
            })
            .collect()
    })
}

/// Deployments that are not over and in which nothing happened since.
fn deployments(run: &Run, tenant: &str, began: Stamp) -> Vec<String> {
    let deployments = run.deployments.all();
    let running = deployments.into_iter().filter(|(_, deployed)| deployed.aborted.is_none());
    running
        .filter_map(|(name, deployed)| {
            let mine = deployed.ids.iter().filter(|(whose, _)| whose.tenant == tenant);
            let open = mine.filter_map(|(whose, id)| {
                let members = deployed.devices.iter().filter(|device| whose.has(run, **device));
                run.shared.record(|record| {
                    stands_still(members.map(|device| record.devices[*device as usize].heard_of(id)), began)
                })
            });
            let open: usize = open.sum();
            (open > 0).then(|| format!("`{name}` stands still in `{tenant}`: {open} devices have not ended it"))
        })
        .collect()
}

/// How many devices have not ended a deployment in which nothing happened since; `None` when it moves or is over.
fn stands_still<'a>(members: impl Iterator<Item = Option<&'a Update>>, began: Stamp) -> Option<usize> {
    let (mut open, mut moved) = (0, false);
    for update in members {
        open += usize::from(update.is_none_or(|update| update.finished.is_none()));
        moved |= update.is_some_and(|update| update.moved >= began);
    }
    (open > 0 && !moved).then_some(open)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use fleetproof_devices::DeviceEvent;

    #[test]
    fn a_deployment_moves_by_what_happens_in_it_and_by_nothing_else() {
        let at = Stamp::from_micros;
        let mut record = Record::new(["1.0".to_owned(), "1.0".to_owned()]);
        record.note(at(10), 0, &DeviceEvent::Offered { deployment: "d".into(), artifact: "v2".into(), asked: 9 }, 1);
        let still =
            |record: &Record, began| stands_still(record.devices.iter().map(|device| device.heard_of("d")), at(began));
        assert_eq!(still(&record, 10), None, "it was offered since");
        // What a device says of itself every few polls is no step of its update.
        record.note(at(20), 0, &DeviceEvent::InventorySent { status: 200, version: "1.0".into() }, 2);
        assert_eq!(still(&record, 15), Some(2));
        record.note(at(30), 0, &DeviceEvent::DownloadStarted { deployment: "d".into() }, 3);
        assert_eq!(still(&record, 25), None);
        for device in [0, 1] {
            let (success, inconsistent) = (true, false);
            let event = DeviceEvent::Finished { deployment: "d".into(), success, version: "2.0".into(), inconsistent };
            record.note(at(40), device, &event, 4);
        }
        assert_eq!(still(&record, 50), None, "it is over");
    }
}
