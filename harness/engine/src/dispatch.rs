//! The way of one run, from the first event to the last.

use crate::fleet::Fleet;
use crate::kept::Kept;
use crate::outcome::Ending;
use crate::people::{Passwords, People};
use crate::run::{Run, Stop};
use crate::shared::Shared;
use crate::{Settings, expectations, setup, steps, watch};
use fleetproof_dialects::Token;
use fleetproof_dialects::mender::Mender;
use fleetproof_journal::{Journal, Secrets, Verdict, What};
use fleetproof_language::{Located, Sources, Step};
use fleetproof_plan::{ClockKind, Plan};
use fleetproof_stacks::{Embedded, Running, StackError};
use fleetproof_world::World;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Runs `plan` from bringing the platform up to releasing everything.
pub(crate) async fn dispatch(
    plan: Arc<Plan>,
    sources: Arc<Sources>,
    journal: Journal,
    secrets: Secrets,
    settings: Settings,
) -> Verdict {
    let mut world = match plan.clock {
        ClockKind::Virtual => World::simulated(plan.seed),
        ClockKind::Real => World::on_sockets(plan.seed),
    };
    world.seeds = fleetproof_plan::seeds(&plan.scenario, plan.seed);
    let devices = plan.population.devices.iter().map(|device| (device.name.clone(), device.runs.clone())).collect();
    let shared = Shared::new(world.clock.clone(), journal, secrets, devices);
    announce(&plan, &sources, &shared, settings.defect.as_deref());
    for (tenant, _) in plan.scenario.platform.tenants.iter() {
        shared.declare_canary(tenant, &fleetproof_plan::canary(&world.seeds, tenant));
    }
    if let Some(reason) = &plan.skipped {
        shared.emit("engine", None, What::Note { text: format!("skipped: {reason}") });
        return end(&shared, Verdict::Skipped);
    }

    let stack = Embedded { defect: settings.defect.clone(), ..Embedded::default() };
    let (run, running) = match bring_up(plan, sources, world, &shared, &stack, &settings.stop).await {
        Ok(both) => both,
        Err(error) => {
            shared.emit("stack", None, What::Note { text: error.to_string() });
            return end(&shared, Verdict::Broken);
        }
    };
    let verdict = tokio::select! {
        biased;
        () = settings.stop.cancelled() => Verdict::Interrupted,
        () = settings.overdue.cancelled() => {
            shared.emit("engine", None, What::Note { text: "the time on the wall clock was used up".to_owned() });
            Verdict::Broken
        }
        verdict = play(&run, &running) => verdict,
    };
    run.fleet.stop().await;
    running.down().await;
    end(&run.shared, verdict)
}

/// The same for a platform that only serves.
pub(crate) async fn furnish(
    plan: Arc<Plan>,
    sources: Arc<Sources>,
    world: World,
    journal: Journal,
    secrets: Secrets,
    stack: &Embedded,
    stop: &CancellationToken,
) -> Result<(Run, Running), StackError> {
    let shared = Shared::new(world.clock.clone(), journal, secrets, Vec::new());
    bring_up(plan, sources, world, &shared, stack, stop).await
}

/// Starts the platform, and everything that is needed to talk to it.
async fn bring_up(
    plan: Arc<Plan>,
    sources: Arc<Sources>,
    world: World,
    shared: &Shared,
    stack: &Embedded,
    stop: &CancellationToken,
) -> Result<(Run, Running), StackError> {
    let passwords = Passwords::new(&world.seeds, shared);
    let running = stack.up(&world, &setup::founding(&plan, &passwords)).await?;
    shared.declare_secret(&running.operator_token);
    let operator = (running.operator.clone(), Token::new(&running.operator_token));
    let mender = Mender::new(world.clone(), running.gateway.clone(), Some(operator), Arc::new(shared.clone()));
    let run = Run {
        people: People::new(passwords, &mender, shared),
        mender,
        fleet: Fleet::new(&world, shared, &plan.population),
        ids: Kept::new(vec![None; plan.population.devices.len()]),
        accepted: Kept::default(),
        limits: Kept::default(),
        deployments: Kept::default(),
        uploaded: Kept::default(),
        gone: Kept::default(),
        barred: Kept::default(),
        removed: Kept::default(),
        carried_out: Kept::default(),
        uncontrolled: Kept::default(),
        budget: shared.now().after(plan.scenario.budget()),
        stop: stop.clone(),
        plan,
        sources,
        world,
        shared: shared.clone(),
    };
    Ok((run, running))
}

/// What runs while nobody interrupts: set-up, steps, what is always watched.
async fn play(run: &Run, running: &Running) -> Verdict {
    if let Err(stop) = setup::settle(run, running).await {
        let text = format!("the platform could not be prepared: {}", stop.reason());
        run.shared.emit("engine", None, What::Note { text });
        return stop.verdict();
    }
    let mut verdicts = all_steps(run).await;
    verdicts.extend(watch::at_the_end(run).await);
    Verdict::worst(verdicts).unwrap_or(Verdict::Inconclusive)
}

/// Carries the steps out in order. After the first that does not pass, only claims on the record are still judged.
async fn all_steps(run: &Run) -> Vec<Verdict> {
    let plan = run.plan.clone();
    let (mut verdicts, mut polls) = (Vec::new(), 0);
    let mut failed = false;
    for (index, step) in (1..).zip(&plan.scenario.steps) {
        if failed {
            if let Step::Expect(expect) = &step.value {
                match expectations::after_a_failure(run, expect).await {
                    Ok(judged) => verdicts.extend(judged.iter().map(|judged| judged.verdict)),
                    Err(stop) => verdicts.push(stop.verdict()),
                }
            }
            continue;
        }
        let place = run.place(step.span);
        run.shared.emit("engine", place.clone(), What::Step { index, verb: step.verb().to_owned() });
        let ending = one_step(run, step).await;
        polls = count_polls(run, polls);
        run.shared.emit("engine", place, ending.event(index));
        run.shared.journal().flush();
        failed = ending.verdict != Verdict::Passed;
        verdicts.push(ending.verdict);
    }
    verdicts
}

async fn one_step(run: &Run, step: &Located<Step>) -> Ending {
    let ended = match &step.value {
        Step::Expect(expect) => expectations::expect(run, expect).await,
        _ => steps::carry_out(run, step).await,
    };
    let ending = ended.unwrap_or_else(|stop: Stop| Ending { verdict: stop.verdict(), detail: stop.reason() });
    if ending.verdict == Verdict::Failed && run.shared.now() >= run.budget {
        let budget = run.plan.scenario.budget().as_secs_f64();
        let detail = format!("the budget of {budget} s was used up here: {}", ending.detail);
        return Ending { verdict: Verdict::Inconclusive, detail };
    }
    ending
}

/// Tells the journal how many polls there were since it was last told.
fn count_polls(run: &Run, before: u64) -> u64 {
    let (polls, devices) = run
        .shared
        .record(|record| (record.polls, record.devices.iter().filter(|device| device.served.is_some()).count()));
    if polls > before {
        let devices = u32::try_from(devices).unwrap_or(u32::MAX);
        run.shared.emit("engine", None, What::Polls { devices, polls: polls - before });
    }
    polls
}

fn announce(plan: &Plan, sources: &Sources, shared: &Shared, defect: Option<&str>) {
    let scenario = &plan.scenario;
    let provider = scenario.platform.provider.iter().map(|_| Run::PROVIDER.to_owned());
    let tenants = provider.chain(scenario.platform.tenants.iter().map(|(name, _)| name.value.clone()));
    shared.emit(
        "engine",
        crate::run::place(sources, scenario.scenario.span),
        What::Scenario {
            name: scenario.scenario.value.clone(),
            about: scenario.about.as_ref().map(|about| about.value.clone()),
            seed: plan.seed,
            clock: plan.clock.to_string(),
            devices: u32::try_from(plan.population.devices.len()).unwrap_or(u32::MAX),
            tenants: tenants.collect(),
            covers: scenario.covers.iter().map(|row| row.word().to_owned()).collect(),
            defect: defect.map(str::to_owned),
        },
    );
}

fn end(shared: &Shared, verdict: Verdict) -> Verdict {
    let (claims, attempts) = shared.tally();
    shared.emit("engine", None, What::Ended { verdict, claims, attempts });
    verdict
}
