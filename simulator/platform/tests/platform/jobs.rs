//! Jobs: what an account's people ask for, what its things are told and say, and what time alone does. Devices speak MQTT over
//! pipes in memory, in virtual time.

use crate::common::{Caller, Stage, with_platform};
use crate::family::log;
use crate::papers::Authority;
use crate::registry::{HOME, about, good, iot, refused, text};
use crate::updates::{bring, version};
use bytes::BytesMut;
use fleetproof_platform::registry::Endpoint;
use fleetproof_wire::mqtt::packet::{Connect, Publish, Subscribe, Subscription};
use fleetproof_wire::mqtt::{Codec, Packet, Qos, Version};
use fleetproof_world::tls::Peer;
use fleetproof_world::{Clock, Stream};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

/// An account whose devices can connect.
struct Site {
    by: Caller,
    account: String,
    clock: Clock,
    clients: UnboundedSender<(Stream, Peer)>,
    stop: CancellationToken,
}

impl Site {
    async fn open(stage: &Stage) -> Self {
        let tenant = stage.tenant("acme", 10).await.tenant_id;
        let by = stage.login("admin@acme.example").await;
        let (clients, come) = unbounded_channel();
        let stop = CancellationToken::new();
        let host = text(&good(&by, "GET", "endpoint", &Value::Null).await["endpointAddress"]);
        let account = stage.platform.account(&tenant).await.unwrap().unwrap().account;
        let endpoint = Endpoint { tenant, account: account.clone(), region: HOME.to_owned(), host };
        let (platform, until) = (stage.platform.clone(), stop.clone());
        tokio::spawn(async move { platform.serve_clients_of(endpoint, come, until).await });
        let (platform, until) = (stage.platform.clone(), stop.clone());
        tokio::spawn(async move { platform.keep_data_plane(until).await });
        let allow = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "iot:*", "Resource": "*" }] });
        good(&by, "POST", "policies/p", &json!({ "policyDocument": allow.to_string() })).await;
        good(&by, "POST", "thing-groups/all", &json!({})).await;
        Self { by, account, clock: stage.world.clock.clone(), clients, stop }
    }

    /// A thing in the group.
    async fn thing(&self, name: &str) {
        good(&self.by, "POST", &format!("things/{name}"), &json!({})).await;
        let pair = json!({ "thingGroupName": "all", "thingName": name });
        good(&self.by, "PUT", "thing-groups/addThingToThingGroup", &pair).await;
    }

    /// A thing in the group whose device is there and listens to what it is told of its jobs.
    async fn device(&self, name: &str, number: u8) -> Device {
        self.thing(name).await;
        let paper = Authority::new("Factory", 1).sign(name, number);
        let pem = json!({ "certificatePem": paper.pem, "status": "ACTIVE" });
        let arn = text(&good(&self.by, "POST", "certificate/register-no-ca", &pem).await["certificateArn"]);
        good(&self.by, "PUT", "target-policies/p", &json!({ "target": arn })).await;
        assert_eq!(about(&self.by, "PUT", &format!("things/{name}/principals"), &arn).await.status, 200);
        let (near, far) = tokio::io::duplex(1 << 16);
        let peer = Peer { certificates: vec![paper.der], server_name: None, alpn: None, from: name.into() };
        self.clients.send((Box::new(far), peer)).unwrap();
        let mut device = Device {
            stream: Box::new(near),
            codec: Codec::client(Version::V5, 1 << 20),
            came: BytesMut::new(),
            clock: self.clock.clone(),
            name: name.to_owned(),
        };
        device.say(&Packet::Connect(Box::new(Connect::new(Version::V5, name)))).await;
        assert!(matches!(device.hear(5).await, Some(Packet::ConnAck(answer)) if answer.code == 0));
        let filter = |end: &str| Subscription::new(&format!("$aws/things/{name}/jobs/{end}"), Qos::AtMostOnce);
        let filters = vec![filter("notify"), filter("notify-next")];
        let subscribe = Subscribe { packet_id: 1, filters, identifier: None, user_properties: Vec::new() };
        device.say(&Packet::Subscribe(subscribe)).await;
        assert!(matches!(device.hear(5).await, Some(Packet::SubAck(answer)) if answer.codes == [0, 0]));
        device
    }

    fn arn(&self, resource: &str) -> String {
        format!("arn:aws:iot:{HOME}:{}:{resource}", self.account)
    }

    /// The body of a job for the group, with more.
    fn job(&self, more: &Value) -> Value {
        let mut body = json!({ "targets": [self.arn("thinggroup/all")], "document": "{\"do\":\"it\"}" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    }

    async fn create(&self, id: &str, more: &Value) {
        let made = good(&self.by, "PUT", &format!("jobs/{id}"), &self.job(more)).await;
        assert_eq!(made["jobArn"], self.arn(&format!("job/{id}")));
    }

    /// A job's status, and how many things are where, as far as any are.
    async fn status(&self, id: &str) -> String {
        let job = good(&self.by, "GET", &format!("jobs/{id}"), &Value::Null).await["job"].clone();
        let counts = job["jobProcessDetails"].as_object().unwrap();
        let counts = counts.iter().filter(|(_, n)| **n != 0).map(|(name, n)| format!(" {name}={n}"));
        format!("{}{}", text(&job["status"]), counts.collect::<String>()).replace("numberOf", "").replace("Things", "")
    }

    /// `thing or job/number status` of each execution that a list has.
    async fn listed(&self, path: &str) -> Vec<String> {
        let list = good(&self.by, "GET", path, &Value::Null).await;
        let line = |entry: &Value| {
            let whose = entry["thingArn"].as_str().or(entry["jobId"].as_str()).unwrap().rsplit('/').next().unwrap();
            let one = &entry["jobExecutionSummary"];
            format!("{whose}/{} {}", one["executionNumber"], text(&one["status"]))
        };
        list["executionSummaries"].as_array().unwrap().iter().map(line).collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Device {
    stream: Stream,
    codec: Codec,
    came: BytesMut,
    clock: Clock,
    name: String,
}

impl Device {
    async fn say(&mut self, packet: &Packet) {
        let mut bytes = BytesMut::new();
        self.codec.encode(packet, &mut bytes).unwrap();
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// The next packet within so many seconds.
    async fn hear(&mut self, seconds: u64) -> Option<Packet> {
        let end = self.clock.now().after(Duration::from_secs(seconds));
        loop {
            if let Some(packet) = self.codec.decode(&mut self.came).unwrap() {
                return Some(packet);
            }
            self.came.reserve(1_024);
            match self.clock.until(end, self.stream.read_buf(&mut self.came)).await {
                Some(Ok(read)) if read > 0 => {}
                _ => return None,
            }
        }
    }

    /// The next message within so many seconds: the end of its topic, and what it says.
    async fn message(&mut self, seconds: u64) -> Option<(String, Value)> {
        match self.hear(seconds).await? {
            Packet::Publish(message) => {
                let end = message.topic.strip_prefix(&format!("$aws/things/{}/jobs/", self.name)).unwrap().to_owned();
                Some((end, serde_json::from_slice(&message.payload).unwrap()))
            }
            other => panic!("{other:?}"),
        }
    }

    /// Asks something; the answer, and whether it was accepted.
    async fn ask(&mut self, what: &str, body: &Value) -> (bool, Value) {
        let topic = format!("$aws/things/{}/jobs/{what}", self.name);
        self.say(&Packet::Publish(Publish::new(&topic, body.to_string(), Qos::AtMostOnce))).await;
        let (end, told) = self.message(5).await.unwrap();
        assert!(end == format!("{what}/accepted") || end == format!("{what}/rejected"), "{end}");
        (end.ends_with("accepted"), told)
    }

    /// The next two messages: what is pending (`QUEUED=1` …), and `job/number` that is next.
    async fn told(&mut self, seconds: u64) -> (String, String) {
        let (end, notify) = self.message(seconds).await.expect("a notify");
        assert_eq!(end, "notify");
        let jobs = notify["jobs"].as_object().unwrap().iter();
        let pending: Vec<_> = jobs.map(|(name, list)| format!("{name}={}", list.as_array().unwrap().len())).collect();
        (pending.join(" "), self.next(seconds).await)
    }

    async fn next(&mut self, seconds: u64) -> String {
        let (end, next) = self.message(seconds).await.expect("a notify-next");
        assert_eq!(end, "notify-next");
        next.get("execution").map_or(String::new(), |one| format!("{}/{}", text(&one["jobId"]), one["executionNumber"]))
    }
}

fn pair(pending: &str, next: &str) -> (String, String) {
    (pending.to_owned(), next.to_owned())
}

#[test]
fn a_job_goes_to_its_thing_and_comes_to_its_end() {
    with_platform(None, async |stage| {
        let site = Site::open(&stage).await;
        let mut pump = site.device("pump", 2).await;
        assert_eq!(pump.ask("start-next", &json!({})).await.1.get("execution"), None);
        let before = log(&site.by, 0).await.len();
        site.create("fix", &json!({ "description": "d" })).await;
        assert_eq!(pump.told(1).await, pair("QUEUED=1", "fix/1"));
        assert_eq!(site.status("fix").await, "IN_PROGRESS Queued=1");

        let (is_good, told) = pump.ask("start-next", &json!({ "clientToken": "t" })).await;
        assert!(is_good);
        assert_eq!((&told["clientToken"], &told["execution"]["jobDocument"]), (&json!("t"), &json!({ "do": "it" })));
        assert_eq!(site.status("fix").await, "IN_PROGRESS InProgress=1");
        let wrong = json!({ "status": "SUCCEEDED", "expectedVersion": 7 });
        assert_eq!(pump.ask("fix/update", &wrong).await.1["code"], "VersionMismatch");
        let done = json!({ "status": "SUCCEEDED", "statusDetails": { "a": "b" }, "expectedVersion": 2 });
        assert!(pump.ask("fix/update", &done).await.0);
        assert_eq!(pump.told(1).await, pair("", ""));
        assert_eq!(pump.ask("fix/update", &done).await.1["code"], "VersionMismatch");
        assert_eq!(site.status("fix").await, "COMPLETED Succeeded=1");

        assert_eq!(site.listed("jobs/fix/things").await, ["pump/1 SUCCEEDED"]);
        assert_eq!(site.listed("things/pump/jobs?status=SUCCEEDED").await, ["fix/1 SUCCEEDED"]);
        assert_eq!(site.listed("things/pump/jobs?status=QUEUED").await, [""; 0]);
        let one = good(&site.by, "GET", "things/pump/jobs/fix", &Value::Null).await["execution"].clone();
        assert_eq!((&one["statusDetails"]["detailsMap"]["a"], &one["versionNumber"]), (&json!("b"), &json!(3)));
        let document = good(&site.by, "GET", "jobs/fix/job-document", &Value::Null).await;
        assert_eq!(document["document"], "{\"do\":\"it\"}");
        let jobs = good(&site.by, "GET", "jobs?status=COMPLETED", &Value::Null).await;
        assert_eq!((&jobs["jobs"][0]["jobId"], &jobs["jobs"][1]), (&json!("fix"), &Value::Null));
        good(&site.by, "DELETE", "jobs/fix", &Value::Null).await;
        assert_eq!(refused(&iot(&site.by, "GET", "jobs/fix", &Value::Null).await).0, 404);
        assert_eq!(site.listed("things/pump/jobs").await, [""; 0]);
        assert_eq!(pump.ask("fix/get", &json!({})).await.1["code"], "ResourceNotFound");
        assert_eq!(log(&site.by, before).await, ["create/job", "delete/job"]);
    });
}

#[test]
fn a_rollout_goes_on_by_itself_and_tells_in_time() {
    with_platform(None, async |stage| {
        let site = Site::open(&stage).await;
        site.thing("a").await;
        site.thing("b").await;
        let mut last = site.device("c", 2).await;
        let begin = site.clock.unix_ms();
        site.create("slow", &json!({ "jobExecutionsRolloutConfig": { "maximumPerMinute": 1 } })).await;
        // Nobody asks anything: the third of one a minute.
        assert_eq!(last.told(300).await, pair("QUEUED=1", "slow/1"));
        assert_eq!(site.clock.unix_ms() - begin, 120_000);
        assert_eq!(site.listed("jobs/slow/things").await, ["a/1 QUEUED", "b/1 QUEUED", "c/1 QUEUED"]);
    });
}

#[test]
fn whoever_looks_does_first_what_time_has_done() {
    with_platform(None, async |stage| {
        // Nobody keeps time here.
        let site = Site::open(&stage).await;
        site.stop.cancel();
        for name in ["a", "b", "c"] {
            site.thing(name).await;
        }
        site.create("slow", &json!({ "jobExecutionsRolloutConfig": { "maximumPerMinute": 1 } })).await;
        let begin = site.clock.unix_ms();
        site.clock.sleep(Duration::from_secs(90)).await;
        assert_eq!(site.listed("jobs/slow/things").await, ["a/1 QUEUED", "b/1 QUEUED"]);
        site.clock.sleep(Duration::from_secs(600)).await;
        assert_eq!(site.listed("things/c/jobs").await, ["slow/1 QUEUED"]);
        let one = good(&site.by, "GET", "things/c/jobs/slow", &Value::Null).await;
        let queued = one["execution"]["queuedAt"].as_f64().unwrap() * 1e3 - begin as f64;
        assert!((queued - 120_000.0).abs() < 1.0, "made when it was due, not when somebody looked: {queued}");
    });
}

#[test]
fn what_takes_too_long_ends_and_is_tried_again() {
    with_platform(None, async |stage| {
        let site = Site::open(&stage).await;
        let mut pump = site.device("pump", 2).await;
        let retry = json!({ "criteriaList": [{ "failureType": "TIMED_OUT", "numberOfRetries": 1 }] });
        let more = json!({ "timeoutConfig": { "inProgressTimeoutInMinutes": 1 }, "jobExecutionsRetryConfig": retry });
        site.create("hang", &more).await;
        assert_eq!(pump.told(1).await, pair("QUEUED=1", "hang/1"));
        assert!(pump.ask("start-next", &json!({})).await.0);
        let begin = site.clock.unix_ms();
        assert_eq!(pump.told(300).await, pair("QUEUED=1", "hang/2"));
        assert_eq!(site.clock.unix_ms() - begin, 60_000);
        assert_eq!(site.listed("jobs/hang/things").await, ["pump/1 TIMED_OUT", "pump/2 QUEUED"]);
        assert_eq!(site.status("hang").await, "IN_PROGRESS Queued=1");
        let page = good(&site.by, "GET", "jobs/hang/things?maxResults=1", &Value::Null).await;
        let rest = format!("jobs/hang/things?maxResults=1&nextToken={}", text(&page["nextToken"]));
        assert_eq!(site.listed(&rest).await, ["pump/2 QUEUED"]);
        assert!(pump.ask("start-next", &json!({})).await.0);
        assert_eq!(pump.told(300).await, pair("", ""));
        assert_eq!(site.status("hang").await, "COMPLETED TimedOut=1");
    });
}

#[test]
fn enough_failures_stop_a_job_and_the_others_are_told() {
    with_platform(None, async |stage| {
        let site = Site::open(&stage).await;
        let (mut a, mut b) = (site.device("a", 2).await, site.device("b", 3).await);
        let rule = json!({ "failureType": "FAILED", "action": "CANCEL", "thresholdPercentage": 50, "minNumberOfExecutedThings": 1 });
        site.create("bad", &json!({ "abortConfig": { "criteriaList": [rule] } })).await;
        assert_eq!(a.told(1).await, pair("QUEUED=1", "bad/1"));
        assert_eq!(b.told(1).await, pair("QUEUED=1", "bad/1"));
        assert!(a.ask("bad/update", &json!({ "status": "FAILED" })).await.0);
        assert_eq!(a.told(1).await, pair("", ""));
        assert_eq!(b.told(1).await, pair("", ""));
        assert_eq!(site.status("bad").await, "CANCELED Canceled=1 Failed=1");
    });
}

#[test]
fn cancel_and_delete_need_force_for_what_has_begun() {
    with_platform(None, async |stage| {
        let site = Site::open(&stage).await;
        let (mut a, mut b) = (site.device("a", 2).await, site.device("b", 3).await);
        site.create("one", &json!({})).await;
        assert_eq!((a.told(1).await, b.told(1).await), (pair("QUEUED=1", "one/1"), pair("QUEUED=1", "one/1")));
        assert!(a.ask("start-next", &json!({})).await.0);
        let told = iot(&site.by, "DELETE", "jobs/one", &Value::Null).await;
        assert_eq!(refused(&told), (409, "InvalidStateTransitionException".to_owned()));
        good(&site.by, "PUT", "jobs/one/cancel", &json!({ "reasonCode": "WRONG", "comment": "c" })).await;
        assert_eq!(b.told(1).await, pair("", ""));
        assert_eq!(a.message(1).await, None, "what it has begun goes on");
        assert_eq!(site.status("one").await, "CANCELED Canceled=1 InProgress=1");
        let again = iot(&site.by, "PUT", "jobs/one/cancel", &json!({})).await;
        assert_eq!(refused(&again), (409, "InvalidStateTransitionException".to_owned()));
        assert!(a.ask("one/update", &json!({ "status": "SUCCEEDED" })).await.0);
        assert_eq!(a.told(1).await, pair("", ""));

        site.create("two", &json!({})).await;
        assert_eq!((a.told(1).await, b.told(1).await), (pair("QUEUED=1", "two/1"), pair("QUEUED=1", "two/1")));
        assert!(a.ask("start-next", &json!({})).await.0);
        good(&site.by, "PUT", "jobs/two/cancel?force=true", &json!({})).await;
        assert_eq!((a.told(1).await, b.told(1).await), (pair("", ""), pair("", "")));
        let one = good(&site.by, "GET", "things/a/jobs/two", &Value::Null).await;
        assert_eq!(one["execution"]["forceCanceled"], true);

        site.create("three", &json!({})).await;
        assert_eq!((a.told(1).await, b.told(1).await), (pair("QUEUED=1", "three/1"), pair("QUEUED=1", "three/1")));
        good(&site.by, "DELETE", "jobs/three?force=true", &Value::Null).await;
        assert_eq!((a.told(1).await, b.told(1).await), (pair("", ""), pair("", "")));
    });
}

#[test]
fn what_is_not_served_or_not_there_is_refused_before_anything_is_made() {
    with_platform(None, async |stage| {
        let site = Site::open(&stage).await;
        site.thing("pump").await;
        site.create("there", &json!({})).await;
        let entries = log(&site.by, 0).await;
        let elsewhere = format!("arn:aws:iot:{HOME}:000000000000:thing/pump");
        let rows = [
            ("there", json!({}), 409, "ResourceAlreadyExistsException"),
            ("new", json!({ "targetSelection": "CONTINUOUS" }), 400, "InvalidRequestException"),
            ("new", json!({ "targets": [elsewhere] }), 400, "InvalidRequestException"),
            ("new", json!({ "targets": [site.arn("thing/nobody")] }), 404, "ResourceNotFoundException"),
            ("new", json!({ "targets": [site.arn("thinggroup/nobody")] }), 404, "ResourceNotFoundException"),
            ("new", json!({ "document": "no JSON" }), 400, "InvalidRequestException"),
            (
                "new",
                json!({ "document": "{\"a\":\"${aws:iot:s3-presigned-url:https://s3/x}\"}" }),
                404,
                "ResourceNotFoundException",
            ),
            ("n.w", json!({}), 400, "InvalidRequestException"),
        ];
        for (id, more, status, name) in rows {
            let told = iot(&site.by, "PUT", &format!("jobs/{id}"), &site.job(&more)).await;
            assert_eq!(refused(&told), (status, name.to_owned()), "{more}: {}", told.text());
        }
        assert_eq!(log(&site.by, 0).await, entries);
        let jobs = good(&site.by, "GET", "jobs", &Value::Null).await;
        assert_eq!((&jobs["jobs"][0]["jobId"], &jobs["jobs"][1]), (&json!("there"), &Value::Null));
        // A thing that is deleted takes its executions along: nothing is left to wait for.
        good(&site.by, "DELETE", "things/pump", &Value::Null).await;
        assert_eq!(site.status("there").await, "COMPLETED");
    });
}

#[test]
fn a_placeholder_becomes_a_link_whenever_its_device_asks_and_points_to_ones_own_bytes_only() {
    with_platform(None, async |stage| {
        let site = Site::open(&stage).await;
        let mut pump = site.device("pump", 2).await;
        let artifact = bring(&stage, &site.by, &version("2.0")).await;
        let told = site.by.get(&format!("/api/management/v1/deployments/artifacts/{artifact}/download")).await.json();
        let place = text(&told["uri"]).split('?').next().unwrap().to_owned();
        let document = |place: &str| json!({ "url": format!("${{aws:iot:s3-presigned-url:{place}}}") }).to_string();
        let role = json!({ "roleArn": "arn:aws:iam::000000000000:role/jobs", "expiresInSec": 60 });
        site.create("linked", &json!({ "document": document(&place), "presignedUrlConfig": role })).await;
        pump.told(5).await;
        let link = async |pump: &mut Device| {
            let told = pump.ask("linked/get", &json!({})).await.1;
            text(&told["execution"]["jobDocument"]["url"])
        };
        let first = link(&mut pump).await;
        assert!(first.starts_with(&place) && first.contains("signature="), "{first}");
        let path = first.split_once("://").unwrap().1.split_once('/').unwrap().1;
        assert_eq!(Caller::new(&stage.gateway, None).get(&format!("/{path}")).await.status, 200);
        site.clock.sleep(Duration::from_secs(61)).await;
        assert_eq!(Caller::new(&stage.gateway, None).get(&format!("/{path}")).await.status, 403, "it has ended");
        assert_ne!(link(&mut pump).await, first, "a new one, for who asks again");
        // People are shown the placeholder.
        let shown = good(&site.by, "GET", "jobs/linked/job-document", &Value::Null).await;
        assert!(text(&shown["document"]).contains("${aws:iot"), "{shown}");
        // Another's bytes are as what never existed.
        stage.tenant("globex", 10).await;
        let gus = stage.login("admin@globex.example").await;
        let theirs = bring(&stage, &gus, &version("2.0")).await;
        let told = gus.get(&format!("/api/management/v1/deployments/artifacts/{theirs}/download")).await.json();
        let foreign = text(&told["uri"]).split('?').next().unwrap().to_owned();
        let unknown = foreign.replace(&theirs, "00000000-0000-4000-8000-000000000000");
        for place in [foreign, unknown] {
            let told = iot(&site.by, "PUT", "jobs/new", &site.job(&json!({ "document": document(&place) }))).await;
            assert_eq!(refused(&told), (404, "ResourceNotFoundException".to_owned()));
        }
    });
}
