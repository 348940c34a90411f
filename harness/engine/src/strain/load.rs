//! A load: something is asked again and again, at a rate, whether the answers come or not. What devices do that speak MQTT is in
//! `things.rs`.

use super::pace;
use super::things::{Doing, Straining};
use crate::run::{Result, Run, Stop};
use fleetproof_claims::model::{Audience, Place as At};
use fleetproof_devices as devices;
use fleetproof_dialects::Request;
use fleetproof_dialects::mender::{Door, Key, Mender, Session, fill, identity_text};
use fleetproof_language::{Load, Rate};
use fleetproof_world::{Clock, Stamp};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// So many questions are open at once; beyond, the platform is strained as it is, and those that are due are held back.
const OPEN: usize = 1_000;

/// How long the last answers are waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A load that is on.
pub(crate) struct Running {
    /// What it is, in words.
    what: String,
    tenants: BTreeSet<String>,
    stop: CancellationToken,
    /// Cancelled by the first answer.
    heard: CancellationToken,
    work: JoinHandle<Told>,
}

/// A load that was on.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// What it was, in words.
    pub(crate) what: String,
    /// Whose.
    pub(crate) tenants: BTreeSet<String>,
    /// The event that tells it.
    pub(crate) seq: u64,
    pub(crate) told: Told,
}

/// What a load asked, and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) from: Stamp,
    pub(crate) until: Stamp,
    /// How many questions were due by the rate.
    pub(crate) due: u64,
    /// How many were asked.
    pub(crate) asked: u64,
    /// How many were held back since too many were open.
    pub(crate) held: u64,
    /// Answered with success.
    pub(crate) served: u64,
    /// Answered as too many.
    pub(crate) throttled: u64,
    /// Answered otherwise.
    pub(crate) refused: u64,
    /// Never answered.
    pub(crate) lost: u64,
}

impl Told {
    /// Whether the load really was on from `from` until `until`: all of the time, at its rate, and the platform heard it.
    pub(crate) fn was_on(&self, from: Stamp, until: Stamp) -> bool {
        let covers = self.from <= from && self.until >= until;
        let at_its_rate = (self.asked + self.held) * 10 >= self.due * 9;
        covers && at_its_rate && self.asked > 0 && self.served + self.throttled + self.refused > 0
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { due, asked, held, served, throttled, refused, lost, .. } = self;
        write!(
            f,
            "{asked} of {due} asked, {held} held back; {served} served, {throttled} throttled, {refused} refused otherwise, {lost} without an answer"
        )
    }
}

/// One question, asked in somebody's name.
#[derive(Clone)]
struct Question {
    by: Session,
    door: Door,
    request: Request,
}

/// Puts a load on, and waits until the platform has heard of it. It stays on until its time is over, or it is dropped.
pub(crate) async fn put_on(run: &Run, load: &Load, time: Duration) -> Result<Running> {
    let (stop, heard) = (run.stop.child_token(), CancellationToken::new());
    let (what, tenants, questions) = match load {
        Load::Call(call) => {
            let (tenant, question) = called(run, &call.by, &call.operation).await?;
            let what = format!("{} asks for `{}` {} times", call.by.value, call.operation.value, call.rate.value);
            (what, [tenant].into(), vec![question])
        }
        Load::Publish(publish) => {
            let devices = run.devices(&publish.devices);
            let (topic, every) = (&publish.topic.value, publish.every.value);
            let what = format!("{} devices publish to `{topic}` every {} ms", devices.len(), every.as_millis());
            let size = usize::try_from(publish.size.value).unwrap_or(usize::MAX);
            let load = devices::mqtt::Load { topic: format!("app/{{thing}}/{topic}"), every, size };
            return by_devices(run, what, devices, Doing::Publish(Arc::new(load)), time).await;
        }
        Load::Reconnect(reconnect) => {
            let devices = run.devices(&reconnect.devices);
            let what = format!("{} devices reconnect, {} in all", devices.len(), reconnect.rate.value);
            return by_devices(run, what, devices, Doing::Reconnect(reconnect.rate.value), time).await;
        }
        Load::Knock(knock) => {
            let devices = run.devices(&knock.devices);
            let tenants = devices.iter().map(|device| run.tenant_of(*device)).collect();
            let questions = devices.iter().map(|device| knocked(run, *device)).collect::<Result<Vec<_>>>()?;
            (format!("{} devices knock, {} in all", devices.len(), knock.rate.value), tenants, questions)
        }
    };
    let asking = Asking {
        mender: run.mender.clone(),
        clock: run.world.clock.clone(),
        questions,
        rate: load.rate().unwrap_or(Rate { count: 1, per: Duration::from_secs(1) }),
        stop: stop.clone(),
        heard: heard.clone(),
    };
    let running = Running { what, tenants, stop, heard, work: tokio::spawn(asking.on(time)) };
    proven(run, running).await
}

/// The same where devices do it that speak MQTT.
async fn by_devices(run: &Run, what: String, devices: Vec<u32>, doing: Doing, time: Duration) -> Result<Running> {
    let (stop, heard) = (run.stop.child_token(), CancellationToken::new());
    let tenants = devices.iter().map(|device| run.tenant_of(*device).to_owned()).collect();
    let straining = Straining {
        reins: run.fleet.reins(),
        shared: run.shared.clone(),
        clock: run.world.clock.clone(),
        devices,
        doing,
        stop: stop.clone(),
        heard: heard.clone(),
    };
    proven(run, Running { what, tenants, stop, heard, work: tokio::spawn(straining.on(time)) }).await
}

/// Waits until the platform has heard of a load.
async fn proven(run: &Run, running: Running) -> Result<Running> {
    let deadline = run.deadline(PATIENCE);
    match run.world.clock.until(deadline, running.heard.cancelled()).await {
        Some(()) => Ok(running),
        None => Err(Stop::Inconclusive(format!("the platform never answered a load: {}", running.what))),
    }
}

impl Running {
    /// Nothing more is asked from now on.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until the time of the load is over, and for the last answers.
    pub(crate) async fn wait(mut self) -> Result<(String, BTreeSet<String>, Told)> {
        match (&mut self.work).await {
            Ok(told) => Ok((std::mem::take(&mut self.what), std::mem::take(&mut self.tenants), told)),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(error) => Err(Stop::Broken(format!("a load ended: {error}"))),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What a person asks for: an operation that names no object, in the tenant that she comes from.
async fn called(run: &Run, by: &str, operation: &str) -> Result<(String, Question)> {
    let surfaces = run.plan.surfaces.clone();
    let surface = surfaces.known.iter().find(|surface| surface.operation == operation);
    let surface = surface
        .ok_or_else(|| Stop::Failed(format!("the platform's interface has no operation called `{operation}`")))?;
    let names_an_object = surface.slots.iter().any(|slot| slot.place == At::Path && !slot.optional);
    if surface.audience != Audience::User || names_an_object || !surface.does.only_looks() {
        return Err(Stop::Failed(format!(
            "`{operation}` cannot be a load: it must be asked by people, name no object and change nothing"
        )));
    }
    let by = run.people.acting(by, "").await?;
    let request = fill::build(surface, &fill::Fills::default())?;
    let tenant = by.tenant().map(ToString::to_string).unwrap_or_default();
    Ok((tenant, Question { door: Mender::door(&request.target), by, request }))
}

/// What a device shows: its identity, signed with its own key.
fn knocked(run: &Run, device: u32) -> Result<Question> {
    let planned = &run.plan.population.devices[device as usize];
    let tenant = run.people.tenant(&planned.tenant);
    let tenant = tenant.ok_or_else(|| Stop::Failed(format!("`{}` is not on the platform", planned.tenant)))?;
    let fields: Vec<(&str, &str)> =
        planned.identity.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let key = Key::from_stream(&mut run.world.seeds.child("devices").child(&planned.name).stream("key"));
    let request = fleetproof_dialects::mender::auth_request(&identity_text(&fields), &key, &tenant.token);
    // The vendor's client shows the tenant's token as a bearer too.
    let request = request.bearer(&tenant.token);
    Ok(Question { by: Session::nobody().named(&planned.name), door: Door::Gateway, request })
}

/// Who asks, and what.
struct Asking {
    mender: Mender,
    clock: Clock,
    questions: Vec<Question>,
    rate: Rate,
    stop: CancellationToken,
    heard: CancellationToken,
}

impl Asking {
    /// Asks the questions in turn, at the rate, and counts what comes back.
    async fn on(self, time: Duration) -> Told {
        let from = self.clock.now();
        let until = from.after(time);
        let mut told = Told { from, until, ..Told::default() };
        let mut open: JoinSet<Option<u16>> = JoinSet::new();
        let mut number = 0;
        while let Some(next) = self.next(from, number).filter(|next| *next < until) {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                () = self.clock.sleep_until(next) => {}
            }
            while let Some(ended) = open.try_join_next() {
                told.count(ended.ok().flatten());
            }
            self.ask(number, &mut open, &mut told);
            number += 1;
        }
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = self.clock.sleep_until(until) => {}
        }
        told.until = self.clock.now();
        // By the rate, not by what was managed: whoever cannot keep up was not on.
        let took = told.until.since(from).as_micros();
        told.due = pace::due_in(self.rate, u64::try_from(took).unwrap_or(u64::MAX));
        let patience = told.until.after(PATIENCE);
        while let Some(Some(ended)) = self.clock.until(patience, open.join_next()).await {
            told.count(ended.ok().flatten());
        }
        told.lost += open.len() as u64;
        told
    }

    /// When the next question is due; `None`: there is none to ask.
    fn next(&self, from: Stamp, number: u64) -> Option<Stamp> {
        let next = from.micros().saturating_add(pace::due_at(self.rate, number));
        (!self.questions.is_empty()).then(|| Stamp::from_micros(next))
    }

    /// Asks question `number`, unless too many are open.
    fn ask(&self, number: u64, open: &mut JoinSet<Option<u16>>, told: &mut Told) {
        if open.len() >= OPEN {
            told.held += 1;
            return;
        }
        told.asked += 1;
        let (mender, heard) = (self.mender.clone(), self.heard.clone());
        let Question { by, door, request } =
            self.questions[usize::try_from(number).unwrap_or(0) % self.questions.len().max(1)].clone();
        open.spawn(async move {
            let answer = mender.send_once(&by, door, request).await.ok()?;
            heard.cancel();
            Some(answer.status)
        });
    }
}

impl Told {
    fn count(&mut self, status: Option<u16>) {
        match status {
            None => self.lost += 1,
            Some(429) => self.throttled += 1,
            Some(200..300) => self.served += 1,
            Some(_) => self.refused += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_was_on_only_if_it_asked_all_of_the_time_and_was_heard() {
        let at = Stamp::from_micros;
        let on = Told { from: at(10), until: at(100), due: 100, asked: 95, served: 1, ..Told::default() };
        assert!(on.was_on(at(10), at(100)) && on.was_on(at(20), at(90)));
        assert!(!on.was_on(at(5), at(90)) && !on.was_on(at(20), at(101)), "not all of the time");
        assert!(!Told { asked: 80, ..on }.was_on(at(20), at(90)), "not at its rate");
        assert!(Told { asked: 80, held: 15, ..on }.was_on(at(20), at(90)), "held back by what it strains");
        assert!(!Told { served: 0, lost: 95, ..on }.was_on(at(20), at(90)), "nobody heard it");
        assert!(Told { served: 0, throttled: 95, ..on }.was_on(at(20), at(90)), "refused is heard");
    }
}
