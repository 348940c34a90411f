//! Devices between tenants.

use crate::outcome::Ending;
use crate::run::{Result, Run, Stop};
use fleetproof_language::{ByDevices, ByTenants, Evacuate, Located, Migrate};

pub(crate) async fn release(_: &Run, _: &Located<ByDevices>) -> Result<Ending> {
    Err(Stop::Broken("release".to_owned()))
}
pub(crate) async fn migrate(_: &Run, _: &Located<Migrate>) -> Result<Ending> {
    Err(Stop::Broken("migrate".to_owned()))
}
pub(crate) async fn evacuate(_: &Run, _: &Located<Evacuate>) -> Result<Ending> {
    Err(Stop::Broken("evacuate".to_owned()))
}
pub(crate) async fn grant_trust(_: &Run, _: &Located<ByTenants>) -> Result<Ending> {
    Err(Stop::Broken("grant_trust".to_owned()))
}
pub(crate) async fn revoke_trust(_: &Run, _: &Located<ByTenants>) -> Result<Ending> {
    Err(Stop::Broken("revoke_trust".to_owned()))
}
