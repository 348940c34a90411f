//! The document against the table of operations, and every operation against every role.

use crate::common::{Caller, PASSWORD, Stage, with_platform};
use fleetproof_platform::Platform;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A row of the table.
#[derive(Debug)]
struct Row {
    operation: &'static str,
    method: &'static str,
    path: &'static str,
    audience: &'static str,
    role: &'static str,
}

fn table() -> Vec<Row> {
    let lines = include_str!("operations.tsv").lines().filter(|line| !line.starts_with('#'));
    let rows = lines.map(|line| {
        let cells: Vec<_> = line.split('\t').collect();
        let [operation, method, path, audience, role] = cells[..] else { panic!("{line}") };
        Row { operation, method, path, audience, role }
    });
    rows.collect()
}

/// A path without the names of its parameters.
fn shape(path: &str) -> String {
    let blank = |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
    path.split('/').map(blank).collect::<Vec<_>>().join("/")
}

/// Operation, method and shape of all that the document has.
fn documented() -> BTreeMap<String, (String, String)> {
    let document = Platform::document();
    let mut all = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(id) = operation["operationId"].as_str() else { continue };
            let twice = all.insert(id.to_owned(), (method.to_uppercase(), shape(path)));
            assert!(twice.is_none(), "{id} twice");
        }
    }
    all
}

#[test]
fn the_document_has_the_operations_of_the_table_and_extensions() {
    let mut documented = documented();
    let mut missing = Vec::new();
    for row in table() {
        match documented.remove(row.operation) {
            Some(found) => assert_eq!(found, (row.method.to_owned(), shape(row.path)), "{}", row.operation),
            None => missing.push(row.operation),
        }
    }
    assert!(documented.keys().all(|id| id.starts_with("x_fleetproof ")), "not in the table: {documented:?}");
    assert_eq!(missing, [""; 0]);
}

#[test]
fn every_operation_tells_what_it_answers() {
    let document = Platform::document();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let Some(id) = operation["operationId"].as_str() else { continue };
            assert!(operation["summary"].is_string(), "{id} has no summary");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.keys().any(|status| status.starts_with('2')), "{id} has no good answer");
            for (status, answer) in answers {
                let has_schema = answer.pointer("/content/application~1json/schema/$ref").is_some();
                assert!(status.starts_with('2') || has_schema, "{id}: {status}");
            }
        }
    }
}

/// The roles of the table, and what a tenant's admin makes of them.
const ROLES: &[&str] = &["admin", "operator", "installer", "viewer"];

/// Which roles of [`ROLES`] a cell of the table admits.
fn admitted(role: &str) -> BTreeSet<&'static str> {
    let names = role.split('|').flat_map(|role| match role {
        "any" => vec!["admin", "operator", "installer", "viewer"],
        "viewer" => vec!["admin", "operator", "viewer"],
        "operator" => vec!["admin", "operator"],
        "installer" => vec!["admin", "installer"],
        "admin" => vec!["admin"],
        "provider-admin" => vec![],
        other => panic!("unknown role {other}"),
    });
    names.collect()
}

/// One user of each role in acme.
async fn cast(stage: &Stage) -> BTreeMap<&'static str, Caller> {
    stage.tenant("acme", 10).await;
    let admin = stage.login("admin@acme.example").await;
    let grants = |sets: &[&str]| sets.iter().map(|set| json!({ "name": set })).collect::<Vec<_>>();
    let operator = grants(&["ReadDevices", "ReadReleases", "ManageReleases", "UploadArtifacts", "DeployToDevices"]);
    let installer = grants(&["ReadDevices", "ManageDevices"]);
    for (name, sets) in [("operator", operator), ("installer", installer)] {
        let role = json!({ "name": name, "permission_sets_with_scope": sets });
        assert_eq!(admin.post("/api/management/v2/useradm/roles", &role).await.status, 201);
    }
    let mut cast = BTreeMap::from([("admin", admin.clone())]);
    for (name, role) in [("operator", "operator"), ("installer", "installer"), ("viewer", "RBAC_ROLE_OBSERVER")] {
        let email = format!("{name}@acme.example");
        let user = json!({ "email": email, "password": PASSWORD, "roles": [role] });
        assert_eq!(admin.post("/api/management/v1/useradm/users", &user).await.status, 201);
        cast.insert(name, stage.login(&email).await);
    }
    cast
}

#[test]
fn each_role_may_exactly_what_the_table_says() {
    with_platform(None, async |stage| {
        let cast = cast(&stage).await;
        let served = documented();
        let mut asked = 0;
        for row in table().iter().filter(|row| row.audience == "user" && served.contains_key(row.operation)) {
            if ["Logout", "Issue Token"].contains(&row.operation) {
                continue; // Open to every user: the one ends the caller's session, the other refuses strangers with 401.
            }
            let path = row.path.replace(['{', '}'], "");
            for role in ROLES {
                // An empty object is refused by operations that need more, after the caller was admitted.
                let told = cast[role].send(row.method, &path, Some(&json!({}))).await;
                let refused = told.status == 403;
                assert_eq!(refused, !admitted(row.role).contains(role), "{role}, {}: {}", row.operation, told.text());
                assert_ne!(told.status, 401, "{role}, {}", row.operation);
                assert_ne!(told.status, 500, "{role}, {}", row.operation);
                asked += 1;
            }
        }
        assert!(asked > 80, "only {asked}");
    });
}

#[test]
fn a_token_opens_only_the_door_it_is_for() {
    with_platform(None, async |stage| {
        let cast = cast(&stage).await;
        let served = documented();
        for row in table().iter().filter(|row| served.contains_key(row.operation)) {
            let path = row.path.replace(['{', '}'], "");
            let wrong = match row.audience {
                "user" => Caller::new(&stage.gateway, Some(stage.platform.operator_token().to_owned())),
                "device" => cast["admin"].clone(),
                "operator" => Caller::new(&stage.door, cast["admin"].token.clone()),
                _ => continue,
            };
            let told = wrong.send(row.method, &path, Some(&Value::Null)).await;
            if row.operation == "DeviceAuth Authenticate Device" {
                continue; // A device that knocks has no token yet.
            }
            assert_eq!(told.status, 401, "{}: {}", row.operation, told.text());
        }
    });
}
