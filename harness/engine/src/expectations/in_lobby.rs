//! `in_lobby`: the lobby lists devices as nobody's, and no tenant has them. A claim that waits for a tenant's trust has given it
//! nothing: its account knows neither certificate nor thing.

use crate::proof::{Proof, Seen};
use crate::run::{Result, Run};
use fleetproof_dialects::aws::{lobby, things};
use fleetproof_language::Located;
use std::collections::BTreeMap;

/// The state of a device that waits for its tenant to trust the lobby.
const WAITS: &str = "refused trust";

/// What the lobby's operator is shown, what each tenant is, and what the devices did.
pub(super) async fn look(run: &Run, devices: &[Located<String>]) -> Result<Seen> {
    let devices = run.devices(devices);
    let ledger = run.lobby.ledger(run).await?;
    let mut held: BTreeMap<String, String> = BTreeMap::new();
    for tenant in run.open_accounts() {
        let admin = run.people.admin(&tenant).await?;
        for row in lobby::devices(&run.mender, &admin).await? {
            held.insert(row.certificate, tenant.clone());
        }
    }
    let (mut wrong, mut evidence) = (Vec::new(), Vec::new());
    for device in &devices {
        let name = run.name_of(*device);
        let certificate = run.things.identities.of(run, *device)?.identity.fingerprint();
        let row = ledger.get(&certificate);
        let waits = match (row, held.get(&certificate)) {
            (Some(row), Some(tenant)) if row.state == WAITS => !is_known(run, tenant, &name, &certificate).await?,
            _ => false,
        };
        let announced = run.shared.record(|record| record.devices[*device as usize].announced);
        match (row, held.get(&certificate), announced) {
            (None, ..) => wrong.push(format!("the lobby does not list `{name}`")),
            (_, _, Some((_, seq))) if waits => evidence.push(seq),
            (Some(row), ..) if row.state != "inlobby" || !row.account.is_empty() => {
                wrong.push(format!("the lobby lists `{name}` as {}", row.state));
            }
            (_, Some(tenant), _) => wrong.push(format!("`{tenant}` is shown `{name}` as its own")),
            (_, None, None) => wrong.push(format!("`{name}` has not announced itself")),
            (_, None, Some((_, seq))) => evidence.push(seq),
        }
    }
    let proof = Proof::of("the lobby lists every device as nobody's, and no tenant has it").evidence(evidence);
    Ok(Seen::of(proof, devices.len(), wrong, "devices wait in the lobby"))
}

/// Whether the account of a tenant knows a device.
async fn is_known(run: &Run, tenant: &str, name: &str, certificate: &str) -> Result<bool> {
    let (admin, place) = (run.people.admin(tenant).await?, run.things.place(run, tenant).await?);
    let has_certificate = things::has_certificate(&run.mender, &admin, &place, certificate).await?;
    Ok(has_certificate || things::has_thing(&run.mender, &admin, &place, name).await?)
}
