//! What a broker keeps for clients: sessions, retained messages, wills, shared groups.

use super::super::DetectorError;
use super::messages::cut;
use super::post::{Ground, Post, Wants, keep, listen, say, with_word};
use super::{answer, in_words};
use fleetproof_claims::wired::WiredRecord;
use fleetproof_dialects::aws::client::{Client, ClientError};

/// How many messages wait in a session.
const WAITING: usize = 5;

/// How many messages a shared group gets.
const SHARED: usize = 20;

const LASTS: Wants = Wants { lasts: true, wipes: false, will: None };

impl Ground {
    /// Takes up, at home, a session of the name of one that waits next door.
    pub(super) async fn resume(
        &self,
        wipe: bool,
        attacker: &Post,
        victim: &Post,
    ) -> Result<WiredRecord, DetectorError> {
        let client = self.fresh("session");
        let how = if wipe { "with a clean start" } else { "to go on with its session" };
        let mut record = WiredRecord::of(format!("CONNECT as {client} at {}, {how}", attacker.place.endpoint));
        // First as it is without anybody else.
        let alone = self.fresh("session");
        record.control = match self.wait_in(victim, &alone).await {
            Ok(word) => match self.taken_up(victim, &alone, &word).await {
                Ok(()) => Ok(format!("all {WAITING} that waited for {} came", victim.tenant)),
                Err(why) => Err(why),
            },
            Err(why) => Err(why),
        };
        let waits = self.wait_in(victim, &client).await;
        let wants = Wants { lasts: !wipe, wipes: wipe, will: None };
        match self.application(attacker, &client, &wants).await {
            Err(error) => record.answer = error.to_string(),
            Ok((mut guest, present)) => {
                record.served = true;
                record.answer = format!("granted, {} session", if present { "with a" } else { "without a" });
                record.leaked = with_word(&self.heard(&mut guest).await, &victim.word);
                guest.leave().await;
            }
        }
        match waits {
            Err(why) => record.control = Err(why),
            Ok(word) => {
                let felt = self.taken_up(victim, &client, &word).await.err();
                record.felt =
                    Some(felt.into_iter().map(|why| format!("the session of {}: {why}", victim.tenant)).collect());
            }
        }
        self.forget(attacker, &client).await;
        Ok(record)
    }

    /// A session of the victim's in which messages wait: the word that stands in them.
    async fn wait_in(&self, victim: &Post, client: &str) -> Result<String, String> {
        let (topic, word) = (self.topic(client), self.word(victim));
        let waits = async || -> Result<(), ClientError> {
            let (mut sleeper, _) = self.application(victim, client, &LASTS).await?;
            listen(&mut sleeper, &topic).await?;
            cut(sleeper);
            let mut voice = self.voice(victim).await?;
            for number in 0..WAITING {
                say(&mut voice, &topic, &format!("{word}/{number}")).await?;
            }
            voice.leave().await;
            Ok(())
        };
        waits().await.map_err(in_words("its own session"))?;
        Ok(word)
    }

    /// The victim goes on with its session; an error: what is not as it was.
    async fn taken_up(&self, victim: &Post, client: &str, word: &str) -> Result<(), String> {
        self.rest().await;
        let taken = self.application(victim, client, &LASTS).await;
        let (mut sleeper, present) = taken.map_err(in_words("it does not get in"))?;
        let came = self.hears(&mut sleeper, &format!("{word}/{}", WAITING - 1)).await;
        let came = came.map_or(0, |heard| with_word(&heard, word).len());
        sleeper.leave().await;
        self.forget(victim, client).await;
        match (present, came) {
            (true, WAITING) => Ok(()),
            (false, came) => Err(format!("it is gone, {came} of {WAITING} messages came")),
            (true, came) => Err(format!("{came} of {WAITING} messages came")),
        }
    }

    /// Throws a session away. Who cannot has none.
    async fn forget(&self, post: &Post, client: &str) {
        self.rest().await;
        if let Ok((client, _)) = self.application(post, client, &Wants::default()).await {
            client.leave().await;
        }
    }

    /// Asks, at home, for what is retained next door.
    pub(super) async fn read_retained(&self, attacker: &Post, victim: &Post) -> Result<WiredRecord, DetectorError> {
        let topic = self.topic(&self.fresh("kept"));
        let mut record = WiredRecord::of(format!("SUBSCRIBE {topic} at {}", attacker.place.endpoint));
        let word = self.word(victim);
        let kept = self.retains(victim, &topic, &word).await;
        record.control = match kept {
            Err(error) => Err(error.to_string()),
            Ok(()) => self.newcomer(victim, &topic).await.and_then(|heard| match heard.as_slice() {
                [only] if *only == word => Ok(format!("who comes new to {} gets it", victim.tenant)),
                other => Err(format!("who comes new gets {other:?}")),
            }),
        };
        match self.newcomer(attacker, &topic).await {
            Err(why) => record.answer = why,
            Ok(heard) => {
                record.served = true;
                record.answer = format!("granted, {} retained", heard.len());
                record.leaked = heard.into_iter().filter(|text| text.contains(&victim.word)).collect();
            }
        }
        record.felt = Some(Vec::new());
        self.clears(victim, &topic).await;
        Ok(record)
    }

    /// Retains, at home, something on the topic of what is retained next door.
    pub(super) async fn retain(
        &self,
        clear: bool,
        attacker: &Post,
        victim: &Post,
    ) -> Result<WiredRecord, DetectorError> {
        let topic = self.topic(&self.fresh("kept"));
        let (ours, theirs) = (self.word(victim), if clear { String::new() } else { self.word(attacker) });
        let what = if clear { "nothing" } else { &theirs };
        let mut record = WiredRecord::of(format!("PUBLISH {topic} (retain) at {}: {what}", attacker.place.endpoint));
        record.control = match self.retains(victim, &topic, &ours).await {
            Err(error) => Err(error.to_string()),
            Ok(()) => self.newcomer(victim, &topic).await.and_then(|heard| match heard.as_slice() {
                [only] if *only == ours => Ok(format!("who comes new to {} gets it", victim.tenant)),
                other => Err(format!("who comes new gets {other:?}")),
            }),
        };
        let kept = self.retains(attacker, &topic, &theirs).await;
        record.served = kept.is_ok();
        record.answer = answer(&kept);
        match self.newcomer(victim, &topic).await {
            Err(why) => record.control = Err(why),
            Ok(heard) if heard == [ours.clone()] => record.felt = Some(Vec::new()),
            Ok(heard) => {
                let felt = format!("who comes new to {} gets {heard:?}, not [{ours:?}]", victim.tenant);
                record.felt = Some(vec![felt]);
            }
        }
        self.clears(victim, &topic).await;
        self.clears(attacker, &topic).await;
        Ok(record)
    }

    async fn retains(&self, post: &Post, topic: &str, text: &str) -> Result<(), ClientError> {
        let mut voice = self.voice(post).await?;
        let kept = keep(&mut voice, topic, text, true).await;
        voice.leave().await;
        kept
    }

    /// Takes away what is retained. Where that is refused nothing of ours was kept.
    async fn clears(&self, post: &Post, topic: &str) {
        let _cleared = self.retains(post, topic, "").await;
    }

    /// What somebody new to a topic gets at once.
    async fn newcomer(&self, post: &Post, topic: &str) -> Result<Vec<String>, String> {
        let mut ear = self.ear(post, topic).await.map_err(in_words("who comes new"))?;
        let heard = self.heard(&mut ear).await;
        ear.leave().await;
        Ok(heard.iter().map(|publish| String::from_utf8_lossy(&publish.payload).into_owned()).collect())
    }

    /// Leaves, at home, a will for a topic that is heard next door.
    pub(super) async fn will(&self, attacker: &Post, victim: &Post) -> Result<WiredRecord, DetectorError> {
        let topic = self.topic("will");
        let mut record = WiredRecord::of(format!("CONNECT with a will for {topic} at {}", attacker.place.endpoint));
        let (theirs, ours) = (self.word(attacker), self.word(victim));
        let mut ear = match self.ear(victim, &topic).await {
            Ok(ear) => ear,
            Err(error) => {
                record.control = Err(format!("its own subscription: {error}"));
                return Ok(record);
            }
        };
        match self.dies(attacker, &topic, &theirs).await {
            Ok(()) => (record.served, record.answer) = (true, "granted, and said at home".to_owned()),
            Err(why) => record.answer = why,
        }
        record.control = match self.dies(victim, &topic, &ours).await {
            Err(why) => Err(why),
            Ok(()) => match self.hears(&mut ear, &ours).await {
                Err(why) => Err(why),
                Ok(heard) => {
                    let felt = with_word(&heard, &attacker.word);
                    record.felt = Some(felt.into_iter().map(|it| format!("{} heard {it}", victim.tenant)).collect());
                    Ok(format!("{} heard the will of its own client", victim.tenant))
                }
            },
        };
        ear.leave().await;
        Ok(record)
    }

    /// A client with a will is cut off, and the will is said at home.
    async fn dies(&self, post: &Post, topic: &str, text: &str) -> Result<(), String> {
        let mut ear = self.ear(post, topic).await.map_err(in_words("who listens at home"))?;
        let wants = Wants { will: Some((topic.to_owned(), text.to_owned())), ..Wants::default() };
        let (mut client, _) = self.application(post, &self.fresh("dies"), &wants).await.map_err(in_words("it"))?;
        client.ping().await.map_err(in_words("it"))?;
        cut(client);
        let heard = self.hears(&mut ear, text).await;
        ear.leave().await;
        heard.map(drop)
    }

    /// Joins, at home, a shared group of the name of one next door.
    pub(super) async fn share(&self, attacker: &Post, victim: &Post) -> Result<WiredRecord, DetectorError> {
        let topic = self.topic(&self.fresh("shared"));
        let filter = format!("$share/{}/{topic}", self.fresh("group"));
        let mut record = WiredRecord::of(format!("SUBSCRIBE {filter} at {}", attacker.place.endpoint));
        let members = async || -> Result<(Client, Client), String> {
            let one = self.ear(victim, &filter).await.map_err(in_words("its own group"))?;
            let other = self.ear(victim, &filter).await.map_err(in_words("its own group"))?;
            Ok((one, other))
        };
        let (mut one, mut other) = match members().await {
            Ok(members) => members,
            Err(why) => {
                record.control = Err(why);
                return Ok(record);
            }
        };
        let alone = self.shared_out(victim, &topic, (&mut one, &mut other)).await;
        record.control = match alone {
            Ok(SHARED) => Ok(format!("{SHARED} of {SHARED} came to the group of {}", victim.tenant)),
            Ok(came) => Err(format!("{came} of {SHARED} came to its own group")),
            Err(why) => Err(why),
        };
        let joined = self.ear(attacker, &filter).await;
        record.served = joined.is_ok();
        record.answer = answer(&joined.as_ref().map(drop).map_err(Clone::clone));
        match self.shared_out(victim, &topic, (&mut one, &mut other)).await {
            Err(why) => record.control = Err(why),
            Ok(SHARED) => record.felt = Some(Vec::new()),
            Ok(came) => {
                record.felt = Some(vec![format!("{came} of {SHARED} came to the group of {}", victim.tenant)]);
            }
        }
        if let Ok(mut guest) = joined {
            record.leaked = with_word(&self.heard(&mut guest).await, &victim.word);
            record.leaked.truncate(1);
            guest.leave().await;
        }
        one.leave().await;
        other.leave().await;
        Ok(record)
    }

    /// How many of the messages to a group come to its two members.
    async fn shared_out(
        &self,
        victim: &Post,
        topic: &str,
        (one, other): (&mut Client, &mut Client),
    ) -> Result<usize, String> {
        let word = self.word(victim);
        let mut voice = self.voice(victim).await.map_err(in_words("its own client"))?;
        for number in 0..SHARED {
            say(&mut voice, topic, &format!("{word}/{number}")).await.map_err(in_words("its own client"))?;
        }
        voice.leave().await;
        let came = with_word(&self.heard(one).await, &word).len() + with_word(&self.heard(other).await, &word).len();
        Ok(came)
    }
}
