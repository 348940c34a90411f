//! The registry of an account: what its owner does with it, what its broker sees of it, how it ends.

use crate::common::{Caller, Stage, Told, on_every_database, with_platform, with_regions};
use crate::family::{TENANTS, V2, add_user, child, family, log};
use crate::papers::{Authority, request};
use fleetproof_platform::Platform;
use fleetproof_platform::registry::{Change, Regions};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub const IOT: &str = "/api/management/v1/iot";
pub const HOME: &str = "eu-central-1";

/// A document that allows something.
pub fn document(action: &str) -> Value {
    let statement = json!({ "Effect": "Allow", "Action": action, "Resource": "*" });
    json!({ "policyDocument": json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string() })
}

/// Asks the account's interface; the path without its beginning.
pub async fn iot(by: &Caller, method: &str, path: &str, body: &Value) -> Told {
    by.send(method, &format!("{IOT}/{path}"), Some(body)).await
}

/// The same with a principal in the header.
pub async fn about(by: &Caller, method: &str, path: &str, principal: &str) -> Told {
    by.send_with(&[("x-amzn-principal", principal)], method, &format!("{IOT}/{path}"), None).await
}

/// What must succeed.
pub async fn good(by: &Caller, method: &str, path: &str, body: &Value) -> Value {
    let told = iot(by, method, path, body).await;
    assert_eq!(told.status, 200, "{method} {path}: {}", told.text());
    told.json()
}

/// Name and status of a refusal.
pub fn refused(told: &Told) -> (u16, String) {
    let name = told.json()["code"].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        told.headers.get("x-amzn-errortype").map(|name| name.to_str().unwrap()),
        Some(&*name),
        "{}",
        told.text()
    );
    (told.status, name)
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

/// A made certificate: its id and its ARN.
pub async fn certificate(by: &Caller, query: &str) -> (String, String) {
    let made = good(by, "POST", &format!("keys-and-certificate{query}"), &Value::Null).await;
    (text(&made["certificateId"]), text(&made["certificateArn"]))
}

/// A tenant with somebody logged in.
async fn tenant(stage: &Stage, name: &str) -> (String, Caller) {
    let founded = stage.tenant(name, 10).await;
    (founded.tenant_id, stage.login(&format!("admin@{name}.example")).await)
}

#[test]
fn a_device_is_registered_as_the_lobby_does_it() {
    on_every_database(async |stage| {
        let (acme, ada) = tenant(&stage, "acme").await;
        let paper = Authority::new("Factory", 1).sign("dev-1", 2);
        let registered =
            good(&ada, "POST", "certificate/register-no-ca", &json!({ "certificatePem": paper.pem })).await;
        assert_eq!(registered["certificateId"], paper.id, "the id is what stands on the device");
        let arn = text(&registered["certificateArn"]);
        good(&ada, "POST", "policies/p", &document("iot:Connect")).await;
        good(&ada, "PUT", "target-policies/p", &json!({ "target": arn })).await;
        let attributes = json!({ "thingTypeName": "pump", "attributePayload": { "attributes": { "site": "north" } } });
        good(&ada, "POST", "things/dev-1", &attributes).await;
        assert_eq!(about(&ada, "PUT", "things/dev-1/principals", &arn).await.status, 200);
        good(&ada, "PUT", &format!("certificates/{}?newStatus=ACTIVE", paper.id), &Value::Null).await;

        let all = stage.platform.principals(&acme, HOME).await.unwrap();
        let [principal] = &all[..] else { panic!("{all:?}") };
        assert_eq!(principal.certificate, paper.id);
        assert_eq!((&*principal.status, &*principal.mode), ("ACTIVE", "SNI_ONLY"));
        assert_eq!(principal.facts["Subject.CommonName"], "dev-1");
        assert_eq!(principal.facts["Issuer.Organization"], "Acme");
        assert_eq!(principal.facts["SerialNumber"], "2");
        assert_eq!(principal.policies.keys().collect::<Vec<_>>(), ["p"]);
        assert!(principal.policies["p"].contains("iot:Connect"));
        let [thing] = &principal.things[..] else { panic!("{principal:?}") };
        assert_eq!(
            (&*thing.name, thing.type_name.as_deref(), &*thing.attributes["site"]),
            ("dev-1", Some("pump"), "north")
        );
        let facts = principal.certificate_facts();
        assert_eq!((&*facts.id, &*facts.fields["Subject.CommonName"]), (&*paper.id, "dev-1"));
        for client_id in ["dev-1", "another"] {
            let facts = principal.thing_facts(client_id).unwrap();
            assert_eq!((&*facts.name, facts.type_name.as_deref()), ("dev-1", Some("pump")));
            assert_eq!(&*facts.attributes["site"], "north");
        }
        let one = stage.platform.principal(&acme, HOME, &paper.id).await.unwrap();
        assert_eq!(one.as_ref(), Some(principal));
        assert_eq!(stage.platform.principal(&acme, HOME, "").await.unwrap(), None);

        let shown = good(&ada, "GET", &format!("certificates/{}", paper.id), &Value::Null).await;
        let shown = &shown["certificateDescription"];
        assert_eq!((&shown["status"], &shown["certificateMode"]), (&json!("ACTIVE"), &json!("SNI_ONLY")));
        assert_eq!(shown["validity"]["notBefore"], 1_577_836_800);
        assert_eq!(shown["ownedBy"], arn.split(':').nth(4).unwrap());
        let due = [
            "create/certificate",
            "create/policy",
            "update/certificate",
            "create/thing",
            "update/thing",
            "update/certificate",
        ];
        assert_eq!(log(&ada, 0).await, due);
    });
}

#[test]
fn of_two_things_the_client_id_says_which() {
    with_platform(None, async |stage| {
        let (acme, ada) = tenant(&stage, "acme").await;
        let (id, arn) = certificate(&ada, "").await;
        for thing in ["dev-1", "dev-2"] {
            good(&ada, "POST", &format!("things/{thing}"), &json!({})).await;
            assert_eq!(about(&ada, "PUT", &format!("things/{thing}/principals"), &arn).await.status, 200);
        }
        let principal = stage.platform.principal(&acme, HOME, &id).await.unwrap().unwrap();
        assert_eq!(&*principal.thing_facts("dev-2").unwrap().name, "dev-2");
        assert_eq!(principal.thing_facts("another"), None, "which of the two, nobody knows");
    });
}

#[test]
fn keys_and_requests_become_certificates() {
    with_platform(None, async |stage| {
        let (_, ada) = tenant(&stage, "acme").await;
        let made = good(&ada, "POST", "keys-and-certificate?setAsActive=true", &Value::Null).await;
        assert!(text(&made["keyPair"]["PrivateKey"]).starts_with("-----BEGIN PRIVATE KEY-----"));
        assert!(text(&made["keyPair"]["PublicKey"]).starts_with("-----BEGIN PUBLIC KEY-----"));
        let again = good(&ada, "POST", "keys-and-certificate", &Value::Null).await;
        assert_ne!(made["certificateId"], again["certificateId"]);
        let (csr, key) = request("dev-9", 9);
        let signed = good(&ada, "POST", "certificates", &json!({ "certificateSigningRequest": csr })).await;
        let der = pem_bytes(&text(&signed["certificatePem"]));
        assert!(der.windows(key.len()).any(|part| part == key), "the certificate is for the key that was brought");
        assert!(der.windows(5).any(|part| part == b"dev-9"));
        // One bit of it changed: its key did not sign it.
        let mut bytes = pem_bytes(&csr);
        let at = bytes.windows(5).position(|part| part == b"dev-9").unwrap();
        bytes[at] ^= 1;
        use base64::Engine;
        let forged = base64::engine::general_purpose::STANDARD.encode(bytes);
        let forged = format!("-----BEGIN CERTIFICATE REQUEST-----\n{forged}\n-----END CERTIFICATE REQUEST-----\n");
        let told = iot(&ada, "POST", "certificates", &json!({ "certificateSigningRequest": forged })).await;
        assert_eq!(refused(&told), (400, "InvalidRequestException".to_owned()));
    });
}

fn pem_bytes(pem: &str) -> Vec<u8> {
    use base64::Engine;
    let text: String = pem.lines().filter(|line| !line.starts_with('-')).map(str::trim).collect();
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

#[test]
fn what_is_no_certificate_is_refused() {
    with_platform(None, async |stage| {
        let (_, ada) = tenant(&stage, "acme").await;
        let paper = Authority::new("Factory", 1).sign("dev-1", 2);
        let cut = paper.pem.replacen("MII", "MIJ", 1);
        let long = format!("{}{}", " ".repeat(70_000), paper.pem);
        for pem in ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", &cut, &long] {
            let told = iot(&ada, "POST", "certificate/register-no-ca", &json!({ "certificatePem": pem })).await;
            assert_eq!(refused(&told), (400, "CertificateValidationException".to_owned()), "{pem:.60}");
        }
        let new = json!({ "certificatePem": paper.pem });
        good(&ada, "POST", "certificate/register-no-ca", &new).await;
        let told = iot(&ada, "POST", "certificate/register-no-ca", &new).await;
        assert_eq!(refused(&told), (409, "ResourceAlreadyExistsException".to_owned()));
    });
}

#[test]
fn an_authority_lets_in_what_it_signed_and_nothing_else() {
    on_every_database(async |stage| {
        let (acme, ada) = tenant(&stage, "acme").await;
        let (factory, forger) = (Authority::new("Factory", 1), Authority::new("Factory", 3));
        let paper = factory.sign("dev-1", 2);
        let new = json!({ "certificatePem": paper.pem });
        let unknown = (400, "CertificateValidationException".to_owned());
        assert_eq!(refused(&iot(&ada, "POST", "certificate/register", &new).await), unknown);

        let code = text(&good(&ada, "GET", "registrationcode", &Value::Null).await["registrationCode"]);
        let unproven = (400, "RegistrationCodeValidationException".to_owned());
        for proof in [factory.sign("other", 5), forger.sign(&code, 5)] {
            let body = json!({ "caCertificate": factory.paper.pem, "verificationCertificate": proof.pem });
            assert_eq!(refused(&iot(&ada, "POST", "cacertificate", &body).await), unproven);
        }
        let body = json!({ "caCertificate": factory.paper.pem });
        let missing = (400, "InvalidRequestException".to_owned());
        assert_eq!(refused(&iot(&ada, "POST", "cacertificate", &body).await), missing);
        let no_authority = json!({ "caCertificate": paper.pem, "certificateMode": "SNI_ONLY" });
        assert_eq!(refused(&iot(&ada, "POST", "cacertificate", &no_authority).await), unknown);
        let proof = factory.sign(&code, 5);
        let body = json!({ "caCertificate": factory.paper.pem, "verificationCertificate": proof.pem });
        let ca = text(&good(&ada, "POST", "cacertificate", &body).await["certificateId"]);
        assert_eq!(ca, factory.paper.id);
        // Not active yet.
        assert_eq!(refused(&iot(&ada, "POST", "certificate/register", &new).await), unknown);
        good(&ada, "PUT", &format!("cacertificate/{ca}?newStatus=ACTIVE"), &Value::Null).await;
        let forged = json!({ "certificatePem": forger.sign("dev-1", 2).pem });
        assert_eq!(refused(&iot(&ada, "POST", "certificate/register", &forged).await), unknown);
        good(&ada, "POST", "certificate/register", &new).await;
        let shown = good(&ada, "GET", &format!("certificates/{}", paper.id), &Value::Null).await;
        assert_eq!(shown["certificateDescription"]["caCertificateId"], ca);
        assert_eq!(shown["certificateDescription"]["certificateMode"], "DEFAULT");
        let listed = good(&ada, "GET", &format!("certificates-by-ca/{ca}"), &Value::Null).await;
        assert_eq!(listed["certificates"].as_array().unwrap().len(), 1);

        // What comes by itself waits for its activation, once; and only where the authority says so.
        let second = factory.sign("dev-2", 6);
        let just_in_time = async |der: &[u8]| stage.platform.register_just_in_time(&acme, HOME, der).await.unwrap();
        assert_eq!(just_in_time(&second.der).await, None);
        good(&ada, "PUT", &format!("cacertificate/{ca}?newAutoRegistrationStatus=ENABLE"), &Value::Null).await;
        assert_eq!(just_in_time(&forger.sign("dev-2", 6).der).await, None);
        let came = just_in_time(&second.der).await.unwrap();
        assert_eq!((&came.certificate, &came.authority), (&second.id, &ca));
        assert_eq!(just_in_time(&second.der).await, None);
        let principal = stage.platform.principal(&acme, HOME, &second.id).await.unwrap().unwrap();
        assert_eq!(principal.status, "PENDING_ACTIVATION");
        assert_eq!(stage.platform.register_just_in_time(&acme, "mars", &second.der).await.unwrap(), None);

        let told = iot(&ada, "DELETE", &format!("cacertificate/{ca}"), &Value::Null).await;
        assert_eq!(refused(&told), (406, "CertificateStateException".to_owned()));
    });
}

#[test]
fn one_authority_serves_two_accounts_only_by_their_endpoints() {
    with_platform(None, async |stage| {
        let factory = Authority::new("Factory", 1);
        let (_, ada) = tenant(&stage, "acme").await;
        let (_, gus) = tenant(&stage, "globex").await;
        let body = async |by: &Caller| {
            let code = text(&good(by, "GET", "registrationcode", &Value::Null).await["registrationCode"]);
            json!({ "caCertificate": factory.paper.pem, "verificationCertificate": factory.sign(&code, 5).pem })
        };
        let (hers, his) = (body(&ada).await, body(&gus).await);
        assert_ne!(hers, his, "the code is the account's own");
        good(&ada, "POST", "cacertificate?setAsActive=true", &hers).await;
        let told = iot(&gus, "POST", "cacertificate", &hers).await;
        assert_eq!(refused(&told), (400, "RegistrationCodeValidationException".to_owned()), "her proof is not his");
        let told = iot(&gus, "POST", "cacertificate", &his).await;
        assert_eq!(refused(&told), (409, "ResourceAlreadyExistsException".to_owned()));
        let by_name = json!({ "caCertificate": factory.paper.pem, "certificateMode": "SNI_ONLY" });
        good(&gus, "POST", "cacertificate?setAsActive=true", &by_name).await;
        // The same certificate in both, with a status in each.
        let paper = factory.sign("dev-1", 2);
        for by in [&ada, &gus] {
            let new = json!({ "certificatePem": paper.pem, "status": "ACTIVE" });
            good(by, "POST", "certificate/register", &new).await;
        }
        good(&ada, "PUT", &format!("certificates/{}?newStatus=REVOKED", paper.id), &Value::Null).await;
        let shown = good(&gus, "GET", &format!("certificates/{}", paper.id), &Value::Null).await;
        assert_eq!(shown["certificateDescription"]["status"], "ACTIVE");
        assert_eq!(shown["certificateDescription"]["certificateMode"], "SNI_ONLY");
    });
}

#[test]
fn a_revoked_certificate_stays_revoked_and_an_active_one_is_not_deleted() {
    on_every_database(async |stage| {
        let (_, ada) = tenant(&stage, "acme").await;
        let (id, arn) = certificate(&ada, "?setAsActive=true").await;
        let path = format!("certificates/{id}");
        let state = (406, "CertificateStateException".to_owned());
        assert_eq!(refused(&iot(&ada, "DELETE", &path, &Value::Null).await), state);
        good(&ada, "PUT", &format!("{path}?newStatus=REVOKED"), &Value::Null).await;
        assert_eq!(refused(&iot(&ada, "PUT", &format!("{path}?newStatus=ACTIVE"), &Value::Null).await), state);
        for status in ["PENDING_TRANSFER", "PENDING_ACTIVATION", "x", ""] {
            let told = iot(&ada, "PUT", &format!("{path}?newStatus={status}"), &Value::Null).await;
            assert_eq!(refused(&told), (400, "InvalidRequestException".to_owned()));
        }
        good(&ada, "POST", "policies/p", &document("iot:Connect")).await;
        good(&ada, "PUT", "target-policies/p", &json!({ "target": arn })).await;
        good(&ada, "POST", "things/t", &json!({})).await;
        assert_eq!(about(&ada, "PUT", "things/t/principals", &arn).await.status, 200);
        let in_use = (409, "DeleteConflictException".to_owned());
        assert_eq!(refused(&iot(&ada, "DELETE", &format!("{path}?forceDelete=true"), &Value::Null).await), in_use);
        let told = iot(&ada, "DELETE", "things/t", &Value::Null).await;
        assert_eq!(refused(&told), (400, "InvalidRequestException".to_owned()));
        assert_eq!(about(&ada, "DELETE", "things/t/principals", &arn).await.status, 200);
        assert_eq!(refused(&iot(&ada, "DELETE", &path, &Value::Null).await), in_use);
        assert_eq!(refused(&iot(&ada, "DELETE", "policies/p", &Value::Null).await), in_use);
        good(&ada, "DELETE", &format!("{path}?forceDelete=true"), &Value::Null).await;
        good(&ada, "DELETE", "policies/p", &Value::Null).await;
        good(&ada, "DELETE", "things/t", &Value::Null).await;
    });
}

#[test]
fn a_policy_has_five_versions_and_a_certificate_ten_policies() {
    on_every_database(async |stage| {
        let (acme, ada) = tenant(&stage, "acme").await;
        let (id, arn) = certificate(&ada, "").await;
        let target = json!({ "target": arn });
        for number in 0..11 {
            good(&ada, "POST", &format!("policies/p{number}"), &document("iot:Connect")).await;
            let told = iot(&ada, "PUT", &format!("target-policies/p{number}"), &target).await;
            if number < 10 {
                assert_eq!(told.status, 200, "{}", told.text());
            } else {
                assert_eq!(refused(&told), (410, "LimitExceededException".to_owned()));
            }
        }
        good(&ada, "PUT", "target-policies/p0", &target).await; // Attached already.
        for number in 2..=5 {
            let made = good(&ada, "POST", "policies/p0/version", &document("iot:Publish")).await;
            assert_eq!(made["policyVersionId"], number.to_string());
        }
        let full = (409, "VersionsLimitExceededException".to_owned());
        assert_eq!(refused(&iot(&ada, "POST", "policies/p0/version", &document("iot:Publish")).await), full);
        let in_use = (409, "DeleteConflictException".to_owned());
        assert_eq!(refused(&iot(&ada, "DELETE", "policies/p0/version/1", &Value::Null).await), in_use);
        let document_of =
            async || stage.platform.principal(&acme, HOME, &id).await.unwrap().unwrap().policies["p0"].clone();
        assert!(document_of().await.contains("iot:Connect"));
        good(&ada, "PATCH", "policies/p0/version/3", &Value::Null).await;
        assert!(document_of().await.contains("iot:Publish"));
        good(&ada, "DELETE", "policies/p0/version/1", &Value::Null).await;
        let made = good(&ada, "POST", "policies/p0/version?setAsDefault=true", &document("iot:Receive")).await;
        assert_eq!((&made["policyVersionId"], &made["isDefaultVersion"]), (&json!("6"), &json!(true)));
        assert!(document_of().await.contains("iot:Receive"));
        let versions = good(&ada, "GET", "policies/p0/version", &Value::Null).await;
        let ids: Vec<_> =
            versions["policyVersions"].as_array().unwrap().iter().map(|one| text(&one["versionId"])).collect();
        assert_eq!(ids, ["6", "5", "4", "3", "2"]);
    });
}

#[test]
fn what_is_no_policy_is_refused() {
    with_platform(None, async |stage| {
        let (_, ada) = tenant(&stage, "acme").await;
        let statement = |effect: &str| {
            json!({ "Version": "2012-10-17", "Statement": [{ "Effect": effect, "Action": "iot:Connect", "Resource": "*" }] }).to_string()
        };
        let long = document(&"x".repeat(2048))["policyDocument"].as_str().unwrap().to_owned();
        for text in ["", "x", "[]", "{}", r#"{"Statement":[]}"#, r#"{"Statement":[1]}"#, &statement("Maybe"), &long] {
            let told = iot(&ada, "POST", "policies/p", &json!({ "policyDocument": text })).await;
            assert_eq!(refused(&told), (400, "MalformedPolicyException".to_owned()), "{text:.80}");
        }
        // White space is not counted.
        let spaced = statement("Allow").replace("\":", &format!("\":{}", " ".repeat(3_000)));
        good(&ada, "POST", "policies/p", &json!({ "policyDocument": spaced })).await;
    });
}

#[test]
fn lists_come_in_pages_whose_tokens_are_the_accounts_own() {
    on_every_database(async |stage| {
        let (acme, ada) = tenant(&stage, "acme").await;
        let (_, gus) = tenant(&stage, "globex").await;
        stage.platform.set_account_quotas(&acme, &BTreeMap::from([("CreateThing".to_owned(), 100)])).await.unwrap();
        for number in 0..23 {
            let site =
                json!({ "attributePayload": { "attributes": { "site": if number % 2 == 0 { "a" } else { "b" } } } });
            good(&ada, "POST", &format!("things/t{number:02}"), &site).await;
        }
        let mut seen = Vec::new();
        let mut query = "maxResults=10".to_owned();
        loop {
            let page = good(&ada, "GET", &format!("things?{query}"), &Value::Null).await;
            seen.extend(page["things"].as_array().unwrap().iter().map(|thing| text(&thing["thingName"])));
            let Some(token) = page["nextToken"].as_str() else { break };
            for (by, path) in
                [(&gus, format!("things?nextToken={token}")), (&ada, format!("thing-groups?nextToken={token}"))]
            {
                let told = iot(by, "GET", &path, &Value::Null).await;
                assert_eq!(refused(&told), (400, "InvalidRequestException".to_owned()), "{path}");
            }
            query = format!("maxResults=10&nextToken={token}");
        }
        assert_eq!(seen, (0..23).map(|number| format!("t{number:02}")).collect::<Vec<_>>());
        let some = good(&ada, "GET", "things?attributeName=site&attributeValue=b&maxResults=250", &Value::Null).await;
        assert_eq!(some["things"].as_array().unwrap().len(), 11);
        for size in ["0", "251", "-1", "x"] {
            let told = iot(&ada, "GET", &format!("things?maxResults={size}"), &Value::Null).await;
            assert_eq!(refused(&told), (400, "InvalidRequestException".to_owned()));
        }
    });
}

#[test]
fn groups_hold_things_once_and_stand_in_groups() {
    on_every_database(async |stage| {
        let (_, ada) = tenant(&stage, "acme").await;
        good(&ada, "POST", "thing-groups/all", &json!({})).await;
        good(&ada, "POST", "thing-groups/north", &json!({ "parentGroupName": "all" })).await;
        for thing in ["a", "b"] {
            good(&ada, "POST", &format!("things/{thing}"), &json!({})).await;
            good(
                &ada,
                "PUT",
                "thing-groups/addThingToThingGroup",
                &json!({ "thingGroupName": "north", "thingName": thing }),
            )
            .await;
        }
        good(&ada, "PUT", "thing-groups/addThingToThingGroup", &json!({ "thingGroupName": "all", "thingName": "b" }))
            .await;
        let things = async |path: &str| good(&ada, "GET", path, &Value::Null).await["things"].clone();
        assert_eq!(things("thing-groups/north/things").await, json!(["a", "b"]));
        assert_eq!(things("thing-groups/all/things").await, json!(["b"]));
        assert_eq!(things("thing-groups/all/things?recursive=true").await, json!(["a", "b"]));
        let told = iot(&ada, "DELETE", "thing-groups/all", &Value::Null).await;
        assert_eq!(refused(&told), (400, "InvalidRequestException".to_owned()));
        good(&ada, "DELETE", "things/a", &Value::Null).await;
        assert_eq!(things("thing-groups/north/things").await, json!(["b"]));
        good(&ada, "DELETE", "thing-groups/north", &Value::Null).await;
        let groups = good(&ada, "GET", "things/b/thing-groups", &Value::Null).await;
        assert_eq!(groups["thingGroups"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn a_change_of_a_thing_expects_a_version_and_merges() {
    with_platform(None, async |stage| {
        let (_, ada) = tenant(&stage, "acme").await;
        let of = |attributes: Value| json!({ "attributePayload": { "attributes": attributes } });
        let made = good(&ada, "POST", "things/t", &of(json!({ "a": "1" }))).await;
        assert_eq!(good(&ada, "POST", "things/t", &of(json!({ "a": "1" }))).await, made, "the same again");
        let told = iot(&ada, "POST", "things/t", &of(json!({ "a": "2" }))).await;
        assert_eq!(refused(&told), (409, "ResourceAlreadyExistsException".to_owned()));
        let merge =
            json!({ "attributePayload": { "attributes": { "a": "", "b": "2" }, "merge": true }, "expectedVersion": 1 });
        good(&ada, "PATCH", "things/t", &merge).await;
        assert_eq!(
            refused(&iot(&ada, "PATCH", "things/t", &merge).await),
            (409, "VersionConflictException".to_owned())
        );
        let shown = good(&ada, "GET", "things/t", &Value::Null).await;
        assert_eq!((&shown["attributes"], &shown["version"]), (&json!({ "b": "2" }), &json!(2)));
        let told = iot(&ada, "DELETE", "things/t?expectedVersion=1", &Value::Null).await;
        assert_eq!(refused(&told), (409, "VersionConflictException".to_owned()));
        for name in ["a%20b", "%2e%2e", "a%2Fb", "%C3%A4", &"x".repeat(129)] {
            let told = iot(&ada, "POST", &format!("things/{name}"), &json!({})).await;
            assert_eq!(refused(&told), (400, "InvalidRequestException".to_owned()), "{name}");
        }
    });
}

#[test]
fn a_certificate_goes_to_the_account_it_was_offered_to() {
    on_every_database(async |stage| {
        let (acme, ada) = tenant(&stage, "acme").await;
        let (globex, gus) = tenant(&stage, "globex").await;
        let (_, ivy) = tenant(&stage, "initech").await;
        let account = async |tenant: &str| stage.platform.account(tenant).await.unwrap().unwrap().account;
        let (from, to) = (account(&acme).await, account(&globex).await);
        let (id, _) = certificate(&ada, "?setAsActive=true").await;
        let offer = format!("transfer-certificate/{id}?targetAwsAccount={to}");
        let state = (406, "CertificateStateException".to_owned());
        assert_eq!(refused(&iot(&ada, "PATCH", &offer, &json!({})).await), state);
        good(&ada, "PUT", &format!("certificates/{id}?newStatus=INACTIVE"), &Value::Null).await;
        // To nobody it goes as well: who offers learns of no account.
        let nobody = format!("transfer-certificate/{id}?targetAwsAccount=000000000000");
        good(&ada, "PATCH", &nobody, &json!({})).await;
        good(&ada, "PATCH", &format!("cancel-certificate-transfer/{id}"), &Value::Null).await;
        good(&ada, "PATCH", &offer, &json!({ "transferMessage": "yours" })).await;
        assert_eq!(
            refused(&iot(&ada, "PUT", &format!("certificates/{id}?newStatus=ACTIVE"), &Value::Null).await),
            state
        );
        let accept = format!("accept-certificate-transfer/{id}?setAsActive=true");
        for other in [&ivy, &ada] {
            assert_eq!(iot(other, "PATCH", &accept, &Value::Null).await.status, 404);
            let reject = format!("reject-certificate-transfer/{id}");
            assert_eq!(iot(other, "PATCH", &reject, &json!({})).await.status, 404);
        }
        good(&gus, "PATCH", &format!("reject-certificate-transfer/{id}"), &json!({ "rejectReason": "no" })).await;
        let shown = good(&ada, "GET", &format!("certificates/{id}"), &Value::Null).await;
        assert_eq!(shown["certificateDescription"]["status"], "INACTIVE");
        assert_eq!(shown["certificateDescription"]["transferData"]["rejectReason"], "no");
        good(&ada, "PATCH", &offer, &json!({})).await;
        good(&gus, "PATCH", &accept, &Value::Null).await;
        assert_eq!(iot(&ada, "GET", &format!("certificates/{id}"), &Value::Null).await.status, 404);
        let shown = good(&gus, "GET", &format!("certificates/{id}"), &Value::Null).await;
        let shown = &shown["certificateDescription"];
        assert_eq!((&shown["ownedBy"], &shown["previousOwnedBy"]), (&json!(to), &json!(from)));
        assert_eq!(shown["status"], "ACTIVE");
        assert_eq!(log(&gus, 0).await, ["reject/certificate", "create/certificate"]);
    });
}

#[test]
fn an_endpoint_is_stable_the_accounts_own_and_never_given_again() {
    on_every_database(async |stage| {
        let family = family(&stage).await;
        let endpoint = async |by: &Caller| {
            text(&good(by, "GET", "endpoint?endpointType=iot:Data-ATS", &Value::Null).await["endpointAddress"])
        };
        let (hers, his) = (endpoint(&family.ada).await, endpoint(&family.gus).await);
        assert_eq!(hers, endpoint(&family.ada).await);
        assert_ne!(hers, his);
        let (label, rest) = hers.split_once('-').unwrap();
        assert_eq!((label.len(), rest), (14, "ats.iot.eu-central-1.fleet.example"));
        let whose = stage.platform.endpoint(&hers).await.unwrap().unwrap();
        assert_eq!((&whose.tenant, &*whose.region), (&family.acme, HOME));
        assert_eq!((&*whose.home().region, &*whose.home().account), (HOME, &*whose.account));
        assert_eq!(stage.platform.endpoint("x-ats.iot.eu-central-1.fleet.example").await.unwrap(), None);
        let account = stage.platform.account(&family.acme).await.unwrap().unwrap();
        assert_eq!(account.account, whose.account);
        assert_eq!(account.endpoints, [whose]);

        // A tenant that is suspended, then removed, then made again: nothing of it answers at the old door.
        let status = format!("/api/internal/v1/tenantadm/tenants/{}/status", family.globex);
        stage.operator().put(&status, &json!({ "status": "suspended" })).await;
        assert_eq!(stage.platform.endpoint(&his).await.unwrap(), None);
        good(&family.ada, "POST", "things/t", &json!({})).await;
        let (id, arn) = certificate(&family.ada, "?setAsActive=true").await;
        good(&family.ada, "POST", "policies/p", &document("iot:Connect")).await;
        good(&family.ada, "PUT", "target-policies/p", &json!({ "target": arn })).await;
        assert_eq!(about(&family.ada, "PUT", "things/t/principals", &arn).await.status, 200);
        let told = family.pia.post(&format!("{TENANTS}/{}/remove/start", family.acme), &json!({})).await;
        assert_eq!(told.status, 202, "{}", told.text());
        assert_eq!(stage.platform.endpoint(&hers).await.unwrap(), None);
        assert_eq!(stage.platform.account(&family.acme).await.unwrap(), None);
        assert_eq!(stage.platform.principal(&family.acme, HOME, &id).await.unwrap(), None);
        let again = child(&family.pia, "acme", 10).await;
        let ada = stage.login("admin@acme.example").await;
        assert_ne!(endpoint(&ada).await, hers);
        assert_ne!(stage.platform.account(&again).await.unwrap().unwrap().account, account.account);
        for path in ["things", "certificates", "policies"] {
            let listed = good(&ada, "GET", path, &Value::Null).await;
            assert!(listed.as_object().unwrap().values().all(|list| list == &json!([])), "{listed}");
        }
        assert_eq!(stage.platform.endpoint(&hers).await.unwrap(), None, "nobody has it now");
    });
}

#[test]
fn regions_are_apart_and_a_strange_one_is_as_nothing() {
    let regions = Regions::new(&["eu-central-1", "us-east-1"], "iot.example").unwrap();
    with_regions(regions, async |stage| {
        let (acme, ada) = tenant(&stage, "acme").await;
        let paper = Authority::new("Factory", 1).sign("dev-1", 2);
        for region in ["", "?region=us-east-1"] {
            good(&ada, "POST", &format!("things/t{region}"), &json!({})).await;
            let new = json!({ "certificatePem": paper.pem });
            good(&ada, "POST", &format!("certificate/register-no-ca{region}"), &new).await;
        }
        let home = text(&good(&ada, "GET", "endpoint", &Value::Null).await["endpointAddress"]);
        let far = text(&good(&ada, "GET", "endpoint?region=us-east-1", &Value::Null).await["endpointAddress"]);
        assert!(home.ends_with("-ats.iot.eu-central-1.iot.example") && far.ends_with("-ats.iot.us-east-1.iot.example"));
        good(&ada, "POST", "things/only", &json!({})).await;
        good(&ada, "PUT", &format!("certificates/{}?newStatus=REVOKED", paper.id), &Value::Null).await;
        let shown = good(&ada, "GET", &format!("certificates/{}?region=us-east-1", paper.id), &Value::Null).await;
        assert_eq!(shown["certificateDescription"]["status"], "INACTIVE", "each region has its own");
        let never = iot(&ada, "GET", "things/never", &Value::Null).await;
        for path in
            ["things/only?region=us-east-1", "things/t?region=mars", "things?region=mars", "endpoint?region=mars"]
        {
            let told = iot(&ada, "GET", path, &Value::Null).await;
            assert_eq!(refused(&told), refused(&never), "{path}");
            assert_eq!(told.json()["error"], never.json()["error"], "{path}");
        }
        // A certificate's name says its region.
        good(&ada, "POST", "policies/p", &document("iot:Connect")).await;
        let account = stage.platform.account(&acme).await.unwrap().unwrap();
        let arn = format!("arn:aws:iot:us-east-1:{}:cert/{}", account.account, paper.id);
        assert_eq!(iot(&ada, "PUT", "target-policies/p", &json!({ "target": arn })).await.status, 404);

        let mut changes = stage.platform.changes();
        assert!(stage.platform.set_regions(&acme, &["mars"]).await.is_err());
        stage.platform.set_regions(&acme, &["us-east-1"]).await.unwrap();
        assert_eq!(changes.next().await, BTreeSet::from([Change::Account { tenant: acme.clone() }]));
        assert_eq!(
            text(&good(&ada, "GET", "endpoint", &Value::Null).await["endpointAddress"]),
            far,
            "home is there now"
        );
        assert_eq!(stage.platform.endpoint(&home).await.unwrap(), None);
        assert_eq!(stage.platform.principals(&acme, "eu-central-1").await.unwrap(), []);
        assert_eq!(iot(&ada, "GET", "things/t?region=eu-central-1", &Value::Null).await.status, 404);
        stage.platform.set_regions(&acme, &["eu-central-1", "us-east-1"]).await.unwrap();
        assert_eq!(text(&good(&ada, "GET", "endpoint", &Value::Null).await["endpointAddress"]), home, "it comes back");
        good(&ada, "GET", "things/only", &Value::Null).await;
    });
}

#[test]
fn regions_that_are_none_are_not_taken() {
    for names in [&[][..], &["a", "a"], &["A"], &["a b"], &[""]] {
        assert_eq!(Regions::new(names, "iot.example"), None, "{names:?}");
    }
    assert_eq!(Regions::new(&["a"], "iot..example"), None);
    assert_eq!(Regions::new(&["a", "b"], "iot.example").unwrap().names(), ["a", "b"]);
}

#[test]
fn who_listens_is_told_of_every_change_and_of_nothing_else() {
    with_platform(None, async |stage| {
        let (acme, ada) = tenant(&stage, "acme").await;
        let (id, arn) = certificate(&ada, "").await;
        let mut changes = stage.platform.changes();
        let mut told = async || {
            let waited = tokio::time::timeout(Duration::from_secs(1), changes.next()).await;
            waited.map(|changes| changes.into_iter().collect::<Vec<_>>()).unwrap_or_default()
        };
        let principal = [Change::Principal { tenant: acme.clone(), region: HOME.to_owned(), certificate: id.clone() }];
        good(&ada, "POST", "policies/p", &document("iot:Connect")).await;
        good(&ada, "POST", "things/t", &json!({})).await;
        assert_eq!(told().await, [], "nothing that hangs on a certificate");
        let target = json!({ "target": arn });
        for (method, path, body) in [
            ("PUT", format!("certificates/{id}?newStatus=ACTIVE"), Value::Null),
            ("PUT", "target-policies/p".to_owned(), target.clone()),
            ("POST", "policies/p/version?setAsDefault=true".to_owned(), document("iot:Publish")),
            ("PATCH", "policies/p/version/1".to_owned(), Value::Null),
            ("POST", "target-policies/p".to_owned(), target),
        ] {
            good(&ada, method, &path, &body).await;
            assert_eq!(told().await, principal, "{method} {path}");
        }
        assert_eq!(about(&ada, "PUT", "things/t/principals", &arn).await.status, 200);
        assert_eq!(told().await, principal);
        good(&ada, "PATCH", "things/t", &json!({ "attributePayload": { "attributes": { "a": "1" } } })).await;
        assert_eq!(told().await, principal);
        assert_eq!(about(&ada, "DELETE", "things/t/principals", &arn).await.status, 200);
        good(&ada, "PUT", &format!("certificates/{id}?newStatus=REVOKED"), &Value::Null).await;
        assert_eq!(told().await, principal, "both, told once");
        assert_eq!(iot(&ada, "PUT", &format!("certificates/{id}?newStatus=ACTIVE"), &Value::Null).await.status, 406);
        assert_eq!(told().await, [], "what was refused changed nothing");
        let status = format!("/api/internal/v1/tenantadm/tenants/{acme}/status");
        stage.operator().put(&status, &json!({ "status": "suspended" })).await;
        assert_eq!(told().await, [Change::Account { tenant: acme.clone() }]);
        assert_eq!(stage.platform.principals(&acme, HOME).await.unwrap(), []);
    });
}

#[test]
fn the_control_plane_has_quotas_per_account() {
    with_platform(None, async |stage| {
        let (acme, ada) = tenant(&stage, "acme").await;
        let (_, gus) = tenant(&stage, "globex").await;
        for number in 0..15 {
            good(&ada, "POST", &format!("things/t{number}"), &json!({})).await;
        }
        let told = iot(&ada, "POST", "things/t15", &json!({})).await;
        assert_eq!(refused(&told), (429, "ThrottlingException".to_owned()));
        assert_eq!(told.headers["retry-after"], "1");
        good(&gus, "POST", "things/t15", &json!({})).await;
        good(&ada, "GET", "things/t14", &Value::Null).await;
        stage.world.clock.sleep(Duration::from_secs(1)).await;
        good(&ada, "POST", "things/t15", &json!({})).await;
        stage.platform.set_account_quotas(&acme, &BTreeMap::from([("CreateThing".to_owned(), 100)])).await.unwrap();
        for number in 0..50 {
            good(&ada, "POST", &format!("things/u{number}"), &json!({})).await;
        }
        for wrong in [("CreateThing", 0), ("ListThings", 5)] {
            let wrong = BTreeMap::from([(wrong.0.to_owned(), wrong.1)]);
            assert!(stage.platform.set_account_quotas(&acme, &wrong).await.is_err());
        }
    });
}

#[test]
fn who_sees_does_not_change_and_who_has_a_part_has_nothing() {
    with_platform(None, async |stage| {
        let (_, ada) = tenant(&stage, "acme").await;
        good(&ada, "POST", "things/t", &json!({})).await;
        add_user(&ada, "vera@acme.example", &["RBAC_ROLE_OBSERVER"]).await;
        let scope = json!({ "type": "DeviceGroups", "value": ["north"] });
        let role =
            json!({ "name": "north", "permission_sets_with_scope": [{ "name": "ManageDevices", "scope": scope }] });
        assert_eq!(ada.post(&format!("{V2}/roles"), &role).await.status, 201);
        add_user(&ada, "nora@acme.example", &["north"]).await;
        let (vera, nora) = (stage.login("vera@acme.example").await, stage.login("nora@acme.example").await);
        good(&vera, "GET", "things/t", &Value::Null).await;
        let forbidden = (403, "AccessDeniedException".to_owned());
        for (by, method, path) in [(&vera, "POST", "things/u"), (&nora, "POST", "things/u"), (&nora, "GET", "things/t")]
        {
            assert_eq!(refused(&iot(by, method, path, &json!({})).await), forbidden, "{method} {path}");
        }
        let nobody = Caller::new(&stage.gateway, None);
        let told = iot(&nobody, "GET", "things/t", &Value::Null).await;
        assert_eq!(refused(&told), (401, "UnauthorizedException".to_owned()));
    });
}

#[test]
fn events_are_kept_per_region() {
    on_every_database(async |stage| {
        let (_, ada) = tenant(&stage, "acme").await;
        let on = json!({ "eventConfigurations": { "CERTIFICATE": { "Enabled": true } } });
        good(&ada, "PATCH", "event-configurations", &on).await;
        let kept = good(&ada, "GET", "event-configurations", &Value::Null).await["eventConfigurations"].clone();
        assert_eq!((&kept["CERTIFICATE"]["Enabled"], &kept["JOB"]["Enabled"]), (&json!(true), &json!(false)));
        let strange = json!({ "eventConfigurations": { "X": { "Enabled": true } } });
        assert_eq!(iot(&ada, "PATCH", "event-configurations", &strange).await.status, 400);
    });
}

#[test]
fn the_account_has_a_document_of_its_own() {
    let (account, rest) = (Platform::account_document(), Platform::document());
    assert!(rest["paths"].as_object().unwrap().keys().all(|path| !path.starts_with(IOT)));
    for (path, item) in account["paths"].as_object().unwrap() {
        assert!(path.starts_with(IOT), "{path}");
        for operation in item.as_object().unwrap().values() {
            let Some(id) = operation["operationId"].as_str() else { continue };
            assert!(operation["summary"].is_string(), "{id}");
            assert!(operation["responses"]["200"].is_object(), "{id}");
        }
    }
    with_platform(None, async |stage| {
        let served = Caller::new(&stage.gateway, None).get(&format!("{IOT}/openapi.json")).await;
        assert_eq!(served.json(), account);
    });
}

#[test]
fn a_search_finds_what_is_the_accounts_own_with_groups_and_attributes() {
    with_platform(None, async |stage| {
        let (_, ada) = tenant(&stage, "acme").await;
        let (_, gus) = tenant(&stage, "globex").await;
        for (by, name, site) in
            [(&ada, "pump-1", "north"), (&ada, "pump-2", "south"), (&ada, "fan", "north"), (&gus, "pump-9", "north")]
        {
            let new = json!({ "attributePayload": { "attributes": { "site": site } } });
            good(by, "POST", &format!("things/{name}"), &new).await;
        }
        good(&ada, "POST", "thing-groups/beta", &json!({})).await;
        let pair = json!({ "thingGroupName": "beta", "thingName": "pump-2" });
        good(&ada, "PUT", "thing-groups/addThingToThingGroup", &pair).await;
        let found = async |by: &Caller, query: &str| {
            let answer = good(by, "POST", "indices/search", &json!({ "queryString": query })).await;
            let names = answer["things"].as_array().unwrap().iter().map(|thing| text(&thing["thingName"]));
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found(&ada, "*").await, "fan pump-1 pump-2");
        assert_eq!(found(&ada, "thingName:pump*").await, "pump-1 pump-2");
        assert_eq!(found(&ada, "thingName:pump-9").await, "", "another account's");
        assert_eq!(found(&ada, "thingGroupNames:beta").await, "pump-2");
        assert_eq!(found(&ada, "attributes.site:north AND thingName:pump*").await, "pump-1");
        assert_eq!(found(&gus, "*").await, "pump-9");
        let page = json!({ "queryString": "*", "maxResults": 2 });
        let first = good(&ada, "POST", "indices/search", &page).await;
        let rest = json!({ "queryString": "*", "maxResults": 2, "nextToken": first["nextToken"] });
        let second = good(&ada, "POST", "indices/search", &rest).await;
        assert_eq!(
            (first["things"].as_array().unwrap().len(), &second["things"][0]["thingName"]),
            (2, &json!("pump-2"))
        );
        let other = iot(&gus, "POST", "indices/search", &rest).await;
        assert_eq!(refused(&other).0, 400, "the token is good in one account");
        let odd = iot(&ada, "POST", "indices/search", &json!({ "queryString": "connectivity.connected:true" })).await;
        assert_eq!(refused(&odd), (400, "InvalidQueryException".to_owned()));
        let who = good(&ada, "GET", "caller-identity", &Value::Null).await;
        let named = good(&ada, "GET", "things/fan", &Value::Null).await;
        assert!(text(&named["thingArn"]).contains(&text(&who["Account"])), "{who}");
    });
}
