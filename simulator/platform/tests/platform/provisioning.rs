//! Fleet provisioning: devices that share a claim become things of their own. Real packets over TLS, in virtual time.

use crate::common::{Caller, Stage, with_platform};
use crate::endpoint::{Harbour, Line, Owner, device, owner};
use crate::registry::{good, iot, text};
use fleetproof_world::tls::Identity;
use serde_json::{Value, json};
use std::time::Duration;

/// A template as `CreateProvisioningTemplate` takes it.
pub fn template(name: &str, enabled: bool) -> Value {
    let allow = |action: &str, rest: &str| json!({ "Effect": "Allow", "Action": action, "Resource": format!("arn:aws:iot:*:*:{rest}") });
    let own = "${iot:Connection.Thing.ThingName}";
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        allow("iot:Connect", &format!("client/{own}")),
        allow("iot:Publish", &format!("topic/app/{own}")),
    ] });
    let body = json!({
        "Parameters": { "SerialNumber": { "Type": "String" }, "Site": { "Type": "String", "Default": "berlin" } },
        "Resources": {
            "thing": { "Type": "AWS::IoT::Thing", "Properties": {
                "ThingName": { "Fn::Join": ["-", ["hvac", { "Ref": "SerialNumber" }]] },
                "AttributePayload": { "site": { "Ref": "Site" } } } },
            "certificate": { "Type": "AWS::IoT::Certificate", "Properties": {
                "CertificateId": { "Ref": "AWS::IoT::Certificate::Id" }, "Status": "Active" } },
            "policy": { "Type": "AWS::IoT::Policy", "Properties": { "PolicyDocument": policy.to_string() } },
        },
        "DeviceConfiguration": { "pace": "slow" },
    });
    json!({ "templateName": name, "templateBody": body.to_string(), "enabled": enabled })
}

/// What must be refused like this.
async fn refused(by: &Caller, method: &str, path: &str, body: &Value, status: u16, name: &str) {
    let told = iot(by, method, path, body).await;
    assert_eq!(crate::registry::refused(&told), (status, name.to_owned()), "{method} {path}");
}

const KEYS: &str = "$aws/certificates/create/json";

fn provision(template: &str) -> String {
    format!("$aws/provisioning-templates/{template}/provision/json")
}

/// A certificate that many devices share, which may be provisioned and nothing else.
async fn shared(stage: &Stage, owner: &Owner, name: &str) -> Identity {
    let identity = device(stage, name, (-1, 300));
    let pem = json!({ "certificatePem": identity.chain().leaf_pem(), "status": "ACTIVE" });
    let arn = text(&good(&owner.by, "POST", "certificate/register-no-ca", &pem).await["certificateArn"]);
    let allow = |action: &str, rest: &str| json!({ "Effect": "Allow", "Action": action, "Resource": format!("arn:aws:iot:*:*:{rest}") });
    let document = json!({ "Version": "2012-10-17", "Statement": [
        allow("iot:Connect", "client/*"),
        allow("iot:Publish", "topic/$aws/certificates/create*"),
        allow("iot:Publish", "topic/$aws/provisioning-templates/*/provision/*"),
        allow("iot:Receive", "topic/$aws/certificates/create*"),
        allow("iot:Receive", "topic/$aws/provisioning-templates/*/provision/*"),
    ] });
    let policy = json!({ "policyDocument": document.to_string() });
    let told = iot(&owner.by, "POST", "policies/claim", &policy).await;
    assert!([200, 409].contains(&told.status));
    good(&owner.by, "PUT", "target-policies/claim", &json!({ "target": arn })).await;
    identity
}

/// Asks something; whether it was accepted, and what was answered.
async fn ask(line: &mut Line, topic: &str, body: &Value) -> (bool, Value) {
    line.publish(topic, &body.to_string()).await;
    let (answered, told) = line.message().await.expect("an answer");
    let accepted = answered == format!("{topic}/accepted");
    assert!(accepted || answered == format!("{topic}/rejected"), "{answered}");
    (accepted, serde_json::from_str(&told).unwrap())
}

fn code(told: &(bool, Value)) -> (bool, &str) {
    (told.0, told.1["errorCode"].as_str().unwrap_or_default())
}

fn identity(told: &Value) -> Identity {
    Identity::from_pem(&text(&told["certificatePem"]), &text(&told["privateKey"])).unwrap()
}

#[test]
fn a_device_with_a_shared_claim_becomes_a_thing_of_its_own() {
    with_platform(None, async |stage| {
        let harbour = Harbour::open(&stage).await;
        let acme = owner(&stage, "acme").await;
        good(&acme.by, "POST", "provisioning-templates", &template("line-1", true)).await;
        let claim = shared(&stage, &acme, "claim").await;
        let (mut line, code) = harbour.connect(&claim, &acme.host, "box-1").await.unwrap();
        assert_eq!(code, 0);
        let (accepted, made) = ask(&mut line, KEYS, &json!({})).await;
        assert!(accepted, "{made}");
        let own = identity(&made);
        assert_eq!(own.fingerprint(), text(&made["certificateId"]));
        // It is good for nothing yet.
        assert_eq!(harbour.connect(&own, &acme.host, "hvac-7").await.unwrap().1, 0x87);
        let body = json!({ "certificateOwnershipToken": made["certificateOwnershipToken"], "parameters": { "SerialNumber": "7" } });
        let (accepted, told) = ask(&mut line, &provision("line-1"), &body).await;
        assert_eq!(
            (accepted, told),
            (true, json!({ "thingName": "hvac-7", "deviceConfiguration": { "pace": "slow" } }))
        );
        stage.world.clock.sleep(Duration::from_secs(2)).await;
        assert_eq!(harbour.connect(&own, &acme.host, "hvac-7").await.unwrap().1, 0);
        let thing = good(&acme.by, "GET", "things/hvac-7", &Value::Null).await;
        assert_eq!(thing["attributes"], json!({ "site": "berlin" }));
        // Another client id than the thing's is not let in with it.
        stage.world.clock.sleep(Duration::from_secs(2)).await;
        assert_eq!(harbour.connect(&own, &acme.host, "hvac-8").await.unwrap().1, 0x87);
        let log = acme.by.get("/api/management/v1/auditlogs/logs?per_page=500&object_type=thing").await.json();
        assert_eq!((&log[0]["action"], &log[0]["object"]["id"]), (&json!("create"), &json!("hvac-7")));
    });
}

#[test]
fn a_key_that_is_brought_gets_a_certificate() {
    with_platform(None, async |stage| {
        let harbour = Harbour::open(&stage).await;
        let acme = owner(&stage, "acme").await;
        let claim = shared(&stage, &acme, "claim").await;
        let (mut line, _) = harbour.connect(&claim, &acme.host, "box-1").await.unwrap();
        let csr = crate::papers::request("box", 9).0;
        let topic = "$aws/certificates/create-from-csr/json";
        let (accepted, made) = ask(&mut line, topic, &json!({ "certificateSigningRequest": csr })).await;
        assert!(accepted && made.get("privateKey").is_none(), "{made}");
        let shown =
            good(&acme.by, "GET", &format!("certificates/{}", text(&made["certificateId"])), &Value::Null).await;
        assert_eq!(shown["certificateDescription"]["status"], "PENDING_ACTIVATION");
        let framed = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
        let told = ask(&mut line, topic, &json!({ "certificateSigningRequest": framed })).await;
        assert_eq!(code(&told), (false, "InvalidCertificateSigningRequest"));
    });
}

#[test]
fn a_token_is_good_once_in_time_and_for_who_asked_for_it() {
    with_platform(None, async |stage| {
        let harbour = Harbour::open(&stage).await;
        let (acme, globex) = (owner(&stage, "acme").await, owner(&stage, "globex").await);
        for owner in [&acme, &globex] {
            good(&owner.by, "POST", "provisioning-templates", &template("line-1", true)).await;
        }
        good(&acme.by, "POST", "provisioning-templates", &template("off", false)).await;
        let claim = shared(&stage, &acme, "claim").await;
        let other = shared(&stage, &acme, "other").await;
        let foreign = shared(&stage, &globex, "foreign").await;
        let (mut line, _) = harbour.connect(&claim, &acme.host, "box-1").await.unwrap();
        let (mut others, _) = harbour.connect(&other, &acme.host, "box-2").await.unwrap();
        let (mut foreigns, _) = harbour.connect(&foreign, &globex.host, "box-1").await.unwrap();
        let made = ask(&mut line, KEYS, &json!({})).await.1;
        let body = |serial: &str| json!({ "certificateOwnershipToken": made["certificateOwnershipToken"], "parameters": { "SerialNumber": serial } });
        let no = (false, "InvalidCertificateOwnershipToken");
        assert_eq!(code(&ask(&mut others, &provision("line-1"), &body("7")).await), no);
        assert_eq!(code(&ask(&mut foreigns, &provision("line-1"), &body("7")).await), no);
        for name in ["off", "never"] {
            assert_eq!(code(&ask(&mut line, &provision(name), &body("7")).await), (false, "ResourceNotFound"));
        }
        // What is refused has made nothing, and costs no token.
        assert_eq!(code(&ask(&mut line, &provision("line-1"), &body("a/b")).await), (false, "InvalidParameters"));
        assert!(ask(&mut line, &provision("line-1"), &body("7")).await.0);
        assert_eq!(code(&ask(&mut line, &provision("line-1"), &body("8")).await), no);
        refused(&acme.by, "GET", "things/hvac-8", &Value::Null, 404, "ResourceNotFoundException").await;

        // Nobody registers this one in time.
        let late = ask(&mut line, KEYS, &json!({})).await.1;
        stage.world.clock.sleep(Duration::from_secs(3_601)).await;
        let (mut line, _) = harbour.connect(&claim, &acme.host, "box-1").await.unwrap();
        let body = json!({ "certificateOwnershipToken": late["certificateOwnershipToken"], "parameters": { "SerialNumber": "9" } });
        assert_eq!(code(&ask(&mut line, &provision("line-1"), &body).await), no);
        assert!(ask(&mut line, KEYS, &json!({})).await.0);
        let path = format!("certificates/{}", text(&late["certificateId"]));
        refused(&acme.by, "GET", &path, &Value::Null, 404, "ResourceNotFoundException").await;
    });
}

#[test]
fn a_trusted_users_claim_opens_one_template_for_five_minutes() {
    with_platform(None, async |stage| {
        let harbour = Harbour::open(&stage).await;
        let acme = owner(&stage, "acme").await;
        for name in ["line-1", "line-2"] {
            good(&acme.by, "POST", "provisioning-templates", &template(name, true)).await;
        }
        let path = "provisioning-templates/line-1/provisioning-claim";
        let made = good(&acme.by, "POST", path, &Value::Null).await;
        let claim = Identity::from_pem(&text(&made["certificatePem"]), &text(&made["keyPair"]["PrivateKey"])).unwrap();
        let (mut line, code_) = harbour.connect(&claim, &acme.host, "box-1").await.unwrap();
        assert_eq!(code_, 0);
        let own = ask(&mut line, KEYS, &json!({})).await.1;
        let body = json!({ "certificateOwnershipToken": own["certificateOwnershipToken"], "parameters": { "SerialNumber": "7" } });
        assert!(ask(&mut line, &provision("line-1"), &body).await.0);
        // The other template is not even its to ask for.
        line.publish(&provision("line-2"), &body.to_string()).await;
        assert_eq!(line.message().await, None);
        let (mut line, _) = {
            stage.world.clock.sleep(Duration::from_secs(300)).await;
            harbour.connect(&claim, &acme.host, "box-1").await.unwrap()
        };
        assert_eq!(code(&ask(&mut line, KEYS, &json!({})).await), (false, "AccessDenied"));
    });
}

#[test]
fn what_is_no_template_is_refused() {
    with_platform(None, async |stage| {
        let acme = owner(&stage, "acme").await;
        let mut bad = vec![template("a b", true), template(&"x".repeat(37), true)];
        for (name, value) in [("templateBody", json!("{}")), ("preProvisioningHook", json!({ "targetArn": "x" }))] {
            let mut one = template("line-1", true);
            one[name] = value;
            bad.push(one);
        }
        for body in &bad {
            refused(&acme.by, "POST", "provisioning-templates", body, 400, "InvalidRequestException").await;
        }
        good(&acme.by, "POST", "provisioning-templates", &template("line-1", true)).await;
        let again = template("line-1", false);
        refused(&acme.by, "POST", "provisioning-templates", &again, 409, "ResourceAlreadyExistsException").await;
        let listed = good(&acme.by, "GET", "provisioning-templates", &Value::Null).await;
        assert_eq!(listed["templates"][0]["templateName"], "line-1");
    });
}
