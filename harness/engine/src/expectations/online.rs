//! `online`: accepted and served.

use crate::proof::{Proof, Seen};
use crate::run::Run;
use fleetproof_language::Located;
use fleetproof_world::Stamp;

/// Each device was let in, and had a round trip after the `expect` began.
pub(super) fn look(run: &Run, devices: &[Located<String>], began: Stamp) -> Seen {
    let devices = run.devices(devices);
    run.ask_for_signs(&devices, began);
    let (mut wrong, mut evidence) = (Vec::new(), Vec::new());
    run.shared.record(|record| {
        for device in &devices {
            let seen = &record.devices[*device as usize];
            match (seen.authenticated, seen.served) {
                (Some((_, seq)), Some(served)) if served >= began => evidence.push(seq),
                (Some(_), _) => wrong.push(format!("`{}` was let in, and not served since", run.name_of(*device))),
                (None, _) => wrong.push(match seen.knocked {
                    Some((_, status, _)) => format!("`{}` knocked and was answered {status}", run.name_of(*device)),
                    None => format!("`{}` never knocked", run.name_of(*device)),
                }),
            }
        }
    });
    let proof = Proof::of("every device is let in and served").evidence(evidence);
    Seen::of(proof, devices.len(), wrong, "devices were served")
}
