//! A provider with an organisation and a blueprint, and how accounts are asked for there.

use crate::common::{Caller, PASSWORD, Stage, Told};
use fleetproof_dataplane::organisation::onboarding::whole_ms;
use fleetproof_platform::{Platform, RoleAsked};
use serde_json::{Value, json};
use std::time::Duration;

pub const ORG: &str = "/api/management/v1/organization";
pub const HOME: &str = "eu-central-1";
pub const OTHER: &str = "eu-west-1";

/// The provider's side of it.
pub struct Land {
    pub pia: Caller,
    pub root: String,
    pub lobby: String,
    pub product: String,
    pub version: String,
}

/// The parts of a version whose small tier allows so many devices.
pub fn parts(small: i64, application: &str) -> Value {
    let tier = |name: &str, limit: i64, calls: u64| json!({ "Name": name, "DeviceLimit": limit, "ManagementCalls": calls, "DeviceCalls": calls * 10, "IntervalSeconds": 60 });
    json!({
        "DeviceEndpoint": true, "TrustRole": true, "AuditTrail": true,
        "DefaultDevicePolicy": { "Version": "2012-10-17", "Statement": [] },
        "Tiers": [tier("small", small, 1_000), tier("large", small * 10, 10_000)],
        "Application": { "Name": "iot application for tenant", "Version": application },
    })
}

/// A provider with a pool of 1000 devices and an organisation of so many accounts, four of them its own.
pub async fn land_of(stage: &Stage, accounts: i64) -> Land {
    stage.provider("provider", 1000).await;
    let pia = stage.login("admin@provider.example").await;
    let new = json!({ "HomeRegion": HOME, "GovernedRegions": [OTHER], "AccountLimit": accounts });
    let told = pia.post(ORG, &new).await;
    assert_eq!(told.status, 201, "{}", told.text());
    let organisation = told.json();
    let product = pia.post(&format!("{ORG}/products"), &json!({ "Name": "tenant" })).await;
    assert_eq!(product.status, 201, "{}", product.text());
    let product = text(&product.json()["ProductId"]);
    let (root, lobby) = (text(&organisation["RootId"]), text(&organisation["LobbyRoleArn"]));
    let mut land = Land { pia, root, lobby, product, version: String::new() };
    land.version = land.register("v1", &parts(10, "1")).await;
    land
}

pub async fn land(stage: &Stage) -> Land {
    land_of(stage, 12).await
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Lets the time pass that an onboarding takes.
pub async fn wait(stage: &Stage) {
    stage.world.clock.sleep(Duration::from_millis(whole_ms())).await;
}

/// Lets the time pass in which whatever fails has been tried again and undone.
pub async fn wait_long(stage: &Stage) {
    stage.world.clock.sleep(Duration::from_millis(whole_ms() + 60_000)).await;
}

impl Land {
    pub async fn register(&self, name: &str, parts: &Value) -> String {
        let path = format!("{ORG}/products/{}/provisioning-artifacts", self.product);
        let told = self.pia.post(&path, &json!({ "Name": name, "Parts": parts })).await;
        assert_eq!(told.status, 201, "{}", told.text());
        text(&told.json()["Id"])
    }

    /// An account to be, as `CreateAccount` takes it.
    pub fn request(&self, name: &str) -> Value {
        json!({
            "Email": format!("account@{name}.example"), "AccountName": name,
            "FirstUser": { "Email": format!("admin@{name}.example"), "FirstName": "Ada", "LastName": "L", "Password": PASSWORD },
            "ProductId": self.product, "ProvisioningArtifactId": self.version, "Tier": "small",
        })
    }

    pub async fn create(&self, request: &Value) -> Told {
        self.pia.post(&format!("{ORG}/accounts"), request).await
    }

    /// Asks for an account; the id to ask with how far it is.
    pub async fn begin(&self, request: &Value) -> String {
        let told = self.create(request).await;
        assert_eq!(told.status, 202, "{}", told.text());
        let status = told.json()["CreateAccountStatus"].clone();
        assert_eq!(status["State"], "IN_PROGRESS");
        text(&status["Id"])
    }

    pub async fn status(&self, creation: &str) -> Value {
        let told = self.pia.get(&format!("{ORG}/create-account-status/{creation}")).await;
        assert_eq!(told.status, 200, "{}", told.text());
        told.json()["CreateAccountStatus"].clone()
    }

    /// An account, made; as `DescribeAccount` shows it.
    pub async fn onboard(&self, stage: &Stage, request: &Value) -> Value {
        let creation = self.begin(request).await;
        wait(stage).await;
        let status = self.status(&creation).await;
        assert_eq!(status["State"], "SUCCEEDED", "{status}");
        self.account(&text(&status["AccountId"])).await
    }

    pub async fn account(&self, id: &str) -> Value {
        let told = self.pia.get(&format!("{ORG}/accounts/{id}")).await;
        assert_eq!(told.status, 200, "{}", told.text());
        told.json()["Account"].clone()
    }

    pub async fn accounts(&self) -> Vec<Value> {
        let told = self.pia.get(&format!("{ORG}/accounts?MaxResults=500")).await;
        assert_eq!(told.status, 200, "{}", told.text());
        told.json()["Accounts"].as_array().unwrap().clone()
    }

    pub async fn trust(&self, account: &str, region: &str) -> Value {
        self.pia.get(&format!("{ORG}/accounts/{account}/trust/{region}")).await.json()
    }

    /// Whether the lobby gets into an account with this external id.
    pub async fn gets_in(&self, platform: &Platform, account: &str, region: &str, external_id: Option<&str>) -> bool {
        let asked = RoleAsked {
            principal: self.lobby.clone(),
            account: account.to_owned(),
            region: region.to_owned(),
            external_id: external_id.map(str::to_owned),
        };
        platform.assume_role(&asked).await.unwrap().is_ok()
    }

    /// `account: drift` of all that the scan finds.
    pub async fn drifts(&self) -> Vec<String> {
        let report = self.pia.get(&format!("{ORG}/drift")).await.json();
        let line = |one: &Value| format!("{}: {}", text(&one["AccountId"]), text(&one["Drift"]));
        report["Drifts"].as_array().unwrap().iter().map(line).collect()
    }

    /// What a failed onboarding must leave as it was: accounts, tenants, places, reserve.
    pub async fn traces(&self) -> Value {
        let organisation = self.pia.get(ORG).await.json();
        let tenants = self.pia.get("/api/management/v2/tenantadm/tenants?per_page=500").await.json();
        let own = self.pia.get("/api/management/v2/tenantadm/tenants/me").await.json();
        json!({
            "accounts": self.accounts().await, "used": organisation["AccountCount"], "tenants": tenants,
            "reserve": own["device_limits"]["max_devices"]["value"],
        })
    }

    pub async fn log(&self, query: &str) -> Vec<Value> {
        let told = self.pia.get(&format!("{ORG}/log?MaxResults=500&{query}")).await;
        assert_eq!(told.status, 200, "{}", told.text());
        told.json()["Events"].as_array().unwrap().clone()
    }
}
