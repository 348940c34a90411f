//! The way of one run, from the first event to the last.

use crate::accounts::Accounts;
use crate::fleet::Fleet;
use crate::kept::Kept;
use crate::people::{Passwords, People};
use crate::run::Run;
use crate::shared::Shared;
use crate::taps::Taps;
use crate::texts::Own;
use crate::things::Things;
use crate::things::listeners::Listeners;
use crate::things::lobby::LobbyDesk;
use crate::walk::Walk;
use crate::{Settings, release, setup, watch};
use fleetproof_dialects::Token;
use fleetproof_dialects::mender::Mender;
use fleetproof_journal::{Journal, Secret, Secrets, Verdict, What};
use fleetproof_language::Sources;
use fleetproof_plan::{ClockKind, Plan};
use fleetproof_stacks::{Embedded, Founding, Running, Service, StackError};
use fleetproof_world::World;
use std::cell::Cell;
use std::collections::BTreeMap;
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

    let service = match plan.clock {
        ClockKind::Real => Service::Slots,
        ClockKind::Virtual if plan.is_modelled() => Service::Modelled,
        ClockKind::Virtual => Service::Free,
    };
    let stack = Embedded { defect: settings.defect.clone(), service, ..Embedded::default() };
    let (run, running) = match bring_up(plan, sources, world, &shared, &stack, settings.secrets, &settings.stop).await {
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
    bring_up(plan, sources, world, &shared, stack, BTreeMap::new(), stop).await
}

/// Starts the platform, and everything that is needed to talk to it.
async fn bring_up(
    plan: Arc<Plan>,
    sources: Arc<Sources>,
    world: World,
    shared: &Shared,
    stack: &Embedded,
    secrets: BTreeMap<String, Secret>,
    stop: &CancellationToken,
) -> Result<(Run, Running), StackError> {
    let passwords = Passwords::new(&stack.keys(&world), shared);
    let founding = if stack.continues() { Founding::default() } else { setup::founding(&plan, &passwords) };
    let running = stack.up(&world, &founding).await?;
    shared.declare_secret(&running.operator_token);
    let operator = (running.operator.clone(), Token::new(&running.operator_token));
    let mender = Mender::new(world.clone(), running.gateway.clone(), Some(operator), Arc::new(shared.clone()));
    let (taps, release) = (Taps::of(&plan), release::key(&plan, &world.seeds).map(|key| key.check()));
    let run = Run {
        people: People::new(passwords, &mender, shared),
        mender,
        fleet: Fleet::new(&world, shared, &plan.population, release, &taps),
        taps,
        things: Things::new(&world, running.shared_door()),
        listeners: Listeners::default(),
        accounts: Accounts::default(),
        lobby: LobbyDesk::default(),
        ids: Kept::new(vec![None; plan.population.devices.len()]),
        accepted: Kept::default(),
        limits: Kept::default(),
        call_rates: Kept::default(),
        client_limits: Kept::default(),
        storage_limits: Kept::default(),
        retained: Kept::default(),
        subscriptions: Kept::default(),
        measured: Kept::default(),
        loads: Kept::default(),
        deployments: Kept::default(),
        uploaded: Kept::default(),
        gone: Kept::default(),
        barred: Kept::default(),
        removed: Kept::default(),
        carried_out: Kept::default(),
        uncontrolled: Kept::default(),
        stores: running.stores(),
        calls: running.calls(),
        own: Own::new(&world.seeds, secrets, shared),
        budget_ends: Cell::new(shared.now().after(plan.scenario.budget())),
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
    run.begin();
    let mut verdicts = Walk::through(run).await;
    verdicts.extend(watch::at_the_end(run).await);
    Verdict::worst(verdicts).unwrap_or(Verdict::Inconclusive)
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
            matrix: plan.row.iter().cloned().collect(),
        },
    );
}

fn end(shared: &Shared, verdict: Verdict) -> Verdict {
    let (claims, attempts) = shared.tally();
    shared.emit("engine", None, What::Ended { verdict, claims, attempts });
    verdict
}
