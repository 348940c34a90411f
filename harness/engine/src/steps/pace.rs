//! How fast a deployment goes round: what is asked for, `pause` and `continue`.

use crate::actors::{self, Default};
use crate::outcome::{Ending, Part, judge};
use crate::refusals;
use crate::run::{Result, Run, Stop};
use fleetproof_claims::rollout::{Growth, Phase, Rate, Rules, Threshold};
use fleetproof_dialects::mender::Session;
use fleetproof_dialects::mender::pace::{GrowthSpec, PaceSpec, PhaseSpec};
use fleetproof_journal::What;
use fleetproof_language::{ByDeployment, Counting, Deploy, Located, Protocol, RetryOn};
use fleetproof_world::{Clock, Stamp};
use serde_json::{Map, Value};
use std::time::Duration;

/// µs.
fn micros(time: &Located<Duration>) -> u64 {
    u64::try_from(time.value.as_micros()).unwrap_or(u64::MAX)
}

/// What the step asks of the pace when it begins at `now`. Phases begin in full ms, as they are told.
pub(super) fn rules(step: &Deploy, now: Stamp) -> Rules {
    let mut start = now;
    let phases = step.phases.iter().map(|phase| {
        start = phase.after.as_ref().map_or(start, |after| start.after(after.value));
        let start = phase.after.as_ref().map(|_| start.micros() / 1_000 * 1_000);
        Phase { share: phase.share.as_ref().map(|share| share.value), start }
    });
    let growth = step.grows.as_ref().map(|grows| Growth {
        factor: grows.factor.value,
        per: grows.per.value,
        succeeded: grows.counting.value == Counting::Succeeded,
    });
    let retry_on = step.retry_on.as_ref().map_or(RetryOn::All, |on| on.value);
    Rules {
        phases: phases.collect(),
        rate: step.rate.as_ref().map(|rate| Rate {
            devices: rate.count,
            per: u64::try_from(rate.per.as_micros()).unwrap_or(u64::MAX),
            growth,
        }),
        retries: step.retries.as_ref().map_or(0, |retries| retries.value),
        retry_failed: retry_on != RetryOn::TimedOut,
        retry_timed_out: retry_on != RetryOn::Failed,
        timeout: step.timeout.as_ref().map(micros),
        step_timeout: step.step_timeout.as_ref().map(micros),
        threshold: step.abort_above.as_ref().map(|above| Threshold {
            above: above.value,
            after: step.abort_after.as_ref().map_or(1, |after| after.value.into()),
        }),
    }
}

/// Whether anything is asked of it at all.
pub(super) fn is_paced(rules: &Rules) -> bool {
    let Rules { phases, rate, retries, timeout, step_timeout, threshold, .. } = rules;
    !phases.is_empty()
        || rate.is_some()
        || *retries > 0
        || timeout.is_some()
        || step_timeout.is_some()
        || threshold.is_some()
}

/// The same in the words of the platform.
pub(super) fn body(step: &Deploy, rules: &Rules, clock: &Clock) -> Map<String, Value> {
    let phase = |phase: &Phase| PhaseSpec {
        percent: phase.share.map(|share| share / 10_000),
        start_ms: phase.start.map(|start| clock.unix_ms_at(Stamp::from_micros(start))),
    };
    let spec = PaceSpec {
        phases: rules.phases.iter().map(phase).collect(),
        rate: rules.rate.map(|rate| u64::from(rate.devices) * (60_000_000 / rate.per.max(1))),
        grows: step.grows.as_ref().map(|grows| GrowthSpec {
            factor: grows.factor.value,
            per: grows.per.value,
            counting: grows.counting.value.word(),
        }),
        retries: rules.retries,
        retry_on: step.retry_on.as_ref().map(|on| on.value.word()),
        timeout: rules.timeout.map(|time| time / 1_000),
        step_timeout: rules.step_timeout.map(|time| time / 1_000),
        abort_above: rules.threshold.map(|threshold| threshold.above),
        abort_after: step.abort_after.as_ref().map(|after| after.value),
    };
    spec.body()
}

/// A search that finds these devices, also those that come in later.
pub(super) async fn search(run: &Run, by: &Session, deployment: &str, members: &[u32]) -> Result<String> {
    const ATTRIBUTE: &str = "mac";
    let devices = members.iter().filter_map(|device| run.plan.population.devices.get(*device as usize));
    let values: Vec<String> = devices.filter_map(|device| device.identity.get(ATTRIBUTE).cloned()).collect();
    Ok(run.mender.save_search(by, &format!("whom-{deployment}-is-for"), ATTRIBUTE, &values).await?)
}

/// Lets a deployment stand still in every tenant that has a part of it.
pub(crate) async fn pause(run: &Run, step: &Located<ByDeployment>) -> Result<Ending> {
    set(run, step, true).await
}

/// Lets it go on.
pub(crate) async fn go_on(run: &Run, step: &Located<ByDeployment>) -> Result<Ending> {
    set(run, step, false).await
}

async fn set(run: &Run, step: &Located<ByDeployment>, paused: bool) -> Result<Ending> {
    let (verb, done, state) =
        if paused { ("pause", "deployments paused", "paused") } else { ("continue", "deployments go on", "running") };
    let name = &step.deployment.value;
    let deployed = run.deployments.get(name);
    let deployed = deployed.ok_or_else(|| Stop::Failed(format!("`{name}` was never deployed")))?;
    let mut parts = Vec::new();
    for (whose, id) in &deployed.ids {
        let tenant = &whose.tenant;
        if whose.speaks == Protocol::Mqtt {
            return Err(Stop::Failed(format!(
                "a job of AWS's cannot stand still: `{name}` goes to devices of `{tenant}` that speak mqtt, and only those \
                 that speak mender can be told to wait"
            )));
        }
        let admin = run.people.admin(tenant).await?;
        let by = actors::acting(run, &step.outcome, Default::AdminOf(tenant)).await?;
        let before = run.mender.pace(&admin, id).await?;
        let asked = run.shared.now();
        let answer = run.mender.set_pace(&by, id, paused).await;
        let when = run.since(asked);
        let shown = run.mender.pace(&admin, id).await?;
        let result = match answer {
            // It may have ended meanwhile, or wait for its first phase again.
            Ok(()) if paused && shown.state == "running" || !paused && shown.state == "paused" => {
                return Ok(Ending::failed(format!(
                    "`{}` asked `x_fleetproof Set Pace` for `{name}` in `{tenant}`, the platform said yes, and it is still {}",
                    by.who(),
                    shown.state
                )));
            }
            Ok(()) => {
                run.deployments.change(|all| {
                    let pace = all.get_mut(name).and_then(|deployed| deployed.paces.get_mut(whose));
                    if let Some(pace) = pace {
                        match pace.pauses.last_mut().filter(|(_, went_on)| went_on.is_none()) {
                            Some((_, went_on)) if !paused => *went_on = Some(when),
                            None if paused => pace.pauses.push((when, None)),
                            _ => {}
                        }
                    }
                });
                Ok(())
            }
            Err(error) => {
                let mut no = refusals::read(error)?;
                if before.state != state && shown.state == state {
                    no.done_anyway = Some(format!("it is {state}"));
                }
                Err(no)
            }
        };
        parts.push(Part { name: tenant.clone(), result });
    }
    if parts.iter().any(|part| part.result.is_ok()) {
        let text = if paused { "stands still: nobody begins until it goes on" } else { "goes on" };
        run.shared.emit("engine", run.place(step.span), What::Note { text: format!("`{name}` {text}") });
    }
    refusals::note(run, verb, &parts, step.span, &step.outcome);
    Ok(judge(&step.outcome, &parts, done))
}
