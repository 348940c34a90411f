//! The effects of the update machine where an update is a job.

use super::agent::{End, Thing};
use super::job::{JobOffer, Reason, told};
use super::talk::Told;
use super::whereabouts::Move;
use crate::body::{Body, BodyCall, Cause};
use crate::download::{look_into, pull};
use crate::event::{DeviceEvent, Witness};
use crate::machine::{Brings, Effect, Input, Question, Stage, Status};
use crate::request::split_uri;
use crate::shelf::{Parcel, Receipt};
use fleetproof_wire::image::{DEVICE_TYPE, Image, PAYLOAD_TYPE};
use fleetproof_world::Stream;
use std::pin::Pin;

/// A download under way: it gives back what it received, and how it ended.
type Pulling = Pin<Box<dyn Future<Output = (Receipt, Result<(), String>)> + Send>>;

/// Why the effects of an update stopped.
enum Stopped {
    /// No update is under way.
    Idle,
    /// The device must boot; the machine goes on with the record.
    Boot,
}

impl<B: Body, W: Witness> Thing<B, W> {
    /// Goes through an update to its end, over as many boots as it takes, and reports what runs then.
    pub async fn update(&mut self, input: Input) -> Result<(), End> {
        let mut stopped = self.perform(input).await;
        while matches!(stopped, Stopped::Boot) {
            if let Some(line) = self.line.take() {
                let endpoint = line.endpoint.to_string();
                self.saw(DeviceEvent::Disconnected { endpoint, why: "it restarts".into() });
            }
            self.boot(self.config.plan.boot_time).await?;
            stopped = self.perform(Input::Booted).await;
        }
        self.heard.report = self.config.plan.shadow;
        Ok(())
    }

    /// Steps the machine until no update is under way, or the device must boot.
    async fn perform(&mut self, mut input: Input) -> Stopped {
        let mut effects = Vec::new();
        loop {
            self.machine = self.take_machine().step(input, &mut effects);
            let mut outcome = None;
            for effect in effects.drain(..) {
                if self.is_down {
                    return Stopped::Boot;
                }
                match self.effect(effect).await {
                    Ok(next) => outcome = next,
                    Err(stopped) => return stopped,
                }
            }
            let Some(next) = outcome else { return Stopped::Idle };
            input = next;
        }
    }

    async fn effect(&mut self, effect: Effect) -> Result<Option<Input>, Stopped> {
        let deployment = self.machine.record().update.as_ref().map(|update| update.deployment.clone());
        let deployment = deployment.unwrap_or_default();
        Ok(Some(match effect {
            Effect::Persist => return if self.keep() { Ok(None) } else { Err(Stopped::Boot) },
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
            // A step within a step has no place in a job.
            Effect::Report { substate: Some(_), .. } => Input::Done,
            Effect::Report { status, substate: None } => self.tell_step(status).await,
            // The reason went with the outcome.
            Effect::SendLog => Input::Done,
            // It is let in as the image that runs now, and the job is looked at again.
            Effect::Reauthenticate => match self.look_at_job().await {
                Told::Unreachable => Input::Unreachable,
                Told::Accepted | Told::Over => Input::Done,
            },
            Effect::Wait => {
                let until = self.world.clock.now().after(self.config.plan.retry.0);
                self.run_until(until).await;
                self.world.clock.sleep_until(until).await;
                Input::Done
            }
            Effect::Ask(Question::SupportsRollback) => Input::Said(self.body.supports_rollback()),
            Effect::Ask(Question::NeedsReboot) => Input::Said(self.body.needs_reboot()),
            Effect::Fetch => self.fetch(&deployment).await,
            Effect::Write => {
                let payload = std::mem::take(&mut self.payload);
                outcome(self.body.write(payload).await)?
            }
            Effect::Call(call) => self.call(call, deployment).await?,
        }))
    }

    async fn tell_step(&mut self, status: Status) -> Input {
        // After a restart: who installed what runs now is known to the service only.
        let is_unknown = self.job.as_ref().is_some_and(|job| job.version.is_none());
        if is_unknown && self.look_at_job().await == Told::Unreachable {
            return Input::Unreachable;
        }
        let update = self.machine.record().update.as_deref();
        let (stage, why) = update.map_or((Stage::Report, ""), |update| (update.stage, &*update.why));
        let job = self.job.as_deref();
        let size = job.and_then(|job| job.execution.as_ref()?.offer.as_ref().ok()?.size).unwrap_or_default();
        let reason = job.and_then(|job| job.reason).unwrap_or(Reason::Image);
        let updated_by = job.and_then(|job| job.updated_by.as_deref());
        let (word, details) = told(status, stage, (reason, why), self.body.running(), updated_by, size);
        match self.tell_and_see(word, details).await {
            Told::Accepted => Input::Done,
            Told::Over => {
                self.fails_for(Reason::Cancelled);
                Input::Refused
            }
            Told::Unreachable => Input::Unreachable,
        }
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

    fn fails_for(&mut self, reason: Reason) {
        if let Some(job) = &mut self.job {
            job.reason = Some(reason);
        }
    }

    /// Gets the image ready to be written, or knows why not.
    async fn fetch(&mut self, deployment: &str) -> Input {
        match self.download(deployment).await {
            Ok(brings) => Input::Fetched(brings),
            Err((reason, why)) => {
                self.fails_for(reason);
                Input::Failed(why)
            }
        }
    }

    /// Downloads, verifies, and lays the image ready to be written. The connection to the platform goes on meanwhile.
    async fn download(&mut self, deployment: &str) -> Result<Brings, (Reason, String)> {
        let offer = self.job.as_ref().and_then(|job| job.execution.as_ref()?.offer.as_ref().ok());
        let Some(offer) = offer.cloned() else {
            return Err((Reason::Document, "there is nothing to fetch".to_owned()));
        };
        self.saw(DeviceEvent::DownloadStarted { deployment: deployment.to_owned() });
        let mut receipt = self.config.plan.shelf.receive(offer.shelf_id());
        let (wait, tries) = self.config.plan.retry;
        for tried in 1.. {
            let Some((back, pulled)) = self.pull_beside(offer.url.clone(), receipt).await else {
                return Err((Reason::Cancelled, "the device is sent elsewhere".to_owned()));
            };
            receipt = back;
            let Err(error) = pulled else { break };
            self.saw(DeviceEvent::Unreachable { error: error.clone() });
            if tried >= tries {
                return Err((Reason::Download, format!("the file cannot be downloaded: {error}")));
            }
            self.world.clock.sleep(wait).await;
        }
        let parcel = receipt.finish();
        let bytes = parcel.bytes.len() as u64;
        if let Some(size) = offer.size.filter(|size| *size != bytes) {
            let why = format!("the file has {bytes} bytes, not {size} as the document says");
            return Err((Reason::Download, why));
        }
        let brings = match parcel.image() {
            Some(image) => {
                let image = image.as_ref().map_err(|why| (Reason::Image, why.clone()))?;
                self.may_install(&parcel, image, &offer)?;
                self.payload = parcel.bytes.clone();
                Brings::default()
            }
            None => {
                let (record, release) = (self.machine.record(), self.config.nature.release.as_deref());
                let running = (record.artifact.as_str(), &record.provides);
                let (payload, brings) =
                    look_into(&parcel, release, running, DEVICE_TYPE, |kind| self.body.accepts(kind))
                        .map_err(|why| (Reason::Image, why))?;
                self.payload = payload;
                brings
            }
        };
        self.saw(DeviceEvent::Downloaded { deployment: deployment.to_owned(), bytes });
        Ok(brings)
    }

    /// Whether an image that came by itself may be installed here.
    fn may_install(&self, parcel: &Parcel, image: &Image, offer: &JobOffer) -> Result<(), (Reason, String)> {
        if !self.body.accepts(PAYLOAD_TYPE) {
            return Err((Reason::Image, "the device takes no such images".to_owned()));
        }
        if let Some(release) = &self.config.nature.release {
            let signature = offer.signature.as_deref();
            parcel.look_at_file(release, signature).map_err(|error| (Reason::Image, error.to_string()))?;
        }
        let version = &image.version;
        if let Some(said) = offer.version.as_ref().filter(|said| *said != version) {
            return Err((Reason::Image, format!("the image is {version}, not {said} as the document says")));
        }
        self.guards(version).map_or(Ok(()), Err)
    }

    /// One attempt to download, beside the connection. It does not borrow the thing, which goes on living. `None`: the thing is
    /// sent elsewhere meanwhile, and what is asked of it here ends with that.
    async fn pull_beside(&mut self, url: String, mut receipt: Receipt) -> Option<(Receipt, Result<(), String>)> {
        let (world, name, tls) = (self.world.clone(), self.config.name.clone(), self.config.tls.clone());
        let (storage, has_network) = (self.config.plan.storage.clone(), self.body.has_network());
        let tap = self.config.nature.tap.clone();
        let mut pulling: Pulling = Box::pin(async move {
            let (host, target) = split_uri(&url);
            let Some(host) = host else { return (receipt, Err(format!("`{url}` names no host"))) };
            let connected = async {
                if !has_network {
                    return Err("the network is unreachable".to_owned());
                }
                let bare = host.rsplit_once(':').map_or(host, |(bare, _port)| bare);
                let to = storage.as_deref().unwrap_or(bare);
                let stream: Stream = world.net.connect(&name, to).await.map_err(|error| error.to_string())?;
                match tls.filter(|_| url.starts_with("https:")) {
                    Some(tls) => tls.connect(stream, bare).await.map_err(|error| error.to_string()),
                    None => Ok(stream),
                }
            };
            let pulled = pull(&world.clock, connected, host, target, &mut receipt, tap.as_ref(), |_| {}).await;
            (receipt, pulled)
        });
        loop {
            tokio::select! {
                biased;
                done = &mut pulling => return Some(done),
                () = self.turn_once(), if self.line.is_some() => if self.is_sent_away() {
                    return None;
                },
            }
        }
    }

    /// Whether the lobby's topic said that it belongs somewhere else.
    fn is_sent_away(&self) -> bool {
        let message = self.heard.lobby.as_deref().cloned();
        message.is_some_and(|message| self.whereabouts.clone().told(message) != Move::Stay)
    }
}

fn outcome(done: Result<(), Cause>) -> Result<Input, Stopped> {
    match done {
        Ok(()) => Ok(Input::Done),
        Err(Cause::Failed(why)) => Ok(Input::Failed(why)),
        Err(Cause::PowerLost) => Err(Stopped::Boot),
    }
}
