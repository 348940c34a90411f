//! A server that does as it is told: an MQTT endpoint with jobs and a shadow, the files that jobs point to, and a run of one
//! thing on both.

#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses its part")]

use bytes::{Bytes, BytesMut};
use fleetproof_devices::mqtt::{Backoff, Ledger, Message, ThingConfig, ThingPlan, run_thing};
use fleetproof_devices::{Body, Delivery, DeviceEvent, Nature, Order, Witness};
use fleetproof_wire::mqtt::Codec;
use fleetproof_wire::mqtt::packet::{Ack, Acks, ConnAck, ConnAckProperties, Connect, Disconnect, Packet, Publish, Qos};
use fleetproof_world::{Incoming, Stamp, Stream, World};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What an endpoint does; by default all is well.
#[derive(Clone, Default)]
pub struct Script {
    /// The codes of the first CONNACKs; `None`: it hangs up instead. Then all are let in.
    pub answers: VecDeque<Option<u8>>,
    /// Nobody is let in, ever.
    pub refuses: bool,
    /// Whether it says that it kept the session, from the second connection on.
    pub keeps_sessions: bool,
    /// After so long it hangs up, on the first so many connections.
    pub hangs_up: Option<(Duration, usize)>,
    /// It says DISCONNECT before that (version 5).
    pub says_goodbye: bool,
    /// So many PUBACKs of numbered messages it leaves out.
    pub no_pubacks: usize,
    /// So many SUBACKs it leaves out.
    pub no_subacks: usize,
    /// So many PINGRESPs it leaves out.
    pub no_pongs: usize,
    /// Filters that contain this are refused.
    pub refuses_filter: Option<&'static str>,
    /// What the lobby answers to the announcement with this number, counted from 1, and to later ones.
    pub tells: Option<(usize, String)>,
    /// Numbered messages with these numbers are lost after they were acknowledged.
    pub loses: Vec<u64>,
    /// The job that is there.
    pub job: Option<ScriptedJob>,
    /// Nobody is answered who asks for a job.
    pub ignores_jobs: bool,
    /// How often it says that the shadow has another version.
    pub conflicts: usize,
    /// What the shadow wants its thing's interval to be.
    pub wants_interval: Option<u64>,
}

/// A job's execution.
#[derive(Clone)]
pub struct ScriptedJob {
    pub id: String,
    pub document: Value,
    pub status: String,
    pub details: Value,
    pub version: u64,
    /// Somebody changes it before the update with this number, counted from 1.
    pub changed_before: Option<usize>,
    /// It is cancelled before the update with this number.
    pub cancelled_before: Option<usize>,
    /// The answer to the update with this number is lost.
    pub unanswered: Option<usize>,
    pub updates: usize,
}

impl ScriptedJob {
    pub fn of(url: &str, file: Value) -> Self {
        let mut entry = json!({ "filepath": "/fw", "fileid": 0, "certfile": "/c", "update_data_url": url });
        entry.as_object_mut().unwrap().extend(file.as_object().unwrap().clone());
        Self {
            id: "AFR_OTA-1".into(),
            document: json!({ "afr_ota": { "protocols": ["HTTP"], "streamname": "AFR_OTA-1", "files": [entry] } }),
            status: "QUEUED".into(),
            details: json!({}),
            version: 1,
            changed_before: None,
            cancelled_before: None,
            unanswered: None,
            updates: 0,
        }
    }
}

/// What endpoints share and saw.
#[derive(Default)]
pub struct Seen {
    /// `endpoint: what`, and when.
    pub notes: Vec<(Stamp, String)>,
    /// Numbered messages.
    pub ledger: Ledger,
    /// The last CONNECT.
    pub connect: Option<Connect>,
    /// Payloads of numbered messages.
    pub payloads: Vec<Bytes>,
    /// What things reported to their shadow.
    pub reported: Vec<Value>,
}

pub struct Endpoint {
    name: String,
    world: World,
    pub script: Mutex<Script>,
    pub seen: Arc<Mutex<Seen>>,
    /// Where to say something to whoever is connected.
    push: Mutex<Option<mpsc::UnboundedSender<Packet>>>,
    shadow_version: Mutex<u64>,
    announced: Mutex<usize>,
    connections: Mutex<usize>,
}

impl Endpoint {
    /// Listens at `name`.
    pub async fn start(world: &World, name: &str, script: Script, seen: &Arc<Mutex<Seen>>) -> Arc<Self> {
        let incoming = world.net.listen(name).await.unwrap();
        Self::start_on(world, name, incoming, script, seen)
    }

    /// Takes what arrives there.
    pub fn start_on(
        world: &World,
        name: &str,
        incoming: Incoming,
        script: Script,
        seen: &Arc<Mutex<Seen>>,
    ) -> Arc<Self> {
        let endpoint = Arc::new(Self {
            name: name.to_owned(),
            world: world.clone(),
            script: Mutex::new(script),
            seen: seen.clone(),
            push: Mutex::default(),
            shadow_version: Mutex::new(7),
            announced: Mutex::default(),
            connections: Mutex::default(),
        });
        tokio::spawn(endpoint.clone().serve(incoming));
        endpoint
    }

    /// Says something to the thing that is connected.
    pub fn say(&self, topic: &str, payload: impl Into<Bytes>) {
        let publish = Publish { packet_id: 900, ..Publish::new(topic, payload.into(), Qos::AtLeastOnce) };
        self.push.lock().unwrap().as_ref().unwrap().send(Packet::Publish(publish)).unwrap();
    }

    fn note(&self, what: impl AsRef<str>) {
        let note = (self.world.clock.now(), format!("{}: {}", self.name, what.as_ref()));
        self.seen.lock().unwrap().notes.push(note);
    }

    async fn serve(self: Arc<Self>, mut incoming: Incoming) {
        while let Some((stream, _)) = incoming.recv().await {
            let endpoint = self.clone();
            tokio::spawn(async move {
                let until = endpoint.world.clock.now();
                let nth = {
                    let mut connections = endpoint.connections.lock().unwrap();
                    *connections += 1;
                    *connections
                };
                let hangs_up = endpoint.script.lock().unwrap().hangs_up.filter(|(_, first)| nth <= *first);
                let (pushed, pushes) = mpsc::unbounded_channel();
                *endpoint.push.lock().unwrap() = Some(pushed);
                match hangs_up {
                    Some((after, _)) => {
                        let served = endpoint.clone().connection(stream, nth, pushes, Some(after));
                        let _ = endpoint.world.clock.until(until.after(after * 2), served).await;
                    }
                    None => endpoint.clone().connection(stream, nth, pushes, None).await,
                }
                endpoint.note("over");
            });
        }
    }

    async fn connection(
        self: Arc<Self>,
        mut stream: Stream,
        nth: usize,
        mut pushes: mpsc::UnboundedReceiver<Packet>,
        hangs_up: Option<Duration>,
    ) {
        let (mut codec, mut bytes) = (Codec::server(1 << 20), BytesMut::new());
        let ends = hangs_up.map(|after| self.world.clock.now().after(after));
        loop {
            while let Some(packet) = codec.decode(&mut bytes).unwrap() {
                let Some(answers) = self.answer(packet, nth) else { return };
                if !send(&codec, &mut stream, &answers).await {
                    return;
                }
            }
            tokio::select! {
                biased;
                read = stream.read_buf(&mut bytes) => if !matches!(read, Ok(1..)) { return },
                Some(packet) = pushes.recv() => { send(&codec, &mut stream, &[packet]).await; }
                () = self.world.clock.sleep_until(ends.unwrap_or_default()), if ends.is_some() => {
                    if self.script.lock().unwrap().says_goodbye {
                        send(&codec, &mut stream, &[Packet::Disconnect(Disconnect { code: 0x8B, ..Disconnect::default() })]).await;
                    }
                    return;
                }
            }
        }
    }

    /// `None`: it hangs up.
    fn answer(&self, packet: Packet, nth: usize) -> Option<Vec<Packet>> {
        match packet {
            Packet::Connect(connect) => {
                let clean = if connect.clean_start { "clean" } else { "kept" };
                self.note(format!("connect {clean}"));
                self.seen.lock().unwrap().connect = Some(*connect);
                let mut script = self.script.lock().unwrap();
                let code = if script.refuses { Some(5) } else { script.answers.pop_front().unwrap_or(Some(0)) };
                let code = code?;
                let session_present = code == 0 && script.keeps_sessions && nth > 1;
                Some(vec![Packet::ConnAck(Box::new(ConnAck {
                    session_present,
                    code,
                    properties: ConnAckProperties::default(),
                }))])
            }
            Packet::Subscribe(subscribe) => {
                self.note(format!("subscribe {}", subscribe.filters.len()));
                let mut script = self.script.lock().unwrap();
                if let Some(left) = script.no_subacks.checked_sub(1) {
                    script.no_subacks = left;
                    return Some(Vec::new());
                }
                let refused = script.refuses_filter;
                let code = |filter: &str| if refused.is_some_and(|word| filter.contains(word)) { 0x80 } else { 1 };
                let codes = subscribe.filters.iter().map(|one| code(&one.filter)).collect();
                let acks = Acks { packet_id: subscribe.packet_id, codes, reason: None, user_properties: Vec::new() };
                Some(vec![Packet::SubAck(acks)])
            }
            Packet::PingReq => {
                self.note("ping");
                let mut script = self.script.lock().unwrap();
                if let Some(left) = script.no_pongs.checked_sub(1) {
                    script.no_pongs = left;
                    return Some(Vec::new());
                }
                Some(vec![Packet::PingResp])
            }
            Packet::Publish(publish) => Some(self.published(&publish)),
            Packet::Disconnect(_) => {
                self.note("disconnect");
                None
            }
            _ => Some(Vec::new()),
        }
    }

    fn published(&self, publish: &Publish) -> Vec<Packet> {
        let mut answers = Vec::new();
        let topic = &*publish.topic;
        if let Some(message) = Message::read(&publish.payload).filter(|_| topic.starts_with("app/")) {
            let dup = if publish.dup { " dup" } else { "" };
            self.note(format!("{topic} {}{dup}", message.number));
            let mut script = self.script.lock().unwrap();
            if publish.qos == Qos::AtLeastOnce {
                if let Some(left) = script.no_pubacks.checked_sub(1) {
                    script.no_pubacks = left;
                    return answers;
                }
                answers.push(Packet::PubAck(Ack::of(publish.packet_id)));
            }
            if let Some(at) = script.loses.iter().position(|number| *number == message.number) {
                script.loses.remove(at);
                return answers;
            }
            let mut seen = self.seen.lock().unwrap();
            seen.ledger.received(message.number);
            seen.payloads.push(publish.payload.clone());
            return answers;
        }
        if publish.qos == Qos::AtLeastOnce {
            answers.push(Packet::PubAck(Ack::of(publish.packet_id)));
        }
        if topic.starts_with("app/") {
            self.note(format!("{topic} beside its plan: {} bytes", publish.payload.len()));
            return answers;
        }
        let said: Value = serde_json::from_slice(&publish.payload).unwrap();
        if topic == "$aws/rules/lobby" {
            self.note(format!("announced {} {}", said["state"].as_str().unwrap(), said["iotep"].as_str().unwrap()));
            let mut announced = self.announced.lock().unwrap();
            *announced += 1;
            let tells = self.script.lock().unwrap().tells.clone();
            if let Some((_, endpoint)) = tells.filter(|(from, _)| *announced >= *from) {
                let told = json!({ "iotep": endpoint, "config": "default config" });
                answers.push(message("lobby/hvac-7", &told));
            }
            return answers;
        }
        let rest = topic.strip_prefix("$aws/things/hvac-7/").unwrap();
        if let Some((accepted, mut answer)) = self.service(rest, &said) {
            answer["clientToken"] = said["clientToken"].clone();
            let word = if accepted { "accepted" } else { "rejected" };
            answers.push(message(&format!("{topic}/{word}"), &answer));
            let wants = self.script.lock().unwrap().wants_interval;
            let has = said.pointer("/state/reported/telemetryInterval").and_then(Value::as_u64);
            if rest == "shadow/update" && accepted && wants.is_some() && wants != has {
                let version = *self.shadow_version.lock().unwrap();
                let delta = json!({ "version": version, "state": { "telemetryInterval": wants } });
                answers.push(message("$aws/things/hvac-7/shadow/update/delta", &delta));
            }
        }
        answers
    }

    /// Jobs and the shadow.
    fn service(&self, rest: &str, said: &Value) -> Option<(bool, Value)> {
        let mut script = self.script.lock().unwrap();
        match rest {
            "jobs/start-next" if script.ignores_jobs => None,
            "shadow/update" => {
                let mut version = self.shadow_version.lock().unwrap();
                if let Some(left) = script.conflicts.checked_sub(1) {
                    script.conflicts = left;
                    self.note("shadow conflict");
                    return Some((false, json!({ "code": 409, "message": "Version conflict" })));
                }
                let claimed = said.get("version").and_then(Value::as_u64);
                assert!(claimed.is_none_or(|claimed| claimed == *version), "{claimed:?} is not {version}");
                *version += 1;
                self.note(format!("reported {}", said["state"]["reported"]["version"].as_str().unwrap()));
                self.seen.lock().unwrap().reported.push(said["state"]["reported"].clone());
                Some((true, json!({ "version": *version })))
            }
            "shadow/get" => Some((true, json!({ "version": *self.shadow_version.lock().unwrap(), "state": {} }))),
            _ => {
                let note = match rest {
                    "jobs/start-next" => "start-next".to_owned(),
                    rest if rest.ends_with("/get") => "get job".to_owned(),
                    _ => format!("{} {}", said["status"].as_str().unwrap(), said["statusDetails"]),
                };
                self.note(note);
                jobs(&mut script.job, rest, said)
            }
        }
    }
}

fn jobs(job: &mut Option<ScriptedJob>, rest: &str, said: &Value) -> Option<(bool, Value)> {
    let is_over = |status: &str| !matches!(status, "QUEUED" | "IN_PROGRESS");
    let Some(job) = job else { return Some((true, json!({ "timestamp": 1 }))) };
    let execution = |job: &ScriptedJob| {
        json!({ "jobId": job.id, "thingName": "hvac-7", "jobDocument": job.document, "status": job.status,
            "statusDetails": job.details, "versionNumber": job.version, "executionNumber": 1 })
    };
    if rest == "jobs/start-next" {
        if is_over(&job.status) {
            return Some((true, json!({ "timestamp": 1 })));
        }
        if job.status == "QUEUED" {
            job.status = "IN_PROGRESS".into();
            job.version += 1;
        }
        return Some((true, json!({ "execution": execution(job), "timestamp": 1 })));
    }
    if rest.ends_with("/get") {
        return Some(if is_over(&job.status) {
            (false, json!({ "code": "TerminalStateReached", "message": "over" }))
        } else {
            (true, json!({ "execution": execution(job), "timestamp": 1 }))
        });
    }
    job.updates += 1;
    if job.changed_before == Some(job.updates) {
        job.version += 1;
    }
    if job.cancelled_before == Some(job.updates) {
        job.status = "CANCELED".into();
        job.version += 1;
    }
    let state =
        |job: &ScriptedJob| json!({ "status": job.status, "statusDetails": job.details, "versionNumber": job.version });
    if is_over(&job.status) {
        return Some((
            false,
            json!({ "code": "InvalidStateTransition", "message": "over", "executionState": state(job) }),
        ));
    }
    if said["expectedVersion"].as_u64() != Some(job.version) {
        return Some((false, json!({ "code": "VersionMismatch", "message": "no", "executionState": state(job) })));
    }
    job.status = said["status"].as_str().unwrap().into();
    job.details = said["statusDetails"].clone();
    job.version += 1;
    (job.unanswered != Some(job.updates)).then(|| (true, json!({ "timestamp": 1 })))
}

fn message(topic: &str, payload: &Value) -> Packet {
    let publish = Publish { packet_id: 700, ..Publish::new(topic, payload.to_string(), Qos::AtLeastOnce) };
    Packet::Publish(publish)
}

async fn send(codec: &Codec, stream: &mut Stream, packets: &[Packet]) -> bool {
    let mut bytes = BytesMut::new();
    for packet in packets {
        codec.encode(packet, &mut bytes).unwrap();
    }
    stream.write_all(&bytes).await.is_ok()
}

/// Serves files by their path, each request on its own connection, after a pause; `None` as a file breaks the connection.
pub async fn serve_files(world: &World, name: &str, files: BTreeMap<String, Bytes>, pause: Duration) {
    let mut incoming = world.net.listen(name).await.unwrap();
    let clock = world.clock.clone();
    tokio::spawn(async move {
        while let Some((mut stream, _)) = incoming.recv().await {
            let mut request = BytesMut::new();
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                if !matches!(stream.read_buf(&mut request).await, Ok(1..)) {
                    break;
                }
            }
            let text = String::from_utf8(request.to_vec()).unwrap();
            let path = text.split([' ', '?']).nth(1).unwrap_or_default().to_owned();
            clock.sleep(pause).await;
            let (status, body) = match files.get(&path) {
                Some(file) => ("200 OK", file.clone()),
                None => ("403 Forbidden", Bytes::new()),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            let _ = stream.write_all(&body).await;
        }
    });
}

/// What one thing saw.
#[derive(Clone, Default)]
pub struct Watched {
    pub events: Arc<Mutex<Vec<(Stamp, DeviceEvent)>>>,
    pub deliveries: Arc<Mutex<Vec<Delivery>>>,
    /// Topic and text of what it heard since it was told to listen.
    pub heard: Arc<Mutex<Vec<String>>>,
    seen: Arc<Mutex<Seen>>,
}

impl Witness for Watched {
    fn saw(&mut self, at: Stamp, device: u32, what: DeviceEvent) {
        assert_eq!(device, 7);
        self.events.lock().unwrap().push((at, what));
    }

    fn heard(&mut self, _: Stamp, _: u32, topic: &str, payload: &[u8]) {
        self.heard.lock().unwrap().push(format!("{topic}: {}", String::from_utf8_lossy(payload)));
    }

    fn delivered(&mut self, _: Stamp, _: u32, what: Delivery) {
        match what {
            Delivery::Sent { number, .. } => self.seen.lock().unwrap().ledger.sent(number),
            Delivery::Acknowledged { number, .. } => self.seen.lock().unwrap().ledger.acknowledged(number),
            _ => {}
        }
        self.deliveries.lock().unwrap().push(what);
    }
}

/// A thing under way.
pub struct Running {
    pub world: World,
    pub watched: Watched,
    pub orders: mpsc::UnboundedSender<Order>,
    stop: CancellationToken,
    pub task: tokio::task::JoinHandle<()>,
    pub seen: Arc<Mutex<Seen>>,
}

impl Running {
    /// Starts `hvac-7`; it has been told to knock.
    pub fn start<B: Body>(world: &World, plan: ThingPlan, body: B, seen: &Arc<Mutex<Seen>>) -> Self {
        let nature = Nature::default();
        Self::start_as(world, ThingConfig { nature, ..config(plan) }, body, seen)
    }

    pub fn start_as<B: Body>(world: &World, config: ThingConfig, body: B, seen: &Arc<Mutex<Seen>>) -> Self {
        let (orders, receiver) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let watched = Watched { seen: seen.clone(), ..Watched::default() };
        let task = tokio::spawn(run_thing(world.clone(), config, body, watched.clone(), receiver, stop.clone()));
        orders.send(Order::Knock).unwrap();
        Self { world: world.clone(), watched, orders, stop, task, seen: seen.clone() }
    }

    pub async fn run(&self, seconds: u64) {
        self.world.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// What the endpoints saw, without when.
    pub fn notes(&self) -> Vec<String> {
        self.seen.lock().unwrap().notes.iter().map(|(_, note)| note.clone()).collect()
    }

    /// When, in ms, of what the endpoints saw that is `note`.
    pub fn times(&self, note: &str) -> Vec<u64> {
        let seen = self.seen.lock().unwrap();
        seen.notes.iter().filter(|(_, known)| known == note).map(|(at, _)| at.micros() / 1_000).collect()
    }

    pub fn count(&self, note: &str) -> usize {
        self.times(note).len()
    }

    pub fn saw(&self, wanted: impl Fn(&DeviceEvent) -> bool) -> usize {
        self.watched.events.lock().unwrap().iter().filter(|(_, event)| wanted(event)).count()
    }

    pub fn events(&self) -> Vec<DeviceEvent> {
        self.watched.events.lock().unwrap().iter().map(|(_, event)| event.clone()).collect()
    }

    /// The last words of jobs, as the endpoints saw them.
    pub fn steps(&self) -> Vec<String> {
        let is_step = |note: &&String| note.contains("IN_PROGRESS") || note.contains("reason");
        self.notes().iter().filter(is_step).map(|note| note.split_once(": ").unwrap().1.to_owned()).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub fn config(plan: ThingPlan) -> ThingConfig {
    ThingConfig {
        index: 7,
        home: None,
        name: "hvac-7".into(),
        plan: Arc::new(plan),
        tls: None,
        version: "v1".into(),
        phase: Duration::ZERO,
        nature: Nature::default(),
    }
}

/// A plan whose lobby is `lobby`, and which comes back at once after the first failure.
pub fn plan() -> ThingPlan {
    ThingPlan {
        backoff: Backoff { first: Duration::from_millis(100), ..Backoff::default() },
        ..ThingPlan::new("lobby")
    }
}
