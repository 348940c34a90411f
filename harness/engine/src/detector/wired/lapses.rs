//! Rights that end while somebody is connected: a certificate is revoked or made inactive, a policy is taken away.

use super::super::DetectorError;
use super::super::round::gone;
use super::messages::cut;
use super::post::{Ground, Held, Post, Wants, listen, say, with_word};
use super::{answer, in_words};
use fleetproof_claims::wired::{Deed, Lapse, WiredRecord};
use fleetproof_dialects::aws::client::Client;
use fleetproof_dialects::aws::{introduce, narrow, things};
use fleetproof_world::Stamp;
use std::time::Duration;

/// How long until it is tried again: a platform may take its time, up to the claim's.
const AGAIN: Duration = Duration::from_secs(5);

/// A thing whose rights end, and who hears and speaks with it.
struct Subject {
    held: Held,
    topic: String,
    device: Client,
    ear: Client,
    voice: Client,
}

impl Ground {
    /// A thing of the victim's does what it has no right to any more.
    pub(super) async fn lapse(
        &self,
        deed: Deed,
        lapse: Lapse,
        victim: &Post,
        deadline: Stamp,
    ) -> Result<WiredRecord, DetectorError> {
        let thing = self.fresh("lapsed");
        let (mender, by, place) = (&self.mender, &victim.admin, &victim.place);
        let held = self.held(introduce(mender, by, &place.region, &thing).await?)?;
        let certificate = held.certificate.clone();
        let what = match deed {
            Deed::GoOn(_) => format!("PUBLISH app/{thing}/out"),
            Deed::HearOn(_) => format!("go on to hear app/{thing}/in"),
            Deed::WillAfter(_) => format!("leave a will for app/{thing}/out"),
            _ => format!("CONNECT as {thing}"),
        };
        let mut record = WiredRecord::of(format!("{what} at {}", place.endpoint));
        match self.subject(held, &thing, deed, victim).await {
            Err(why) => record.control = Err(why),
            Ok((mut subject, control)) => {
                record.control = Ok(control);
                match lapse {
                    Lapse::Revoked => things::revoke(mender, by, place, &certificate).await?,
                    Lapse::Inactive => things::deactivate(mender, by, place, &certificate).await?,
                    Lapse::Narrowed => narrow(mender, by, place, &certificate).await?,
                }
                self.tries(deed, victim, &mut subject, deadline, &mut record).await;
                subject.ear.leave().await;
                subject.voice.leave().await;
            }
        }
        gone(things::forget(mender, by, place, &thing, &certificate).await)?;
        Ok(record)
    }

    /// The thing, connected, that said and heard something: the control.
    async fn subject(&self, held: Held, thing: &str, deed: Deed, victim: &Post) -> Result<(Subject, String), String> {
        let topic = |last: &str| format!("app/{thing}/{last}");
        let whose = "its own thing, before";
        let mut ear = self.ear(victim, &topic("#")).await.map_err(in_words("its own application"))?;
        let mut voice = self.voice(victim).await.map_err(in_words("its own application"))?;
        let will = matches!(deed, Deed::WillAfter(_)).then(|| (topic("out"), format!("{}-will", victim.word)));
        let mut device =
            self.device(victim, &held, &Wants { will, ..Wants::default() }).await.map_err(in_words(whose))?;
        listen(&mut device, &topic("in")).await.map_err(in_words(whose))?;
        let word = self.word(victim);
        say(&mut device, &topic("out"), &word).await.map_err(in_words(whose))?;
        self.hears(&mut ear, &word).await?;
        let word = self.word(victim);
        say(&mut voice, &topic("in"), &word).await.map_err(in_words("its own application"))?;
        self.hears(&mut device, &word).await?;
        let control = format!("before, {}'s thing was in, was heard and heard", victim.tenant);
        Ok((Subject { held, topic: format!("app/{thing}"), device, ear, voice }, control))
    }

    /// Tries it until it is refused, or until the claim's time is over.
    async fn tries(&self, deed: Deed, victim: &Post, subject: &mut Subject, deadline: Stamp, record: &mut WiredRecord) {
        loop {
            let (served, told) = match deed {
                Deed::GoOn(_) => self.goes_on_to_say(victim, subject).await,
                Deed::HearOn(_) => self.goes_on_to_hear(victim, subject).await,
                Deed::WillAfter(_) => {
                    // Whatever ends the connection: the platform has, or the network does now.
                    let ended = subject.device.ping().await.is_err();
                    let heard = with_word(&self.heard(&mut subject.ear).await, &format!("{}-will", victim.word));
                    let how = if ended { "its connection was ended" } else { "its connection goes on" };
                    (!heard.is_empty(), format!("{how}; {} of it heard", heard.len()))
                }
                _ => {
                    self.rest().await;
                    let back = self.device(victim, &subject.held, &Wants::default()).await;
                    let told = answer(&back.as_ref().map(drop).map_err(Clone::clone));
                    let served = back.is_ok();
                    if let Ok(device) = back {
                        cut(device);
                    }
                    (served, told)
                }
            };
            (record.served, record.answer) = (served, told);
            record.felt = Some(Vec::new());
            let again = self.world().clock.now().after(AGAIN);
            if !served || matches!(deed, Deed::WillAfter(_)) || again > deadline {
                return;
            }
            self.world().clock.sleep_until(again).await;
        }
    }

    async fn goes_on_to_say(&self, victim: &Post, subject: &mut Subject) -> (bool, String) {
        let word = self.word(victim);
        let said = say(&mut subject.device, &format!("{}/out", subject.topic), &word).await;
        let heard = with_word(&self.heard(&mut subject.ear).await, &word);
        (!heard.is_empty(), format!("{}; {}", answer(&said), if heard.is_empty() { "not heard" } else { "heard" }))
    }

    async fn goes_on_to_hear(&self, victim: &Post, subject: &mut Subject) -> (bool, String) {
        let word = self.word(victim);
        let said = say(&mut subject.voice, &format!("{}/in", subject.topic), &word).await;
        let heard = with_word(&self.heard(&mut subject.device).await, &word);
        let told = if heard.is_empty() { "it hears nothing" } else { "it heard it" };
        (!heard.is_empty(), format!("said to it: {}; {told}", answer(&said)))
    }
}
