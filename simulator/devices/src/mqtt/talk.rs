//! What a thing asks its platform: jobs and the shadow, by request and answer over topics.

use super::agent::{Answer, End, Job, Thing};
use super::job::{Execution, Reason, Rejection};
use super::topic::of_thing;
use crate::body::Body;
use crate::event::{Asked, DeviceEvent, Witness};
use crate::machine::Input;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How often something is told when somebody else has changed it meanwhile.
const CONFLICTS: u32 = 3;

/// Characters of a thing's name in its client tokens, which have at most 64.
const TOKEN_NAME: usize = 40;

/// The key of the shadow that sets how often a thing says what it says, in seconds.
const INTERVAL: &str = "telemetryInterval";

/// The shortest and the longest interval that a shadow may ask for, in seconds.
const INTERVALS: std::ops::RangeInclusive<u64> = 1..=86_400;

/// What became of telling where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Accepted,
    /// The job is over: cancelled, timed out, or gone.
    Over,
    Unreachable,
}

impl<B: Body, W: Witness> Thing<B, W> {
    /// Asks on a topic of the thing, and waits for the answer; dials first where there is no connection. `None`: there was
    /// no answer.
    pub async fn ask(&mut self, rest: &str, mut request: Map<String, Value>) -> Option<(bool, Value)> {
        if self.whereabouts.is_at_lobby() {
            return None;
        }
        if self.line.is_none() {
            Box::pin(self.dial()).await;
        }
        let asked = self.world.clock.now();
        let until = asked.after(self.config.plan.patience);
        self.run_until_subscribed(until).await;
        // It may have been turned back to the lobby meanwhile.
        if self.whereabouts.is_at_lobby() {
            return None;
        }
        self.line.as_ref()?;
        self.tokens = self.tokens.wrapping_add(1);
        let name: String = self.config.name.chars().take(TOKEN_NAME).collect();
        let token = format!("{name}-{}", self.tokens);
        request.insert("clientToken".into(), json!(token));
        self.heard.answer = Some(Box::new(Answer { token, said: None }));
        let topic = of_thing(&self.config.name, rest).into();
        let published = match self.publish(topic, Value::Object(request).to_string().into()) {
            Ok(()) => self.flush().await,
            Err(why) => Err(why),
        };
        match published {
            Ok(()) => self.run_until(until).await,
            Err(why) => Box::pin(self.lost(&why)).await,
        }
        let said = self.heard.answer.take().and_then(|answer| answer.said);
        let took = self.world.clock.now().since(asked).as_micros().try_into().unwrap_or(u64::MAX);
        let status = said.as_ref().map(|(accepted, said)| if *accepted { 200 } else { status_of(said) });
        self.asked(Asked { status, took, modelled: false });
        if said.is_none() {
            self.saw(DeviceEvent::Unreachable { error: format!("no answer to {rest}") });
        }
        said
    }

    /// Asks for the next job, and does it. At the lobby nobody has one: it is asked for at home again.
    pub async fn next_job(&mut self) -> Result<(), End> {
        if self.whereabouts.is_at_lobby() {
            return Ok(());
        }
        let asked = self.world.clock.now();
        let answer = self.ask("jobs/start-next", Map::new()).await;
        let Some((accepted, said)) = answer else {
            // Whoever is connected asks again; the wait for the answer has been wait enough.
            self.heard.job |= self.line.is_some();
            return Ok(());
        };
        if !accepted {
            self.saw(DeviceEvent::Polled { status: status_of(&said), asked: asked.micros() });
            if Rejection::of(&said) == Rejection::Later {
                self.run_until(self.world.clock.now().after(self.config.plan.retry.0)).await;
                self.heard.job = true;
            }
            return Ok(());
        }
        let execution = Execution::read(&said);
        let status = if execution.is_some() { 200 } else { 204 };
        self.saw(DeviceEvent::Polled { status, asked: asked.micros() });
        let Some(execution) = execution else { return Ok(()) };
        let (id, version) = (execution.job.clone(), Some(execution.version));
        let refusal = self.refuses(&execution);
        let artifact = execution.offer.as_ref().ok().and_then(|offer| offer.version.clone());
        let artifact = artifact.unwrap_or_else(|| id.clone());
        self.saw(DeviceEvent::Offered { deployment: id.clone(), artifact: artifact.clone(), asked: asked.micros() });
        self.job = Some(Box::new(Job { version, execution: Some(execution), ..Job::of(id.clone()) }));
        if let Some((status, reason, why)) = refusal {
            self.tell_and_see(status, reason.details(&why)).await;
            self.finish_job(&id);
        } else {
            self.update(Input::Offered { deployment: id, artifact }).await?;
        }
        self.job = None;
        self.heard.job = true;
        Ok(())
    }

    /// Why a job is not even begun, and how that is told.
    fn refuses(&self, execution: &Execution) -> Option<(&'static str, Reason, String)> {
        if execution.self_test.is_some() {
            let why = "the service says that an image is being tested, and there is none";
            return Some(("FAILED", Reason::Mismatch, why.to_owned()));
        }
        match &execution.offer {
            Err((reason, why)) => Some(("REJECTED", *reason, why.clone())),
            Ok(offer) => {
                let (reason, why) = self.guards(offer.version.as_deref()?)?;
                Some(("FAILED", reason, why))
            }
        }
    }

    /// Why a version is not installed.
    pub fn guards(&self, version: &str) -> Option<(Reason, String)> {
        let running = self.body.running();
        let reason = Reason::between(version, running)?;
        match reason {
            Reason::Downgrade if self.config.plan.takes_older => None,
            Reason::Downgrade => Some((reason, format!("{version} is older than {running}"))),
            _ => Some((reason, format!("version {running} runs already"))),
        }
    }

    fn finish_job(&mut self, id: &str) {
        if let Some(tap) = &self.config.nature.tap {
            tap.finishes();
        }
        let version = self.body.running().to_owned();
        self.saw(DeviceEvent::Finished { deployment: id.to_owned(), success: false, version, inconsistent: false });
    }

    /// Tells where the job stands, and a witness what was answered.
    pub async fn tell_and_see(&mut self, status: &'static str, details: Map<String, Value>) -> Told {
        let asked = self.world.clock.now().micros();
        let (told, answer) = self.tell(status, details).await;
        if let (Some(answer), Some(job)) = (answer, &self.job) {
            let deployment = job.id.clone();
            self.saw(DeviceEvent::Reported { deployment, status: status.to_owned(), answer, asked });
        }
        told
    }

    async fn tell(&mut self, status: &'static str, details: Map<String, Value>) -> (Told, Option<u16>) {
        for _ in 0..CONFLICTS {
            let Some(job) = &self.job else { return (Told::Over, None) };
            let id = job.id.clone();
            let Some(version) = job.version else {
                match self.look_at_job().await {
                    Told::Accepted => continue,
                    Told::Over => return (Told::Over, Some(Rejection::Over.status())),
                    Told::Unreachable => return (Told::Unreachable, None),
                }
            };
            let request = json!({ "status": status, "statusDetails": details, "expectedVersion": version });
            let Value::Object(request) = request else { return (Told::Unreachable, None) };
            let Some((accepted, said)) = self.ask(&format!("jobs/{id}/update"), request).await else {
                // It may have been heard all the same: look before it is told again.
                self.knows_version(None);
                return (Told::Unreachable, None);
            };
            if accepted {
                self.knows_version(Some(version + 1));
                return (Told::Accepted, Some(200));
            }
            let state = |pointer: &str| said.pointer(pointer);
            let now = state("/executionState/status").and_then(Value::as_str).unwrap_or_default();
            let is_over = is_terminal(now);
            match Rejection::of(&said) {
                // The answer to telling it the first time was lost.
                _ if is_over && now == status => return (Told::Accepted, Some(200)),
                Rejection::VersionMismatch if !is_over => {
                    let version = state("/executionState/versionNumber").and_then(Value::as_u64);
                    self.knows_version(version);
                }
                Rejection::Later => return (Told::Unreachable, Some(Rejection::Later.status())),
                _ => return (Told::Over, Some(Rejection::Over.status())),
            }
        }
        (Told::Unreachable, Some(Rejection::VersionMismatch.status()))
    }

    fn knows_version(&mut self, version: Option<u64>) {
        if let Some(job) = &mut self.job {
            job.version = version;
        }
    }

    /// Looks at the job under way again: after a restart, or a conflict.
    pub async fn look_at_job(&mut self) -> Told {
        let Some(job) = &self.job else { return Told::Over };
        let rest = format!("jobs/{}/get", job.id);
        let request = Map::from_iter([("includeJobDocument".to_owned(), json!(false))]);
        match self.ask(&rest, request).await {
            None => Told::Unreachable,
            Some((true, said)) => {
                let execution = Execution::read(&said);
                let status = said.pointer("/execution/status").and_then(Value::as_str).unwrap_or_default();
                match execution {
                    Some(execution) if !is_terminal(status) => {
                        if let Some(job) = &mut self.job {
                            job.version = Some(execution.version);
                            job.updated_by = execution.updated_by;
                        }
                        Told::Accepted
                    }
                    _ => Told::Over,
                }
            }
            Some((false, said)) if Rejection::of(&said) == Rejection::Later => Told::Unreachable,
            Some((false, _)) => Told::Over,
        }
    }

    /// Reports what runs, and how often it speaks.
    pub async fn report(&mut self) {
        for _ in 0..CONFLICTS {
            let version = self.body.running().to_owned();
            let mut reported =
                Map::from_iter([("version".to_owned(), json!(version)), ("state".to_owned(), json!("running"))]);
            if let Some(schedule) = self.schedules.first() {
                reported.insert(INTERVAL.into(), json!(schedule.every.as_secs()));
            }
            let mut request = Map::from_iter([("state".to_owned(), json!({ "reported": reported }))]);
            if let Some(version) = self.shadow_version {
                request.insert("version".into(), json!(version));
            }
            match self.ask("shadow/update", request).await {
                None => return,
                Some((true, said)) => {
                    self.shadow_version = said.get("version").and_then(Value::as_u64);
                    if let Some(tap) = &self.config.nature.tap {
                        tap.told();
                    }
                    return self.saw(DeviceEvent::InventorySent { status: 200, version });
                }
                Some((false, said)) if status_of(&said) == 409 => {
                    let got = self.ask("shadow/get", Map::new()).await;
                    self.shadow_version = got.and_then(|(_, said)| said.get("version").and_then(Value::as_u64));
                }
                Some((false, said)) => {
                    return self.saw(DeviceEvent::InventorySent { status: status_of(&said), version });
                }
            }
        }
        let version = self.body.running().to_owned();
        self.saw(DeviceEvent::InventorySent { status: 409, version });
    }

    /// Does what the shadow wants, as far as it can, and reports it.
    pub async fn apply(&mut self, delta: Value) {
        let version = delta.get("version").and_then(Value::as_u64);
        if version < self.shadow_version {
            // Overtaken by a later one.
            return;
        }
        self.shadow_version = version;
        let wanted = delta.pointer(&format!("/state/{INTERVAL}")).and_then(Value::as_u64);
        let Some(seconds) = wanted.filter(|seconds| INTERVALS.contains(seconds)) else { return };
        if self.schedules.is_empty() {
            // It has nothing that this would change, and what it does not do it does not report.
            return;
        }
        let (every, now) = (Duration::from_secs(seconds), self.world.clock.now());
        for schedule in &mut self.schedules {
            schedule.every = every;
            schedule.next = now.after(every);
        }
        self.saw(DeviceEvent::ShadowApplied { version: version.unwrap_or_default() });
        self.report().await;
    }
}

/// A state from which no execution returns.
fn is_terminal(status: &str) -> bool {
    matches!(status, "SUCCEEDED" | "FAILED" | "TIMED_OUT" | "REJECTED" | "REMOVED" | "CANCELED")
}

/// The status of HTTP that a rejection says: shadows have a number, jobs a word.
fn status_of(said: &Value) -> u16 {
    match said.get("code").and_then(Value::as_u64) {
        Some(code) => u16::try_from(code).unwrap_or(u16::MAX),
        None => Rejection::of(said).status(),
    }
}
