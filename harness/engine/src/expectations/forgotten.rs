//! `forgotten`: identity, inventory and deployments are gone there; credentials are dead.

use crate::lookups;
use crate::proof::{Proof, Seen};
use crate::run::{Result, Run};
use crate::things::is_thing;
use fleetproof_language::Located;

/// Repeats the look-ups that found each device before it went.
pub(super) async fn look(run: &Run, devices: &[Located<String>], tenant: &str) -> Result<Seen> {
    let devices = run.devices(devices);
    let expected = format!("nothing of these devices is left in `{tenant}`, and their credentials open nothing");
    let admin = run.people.admin(tenant).await?;
    let (mut wrong, mut unknown, mut evidence) = (Vec::new(), Vec::new(), Vec::new());
    for device in &devices {
        let name = run.name_of(*device);
        let gone = run.gone.get(device).and_then(|gone| gone.into_iter().rev().find(|gone| gone.tenant == tenant));
        let Some(gone) = gone else {
            wrong.push(format!("`{name}` never left it"));
            continue;
        };
        let known = if is_thing(run, *device) { "thing" } else { "devices" };
        if !gone.found.contains("credentials") || !gone.found.contains(known) {
            unknown.push(format!("`{name}` was not found before, so that it is not found now proves nothing"));
            continue;
        }
        let left = lookups::found(run, &admin, tenant, *device, &gone.id).await?;
        evidence.push(gone.seq);
        if !left.is_empty() {
            let found: Vec<String> = left.into_iter().map(|place| lookups::told(place, &admin)).collect();
            wrong.push(format!("`{name}` is still there: {}", found.join("; ")));
            continue;
        }
        evidence.extend(run.shared.record(|record| record.devices[*device as usize].retired.map(|(_, seq)| seq)));
    }
    let proof = Proof::of(expected).evidence(evidence);
    if wrong.is_empty() && !unknown.is_empty() {
        return Ok(Seen::Hidden(proof.actual("the same look-ups did not find them before").details(unknown)));
    }
    Ok(Seen::of(proof, devices.len(), wrong, "devices are forgotten"))
}
