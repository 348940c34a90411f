//! Getting an artifact: a download that goes on where it broke, and the look into what came.

use crate::agent::{Agent, PATIENCE};
use crate::body::Body;
use crate::event::{DeviceEvent, Witness};
use crate::machine::{Brings, Input};
use crate::request::{Offer, split_uri};
use crate::shelf::{Parcel, Receipt};
use crate::tap::{self, Tap};
use bytes::Bytes;
use fleetproof_wire::http::{Connection, Request, Response};
use fleetproof_wire::signature::ReleaseCheck;
use fleetproof_world::{Clock, Stream, rfc3339};
use std::collections::BTreeMap;
use std::sync::Arc;

impl<B: Body, W: Witness> Agent<B, W> {
    /// Downloads, verifies, and lays the payload ready to be written.
    pub(crate) async fn fetch(&mut self, offer: &Offer) -> Input {
        if let Some(expire) = offer.expire_ms.filter(|expire| *expire <= self.now_ms()) {
            let (expire, now) = (rfc3339(expire), rfc3339(self.now_ms()));
            return Input::Failed(format!("the link has expired at {expire}, and it is {now} by the device's clock"));
        }
        self.saw(DeviceEvent::DownloadStarted { deployment: offer.deployment.clone() });
        let mut receipt = self.config.shelf.receive(&offer.artifact_id);
        let mut tries = 1;
        while let Err(error) = self.download(&offer.uri, &mut receipt).await {
            self.saw(DeviceEvent::Unreachable { error: error.clone() });
            if tries >= self.config.tries() {
                return Input::Failed(format!("the artifact cannot be downloaded: {error}"));
            }
            tries += 1;
            self.world.clock.sleep(self.config.retry()).await;
        }
        let parcel = receipt.finish();
        let record = self.record();
        let running = (record.artifact.as_str(), &record.provides);
        let (release, kind) = (self.config.nature.release.as_deref(), self.config.device_type.as_str());
        let found = look_into(&parcel, release, running, kind, |kind| self.body.accepts(kind));
        let found = found.and_then(|found| match &parcel.opened {
            Ok(artifact) if artifact.name != offer.artifact => {
                Err(format!("the artifact is called `{}`, not `{}` as offered", artifact.name, offer.artifact))
            }
            _ => Ok(found),
        });
        match found {
            Ok((payload, brings)) => {
                self.payload = payload;
                let bytes = parcel.bytes.len() as u64;
                self.saw(DeviceEvent::Downloaded { deployment: offer.deployment.clone(), bytes });
                Input::Fetched(brings)
            }
            Err(why) => Input::Failed(why),
        }
    }

    /// One connection; what comes is received even when it breaks.
    async fn download(&mut self, uri: &str, receipt: &mut Receipt) -> Result<(), String> {
        let (host, target) = split_uri(uri);
        let host = host.unwrap_or(&self.config.server).to_owned();
        let (world, connected, asked) = (self.world.clone(), self.connect(), self.world.clock.now());
        let tap = self.config.nature.tap.clone();
        pull(&world.clock, connected, &host, target, receipt, tap.as_ref(), |head| self.asked(asked, head)).await
    }
}

/// One connection, from which a receipt goes on; what comes is received even when it breaks. `heard` is told of the head of
/// the answer, or that there was none. The file is three packets to a tap: the request, the head of the answer, and all that
/// comes after the first piece of it.
pub(crate) async fn pull(
    clock: &Clock,
    connected: impl Future<Output = Result<Stream, String>>,
    host: &str,
    target: &str,
    receipt: &mut Receipt,
    tap: Option<&Arc<Tap>>,
    heard: impl FnOnce(Option<&Response>),
) -> Result<(), String> {
    let mut request = Request::new("GET", target);
    if receipt.len() > 0 {
        request = request.header("Range", format!("bytes={}-", receipt.len()));
    }
    let begun = async {
        let stream = connected.await?;
        tap::pass(tap, false, || "GET of the file".to_owned())?;
        let mut connection = Connection::open(stream).await.map_err(|error| error.to_string())?;
        let head = connection.begin(host, request).await.map_err(|error| error.to_string())?;
        tap::pass(tap, false, || format!("answer {} to GET of the file", head.status))?;
        Ok::<_, String>((connection, head))
    };
    let begun = clock.until(clock.now().after(PATIENCE), begun).await;
    let begun = begun.unwrap_or_else(|| Err("the download did not begin".into()));
    heard(begun.as_ref().ok().map(|(_, head)| head));
    let (mut connection, head) = begun?;
    match head.status {
        200 => receipt.restart(),
        206 if starts_at(&head, receipt.len()) => {}
        status => return Err(format!("the download was answered with {status}")),
    }
    for piece in 0_u64.. {
        match clock.until(clock.now().after(PATIENCE), connection.chunk()).await {
            Some(Ok(Some(chunk))) => {
                if piece == 1 {
                    tap::pass(tap, false, || "the rest of the file".to_owned())?;
                }
                receipt.push(&chunk);
            }
            Some(Ok(None)) => return Ok(()),
            Some(Err(error)) => return Err(error.to_string()),
            None => return Err("the download stood still".into()),
        }
    }
    Ok(())
}

/// Whether a device may and can install an artifact that it received: its payload, and what it brings. The device runs
/// `running` (the artifact's name and what it provides) and is of `device_type`.
pub(crate) fn look_into(
    parcel: &Parcel,
    release: Option<&ReleaseCheck>,
    running: (&str, &BTreeMap<String, String>),
    device_type: &str,
    accepts: impl Fn(&str) -> bool,
) -> Result<(Bytes, Brings), String> {
    let artifact = parcel.opened.as_ref().map_err(Clone::clone)?;
    if let Some(release) = release {
        parcel.look(release).map_err(|error| error.to_string())?;
    }
    let mut provides = running.1.clone();
    provides.insert("artifact_name".into(), running.0.to_owned());
    provides.insert("device_type".into(), device_type.to_owned());
    if let Some((key, values)) = artifact.unmet(&provides) {
        return Err(format!("the artifact wants `{key}` to be one of: {}", values.join(", ")));
    }
    let [payload] = artifact.payloads.as_slice() else {
        return Err(format!("the artifact has {} payloads", artifact.payloads.len()));
    };
    let kind = payload.kind.as_deref().unwrap_or("null");
    if !accepts(kind) {
        return Err(format!("there is no update module for payloads of type `{kind}`"));
    }
    let [file] = payload.files.as_slice() else {
        return Err(format!("the payload has {} files", payload.files.len()));
    };
    let brings = Brings {
        provides: artifact.provides().into_iter().filter(|(key, _)| key != "artifact_name").collect(),
        clears: artifact.clears_provides().map(str::to_owned).collect(),
        scripts: artifact.scripts.iter().map(|(name, _)| name.clone()).collect(),
    };
    Ok((file.content.clone(), brings))
}

/// Whether a partial answer goes on where the device stopped.
fn starts_at(head: &Response, at: usize) -> bool {
    let range = head.header("content-range").and_then(|range| range.strip_prefix("bytes "));
    range.and_then(|range| range.split_once('-')).is_some_and(|(from, _)| from.parse() == Ok(at))
}
