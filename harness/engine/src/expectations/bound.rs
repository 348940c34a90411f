//! `bound`: devices were told the endpoint of a tenant, and are served there.

use crate::proof::{Proof, Seen};
use crate::run::{Result, Run};
use fleetproof_language::Located;
use fleetproof_world::Stamp;

/// Each device was told that endpoint, was let in there, and what it says arrives with the tenant's application; of one that
/// says nothing a round trip counts.
pub(super) async fn look(run: &Run, devices: &[Located<String>], tenant: &str, began: Stamp) -> Result<Seen> {
    let devices = run.devices(devices);
    let place = run.things.place(run, tenant).await?;
    run.ask_for_signs(&devices, began);
    let (mut wrong, mut evidence) = (Vec::new(), Vec::new());
    for device in &devices {
        let claims = run.lobby.claims(*device).into_iter().filter(|claim| claim.tenant == tenant);
        evidence.extend(claims.map(|claim| claim.seq));
    }
    run.shared.record(|record| {
        for device in &devices {
            let (name, seen) = (run.name_of(*device), &record.devices[*device as usize]);
            let publishes = run.planned(*device).is_ok_and(|planned| planned.publishes.is_some());
            let told = seen.routed.as_ref().filter(|(_, endpoint, _)| *endpoint == place.endpoint);
            let (Some((at, _, told)), Some((_, endpoint, seq))) = (told, &seen.arrived_at) else {
                wrong.push(match &seen.routed {
                    Some((_, endpoint, _)) => format!("`{name}` was told {endpoint}, not {}", place.endpoint),
                    None => format!("`{name}` was told nothing"),
                });
                continue;
            };
            let arrived = record.messages.get(device).and_then(|messages| messages.arrived.get(tenant).copied());
            let heard = if publishes { arrived } else { seen.served };
            if *endpoint != place.endpoint {
                wrong.push(format!("`{name}` was told {}, and is let in at {endpoint}", place.endpoint));
            } else if heard.is_none_or(|heard| heard < *at) {
                wrong.push(format!("nothing of `{name}` has arrived in `{tenant}` since it was told its endpoint"));
            } else {
                evidence.extend([*told, *seq]);
            }
        }
    });
    let expected = format!("every device was told the endpoint of `{tenant}`, and is served there");
    Ok(Seen::of(Proof::of(expected).evidence(evidence), devices.len(), wrong, "devices are bound"))
}
