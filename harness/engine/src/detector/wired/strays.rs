//! A thing that does what is another's of its own tenant, or the platform's.

use super::super::DetectorError;
use super::super::round::gone;
use super::in_words;
use super::messages::{cut, reported};
use super::post::{Ground, Held, Post, Wants, holds, say, with_word};
use bytes::Bytes;
use fleetproof_claims::wired::{Stray, WiredRecord};
use fleetproof_dialects::aws::client::{Client, ClientError, Qos, at_least_once};
use fleetproof_dialects::aws::{introduce, things};

impl Ground {
    /// A thing made for this does what its policy does not give it.
    pub(super) async fn stray(&self, stray: Stray, victim: &Post) -> Result<WiredRecord, DetectorError> {
        let thing = self.fresh("stray");
        let (mender, by, place) = (&self.mender, &victim.admin, &victim.place);
        let held = self.held(introduce(mender, by, &place.region, &thing).await?)?;
        let (topic, heard_on) = match stray {
            Stray::Report => {
                let shadow = format!("$aws/things/{}/shadow", self.thing());
                (format!("{shadow}/update"), format!("{shadow}/#"))
            }
            Stray::Answer => {
                let shadow = format!("$aws/things/{thing}/shadow");
                (format!("{shadow}/update/accepted"), format!("{shadow}/#"))
            }
            _ => (self.topic("telemetry"), self.topic("telemetry")),
        };
        let what = match stray {
            Stray::Listen => format!("SUBSCRIBE {topic}"),
            Stray::ListenBehindOwn => format!("SUBSCRIBE app/{thing}/in, {topic}"),
            Stray::Will => format!("CONNECT with a will for {topic}"),
            _ => format!("PUBLISH {topic}"),
        };
        let mut record = WiredRecord::of(format!("{what} as {thing} at {}", place.endpoint));
        record.felt = Some(Vec::new());
        let tried = match stray {
            Stray::Listen | Stray::ListenBehindOwn => {
                let own = (stray == Stray::ListenBehindOwn).then(|| format!("app/{thing}/in"));
                self.overhears(victim, &held, own, &topic).await
            }
            _ => self.impersonates(stray, victim, &held, (&topic, &heard_on)).await,
        };
        match tried {
            Err(why) => record.control = Err(why),
            Ok((heard, answer, control)) => {
                record.served = !heard.is_empty();
                record.answer = format!("{answer}; {}", if heard.is_empty() { "not heard" } else { "heard" });
                record.control = Ok(control);
            }
        }
        gone(things::forget(mender, by, place, &thing, &held.certificate).await)?;
        Ok(record)
    }

    /// It listens to what is another's: what it heard, what it was answered, what the control came to.
    async fn overhears(
        &self,
        victim: &Post,
        held: &Held,
        own: Option<String>,
        topic: &str,
    ) -> Result<(Vec<String>, String, String), String> {
        let mut ear = self.ear(victim, topic).await.map_err(in_words("its own application"))?;
        let mut device = self.device(victim, held, &Wants::default()).await.map_err(in_words("its own thing"))?;
        let filters = own.iter().map(String::as_str).chain([topic]).map(at_least_once).collect();
        let answer = match device.subscribe(filters).await {
            Ok(codes) => format!("{codes:02X?}"),
            Err(error) => error.to_string(),
        };
        let word = self.word(victim);
        let mut voice = self.voice(victim).await.map_err(in_words("its own application"))?;
        say(&mut voice, topic, &word).await.map_err(in_words("its own application"))?;
        self.hears(&mut ear, &word).await?;
        let heard = with_word(&self.heard(&mut device).await, &word);
        device.leave().await;
        voice.leave().await;
        ear.leave().await;
        Ok((heard, answer, format!("{}'s application heard it by {topic}", victim.tenant)))
    }

    /// It says what is another's. Before, somebody who may does the same and is heard.
    async fn impersonates(
        &self,
        stray: Stray,
        victim: &Post,
        held: &Held,
        (topic, heard_on): (&str, &str),
    ) -> Result<(Vec<String>, String, String), String> {
        let mut ear = self.ear(victim, heard_on).await.map_err(in_words("its own application"))?;
        let word = self.word(victim);
        let control = match stray {
            Stray::Answer => {
                let mut device =
                    self.device(victim, held, &Wants::default()).await.map_err(in_words("its own thing"))?;
                let asks = topic.trim_end_matches("/accepted");
                say(&mut device, asks, &reported(&word)).await.map_err(in_words("its own thing"))?;
                device.leave().await;
                "the platform said it of a true report".to_owned()
            }
            _ => {
                let mut voice = self.voice(victim).await.map_err(in_words("its own application"))?;
                say(&mut voice, topic, &text(stray, &word)).await.map_err(in_words("its own application"))?;
                voice.leave().await;
                format!("{}'s application said it and was heard", victim.tenant)
            }
        };
        self.hears(&mut ear, &word).await?;
        // What the control set in motion is no part of the attempt.
        self.heard(&mut ear).await;
        self.rest().await;
        let word = self.word(victim);
        let answer = match self.says(stray, victim, held, topic, &word).await {
            Ok(code) => format!("0x{code:02X}"),
            Err(error) => error.to_string(),
        };
        let heard: Vec<String> =
            self.heard(&mut ear).await.iter().filter(|it| holds(it, &word)).map(|it| it.topic.to_string()).collect();
        ear.leave().await;
        Ok((heard, answer, control))
    }

    /// The code that it is answered.
    async fn says(&self, stray: Stray, victim: &Post, held: &Held, topic: &str, word: &str) -> Result<u8, ClientError> {
        if stray == Stray::Will {
            let wants = Wants { will: Some((topic.to_owned(), word.to_owned())), ..Wants::default() };
            let mut device: Client = self.device(victim, held, &wants).await?;
            device.ping().await?;
            cut(device);
            return Ok(0);
        }
        let mut device = self.device(victim, held, &Wants::default()).await?;
        let said = device.publish(topic, Bytes::from(text(stray, word)), Qos::AtLeastOnce, false).await;
        device.leave().await;
        said
    }
}

fn text(stray: Stray, word: &str) -> String {
    if stray == Stray::Report { reported(word) } else { word.to_owned() }
}
