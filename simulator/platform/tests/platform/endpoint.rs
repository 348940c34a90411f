//! Where devices connect: who reaches which account, and what changes in the registry do to who is in. Real TLS and real packets over
//! pipes in memory, in virtual time.

use crate::common::{Caller, Stage, with_platform};
use crate::registry::{IOT, about, good, text};
use bytes::BytesMut;
use fleetproof_wire::mqtt::packet::{Acks, Connect, Publish, Subscribe, Subscription};
use fleetproof_wire::mqtt::{Codec, Packet, Qos, Version};
use fleetproof_world::tls::{Authority, Identity, Names, Subject, TlsClient, TlsServer, Validity};
use fleetproof_world::{Stream, World};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

const DAY: u64 = 86_400_000;

/// The platform with a door for devices.
pub struct Harbour {
    world: World,
    stop: CancellationToken,
    trusted: String,
}

impl Harbour {
    pub async fn open(stage: &Stage) -> Self {
        let (world, stop) = (stage.world.clone(), CancellationToken::new());
        let authority = Authority::new("fleetproof", &mut world.seeds.stream("authority"));
        let names = Names::new(authority, world.seeds.child("names"), &world.clock, Some("localhost")).unwrap();
        for domain in stage.platform.client_domains() {
            names.add_below(&domain).unwrap();
        }
        let server = TlsServer::mutual(&names, false, &["x-amzn-mqtt-ca"], &world.clock).unwrap();
        let clients = server.secure_mutual(world.net.listen("mqtt").await.unwrap());
        let (platform, until) = (stage.platform.clone(), stop.clone());
        tokio::spawn(async move { platform.serve_clients(clients, until).await });
        let (platform, until) = (stage.platform.clone(), stop.clone());
        tokio::spawn(async move { platform.keep_data_plane(until).await });
        Self { trusted: names.trusted().unwrap(), world, stop }
    }

    /// What a device with this certificate is, that trusts the platform.
    fn client(&self, identity: &Identity) -> TlsClient {
        TlsClient::trusting(&self.trusted, &self.world.clock).unwrap().presenting(identity).unwrap()
    }

    /// A connection that asks for `host`; the server's end of it may be closed already.
    async fn dial(&self, client: &TlsClient, host: &str) -> Option<Line> {
        let stream = self.world.net.connect("device", "mqtt").await.unwrap();
        let stream = client.connect(stream, host).await.ok()?;
        Some(Line {
            stream,
            codec: Codec::client(Version::V5, 1 << 20),
            came: BytesMut::new(),
            world: self.world.clone(),
        })
    }

    /// Connects with a certificate as a client; the line and the code of the answer. `None`: hung up without an answer.
    pub async fn connect(&self, identity: &Identity, host: &str, client_id: &str) -> Option<(Line, u8)> {
        let mut line = self.dial(&self.client(identity), host).await?;
        line.say(&Packet::Connect(Box::new(Connect::new(Version::V5, client_id)))).await;
        match line.hear().await? {
            Packet::ConnAck(answer) => Some((line, answer.code)),
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Harbour {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A device's end.
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
        // The other end may be closed: the answer tells.
        drop(self.stream.write_all(&bytes).await);
        drop(self.stream.flush().await);
    }

    /// The next packet; `None` at the end, or after a while without one.
    pub async fn hear(&mut self) -> Option<Packet> {
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

    async fn subscribe(&mut self, filter: &str) -> u8 {
        let filters = vec![Subscription::new(filter, Qos::AtLeastOnce)];
        let subscribe = Subscribe { packet_id: 1, filters, identifier: None, user_properties: Vec::new() };
        self.say(&Packet::Subscribe(subscribe)).await;
        match self.hear().await {
            Some(Packet::SubAck(Acks { codes, .. })) => codes[0],
            other => panic!("{other:?}"),
        }
    }

    pub async fn publish(&mut self, topic: &str, payload: &str) {
        self.say(&Packet::Publish(Publish::new(topic, payload.to_owned(), Qos::AtMostOnce))).await;
    }

    /// The next message: topic and payload.
    pub async fn message(&mut self) -> Option<(String, String)> {
        loop {
            match self.hear().await? {
                Packet::Publish(message) => {
                    let payload = String::from_utf8(message.payload.to_vec()).unwrap();
                    return Some((message.topic.to_string(), payload));
                }
                Packet::Disconnect(_) => return None,
                _ => {}
            }
        }
    }
}

/// An account with somebody logged in, and its endpoint.
pub struct Owner {
    pub by: Caller,
    pub host: String,
    pub id: String,
}

pub async fn owner(stage: &Stage, name: &str) -> Owner {
    let founded = stage.tenant(name, 10).await;
    let by = stage.login(&format!("admin@{name}.example")).await;
    let endpoint = good(&by, "GET", "endpoint", &Value::Null).await;
    Owner { by, host: text(&endpoint["endpointAddress"]), id: founded.tenant_id }
}

/// The identity of a device from a factory, good for a year around now, or between two moments.
pub fn device(stage: &Stage, name: &str, days: (i64, i64)) -> Identity {
    let now = stage.world.clock.unix_ms();
    let at = |days: i64| now.saturating_add_signed(days * DAY as i64);
    let validity = Validity { from_ms: at(days.0), until_ms: at(days.1) };
    let mut keys = stage.world.seeds.stream(name);
    let factory = Authority::new("factory", &mut stage.world.seeds.stream("factory"));
    factory.issue(&Subject::named(name), validity, &mut keys).unwrap()
}

/// Registers a device's certificate, with a thing of its common name, and a policy that lets it speak below `app/<thing>/`.
async fn register(owner: &Owner, identity: &Identity, thing: &str) -> String {
    let pem = json!({ "certificatePem": identity.chain().leaf_pem(), "status": "ACTIVE" });
    let made = good(&owner.by, "POST", "certificate/register-no-ca", &pem).await;
    let arn = text(&made["certificateArn"]);
    let own = "${iot:Connection.Thing.ThingName}";
    let allow = |action: &str, resource: &str| json!({ "Effect": "Allow", "Action": action, "Resource": format!("arn:aws:iot:*:*:{resource}") });
    let statements = [
        allow("iot:Connect", &format!("client/{own}")),
        allow("iot:Publish", &format!("topic/app/{own}/*")),
        allow("iot:Publish", &format!("topic/$aws/things/{own}/*")),
        allow("iot:Subscribe", "topicfilter/*"),
        allow("iot:Receive", "topic/*"),
    ];
    let document = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
    let policy =
        owner.by.send("POST", &format!("{IOT}/policies/p"), Some(&json!({ "policyDocument": document }))).await;
    assert!([200, 409].contains(&policy.status), "{}", policy.text());
    good(&owner.by, "PUT", "target-policies/p", &json!({ "target": arn })).await;
    good(&owner.by, "POST", &format!("things/{thing}"), &json!({})).await;
    assert_eq!(about(&owner.by, "PUT", &format!("things/{thing}/principals"), &arn).await.status, 200);
    identity.fingerprint()
}

#[test]
fn the_host_in_the_handshake_chooses_the_account() {
    with_platform(None, async |stage| {
        let harbour = Harbour::open(&stage).await;
        let (acme, globex) = (owner(&stage, "acme").await, owner(&stage, "globex").await);
        assert_ne!(acme.host, globex.host);
        let pump = device(&stage, "pump", (-1, 300));
        register(&acme, &pump, "pump").await;
        let (_line, code) = harbour.connect(&pump, &acme.host, "pump").await.unwrap();
        assert_eq!(code, 0);
        // The same certificate at the neighbour's endpoint, where nobody knows it.
        assert_eq!(harbour.connect(&pump, &globex.host, "pump").await.unwrap().1, 0x87);
        // A host that nobody has, and none at all: hung up without a word.
        let domain = acme.host.split_once('.').unwrap().1;
        assert!(harbour.connect(&pump, &format!("nobody-ats.{domain}"), "pump").await.is_none());
        let nameless = harbour.client(&pump).without_name();
        let mut line = match harbour.dial(&nameless, "localhost").await {
            Some(line) => line,
            None => return,
        };
        line.say(&Packet::Connect(Box::new(Connect::new(Version::V5, "pump")))).await;
        assert_eq!(line.hear().await, None);
    });
}

#[test]
fn one_name_in_two_accounts_is_two_clients() {
    with_platform(None, async |stage| {
        let harbour = Harbour::open(&stage).await;
        let (acme, globex) = (owner(&stage, "acme").await, owner(&stage, "globex").await);
        let (hers, his) = (device(&stage, "hers", (-1, 300)), device(&stage, "his", (-1, 300)));
        register(&acme, &hers, "pump").await;
        register(&globex, &his, "pump").await;
        let (mut first, code) = harbour.connect(&hers, &acme.host, "pump").await.unwrap();
        assert_eq!((code, first.subscribe("#").await), (0, 1));
        let (mut second, code) = harbour.connect(&his, &globex.host, "pump").await.unwrap();
        assert_eq!((code, second.subscribe("#").await), (0, 1));
        second.publish("app/pump/x", "his own").await;
        assert_eq!(second.message().await, Some(("app/pump/x".to_owned(), "his own".to_owned())));
        assert_eq!(first.message().await, None, "nothing crosses");
        // It was not thrown out either.
        first.publish("app/pump/x", "her own").await;
        assert_eq!(first.message().await, Some(("app/pump/x".to_owned(), "her own".to_owned())));
    });
}

#[test]
fn who_is_not_good_today_does_not_come_in() {
    with_platform(None, async |stage| {
        let harbour = Harbour::open(&stage).await;
        let acme = owner(&stage, "acme").await;
        for (name, days, code) in [("good", (-1, 300), 0), ("old", (-30, -1), 0x87), ("early", (1, 30), 0x87)] {
            let identity = device(&stage, name, days);
            register(&acme, &identity, name).await;
            assert_eq!(harbour.connect(&identity, &acme.host, name).await.map(|(_, code)| code), Some(code), "{name}");
        }
        let unknown = device(&stage, "unknown", (-1, 300));
        assert_eq!(harbour.connect(&unknown, &acme.host, "unknown").await.unwrap().1, 0x87);
        // A copy of somebody's certificate without its key.
        let (good, thief) = (device(&stage, "good", (-1, 300)), device(&stage, "thief", (-1, 300)));
        let line = harbour.dial(&harbour.client(&good.stolen_by(&thief)), &acme.host).await;
        assert!(is_turned_away(line).await);
    });
}

/// Whether a handshake failed: with TLS 1.3 a client learns of it only when it reads.
async fn is_turned_away(line: Option<Line>) -> bool {
    let Some(mut line) = line else { return true };
    line.say(&Packet::Connect(Box::new(Connect::new(Version::V5, "good")))).await;
    line.hear().await.is_none()
}

#[test]
fn a_certificate_that_is_switched_off_ends_what_it_began() {
    with_platform(None, async |stage| {
        let harbour = Harbour::open(&stage).await;
        let acme = owner(&stage, "acme").await;
        let pump = device(&stage, "pump", (-1, 300));
        let id = register(&acme, &pump, "pump").await;
        let (mut line, code) = harbour.connect(&pump, &acme.host, "pump").await.unwrap();
        assert_eq!((code, line.subscribe("app/#").await), (0, 1));
        good(&acme.by, "PUT", &format!("certificates/{id}?newStatus=INACTIVE"), &Value::Null).await;
        assert!(matches!(line.hear().await, Some(Packet::Disconnect(end)) if end.code == 0x87));
        stage.world.clock.sleep(Duration::from_secs(2)).await;
        assert_eq!(harbour.connect(&pump, &acme.host, "pump").await.unwrap().1, 0x87);
        good(&acme.by, "PUT", &format!("certificates/{id}?newStatus=ACTIVE"), &Value::Null).await;
        stage.world.clock.sleep(Duration::from_secs(2)).await;
        assert_eq!(harbour.connect(&pump, &acme.host, "pump").await.unwrap().1, 0);
    });
}

#[test]
fn a_policy_that_is_taken_away_stops_the_next_message() {
    with_platform(None, async |stage| {
        let harbour = Harbour::open(&stage).await;
        let acme = owner(&stage, "acme").await;
        let (pump, fan) = (device(&stage, "pump", (-1, 300)), device(&stage, "fan", (-1, 300)));
        let id = register(&acme, &pump, "pump").await;
        register(&acme, &fan, "fan").await;
        let (mut hears, _) = harbour.connect(&pump, &acme.host, "pump").await.unwrap();
        assert_eq!(hears.subscribe("app/fan/#").await, 1);
        let (mut says, _) = harbour.connect(&fan, &acme.host, "fan").await.unwrap();
        says.publish("app/fan/x", "one").await;
        assert_eq!(hears.message().await, Some(("app/fan/x".to_owned(), "one".to_owned())));
        let arn = good(&acme.by, "GET", &format!("certificates/{id}"), &Value::Null).await;
        let arn = text(&arn["certificateDescription"]["certificateArn"]);
        good(&acme.by, "POST", "target-policies/p", &json!({ "target": arn })).await;
        stage.world.clock.sleep(Duration::from_secs(1)).await;
        says.publish("app/fan/x", "two").await;
        assert_eq!(hears.message().await, None);
    });
}

#[test]
fn a_removed_or_suspended_tenant_answers_no_device() {
    with_platform(None, async |stage| {
        let harbour = Harbour::open(&stage).await;
        let acme = owner(&stage, "acme").await;
        let pump = device(&stage, "pump", (-1, 300));
        register(&acme, &pump, "pump").await;
        let (mut line, code) = harbour.connect(&pump, &acme.host, "pump").await.unwrap();
        assert_eq!(code, 0);
        let operator = stage.operator();
        let suspended = json!({ "status": "suspended" });
        let told = operator.put(&format!("/api/internal/v1/tenantadm/tenants/{}/status", acme.id), &suspended).await;
        assert_eq!(told.status, 200, "{}", told.text());
        assert!(!matches!(line.hear().await, Some(Packet::PingResp)));
        assert!(harbour.connect(&pump, &acme.host, "pump").await.is_none());
    });
}

#[test]
fn a_shadow_is_kept_and_its_delta_told() {
    with_platform(None, async |stage| {
        let harbour = Harbour::open(&stage).await;
        let acme = owner(&stage, "acme").await;
        let pump = device(&stage, "pump", (-1, 300));
        register(&acme, &pump, "pump").await;
        let (mut line, _) = harbour.connect(&pump, &acme.host, "pump").await.unwrap();
        let shadow = "$aws/things/pump/shadow";
        assert_eq!(line.subscribe(&format!("{shadow}/#")).await, 1);
        line.publish(&format!("{shadow}/get"), "").await;
        let (topic, told) = line.message().await.unwrap();
        assert_eq!((topic, told.contains("404")), (format!("{shadow}/get/rejected"), true));
        let update = json!({ "state": { "desired": { "on": true }, "reported": { "on": false } }, "clientToken": "t" });
        line.publish(&format!("{shadow}/update"), &update.to_string()).await;
        let mut told = Vec::new();
        for _ in 0..3 {
            let (topic, payload) = line.message().await.unwrap();
            let payload: Value = serde_json::from_str(&payload).unwrap();
            told.push((topic, payload["clientToken"].clone(), payload["state"].clone()));
        }
        let due = |below: &str, state: Value| (format!("{shadow}/{below}"), json!("t"), state);
        assert_eq!(told[0], due("update/accepted", update["state"].clone()));
        assert_eq!(told[1].0, format!("{shadow}/update/documents"));
        assert_eq!(told[2], due("update/delta", json!({ "on": true })));
        // Another thing's shadow is not its to ask for: it is not answered.
        line.publish("$aws/things/fan/shadow/get", "").await;
        assert_eq!(line.message().await, None);
    });
}

#[test]
fn a_connection_is_ended_by_its_accounts_people_and_by_nobody_else() {
    with_platform(None, async |stage| {
        let harbour = Harbour::open(&stage).await;
        let (acme, globex) = (owner(&stage, "acme").await, owner(&stage, "globex").await);
        let pump = device(&stage, "pump", (-1, 300));
        register(&acme, &pump, "pump").await;
        let (mut line, code) = harbour.connect(&pump, &acme.host, "pump").await.unwrap();
        assert_eq!(code, 0);
        let end = async |by: &Caller, query: &str| by.delete(&format!("{IOT}/connections/pump{query}")).await.status;
        assert_eq!(end(&globex.by, "").await, 404);
        line.publish("app/pump/x", "still here").await;
        assert_eq!(end(&acme.by, "?cleanSession=maybe").await, 400);
        assert_eq!(end(&acme.by, "?cleanSession=true&preventWillMessage=true").await, 200);
        assert!(matches!(line.hear().await, Some(Packet::Disconnect(end)) if end.code == 0x98));
        assert_eq!(end(&acme.by, "").await, 404, "it is gone");
        let entries = acme.by.get("/api/management/v1/auditlogs/logs?object_type=connection").await.json();
        assert_eq!((&entries[0]["action"], entries.as_array().unwrap().len()), (&json!("delete"), 1));
        // It may come again.
        stage.world.clock.sleep(Duration::from_secs(2)).await;
        assert_eq!(harbour.connect(&pump, &acme.host, "pump").await.unwrap().1, 0);
    });
}

fn limits_of(owner: &Owner) -> String {
    format!("/api/internal/v1/iot/tenants/{}/limits", owner.id)
}

/// How many of so many clients are let in, all of them at once there.
async fn let_in(harbour: &Harbour, owner: &Owner, identity: &Identity, clients: usize) -> Vec<u8> {
    let (mut lines, mut codes) = (Vec::new(), Vec::new());
    for number in 0..clients {
        let (line, code) = harbour.connect(identity, &owner.host, &format!("client-{number}")).await.unwrap();
        lines.push(line);
        codes.push(code);
    }
    codes
}

/// A certificate whose clients may do anything in the account.
async fn application(stage: &Stage, owner: &Owner, name: &str) -> Identity {
    let identity = device(stage, name, (-1, 300));
    let pem = json!({ "certificatePem": identity.chain().leaf_pem(), "status": "ACTIVE" });
    let made = good(&owner.by, "POST", "certificate/register-no-ca", &pem).await;
    let all = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "iot:*", "Resource": "arn:aws:iot:*:*:*" } ] });
    good(&owner.by, "POST", "policies/all", &json!({ "policyDocument": all.to_string() })).await;
    good(&owner.by, "PUT", "target-policies/all", &json!({ "target": text(&made["certificateArn"]) })).await;
    identity
}

#[test]
fn the_operator_limits_the_clients_of_one_tenant_at_once() {
    with_platform(None, async |stage| {
        let harbour = Harbour::open(&stage).await;
        let (acme, globex) = (owner(&stage, "acme").await, owner(&stage, "globex").await);
        let (hers, his) = (application(&stage, &acme, "hers").await, application(&stage, &globex, "his").await);
        let operator = stage.operator();
        // Before anybody ever connected, and afterwards.
        let put = operator.put(&limits_of(&acme), &json!({ "connections": 2 })).await;
        assert_eq!(put.status, 204, "{}", put.text());
        assert_eq!(let_in(&harbour, &acme, &hers, 3).await, [0, 0, 0x97]);
        stage.world.clock.sleep(Duration::from_secs(2)).await;
        let put = operator.put(&limits_of(&acme), &json!({ "connections": 3, "payload_bytes": 10 })).await;
        assert_eq!(put.status, 204, "{}", put.text());
        assert_eq!(let_in(&harbour, &acme, &hers, 4).await, [0, 0, 0, 0x97]);
        assert_eq!(let_in(&harbour, &globex, &his, 4).await, [0; 4], "another tenant has its own");
        let shown = operator.get(&limits_of(&acme)).await.json();
        assert_eq!(
            (&shown["connections"], &shown["payload_bytes"], &shown["topic_levels"]),
            (&json!(3), &json!(10), &json!(8))
        );
        let log = acme.by.get("/api/management/v1/auditlogs/logs?per_page=1").await.json();
        assert!(
            log[0]["change"].as_str().unwrap().contains("client_limits: {\"connections\":3,\"payload_bytes\":10}"),
            "{log}"
        );
    });
}

#[test]
fn nobody_else_limits_anybody_and_nothing_else_is_a_limit() {
    with_platform(None, async |stage| {
        let acme = owner(&stage, "acme").await;
        let put = json!({ "connections": 1_000 });
        let (door, anybody) = (limits_of(&acme), Caller::new(&stage.door, None));
        assert_eq!(anybody.put(&door, &put).await.status, 401);
        assert_eq!(anybody.get(&door).await.status, 401);
        assert_eq!(acme.by.put(&door, &put).await.status, 404, "people have another door");
        let operator = stage.operator();
        for none in [json!({ "connections": -1 }), json!({ "topic_levels": 0 }), json!({ "hats": 1 })] {
            let told = operator.put(&door, &none).await;
            assert!([400, 422].contains(&told.status), "{none}: {}", told.text());
        }
        let unknown = operator.put("/api/internal/v1/iot/tenants/nobody/limits", &put).await;
        assert_eq!(unknown.status, 404);
        assert_eq!(operator.get(&door).await.json()["connections"], 500_000);
    });
}
