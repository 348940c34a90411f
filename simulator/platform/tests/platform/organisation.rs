//! The organisation: who is in it, what holds where, who reads its log.

use crate::common::{Caller, Stage, on_every_database, with_platform};
use crate::family::{TENANTS, family};
use crate::landing::{HOME, ORG, OTHER, land, land_of, text};
use fleetproof_platform::Platform;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn it_is_set_up_once_and_takes_in_the_children_that_are_there() {
    on_every_database(async |stage| {
        let family = family(&stage).await;
        let new = |limit: i64| json!({ "HomeRegion": HOME, "GovernedRegions": [OTHER], "AccountLimit": limit });
        assert_eq!(family.pia.get(ORG).await.status, 404);
        assert_eq!(family.pia.post(ORG, &new(5)).await.status, 400, "four of its own and two children");
        let wrong = json!({ "HomeRegion": "EU", "AccountLimit": 9 });
        assert_eq!(family.pia.post(ORG, &wrong).await.status, 400);
        let made = family.pia.post(ORG, &new(6)).await;
        assert_eq!(made.status, 201, "{}", made.text());
        assert_eq!(family.pia.get(ORG).await.json(), made.json());
        assert_eq!(family.pia.post(ORG, &new(9)).await.status, 409);
        let kinds: Vec<String> =
            made.json()["Accounts"].as_array().unwrap().iter().map(|one| text(&one["Kind"])).collect();
        assert_eq!(kinds, ["AUDIT", "LOBBY", "LOG_ARCHIVE", "MANAGEMENT"]);
        let accounts = family.pia.get(&format!("{ORG}/accounts")).await.json();
        let accounts = accounts["Accounts"].as_array().unwrap();
        let tenants: BTreeSet<_> = accounts.iter().filter_map(|one| one["TenantId"].as_str()).collect();
        assert_eq!(tenants, [family.acme.as_str(), &family.globex, &family.provider.tenant_id].into());
        assert!(accounts.iter().all(|one| one["Id"].as_str().unwrap().len() == 12 && one["State"] == "ACTIVE"));
        // A child that is founded as a tenant is an account, and the limit holds for it too.
        let told = family.pia.post(TENANTS, &crate::family::new_child("third", 1)).await;
        assert_eq!(told.status, 422, "{}", told.text());
        let own = family.ada.get(&format!("{ORG}/account")).await.json();
        assert_eq!(own["Account"]["TenantId"], family.acme);
    });
}

#[test]
fn a_child_that_is_founded_as_a_tenant_is_an_account_until_it_is_removed() {
    on_every_database(async |stage| {
        let land = land(&stage).await;
        let child = crate::family::child(&land.pia, "acme", 10).await;
        let found = land.accounts().await.into_iter().find(|one| one["TenantId"] == child.as_str()).unwrap();
        assert_eq!((&found["State"], &found["Email"]), (&json!("ACTIVE"), &json!("admin@acme.example")));
        let ada = stage.login("admin@acme.example").await;
        assert_eq!(ada.get(&format!("{ORG}/account")).await.json()["Account"]["Id"], found["Id"]);
        let removed = land.pia.post(&format!("{TENANTS}/{child}/remove/start"), &Value::Null).await;
        assert_eq!(removed.status, 202);
        assert_eq!(land.account(&text(&found["Id"])).await["State"], "CLOSED");
        assert_eq!(land.pia.get(ORG).await.json()["AccountCount"], 4);
        let again = land.pia.post(TENANTS, &crate::family::new_child("acme", 10)).await;
        assert_eq!(again.status, 409, "the e-mail of a closed account stays taken");
    });
}

#[test]
fn units_are_a_tree_and_accounts_move_in_it() {
    with_platform(None, async |stage| {
        let land = land(&stage).await;
        let units = format!("{ORG}/organizational-units");
        let make = async |parent: &str, name: &str| {
            let told = land.pia.post(&units, &json!({ "ParentId": parent, "Name": name })).await;
            (told.status, told)
        };
        assert_eq!(land.pia.get(&format!("{ORG}/roots")).await.json()["Roots"][0]["Id"], land.root);
        let (status, told) = make(&land.root, "Customers").await;
        assert_eq!(status, 201, "{}", told.text());
        let customers = text(&told.json()["OrganizationalUnit"]["Id"]);
        assert_eq!(make(&land.root, "Customers").await.0, 409);
        assert_eq!(make("ou-never", "Customers").await.0, 404);
        let mut at = customers.clone();
        for depth in 2..=5 {
            let (status, told) = make(&at, "deeper").await;
            assert_eq!(status, 201, "{depth}: {}", told.text());
            at = text(&told.json()["OrganizationalUnit"]["Id"]);
        }
        assert_eq!(make(&at, "deeper").await.0, 422);
        let account = land.onboard(&stage, &land.request("acme")).await;
        let id = text(&account["Id"]);
        let go = async |from: &str, to: &str| {
            let body = json!({ "SourceParentId": from, "DestinationParentId": to });
            land.pia.post(&format!("{ORG}/accounts/{id}/move"), &body).await.status
        };
        assert_eq!(go(&land.root, "ou-never").await, 404);
        assert_eq!(go(&customers, &land.root).await, 409);
        assert_eq!(go(&land.root, &customers).await, 204);
        let listed = land.pia.get(&format!("{ORG}/parents/{customers}/accounts")).await.json();
        assert_eq!(listed["Accounts"][0]["Id"], id.as_str());
        assert_eq!(listed["Accounts"].as_array().unwrap().len(), 1);
        assert_eq!(land.pia.delete(&format!("{units}/{customers}")).await.status, 409);
        assert_eq!(land.pia.delete(&format!("{units}/{}", land.root)).await.status, 409);
        assert_eq!(land.pia.delete(&format!("{units}/{at}")).await.status, 204);
        assert_eq!(land.pia.get(&format!("{units}/{at}")).await.status, 404);
        // Lists come in parts.
        let first = land.pia.get(&format!("{ORG}/accounts?MaxResults=3")).await.json();
        let token = text(&first["NextToken"]);
        let second = land.pia.get(&format!("{ORG}/accounts?MaxResults=3&NextToken={token}")).await.json();
        assert_eq!(first["Accounts"].as_array().unwrap().len(), 3);
        assert_eq!((second["Accounts"].as_array().unwrap().len(), second.get("NextToken")), (2, None));
    });
}

/// What a tenant's admin is answered when she alters her account: trail off, an ungoverned region, the lobby's role.
async fn alters(ada: &Caller) -> [u16; 3] {
    let account = format!("{ORG}/account");
    [
        ada.put(&format!("{account}/audit-trail"), &json!({ "On": false })).await.status,
        ada.put(&format!("{account}/regions/us-east-1"), &Value::Null).await.status,
        ada.put(&format!("{account}/trust/{HOME}"), &json!({ "Principal": "me" })).await.status,
    ]
}

#[test]
fn controls_hold_below_for_new_accounts_too_and_drift_is_found_without_them() {
    with_platform(None, async |stage| {
        let land = land(&stage).await;
        let account = land.onboard(&stage, &land.request("acme")).await;
        let id = text(&account["Id"]);
        let ada = stage.login("admin@acme.example").await;
        assert_eq!(alters(&ada).await, [403, 403, 403]);
        assert_eq!(land.drifts().await, [""; 0]);
        let policies = land.pia.get(&format!("{ORG}/policies")).await.json();
        let ids: Vec<String> = policies["Policies"].as_array().unwrap().iter().map(|one| text(&one["Id"])).collect();
        assert_eq!(ids.len(), 4);
        let unit = json!({ "ParentId": land.root, "Name": "Free" });
        let unit = land.pia.post(&format!("{ORG}/organizational-units"), &unit).await.json();
        let unit = text(&unit["OrganizationalUnit"]["Id"]);
        let inherited = land.pia.get(&format!("{ORG}/targets/{unit}/policies")).await.json();
        assert_eq!(inherited["Policies"].as_array().unwrap().len(), 4);
        for control in &ids {
            let target = json!({ "TargetId": land.root });
            let path = format!("{ORG}/policies/{control}");
            assert_eq!(land.pia.post(&format!("{path}/attach"), &target).await.status, 409);
            assert_eq!(land.pia.post(&format!("{path}/detach"), &target).await.status, 204);
            assert_eq!(land.pia.post(&format!("{path}/detach"), &target).await.status, 404);
        }
        assert_eq!(alters(&ada).await, [204, 204, 204]);
        assert!(!land.gets_in(&stage.platform, &id, HOME, Some("anything")).await);
        for control in &ids {
            let target = json!({ "TargetId": land.root });
            assert_eq!(land.pia.post(&format!("{ORG}/policies/{control}/attach"), &target).await.status, 204);
        }
        let found = ["AUDIT_OFF", "UNGOVERNED_REGION", "TRUST_ALTERED"].map(|drift| format!("{id}: {drift}"));
        assert_eq!(land.drifts().await, found);
        assert_eq!(alters(&ada).await, [403, 403, 403]);
        // Repaired, nothing is found.
        assert_eq!(ada.put(&format!("{ORG}/account/audit-trail"), &json!({ "On": true })).await.status, 204);
        assert_eq!(ada.delete(&format!("{ORG}/account/regions/us-east-1")).await.status, 204);
        assert_eq!(land.pia.put(&format!("{ORG}/accounts/{id}/trust/{HOME}"), &Value::Null).await.status, 200);
        assert_eq!(land.drifts().await, [""; 0]);
        // A new account under the controls that were attached before it was made.
        land.onboard(&stage, &land.request("globex")).await;
        assert_eq!(alters(&stage.login("admin@globex.example").await).await, [403, 403, 403]);
    });
}

#[test]
fn trust_needs_the_right_external_id_and_can_be_withdrawn() {
    with_platform(None, async |stage| {
        let land = land(&stage).await;
        let mut request = land.request("acme");
        request["AllGovernedRegions"] = json!(true);
        let acme = text(&land.onboard(&stage, &request).await["Id"]);
        let globex = text(&land.onboard(&stage, &land.request("globex")).await["Id"]);
        let mut ids = Vec::new();
        for (account, region) in [(&acme, HOME), (&acme, OTHER), (&globex, HOME)] {
            ids.push(text(&land.trust(account, region).await["ExternalId"]));
        }
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 3, "an id of its own per account and region");
        let gets_in = async |account: &str, region: &str, id: Option<&str>| {
            land.gets_in(&stage.platform, account, region, id).await
        };
        assert!(gets_in(&acme, HOME, Some(&ids[0])).await && gets_in(&acme, OTHER, Some(&ids[1])).await);
        assert!(!gets_in(&acme, HOME, None).await && !gets_in(&acme, HOME, Some("123ABC")).await);
        assert!(!gets_in(&acme, HOME, Some(&ids[1])).await && !gets_in(&acme, HOME, Some(&ids[2])).await);
        assert!(!gets_in(&globex, OTHER, Some(&ids[2])).await, "not one of its regions");
        assert!(!gets_in("999999999999", HOME, Some(&ids[0])).await);
        // Over the network: the same answer in every case.
        let ask = async |account: &str, id: Option<&str>| {
            let body = json!({ "AccountId": account, "Region": HOME, "ExternalId": id });
            let told = land.pia.post(&format!("{ORG}/assume-role"), &body).await;
            (told.status, told.json()["error"].as_str().map(str::to_owned))
        };
        assert_eq!(ask(&acme, Some(&ids[0])).await.0, 200);
        let refused = ask("999999999999", None).await;
        assert_eq!(refused.0, 403);
        assert_eq!([ask(&acme, None).await, ask(&acme, Some(&ids[2])).await], [refused.clone(), refused]);
        let path = format!("{ORG}/accounts/{acme}/trust/{HOME}");
        assert_eq!(land.pia.delete(&path).await.status, 204);
        assert!(!gets_in(&acme, HOME, Some(&ids[0])).await);
        assert_eq!(land.drifts().await, [format!("{acme}: TRUST_MISSING")]);
        assert_eq!(land.pia.put(&path, &Value::Null).await.json()["ExternalId"], ids[0].as_str());
        assert!(gets_in(&acme, HOME, Some(&ids[0])).await);
    });
}

#[test]
fn the_central_log_has_every_members_entries_and_only_the_provider_reads_it() {
    with_platform(None, async |stage| {
        let land = land(&stage).await;
        let account = land.onboard(&stage, &land.request("acme")).await;
        let ada = stage.login("admin@acme.example").await;
        crate::family::add_user(&ada, "viewer@acme.example", &["RBAC_ROLE_OBSERVER"]).await;
        let id = text(&account["Id"]);
        let own = land.log(&format!("AccountId={id}")).await;
        assert_eq!(own.len(), 1);
        assert_eq!((&own[0]["EventName"], &own[0]["TenantId"]), (&json!("create"), &account["TenantId"]));
        assert_eq!(own[0]["UserIdentity"]["email"], "admin@acme.example");
        let all = land.log("").await;
        let onboarded =
            |event: &&Value| event["Resource"]["id"] == account["TenantId"] && event["EventName"] == "create";
        assert_eq!(all.iter().filter(onboarded).count(), 1, "the onboarding is there, once");
        let viewer = stage.login("viewer@acme.example").await;
        crate::family::add_user(&land.pia, "viewer@provider.example", &["RBAC_ROLE_OBSERVER"]).await;
        let auditor = json!({ "name": "auditor", "permission_sets_with_scope": [{ "name": "ReadAuditLogs" }] });
        assert_eq!(land.pia.post("/api/management/v2/useradm/roles", &auditor).await.status, 201);
        crate::family::add_user(&land.pia, "auditor@provider.example", &["auditor"]).await;
        let log = format!("{ORG}/log");
        for caller in [&ada, &viewer, &stage.login("viewer@provider.example").await] {
            assert_eq!(caller.get(&log).await.status, 403);
        }
        assert_eq!(stage.login("auditor@provider.example").await.get(&log).await.status, 200);
        for method in ["DELETE", "PUT", "POST", "PATCH"] {
            assert_eq!(land.pia.send(method, &log, Some(&json!({}))).await.status, 405, "nobody changes it");
        }
        // It outlives the account.
        assert_eq!(land.pia.post(&format!("{ORG}/accounts/{id}/close"), &Value::Null).await.status, 204);
        assert_eq!(land.log(&format!("AccountId={id}")).await, own);
    });
}

#[test]
fn no_statement_changes_or_removes_what_is_in_the_central_log() {
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    let mut written = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(!text.contains("update org_log") && !text.contains("delete from org_log"), "{}", path.display());
            written += text.matches("insert into org_log").count();
        }
    }
    assert_eq!(written, 1);
}

/// Every operation of the document: its id, method and path, with something in each parameter.
fn operations() -> Vec<(String, String, String)> {
    let document = Platform::organisation_document();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let path = path.split('/').map(|part| if part.starts_with('{') { "never" } else { part });
            all.push((text(&operation["operationId"]), method.to_uppercase(), path.collect::<Vec<_>>().join("/")));
        }
    }
    all
}

#[test]
fn the_document_is_its_own_and_tells_what_each_operation_answers() {
    let document = Platform::organisation_document();
    let ids: Vec<_> = operations().into_iter().map(|(id, ..)| id).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    assert!(ids.len() > 30, "{ids:?}");
    for name in ["CreateAccount", "DescribeCreateAccountStatus", "ListAccounts", "CloseAccount", "MoveAccount"] {
        assert!(ids.iter().any(|id| id == name), "{name}");
    }
    let other = Platform::document();
    for (path, item) in document["paths"].as_object().unwrap() {
        assert!(path.starts_with(ORG), "{path}");
        assert!(other["paths"].get(path).is_none(), "{path}");
        for operation in item.as_object().unwrap().values() {
            assert!(operation["summary"].is_string() && operation["security"].is_array(), "{operation}");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.keys().any(|status| status.starts_with('2')));
            assert!(answers.contains_key("403") && answers.contains_key("401"));
        }
    }
}

#[test]
fn children_and_strangers_are_refused_everywhere() {
    with_platform(None, async |stage| {
        let land = land(&stage).await;
        land.onboard(&stage, &land.request("acme")).await;
        let ada = stage.login("admin@acme.example").await;
        let before = land.traces().await;
        for (id, method, path) in operations() {
            let own = path.starts_with(&format!("{ORG}/account/")) || path == format!("{ORG}/account");
            let nobody = Caller::new(&stage.gateway, None).send(&method, &path, Some(&json!({}))).await;
            assert_eq!(nobody.status, 401, "{id}");
            let told = ada.send(&method, &path, Some(&json!({}))).await;
            assert!(own || told.status == 403, "{id}: {}", told.text());
            assert_ne!(told.status, 500, "{id}");
        }
        assert_eq!(land.traces().await, before);
    });
}

#[test]
fn another_provider_is_told_what_it_would_be_told_of_what_never_was() {
    with_platform(None, async |stage| {
        let land = land(&stage).await;
        let account = text(&land.onboard(&stage, &land.request("acme")).await["Id"]);
        let creation = land.begin(&land.request("globex")).await;
        let other = other_provider(&stage).await;
        let record = text(&land.pia.get(&format!("{ORG}/products/{}", land.product)).await.json()["ProductId"]);
        let pairs = [
            ("GET", format!("accounts/{account}"), "accounts/999999999999"),
            ("POST", format!("accounts/{account}/close"), "accounts/999999999999/close"),
            ("GET", format!("accounts/{account}/trust/{HOME}"), "accounts/999999999999/trust/eu-central-1"),
            ("DELETE", format!("accounts/{account}/trust/{HOME}"), "accounts/999999999999/trust/eu-central-1"),
            ("GET", format!("create-account-status/{creation}"), "create-account-status/car-never"),
            ("GET", format!("products/{record}"), "products/prod-never"),
            ("GET", format!("parents/{}/accounts", land.root), "parents/r-never/accounts"),
            ("DELETE", format!("organizational-units/{}", land.root), "organizational-units/r-never"),
        ];
        for (method, theirs, never) in pairs {
            let mut told = Vec::new();
            for path in [&theirs, never] {
                let told_one = other.send(method, &format!("{ORG}/{path}"), None).await;
                told.push((told_one.status, text(&told_one.json()["error"])));
            }
            assert_eq!(told[0], told[1], "{method} {theirs}");
            assert_eq!(told[0].0, 404, "{method} {theirs}");
        }
        let log = other.get(&format!("{ORG}/log?MaxResults=500")).await.json();
        assert!(!log.to_string().contains("acme"));
    });
}

/// The admin of another provider with an organisation of its own.
async fn other_provider(stage: &Stage) -> Caller {
    stage.provider("other", 10).await;
    let olga = stage.login("admin@other.example").await;
    let new = json!({ "HomeRegion": HOME, "AccountLimit": 9 });
    assert_eq!(olga.post(ORG, &new).await.status, 201);
    olga
}

#[test]
fn the_account_limit_counts_what_is_not_closed() {
    with_platform(None, async |stage| {
        let land = land_of(&stage, 5).await;
        let account = text(&land.onboard(&stage, &land.request("acme")).await["Id"]);
        assert_eq!(land.pia.post(TENANTS, &crate::family::new_child("globex", 1)).await.status, 422);
        assert_eq!(land.pia.post(&format!("{ORG}/accounts/{account}/close"), &Value::Null).await.status, 204);
        assert_eq!(land.pia.post(TENANTS, &crate::family::new_child("globex", 1)).await.status, 202);
    });
}
