//! The agent: identity, polling, and the effects of the update machine, over HTTP and a body.

use crate::body::{Body, BodyCall, Cause, Health};
use crate::config::{DeviceConfig, Order};
use crate::event::{Asked, DeviceEvent, Witness};
use crate::flaky::{Trouble, flicker, link};
use crate::key::Key;
use crate::machine::{Effect, Input, Machine, Question, Record};
use crate::request::{self, Offer};
use crate::tap::{self, Tap};
use bytes::Bytes;
use fleetproof_wire::http::{Request, Response, exchange};
use fleetproof_world::{Stamp, Stream, World, rfc3339};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

/// How long an answer, or the next piece of one, is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// After how many polls the inventory is sent again.
const POLLS_PER_INVENTORY: u32 = 10;

/// Runs a device until it is stopped, retired, or dead. It is silent until it is first told to knock;
/// then it boots, goes on with what its body's record says, shows its identity and polls.
///
/// Every poll is a connection of its own. The body keeps what survives; dropping the future is a loss
/// of power.
pub fn run_device<B: Body, W: Witness>(
    world: World,
    mut config: DeviceConfig,
    key: Key,
    body: B,
    witness: W,
    orders: UnboundedReceiver<Order>,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send {
    // The agent is made outside the future, which would otherwise keep room for it twice.
    let id_data = request::id_data(&std::mem::take(&mut config.identity)).into();
    let machine = Machine::new(Record::default(), 0);
    let mut agent = Agent {
        world,
        config,
        id_data,
        key,
        body,
        witness,
        machine,
        signature: None,
        token: None,
        is_accepted: false,
        polls: 0,
        asked: Stamp::default(),
        unanswered: None,
        payload: Bytes::new(),
    };
    async move {
        let trouble = troubles(&agent);
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            _ = agent.run(orders) => {}
            () = trouble => {}
        }
    }
}

/// What is wrong with the device's own link, for as long as it runs; most have nothing of it, and it costs them nothing.
fn troubles<B: Body, W: Witness>(agent: &Agent<B, W>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let (world, nature) = (agent.world.clone(), &agent.config.nature);
    let (flaky, bandwidth) = (nature.flaky, nature.bandwidth);
    if flaky.is_none() && bandwidth.is_none() {
        return Box::pin(std::future::pending());
    }
    let ends = link(&agent.config.name, &agent.config.server);
    let narrow = bandwidth.map(|bandwidth| Trouble::narrow(&world, &ends, bandwidth));
    Box::pin(async move {
        match flaky {
            Some(flaky) => flicker(world, ends, flaky).await,
            None => std::future::pending().await,
        }
        drop(narrow);
    })
}

pub(crate) struct Agent<B, W> {
    pub world: World,
    pub config: DeviceConfig,
    /// The identity as it is shown; the configuration's map is not kept.
    id_data: Box<str>,
    key: Key,
    pub body: B,
    witness: W,
    machine: Machine,
    /// Of the auth request, which never changes.
    signature: Option<Box<str>>,
    /// The token given last, also when it is no longer good.
    token: Option<Box<str>>,
    is_accepted: bool,
    polls: u32,
    /// Since when it had asked what was answered last.
    asked: Stamp,
    /// Since when nothing was answered: the platform may have heard it all the same.
    unanswered: Option<Stamp>,
    /// What was fetched and is not written yet.
    pub payload: Bytes,
}

/// The device will not do anything any more.
struct Dead;

/// Why the effects of an update stopped.
enum Stopped {
    /// No update is under way.
    Idle,
    /// The device must boot; the machine goes on with the record.
    Boot,
}

impl<B: Body, W: Witness> Agent<B, W> {
    pub fn saw(&mut self, what: DeviceEvent) {
        self.witness.saw(self.world.clock.now(), self.config.index, what);
    }

    /// Something was asked at `asked`, and this was answered now.
    pub fn asked(&mut self, asked: Stamp, answer: Option<&Response>) {
        let now = self.world.clock.now();
        self.witness.asked(now, self.config.index, Asked::between(asked, now, answer));
    }

    async fn run(&mut self, mut orders: UnboundedReceiver<Order>) -> Result<(), Dead> {
        while !matches!(orders.recv().await.ok_or(Dead)?, Order::Knock) {}
        let mut next = self.world.clock.now().after(self.config.phase);
        let mut jitter = (self.config.jitter > 0).then(|| Box::new(self.world.seeds.stream("jitter")));
        Box::pin(self.start(Duration::ZERO)).await?;
        let mut is_commanded = true;
        loop {
            tokio::select! {
                biased;
                order = orders.recv(), if is_commanded => match order {
                    // It has no line that could be strained, and speaks of nothing.
                    Some(Order::Knock | Order::Ping | Order::Strain(_) | Order::Reconnect | Order::Errand(_)) => continue,
                    Some(Order::Retire) => return { Box::pin(self.retire()).await; Ok(()) },
                    Some(Order::Save) => if self.body.save() { self.saw(DeviceEvent::Saved) },
                    Some(Order::Restore) => Box::pin(self.restore()).await?,
                    None => is_commanded = false,
                },
                () = self.world.clock.sleep_until(next) => {
                    Box::pin(self.poll()).await?;
                    let now = self.world.clock.now();
                    while next <= now {
                        next = next.after(self.config.period(jitter.as_deref_mut()));
                    }
                }
            }
        }
    }

    /// Boots, goes on with what was under way, and shows the identity a first time.
    async fn start(&mut self, time: Duration) -> Result<(), Dead> {
        self.boot(time).await?;
        if self.record().update.is_some() {
            self.update(Input::Booted, None).await?;
        } else {
            self.machine = self.take_machine().step(Input::Booted, &mut Vec::new());
            self.knock().await;
        }
        Ok(())
    }

    /// Is flashed with what was saved, and begins as that. Who it is stays; what it was let in by goes.
    async fn restore(&mut self) -> Result<(), Dead> {
        if !self.body.restore() {
            return Ok(());
        }
        self.saw(DeviceEvent::Restored);
        (self.token, self.is_accepted, self.payload) = (None, false, Bytes::new());
        self.start(self.config.boot_time).await
    }

    pub(crate) const fn record(&self) -> &Record {
        self.machine.record()
    }

    fn take_machine(&mut self) -> Machine {
        std::mem::replace(&mut self.machine, Machine::new(Record::default(), 0))
    }

    /// Boots until an image comes up; the machine is made anew from the record.
    async fn boot(&mut self, time: Duration) -> Result<(), Dead> {
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
                    return Err(Dead);
                }
            }
        }
        let factory = || Record { artifact: format!("factory-{}", self.config.version), ..Record::default() };
        let record = serde_json::from_slice(self.body.record()).unwrap_or_else(|_| factory());
        self.machine = Machine::new(record, self.config.tries());
        Ok(())
    }

    /// Asks for an update, and does it.
    async fn poll(&mut self) -> Result<(), Dead> {
        if !self.is_accepted && !self.knock().await {
            return Ok(());
        }
        let Some(answer) = self.ask_for_update().await else { return Ok(()) };
        self.saw(DeviceEvent::Polled { status: answer.status, asked: self.asked.micros() });
        self.polls += 1;
        match answer.status {
            401 => {
                self.token_refused();
                self.knock().await;
            }
            200 => {
                if let Some(offer) = Offer::read(&answer.body) {
                    return self.accept(&offer).await;
                }
            }
            _ => {}
        }
        if self.is_accepted && self.polls.is_multiple_of(POLLS_PER_INVENTORY) {
            self.send_inventory().await;
        }
        Ok(())
    }

    /// The second version of the request, and the first where the platform does not know the second.
    async fn ask_for_update(&mut self) -> Option<Response> {
        let record = self.record();
        let request = request::next_v2(&self.config, &record.artifact, &record.provides);
        let answer = self.send(self.with_token(request)).await?;
        if answer.status != 404 {
            return Some(answer);
        }
        let record = self.record();
        let request = request::next_v1(&self.config, &record.artifact, &record.provides);
        self.send(self.with_token(request)).await
    }

    async fn accept(&mut self, offer: &Offer) -> Result<(), Dead> {
        let (deployment, artifact) = (offer.deployment.clone(), offer.artifact.clone());
        let asked = self.asked.micros();
        self.saw(DeviceEvent::Offered { deployment: deployment.clone(), artifact: artifact.clone(), asked });
        self.update(Input::Offered { deployment, artifact }, Some(offer)).await
    }

    /// Goes through an update to its end, over as many boots as it takes.
    async fn update(&mut self, input: Input, offer: Option<&Offer>) -> Result<(), Dead> {
        let mut stopped = self.perform(input, offer).await;
        while matches!(stopped, Stopped::Boot) {
            self.boot(self.config.boot_time).await?;
            stopped = self.perform(Input::Booted, None).await;
        }
        self.send_inventory().await;
        if let Some(tap) = &self.config.nature.tap {
            tap.told();
        }
        Ok(())
    }

    /// Steps the machine until no update is under way, or the device must boot.
    async fn perform(&mut self, mut input: Input, offer: Option<&Offer>) -> Stopped {
        let mut effects = Vec::new();
        loop {
            self.machine = self.take_machine().step(input, &mut effects);
            let mut outcome = None;
            for effect in effects.drain(..) {
                match self.effect(effect, offer).await {
                    Ok(next) => outcome = next,
                    Err(Stopped::Boot) => return Stopped::Boot,
                    Err(Stopped::Idle) => return Stopped::Idle,
                }
            }
            let Some(next) = outcome else { return Stopped::Idle };
            input = next;
        }
    }

    async fn effect(&mut self, effect: Effect, offer: Option<&Offer>) -> Result<Option<Input>, Stopped> {
        let deployment = self.record().update.as_ref().map(|update| update.deployment.clone());
        let deployment = deployment.unwrap_or_default();
        Ok(Some(match effect {
            Effect::Persist => {
                let record = serde_json::to_vec(self.record()).unwrap_or_default();
                return self.body.keep(record).map(|()| None).map_err(|_| Stopped::Boot);
            }
            Effect::RolledBack => {
                let version = self.body.running().to_owned();
                self.saw(DeviceEvent::RolledBack { deployment, version });
                return Ok(None);
            }
            Effect::Finish { deployment, success, inconsistent } => {
                let version = self.body.running().to_owned();
                if let Some(tap) = &self.config.nature.tap {
                    tap.finishes();
                }
                self.saw(DeviceEvent::Finished { deployment, success, version, inconsistent });
                return Ok(None);
            }
            Effect::Report { status, substate } => {
                let request = request::status(&deployment, status.word(), substate.as_deref());
                let answer = self.ask(request).await;
                if let Some(answer) = &answer {
                    let (status, answer) = (status.word().to_owned(), answer.status);
                    self.saw(DeviceEvent::Reported { deployment, status, answer, asked: self.asked.micros() });
                }
                judge(answer.as_ref())
            }
            Effect::SendLog => {
                let why = self.record().update.as_ref().map(|update| update.why.clone());
                let messages = [(rfc3339(self.now_ms()), why.unwrap_or_default())];
                judge(self.ask(request::log(&deployment, &messages)).await.as_ref())
            }
            Effect::Reauthenticate => {
                self.is_accepted = false;
                if self.authenticate().await { Input::Done } else { Input::Unreachable }
            }
            Effect::Wait => {
                self.world.clock.sleep(self.config.retry()).await;
                Input::Done
            }
            Effect::Ask(Question::SupportsRollback) => Input::Said(self.body.supports_rollback()),
            Effect::Ask(Question::NeedsReboot) => Input::Said(self.body.needs_reboot()),
            Effect::Fetch => match offer {
                Some(offer) => self.fetch(offer).await,
                None => Input::Failed("there is nothing to fetch".into()),
            },
            Effect::Write => {
                let payload = std::mem::take(&mut self.payload);
                outcome(self.body.write(payload).await)?
            }
            Effect::Call(call) => self.call(call, deployment).await?,
        }))
    }

    async fn call(&mut self, call: BodyCall, deployment: String) -> Result<Input, Stopped> {
        if call == BodyCall::Install {
            self.saw(DeviceEvent::InstallStarted { deployment: deployment.clone() });
        }
        let input = outcome(self.body.call(&call).await)?;
        match (&call, &input) {
            // The machine goes on with the record once the device has booted.
            (BodyCall::Reboot | BodyCall::RollbackReboot, Input::Done) => return Err(Stopped::Boot),
            (BodyCall::Commit, Input::Done) => {
                let version = self.body.running().to_owned();
                self.saw(DeviceEvent::Committed { deployment, version });
            }
            _ => {}
        }
        Ok(input)
    }

    /// Shows the identity; when that lets it in, the inventory follows.
    async fn knock(&mut self) -> bool {
        let was_accepted = self.authenticate().await;
        if was_accepted {
            self.saw(DeviceEvent::Authenticated);
            self.send_inventory().await;
        }
        was_accepted
    }

    async fn authenticate(&mut self) -> bool {
        let tenant_token = &self.config.tenant_token;
        let body = request::auth_body(&self.id_data, &self.key, tenant_token);
        let signature = self.signature.get_or_insert_with(|| self.key.sign(&body).into());
        let request = request::signed(body, signature, tenant_token);
        let Some(answer) = self.send(request).await else { return false };
        self.saw(DeviceEvent::Knocked { status: answer.status });
        if answer.status == 200 {
            self.token = Some(answer.text().into());
            self.is_accepted = true;
        }
        answer.status == 200
    }

    async fn send_inventory(&mut self) {
        let Record { artifact, provides, .. } = self.record();
        let (version, request) = (artifact.clone(), request::inventory(&self.config, artifact, provides));
        if let Some(answer) = self.ask(request).await {
            self.saw(DeviceEvent::InventorySent { status: answer.status, version });
        }
    }

    /// Polls with the token it had, until there is an answer; then it is over.
    async fn retire(&mut self) {
        for _ in 0..self.config.tries() {
            if let Some(answer) = self.ask_for_update().await {
                return self.saw(DeviceEvent::Retired { status: answer.status });
            }
            self.world.clock.sleep(self.config.retry()).await;
        }
    }

    fn with_token(&self, request: Request) -> Request {
        match &self.token {
            Some(token) => request.bearer(token),
            None => request,
        }
    }

    /// Asks as an accepted device; an answer of 401 shows the identity once more.
    async fn ask(&mut self, request: Request) -> Option<Response> {
        if !self.is_accepted && !self.authenticate().await {
            return None;
        }
        let answer = self.send(self.with_token(request.clone())).await?;
        if answer.status != 401 {
            return Some(answer);
        }
        self.token_refused();
        if self.authenticate().await { self.send(self.with_token(request)).await } else { Some(answer) }
    }

    fn token_refused(&mut self) {
        self.is_accepted = false;
        self.saw(DeviceEvent::TokenRefused);
    }

    /// The time by its own clock, in ms since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        self.world.clock.unix_ms().saturating_add_signed(self.config.nature.skew_ms)
    }

    /// One connection, one request. `None` when there was no answer, which a witness is told.
    async fn send(&mut self, request: Request) -> Option<Response> {
        let began = self.world.clock.now();
        let deadline = began.after(PATIENCE);
        let (connected, server) = (self.connect(), &self.config.server);
        let tap = self.config.nature.tap.as_ref();
        let exchanged = async {
            let stream = connected.await?;
            let Some(tap) = tap else {
                return exchange(stream, server, request).await.map_err(|error| error.to_string());
            };
            // Few have one: nobody else keeps room for it.
            Box::pin(tapped(tap, stream, server, request)).await
        };
        let answer = match self.world.clock.until(deadline, exchanged).await {
            Some(answer) => answer,
            None => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        self.asked(began, answer.as_ref().ok());
        match answer {
            // An error of the server tells no more of what it did than silence.
            Ok(answer) if answer.status < 500 => {
                self.asked = self.unanswered.take().unwrap_or(began);
                Some(answer)
            }
            Ok(answer) => {
                self.asked = *self.unanswered.get_or_insert(began);
                Some(answer)
            }
            Err(error) => {
                self.unanswered.get_or_insert(began);
                self.saw(DeviceEvent::Unreachable { error });
                None
            }
        }
    }

    /// Dials the platform, with the network that the running image has.
    pub fn connect(&self) -> impl Future<Output = Result<Stream, String>> + Send + use<B, W> {
        let (net, has_network) = (self.world.net.clone(), self.body.has_network());
        let (name, server) = (self.config.name.clone(), self.config.server.clone());
        async move {
            if !has_network {
                return Err("the network is unreachable".to_owned());
            }
            net.connect(&name, &server).await.map_err(|error| error.to_string())
        }
    }
}

/// An exchange under a tap. A poll in vain is no part of an update.
async fn tapped(tap: &Arc<Tap>, stream: Stream, server: &str, request: Request) -> Result<Response, String> {
    let (what, is_poll) = (tap::request(&request), request::is_poll(&request));
    tap::pass(Some(tap), is_poll, || what.clone())?;
    let answer = exchange(stream, server, request).await.map_err(|error| error.to_string())?;
    if is_poll && answer.status != 200 {
        tap.comes_to_nothing();
        return Ok(answer);
    }
    tap::pass(Some(tap), false, || format!("answer {} to {what}", answer.status))?;
    Ok(answer)
}

/// What an answer means to the machine.
fn judge(answer: Option<&Response>) -> Input {
    match answer {
        Some(answer) if answer.is_success() => Input::Done,
        Some(answer) if answer.status == 409 => Input::Refused,
        _ => Input::Unreachable,
    }
}

fn outcome(done: Result<(), Cause>) -> Result<Input, Stopped> {
    match done {
        Ok(()) => Ok(Input::Done),
        Err(Cause::Failed(why)) => Ok(Input::Failed(why)),
        Err(Cause::PowerLost) => Err(Stopped::Boot),
    }
}
