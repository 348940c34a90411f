//! `fault`: something goes wrong between the parties, for a while.

use crate::background::Background;
use crate::calls;
use crate::faults;
use crate::outcome::Ending;
use crate::run::{Result, Run, Stop};
use fleetproof_language::{Fault, Located, Span};
use std::future::Future;
use std::pin::Pin;

/// Puts it on, holds it, lifts it. It must have acted on something, and somebody must get through again.
pub(crate) async fn fault(run: &Run, fault: &Fault, span: Span) -> Result<Ending> {
    let time = fault.held_for().map(|time| time.value).unwrap_or_default();
    let due = run.shared.now().after(time);
    if due > run.budget() {
        return Err(Stop::Inconclusive(format!("{} s do not fit into what is left of the time", time.as_secs_f64())));
    }
    if let Fault::FailCalls(it) = fault {
        let failing = calls::put(run, it, span);
        calls::proven(run, &failing, due).await?;
        run.pause_until(due).await?;
        return calls::lift(failing).map(Ending::passed);
    }
    let Some(held) = faults::put(run, fault, span)? else {
        return faults::reset(run, fault, span).await.map(Ending::passed);
    };
    faults::proven(run, &held, due).await?;
    while run.shared.now() < due {
        run.glance(due).await?;
    }
    faults::lift(run, held).await.map(Ending::passed)
}

/// Puts a fault on that lasts until it is stopped, and waits until it has acted on something.
pub(crate) async fn hold(run: &Run, fault: &Located<Fault>) -> Result<Box<dyn Background>> {
    if let Fault::FailCalls(it) = &fault.value {
        // Who makes the calls stands among the steps: that some failed is seen when it ends.
        return Ok(Box::new(calls::put(run, it, fault.span)));
    }
    let Some(held) = faults::put(run, fault, fault.span)? else {
        return Err(Stop::Broken(format!("`{}` cannot be held", fault.kind())));
    };
    faults::proven(run, &held, run.deadline(faults::PATIENCE)).await?;
    Ok(Box::new(held))
}

impl Background for faults::Held {
    fn stop<'a>(self: Box<Self>, run: &'a Run) -> Pin<Box<dyn Future<Output = Result<Ending>> + 'a>>
    where
        Self: 'a,
    {
        Box::pin(async move { faults::lift(run, *self).await.map(Ending::passed) })
    }
}
