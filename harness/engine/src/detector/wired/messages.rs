//! Saying and hearing, from one account into another.

use super::super::DetectorError;
use super::super::round::gone;
use super::post::{Ground, Post, Wants, listen, say, with_word};
use super::{answer, in_words};
use bytes::Bytes;
use fleetproof_claims::wired::{Sent, WiredRecord};
use fleetproof_dialects::aws::client::{Client, ClientError, Qos};
use fleetproof_dialects::aws::jobs;

impl Ground {
    /// A topic or filter of the list, with the thing's name in it.
    fn named(&self, pattern: &str) -> String {
        pattern.replace("{thing}", &self.thing())
    }

    /// Subscribes at home to what the victim's clients say next door.
    pub(super) async fn subscribe(
        &self,
        filter: &str,
        attacker: &Post,
        victim: &Post,
    ) -> Result<WiredRecord, DetectorError> {
        let filter = self.named(filter);
        let mut record = WiredRecord::of(format!("SUBSCRIBE {filter} at {}", attacker.place.endpoint));
        let listening = self.ear(attacker, &filter).await;
        record.served = listening.is_ok();
        record.answer = answer(&listening.as_ref().map(drop).map_err(Clone::clone));
        let word = format!("{}-{}", victim.word, self.fresh("said"));
        record.control = match self.ear(victim, &filter).await {
            Err(error) => Err(format!("its own subscription: {error}")),
            Ok(mut ear) => {
                let spoken = self.speak(victim, &filter, &word).await?;
                let heard = match spoken {
                    Ok(()) => {
                        self.hears(&mut ear, &word).await.map(|_| format!("{} heard it by {filter}", victim.tenant))
                    }
                    Err(why) => Err(why),
                };
                ear.leave().await;
                heard
            }
        };
        if let Ok(mut ear) = listening {
            record.leaked = with_word(&self.heard(&mut ear).await, &victim.word);
            ear.leave().await;
        }
        // To listen takes nothing from anybody.
        record.felt = Some(Vec::new());
        Ok(record)
    }

    /// The victim's clients do what a filter is meant to hear; `word` stands in it. An error: they could not.
    async fn speak(&self, victim: &Post, filter: &str, word: &str) -> Result<Result<(), String>, DetectorError> {
        let of_jobs = filter.contains("/jobs/");
        if of_jobs {
            let (mender, by, place) = (&self.mender, &victim.admin, &victim.place);
            jobs::offer(mender, by, place, word, &self.thing(), word).await?;
            gone(jobs::remove(mender, by, place, word).await)?;
            return Ok(Ok(()));
        }
        Ok(self.speak_by_mqtt(victim, filter, word).await.map_err(in_words("its own clients")))
    }

    async fn speak_by_mqtt(&self, victim: &Post, filter: &str, word: &str) -> Result<(), ClientError> {
        if filter.starts_with("$aws/events/") {
            let (mut client, _) = self.application(victim, word, &Wants::default()).await?;
            listen(&mut client, &self.topic(word)).await?;
            client.leave().await;
            return Ok(());
        }
        let mut voice = self.voice(victim).await?;
        let said = match filter {
            shadow if shadow.contains("/shadow/") => {
                let topic = self.named("$aws/things/{thing}/shadow/update");
                say(&mut voice, &topic, &reported(word)).await
            }
            lobby if lobby.starts_with("lobby/") => say(&mut voice, &self.named("lobby/{thing}"), word).await,
            _ => say(&mut voice, &self.topic("telemetry"), word).await,
        };
        voice.leave().await;
        said
    }

    /// Says something at home where the victim's clients listen next door.
    pub(super) async fn publish(
        &self,
        topic: &str,
        sent: Sent,
        attacker: &Post,
        victim: &Post,
    ) -> Result<WiredRecord, DetectorError> {
        let topic = self.named(topic);
        let qos = match sent {
            Sent::AtMostOnce => Qos::AtMostOnce,
            Sent::AtLeastOnce => Qos::AtLeastOnce,
        };
        let (theirs, ours) = (self.word(attacker), self.word(victim));
        let text = |word: &str| if topic.ends_with("/shadow/update") { reported(word) } else { word.to_owned() };
        let level = u8::from(sent == Sent::AtLeastOnce);
        let mut record =
            WiredRecord::of(format!("PUBLISH {topic} (QoS {level}) at {}: {}", attacker.place.endpoint, text(&theirs)));
        // What comes of a shadow is said below it.
        let filter = topic.strip_suffix("update").map_or_else(|| topic.clone(), |shadow| format!("{shadow}#"));
        let mut ear = match self.ear(victim, &filter).await {
            Ok(ear) => ear,
            Err(error) => {
                record.control = Err(format!("its own subscription: {error}"));
                return Ok(record);
            }
        };
        let published = self.publish_as(attacker, &topic, &text(&theirs), qos).await;
        record.served = published.is_ok();
        record.answer = answer(&published);
        // What the victim says after it is heard after it.
        record.control = match self.publish_as(victim, &topic, &text(&ours), qos).await {
            Err(error) => Err(error.to_string()),
            Ok(()) => match self.hears(&mut ear, &ours).await {
                Err(why) => Err(why),
                Ok(mut heard) => {
                    heard.extend(self.heard(&mut ear).await);
                    let felt = with_word(&heard, &attacker.word);
                    record.felt = Some(felt.into_iter().map(|it| format!("{} heard {it}", victim.tenant)).collect());
                    Ok(format!("{} heard its own on {filter}", victim.tenant))
                }
            },
        };
        ear.leave().await;
        Ok(record)
    }

    async fn publish_as(&self, post: &Post, topic: &str, text: &str, qos: Qos) -> Result<(), ClientError> {
        let mut voice = self.voice(post).await?;
        let said = match qos {
            Qos::AtLeastOnce => say(&mut voice, topic, text).await,
            _ => {
                voice.publish(topic, Bytes::from(text.to_owned()), qos, false).await?;
                // Nothing acknowledges it: a round trip shows that it was dealt with.
                voice.ping().await
            }
        };
        voice.leave().await;
        said
    }

    /// A word that nobody has said yet, of this tenant.
    pub(super) fn word(&self, post: &Post) -> String {
        format!("{}-{}", post.word, self.fresh("said"))
    }
}

/// What a shadow is told.
pub(super) fn reported(word: &str) -> String {
    format!("{{\"state\":{{\"reported\":{{\"word\":\"{word}\"}}}}}}")
}

/// Hangs up without a word, as when the network is cut.
pub(super) fn cut(client: Client) {
    drop(client);
}
