//! Calls of a component that fail: a share of them while something holds that, or one in a round of a sweep.

use crate::background::Background;
use crate::outcome::Ending;
use crate::run::{Result, Run, Stop};
use crate::shared::Shared;
use fleetproof_journal::What;
use fleetproof_language::{Component, FailedCalls, Span};
use fleetproof_stacks::{Caller, Calls};
use fleetproof_world::Stamp;
use std::future::Future;
use std::pin::Pin;

/// Calls fail. Dropped, none does any more: whatever happens to the run, nothing of it stays.
pub(crate) struct Failing {
    calls: Calls,
    of: Caller,
    shared: Shared,
    before: u64,
    /// As people read it: "fail_calls of accounts".
    told: String,
    is_on: bool,
}

impl Failing {
    /// How many calls failed.
    pub(crate) fn failed(&self) -> u64 {
        self.calls.failed(self.of) - self.before
    }

    fn take_off(&mut self) -> u64 {
        let failed = self.failed();
        if std::mem::take(&mut self.is_on) {
            self.calls.mend(self.of);
            let text = format!("{} lifted: {failed} calls failed", self.told);
            let seq = self.shared.emit("platform", None, What::Note { text });
            self.shared.fault_lifted(seq);
        }
        failed
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        self.take_off();
    }
}

/// Who makes the calls of a component.
pub(crate) const fn caller(component: Component) -> Caller {
    match component {
        Component::Accounts => Caller::Accounts,
        Component::Lobby => Caller::Lobby,
    }
}

/// Lets a share of a component's calls fail from now on.
pub(crate) fn put(run: &Run, it: &FailedCalls, span: Span) -> Failing {
    let told = format!("fail_calls of {}", it.component.value);
    let of = caller(it.component.value);
    let before = run.calls.failed(of);
    run.calls.fail_some(of, it.share.value, &run.world.seeds.child("faults").child("fail_calls"));
    run.shared.emit("platform", run.place(span), What::Note { text: format!("{told} put on") });
    run.shared.fault_put();
    Failing { calls: run.calls.clone(), of, shared: run.shared.clone(), before, told, is_on: true }
}

/// Waits until a call failed.
///
/// # Errors
/// Inconclusive when none was made until `deadline`.
pub(crate) async fn proven(run: &Run, failing: &Failing, deadline: Stamp) -> Result<()> {
    while failing.failed() == 0 {
        if run.shared.now() >= deadline {
            return Err(unproven(&failing.told));
        }
        run.glance(deadline).await?;
    }
    Ok(())
}

/// No call fails any more. Some must have.
///
/// # Errors
/// Inconclusive when none did.
pub(crate) fn lift(mut failing: Failing) -> Result<String> {
    match failing.take_off() {
        0 => Err(unproven(&failing.told)),
        failed => Ok(format!("{failed} calls failed")),
    }
}

fn unproven(told: &str) -> Stop {
    Stop::Inconclusive(format!("{told} met nothing: no call was made that could have failed"))
}

impl Background for Failing {
    fn stop<'a>(self: Box<Self>, _: &'a Run) -> Pin<Box<dyn Future<Output = Result<Ending>> + 'a>>
    where
        Self: 'a,
    {
        Box::pin(async move { lift(*self).map(Ending::passed) })
    }
}
