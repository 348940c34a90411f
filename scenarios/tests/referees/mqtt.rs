//! The data plane under Debian's `mosquitto_pub` and `mosquitto_sub`: TLS with a certificate, MQTT 3.1.1 and 5, retained
//! messages, wills, sessions that outlive their connections; and who is turned away. AWS's SDK for devices and Eclipse's paho, both
//! Python, are driven by `devices.py`.

use crate::bench::{Bench, referee};
use crate::process::{Process, mortal, run, said};
use crate::server::{Person, Server};
use fleetproof_wire::http::Request;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs::{self, File};
use std::process::{Command, Stdio};

const PROGRAMS: &[&str] = &["mosquitto_pub", "mosquitto_sub", "openssl"];

/// Where an account's operations are.
const ACCOUNT: &str = "/api/management/v1/iot";

/// The versions of the protocol, as the programs call them.
const VERSIONS: &[&str] = &["mqttv311", "mqttv5"];

/// A device with its certificate in files.
#[derive(Clone)]
pub struct Device {
    pub thing: String,
    pub certificate: String,
    pub key: String,
    pub authority: String,
    pub port: String,
}

impl Device {
    /// The device that `serve` tells of.
    pub fn told(bench: &Bench, server: &Server) -> Self {
        let door = server.door();
        let text = |path: &str| door.pointer(path).and_then(Value::as_str).unwrap().to_owned();
        Self::kept(bench, server, &text("/device/thing"), &text("/device/certificate"), &text("/device/key"))
    }

    fn kept(bench: &Bench, server: &Server, thing: &str, certificate: &str, key: &str) -> Self {
        let file = |name: String, text: &str| bench.write(&name, text).to_str().unwrap().to_owned();
        let own = server.door()["own"].as_str().unwrap();
        Self {
            thing: thing.to_owned(),
            certificate: file(format!("{thing}.crt"), certificate),
            key: file(format!("{thing}.key"), key),
            authority: server.ca_certificate().to_owned(),
            port: own.rsplit_once(':').unwrap().1.to_owned(),
        }
    }

    /// Another device of the same account, made by its admin.
    async fn made(bench: &Bench, server: &Server, admin: &Person, thing: &str) -> Self {
        let root = ACCOUNT;
        let certificate = format!("{root}/keys-and-certificate?setAsActive=true");
        let made = admin.ask(Request::new("POST", certificate)).await;
        assert_eq!(made.status, 200, "{}", made.text());
        let made: Value = serde_json::from_slice(&made.body).unwrap();
        let text = |path: &str| made.pointer(path).and_then(Value::as_str).unwrap();
        admin.say("POST", &format!("{root}/things/{thing}"), &json!({}), 200).await;
        let target = json!({ "target": text("/certificateArn") });
        admin.say("PUT", &format!("{root}/target-policies/fleetproof-thing"), &target, 200).await;
        let attach = Request::new("PUT", format!("{root}/things/{thing}/principals"));
        let attached = admin.ask(attach.header("x-amzn-principal", text("/certificateArn"))).await;
        assert_eq!(attached.status, 200, "{}", attached.text());
        Self::kept(bench, server, thing, text("/certificatePem"), text("/keyPair/PrivateKey"))
    }

    /// This device under the name of another one.
    fn called(&self, thing: &str) -> Self {
        Self { thing: thing.to_owned(), ..self.clone() }
    }

    /// A program that connects as this device.
    fn command(&self, mut command: Command, version: &str, arguments: &[&str]) -> Command {
        command.args(["-h", "localhost", "-p", &self.port, "--cafile", &self.authority]);
        command.args(["--cert", &self.certificate, "--key", &self.key, "-i", &self.thing, "-V", version, "-d"]);
        command.args(arguments);
        command
    }

    /// Says something and waits until it is acknowledged; what the program said if it did not work.
    fn publish(&self, version: &str, topic: &str, arguments: &[&str]) -> Result<(), String> {
        let output =
            run(&mut self.command(Command::new("mosquitto_pub"), version, &[&["-t", topic], arguments].concat()));
        if output.status.success() { Ok(()) } else { Err(said(&output)) }
    }

    /// Listens in the background, into a file of the bench.
    fn listen(&self, bench: &Bench, version: &str, file: &str, arguments: &[&str]) -> Process {
        // It keeps what it says to itself until there is much of it, unless told otherwise.
        let mut lines = mortal("stdbuf");
        lines.args(["-oL", "mosquitto_sub"]);
        let mut command = self.command(lines, version, arguments);
        let log = File::create(bench.path(file)).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Process::start("mosquitto_sub", &mut command)
    }
}

/// Waits until a listener's file has this line.
async fn wait_for(bench: &Bench, file: &str, line: &str) {
    let seen = async || {
        let text = fs::read_to_string(bench.path(file)).unwrap_or_default();
        text.lines().any(|said| said.contains(line)).then_some(())
    };
    bench.wait(&format!("`{line}` in {file}"), seen).await;
}

/// What `mosquitto_pub` says when it is not let in. AWS's return code 7 is none of version 3.1.1, so it has no words for it.
fn turned_away(version: &str) -> &'static str {
    if version == "mqttv5" { "Not authorized" } else { "unknown reason" }
}

/// A client id may connect once a second.
async fn pause(bench: &Bench) {
    bench.clock.sleep(std::time::Duration::from_millis(1_100)).await;
}

#[test]
fn referee_mosquitto_says_and_hears() {
    referee("mqtt", PROGRAMS, async |bench| {
        let server = Server::start(bench);
        let admin = server.login().await;
        let speaker = Device::told(bench, &server);
        let listener = Device::made(bench, &server, &admin, "listener").await;
        for version in VERSIONS {
            let file = format!("{version}.log");
            let topic = format!("app/listener/{version}");
            let listening =
                listener.listen(bench, version, &file, &["-t", &topic, "-q", "1", "-F", "heard %t %q %r %p"]);
            wait_for(bench, &file, "Subscribed").await;
            // Its policy lets the speaker say nothing there; it is not heard, and told so where the version has words for it.
            let refused = speaker.publish(version, &topic, &["-q", "1", "-m", "from a stranger"]);
            assert_eq!(refused.is_err(), *version == "mqttv311", "{refused:?}");
            listening.kill();
            let heard = fs::read_to_string(bench.path(&file)).unwrap();
            assert!(!heard.contains("from a stranger"), "{heard}");
            pause(bench).await;

            let own = format!("app/{}/{version}", speaker.thing);
            speaker.publish(version, &own, &["-q", "1", "-m", "kept", "-r"]).unwrap();
            pause(bench).await;
            // A message of its own that was kept, and only that.
            let file = format!("{version}-kept.log");
            let listening = speaker.listen(bench, version, &file, &["-t", &own, "-q", "1", "-F", "heard %t %q %r %p"]);
            wait_for(bench, &file, &format!("heard {own} 1 1 kept")).await;
            listening.kill();
            pause(bench).await;
        }
        server.end();
    });
}

#[test]
fn referee_mosquitto_leaves_a_will_and_comes_back_to_its_session() {
    referee("mqtt_sessions", PROGRAMS, async |bench| {
        let server = Server::start(bench);
        let admin = server.login().await;
        let mortal = Device::told(bench, &server);
        let heir = Device::made(bench, &server, &admin, "heir").await;
        for version in VERSIONS {
            // The heir listens to what everybody may hear, goes away, and gets what was said meanwhile when it comes back.
            let keeps: &[&str] = if *version == "mqttv5" { &["-c", "-x", "600"] } else { &["-c"] };
            let arguments = |file: &'static str| [keeps, &["-t", "app/all/#", "-q", "1", "-F", file][..]].concat();
            let file = format!("{version}-before.log");
            let before = heir.listen(bench, version, &file, &arguments("heard %t %p"));
            wait_for(bench, &file, "Subscribed").await;
            before.kill();
            pause(bench).await;

            let will = ["--will-topic", "app/all/obituary", "--will-payload", version, "--will-qos", "1"];
            let own = format!("app/{}/x", mortal.thing);
            let file = format!("{version}-mortal.log");
            let dying = mortal.listen(bench, version, &file, &[&["-t", own.as_str()][..], &will[..]].concat());
            wait_for(bench, &file, "Subscribed").await;
            dying.kill();
            pause(bench).await;

            let file = format!("{version}-after.log");
            let after = heir.listen(bench, version, &file, &arguments("heard %t %p"));
            wait_for(bench, &file, &format!("heard app/all/obituary {version}")).await;
            after.kill();
            pause(bench).await;
        }
        server.end();
    });
}

#[test]
fn referee_mosquitto_is_turned_away_without_a_right() {
    referee("mqtt_refused", PROGRAMS, async |bench| {
        let server = Server::start(bench);
        let admin = server.login().await;
        let device = Device::told(bench, &server);
        let other = Device::made(bench, &server, &admin, "other").await;
        for version in VERSIONS {
            // Somebody else's name.
            let thief = device.called(&other.thing);
            let refused = thief.publish(version, "app/other/x", &["-m", "mine now"]).unwrap_err();
            assert!(refused.contains(turned_away(version)), "{refused}");
            // The control: whoever has that name gets in.
            other.publish(version, "app/other/x", &["-q", "1", "-m", "still mine"]).unwrap();
            pause(bench).await;
        }
        // A certificate that is not active any more.
        let id = bench.text("other.crt");
        let shown = run(Command::new("openssl").args(["x509", "-in", &id, "-noout", "-fingerprint", "-sha256"]));
        let fingerprint = said(&shown).trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase();
        let path = format!("/api/management/v1/iot/certificates/{fingerprint}?newStatus=INACTIVE");
        let changed = admin.ask(Request::new("PUT", path)).await;
        assert_eq!(changed.status, 200, "{}", changed.text());
        let refused = other.publish("mqttv5", "app/other/x", &["-m", "too late"]).unwrap_err();
        assert!(refused.contains(turned_away("mqttv5")), "{refused}");
        server.end();
    });
}

/// The Python that has the tools of `ci/requirements.txt`; `None`: there is none, and the test says so.
fn interpreter(name: &str) -> Option<OsString> {
    let python = std::env::var_os("FLEETPROOF_PYTHON");
    if python.is_none() {
        println!("SKIPPED {name}: FLEETPROOF_PYTHON names no Python with the tools of ci/requirements.txt");
    }
    python
}

/// Runs a kind of client that `devices.py` knows, with what this device has.
fn drive(python: &OsString, kind: &str, device: &Device, name: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/referees/devices.py");
    let mut command = Command::new(python);
    command.args([script, kind, "localhost", &device.port, &device.authority, &device.certificate, &device.key, name]);
    let output = run(&mut command);
    assert!(output.status.success(), "{}", said(&output));
}

/// Runs a kind of client as the device that `serve` tells of.
fn python(name: &str, kind: &str) {
    referee(name, &[], async |bench| {
        let Some(python) = interpreter(name) else { return };
        let server = Server::start(bench);
        let device = Device::told(bench, &server);
        drive(&python, kind, &device, &device.thing);
        server.end();
    });
}

#[test]
fn referee_paho_speaks_both_versions() {
    python("mqtt_paho", "paho");
}

#[test]
fn referee_aws_sdk_keeps_a_shadow() {
    python("mqtt_sdk", "sdk");
}

#[test]
fn referee_aws_sdk_carries_out_jobs() {
    referee("mqtt_sdk_jobs", &[], async |bench| {
        let Some(python) = interpreter("mqtt_sdk_jobs") else { return };
        let server = Server::start(bench);
        let admin = server.login().await;
        let device = Device::told(bench, &server);
        let who = admin.ask(Request::new("GET", format!("{ACCOUNT}/caller-identity"))).await;
        let who: Value = serde_json::from_slice(&who.body).unwrap();
        let (region, account) = (who["Region"].as_str().unwrap(), who["Account"].as_str().unwrap());
        let target = format!("arn:aws:iot:{region}:{account}:thing/{}", device.thing);
        for job in ["first", "second"] {
            let new = json!({ "targets": [target], "document": json!({ "operation": job }).to_string() });
            admin.say("PUT", &format!("{ACCOUNT}/jobs/{job}"), &new, 200).await;
        }
        drive(&python, "jobs", &device, &device.thing);
        for job in ["first", "second"] {
            let path = format!("{ACCOUNT}/things/{}/jobs/{job}", device.thing);
            let told: Value = serde_json::from_slice(&admin.ask(Request::new("GET", path)).await.body).unwrap();
            assert_eq!(told.pointer("/execution/status"), Some(&json!("SUCCEEDED")), "{told}");
        }
        server.end();
    });
}

/// Things are called `hvac-<SerialNumber>`, and may do nothing but come in.
fn template() -> Value {
    let own = "client/${iot:Connection.Thing.ThingName}";
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "iot:Connect", "Resource": format!("arn:aws:iot:*:*:{own}") },
    ] });
    let body = json!({
        "Parameters": { "SerialNumber": { "Type": "String" } },
        "Resources": {
            "thing": { "Type": "AWS::IoT::Thing", "Properties": {
                "ThingName": { "Fn::Join": ["-", ["hvac", { "Ref": "SerialNumber" }]] } } },
            "certificate": { "Type": "AWS::IoT::Certificate", "Properties": {
                "CertificateId": { "Ref": "AWS::IoT::Certificate::Id" }, "Status": "Active" } },
            "policy": { "Type": "AWS::IoT::Policy", "Properties": { "PolicyDocument": policy.to_string() } },
        },
        "DeviceConfiguration": { "pace": "slow" },
    });
    json!({ "templateName": "line-1", "templateBody": body.to_string(), "enabled": true })
}

#[test]
fn referee_aws_sdk_is_provisioned() {
    referee("mqtt_sdk_provisioning", &[], async |bench| {
        let Some(python) = interpreter("mqtt_sdk_provisioning") else { return };
        let server = Server::start(bench);
        let admin = server.login().await;
        admin.say("POST", &format!("{ACCOUNT}/provisioning-templates"), &template(), 200).await;
        // A claim for a few minutes, which whoever installs the device is given.
        let claim = format!("{ACCOUNT}/provisioning-templates/line-1/provisioning-claim");
        let claim = admin.ask(Request::new("POST", claim)).await;
        assert_eq!(claim.status, 200, "{}", claim.text());
        let claim: Value = serde_json::from_slice(&claim.body).unwrap();
        let text = |path: &str| claim.pointer(path).and_then(Value::as_str).unwrap();
        let box_1 = Device::kept(bench, &server, "box-1", text("/certificatePem"), text("/keyPair/PrivateKey"));
        drive(&python, "provisioning", &box_1, "line-1");
        let thing = admin.ask(Request::new("GET", format!("{ACCOUNT}/things/hvac-7"))).await;
        assert_eq!(thing.status, 200, "{}", thing.text());
        server.end();
    });
}
