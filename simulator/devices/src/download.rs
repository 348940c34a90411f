//! Getting an artifact: a download that goes on where it broke, and the look into what came.

use crate::agent::{Agent, PATIENCE};
use crate::body::Body;
use crate::event::{DeviceEvent, Witness};
use crate::machine::{Brings, Input};
use crate::request::{Offer, split_uri};
use crate::shelf::{Parcel, Receipt};
use fleetproof_wire::http::{Connection, Request, Response};
use fleetproof_world::rfc3339;

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
        match self.look_into(&parcel, offer) {
            Ok(brings) => {
                let bytes = parcel.bytes.len() as u64;
                self.saw(DeviceEvent::Downloaded { deployment: offer.deployment.clone(), bytes });
                Input::Fetched(brings)
            }
            Err(why) => Input::Failed(why),
        }
    }

    /// One connection; what comes is received even when it breaks.
    async fn download(&mut self, uri: &str, receipt: &mut Receipt) -> Result<(), String> {
        let (clock, connected) = (&self.world.clock, self.connect());
        let (host, target) = split_uri(uri);
        let host = host.unwrap_or(&self.config.server);
        let mut request = Request::new("GET", target);
        if receipt.len() > 0 {
            request = request.header("Range", format!("bytes={}-", receipt.len()));
        }
        let begun = async {
            let mut connection = Connection::open(connected.await?).await.map_err(|error| error.to_string())?;
            let head = connection.begin(host, request).await.map_err(|error| error.to_string())?;
            Ok::<_, String>((connection, head))
        };
        let asked = clock.now();
        let begun = clock.until(asked.after(PATIENCE), begun).await;
        let begun = begun.unwrap_or_else(|| Err("the download did not begin".into()));
        let head = begun.as_ref().ok().map(|(_, head)| head.clone());
        self.asked(asked, head.as_ref());
        let clock = &self.world.clock;
        let (mut connection, head) = begun?;
        match head.status {
            200 => receipt.restart(),
            206 if starts_at(&head, receipt.len()) => {}
            status => return Err(format!("the download was answered with {status}")),
        }
        loop {
            match clock.until(clock.now().after(PATIENCE), connection.chunk()).await {
                Some(Ok(Some(chunk))) => receipt.push(&chunk),
                Some(Ok(None)) => return Ok(()),
                Some(Err(error)) => return Err(error.to_string()),
                None => return Err("the download stood still".into()),
            }
        }
    }

    /// Whether this device may and can install what it received.
    fn look_into(&mut self, parcel: &Parcel, offer: &Offer) -> Result<Brings, String> {
        let artifact = parcel.opened.as_ref().map_err(Clone::clone)?;
        if let Some(release) = &self.config.nature.release {
            parcel.look(release).map_err(|error| error.to_string())?;
        }
        if artifact.name != offer.artifact {
            return Err(format!("the artifact is called `{}`, not `{}` as offered", artifact.name, offer.artifact));
        }
        let record = self.record();
        let mut provides = record.provides.clone();
        provides.insert("artifact_name".into(), record.artifact.clone());
        provides.insert("device_type".into(), self.config.device_type.clone());
        if let Some((key, values)) = artifact.unmet(&provides) {
            return Err(format!("the artifact wants `{key}` to be one of: {}", values.join(", ")));
        }
        let [payload] = artifact.payloads.as_slice() else {
            return Err(format!("the artifact has {} payloads", artifact.payloads.len()));
        };
        let kind = payload.kind.as_deref().unwrap_or("null");
        if !self.body.accepts(kind) {
            return Err(format!("there is no update module for payloads of type `{kind}`"));
        }
        let [file] = payload.files.as_slice() else {
            return Err(format!("the payload has {} files", payload.files.len()));
        };
        self.payload = file.content.clone();
        Ok(Brings {
            provides: artifact.provides().into_iter().filter(|(key, _)| key != "artifact_name").collect(),
            clears: artifact.clears_provides().map(str::to_owned).collect(),
            scripts: artifact.scripts.iter().map(|(name, _)| name.clone()).collect(),
        })
    }
}

/// Whether a partial answer goes on where the device stopped.
fn starts_at(head: &Response, at: usize) -> bool {
    let range = head.header("content-range").and_then(|range| range.strip_prefix("bytes "));
    range.and_then(|range| range.split_once('-')).is_some_and(|(from, _)| from.parse() == Ok(at))
}
