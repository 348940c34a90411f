//! Getting in: at another account's endpoint, and under another account's names.

use super::super::DetectorError;
use super::post::{Ground, Post, Wants, listen, say};
use super::{answer, in_words};
use fleetproof_claims::wired::{Shown, WiredRecord};
use fleetproof_dialects::aws::client::Client;
use fleetproof_world::tls::{Identity, Subject, TlsClient, Validity};

/// How long the certificate of a namesake is good, in ms.
const DAY_MS: u64 = 86_400_000;

impl Ground {
    /// Connects at the victim's endpoint with what does not open it.
    pub(super) async fn knock(
        &self,
        shown: Shown,
        attacker: &Post,
        victim: &Post,
    ) -> Result<WiredRecord, DetectorError> {
        let thing = self.thing();
        let (with, name) = match shown {
            Shown::Device => (format!("the certificate of {}'s thing", attacker.tenant), thing.clone()),
            Shown::Application => {
                (format!("the certificate of {}'s application", attacker.tenant), self.fresh("guest"))
            }
            Shown::NoHost => {
                (format!("the certificate of {}'s thing and naming no host", attacker.tenant), thing.clone())
            }
            Shown::Namesake => ("a certificate of nobody's authority".to_owned(), thing.clone()),
            Shown::Nothing => ("no certificate".to_owned(), thing.clone()),
        };
        let mut record = WiredRecord::of(format!("CONNECT as {name} at {}, showing {with}", victim.place.endpoint));
        self.rest().await;
        let inside = self.inside(victim).await;
        let tls = self.bent(shown, attacker)?;
        let knocked = self.dial(&victim.place.endpoint, tls, &name, &Wants::default()).await;
        record.served = knocked.is_ok();
        record.answer = answer(&knocked.as_ref().map(drop).map_err(Clone::clone));
        match inside {
            Ok(mut device) => {
                let (felt, control) = self.goes_on(&mut device, victim, "the attempt").await;
                (record.felt, record.control) = (Some(felt), control);
                device.leave().await;
            }
            Err(why) => record.control = Err(why),
        }
        if let Ok((guest, _)) = knocked {
            guest.leave().await;
        }
        Ok(record)
    }

    /// The victim's own thing, connected and listening to itself.
    async fn inside(&self, post: &Post) -> Result<Client, String> {
        let device = self.device(post, &post.device, &Wants::default()).await;
        let mut device = device.map_err(in_words("its own thing does not get in"))?;
        listen(&mut device, &self.topic("echo")).await.map_err(in_words("its own thing"))?;
        Ok(device)
    }

    /// Whether a connection goes on to say and hear: what is felt if not, and what it came to.
    async fn goes_on(&self, device: &mut Client, post: &Post, after: &str) -> (Vec<String>, Result<String, String>) {
        let word = format!("{}-{}", post.word, self.fresh("echo"));
        let lives = match say(device, &self.topic("echo"), &word).await {
            Ok(()) => self.hears(device, &word).await.map(drop),
            Err(error) => Err(error.to_string()),
        };
        match lives {
            Ok(()) => (Vec::new(), Ok(format!("{}'s thing is in, says and hears", post.tenant))),
            Err(why) => {
                let felt = format!("the connection of {}'s thing ended with {after}: {why}", post.tenant);
                (vec![felt], Ok(format!("{}'s thing was in", post.tenant)))
            }
        }
    }

    /// What is shown at the victim's endpoint. Whoever answers there is believed.
    fn bent(&self, shown: Shown, attacker: &Post) -> Result<TlsClient, DetectorError> {
        let prepared = || -> std::io::Result<TlsClient> {
            let anyone = TlsClient::trusting_anyone(&self.world().clock)?;
            match shown {
                Shown::Device => anyone.presenting(&attacker.device.identity),
                Shown::Application => anyone.presenting(&attacker.application.identity),
                Shown::NoHost => Ok(anyone.presenting(&attacker.device.identity)?.without_name()),
                Shown::Namesake => anyone.presenting(&self.namesake()?),
                Shown::Nothing => Ok(anyone),
            }
        };
        prepared().map_err(|error| DetectorError::Unprepared(error.to_string()))
    }

    fn namesake(&self) -> std::io::Result<Identity> {
        let (world, now) = (self.world(), self.world().clock.unix_ms());
        let good = Validity { from_ms: now - DAY_MS, until_ms: now + DAY_MS };
        let mut keys = world.seeds.child("namesakes").stream(&self.fresh("key"));
        Identity::self_signed(&Subject::named(&self.thing()), good, &mut keys)
    }

    /// Connects at home under the name of the victim's thing.
    pub(super) async fn take_over(&self, attacker: &Post, victim: &Post) -> Result<WiredRecord, DetectorError> {
        let mut record = WiredRecord::of(format!("CONNECT as {} at {}", self.thing(), attacker.place.endpoint));
        self.rest().await;
        let inside = self.inside(victim).await;
        let connected = self.device(attacker, &attacker.device, &Wants::default()).await;
        record.served = connected.is_ok();
        record.answer = answer(&connected.as_ref().map(drop).map_err(Clone::clone));
        let mut device = match inside {
            Ok(device) => device,
            Err(why) => {
                record.control = Err(why);
                return Ok(record);
            }
        };
        let (felt, _) = self.goes_on(&mut device, victim, "it").await;
        let ended = !felt.is_empty();
        record.felt = Some(felt);
        self.rest().await;
        record.control = match self.device(victim, &victim.device, &Wants::default()).await {
            Err(error) => Err(format!("its own second connection: {error}")),
            Ok(second) => {
                let first_ended = ended || device.ping().await.is_err();
                second.leave().await;
                match first_ended {
                    true => Ok(format!("a second connection of {}'s own thing ended the first", victim.tenant)),
                    false => Err("its own second connection ended nothing".to_owned()),
                }
            }
        };
        if let Ok(guest) = connected {
            guest.leave().await;
        }
        Ok(record)
    }
}
