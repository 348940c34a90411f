//! A provider with two children, and what their people do all day.

use crate::common::{Caller, PASSWORD, Stage};
use fleetproof_platform::Founded;
use serde_json::{Value, json};

pub const V1: &str = "/api/management/v1/useradm";
pub const V2: &str = "/api/management/v2/useradm";
pub const TENANTS: &str = "/api/management/v2/tenantadm/tenants";

/// A provider with two children.
pub struct Family {
    pub provider: Founded,
    pub pia: Caller,
    pub acme: String,
    pub ada: Caller,
    pub globex: String,
    pub gus: Caller,
}

pub async fn family(stage: &Stage) -> Family {
    let provider = stage.provider("provider", 1000).await;
    let pia = stage.login("admin@provider.example").await;
    let acme = child(&pia, "acme", 300).await;
    let globex = child(&pia, "globex", 500).await;
    let (ada, gus) = (stage.login("admin@acme.example").await, stage.login("admin@globex.example").await);
    Family { provider, pia, acme, ada, globex, gus }
}

pub fn new_child(name: &str, limit: i64) -> Value {
    let admin = json!({ "email": format!("admin@{name}.example"), "password": PASSWORD });
    json!({ "name": name, "admin": admin, "device_limit": limit })
}

pub async fn child(pia: &Caller, name: &str, limit: i64) -> String {
    let told = pia.post(TENANTS, &new_child(name, limit)).await;
    assert_eq!(told.status, 202, "{}", told.text());
    let children = pia.get(&format!("{TENANTS}?per_page=500")).await.json();
    let child = children.as_array().unwrap().iter().find(|child| child["name"] == name).unwrap();
    child["id"].as_str().unwrap().to_owned()
}

pub async fn me(caller: &Caller) -> Value {
    caller.get(&format!("{V1}/users/me")).await.json()
}

pub async fn add_user(admin: &Caller, email: &str, roles: &[&str]) -> String {
    let told =
        admin.post(&format!("{V1}/users"), &json!({ "email": email, "password": PASSWORD, "roles": roles })).await;
    assert_eq!(told.status, 201, "{}", told.text());
    told.headers["location"].to_str().unwrap().strip_prefix("users/").unwrap().to_owned()
}

/// `action/object` of each entry, oldest first, of everything after the first `skip`.
pub async fn log(caller: &Caller, skip: usize) -> Vec<String> {
    let entries = caller.get("/api/management/v1/auditlogs/logs?sort=asc&per_page=500").await.json();
    let line = |entry: &Value| format!("{}/{}", entry["action"], entry["object"]["type"]).replace('"', "");
    entries.as_array().unwrap().iter().skip(skip).map(line).collect()
}
