//! `barred`: not in since they were turned down or their tenant was shut; live sessions ended.

use crate::proof::{Proof, Seen};
use crate::run::Run;
use fleetproof_language::Located;
use fleetproof_world::Stamp;

/// Each device tried since, with its token or its identity, and got nothing; one like it was served meanwhile.
pub(super) fn look(run: &Run, devices: &[Located<String>], like: &Located<String>) -> Seen {
    let devices = run.devices(devices);
    let control = run.devices(std::slice::from_ref(like));
    let (mut wrong, mut unknown, mut evidence) = (Vec::new(), Vec::new(), Vec::new());
    // The control counts once all of them were turned down: until then it proves nothing of the last.
    let mut latest = Stamp::default();
    run.shared.record(|record| {
        for device in &devices {
            let (name, seen) = (run.name_of(*device), &record.devices[*device as usize]);
            let Some(barred) = run.barred.get(device) else {
                wrong.push(format!("`{name}` was never turned down"));
                continue;
            };
            latest = latest.max(barred.since);
            evidence.push(barred.seq);
            let token = seen.served.filter(|at| *at > barred.since);
            let identity = seen.knocked.filter(|(at, ..)| *at > barred.since);
            if let Some((at, seq)) = seen.authenticated.filter(|(at, _)| *at > barred.since) {
                evidence.push(seq);
                wrong.push(format!("`{name}` was let in at {at}"));
                continue;
            }
            match (token, identity) {
                (Some(at), _) => wrong.push(format!("`{name}` polled for an update at {at} and was served")),
                (None, Some((at, status, seq))) if (200..300).contains(&status) => {
                    evidence.push(seq);
                    wrong.push(format!("`{name}` knocked at {at} and was let in"));
                }
                (None, Some((_, 401, seq))) => evidence.push(seq),
                (None, Some((at, status, seq))) => {
                    evidence.push(seq);
                    wrong.push(format!("`{name}` knocked at {at} and was answered {status}, due 401"));
                }
                (None, None) => unknown.push(format!("`{name}` has not tried since")),
            }
        }
        // The control: the platform lets in who may come.
        for device in &control {
            let served = record.devices[*device as usize].served;
            if served.is_none_or(|served| served <= latest) {
                unknown.push(format!("`{}`, the control, was not served since", run.name_of(*device)));
            }
        }
    });
    let expected = format!("none of these devices is served, and `{}` is", like.value);
    let proof = Proof::of(expected).evidence(evidence);
    if wrong.is_empty() && (!unknown.is_empty() || control.is_empty()) {
        return Seen::Hidden(
            proof
                .actual(format!("{} of {} tried", devices.len() - unknown.len().min(devices.len()), devices.len()))
                .details(unknown),
        );
    }
    Seen::of(proof, devices.len(), wrong, "devices are kept out")
}
