//! A tenant's side where devices speak MQTT: a thing and an application of its account, made for the attempts alone.
//!
//! The thing has the same name in every account, and so has everything that is made for one attempt: what belongs to whom is
//! told by the word that each tenant has.

use super::super::round::gone;
use super::super::{DetectorError, Endpoints, Seat};
use bytes::Bytes;
use fleetproof_dialects::DialectError;
use fleetproof_dialects::aws::client::{
    Client, ClientError, Connect, Dial, Publish, Qos, Version, Will, at_least_once,
};
use fleetproof_dialects::aws::{self, Introduced, Place, things};
use fleetproof_dialects::mender::{Mender, Session};
use fleetproof_world::World;
use fleetproof_world::tls::{Certificate, Identity, TlsClient};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long what was said may be under way, when nothing else tells that it has come.
const UNDER_WAY: Duration = Duration::from_millis(250);

/// How long what must come may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a client waits before it connects again under its name: endpoints take each name once in a second.
const AGAIN: Duration = Duration::from_millis(1_100);

/// Seconds that a session outlives its connection.
const SESSION: u32 = 3_600;

/// Where attempts are made, and how everything in them is called.
pub(super) struct Ground {
    pub(super) mender: Mender,
    pub(super) endpoints: Endpoints,
    label: String,
    next: AtomicU32,
}

/// A certificate with its key, as its owner shows it.
pub(super) struct Held {
    pub(super) made: Introduced,
    /// 64 hexadecimal digits.
    pub(super) certificate: String,
    pub(super) identity: Identity,
}

/// A tenant, ready to attack and to be attacked. Its application has a policy that allows everything and names no account.
pub(super) struct Post {
    pub(super) tenant: Arc<str>,
    pub(super) admin: Session,
    pub(super) place: Place,
    /// Stands in everything that this tenant's clients say.
    pub(super) word: String,
    pub(super) device: Held,
    pub(super) application: Held,
}

/// What a connection is to be.
#[derive(Clone, Debug, Default)]
pub(super) struct Wants {
    /// Take up what was kept, and keep it.
    pub(super) lasts: bool,
    /// Throw away what was kept, and keep nothing.
    pub(super) wipes: bool,
    /// Topic and text of a will.
    pub(super) will: Option<(String, String)>,
}

impl Ground {
    pub(super) fn new(mender: &Mender, endpoints: &Endpoints, label: &str) -> Self {
        Self { mender: mender.clone(), endpoints: endpoints.clone(), label: label.to_owned(), next: AtomicU32::new(0) }
    }

    pub(super) fn world(&self) -> &World {
        self.mender.world()
    }

    /// The thing that every account has.
    pub(super) fn thing(&self) -> String {
        format!("twin-{}", self.label)
    }

    /// A name that nobody has used yet.
    pub(super) fn fresh(&self, stem: &str) -> String {
        format!("{stem}-{}-{}", self.label, self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// A topic of the thing's.
    pub(super) fn topic(&self, last: &str) -> String {
        format!("app/{}/{last}", self.thing())
    }

    /// What the owner of `introduced` shows.
    pub(super) fn held(&self, made: Introduced) -> Result<Held, DetectorError> {
        let unreadable =
            |reason: String| DialectError::Unreadable { operation: "CreateKeysAndCertificate".into(), reason };
        let identity = Identity::from_pem(&made.certificate, made.key.reveal());
        let identity = identity.map_err(|error| unreadable(error.to_string()))?;
        let certificate = Certificate::from_pem(&made.certificate).map_err(|error| unreadable(error.to_string()))?;
        Ok(Held { certificate: certificate.fingerprint(), made, identity })
    }

    /// Makes a thing and an application in the account of a tenant.
    pub(super) async fn pitch(&self, seat: &Seat) -> Result<Post, DetectorError> {
        let (mender, admin) = (&self.mender, &seat.admin);
        let place = things::place(mender, admin, None).await?;
        let word = format!("canary-{}-{}", seat.at.name, self.label);
        let device = self.held(aws::introduce(mender, admin, &place.region, &self.thing()).await?)?;
        let application = aws::unbounded(mender, admin, &place.region, &word).await?;
        let application = self.held(application)?;
        Ok(Post { tenant: seat.at.name.clone(), admin: admin.clone(), place, word, device, application })
    }

    /// Takes both away again.
    pub(super) async fn strike(&self, post: &Post) -> Result<(), DetectorError> {
        let (mender, by, place) = (&self.mender, &post.admin, &post.place);
        gone(things::forget(mender, by, place, &self.thing(), &post.device.certificate).await)?;
        gone(things::discard(mender, by, place, &post.application.certificate).await)
    }

    /// Whom a client trusts and what it shows, at its own endpoint.
    pub(super) fn shows(&self, held: Option<&Held>) -> Result<TlsClient, ClientError> {
        let unusable = |error: std::io::Error| ClientError::Lost(error.to_string());
        let tls = TlsClient::trusting(&self.endpoints.trusted, &self.world().clock).map_err(unusable)?;
        match held {
            Some(held) => tls.presenting(&held.identity).map_err(unusable),
            None => Ok(tls),
        }
    }

    /// Connects to an endpoint.
    pub(super) async fn dial(
        &self,
        host: &str,
        tls: TlsClient,
        client: &str,
        wants: &Wants,
    ) -> Result<(Client, bool), ClientError> {
        let mut connect = Connect::new(Version::V5, client);
        connect.keep_alive = 600;
        connect.clean_start = !wants.lasts;
        connect.session_expiry = (wants.lasts && !wants.wipes).then_some(SESSION);
        if let Some((topic, text)) = &wants.will {
            connect.will = Some(will(topic, text));
        }
        let dial = Dial { from: client.into(), door: self.endpoints.door.clone(), host: host.to_owned(), tls };
        let (client, answer) = Client::connect_as(self.world(), &dial, connect).await?;
        Ok((client, answer.session_present))
    }

    /// Connects the application of a tenant at home.
    pub(super) async fn application(
        &self,
        post: &Post,
        client: &str,
        wants: &Wants,
    ) -> Result<(Client, bool), ClientError> {
        self.dial(&post.place.endpoint, self.shows(Some(&post.application))?, client, wants).await
    }

    /// Connects a thing of a tenant at home.
    pub(super) async fn device(&self, post: &Post, held: &Held, wants: &Wants) -> Result<Client, ClientError> {
        let connected = self.dial(&post.place.endpoint, self.shows(Some(held))?, &held.made.thing, wants).await;
        connected.map(|(client, _)| client)
    }

    /// Connects the application of a tenant under a name of its own.
    pub(super) async fn voice(&self, post: &Post) -> Result<Client, ClientError> {
        let name = self.fresh("voice");
        self.application(post, &name, &Wants::default()).await.map(|(client, _)| client)
    }

    /// The same, and it listens.
    pub(super) async fn ear(&self, post: &Post, filter: &str) -> Result<Client, ClientError> {
        let name = self.fresh("ear");
        let (mut ear, _) = self.application(post, &name, &Wants::default()).await?;
        listen(&mut ear, filter).await?;
        Ok(ear)
    }

    /// Until a client may connect again under its name.
    pub(super) async fn rest(&self) {
        self.world().clock.sleep(AGAIN).await;
    }

    /// What a client hears until `word` comes; an error: it did not come.
    pub(super) async fn hears(&self, client: &mut Client, word: &str) -> Result<Vec<Publish>, String> {
        let until = self.world().clock.now().after(PATIENCE);
        let mut heard = Vec::new();
        while let Some(publish) = client.message(until).await.map_err(|error| error.to_string())? {
            let is_it = holds(&publish, word);
            heard.push(publish);
            if is_it {
                return Ok(heard);
            }
        }
        Err(format!("`{word}` was not heard"))
    }

    /// What a client has heard, and hears for as long as anything may be under way. Whose connection is gone hears no more.
    pub(super) async fn heard(&self, client: &mut Client) -> Vec<Publish> {
        let mut heard = Vec::new();
        // A round trip, so that what the endpoint said before is there; without a connection nothing can be.
        let _pong = client.ping().await;
        let until = self.world().clock.now().after(UNDER_WAY);
        while let Ok(Some(publish)) = client.message(until).await {
            heard.push(publish);
        }
        heard
    }
}

fn will(topic: &str, text: &str) -> Will {
    Will {
        topic: topic.into(),
        payload: Bytes::from(text.to_owned()),
        qos: Qos::AtLeastOnce,
        retain: false,
        delay: None,
        properties: Default::default(),
    }
}

/// Subscribes; a refusal is an error.
pub(super) async fn listen(client: &mut Client, filter: &str) -> Result<(), ClientError> {
    let codes = client.subscribe(vec![at_least_once(filter)]).await?;
    match codes.iter().find(|code| **code >= 0x80) {
        Some(code) => Err(ClientError::Lost(format!("the subscription to {filter} was refused with 0x{code:02X}"))),
        None => Ok(()),
    }
}

/// Publishes with QoS 1; a refusal is an error.
pub(super) async fn say(client: &mut Client, topic: &str, text: &str) -> Result<(), ClientError> {
    keep(client, topic, text, false).await
}

/// The same, and with `retain` it is kept.
pub(super) async fn keep(client: &mut Client, topic: &str, text: &str, retain: bool) -> Result<(), ClientError> {
    let code = client.publish(topic, Bytes::from(text.to_owned()), Qos::AtLeastOnce, retain).await?;
    match code {
        code if code >= 0x80 => Err(ClientError::Lost(format!("publishing to {topic} was refused with 0x{code:02X}"))),
        _ => Ok(()),
    }
}

/// Whether a word stands in a message, or in its topic.
pub(super) fn holds(publish: &Publish, word: &str) -> bool {
    publish.topic.contains(word) || String::from_utf8_lossy(&publish.payload).contains(word)
}

/// Those messages in which a word stands, as they are told.
pub(super) fn with_word(heard: &[Publish], word: &str) -> Vec<String> {
    let told = |publish: &Publish| {
        let text: String = String::from_utf8_lossy(&publish.payload).chars().take(80).collect();
        format!("`{text}` on {}", publish.topic)
    };
    heard.iter().filter(|publish| holds(publish, word)).map(told).collect()
}
