//! `mqtt`: devices publish or subscribe as the scenario says.

use crate::outcome::Ending;
use crate::run::{Result, Run, Stop};
use crate::texts::Gaps;
use fleetproof_language::Mqtt;

pub(crate) async fn mqtt(_: &Run, _: &Mqtt, _: &Gaps<'_>) -> Result<Ending> {
    Err(Stop::Broken("mqtt".to_owned()))
}
