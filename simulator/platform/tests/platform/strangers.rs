//! Every operation on things of a fleet: its owner succeeds and the log tells of it; a stranger is answered as if the
//! thing had never been, and changes nothing.

use crate::common::{Caller, Stage, Told, with_platform};
use crate::family::log;
use crate::gear::Gear;
use crate::updates::{bring, deploy, id_in, report, version};
use serde_json::{Value, json};

/// What stands for an id that never was.
const NEVER: &str = "00000000-0000-7000-8000-000000000000";

/// Names in braces, and what they stand for here.
type Names = Vec<(&'static str, String)>;

/// A request about a thing: by its owner it is answered so, by a stranger so, and this stands in the owner's log.
type Row = (&'static str, &'static str, Value, u16, u16, &'static str);

const M1: &str = "/api/management/v1";
const M2: &str = "/api/management/v2";

/// In an order in which the owner can make all of them on the same things.
fn rows() -> Vec<Row> {
    let none = || Value::Null;
    let filter = || json!({ "name": "f2", "terms": [{ "scope": "system", "attribute": "group", "type": "$eq", "value": "{group}" }] });
    vec![
        ("GET", "{M2}/devauth/devices/{device}", none(), 200, 404, ""),
        ("GET", "{M2}/devauth/devices?id={device}", none(), 200, 200, ""),
        ("GET", "{M2}/devauth/devices?id[$ne]=1", none(), 200, 200, ""),
        ("POST", "{M2}/devauth/devices/search", json!({ "id": ["{device}"] }), 200, 200, ""),
        ("GET", "{M2}/devauth/devices/{device}/auth/{set}/status", none(), 200, 404, ""),
        ("DELETE", "{M2}/devauth/tokens/{set}", none(), 204, 204, "update/device"),
        (
            "PUT",
            "{M2}/devauth/devices/{device}/auth/{set}/status",
            json!({ "status": "rejected" }),
            204,
            404,
            "reject/device",
        ),
        (
            "PUT",
            "{M2}/devauth/devices/{device}/auth/{set}/status",
            json!({ "status": "accepted" }),
            204,
            404,
            "update/device",
        ),
        ("GET", "{M1}/inventory/devices/{device}", none(), 200, 404, ""),
        ("GET", "{M1}/inventory/devices/{device}/group", none(), 200, 404, ""),
        ("GET", "{M1}/inventory/devices?group={group}", none(), 200, 200, ""),
        ("GET", "{M1}/inventory/groups/{group}/devices", none(), 200, 404, ""),
        ("POST", "{M2}/inventory/filters/search", json!({ "device_ids": ["{device}"] }), 200, 200, ""),
        (
            "PUT",
            "{M1}/inventory/devices/{device}/tags",
            json!([{ "name": "a", "value": "b" }]),
            200,
            404,
            "update/device",
        ),
        (
            "PATCH",
            "{M1}/inventory/devices/{device}/tags",
            json!([{ "name": "c", "value": "d" }]),
            200,
            404,
            "update/device",
        ),
        ("GET", "{M2}/inventory/filters/{filter}", none(), 200, 404, ""),
        ("GET", "{M2}/inventory/filters/{filter}/search", none(), 200, 404, ""),
        ("PUT", "{M2}/inventory/filters/{filter}", filter(), 204, 404, "update/tenant"),
        ("GET", "{M1}/deployments/artifacts?name={release}", none(), 200, 200, ""),
        ("GET", "{M2}/deployments/artifacts?name={release}", none(), 200, 200, ""),
        ("GET", "{M1}/deployments/artifacts/{artifact}", none(), 200, 404, ""),
        ("GET", "{M1}/deployments/artifacts/{artifact}/download", none(), 200, 404, ""),
        ("PUT", "{M1}/deployments/artifacts/{artifact}", json!({ "description": "new" }), 204, 404, "update/artifact"),
        ("GET", "{M2}/deployments/deployments/releases?name={release}", none(), 200, 200, ""),
        ("GET", "{M2}/deployments/deployments/releases/{release}", none(), 200, 404, ""),
        (
            "PATCH",
            "{M2}/deployments/deployments/releases/{release}",
            json!({ "notes": "n" }),
            204,
            404,
            "update/artifact",
        ),
        ("PUT", "{M2}/deployments/deployments/releases/{release}/tags", json!(["t"]), 204, 404, "update/artifact"),
        ("GET", "{M1}/deployments/deployments?search={deployment}", none(), 200, 200, ""),
        ("GET", "{M2}/deployments/deployments?id={deployment}", none(), 200, 200, ""),
        ("GET", "{M1}/deployments/deployments/{deployment}", none(), 200, 404, ""),
        ("GET", "{M1}/deployments/deployments/{deployment}/statistics", none(), 200, 404, ""),
        ("GET", "{M1}/deployments/deployments/{deployment}/device_list", none(), 200, 404, ""),
        ("GET", "{M1}/deployments/deployments/{deployment}/devices/list", none(), 200, 404, ""),
        ("GET", "{M1}/deployments/deployments/{deployment}/devices/{device}/log", none(), 200, 404, ""),
        ("GET", "{M1}/deployments/deployments/devices/{device}", none(), 200, 200, ""),
        (
            "POST",
            "{M1}/deployments/deployments/statistics/list",
            json!({ "deployment_ids": ["{deployment}"] }),
            200,
            404,
            "",
        ),
        (
            "POST",
            "{M1}/deployments/deployments/group/{group}",
            json!({ "name": "g", "artifact_name": "{release}" }),
            201,
            400,
            "create/deployment",
        ),
        (
            "POST",
            "{M1}/deployments/deployments",
            json!({ "name": "e", "artifact_name": "{release}", "devices": ["{device}"] }),
            201,
            422,
            "create/deployment",
        ),
        (
            "POST",
            "{M2}/deployments/deployments",
            json!({ "name": "f", "artifact_name": "{release}", "filter_id": "{filter}" }),
            201,
            400,
            "create/deployment",
        ),
        (
            "PUT",
            "{M1}/deployments/deployments/{deployment}/status",
            json!({ "status": "aborted" }),
            204,
            422,
            "abort/deployment",
        ),
        ("DELETE", "{M1}/deployments/deployments/devices/{device}", none(), 204, 204, "abort/device"),
        ("DELETE", "{M1}/deployments/deployments/devices/{device}/history", none(), 204, 204, "update/device"),
        ("DELETE", "{M2}/inventory/filters/{filter}", none(), 204, 204, "update/tenant"),
        ("PATCH", "{M1}/inventory/groups/{other}/devices", json!(["{device}"]), 200, 200, "update/tenant"),
        ("DELETE", "{M1}/inventory/groups/{other}/devices", json!(["{device}"]), 200, 200, "update/tenant"),
        ("PUT", "{M1}/inventory/devices/{device}/group", json!({ "group": "{group}" }), 204, 404, "update/device"),
        ("DELETE", "{M1}/inventory/devices/{device}/group/{group}", none(), 204, 404, "update/device"),
        ("PUT", "{M1}/inventory/devices/{device}/group", json!({ "group": "{group}" }), 204, 404, "update/device"),
        ("DELETE", "{M1}/inventory/groups/{group}", none(), 200, 200, "update/tenant"),
        ("DELETE", "{M1}/inventory/devices/{device}", none(), 204, 204, "update/device"),
        ("DELETE", "{M1}/deployments/artifacts/{spare}", none(), 204, 404, "delete/artifact"),
        ("DELETE", "{M2}/deployments/deployments/releases?name=v4", none(), 204, 204, "delete/artifact"),
        ("DELETE", "{M2}/devauth/devices/{device}/auth/{set}", none(), 204, 404, "update/device"),
        ("DELETE", "{M2}/devauth/devices/{device}", none(), 204, 404, "decommission/device"),
    ]
}

fn fill(text: &str, names: &Names) -> String {
    let text = text.replace("{M1}", M1).replace("{M2}", M2);
    names.iter().fold(text, |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

async fn ask(by: &Caller, row: &Row, names: &Names) -> Told {
    let body = (!row.2.is_null()).then(|| serde_json::from_str(&fill(&row.2.to_string(), names)).unwrap());
    by.send(row.0, &fill(row.1, names), body.as_ref()).await
}

/// Everything that can be seen of acme's fleet, as text.
async fn sight(owner: &Caller, names: &Names) -> String {
    let mut all = String::new();
    for row in rows().iter().filter(|row| row.0 == "GET" && !row.1.ends_with("/download")) {
        all.push_str(&ask(owner, row, names).await.text());
    }
    all.push_str(&owner.get(&format!("{M2}/deployments/releases/all/tags")).await.text());
    all
}

/// A fleet with one of each thing; their ids.
async fn fleet(stage: &Stage, token: &str, owner: &Caller) -> Names {
    let gear = Gear::new(token, 1);
    let (device, caller) = gear.enroll(stage, owner).await;
    let (_, set) = gear.ids(owner).await;
    let artifact = bring(stage, owner, &version("v2")).await;
    let spare = bring(stage, owner, &version("v3")).await;
    bring(stage, owner, &version("v4")).await;
    let group = json!({ "group": "beta" });
    assert_eq!(owner.put(&format!("{M1}/inventory/devices/{device}/group"), &group).await.status, 204);
    let terms = json!([{ "scope": "system", "attribute": "group", "type": "$eq", "value": "beta" }]);
    let filter = owner.post(&format!("{M2}/inventory/filters"), &json!({ "name": "f", "terms": terms })).await;
    assert_eq!(filter.status, 201);
    let over = deploy(owner, "v3", &[&device]).await;
    assert_eq!(report(&caller, &over, "failure").await.status, 204);
    let deployment = deploy(owner, "v2", &[&device]).await;
    let log = json!({ "messages": [{ "timestamp": "2026-01-01T00:00:00Z", "level": "error", "message": "secret" }] });
    let path = format!("/api/devices/v1/deployments/device/deployments/{deployment}/log");
    assert_eq!(caller.put(&path, &log).await.status, 204);
    vec![
        ("device", device),
        ("set", set),
        ("artifact", artifact),
        ("spare", spare),
        ("release", "v2".to_owned()),
        ("group", "beta".to_owned()),
        ("other", "gamma".to_owned()),
        ("filter", id_in(&filter)),
        ("deployment", deployment),
    ]
}

#[test]
fn a_stranger_is_answered_as_if_it_had_never_been() {
    with_platform(None, async |stage| {
        let acme = stage.tenant("acme", 10).await;
        stage.tenant("globex", 10).await;
        let owner = stage.login("admin@acme.example").await;
        let stranger = stage.login("admin@globex.example").await;
        let names = fleet(&stage, &acme.tenant_token, &owner).await;
        let unknown: Names = names.iter().map(|(name, _)| (*name, NEVER.to_owned())).collect();
        let (before, entries) = (sight(&owner, &names).await, log(&owner, 0).await);
        let masked = |told: &Told, names: &Names| {
            let mut text = names.iter().fold(told.text(), |text, (_, value)| text.replace(value.as_str(), "-"));
            if let Ok(mut json) = serde_json::from_str::<Value>(&text) {
                if let Some(object) = json.as_object_mut() {
                    object.remove("request_id");
                }
                text = json.to_string();
            }
            text
        };
        for row in rows() {
            let told = ask(&stranger, &row, &names).await;
            assert_eq!(told.status, row.4, "{} {}: {}", row.0, row.1, told.text());
            let never = ask(&stranger, &row, &unknown).await;
            assert_eq!(
                (told.status, masked(&told, &names)),
                (never.status, masked(&never, &unknown)),
                "{} {}",
                row.0,
                row.1
            );
        }
        assert_eq!(log(&owner, 0).await, entries);
        assert_eq!(sight(&owner, &names).await, before);
        assert_eq!(log(&stranger, 0).await, [""; 0], "nothing was changed");
    });
}

#[test]
fn the_owner_succeeds_and_the_log_tells_of_it_once() {
    with_platform(None, async |stage| {
        let acme = stage.tenant("acme", 10).await;
        let owner = stage.login("admin@acme.example").await;
        let names = fleet(&stage, &acme.tenant_token, &owner).await;
        let made = [
            "update/device", // accepted
            "upload/artifact",
            "upload/artifact",
            "upload/artifact",
            "update/device", // grouped
            "update/tenant", // filter
            "create/deployment",
            "create/deployment",
        ];
        assert_eq!(log(&owner, 0).await, made);
        for row in rows() {
            let before = log(&owner, 0).await.len();
            let told = ask(&owner, &row, &names).await;
            assert_eq!(told.status, row.3, "{} {}: {}", row.0, row.1, told.text());
            let due: Vec<_> = [row.5].into_iter().filter(|entry| !entry.is_empty()).collect();
            assert_eq!(log(&owner, before).await, due, "{} {}", row.0, row.1);
        }
        let preauthorized = json!({ "identity_data": { "mac": "9" }, "pubkey": crate::gear::Key::p256(9).pem() });
        assert_eq!(owner.post(&format!("{M2}/devauth/devices"), &preauthorized).await.status, 201);
        assert_eq!(log(&owner, 0).await.last().unwrap(), "create/device");
    });
}

#[test]
fn a_strangers_device_gets_nothing_either() {
    with_platform(None, async |stage| {
        let acme = stage.tenant("acme", 10).await;
        let globex = stage.tenant("globex", 10).await;
        let owner = stage.login("admin@acme.example").await;
        let neighbour = stage.login("admin@globex.example").await;
        let names = fleet(&stage, &acme.tenant_token, &owner).await;
        let before = sight(&owner, &names).await;
        let (_, device) = Gear::new(&globex.tenant_token, 2).enroll(&stage, &neighbour).await;
        let unknown: Names = names.iter().map(|(name, _)| (*name, NEVER.to_owned())).collect();
        let root = "/api/devices/v1/deployments";
        let log = json!({ "messages": [] });
        for (method, path, body, status) in [
            ("GET", "/artifacts/{artifact}", Value::Null, 404),
            ("GET", "/artifacts/{artifact}/download", Value::Null, 404),
            ("GET", "/artifacts?release_name={release}&device_type=fleetproof-sim", Value::Null, 200),
            ("GET", "/device/deployments/next?artifact_name={release}&device_type=fleetproof-sim", Value::Null, 204),
            ("PUT", "/device/deployments/{deployment}/status", json!({ "status": "success" }), 404),
            ("PUT", "/device/deployments/{deployment}/log", log, 404),
        ] {
            for names in [&names, &unknown] {
                let told = device.send(method, &fill(&format!("{root}{path}"), names), Some(&body)).await;
                assert_eq!(told.status, status, "{method} {path}");
                assert!(status != 200 || told.json() == json!([]), "{path}");
            }
        }
        assert_eq!(sight(&owner, &names).await, before);
    });
}
