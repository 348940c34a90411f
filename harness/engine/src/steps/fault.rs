//! `fault`: something goes wrong between the parties, for a while.

use crate::faults;
use crate::outcome::Ending;
use crate::run::{Result, Run, Stop};
use fleetproof_language::{Fault, Span};

/// Puts it on, holds it, lifts it. It must have acted on something, and somebody must get through again.
pub(crate) async fn fault(run: &Run, fault: &Fault, span: Span) -> Result<Ending> {
    let Some(held) = faults::put(run, fault, span)? else {
        return faults::reset(run, fault, span).await.map(Ending::passed);
    };
    let time = fault.held_for().map(|time| time.value).unwrap_or_default();
    let due = run.shared.now().after(time);
    if due > run.budget {
        return Err(Stop::Inconclusive(format!("{} s do not fit into what is left of the time", time.as_secs_f64())));
    }
    faults::proven(run, &held, due).await?;
    while run.shared.now() < due {
        run.glance(due).await?;
    }
    faults::lift(run, held).await.map(Ending::passed)
}
