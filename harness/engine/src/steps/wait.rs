//! `wait_until`: the only waiting there is, beside the `within` of an `expect`.

use super::WITHIN;
use super::abort::is_terminal;
use crate::outcome::Ending;
use crate::run::{Result, Run, Stop};
use fleetproof_language::{InState, Progress, WaitUntil};
use std::time::Duration;

/// Waits.
pub(crate) async fn wait_until(run: &Run, step: &WaitUntil) -> Result<Ending> {
    match step {
        WaitUntil::Progress(progress) => until_progress(run, progress).await,
        WaitUntil::State(state) => until_state(run, state).await,
        WaitUntil::Elapsed(elapsed) => until_elapsed(run, elapsed.r#for.value).await,
    }
}

async fn until_elapsed(run: &Run, time: Duration) -> Result<Ending> {
    let due = run.shared.now().after(time);
    let until = due.min(run.budget());
    while run.shared.now() < until {
        run.glance(until).await?;
    }
    match due <= run.budget() {
        true => Ok(Ending::passed(format!("{} s passed", time.as_secs_f64()))),
        false => Ok(Ending::failed(format!("{} s do not fit into what is left of the time", time.as_secs_f64()))),
    }
}

/// As the platform tells it: the deployment is in that state wherever it was made.
async fn until_state(run: &Run, state: &InState) -> Result<Ending> {
    let (name, due) = (&state.deployment.value, state.is.value);
    let deployed = run.deployments.get(name);
    let deployed = deployed.ok_or_else(|| Stop::Failed(format!("`{name}` was never deployed")))?;
    let deadline = run.deadline(state.within.as_ref().map_or(WITHIN, |within| within.value));
    loop {
        let mut other = None;
        for (whose, id) in &deployed.ids {
            let admin = run.people.admin(&whose.tenant).await?;
            let shown = whose.state(run, &admin, id).await?.state;
            if shown != due.word() {
                other = Some(format!("`{name}` is {shown} in `{}`", whose.tenant));
            }
        }
        let Some(other) = other else { return Ok(Ending::passed(format!("`{name}` is {due}"))) };
        if run.shared.now() >= deadline {
            return Ok(Ending::failed(format!("{other}, {due} is due")));
        }
        run.glance(deadline).await?;
    }
}

/// As the platform tells it: so many of the deployment's devices have ended.
async fn until_progress(run: &Run, progress: &Progress) -> Result<Ending> {
    let name = &progress.deployment.value;
    let deployed = run.deployments.get(name);
    let deployed = deployed.ok_or_else(|| Stop::Failed(format!("`{name}` was never deployed")))?;
    let deadline = run.deadline(progress.within.as_ref().map_or(WITHIN, |within| within.value));
    let whole = deployed.devices.len();
    // Millionths; so many devices or more.
    let due = (whole as u64 * u64::from(progress.at_least.value)).div_ceil(1_000_000);
    loop {
        let mut ended = 0;
        for (whose, id) in &deployed.ids {
            let admin = run.people.admin(&whose.tenant).await?;
            let devices = whose.parts(run, &admin, id, &deployed.devices).await?;
            ended += devices.values().filter(|part| is_terminal(&part.status)).count() as u64;
        }
        let told = format!("{ended} of {whole} devices have ended `{name}`");
        if ended >= due {
            return Ok(Ending::passed(told));
        }
        if run.shared.now() >= deadline {
            return Ok(Ending::failed(format!("{told}, {due} are due")));
        }
        run.glance(deadline).await?;
    }
}
