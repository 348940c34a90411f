//! How an account comes to be: whole, or undone; never half, and never twice.

use crate::common::{Caller, PASSWORD, Stage, with_platform};
use crate::family::{TENANTS, log};
use crate::gear::Gear;
use crate::landing::{HOME, Land, ORG, OTHER, land, land_of, parts, text, wait, wait_long};
use fleetproof_dataplane::organisation::onboarding::{FailureReason, Step, whole_ms};
use fleetproof_platform::store::Database;
use fleetproof_platform::{Platform, Settings};
use fleetproof_world::{Runtime, World};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn from_the_request_to_the_first_device() {
    with_platform(None, async |stage| {
        let land = land(&stage).await;
        let mut request = land.request("acme");
        request["AllGovernedRegions"] = json!(true);
        let creation = land.begin(&request).await;
        stage.world.clock.sleep(Duration::from_millis(whole_ms() - 1)).await;
        assert_eq!(land.status(&creation).await["State"], "IN_PROGRESS");
        assert_eq!(stage.try_login("admin@acme.example", PASSWORD).await.status, 401);
        stage.world.clock.sleep(Duration::from_millis(1)).await;
        // Nobody of the organisation looks: who logs in finds it done.
        let ada = stage.login("admin@acme.example").await;
        let account = ada.get(&format!("{ORG}/account")).await.json()["Account"].clone();
        assert_eq!((&account["State"], &account["AuditTrail"]), (&json!("ACTIVE"), &json!(true)));
        let regions = account["Regions"].as_array().unwrap();
        let named: Vec<_> = regions.iter().map(|one| one["Region"].as_str().unwrap()).collect();
        assert_eq!(named, [HOME, OTHER]);
        for region in regions {
            let end = format!("-ats.iot.{}.fleet.example", text(&region["Region"]));
            assert!(text(&region["Endpoint"]).ends_with(&end) && region["Trusted"] == true, "{region}");
        }
        assert_eq!(ada.get(&format!("{ORG}/account")).await.json()["Account"], account, "endpoints never change");
        let own = ada.get("/api/management/v1/tenantadm/user/tenant").await.json();
        assert_eq!((&own["device_limit"], &own["status"]), (&json!(10), &json!("active")));
        let quota = |calls: u64| json!({ "quota": { "interval_sec": 60, "max_calls": calls } });
        assert_eq!(own["api_limits"], json!({ "management": quota(1_000), "devices": quota(10_000) }));
        let reserve = land.traces().await["reserve"].clone();
        assert_eq!(reserve, 990, "the limit came out of the pool");
        Gear::new(&text(&own["tenant_token"]), 1).enroll(&stage, &ada).await;
        assert_eq!(land.drifts().await, [""; 0]);
        let status = land.status(&creation).await;
        assert_eq!((&status["State"], &status["AccountId"]), (&json!("SUCCEEDED"), &account["Id"]));
        assert!(status["CompletedTimestamp"].is_string() && status.get("FailureReason").is_none());
        assert_eq!(log(&land.pia, 0).await.iter().filter(|line| *line == "create/tenant").count(), 4);
    });
}

#[test]
fn a_product_is_made_in_the_words_of_the_account_factory() {
    with_platform(None, async |stage| {
        let land = land(&stage).await;
        let parameter = |(key, value): (&str, &str)| json!({ "Key": key, "Value": value });
        let given = [
            ("AccountName", "acme"),
            ("AccountEmail", "account@acme.example"),
            ("ManagedOrganizationalUnit", &land.root),
            ("SSOUserEmail", "admin@acme.example"),
            ("SSOUserFirstName", "Ada"),
            ("SSOUserLastName", "L"),
            ("Password", PASSWORD),
            ("Tier", "large"),
            ("DeviceLimit", "7"),
            ("Regions", OTHER),
        ];
        let body = |given: &[(&str, &str)]| {
            let parameters: Vec<Value> = given.iter().copied().map(parameter).collect();
            json!({ "ProductId": land.product, "ProvisioningArtifactId": land.version, "ProvisioningParameters": parameters })
        };
        let path = format!("{ORG}/provisioned-products");
        for wrong in [&given[1..], &[&given[..], &[("Colour", "red")]].concat(), &[&given[..], &given[..1]].concat()] {
            let told = land.pia.post(&path, &body(wrong)).await;
            assert_eq!(told.status, 400, "{}", told.text());
        }
        let told = land.pia.post(&path, &body(&given)).await;
        assert_eq!(told.status, 202, "{}", told.text());
        let record = told.json()["RecordDetail"].clone();
        assert_eq!((&record["Status"], &record["RecordType"]), (&json!("CREATED"), &json!("PROVISION_PRODUCT")));
        let (id, product) = (text(&record["RecordId"]), text(&record["ProvisionedProductId"]));
        assert_eq!(record_status(&land.pia, &id).await, "CREATED");
        assert_eq!(product_status(&land.pia, &product).await, "UNDER_CHANGE");
        stage.world.clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(record_status(&land.pia, &id).await, "IN_PROGRESS");
        wait(&stage).await;
        assert_eq!(record_status(&land.pia, &id).await, "SUCCEEDED");
        assert_eq!(product_status(&land.pia, &product).await, "AVAILABLE");
        let own = stage.login("admin@acme.example").await.get("/api/management/v1/tenantadm/user/tenant").await.json();
        assert_eq!(own["device_limit"], 7);
        assert_eq!(land.drifts().await, [""; 0]);
    });
}

async fn record_status(pia: &Caller, id: &str) -> String {
    let told = pia.get(&format!("{ORG}/records/{id}")).await;
    assert_eq!(told.status, 200, "{}", told.text());
    text(&told.json()["RecordDetail"]["Status"])
}

async fn product_status(pia: &Caller, id: &str) -> String {
    let told = pia.get(&format!("{ORG}/provisioned-products/{id}")).await;
    assert_eq!(told.status, 200, "{}", told.text());
    text(&told.json()["ProvisionedProductDetail"]["Status"])
}

/// The account, the tenant and the tenant's token of the onboarding that is under way, as far as there are any.
async fn half_made(stage: &Stage, land: &Land) -> (Option<String>, Option<String>) {
    let accounts = land.accounts().await;
    let Some(account) = accounts.iter().find(|one| one["Kind"] == "TENANT") else { return (None, None) };
    let token = match account["TenantId"].as_str() {
        Some(tenant) => stage.platform.tenant_token(tenant).await.unwrap(),
        None => None,
    };
    (Some(text(&account["Id"])), token)
}

/// Whether anything of a half-made account answers: a login, a knock, the lobby's role.
async fn answers(stage: &Stage, land: &Land) -> bool {
    let (account, token) = half_made(stage, land).await;
    let mut any = stage.try_login("admin@acme.example", PASSWORD).await.status != 401;
    if let Some(token) = token {
        let told = Gear::new(&token, 1).knock(stage).await;
        any |= told.status != 401 || told.json()["error"] != "tenant account suspended";
    }
    if let Some(account) = account {
        let external_id = land.trust(&account, HOME).await["ExternalId"].as_str().map(str::to_owned);
        any |= land.gets_in(&stage.platform, &account, HOME, external_id.as_deref()).await;
        any |= land.account(&account).await["State"] == "ACTIVE";
    }
    any
}

/// A platform on a database that another process has left, with keys and chance of its own.
async fn reopened(world: &World, database: &Database, life: &str) -> Stage {
    let world = World { seeds: world.seeds.child(life), ..world.clone() };
    let platform = Platform::open_on(Settings::free(world.clone(), None), database.clone()).await.unwrap();
    let (gateway, door) = (platform.gateway(), platform.operator_door());
    Stage { world, platform, gateway, door }
}

#[test]
fn whatever_step_the_process_ends_after_the_next_one_finishes() {
    for after in Step::ALL {
        Runtime::virtual_time().unwrap().block_on(async {
            let world = World::simulated(7);
            let database = Database::in_memory().unwrap();
            let stage = reopened(&world, &database, "one").await;
            let mut land = land(&stage).await;
            stage.platform.halt_onboarding(Some(*after));
            let creation = land.begin(&land.request("acme")).await;
            wait_long(&stage).await;
            if *after != Step::Open {
                assert_eq!(land.status(&creation).await["State"], "IN_PROGRESS", "{after:?}");
                assert!(!answers(&stage, &land).await, "{after:?}");
                assert_eq!(land.status(&creation).await["State"], "IN_PROGRESS", "it did stop: {after:?}");
            }
            drop(stage);
            let stage = reopened(&world, &database, "two").await;
            land.pia = stage.login("admin@provider.example").await;
            let status = land.status(&creation).await;
            assert_eq!(status["State"], "SUCCEEDED", "{after:?}: {status}");
            let ada = stage.login("admin@acme.example").await;
            let own = ada.get("/api/management/v1/tenantadm/user/tenant").await.json();
            Gear::new(&text(&own["tenant_token"]), 1).enroll(&stage, &ada).await;
            assert_eq!(land.drifts().await, [""; 0], "{after:?}");
            assert_eq!(land.traces().await["used"], 5, "{after:?}");
            assert_eq!(land.traces().await["reserve"], 990, "{after:?}");
        });
    }
}

#[test]
fn a_step_that_breaks_is_tried_again_and_undone_when_that_does_not_help() {
    for step in Step::ALL {
        with_platform(None, async |stage| {
            let land = land(&stage).await;
            let before = land.traces().await;
            stage.platform.break_onboarding(*step, FailureReason::InternalFailure, 3);
            let creation = land.begin(&land.request("acme")).await;
            // The third time it is undone; until that is done, it is in error.
            let reached: u64 = Step::ALL.iter().take_while(|one| *one <= step).map(|one| one.takes_ms()).sum();
            stage.world.clock.sleep(Duration::from_millis(reached + 10_000)).await;
            assert_eq!(land.status(&creation).await["State"], "IN_PROGRESS", "{step:?}");
            assert!(!answers(&stage, &land).await, "{step:?}");
            wait_long(&stage).await;
            let status = land.status(&creation).await;
            assert_eq!((&status["State"], &status["FailureReason"]), (&json!("FAILED"), &json!("INTERNAL_FAILURE")));
            assert!(status.get("AccountId").is_none());
            assert_eq!(land.traces().await, before, "{step:?}");
            assert_eq!(stage.try_login("admin@acme.example", PASSWORD).await.status, 401);
            // Everything is free again; a step that breaks twice only is no obstacle.
            stage.platform.break_onboarding(*step, FailureReason::InternalFailure, 2);
            let again = land.begin(&land.request("acme")).await;
            wait_long(&stage).await;
            assert_eq!(land.status(&again).await["State"], "SUCCEEDED", "{step:?}");
            stage.login("admin@acme.example").await;
        });
    }
}

#[test]
fn each_reason_that_creation_fails_for_is_told_and_nothing_is_left() {
    for reason in FailureReason::ALL {
        with_platform(None, async |stage| {
            let land = land(&stage).await;
            let before = land.traces().await;
            stage.platform.break_onboarding(Step::Application, *reason, 9);
            let told = land.create(&land.request("acme")).await.json();
            let creation = text(&told["CreateAccountStatus"]["Id"]);
            wait_long(&stage).await;
            assert_eq!(land.status(&creation).await["FailureReason"], reason.name());
            assert_eq!(land.traces().await, before, "{reason:?}");
        });
    }
}

#[test]
fn what_only_time_tells_fails_with_its_reason_and_without_a_trace() {
    with_platform(None, async |stage| {
        let land = land_of(&stage, 5).await;
        land.onboard(&stage, &land.request("acme")).await;
        let before = land.traces().await;
        let with = |field: &str, value: Value| {
            let mut request = land.request("globex");
            request[field] = value;
            request
        };
        let first = json!({ "Email": "admin@acme.example", "FirstName": "A", "LastName": "B", "Password": PASSWORD });
        let cases = [
            (with("Email", json!("ACCOUNT@acme.example")), "EMAIL_ALREADY_EXISTS"),
            (with("Email", json!("nobody")), "INVALID_EMAIL"),
            (with("Email", json!("account@globex.example")), "ACCOUNT_LIMIT_EXCEEDED"),
        ];
        for (request, reason) in cases {
            let creation = land.begin(&request).await;
            wait_long(&stage).await;
            let status = land.status(&creation).await;
            assert_eq!((&status["State"], &status["FailureReason"]), (&json!("FAILED"), &json!(reason)));
            assert_eq!(land.traces().await, before, "{reason}");
        }
        // A place is free again: what fails late, fails for its own reason, and is undone.
        let account = before["accounts"].as_array().unwrap().iter().find(|one| one["Kind"] == "TENANT").unwrap();
        land.pia.post(&format!("{ORG}/accounts/{}/close", text(&account["Id"])), &Value::Null).await;
        let before = land.traces().await;
        let mut pool = land.request("globex");
        pool["DeviceLimit"] = json!(1001);
        let mut taken = land.request("globex");
        taken["FirstUser"] = json!({ "Email": "admin@provider.example", "FirstName": "A", "LastName": "B" });
        for (request, reason) in [(pool, "ACCOUNT_LIMIT_EXCEEDED"), (taken, "EMAIL_ALREADY_EXISTS")] {
            let creation = land.begin(&request).await;
            wait_long(&stage).await;
            assert_eq!(land.status(&creation).await["FailureReason"], reason);
            assert_eq!(land.traces().await, before, "{reason}");
        }
        let reused = with("FirstUser", first);
        let creation = land.begin(&reused).await;
        wait_long(&stage).await;
        assert_eq!(land.status(&creation).await["State"], "SUCCEEDED", "the login of a closed account's admin is gone");
    });
}

#[test]
fn what_cannot_be_right_is_refused_before_an_account_exists() {
    with_platform(None, async |stage| {
        let land = land(&stage).await;
        let withdrawn = land.register("v2", &parts(10, "2")).await;
        let path = format!("{ORG}/products/{}/provisioning-artifacts/{withdrawn}", land.product);
        assert_eq!(land.pia.put(&path, &json!({ "Active": false })).await.status, 200);
        let before = land.traces().await;
        let with = |fields: &[(&str, Value)]| {
            let mut request = land.request("acme");
            fields.iter().for_each(|(field, value)| request[*field] = value.clone());
            request
        };
        let long = "x".repeat(300);
        let cases = [
            (with(&[("ParentId", json!("ou-never"))]), 404),
            (with(&[("ProductId", json!("prod-never"))]), 404),
            (with(&[("ProvisioningArtifactId", json!("pa-never"))]), 404),
            (with(&[("ProvisioningArtifactId", json!(withdrawn))]), 409),
            (with(&[("Regions", json!(["us-east-1"]))]), 403),
            (with(&[("Regions", json!(["US"]))]), 400),
            (with(&[("Regions", json!([HOME])), ("AllGovernedRegions", json!(true))]), 400),
            (with(&[("Tier", json!("huge"))]), 400),
            (with(&[("AccountName", json!(""))]), 400),
            (with(&[("Email", json!(long))]), 400),
            (with(&[("DeviceLimit", json!(-2))]), 400),
            (with(&[("IdempotencyToken", json!(""))]), 400),
            (with(&[("FirstUser", json!({ "Email": "x", "FirstName": "A", "LastName": "B" }))]), 400),
            (
                with(&[(
                    "FirstUser",
                    json!({ "Email": "a@b.example", "FirstName": "A", "LastName": "B", "Password": "short" }),
                )]),
                422,
            ),
        ];
        for (request, status) in cases {
            let told = land.create(&request).await;
            assert_eq!(told.status, status, "{request}: {}", told.text());
        }
        wait_long(&stage).await;
        assert_eq!(land.traces().await, before);
        // Withdrawn between request and first step: an account does not come to be either.
        let creation = land.begin(&land.request("acme")).await;
        let path = format!("{ORG}/products/{}/provisioning-artifacts/{}", land.product, land.version);
        assert_eq!(land.pia.put(&path, &json!({ "Active": false })).await.status, 200);
        wait_long(&stage).await;
        assert_eq!(land.status(&creation).await["FailureReason"], "CONCURRENT_ACCOUNT_MODIFICATION");
        assert_eq!(land.traces().await, before);
    });
}

#[test]
fn a_repeated_request_is_the_same_request() {
    with_platform(None, async |stage| {
        let land = land(&stage).await;
        let mut request = land.request("acme");
        request["IdempotencyToken"] = json!("once");
        let creation = land.begin(&request).await;
        assert_eq!(land.begin(&request).await, creation);
        wait(&stage).await;
        let told = land.create(&request).await;
        assert_eq!(told.status, 202);
        let status = told.json()["CreateAccountStatus"].clone();
        assert_eq!((&status["Id"], &status["State"]), (&json!(creation), &json!("SUCCEEDED")));
        let mut other = land.request("globex");
        other["IdempotencyToken"] = json!("once");
        assert_eq!(land.create(&other).await.status, 409);
        assert_eq!(land.traces().await["used"], 5);
    });
}

#[test]
fn twenty_at_once_and_the_limit_holds_exactly() {
    with_platform(None, async |stage| {
        let land = land_of(&stage, 4 + 12).await;
        let ask = async |number: usize| {
            let mut request = land.request(&format!("t{number}"));
            request["DeviceLimit"] = json!(1);
            land.begin(&request).await
        };
        let mut asked = Vec::new();
        for number in (0..20).step_by(4) {
            let (a, b, c, d) = tokio::join!(ask(number), ask(number + 1), ask(number + 2), ask(number + 3));
            asked.extend([a, b, c, d]);
        }
        wait_long(&stage).await;
        // Four look at once.
        let _ = tokio::join!(land.accounts(), land.accounts(), land.accounts(), land.accounts());
        let (mut made, mut refused) = (BTreeSet::new(), 0);
        for creation in &asked {
            let status = land.status(creation).await;
            match status["State"].as_str() {
                Some("SUCCEEDED") => assert!(made.insert(text(&status["AccountId"]))),
                _ => {
                    assert_eq!(status["FailureReason"], "ACCOUNT_LIMIT_EXCEEDED");
                    refused += 1;
                }
            }
        }
        assert_eq!((made.len(), refused), (12, 8));
        let traces = land.traces().await;
        assert_eq!((&traces["used"], &traces["reserve"]), (&json!(16), &json!(988)));
        let mut endpoints = BTreeSet::new();
        for account in &made {
            assert!(endpoints.insert(text(&land.account(account).await["Regions"][0]["Endpoint"])));
        }
        assert_eq!(land.drifts().await, [""; 0]);
    });
}

#[test]
fn a_closed_account_refuses_everybody_and_keeps_its_email_and_its_log() {
    with_platform(None, async |stage| {
        let land = land(&stage).await;
        let before = land.traces().await;
        let account = text(&land.onboard(&stage, &land.request("acme")).await["Id"]);
        let ada = stage.login("admin@acme.example").await;
        let own = ada.get("/api/management/v1/tenantadm/user/tenant").await.json();
        let gear = Gear::new(&text(&own["tenant_token"]), 1);
        let (_, device) = gear.enroll(&stage, &ada).await;
        let external_id = text(&land.trust(&account, HOME).await["ExternalId"]);
        let logged = land.log(&format!("AccountId={account}")).await.len();
        let close = format!("{ORG}/accounts/{account}/close");
        assert_eq!(land.pia.post(&close, &Value::Null).await.status, 204);
        assert_eq!(land.pia.post(&close, &Value::Null).await.status, 409);
        let shown = land.account(&account).await;
        assert_eq!(shown["State"], "CLOSED");
        assert!(shown["Regions"][0].get("Endpoint").is_none());
        assert_eq!(ada.get(&format!("{ORG}/account")).await.status, 401);
        assert_eq!(stage.try_login("admin@acme.example", PASSWORD).await.status, 401);
        assert_eq!(gear.knock(&stage).await.status, 401);
        assert!(!crate::gear::is_let_in(&device).await);
        assert!(!land.gets_in(&stage.platform, &account, HOME, Some(&external_id)).await);
        let trust = format!("{ORG}/accounts/{account}/trust/{HOME}");
        assert_eq!(land.pia.put(&trust, &Value::Null).await.status, 409);
        assert_eq!(land.log(&format!("AccountId={account}")).await.len(), logged);
        let after = land.traces().await;
        assert_eq!(
            [&after["used"], &after["reserve"], &after["tenants"]],
            [&before["used"], &before["reserve"], &before["tenants"]]
        );
        let again = land.begin(&land.request("acme")).await;
        wait_long(&stage).await;
        assert_eq!(land.status(&again).await["FailureReason"], "EMAIL_ALREADY_EXISTS");
        let fixed = land.accounts().await.into_iter().find(|one| one["Kind"] == "AUDIT").unwrap();
        let fixed = format!("{ORG}/accounts/{}/close", text(&fixed["Id"]));
        assert_eq!(land.pia.post(&fixed, &Value::Null).await.status, 409);
    });
}

#[test]
fn a_new_version_is_rolled_over_the_accounts_one_by_one() {
    with_platform(None, async |stage| {
        let land = land(&stage).await;
        let mut accounts = Vec::new();
        for name in ["a", "b", "c"] {
            accounts.push(text(&land.onboard(&stage, &land.request(name)).await["Id"]));
        }
        let next = land.register("v2", &parts(20, "2")).await;
        let roll = format!("{ORG}/products/{}/provisioning-artifacts/{next}/roll-out", land.product);
        let told = land.pia.post(&roll, &Value::Null).await;
        assert_eq!(told.status, 202, "{}", told.text());
        let records: Vec<String> = told.json()["RecordIds"].as_array().unwrap().iter().map(text).collect();
        let states = async || {
            let mut states = Vec::new();
            for record in &records {
                states.push(record_status(&land.pia, record).await);
            }
            states
        };
        let mut most = 0;
        for _ in 0..40 {
            let now = states().await;
            most = most.max(now.iter().filter(|state| *state == "IN_PROGRESS").count());
            stage.world.clock.sleep(Duration::from_secs(5)).await;
        }
        assert_eq!(most, 1, "one at a time");
        assert_eq!(states().await, ["SUCCEEDED"; 3]);
        for account in &accounts {
            assert_eq!(land.account(account).await["ProvisioningArtifactId"], next.as_str());
        }
        assert_eq!(land.drifts().await, [""; 0]);
        assert_eq!(land.traces().await["reserve"], 1000 - 60, "the quotas are those of the new version");
        // The one in the middle fails: it goes on with the version before, and so does what comes after it.
        let bad = land.register("v3", &parts(30, "3")).await;
        let roll = format!("{ORG}/products/{}/provisioning-artifacts/{bad}/roll-out", land.product);
        let told = land.pia.post(&roll, &Value::Null).await.json();
        let records: Vec<String> = told["RecordIds"].as_array().unwrap().iter().map(text).collect();
        while record_status(&land.pia, &records[1]).await != "IN_PROGRESS" {
            stage.world.clock.sleep(Duration::from_secs(1)).await;
        }
        stage.platform.break_onboarding(Step::Application, FailureReason::InternalFailure, 3);
        let mut seen = BTreeSet::new();
        for _ in 0..120 {
            seen.insert(record_status(&land.pia, &records[1]).await);
            stage.world.clock.sleep(Duration::from_secs(1)).await;
        }
        assert!(seen.contains("IN_PROGRESS_IN_ERROR"), "{seen:?}");
        let (mut states, mut products, mut versions) = (Vec::new(), Vec::new(), Vec::new());
        for record in &records {
            let detail = land.pia.get(&format!("{ORG}/records/{record}")).await.json()["RecordDetail"].clone();
            states.push(text(&detail["Status"]));
            products.push(product_status(&land.pia, &text(&detail["ProvisionedProductId"])).await);
        }
        for account in &accounts {
            versions.push(text(&land.account(account).await["ProvisioningArtifactId"]));
        }
        assert_eq!(states, ["SUCCEEDED", "FAILED", "FAILED"]);
        assert_eq!(products, ["AVAILABLE", "TAINTED", "AVAILABLE"]);
        assert_eq!(versions, [bad.as_str(), &next, &next]);
        assert_eq!(land.drifts().await, [""; 0], "the version before serves, with its quotas");
        assert_eq!(stage.login("admin@b.example").await.get(ORG).await.status, 403);
    });
}

#[test]
fn an_account_is_updated_once_at_a_time() {
    with_platform(None, async |stage| {
        let land = land(&stage).await;
        land.onboard(&stage, &land.request("acme")).await;
        land.begin(&land.request("globex")).await;
        let roll = format!("{ORG}/products/{}/provisioning-artifacts/{}/roll-out", land.product, land.version);
        let told = land.pia.post(&roll, &Value::Null).await;
        assert_eq!(told.json()["RecordIds"], json!([]), "nothing has another version");
        let next = land.register("v2", &parts(20, "2")).await;
        let roll = format!("{ORG}/products/{}/provisioning-artifacts/{next}/roll-out", land.product);
        let record = text(&land.pia.post(&roll, &Value::Null).await.json()["RecordIds"][0]);
        let detail = land.pia.get(&format!("{ORG}/records/{record}")).await.json()["RecordDetail"].clone();
        let product = format!("{ORG}/provisioned-products/{}", text(&detail["ProvisionedProductId"]));
        let update = json!({ "ProvisioningArtifactId": next, "UpdateToken": "u" });
        assert_eq!(land.pia.put(&product, &update).await.status, 409, "it is under change");
        wait_long(&stage).await;
        let told = land.pia.put(&product, &update).await;
        assert_eq!(told.status, 202, "{}", told.text());
        let again = land.pia.put(&product, &update).await.json();
        assert_eq!(again["RecordDetail"]["RecordId"], told.json()["RecordDetail"]["RecordId"]);
        let other = json!({ "ProvisioningArtifactId": land.version, "UpdateToken": "u" });
        assert_eq!(land.pia.put(&product, &other).await.status, 409);
    });
}

#[test]
fn a_half_made_tenant_is_opened_by_nobody_and_can_be_removed() {
    with_platform(None, async |stage| {
        let land = land(&stage).await;
        let before = land.traces().await;
        stage.platform.halt_onboarding(Some(Step::FirstUser));
        let creation = land.begin(&land.request("acme")).await;
        wait_long(&stage).await;
        let account = land.accounts().await.into_iter().find(|one| one["Kind"] == "TENANT").unwrap();
        let (id, tenant) = (text(&account["Id"]), text(&account["TenantId"]));
        assert_eq!(account["State"], "PENDING_ACTIVATION");
        let status = format!("/api/internal/v1/tenantadm/tenants/{tenant}/status");
        for wanted in ["active", "suspended"] {
            assert_eq!(stage.operator().put(&status, &json!({ "status": wanted })).await.status, 409);
        }
        let activate = format!("{TENANTS}/{tenant}/status");
        assert_eq!(land.pia.put(&activate, &json!({ "status": "active" })).await.status, 409);
        assert_eq!(stage.try_login("admin@acme.example", PASSWORD).await.status, 401);
        assert_eq!(land.pia.post(&format!("{ORG}/accounts/{id}/close"), &Value::Null).await.status, 204);
        assert_eq!(land.status(&creation).await["FailureReason"], "CONCURRENT_ACCOUNT_MODIFICATION");
        stage.platform.halt_onboarding(None);
        wait_long(&stage).await;
        assert_eq!(land.traces().await, before);
        land.onboard(&stage, &land.request("acme")).await;
    });
}
