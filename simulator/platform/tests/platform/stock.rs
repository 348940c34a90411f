//! The inventory: what devices tell, groups, tags, searches; deployments to groups and filters; roles narrowed to groups.

use crate::common::{Caller, PASSWORD, Stage, with_platform};
use crate::gear::Gear;
use crate::updates::{bring, id_in, next, report, version};
use serde_json::{Value, json};

const DEVICES: &str = "/api/management/v1/inventory/devices";
const GROUPS: &str = "/api/management/v1/inventory/groups";
const FILTERS: &str = "/api/management/v2/inventory/filters";
const DEPLOYMENTS: &str = "/api/management/v1/deployments/deployments";
const ATTRIBUTES: &str = "/api/devices/v1/inventory/device/attributes";

/// Three devices of acme, each with its number as attribute `n`.
async fn three(stage: &Stage) -> (Caller, Vec<(String, Caller)>) {
    let acme = stage.tenant("acme", 10).await;
    let admin = stage.login("admin@acme.example").await;
    let mut devices = Vec::new();
    for number in 0..3 {
        let (id, device) = Gear::new(&acme.tenant_token, number).enroll(stage, &admin).await;
        let told =
            json!([{ "name": "n", "value": number }, { "name": "even", "value": (number % 2 == 0).to_string() }]);
        assert_eq!(device.put(ATTRIBUTES, &told).await.status, 200);
        devices.push((id, device));
    }
    (admin, devices)
}

/// The value of an attribute.
fn value<'a>(device: &'a Value, scope: &str, name: &str) -> Option<&'a Value> {
    let all = device["attributes"].as_array().unwrap();
    all.iter().find(|one| one["scope"] == scope && one["name"] == name).map(|one| &one["value"])
}

fn term(scope: &str, attribute: &str, kind: &str, value: Value) -> Value {
    json!({ "scope": scope, "attribute": attribute, "type": kind, "value": value })
}

/// The ids that a search finds.
async fn found(by: &Caller, search: &Value) -> Vec<String> {
    let told = by.post(&format!("{FILTERS}/search"), search).await;
    assert_eq!(told.status, 200, "{}", told.text());
    told.json().as_array().unwrap().iter().map(|device| device["id"].as_str().unwrap().to_owned()).collect()
}

/// The devices with these numbers, in the order of those that came in the same millisecond.
fn chosen(devices: &[(String, Caller)], numbers: &[usize]) -> Vec<String> {
    let mut ids: Vec<_> = numbers.iter().map(|number| devices[*number].0.clone()).collect();
    ids.sort();
    ids
}

#[test]
fn the_inventory_has_what_the_device_told_last() {
    with_platform(None, async |stage| {
        let (admin, devices) = three(&stage).await;
        let (id, device) = &devices[1];
        let show = async || admin.get(&format!("{DEVICES}/{id}")).await.json();
        let shown = show().await;
        assert_eq!(value(&shown, "inventory", "n"), Some(&json!(1)));
        assert_eq!(value(&shown, "identity", "status"), Some(&json!("accepted")));
        assert!(value(&shown, "identity", "mac").is_some() && value(&shown, "system", "created_ts").is_some());
        let more = json!([{ "name": "artifact_name", "value": "v1" }]);
        assert_eq!(device.send("PATCH", ATTRIBUTES, Some(&more)).await.status, 200);
        assert_eq!(value(&show().await, "inventory", "n"), Some(&json!(1)), "kept");
        assert_eq!(device.put(ATTRIBUTES, &more).await.status, 200);
        assert_eq!(value(&show().await, "inventory", "n"), None, "replaced");
        let many: Vec<_> = (0..101).map(|n| json!({ "name": format!("a{n}"), "value": n })).collect();
        for bad in [json!(many), json!([{ "name": "", "value": 1 }]), json!([{ "name": "x", "value": {} }]), json!({})]
        {
            assert_eq!(device.put(ATTRIBUTES, &bad).await.status, 400);
        }
        assert_eq!(value(&show().await, "inventory", "artifact_name"), Some(&json!("v1")));
        assert_eq!(admin.delete(&format!("{DEVICES}/{id}")).await.status, 204);
        assert_eq!(admin.get(&format!("{DEVICES}/{id}")).await.status, 404);
        assert_eq!(device.put(ATTRIBUTES, &more).await.status, 200);
        assert_eq!(admin.get(&format!("{DEVICES}/{id}")).await.status, 200);
        let statistics = admin.get("/api/management/v2/inventory/statistics").await.json();
        assert_eq!(statistics["devices_by_status"]["accepted"]["standard"], 3);
    });
}

#[test]
fn tags_are_changed_only_by_who_has_seen_them() {
    with_platform(None, async |stage| {
        let (admin, devices) = three(&stage).await;
        let path = format!("{DEVICES}/{}", devices[0].0);
        let etag = admin.get(&path).await.headers["etag"].to_str().unwrap().to_owned();
        let put = async |etag: &str, tags: &Value| {
            let request = http::Request::put(format!("{path}/tags"))
                .header("authorization", format!("Bearer {}", admin.token.clone().unwrap()))
                .header("if-match", etag)
                .body(axum::body::Body::from(tags.to_string()))
                .unwrap();
            crate::common::ask(&stage.gateway, request).await.status
        };
        assert_eq!(put(&etag, &json!([{ "name": "site", "value": "roof" }])).await, 200);
        assert_eq!(put(&etag, &json!([])).await, 412, "they have changed");
        assert_eq!(value(&admin.get(&path).await.json(), "tags", "site"), Some(&json!("roof")));
        assert_eq!(admin.put(&format!("{path}/tags"), &json!([{ "name": "b", "value": "c" }])).await.status, 200);
        let shown = admin.get(&path).await.json();
        assert_eq!((value(&shown, "tags", "site"), value(&shown, "tags", "b")), (None, Some(&json!("c"))));
        let many = |count: usize| {
            json!((0..count).map(|n| json!({ "name": n.to_string(), "value": "x" })).collect::<Vec<_>>())
        };
        let long = |name: usize, value: usize| json!([{ "name": "n".repeat(name), "value": "v".repeat(value) }]);
        for (tags, status) in [
            (many(20), 200),
            (many(21), 400),
            (long(1024, 1024), 200),
            (long(1025, 1), 400),
            (long(1, 1025), 400),
            (long(0, 1), 400),
        ] {
            assert_eq!(admin.put(&format!("{path}/tags"), &tags).await.status, status, "{tags}");
        }
    });
}

#[test]
fn searches_find_what_meets_all_terms() {
    with_platform(None, async |stage| {
        let (admin, devices) = three(&stage).await;
        let ids: Vec<_> = devices.iter().map(|(id, _)| id.clone()).collect();
        let sorted = |order: &str| json!([{ "scope": "inventory", "attribute": "n", "order": order }]);
        assert_eq!(found(&admin, &json!({})).await, chosen(&devices, &[0, 1, 2]));
        // Both ways: one of them could be the order in which they came.
        assert_eq!(found(&admin, &json!({ "sort": sorted("asc") })).await, ids);
        let backwards: Vec<_> = ids.iter().rev().cloned().collect();
        assert_eq!(found(&admin, &json!({ "sort": sorted("desc") })).await, backwards);
        for (text, expected) in [("TRUE", vec![0, 2]), ("true", vec![0, 2]), ("nowhere", vec![])] {
            assert_eq!(found(&admin, &json!({ "text": text })).await, chosen(&devices, &expected), "{text}");
        }
        assert_eq!(found(&admin, &json!({ "text": ids[1] })).await, ids[1..2], "by its id");
        assert_eq!(found(&admin, &json!({ "page": 2, "per_page": 2 })).await, chosen(&devices, &[0, 1, 2])[2..]);
        for (filters, expected) in [
            (json!([term("inventory", "even", "$eq", json!("true"))]), vec![0, 2]),
            (
                json!([term("inventory", "n", "$gt", json!(0)), term("inventory", "even", "$eq", json!("true"))]),
                vec![2],
            ),
            (json!([term("inventory", "n", "$in", json!([0, 1]))]), vec![0, 1]),
            (json!([term("inventory", "n", "$nin", json!([0, 1]))]), vec![2]),
            (json!([term("identity", "id", "$ne", json!(ids[1]))]), vec![0, 2]),
            (json!([term("identity", "mac", "$regex", json!(":00000002$"))]), vec![2]),
            (json!([term("system", "group", "$exists", json!(true))]), vec![]),
        ] {
            assert_eq!(found(&admin, &json!({ "filters": filters })).await, chosen(&devices, &expected), "{filters}");
        }
        let only = json!({ "device_ids": [ids[0]], "attributes": [{ "scope": "inventory", "attribute": "n" }] });
        let told = admin.post(&format!("{FILTERS}/search"), &only).await;
        assert_eq!(
            (told.headers["x-total-count"].to_str().unwrap(), told.json()[0]["attributes"].as_array().unwrap().len()),
            ("1", 1)
        );
        let bad = json!({ "filters": [term("inventory", "n", "$in", json!(1))] });
        assert_eq!(admin.post(&format!("{FILTERS}/search"), &bad).await.status, 400);
        for (sort, [first, second]) in [("n:desc", [2, 0]), ("n:asc", [0, 2]), ("n", [0, 2])] {
            let listed = admin.get(&format!("{DEVICES}?even=true&sort={sort}")).await.json();
            assert_eq!((&listed[0]["id"], &listed[1]["id"]), (&json!(ids[first]), &json!(ids[second])), "{sort}");
        }
        let known = admin.get(&format!("{FILTERS}/attributes")).await.json();
        assert!(known.as_array().unwrap().contains(&json!({ "name": "n", "scope": "inventory", "count": 3 })));
    });
}

#[test]
fn a_group_deployment_is_for_those_in_the_group() {
    with_platform(None, async |stage| {
        let (admin, devices) = three(&stage).await;
        bring(&stage, &admin, &version("v2")).await;
        let added = admin
            .send("PATCH", &format!("{GROUPS}/beta/devices"), Some(&json!([devices[0].0, devices[1].0, "x"])))
            .await;
        assert_eq!(added.json(), json!({ "updated_count": 2, "matched_count": 2 }));
        assert_eq!(admin.get(GROUPS).await.json(), json!(["beta"]));
        assert_eq!(admin.get(&format!("{DEVICES}?group=beta")).await.headers["x-total-count"], "2");
        assert_eq!(admin.get(&format!("{DEVICES}?has_group=false")).await.headers["x-total-count"], "1");
        let told =
            admin.post(&format!("{DEPLOYMENTS}/group/beta"), &json!({ "name": "d", "artifact_name": "v2" })).await;
        assert_eq!(told.status, 201);
        let shown = admin.get(&format!("{DEPLOYMENTS}/{}", id_in(&told))).await.json();
        assert_eq!((&shown["groups"], &shown["device_count"]), (&json!(["beta"]), &json!(2)));
        for (index, status) in [(0, 200), (1, 200), (2, 204)] {
            assert_eq!(next(&devices[index].1, "v1").await.status, status);
        }
        assert_eq!(
            admin.put(&format!("{DEVICES}/{}/group", devices[0].0), &json!({ "group": "a/b" })).await.status,
            400
        );
        assert_eq!(admin.delete(&format!("{GROUPS}/beta")).await.json(), json!({ "updated_count": 2 }));
        assert_eq!(admin.get(GROUPS).await.json(), json!([]));
    });
}

#[test]
fn a_filter_deployment_takes_in_who_matches_until_it_is_full() {
    with_platform(None, async |stage| {
        let (admin, devices) = three(&stage).await;
        bring(&stage, &admin, &version("v2")).await;
        let terms = json!([term("inventory", "n", "$gte", json!(1))]);
        let filter = id_in(&admin.post(FILTERS, &json!({ "name": "f", "terms": terms })).await);
        assert_eq!(admin.post(FILTERS, &json!({ "name": "f", "terms": terms })).await.status, 409);
        let body = json!({ "name": "d", "artifact_name": "v2", "filter_id": filter, "max_devices": 1 });
        let told = admin.post("/api/management/v2/deployments/deployments", &body).await;
        assert_eq!(told.status, 201, "{}", told.text());
        let deployment = id_in(&told);
        let show = async || admin.get(&format!("{DEPLOYMENTS}/{deployment}")).await.json();
        assert_eq!((&show().await["initial_device_count"], &show().await["dynamic"]), (&json!(2), &json!(true)));
        assert_eq!(next(&devices[0].1, "v1").await.status, 204, "does not match");
        assert_eq!(next(&devices[2].1, "v1").await.status, 200);
        assert_eq!(next(&devices[1].1, "v1").await.status, 204, "full");
        assert_eq!(show().await["status"], "pending");
        assert_eq!(report(&devices[2].1, &deployment, "success").await.status, 204);
        assert_eq!((&show().await["status"], &show().await["device_count"]), (&json!("finished"), &json!(1)));
        assert_eq!(next(&devices[2].1, "v2").await.status, 204, "not twice");
    });
}

#[test]
fn a_filter_changes_its_name_but_takes_none_that_is_taken() {
    with_platform(None, async |stage| {
        let (admin, _) = three(&stage).await;
        let terms = |least: u32| json!([term("inventory", "n", "$gte", json!(least))]);
        let keep = async |name: &str| id_in(&admin.post(FILTERS, &json!({ "name": name, "terms": terms(1) })).await);
        let (one, _) = (keep("one").await, keep("other").await);
        let path = format!("{FILTERS}/{one}");
        let change = async |name: &str| admin.put(&path, &json!({ "name": name, "terms": terms(2) })).await.status;
        let show = async || admin.get(&path).await.json();
        assert_eq!(change("other").await, 409);
        assert_eq!((&show().await["name"], &show().await["terms"]), (&json!("one"), &terms(1)));
        assert_eq!(change("one").await, 204, "its own is not taken");
        assert_eq!(change("third").await, 204);
        assert_eq!((&show().await["name"], &show().await["terms"]), (&json!("third"), &terms(2)));
    });
}

#[test]
fn a_role_narrowed_to_a_group_reaches_that_group_only() {
    with_platform(None, async |stage| {
        let (admin, devices) = three(&stage).await;
        bring(&stage, &admin, &version("v2")).await;
        let group = |id: &str| format!("{DEVICES}/{id}/group");
        assert_eq!(admin.put(&group(&devices[0].0), &json!({ "group": "mine" })).await.status, 204);
        assert_eq!(admin.put(&group(&devices[1].0), &json!({ "group": "theirs" })).await.status, 204);
        let scope = json!({ "type": "DeviceGroups", "value": ["mine"] });
        let sets: Vec<_> = ["ReadDevices", "ManageDevices", "DeployToDevices"]
            .map(|name| json!({ "name": name, "scope": scope }))
            .into_iter()
            .chain([json!({ "name": "ReadReleases" })])
            .collect();
        let role = json!({ "name": "narrow", "permission_sets_with_scope": sets });
        assert_eq!(admin.post("/api/management/v2/useradm/roles", &role).await.status, 201);
        let user = json!({ "email": "narrow@acme.example", "password": PASSWORD, "roles": ["narrow"] });
        assert_eq!(admin.post("/api/management/v1/useradm/users", &user).await.status, 201);
        let narrow = stage.login("narrow@acme.example").await;
        assert_eq!(found(&narrow, &json!({})).await, [devices[0].0.clone()]);
        assert_eq!(narrow.get(GROUPS).await.json(), json!(["mine"]));
        let auth = "/api/management/v2/devauth/devices";
        assert_eq!(narrow.get(auth).await.headers["x-total-count"], "1");
        assert_eq!(narrow.get(&format!("{auth}/count")).await.json()["count"], 1);
        assert_eq!(narrow.put(&group(&devices[0].0), &json!({ "group": "theirs" })).await.status, 403);
        let deploy = |ids: &[&str]| json!({ "name": "d", "artifact_name": "v2", "devices": ids });
        for (index, read, changed, deployed) in [(0, 200, 200, 201), (1, 403, 403, 403), (2, 403, 403, 403)] {
            let id = devices[index].0.as_str();
            assert_eq!(narrow.get(&format!("{auth}/{id}")).await.status, read);
            assert_eq!(narrow.get(&format!("{DEVICES}/{id}")).await.status, read);
            assert_eq!(narrow.put(&format!("{DEVICES}/{id}/tags"), &json!([])).await.status, changed);
            assert_eq!(narrow.post(DEPLOYMENTS, &deploy(&[id])).await.status, deployed);
        }
        let plan = json!({ "name": "g", "artifact_name": "v2" });
        assert_eq!(narrow.post(&format!("{DEPLOYMENTS}/group/theirs"), &plan).await.status, 403);
        assert_eq!(narrow.post(&format!("{DEPLOYMENTS}/group/mine"), &plan).await.status, 201);
        let all = json!({ "name": "a", "artifact_name": "v2", "all_devices": true });
        assert_eq!(narrow.post(DEPLOYMENTS, &all).await.status, 403);
    });
}

#[test]
fn releases_gather_the_artifacts_of_a_name_within_the_room_there_is() {
    with_platform(None, async |stage| {
        let acme = stage.tenant("acme", 10).await;
        let admin = stage.login("admin@acme.example").await;
        bring(&stage, &admin, &version("v2")).await;
        bring(&stage, &admin, &version("v3")).await;
        let releases = "/api/management/v2/deployments/deployments/releases";
        assert_eq!(admin.get(&format!("{releases}?sort=name:desc")).await.json()[0]["name"], "v3");
        assert_eq!(admin.get(&format!("{releases}?sort=size:asc")).await.status, 400);
        let tags = |count: usize, length: usize| json!((0..count).map(|n| format!("{n:0length$}")).collect::<Vec<_>>());
        let cases = [(20, 1024, 204), (21, 2, 400), (1, 1025, 400), (0, 1, 204)];
        for (count, length, status) in cases {
            let told = admin.put(&format!("{releases}/v3/tags"), &tags(count, length)).await;
            assert_eq!(told.status, status, "{count} of {length}");
        }
        assert_eq!(admin.put(&format!("{releases}/v3/tags"), &json!([""])).await.status, 400);
        assert_eq!(admin.put(&format!("{releases}/v2/tags"), &json!(["Stable", "eu"])).await.status, 204);
        assert_eq!(admin.send("PATCH", &format!("{releases}/v2"), Some(&json!({ "notes": "good" }))).await.status, 204);
        let shown = admin.get(&format!("{releases}/v2")).await.json();
        assert_eq!((&shown["tags"], &shown["notes"]), (&json!(["eu", "stable"]), &json!("good")));
        assert_eq!(admin.get(&format!("{releases}?tag=eu")).await.headers["x-total-count"], "1");
        let all = "/api/management/v2/deployments/releases/all";
        assert_eq!(admin.get(&format!("{all}/tags")).await.json(), json!(["eu", "stable"]));
        assert_eq!(admin.get(&format!("{all}/types")).await.json(), json!(["fleetproof-sim"]));
        assert_eq!(admin.delete(&format!("{releases}?name=v2&name=none")).await.status, 204);
        assert_eq!(admin.get(&format!("{releases}/v2")).await.status, 404);
        assert_eq!(admin.delete(releases).await.status, 400);
        let limit = format!("/api/internal/v1/deployments/tenants/{}/limits/storage", acme.tenant_id);
        assert_eq!(stage.operator().put(&limit, &json!({ "limit": 20_000 })).await.status, 204);
        let artifact = version("v4");
        let full = crate::updates::send_form(&stage, &admin, &[("artifact", &artifact)]).await;
        assert_eq!((full.status, full.json()["error"].as_str().unwrap()), (422, "storage limit exceeded"));
        assert_eq!(admin.delete(&format!("{releases}?name=v3")).await.status, 204);
        bring(&stage, &admin, &artifact).await;
        let usage = admin.get("/api/management/v1/deployments/limits/storage").await.json();
        assert_eq!(usage, json!({ "limit": 20_000, "usage": artifact.len() }));
        assert_eq!(stage.operator().put(&limit, &json!({ "limit": -1 })).await.status, 400);
        assert_eq!(stage.operator().put(&limit, &json!({ "limit": 0 })).await.status, 204, "none");
        bring(&stage, &admin, &version("v5")).await;
    });
}
