//! The key that releases of a scenario are signed with.

use fleetproof_dialects::mender::updates::ReleaseKey;
use fleetproof_plan::Plan;
use fleetproof_world::Seeds;

/// The key, where an artifact of the scenario is signed: then all devices have its other half.
pub(crate) fn key(plan: &Plan, seeds: &Seeds) -> Option<ReleaseKey> {
    let is_signed = plan.scenario.artifacts.iter().any(|(_, artifact)| artifact.signed);
    is_signed.then(|| {
        let mut seed = [0; 32];
        fleetproof_plan::draw(seeds, "release", &mut seed);
        ReleaseKey::from_seed(&seed)
    })
}
