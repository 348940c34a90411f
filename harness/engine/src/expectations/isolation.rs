//! `isolation`: nothing crosses, both ways, on any surface.

use super::attempts;
use crate::proof::{Proof, Seen};
use crate::run::{Result, Run};
use fleetproof_language::{Claim, Located};
use fleetproof_world::Stamp;
use std::collections::BTreeMap;

/// Makes the attempts that the plan compiled.
pub(super) async fn attempt(run: &Run, claim: &Located<Claim>, deadline: Stamp) -> Result<Seen> {
    let Claim::Isolation { between, .. } = &claim.value else { return Ok(Seen::Hidden(Proof::default())) };
    let names: Vec<String> = between.iter().map(|name| name.value.clone()).collect();
    let expected = "nothing crosses between the tenants, on any operation";
    attempts::make(run, claim, names, BTreeMap::new(), deadline, expected).await
}
