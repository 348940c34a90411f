//! Devices that knock at the lobby, made for the attempts alone: of an authority that the lobby trusts for as long.

use super::super::DetectorError;
use super::super::guests::House;
use super::{Porch, Side, differs};
use bytes::Bytes;
use fleetproof_claims::wired::WiredRecord;
use fleetproof_dialects::aws::client::{Client, ClientError, Dial, Qos, at_least_once};
use fleetproof_dialects::aws::{lobby, papers};
use fleetproof_world::tls::TlsClient;
use serde_json::{Value, json};
use std::time::Duration;

/// Where devices announce themselves.
const ANNOUNCE: &str = "$aws/rules/lobby";

/// What makes a device begin anew.
const RESET: &str = r#"{"config":"factory reset"}"#;

/// How long a device waits before it connects again: the first connection registers its certificate, and ends.
const AGAIN: Duration = Duration::from_millis(1_100);

/// How often it knocks.
const KNOCKS: usize = 4;

/// How long what must come may take: a home is made, a message arrives.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long what was said may be under way.
const UNDER_WAY: Duration = Duration::from_millis(250);

/// A device that was let in.
struct Device {
    name: String,
    fingerprint: String,
    client: Client,
}

impl Device {
    /// The topic on which it is told things at the lobby.
    fn topic(&self) -> String {
        format!("lobby/{}", self.name)
    }

    /// Announces itself, and says that `more` besides.
    async fn announce(&mut self, more: &[(&str, &str)]) -> Result<(), String> {
        let mut said = json!({ "state": "factory default", "iotep": "", "config": "default" });
        for (field, value) in more {
            said[*field] = (*value).into();
        }
        let code = self.client.publish(ANNOUNCE, Bytes::from(said.to_string()), Qos::AtLeastOnce, false).await;
        code.map_err(|error| error.to_string()).and_then(|code| taken(code, "the announce"))
    }
}

/// The code of an acknowledgement, where 0x80 and above say no.
fn taken(code: u8, what: &str) -> Result<(), String> {
    if code < 0x80 { Ok(()) } else { Err(format!("{what} was refused with 0x{code:02X}")) }
}

impl Porch<'_> {
    /// Has the lobby trust the authority of these devices.
    pub(super) async fn trust(&self, house: &House) -> Result<String, DetectorError> {
        let pem = papers::authority_pem(self.mender(), &self.authority)?;
        Ok(lobby::trust(self.mender(), &house.operator, &pem).await?)
    }

    /// A device of the authority that is trusted, let in.
    async fn arrives(&self, house: &House, of: &Side<'_>) -> Result<Result<Device, String>, DetectorError> {
        let name = self.names.fresh(&format!("canary-{}", of.name));
        let identity = papers::issued(self.mender(), &self.authority, &name)?;
        let fingerprint = identity.fingerprint();
        self.names.know(fingerprint.clone());
        let (Some(endpoints), Some((_, host))) = (&self.field.endpoints, house.doors.first()) else {
            return Ok(Err("there is no endpoint where devices could knock".to_owned()));
        };
        let world = self.mender().world();
        let tls = TlsClient::trusting(&endpoints.trusted, &world.clock).and_then(|tls| tls.presenting(&identity));
        let tls = tls.map_err(|error| DetectorError::Unprepared(error.to_string()))?;
        let dial = Dial { from: name.as_str().into(), door: endpoints.door.clone(), host: host.clone(), tls };
        let mut last = String::new();
        for _ in 0..KNOCKS {
            match Client::connect(world, &dial, &name).await {
                Ok(client) => return Ok(Ok(Device { name, fingerprint, client })),
                Err(error) => last = error.to_string(),
            }
            world.clock.sleep(AGAIN).await;
        }
        Ok(Err(format!("a device of {}'s was not let in: {last}", of.name)))
    }

    /// A device of the victim's that knocked, is its own by now, and listens; and one of the attacker's that knocked.
    async fn both(
        &self,
        house: &House,
        attacker: &Side<'_>,
        victim: &Side<'_>,
    ) -> Result<Result<(Device, Device), String>, DetectorError> {
        let mut theirs = match self.arrives(house, victim).await? {
            Ok(device) => device,
            Err(why) => return Ok(Err(why)),
        };
        let topic = theirs.topic();
        if let Err(why) = listens(&mut theirs.client, &topic).await {
            return Ok(Err(format!("{}'s own device: {why}", victim.name)));
        }
        if let Err(why) = theirs.announce(&[]).await {
            return Ok(Err(format!("{}'s own device: {why}", victim.name)));
        }
        let label = lobby::label(self.mender(), &house.operator, &theirs.fingerprint).await?;
        if let Err(why) = self.takes(victim, &theirs.fingerprint, &label).await? {
            return Ok(Err(why));
        }
        if let Err(why) = self.told_home(&mut theirs).await {
            return Ok(Err(format!("{}'s own device: {why}", victim.name)));
        }
        Ok(self.arrives(house, attacker).await?.map(|ours| (ours, theirs)))
    }

    /// What a device hears on its topic until it is told its home; an error: it is not told.
    async fn told_home(&self, device: &mut Device) -> Result<Vec<String>, String> {
        let until = self.mender().world().clock.now().after(PATIENCE);
        let mut heard = Vec::new();
        while let Some(publish) = device.client.message(until).await.map_err(|error| error.to_string())? {
            let text = String::from_utf8_lossy(&publish.payload).into_owned();
            let said: Value = serde_json::from_str(&text).unwrap_or_default();
            if said.get("iotep").is_some() {
                return Ok(heard);
            }
            heard.push(text);
        }
        Err("it is not told its home".to_owned())
    }

    /// A device announces itself with the victim's names in what it says.
    pub(super) async fn announce(
        &self,
        house: &House,
        attacker: &Side<'_>,
        victim: &Side<'_>,
    ) -> Result<WiredRecord, DetectorError> {
        let mut record = WiredRecord::of(format!("PUBLISH {ANNOUNCE} with another device's certid and devicename"));
        let (mut ours, mut theirs) = match self.both(house, attacker, victim).await? {
            Ok(both) => both,
            Err(why) => {
                record.control = Err(why);
                return Ok(record);
            }
        };
        let mender = self.mender();
        let before = lobby::shown(mender, victim.admin, &theirs.fingerprint).await?;
        let named = [("certid", theirs.fingerprint.as_str()), ("devicename", theirs.name.as_str())];
        let said = ours.announce(&named).await;
        record.served = said.is_ok();
        record.answer = said.err().unwrap_or_else(|| "acknowledged".to_owned());
        mender.world().clock.sleep(UNDER_WAY).await;
        let after = lobby::shown(mender, victim.admin, &theirs.fingerprint).await?;
        let mut felt = differs(victim, &before, &after);
        // What is told because of it goes to who said it.
        felt.extend(self.heard(&mut theirs).await);
        record.felt = Some(felt);
        record.leaked = self.heard(&mut ours).await;
        record.control = match theirs.announce(&[]).await {
            Err(why) => Err(why),
            Ok(()) => {
                mender.world().clock.sleep(UNDER_WAY).await;
                let seen = lobby::shown(mender, victim.admin, &theirs.fingerprint).await?;
                match seen != after {
                    true => Ok(format!("{} sees that its own device announced itself", victim.name)),
                    false => Err("the victim sees nothing of an announce of its own device".to_owned()),
                }
            }
        };
        leave([ours, theirs]).await;
        Ok(record)
    }

    /// A device listens on another one's topic.
    pub(super) async fn overhear(
        &self,
        house: &House,
        attacker: &Side<'_>,
        victim: &Side<'_>,
    ) -> Result<WiredRecord, DetectorError> {
        let (mut ours, mut theirs) = match self.both(house, attacker, victim).await? {
            Ok(both) => both,
            Err(why) => {
                let mut record = WiredRecord::of("SUBSCRIBE to another device's topic at the lobby");
                record.control = Err(why);
                return Ok(record);
            }
        };
        let topic = theirs.topic();
        let mut record = WiredRecord::of(format!("SUBSCRIBE {topic} at the lobby"));
        let listening = listens(&mut ours.client, &topic).await;
        record.served = listening.is_ok();
        record.answer = listening.err().unwrap_or_else(|| "granted".to_owned());
        record.control = match theirs.announce(&[]).await {
            Ok(()) => self.told_home(&mut theirs).await.map(|_| format!("{topic}: {} is told its home", theirs.name)),
            Err(why) => Err(why),
        };
        record.leaked = self.heard(&mut ours).await;
        record.felt = Some(Vec::new());
        leave([ours, theirs]).await;
        Ok(record)
    }

    /// A device tells another one to begin anew.
    pub(super) async fn reset(
        &self,
        house: &House,
        attacker: &Side<'_>,
        victim: &Side<'_>,
    ) -> Result<WiredRecord, DetectorError> {
        let (mut ours, mut theirs) = match self.both(house, attacker, victim).await? {
            Ok(both) => both,
            Err(why) => {
                let mut record = WiredRecord::of("PUBLISH on another device's topic at the lobby");
                record.control = Err(why);
                return Ok(record);
            }
        };
        let topic = theirs.topic();
        let mut record = WiredRecord::of(format!("PUBLISH {RESET} on {topic} at the lobby"));
        let said = ours.client.publish(&topic, Bytes::from_static(RESET.as_bytes()), Qos::AtLeastOnce, false).await;
        let said = said.map_err(|error| error.to_string()).and_then(|code| taken(code, "it"));
        record.served = said.is_ok();
        record.answer = said.err().unwrap_or_else(|| "acknowledged".to_owned());
        // What it hears up to its home is all that can have come before.
        let told = match theirs.announce(&[]).await {
            Ok(()) => self.told_home(&mut theirs).await,
            Err(why) => Err(why),
        };
        record.felt =
            told.as_ref().ok().map(|heard| heard.iter().map(|text| format!("its device heard {text}")).collect());
        record.control = told.map(|_| format!("{topic}: {} is told its home", theirs.name));
        leave([ours, theirs]).await;
        Ok(record)
    }

    /// What a device has heard that it should not have.
    async fn heard(&self, device: &mut Device) -> Vec<String> {
        let mut heard = Vec::new();
        let _pong = device.client.ping().await;
        let until = self.mender().world().clock.now().after(UNDER_WAY);
        while let Ok(Some(publish)) = device.client.message(until).await {
            heard.push(format!("`{}` on {}", String::from_utf8_lossy(&publish.payload), publish.topic));
        }
        heard
    }
}

async fn listens(client: &mut Client, filter: &str) -> Result<(), String> {
    let codes = client.subscribe(vec![at_least_once(filter)]).await.map_err(|error: ClientError| error.to_string())?;
    codes.into_iter().try_for_each(|code| taken(code, "the subscription"))
}

async fn leave(devices: [Device; 2]) {
    for device in devices {
        device.client.leave().await;
    }
}
