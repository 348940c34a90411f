//! `owned_once`: no device ever had two owners, and each who did not get it was told so.

use crate::proof::{Proof, Seen};
use crate::run::{Result, Run};
use fleetproof_dialects::aws::{lobby, things};
use fleetproof_journal::What;
use fleetproof_language::{Located, Refusal};
use std::collections::{BTreeMap, BTreeSet};

/// Looks at the claims of the scenario, at what each tenant is shown, and at whose account lets each device in.
pub(super) async fn look(run: &Run, devices: &[Located<String>], among: &[Located<String>]) -> Result<Seen> {
    let devices = run.devices(devices);
    let mut holders: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for tenant in among {
        let (admin, place) = (run.people.admin(tenant).await?, run.things.place(run, tenant).await?);
        let listed = lobby::devices(&run.mender, &admin).await?.into_iter().map(|row| row.certificate);
        let active = things::certificates(&run.mender, &admin, &place).await?.into_iter();
        let active = active.filter(|row| row.status == "ACTIVE").map(|row| row.id);
        for certificate in listed.chain(active) {
            holders.entry(certificate).or_default().insert(tenant.value.clone());
        }
    }
    let (mut wrong, mut unknown, mut evidence) = (Vec::new(), Vec::new(), Vec::new());
    for device in &devices {
        let name = run.name_of(*device);
        let certificate = run.things.identities.of(run, *device)?.identity.fingerprint();
        let owners = holders.get(&certificate).cloned().unwrap_or_default();
        if owners.len() > 1 {
            let owners: Vec<String> = owners.into_iter().collect();
            wrong.push(format!("`{name}` is held by {}", owners.join(" and by ")));
            continue;
        }
        let claims = run.lobby.claims(*device);
        let Some(owner) = owners.first() else {
            if !claims.is_empty() {
                unknown.push(format!("nobody got `{name}`"));
            }
            continue;
        };
        for claim in claims.iter().filter(|claim| claim.tenant != *owner) {
            match claim.refused {
                None if !was_let_go(run, *device, &claim.tenant) => {
                    wrong.push(format!("`{}` was told that it has `{name}`, and `{owner}` has it", claim.tenant));
                }
                None => evidence.push(claim.seq),
                Some(Some(Refusal::Conflict | Refusal::Unseen | Refusal::Untrusted)) => evidence.push(claim.seq),
                Some(kind) => {
                    let kind = kind.map_or_else(|| "in no known way".to_owned(), |kind| format!("as `{kind}`"));
                    wrong.push(format!("`{}` was refused `{name}` {kind}", claim.tenant));
                }
            }
        }
        let text = format!("`{name}` is held by `{owner}` and by nobody else");
        let won = claims.iter().find(|claim| claim.tenant == *owner && claim.refused.is_none()).map(|claim| claim.seq);
        evidence.push(won.unwrap_or_else(|| run.shared.emit("engine", None, What::Note { text })));
    }
    let proof = Proof::of("no device has two owners, and who did not get one was told").evidence(evidence);
    if wrong.is_empty() && !unknown.is_empty() {
        let actual = format!("{} of {} devices have an owner", devices.len() - unknown.len(), devices.len());
        return Ok(Seen::Hidden(proof.actual(actual).details(unknown)));
    }
    Ok(Seen::of(proof, devices.len(), wrong, "devices have one owner at the most"))
}

/// Whether a tenant had a device and let it go.
fn was_let_go(run: &Run, device: u32, tenant: &str) -> bool {
    run.gone.get(&device).is_some_and(|gone| gone.iter().any(|gone| gone.tenant == tenant))
}
