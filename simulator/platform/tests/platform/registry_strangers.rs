//! Every operation of an account: its owner succeeds and the log tells of it once; a stranger, and whoever names a region
//! where the account is not, is answered as if the thing had never been, and changes nothing.

use crate::common::{Caller, Stage, Told, on_every_database, with_platform};
use crate::family::log;
use crate::papers::Authority;
use crate::registry::{HOME, IOT, about, certificate, document, good, text};
use fleetproof_platform::Platform;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Names in braces, and what they stand for here.
type Names = Vec<(&'static str, String)>;

/// A request: what the header `x-amzn-principal` says, how its owner is answered, how a stranger, what stands in the log.
type Row = (&'static str, &'static str, &'static str, Value, u16, u16, &'static str);

/// In an order in which the owner can make all of them on the same things.
fn rows() -> Vec<Row> {
    let none = || Value::Null;
    let pair = || json!({ "thingGroupName": "{group}", "thingName": "{spare}" });
    let by_arn = || {
        json!({ "thingGroupArn": "arn:aws:iot:eu-central-1:{account}:thinggroup/{group}",
            "thingArn": "arn:aws:iot:eu-central-1:{account}:thing/{spare}" })
    };
    let target = || json!({ "target": "{arn}" });
    let attributes = json!({ "attributePayload": { "attributes": { "a": "b" } } });
    let described = json!({ "thingGroupProperties": { "thingGroupDescription": "d" } });
    vec![
        ("GET", "things/{thing}", "", none(), 200, 404, ""),
        ("PATCH", "things/{thing}", "", attributes, 200, 404, "update/thing"),
        ("GET", "things/{thing}/principals", "", none(), 200, 404, ""),
        ("GET", "things/{thing}/thing-groups", "", none(), 200, 404, ""),
        ("PUT", "things/{spare}/principals", "{arn}", none(), 200, 404, "update/thing"),
        ("DELETE", "things/{spare}/principals", "{arn}", none(), 200, 404, "update/thing"),
        ("GET", "principals/things", "{arn}", none(), 200, 404, ""),
        ("GET", "things/{thing}/jobs", "", none(), 200, 404, ""),
        ("GET", "things/{thing}/jobs/{job}", "", none(), 200, 404, ""),
        ("GET", "jobs/{job}", "", none(), 200, 404, ""),
        ("GET", "jobs/{job}/job-document", "", none(), 200, 404, ""),
        ("GET", "jobs/{job}/things", "", none(), 200, 404, ""),
        ("PUT", "jobs/{job}/cancel", "", json!({}), 200, 404, "update/job"),
        ("DELETE", "jobs/{job}", "", none(), 200, 404, "delete/job"),
        ("GET", "thing-groups/{group}", "", none(), 200, 404, ""),
        ("PATCH", "thing-groups/{group}", "", described, 200, 404, "update/thing_group"),
        ("GET", "thing-groups/{group}/things", "", none(), 200, 404, ""),
        ("GET", "thing-groups?parentGroup={group}", "", none(), 200, 404, ""),
        ("PUT", "thing-groups/addThingToThingGroup", "", pair(), 200, 404, "update/thing_group"),
        ("PUT", "thing-groups/removeThingFromThingGroup", "", by_arn(), 200, 404, "update/thing_group"),
        ("GET", "certificates/{certificate}", "", none(), 200, 404, ""),
        ("PUT", "certificates/{certificate}?newStatus=INACTIVE", "", none(), 200, 404, "update/certificate"),
        ("GET", "certificates-by-ca/{ca}", "", none(), 200, 404, ""),
        ("GET", "cacertificate/{ca}", "", none(), 200, 404, ""),
        ("DELETE", "connections/{thing}", "", none(), 404, 404, ""),
        ("PUT", "cacertificate/{ca}?newStatus=INACTIVE", "", none(), 200, 404, "update/ca_certificate"),
        ("GET", "policies/{policy}", "", none(), 200, 404, ""),
        ("POST", "policies/{policy}/version", "", document("iot:Publish"), 200, 404, "update/policy"),
        ("GET", "policies/{policy}/version", "", none(), 200, 404, ""),
        ("GET", "policies/{policy}/version/2", "", none(), 200, 404, ""),
        ("PATCH", "policies/{policy}/version/2", "", none(), 200, 404, "update/policy"),
        ("DELETE", "policies/{policy}/version/1", "", none(), 200, 404, "update/policy"),
        ("PUT", "target-policies/{loose}", "", target(), 200, 404, "update/certificate"),
        ("POST", "attached-policies/{path_arn}", "", none(), 200, 404, ""),
        ("POST", "policy-targets/{loose}", "", none(), 200, 404, ""),
        ("POST", "target-policies/{loose}", "", target(), 200, 404, "update/certificate"),
        (
            "PATCH",
            "transfer-certificate/{free}?targetAwsAccount=111111111111",
            "",
            json!({}),
            200,
            404,
            "update/certificate",
        ),
        ("PATCH", "accept-certificate-transfer/{free}", "", none(), 404, 404, ""),
        ("PATCH", "reject-certificate-transfer/{free}", "", json!({}), 404, 404, ""),
        ("PATCH", "cancel-certificate-transfer/{free}", "", none(), 200, 404, "update/certificate"),
        ("DELETE", "certificates/{free}", "", none(), 200, 404, "delete/certificate"),
        ("DELETE", "policies/{loose}", "", none(), 200, 404, "delete/policy"),
        ("DELETE", "cacertificate/{ca}", "", none(), 200, 404, "delete/ca_certificate"),
        ("DELETE", "thing-groups/{group}", "", none(), 200, 200, "delete/thing_group"),
        ("DELETE", "things/{spare}", "", none(), 200, 200, "delete/thing"),
        ("GET", "provisioning-templates/{template}", "", none(), 200, 404, ""),
        ("POST", "provisioning-templates/{template}/provisioning-claim", "", none(), 200, 404, "create/certificate"),
        ("DELETE", "provisioning-templates/{template}", "", none(), 200, 404, "delete/provisioning_template"),
    ]
}

/// What is about no thing that is there already: everybody does it in his own account.
const OWN: &[&str] = &[
    "CreateCertificateFromCsr",
    "CreateJob",
    "CreateKeysAndCertificate",
    "CreatePolicy",
    "CreateProvisioningTemplate",
    "CreateThing",
    "CreateThingGroup",
    "DescribeEndpoint",
    "DescribeEventConfigurations",
    "GetCallerIdentity",
    "GetRegistrationCode",
    "ListCACertificates",
    "ListCertificates",
    "ListJobs",
    "ListPolicies",
    "ListProvisioningTemplates",
    "ListThings",
    "RegisterCACertificate",
    "RegisterCertificate",
    "RegisterCertificateWithoutCA",
    "SearchIndex",
    "UpdateEventConfigurations",
    "x_fleetproof Show Account Document",
];

fn fill(text: &str, names: &Names) -> String {
    names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

async fn ask(by: &Caller, row: &Row, names: &Names, more: &str) -> Told {
    let mut path = fill(&format!("{IOT}/{}", row.1), names);
    if !more.is_empty() {
        path.push(if path.contains('?') { '&' } else { '?' });
        path.push_str(more);
    }
    let body = (!row.3.is_null()).then(|| serde_json::from_str(&fill(&row.3.to_string(), names)).unwrap());
    let principal = fill(row.2, names);
    let header = [("x-amzn-principal", principal.as_str())];
    by.send_with(if row.2.is_empty() { &[] } else { &header }, row.0, &path, body.as_ref()).await
}

/// One of each thing; their names.
async fn things(stage: &Stage, tenant: &str, owner: &Caller) -> Names {
    let (id, arn) = certificate(owner, "?setAsActive=true").await;
    let (free, _) = certificate(owner, "").await;
    for path in ["things/dev-1", "things/dev-2", "thing-groups/north"] {
        good(owner, "POST", path, &json!({})).await;
    }
    for policy in ["rules", "more-rules"] {
        good(owner, "POST", &format!("policies/{policy}"), &document("iot:Connect")).await;
    }
    good(owner, "PUT", "target-policies/rules", &json!({ "target": arn })).await;
    assert_eq!(about(owner, "PUT", "things/dev-1/principals", &arn).await.status, 200);
    let factory = Authority::new("Factory", 1);
    let ca = json!({ "caCertificate": factory.paper.pem, "certificateMode": "SNI_ONLY" });
    good(owner, "POST", "cacertificate?setAsActive=true", &ca).await;
    good(owner, "POST", "provisioning-templates", &crate::provisioning::template("line-1", true)).await;
    let account = stage.platform.account(tenant).await.unwrap().unwrap().account;
    let target = format!("arn:aws:iot:{HOME}:{account}:thing/dev-1");
    good(owner, "PUT", "jobs/fix-all", &json!({ "targets": [target], "document": "{}" })).await;
    vec![
        ("thing", "dev-1".to_owned()),
        ("spare", "dev-2".to_owned()),
        ("group", "north".to_owned()),
        ("certificate", id),
        ("free", free),
        ("path_arn", arn.replace('/', "%2F")),
        ("arn", arn),
        ("account", account),
        ("policy", "rules".to_owned()),
        ("loose", "more-rules".to_owned()),
        ("ca", factory.paper.id),
        ("job", "fix-all".to_owned()),
        ("template", "line-1".to_owned()),
    ]
}

/// Names of things that never were, in an account that never was.
fn never() -> Names {
    let (id, account) = ("0".repeat(64), "000000000000");
    let arn = format!("arn:aws:iot:{HOME}:{account}:cert/{id}");
    let named = |name| (name, "never".to_owned());
    let mut names: Names = ["thing", "spare", "group", "policy", "loose", "job", "template"].map(named).to_vec();
    names.extend([("certificate", id.clone()), ("free", id.clone()), ("ca", id)]);
    names.extend([("path_arn", arn.replace('/', "%2F")), ("arn", arn), ("account", account.to_owned())]);
    names
}

/// An answer without what it was asked about.
fn masked(told: &Told, names: &Names) -> Value {
    let text = names.iter().fold(told.text(), |text, (_, value)| text.replace(value.as_str(), "-"));
    let mut json: Value = serde_json::from_str(&text).unwrap();
    json.as_object_mut().unwrap().remove("request_id");
    json
}

/// Everything that can be seen of an account, as text.
async fn sight(owner: &Caller, names: &Names) -> String {
    let mut all = String::new();
    let looks = |row: &&Row| row.0 == "GET" && !row.1.ends_with("version/2") || row.1.starts_with("policy-targets");
    for row in rows().iter().filter(looks) {
        all.push_str(&ask(owner, row, names, "").await.text());
    }
    for list in ["things", "certificates", "policies", "thing-groups", "cacertificates", "jobs"] {
        all.push_str(&owner.get(&format!("{IOT}/{list}")).await.text());
    }
    all
}

#[test]
fn every_operation_is_looked_at() {
    let shape = |path: &str| -> String {
        let path = path.split('?').next().unwrap();
        path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect::<Vec<_>>().join("/")
    };
    let looked: BTreeSet<_> = rows()
        .iter()
        .map(|row| {
            (row.0.to_lowercase(), shape(row.1).replace("version/2", "version/{}").replace("version/1", "version/{}"))
        })
        .collect();
    let document = Platform::account_document();
    let mut left = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = shape(path.strip_prefix(IOT).unwrap().trim_start_matches('/'));
        for (method, operation) in item.as_object().unwrap() {
            let Some(id) = operation["operationId"].as_str() else { continue };
            if !looked.contains(&(method.clone(), path.clone())) {
                left.insert(id.to_owned());
            }
        }
    }
    // The list of groups is both: one's own, and that of a parent.
    assert_eq!(left, OWN.iter().map(|id| (*id).to_owned()).collect());
}

#[test]
fn a_stranger_is_answered_as_if_it_had_never_been() {
    with_platform(None, async |stage| {
        let acme = stage.tenant("acme", 10).await.tenant_id;
        stage.tenant("globex", 10).await;
        let owner = stage.login("admin@acme.example").await;
        let stranger = stage.login("admin@globex.example").await;
        let names = things(&stage, &acme, &owner).await;
        let never = never();
        // Names of hers in his own account, too.
        let own = text(&good(&stranger, "POST", "keys-and-certificate", &Value::Null).await["certificateArn"]);
        let own = own.split(':').nth(4).unwrap().to_owned();
        let renamed: Names = names.iter().map(|(name, value)| (*name, value.replace(&names[7].1, &own))).collect();
        let (before, entries) = (sight(&owner, &names).await, log(&owner, 0).await);
        let his = log(&stranger, 0).await;
        for row in rows() {
            let unknown = ask(&stranger, &row, &never, "").await;
            for names in [&names, &renamed] {
                let told = ask(&stranger, &row, names, "").await;
                assert_eq!(told.status, row.5, "{} {}: {}", row.0, row.1, told.text());
                let (told, unknown) = (masked(&told, names), masked(&unknown, &never));
                assert_eq!(told, unknown, "{} {}", row.0, row.1);
            }
        }
        assert_eq!(log(&owner, 0).await, entries);
        assert_eq!(sight(&owner, &names).await, before);
        assert_eq!(log(&stranger, 0).await, his, "nothing was changed");
        // Names are the account's own: he may have the same.
        for path in ["things/dev-1", "thing-groups/north"] {
            good(&stranger, "POST", path, &json!({})).await;
        }
        good(&stranger, "POST", "policies/rules", &document("iot:Connect")).await;
        assert_eq!(sight(&owner, &names).await, before);
    });
}

#[test]
fn the_owner_succeeds_and_the_log_tells_of_it_once() {
    on_every_database(async |stage| {
        let acme = stage.tenant("acme", 10).await.tenant_id;
        let owner = stage.login("admin@acme.example").await;
        let names = things(&stage, &acme, &owner).await;
        for row in rows() {
            let before = log(&owner, 0).await.len();
            let elsewhere = ask(&owner, &row, &names, "region=mars").await;
            assert_eq!(elsewhere.status, 404, "{} {}: {}", row.0, row.1, elsewhere.text());
            assert_eq!(log(&owner, before).await, [""; 0], "{} {}", row.0, row.1);
            let told = ask(&owner, &row, &names, "").await;
            assert_eq!(told.status, row.4, "{} {}: {}", row.0, row.1, told.text());
            let due: Vec<_> = [row.6].into_iter().filter(|entry| !entry.is_empty()).collect();
            assert_eq!(log(&owner, before).await, due, "{} {}", row.0, row.1);
        }
    });
}
