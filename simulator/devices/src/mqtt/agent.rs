//! A thing's life: boot, dial, do what is heard, dial again.

use super::config::ThingConfig;
use super::errands::{Errands, Strain};
use super::job::{Execution, Reason};
use super::line::Line;
use super::outbox::Outbox;
use super::publishes::Schedule;
use super::record::{Kept, Numbering};
use super::topic::LobbyMessage;
use super::whereabouts::{Move, Whereabouts};
use crate::body::{Body, Health};
use crate::config::Order;
use crate::event::{Asked, Delivery, DeviceEvent, Witness};
use crate::flaky::{Trouble, flicker};
use crate::machine::{Input, Machine, Record};
use bytes::Bytes;
use fleetproof_world::{Ends, RandomStream, Stamp, World};
use serde_json::Value;
use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

/// Runs a thing until it is stopped, retired, or dead. It is silent until it is first told to knock; then it boots, goes on
/// with what its body's record says, and dials the endpoint it was told last, or the lobby.
///
/// The body keeps what survives: where the thing belongs, and the update under way. Dropping the future is a loss of power.
pub fn run_thing<B: Body, W: Witness>(
    world: World,
    config: ThingConfig,
    body: B,
    witness: W,
    orders: UnboundedReceiver<Order>,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send {
    let whereabouts = Whereabouts::new(config.plan.lobby.clone(), None, config.plan.refused_for);
    let mut thing = Thing {
        body,
        witness,
        orders,
        machine: Machine::new(Record::default(), 0),
        whereabouts,
        line: None,
        outbox: Outbox::default(),
        schedules: Box::default(),
        numbering: Numbering::default(),
        heard: Heard::default(),
        times: Times::default(),
        failures: 0,
        tokens: 0,
        shadow_version: None,
        job: None,
        strain: None,
        errands: Errands::default(),
        payload: Bytes::new(),
        is_commanded: true,
        was_home: false,
        is_down: false,
        world,
        config,
    };
    async move {
        let trouble = troubles(&thing.world, &thing.config);
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            _ = thing.live() => {}
            () = trouble => {}
        }
    }
}

/// What is wrong with the thing's own links, for as long as it runs; most have nothing of it, and it costs them nothing.
fn troubles(world: &World, config: &ThingConfig) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let (flaky, bandwidth) = (config.nature.flaky, config.nature.bandwidth);
    if flaky.is_none() && bandwidth.is_none() {
        return Box::pin(std::future::pending());
    }
    let plan = &config.plan;
    let others = plan.endpoints.iter().chain(&plan.dials).chain(&plan.storage).chain([&plan.lobby]).cloned().collect();
    let ends = Ends { first: BTreeSet::from([config.name.clone()]), second: others };
    let narrow = bandwidth.map(|bandwidth| Trouble::narrow(world, &ends, bandwidth));
    let world = world.clone();
    Box::pin(async move {
        match flaky {
            Some(flaky) => flicker(world, ends, flaky).await,
            None => std::future::pending().await,
        }
        drop(narrow);
    })
}

pub(super) struct Thing<B, W> {
    pub world: World,
    pub config: ThingConfig,
    pub body: B,
    pub witness: W,
    pub orders: UnboundedReceiver<Order>,
    pub machine: Machine,
    pub whereabouts: Whereabouts,
    /// The connection, while there is one.
    pub line: Option<Box<Line>>,
    pub outbox: Outbox,
    /// Where it stands with what it says by itself.
    pub schedules: Box<[Schedule]>,
    pub numbering: Numbering,
    pub heard: Heard,
    pub times: Times,
    /// Dials that failed in a row, and connections that did not hold.
    pub failures: u32,
    /// Counts requests.
    pub tokens: u32,
    pub shadow_version: Option<u64>,
    /// The job under way.
    pub job: Option<Box<Job>>,
    /// What it says beside its plan.
    pub strain: Option<Box<Strain>>,
    /// What it was sent to do.
    pub errands: Errands,
    /// What was fetched and is not written yet.
    pub payload: Bytes,
    /// Somebody may still give it orders.
    pub is_commanded: bool,
    /// It was let in at its endpoint since it left the lobby last.
    pub was_home: bool,
    /// Power was lost while the record was kept: the next thing is a boot.
    pub is_down: bool,
}

/// What came in and is not dealt with.
#[derive(Default)]
pub(super) struct Heard {
    /// Another job may be next.
    pub job: bool,
    /// The shadow does not know what runs.
    pub report: bool,
    /// The shadow wants something.
    pub delta: Option<Box<Value>>,
    /// The lobby's topic said something.
    pub lobby: Option<Box<LobbyMessage>>,
    /// The answer that is waited for: its client token, and once it is there, whether it was accepted, and what it says.
    pub answer: Option<Box<Answer>>,
    /// SUBSCRIBE packets that are not answered.
    pub subscribing: u8,
    /// It is in again: errands may wait.
    pub errands: bool,
}

impl Heard {
    /// Whether there is anything to do.
    pub const fn is_something(&self) -> bool {
        self.job || self.report || self.errands || self.delta.is_some() || self.lobby.is_some()
    }
}

pub(super) struct Answer {
    pub token: String,
    pub said: Option<(bool, Value)>,
}

/// When something was, and when something must be.
#[derive(Default)]
pub(super) struct Times {
    /// When it was let in.
    pub connected: Stamp,
    /// When it last sent anything.
    pub sent: Stamp,
    /// How long it may be silent, in ms; 0: for ever.
    pub keep_alive_ms: u32,
    /// Since when a PINGRESP is waited for.
    pub pinged: Option<Stamp>,
    /// When it asks again for filters that were refused for now, and for which parts of them: a bit for each.
    pub subscribe_again: Option<(Stamp, u32)>,
    /// When it announces itself next, at the lobby.
    pub announce: Option<Stamp>,
}

/// A job under way.
pub(super) struct Job {
    pub id: String,
    /// Its version number, where it is known.
    pub version: Option<u64>,
    pub execution: Option<Execution>,
    /// Who installed what is tested, as the service was told.
    pub updated_by: Option<String>,
    /// Why it fails, where that is known better than that the image is no good.
    pub reason: Option<Reason>,
}

impl Job {
    /// Of which nothing is known but its id.
    pub const fn of(id: String) -> Self {
        Self { id, version: None, execution: None, updated_by: None, reason: None }
    }
}

/// Why a life goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The device will not do anything any more.
    Dead,
    /// It was told to be silent.
    Retired,
}

impl<B: Body, W: Witness> Thing<B, W> {
    pub fn saw(&mut self, what: DeviceEvent) {
        self.witness.saw(self.world.clock.now(), self.config.index, what);
    }

    pub fn delivered(&mut self, what: Delivery) {
        self.witness.delivered(self.world.clock.now(), self.config.index, what);
    }

    pub fn asked(&mut self, asked: Asked) {
        self.witness.asked(self.world.clock.now(), self.config.index, asked);
    }

    /// The time by its own clock, in ms since 1970.
    pub fn now_ms(&self) -> u64 {
        self.world.clock.unix_ms().saturating_add_signed(self.config.nature.skew_ms)
    }

    /// What a wait between dials is drawn from: another draw for each dial, none shared with anybody.
    pub fn draws(&self) -> RandomStream {
        self.world.seeds.child("thing").child(&self.config.name).stream(&format!("backoff {}", self.tokens))
    }

    async fn live(&mut self) -> Result<(), End> {
        while !matches!(self.orders.recv().await.ok_or(End::Dead)?, Order::Knock) {}
        self.world.clock.sleep(self.config.phase).await;
        Box::pin(self.start(Duration::ZERO)).await?;
        loop {
            self.hear_orders().await?;
            if self.is_down {
                let time = self.config.plan.boot_time;
                Box::pin(self.start(time)).await?;
            } else if self.line.is_none() {
                self.wait_to_dial().await?;
                Box::pin(self.dial()).await;
            } else if let Some(message) = self.heard.lobby.take() {
                let next = self.whereabouts.told(*message);
                Box::pin(self.go(next)).await;
            } else if std::mem::take(&mut self.heard.errands) {
                Box::pin(self.catch_up()).await;
            } else if std::mem::take(&mut self.heard.report) {
                Box::pin(self.report()).await;
            } else if let Some(delta) = self.heard.delta.take() {
                Box::pin(self.apply(*delta)).await;
            } else if std::mem::take(&mut self.heard.job) {
                Box::pin(self.next_job()).await?;
            } else {
                self.serve().await?;
            }
        }
    }

    /// Boots, and goes on with what was under way.
    async fn start(&mut self, time: Duration) -> Result<(), End> {
        self.boot(time).await?;
        if self.machine.record().update.is_some() {
            self.update(Input::Booted).await?;
            self.job = None;
        } else {
            self.machine = self.take_machine().step(Input::Booted, &mut Vec::new());
        }
        Ok(())
    }

    pub fn take_machine(&mut self) -> Machine {
        std::mem::replace(&mut self.machine, Machine::new(Record::default(), 0))
    }

    /// Boots until an image comes up. All that is not in the record is gone.
    pub async fn boot(&mut self, time: Duration) -> Result<(), End> {
        loop {
            if !time.is_zero() {
                self.world.clock.sleep(time).await;
            }
            let boot = self.body.boot().await;
            let healthy = boot.health == Health::Healthy;
            self.saw(DeviceEvent::Booted { version: boot.version, healthy, trial: boot.trial });
            match boot.health {
                Health::Healthy => break,
                Health::Unhealthy => {}
                Health::Dead => {
                    let version = self.body.running().to_owned();
                    self.saw(DeviceEvent::Died { version });
                    return Err(End::Dead);
                }
            }
        }
        let kept = Kept::read(self.body.record(), &self.config.version);
        let plan = self.config.plan.clone();
        let home = kept.home.map(Into::into).or_else(|| self.config.home.clone());
        self.whereabouts = Whereabouts::new(plan.lobby.clone(), home, plan.refused_for);
        self.numbering = Numbering::after(kept.numbers);
        self.machine = Machine::new(kept.record, plan.retry.1);
        self.line = None;
        self.outbox = Outbox::default();
        self.heard = Heard::default();
        self.failures = 0;
        self.shadow_version = None;
        self.job = self.machine.record().update.as_ref().map(|update| Box::new(Job::of(update.deployment.clone())));
        self.was_home = false;
        self.is_down = false;
        let now = self.world.clock.now();
        self.schedules = plan
            .publishes
            .iter()
            .map(|publishes| Schedule {
                topic: Arc::from(super::topic::fill(&publishes.topic, &self.config.name)),
                every: publishes.every,
                next: now.after(publishes.every),
            })
            .collect();
        Ok(())
    }

    /// Keeps what must survive. `false`: power was lost.
    pub fn keep(&mut self) -> bool {
        let record = Kept::write(self.whereabouts.home(), &self.numbering, self.machine.record());
        self.is_down |= self.body.keep(record).is_err();
        !self.is_down
    }

    /// Goes where it was told to, or where it was not refused.
    pub async fn go(&mut self, next: Move) {
        let what = match next {
            Move::Stay => return,
            Move::Home(endpoint) => DeviceEvent::Routed { endpoint: endpoint.to_string() },
            Move::Forget => DeviceEvent::FactoryReset,
            Move::TurnBack(endpoint) => DeviceEvent::TurnedBack { endpoint: endpoint.to_string() },
            Move::TryHome(_) => {
                self.failures = 0;
                return;
            }
        };
        let is_kept = matches!(what, DeviceEvent::Routed { .. } | DeviceEvent::FactoryReset);
        self.saw(what);
        if is_kept && !self.keep() {
            // The record has the old or the new place; a boot finds out which.
            self.line = None;
            return;
        }
        self.leave().await;
        self.failures = 0;
        self.was_home = false;
        self.outbox = Outbox::default();
        self.shadow_version = None;
        self.world.clock.sleep(self.config.plan.settle).await;
    }

    /// Waits before the next dial, as long as the failures so far ask for.
    async fn wait_to_dial(&mut self) -> Result<(), End> {
        let wait = self.config.plan.backoff.wait(self.failures, &mut self.draws());
        if wait.is_zero() {
            return Ok(());
        }
        let until = self.world.clock.now().after(wait);
        loop {
            tokio::select! {
                biased;
                order = self.orders.recv(), if self.is_commanded => {
                    let is_called = matches!(order, Some(Order::Knock | Order::Restore));
                    self.ordered(order).await?;
                    if is_called {
                        return Ok(());
                    }
                }
                () = self.world.clock.sleep_until(until) => return Ok(()),
            }
        }
    }

    /// Orders that came while it did something else: whoever has always something to do hears them too.
    async fn hear_orders(&mut self) -> Result<(), End> {
        while self.line.is_some() && !self.is_down {
            let Ok(order) = self.orders.try_recv() else { break };
            self.ordered(Some(order)).await?;
        }
        Ok(())
    }

    /// An order while it lives.
    pub async fn ordered(&mut self, order: Option<Order>) -> Result<(), End> {
        match order {
            Some(Order::Knock) => {}
            Some(Order::Ping) => Box::pin(self.ping()).await,
            Some(Order::Strain(load)) => self.strain(load),
            Some(Order::Reconnect) => Box::pin(self.reconnect()).await,
            Some(Order::Errand(errand)) => Box::pin(self.send_on(*errand)).await,
            None => self.is_commanded = false,
            Some(Order::Save) => {
                if self.body.save() {
                    self.saw(DeviceEvent::Saved);
                }
            }
            Some(Order::Restore) => Box::pin(self.restore()).await?,
            Some(Order::Retire) => {
                Box::pin(self.retire()).await;
                return Err(End::Retired);
            }
        }
        Ok(())
    }

    /// Is flashed with what was saved, and begins as that. Where it belongs stays, and no number is given twice.
    async fn restore(&mut self) -> Result<(), End> {
        if !self.body.restore() {
            return Ok(());
        }
        self.leave().await;
        self.saw(DeviceEvent::Restored);
        let record = Kept::read(self.body.record(), &self.config.version).record;
        if self.body.keep(Kept::write(self.whereabouts.home(), &self.numbering, &record)).is_err() {
            self.is_down = true;
            return Ok(());
        }
        self.payload = Bytes::new();
        Box::pin(self.start(self.config.plan.boot_time)).await
    }

    /// Shows its identity a last time, so that it is known whether it is still taken; then it is over.
    async fn retire(&mut self) {
        self.leave().await;
        for _ in 0..self.config.plan.retry.1 {
            match self.open().await {
                Ok(_) => {
                    self.saw(DeviceEvent::Retired { status: 200 });
                    return self.leave().await;
                }
                Err(super::connect::Refusal::Code(_)) => return self.saw(DeviceEvent::Retired { status: 401 }),
                Err(super::connect::Refusal::Unreachable(error)) => self.saw(DeviceEvent::Unreachable { error }),
            }
            self.world.clock.sleep(self.config.plan.retry.0).await;
        }
    }
}
