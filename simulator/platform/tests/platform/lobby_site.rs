//! An organisation with a Device Lobby, a factory, and the doors where devices knock and live.

use crate::common::{Caller, Stage, Told};
use crate::family::{TENANTS, child};
use crate::landing::{HOME, Land, ORG, OTHER, land, text};
use bytes::BytesMut;
use fleetproof_devices::mqtt::{Backoff, Format, Publishes, ThingConfig, ThingPlan, run_thing};
use fleetproof_devices::{Delivery, DeviceEvent, Nature, Order, SimulatedBody, Witness};
use fleetproof_platform::defects::DefectId;
use fleetproof_platform::registry::{Endpoint, Regions};
use fleetproof_platform::{LobbyAccount, LobbyPlan, Platform, Settings, Trusted};
use fleetproof_wire::mqtt::packet::{Ack, Connect, Publish, Subscribe, Subscription};
use fleetproof_wire::mqtt::{Codec, Packet, Qos, Version};
use fleetproof_world::tls::{Authority, Identity, Names, Peer, Subject, TlsClient, TlsServer, Validity};
use fleetproof_world::{Runtime, Stamp, Stream, World};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

pub const LOBBY: &str = "/api/management/v1/lobby";

const DAY: u64 = 86_400_000;

/// Plays in virtual time on a fresh platform in two regions.
pub fn with_site(defect: Option<DefectId>, play: impl AsyncFnOnce(Stage, Site)) {
    Runtime::virtual_time().unwrap().block_on(async {
        let world = World::simulated(7);
        let regions = Regions::new(&[HOME, OTHER], "fleet.example").unwrap();
        let settings = Settings { regions, ..Settings::free(world.clone(), defect) };
        let platform = Platform::open(settings).await.unwrap();
        let (gateway, door) = (platform.gateway(), platform.operator_door());
        let stage = Stage { world, platform, gateway, door };
        let site = Site::found(&stage, &[HOME, OTHER]).await;
        play(stage, site).await;
    });
}

/// A tenant of the organisation, with somebody logged in.
pub struct Owner {
    pub by: Caller,
    pub tenant: String,
    pub account: String,
}

pub struct Site {
    pub pia: Caller,
    pub provider: String,
    pub acme: Owner,
    pub globex: Owner,
    pub lobby: LobbyAccount,
    pub factory: Authority,
    world: World,
    platform: Platform,
    server: TlsServer,
    trusted: String,
    stop: CancellationToken,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Site {
    /// An organisation of two tenants that trust the lobby, in these regions; nobody's door is open.
    pub async fn found(stage: &Stage, regions: &[&str]) -> Self {
        let (world, platform) = (stage.world.clone(), stage.platform.clone());
        let land = land(stage).await;
        let acme = Owner::found(stage, &land, "acme", regions).await;
        let globex = Owner::found(stage, &land, "globex", regions).await;
        let pia = land.pia;
        let provider = text(&pia.get("/api/management/v1/tenantadm/user/tenant").await.json()["id"]);
        let keys = &mut world.seeds.stream("factory");
        let factory = Authority::with_intermediate("Factory Root", "Factory", keys);
        let trusts =
            vec![Trusted { pem: factory.certificate(world.clock.unix_ms() - 30 * DAY).unwrap(), tenant: None }];
        let plan = LobbyPlan {
            provider: provider.clone(),
            regions: regions.iter().map(|region| (*region).to_owned()).collect(),
            trusts,
        };
        let lobby = platform.open_lobby(&plan).await.unwrap();
        let authority = Authority::new("fleetproof", &mut world.seeds.stream("authority"));
        let names = Names::new(authority, world.seeds.child("names"), &world.clock, Some("localhost")).unwrap();
        for domain in platform.client_domains() {
            names.add_below(&domain).unwrap();
        }
        let server = TlsServer::mutual(&names, false, &["x-amzn-mqtt-ca"], &world.clock).unwrap();
        let trusted = names.trusted().unwrap();
        let stop = CancellationToken::new();
        Self { pia, provider, acme, globex, lobby, factory, world, platform, server, trusted, stop }
    }

    /// Opens every door, and keeps the data plane going. One token for each, by host, shuts it.
    pub async fn open(&self) {
        for endpoint in &self.lobby.endpoints {
            self.open_door(endpoint).await;
        }
        for tenant in [&self.acme.tenant, &self.globex.tenant] {
            for endpoint in self.platform.account(tenant).await.unwrap().unwrap().endpoints {
                self.open_door(&endpoint).await;
            }
        }
        self.keep();
    }

    pub fn keep(&self) {
        let (platform, until) = (self.platform.clone(), self.stop.clone());
        tokio::spawn(async move { platform.keep_data_plane(until).await });
    }

    /// Opens the door of an endpoint under its own name; the token shuts it.
    pub async fn open_door(&self, endpoint: &Endpoint) -> CancellationToken {
        let incoming = self.world.net.listen(&endpoint.host).await.unwrap();
        let clients = self.server.secure_mutual(incoming);
        let (platform, until, endpoint) = (self.platform.clone(), self.stop.child_token(), endpoint.clone());
        let shut = until.clone();
        tokio::spawn(async move { platform.serve_clients_of(endpoint, clients, until).await });
        shut
    }

    /// An identity from the factory, good between so many days from now.
    pub fn identity_for(&self, authority: &Authority, name: &str, (from, until): (i64, i64)) -> Identity {
        let now = self.world.clock.unix_ms();
        let at = |days: i64| now.saturating_add_signed(days * DAY as i64);
        let validity = Validity { from_ms: at(from), until_ms: at(until) };
        let keys = &mut self.world.seeds.stream(&format!("device {name} {} {from}", authority.name()));
        authority.issue(&Subject::named(name), validity, keys).unwrap()
    }

    pub fn identity(&self, name: &str) -> Identity {
        self.identity_for(&self.factory, name, (-1, 300))
    }

    /// What stands on the device from the factory.
    pub fn label(&self, identity: &Identity) -> String {
        self.platform.factory_label(&self.provider, &identity.fingerprint()).unwrap()
    }

    /// The lobby's host in its first or second region.
    pub fn lobby_host(&self, region: usize) -> &str {
        &self.lobby.endpoints[region].host
    }

    /// Switches a device on that knocks at the lobby's first region.
    pub fn switch_on(&self, identity: &Identity, name: &str) -> Gadget {
        self.switch_on_at(identity, name, self.lobby_host(0), SimulatedBody::new(name.into(), "v1"))
    }

    pub fn switch_on_at(&self, identity: &Identity, name: &str, lobby: &str, body: SimulatedBody) -> Gadget {
        let publishes = Publishes {
            topic: "app/{thing}".to_owned(),
            every: Duration::from_secs(5),
            size: 100,
            qos: Qos::AtLeastOnce,
            format: Format::Json,
        };
        let plan = ThingPlan {
            publishes: vec![publishes],
            jobs: false,
            shadow: false,
            refused_for: Duration::from_secs(60),
            backoff: Backoff {
                first: Duration::from_millis(500),
                longest: Duration::from_secs(10),
                ..Backoff::default()
            },
            ..ThingPlan::new(lobby)
        };
        let tls = TlsClient::trusting(&self.trusted, &self.world.clock).unwrap().presenting(identity).unwrap();
        let config = ThingConfig {
            index: 0,
            name: name.into(),
            plan: Arc::new(plan),
            tls: Some(tls),
            version: "v1".to_owned(),
            home: None,
            phase: Duration::ZERO,
            nature: Nature::default(),
        };
        let (orders, receiver) = unbounded_channel();
        let (watched, stop) = (Watched::default(), self.stop.child_token());
        tokio::spawn(run_thing(self.world.clone(), config, body, watched.clone(), receiver, stop.clone()));
        orders.send(Order::Knock).unwrap();
        Gadget { watched, _orders: orders, stop }
    }

    pub async fn wait(&self, seconds: u64) {
        self.world.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// A device's first connection to the lobby: it shows its certificates, and is turned away.
    pub async fn knock(&self, identity: &Identity, name: &str) {
        self.knock_as(identity, name, &self.lobby.endpoints[0]).await;
    }

    /// A connection to an endpoint under any name, for who is turned away: the code of the answer, if there is one.
    pub async fn knock_as(&self, identity: &Identity, name: &str, endpoint: &Endpoint) -> Option<u8> {
        let (near, far) = tokio::io::duplex(1 << 12);
        let (clients, come) = unbounded_channel();
        let certificates = identity.chain().ders().map(<[u8]>::to_vec).collect();
        let peer = Peer { certificates, server_name: None, alpn: None, from: name.into() };
        let stream: Stream = Box::new(far);
        clients.send((stream, peer)).unwrap();
        drop(clients);
        let (platform, until) = (self.platform.clone(), self.stop.child_token());
        let endpoint = endpoint.clone();
        let served = async move { platform.serve_clients_of(endpoint, come, until).await };
        let said = async {
            let mut near = near;
            let mut bytes = BytesMut::new();
            let connect = Packet::Connect(Box::new(Connect::new(Version::V311, name)));
            Codec::client(Version::V311, 1 << 12).encode(&connect, &mut bytes).unwrap();
            near.write_all(&bytes).await.unwrap();
            let mut rest = Vec::new();
            // Turned away without a word, or with one: then the code is the last byte of it.
            drop(near.read_to_end(&mut rest).await);
            rest.last().copied()
        };
        tokio::join!(served, said).1
    }

    /// The first endpoint of a tenant, or the one in a region.
    pub async fn endpoint(&self, owner: &Owner, region: &str) -> Endpoint {
        let account = self.platform.account(&owner.tenant).await.unwrap().unwrap();
        account.endpoints.into_iter().find(|endpoint| endpoint.region == region).unwrap()
    }

    /// A stream of randomness for a key.
    pub fn seeds(&self, name: &str) -> fleetproof_world::RandomStream {
        self.world.seeds.stream(name)
    }

    /// The lobby trusts a tenant's own authority from now on.
    pub async fn trust_own(&self, authority: &Authority, tenant: &str) {
        let pem = authority.certificate(self.world.clock.unix_ms()).unwrap();
        let new = json!({ "certificate_pem": pem, "tenant_id": tenant });
        assert_eq!(self.pia.post(&format!("{LOBBY}/authorities"), &new).await.status, 201);
    }

    /// A device at an endpoint, where its certificate is known, that says what it is told to say.
    pub async fn line(&self, identity: &Identity, name: &str, host: &str) -> Line {
        let tls = TlsClient::trusting(&self.trusted, &self.world.clock).unwrap().presenting(identity).unwrap();
        let stream = self.world.net.connect(name, host).await.unwrap();
        let stream = tls.connect(stream, host).await.unwrap();
        let mut line = Line {
            stream,
            codec: Codec::client(Version::V311, 1 << 12),
            came: BytesMut::new(),
            world: self.world.clone(),
        };
        line.say(&Packet::Connect(Box::new(Connect::new(Version::V311, name)))).await;
        assert!(matches!(line.hear().await, Some(Packet::ConnAck(answer)) if answer.code == 0));
        line
    }

    /// The lobby trusts another maker from now on.
    pub async fn trust(&self, authority: &Authority) {
        let pem = authority.certificate(self.world.clock.unix_ms()).unwrap();
        let told = self.pia.post(&format!("{LOBBY}/authorities"), &json!({ "certificate_pem": pem })).await;
        assert_eq!(told.status, 201, "{}", told.text());
    }

    /// The state of a device as the lobby's operator sees it; empty for one that is not there.
    pub async fn state(&self, certid: &str) -> String {
        let told = self.pia.get(&format!("{LOBBY}/devices/{certid}")).await;
        if told.status == 404 { String::new() } else { text(&told.json()["devstate"]) }
    }
}

impl Owner {
    /// In several regions its account is made from the blueprint, which takes its time; in one it is a child that is given the trust.
    async fn found(stage: &Stage, land: &Land, name: &str, regions: &[&str]) -> Self {
        if let [region] = regions {
            let tenant = child(&land.pia, name, 100).await;
            let by = stage.login(&format!("admin@{name}.example")).await;
            let account = text(&by.get(&format!("{ORG}/account")).await.json()["Account"]["Id"]);
            let owner = Self { by, tenant, account };
            assert_eq!(owner.trust(&land.pia, region, true).await, 200);
            return owner;
        }
        let mut request = land.request(name);
        request["AllGovernedRegions"] = json!(true);
        let account = land.onboard(stage, &request).await;
        let by = stage.login(&format!("admin@{name}.example")).await;
        Self { by, tenant: text(&account["TenantId"]), account: text(&account["Id"]) }
    }

    /// Grants or withdraws the lobby's role in a region.
    pub async fn trust(&self, pia: &Caller, region: &str, on: bool) -> u16 {
        let path = format!("{ORG}/accounts/{}/trust/{region}", self.account);
        if on { pia.put(&path, &Value::Null).await.status } else { pia.delete(&path).await.status }
    }

    /// Claims a device with its label.
    pub async fn claim(&self, label: &str) -> Told {
        self.by.post(&format!("{LOBBY}/devices"), &json!({ "label": label })).await
    }

    /// Does something to a device: `release`, `migrate`, …
    pub async fn does(&self, what: &str, certid: &str, body: &Value) -> Told {
        self.by.post(&format!("{LOBBY}/devices/{certid}/{what}"), body).await
    }

    /// The fingerprints of what it is shown.
    pub async fn devices(&self) -> Vec<String> {
        let told = self.by.get(&format!("{LOBBY}/devices")).await;
        assert_eq!(told.status, 200, "{}", told.text());
        told.json()["devices"].as_array().unwrap().iter().map(|one| text(&one["certid"])).collect()
    }

    /// A device as its owner sees it.
    pub async fn device(&self, certid: &str) -> Value {
        let told = self.by.get(&format!("{LOBBY}/devices/{certid}")).await;
        assert_eq!(told.status, 200, "{}", told.text());
        told.json()
    }

    /// The first lines of a device's history.
    pub async fn history(&self, certid: &str) -> Vec<String> {
        let told = self.by.get(&format!("{LOBBY}/devices/{certid}/history")).await;
        assert_eq!(told.status, 200, "{}", told.text());
        let first = |entry: &Value| text(&entry["change"]).lines().next().unwrap_or_default().to_owned();
        told.json()["entries"].as_array().unwrap().iter().map(first).collect()
    }

    /// What the account has of a device: status of its certificate, and of its thing.
    pub async fn has(&self, certid: &str, thing: &str, region: &str) -> (u16, u16) {
        let iot = "/api/management/v1/iot";
        let certificate = self.by.get(&format!("{iot}/certificates/{certid}?region={region}")).await.status;
        (certificate, self.by.get(&format!("{iot}/things/{thing}?region={region}")).await.status)
    }
}

/// Removes a tenant.
pub async fn remove(pia: &Caller, tenant: &str) {
    let told = pia.post(&format!("{TENANTS}/{tenant}/remove/start"), &Value::Null).await;
    assert_eq!(told.status, 202, "{}", told.text());
}

/// What a device saw.
#[derive(Clone, Default)]
pub struct Watched {
    events: Arc<Mutex<Vec<DeviceEvent>>>,
    deliveries: Arc<Mutex<Vec<Delivery>>>,
}

impl Witness for Watched {
    fn saw(&mut self, _: Stamp, _: u32, what: DeviceEvent) {
        self.events.lock().unwrap().push(what);
    }

    fn delivered(&mut self, _: Stamp, _: u32, what: Delivery) {
        self.deliveries.lock().unwrap().push(what);
    }
}

/// A device that is switched on.
pub struct Gadget {
    pub watched: Watched,
    _orders: UnboundedSender<Order>,
    stop: CancellationToken,
}

impl Gadget {
    pub fn switch_off(&self) {
        self.stop.cancel();
    }

    pub fn events(&self) -> Vec<DeviceEvent> {
        self.watched.events.lock().unwrap().clone()
    }

    /// The endpoints that it was told, in order; `-` where it was told to forget.
    pub fn told(&self) -> Vec<String> {
        let told = |event: DeviceEvent| match event {
            DeviceEvent::Routed { endpoint } => Some(endpoint),
            DeviceEvent::FactoryReset => Some("-".to_owned()),
            _ => None,
        };
        self.events().into_iter().filter_map(told).collect()
    }

    /// How often it was let in at an endpoint.
    pub fn connected(&self, host: &str) -> usize {
        let at = |event: &DeviceEvent| matches!(event, DeviceEvent::Connected { endpoint, .. } if endpoint == host);
        self.events().iter().filter(|event| at(event)).count()
    }

    pub fn announced(&self) -> usize {
        self.events().iter().filter(|event| matches!(event, DeviceEvent::Announced { .. })).count()
    }

    /// How many of its messages were acknowledged.
    pub fn acknowledged(&self) -> usize {
        let is = |what: &&Delivery| matches!(what, Delivery::Acknowledged { .. });
        self.watched.deliveries.lock().unwrap().iter().filter(is).count()
    }
}

/// A device that says what it is told to say.
pub struct Line {
    stream: Stream,
    codec: Codec,
    came: BytesMut,
    world: World,
}

impl Line {
    async fn say(&mut self, packet: &Packet) {
        let mut bytes = BytesMut::new();
        self.codec.encode(packet, &mut bytes).unwrap();
        self.stream.write_all(&bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    async fn hear(&mut self) -> Option<Packet> {
        let end = self.world.clock.now().after(Duration::from_secs(5));
        loop {
            if let Some(packet) = self.codec.decode(&mut self.came).unwrap() {
                return Some(packet);
            }
            self.came.reserve(1_024);
            match self.world.clock.until(end, self.stream.read_buf(&mut self.came)).await {
                Some(Ok(read)) if read > 0 => {}
                _ => return None,
            }
        }
    }

    pub async fn announce(&mut self, what: &Value) {
        self.publish("$aws/rules/lobby", &what.to_string()).await;
    }

    pub async fn publish(&mut self, topic: &str, payload: &str) {
        self.say(&Packet::Publish(Publish::new(topic, payload.to_owned(), Qos::AtMostOnce))).await;
    }

    pub async fn retain(&mut self, topic: &str, payload: &str) {
        let publish = Publish { retain: true, ..Publish::new(topic, payload.to_owned(), Qos::AtMostOnce) };
        self.say(&Packet::Publish(publish)).await;
    }

    /// The answer to a subscription.
    pub async fn subscribe(&mut self, filter: &str) -> u8 {
        let filters = vec![Subscription::new(filter, Qos::AtLeastOnce)];
        let subscribe = Subscribe { packet_id: 1, filters, identifier: None, user_properties: Vec::new() };
        self.say(&Packet::Subscribe(subscribe)).await;
        match self.hear().await {
            Some(Packet::SubAck(answer)) => answer.codes[0],
            other => panic!("{other:?}"),
        }
    }

    /// What it is told next.
    pub async fn hears(&mut self) -> Option<Value> {
        match self.hear().await? {
            Packet::Publish(message) => {
                // What is acknowledged is not sent again.
                if message.qos == Qos::AtLeastOnce {
                    self.say(&Packet::PubAck(Ack::of(message.packet_id))).await;
                }
                Some(serde_json::from_slice(&message.payload).unwrap())
            }
            other => panic!("{other:?}"),
        }
    }
}
