//! Artifacts, deployments, and whole updates played by hand.

use crate::common::{Caller, Stage, Told, ask, with_platform};
use crate::gear::Gear;
use bytes::Bytes;
use fleetproof_wire::artifact::{Spec, write};
use fleetproof_wire::image::{Image, update_artifact};
use serde_json::{Value, json};

const ARTIFACTS: &str = "/api/management/v1/deployments/artifacts";
pub const DEPLOYMENTS: &str = "/api/management/v1/deployments/deployments";
const NEXT: &str = "/api/devices/v2/deployments/device/deployments/next";

/// A form as mender-cli sends it.
fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, content) in parts {
        let file =
            if *name == "artifact" { "; filename=\"x.mender\"\r\nContent-Type: application/octet-stream" } else { "" };
        body.extend_from_slice(
            format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").as_bytes(),
        );
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--XX--\r\n");
    body
}

/// Sends a form.
pub async fn send_form(stage: &Stage, by: &Caller, parts: &[(&str, &[u8])]) -> Told {
    let request = http::Request::post(ARTIFACTS)
        .header("authorization", format!("Bearer {}", by.token.clone().unwrap_or_default()))
        .header("content-type", "multipart/form-data; boundary=XX")
        .body(axum::body::Body::from(form(parts)))
        .unwrap();
    ask(&stage.gateway, request).await
}

/// Brings an artifact; its id.
pub async fn bring(stage: &Stage, by: &Caller, artifact: &Bytes) -> String {
    let size = artifact.len().to_string();
    let told = send_form(stage, by, &[("size", size.as_bytes()), ("description", b"d"), ("artifact", artifact)]).await;
    assert_eq!(told.status, 201, "{}", told.text());
    id_in(&told)
}

/// The id at the end of an answer's location.
pub fn id_in(told: &Told) -> String {
    told.headers["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

/// The artifact of a version.
pub fn version(name: &str) -> Bytes {
    update_artifact(name, &Image::good(name, 1), 10_000)
}

/// What the device is told to do next, when it runs `running`.
pub async fn next(device: &Caller, running: &str) -> Told {
    let provides = json!({ "artifact_name": running, "device_type": "fleetproof-sim" });
    device.post(NEXT, &json!({ "device_provides": provides, "update_control_map": true })).await
}

/// Deploys to these devices; the deployment's id.
pub async fn deploy(by: &Caller, artifact: &str, devices: &[&str]) -> String {
    let told = by.post(DEPLOYMENTS, &json!({ "name": "d", "artifact_name": artifact, "devices": devices })).await;
    assert_eq!(told.status, 201, "{}", told.text());
    id_in(&told)
}

/// Reports a status; what came of it.
pub async fn report(device: &Caller, deployment: &str, status: &str) -> Told {
    let path = format!("/api/devices/v1/deployments/device/deployments/{deployment}/status");
    device.put(&path, &json!({ "status": status })).await
}

/// Follows a link, without a token.
async fn follow(stage: &Stage, uri: &str, range: Option<&str>) -> Told {
    let path = uri.strip_prefix("http://localhost").unwrap();
    let mut request = http::Request::get(path);
    if let Some(range) = range {
        request = request.header("range", range);
    }
    ask(&stage.gateway, request.body(axum::body::Body::empty()).unwrap()).await
}

/// How far the device is in the deployment.
async fn progress(by: &Caller, deployment: &str) -> String {
    let devices = by.get(&format!("{DEPLOYMENTS}/{deployment}/devices/list")).await.json();
    devices[0]["status"].as_str().unwrap().to_owned()
}

#[test]
fn a_whole_update() {
    with_platform(None, async |stage| {
        let acme = stage.tenant("acme", 10).await;
        let admin = stage.login("admin@acme.example").await;
        let (id, device) = Gear::new(&acme.tenant_token, 1).enroll(&stage, &admin).await;
        assert_eq!(next(&device, "v1").await.status, 204);
        let artifact = version("v2");
        let artifact_id = bring(&stage, &admin, &artifact).await;
        let deployment = deploy(&admin, "v2", &[&id]).await;
        let show = async || admin.get(&format!("{DEPLOYMENTS}/{deployment}")).await;
        let shown = show().await.json();
        assert_eq!(
            (&shown["status"], &shown["device_count"], &shown["artifacts"]),
            (&json!("pending"), &json!(1), &json!([artifact_id]))
        );

        let offer = next(&device, "v1").await;
        assert_eq!(offer.status, 200);
        let offer = offer.json();
        assert_eq!((&offer["id"], &offer["artifact"]["artifact_name"]), (&json!(deployment), &json!("v2")));
        assert_eq!(offer["artifact"]["device_types_compatible"], json!(["fleetproof-sim"]));
        assert_eq!(next(&device, "v1").await.json()["id"], json!(deployment), "again the same");
        let old = "/api/devices/v1/deployments/device/deployments/next";
        let queried = device.get(&format!("{old}?artifact_name=v1&device_type=fleetproof-sim")).await;
        assert_eq!(queried.json()["id"], json!(deployment));
        let posted = device.post(old, &json!({ "artifact_name": "v1", "device_type": "fleetproof-sim" })).await;
        assert_eq!(posted.json()["id"], json!(deployment));
        assert_eq!(device.get(old).await.status, 400);

        let source = &offer["artifact"]["source"];
        assert_eq!(source["method"], json!("GET"), "the devices' link says how");
        let uri = source["uri"].as_str().unwrap();
        assert_eq!(follow(&stage, uri, None).await.body, artifact);
        let rest = follow(&stage, uri, Some("bytes=100-")).await;
        assert_eq!((rest.status, &rest.body[..]), (206, &artifact[100..]));
        assert_eq!(
            rest.headers["content-range"].to_str().unwrap(),
            format!("bytes 100-{}/{}", artifact.len() - 1, artifact.len())
        );
        assert_eq!(follow(&stage, uri, Some(&format!("bytes={}-", artifact.len()))).await.status, 416);

        for status in ["downloading", "installing", "rebooting", "installing"] {
            assert_eq!(report(&device, &deployment, status).await.status, 204, "{status}");
            assert_eq!(progress(&admin, &deployment).await, status);
            assert_eq!(show().await.json()["status"], "inprogress");
        }
        assert_eq!(report(&device, &deployment, "downloading").await.status, 400, "not backwards");
        assert_eq!(report(&device, &deployment, "aborted").await.status, 400, "not for a device to say");
        assert_eq!(report(&device, "no-such-deployment", "success").await.status, 404);
        assert_eq!(report(&device, &deployment, "success").await.status, 204);
        assert_eq!(report(&device, &deployment, "success").await.status, 204, "said twice");
        assert_eq!(report(&device, &deployment, "failure").await.status, 400, "the end is the end");
        let shown = show().await.json();
        assert_eq!((&shown["status"], &shown["statistics"]["status"]["success"]), (&json!("finished"), &json!(1)));
        assert!(shown["finished"].is_string());
        assert_eq!(next(&device, "v2").await.status, 204);
        let history = admin.get(&format!("{DEPLOYMENTS}/devices/{id}")).await.json();
        assert_eq!(
            (&history[0]["device"]["status"], &history[0]["deployment"]["id"]),
            (&json!("success"), &json!(deployment))
        );
        assert_eq!(admin.delete(&format!("{DEPLOYMENTS}/devices/{id}/history")).await.status, 204);
        assert_eq!(admin.get(&format!("{DEPLOYMENTS}/devices/{id}")).await.json(), json!([]));
    });
}

#[test]
fn who_has_it_or_cannot_take_it_is_done_at_once() {
    with_platform(None, async |stage| {
        let acme = stage.tenant("acme", 10).await;
        let admin = stage.login("admin@acme.example").await;
        let (id, device) = Gear::new(&acme.tenant_token, 1).enroll(&stage, &admin).await;
        bring(&stage, &admin, &version("v2")).await;
        let has_it = deploy(&admin, "v2", &[&id]).await;
        assert_eq!(next(&device, "v2").await.status, 204);
        assert_eq!(progress(&admin, &has_it).await, "already-installed");
        let spec = Spec { name: "other".into(), device_types: vec!["board".into()], ..Spec::default() };
        bring(&stage, &admin, &write(&spec).unwrap()).await;
        let wrong = deploy(&admin, "other", &[&id]).await;
        assert_eq!(next(&device, "v2").await.status, 204);
        assert_eq!(progress(&admin, &wrong).await, "noartifact");
        let forced = json!({ "name": "d", "artifact_name": "v2", "devices": [id], "force_installation": true });
        assert_eq!(admin.post(DEPLOYMENTS, &forced).await.status, 201);
        assert_eq!(next(&device, "v2").await.status, 200);
    });
}

#[test]
fn an_abort_stops_everybody_who_has_not_ended() {
    with_platform(None, async |stage| {
        let acme = stage.tenant("acme", 10).await;
        let admin = stage.login("admin@acme.example").await;
        bring(&stage, &admin, &version("v2")).await;
        let mut devices = Vec::new();
        for number in 0..3 {
            devices.push(Gear::new(&acme.tenant_token, number).enroll(&stage, &admin).await);
        }
        let ids: Vec<_> = devices.iter().map(|(id, _)| id.as_str()).collect();
        let deployment = deploy(&admin, "v2", &ids).await;
        assert_eq!(report(&devices[0].1, &deployment, "success").await.status, 204);
        assert_eq!(report(&devices[1].1, &deployment, "installing").await.status, 204);
        let path = format!("{DEPLOYMENTS}/{deployment}/status");
        assert_eq!(admin.put(&path, &json!({ "status": "finished" })).await.status, 400);
        assert_eq!(admin.put(&path, &json!({ "status": "aborted" })).await.status, 204);
        let again = admin.put(&path, &json!({ "status": "aborted" })).await;
        assert_eq!((again.status, again.json()["error"].as_str().unwrap()), (422, "Deployment already finished"));
        let late = report(&devices[1].1, &deployment, "success").await;
        assert_eq!((late.status, late.json()["error"].as_str().unwrap()), (409, "Deployment aborted"));
        assert_eq!(next(&devices[2].1, "v1").await.status, 204);
        let statistics = admin.get(&format!("{DEPLOYMENTS}/{deployment}/statistics")).await.json();
        assert_eq!((&statistics["success"], &statistics["aborted"]), (&json!(1), &json!(2)));
        // Of one device only.
        let other = deploy(&admin, "v2", &ids).await;
        assert_eq!(admin.delete(&format!("{DEPLOYMENTS}/devices/{}", ids[2])).await.status, 204);
        assert_eq!(next(&devices[2].1, "v1").await.status, 204);
        assert_eq!(next(&devices[1].1, "v1").await.json()["id"], json!(other));
    });
}

#[test]
fn a_failed_update_leaves_a_log() {
    with_platform(None, async |stage| {
        let acme = stage.tenant("acme", 10).await;
        let admin = stage.login("admin@acme.example").await;
        bring(&stage, &admin, &version("v2")).await;
        let (id, device) = Gear::new(&acme.tenant_token, 1).enroll(&stage, &admin).await;
        let deployment = deploy(&admin, "v2", &[&id]).await;
        let path = format!("{DEPLOYMENTS}/{deployment}/devices/{id}/log");
        assert_eq!(admin.get(&path).await.status, 404);
        assert_eq!(report(&device, &deployment, "failure").await.status, 204);
        let log =
            json!({ "messages": [{ "timestamp": "2026-01-01T00:00:00Z", "level": "error", "message": "no boot" }] });
        let put = format!("/api/devices/v1/deployments/device/deployments/{deployment}/log");
        assert_eq!(device.put(&put, &log).await.status, 204);
        assert_eq!(device.put(&put.replace(&deployment, "x"), &log).await.status, 404);
        let told = admin.get(&path).await;
        assert_eq!(
            (told.text().as_str(), &told.headers["content-type"]),
            ("2026-01-01T00:00:00Z error: no boot\n", &"text/plain".parse().unwrap())
        );
        let devices = admin.get(&format!("{DEPLOYMENTS}/{deployment}/devices/list?status=finished")).await.json();
        assert_eq!((&devices[0]["log"], &devices[0]["status"]), (&json!(true), &json!("failure")));
    });
}

#[test]
fn deployments_that_cannot_be_are_refused() {
    with_platform(None, async |stage| {
        let acme = stage.tenant("acme", 10).await;
        let admin = stage.login("admin@acme.example").await;
        let (id, _) = Gear::new(&acme.tenant_token, 1).enroll(&stage, &admin).await;
        bring(&stage, &admin, &version("v2")).await;
        let good = json!({ "name": "d", "artifact_name": "v2", "devices": [id] });
        let with = |field: &str, value: Value| {
            let mut body = good.clone();
            body[field] = value;
            body
        };
        for (status, body) in [
            (400, with("devices", json!([]))),
            (400, with("all_devices", json!(true))),
            (400, with("name", json!(""))),
            (400, json!({ "name": "d" })),
            (422, with("artifact_name", json!("none"))),
            (400, with("phases", json!([{ "batch_size": 10 }, {}]))),
            (422, with("uniform_phases", json!({ "batch_size": 10 }))),
            (201, good.clone()),
            (409, good.clone()),
            (201, with("name", json!("other"))),
        ] {
            let told = admin.post(DEPLOYMENTS, &body).await;
            assert_eq!(told.status, status, "{body}: {}", told.text());
        }
        let all = json!({ "name": "d", "artifact_name": "v2", "all_devices": true });
        assert_eq!(admin.post(DEPLOYMENTS, &all).await.status, 201);
        let group =
            admin.post(&format!("{DEPLOYMENTS}/group/none"), &json!({ "name": "d", "artifact_name": "v2" })).await;
        assert_eq!((group.status, group.json()["error"].as_str().unwrap()), (400, "No devices for the deployment"));
        assert_eq!(admin.get(&format!("{DEPLOYMENTS}?status=pending")).await.headers["x-total-count"], "3");
        assert_eq!(
            admin.get("/api/management/v2/deployments/deployments?name=other").await.headers["x-total-count"],
            "1"
        );
    });
}

#[test]
fn artifacts_are_read_before_they_are_taken() {
    with_platform(None, async |stage| {
        let acme = stage.tenant("acme", 10).await;
        let admin = stage.login("admin@acme.example").await;
        let good = version("v2");
        let mut broken = good.to_vec();
        let middle = broken.len() - 3_000;
        broken[middle] ^= 1;
        let refused = send_form(&stage, &admin, &[("artifact", &broken)]).await;
        assert_eq!(refused.status, 400);
        assert!(refused.text().contains("checksum"), "{}", refused.text());
        assert_eq!(send_form(&stage, &admin, &[("artifact", b"garbage")]).await.status, 400);
        assert_eq!(send_form(&stage, &admin, &[("description", b"only")]).await.status, 400);
        assert_eq!(send_form(&stage, &admin, &[("size", b"5"), ("artifact", &good)]).await.status, 400);
        assert_eq!(admin.post(ARTIFACTS, &json!({})).await.status, 400, "no form");
        let id = bring(&stage, &admin, &good).await;
        assert_eq!(send_form(&stage, &admin, &[("artifact", &good)]).await.status, 409);
        let elsewhere = Spec { name: "v2".into(), device_types: vec!["board".into()], ..Spec::default() };
        bring(&stage, &admin, &write(&elsewhere).unwrap()).await;
        let shown = admin.get(&format!("{ARTIFACTS}/{id}")).await.json();
        assert_eq!((&shown["name"], &shown["description"]), (&json!("v2"), &json!("d")));
        assert_eq!(shown["updates"][0]["type_info"]["type"], "fleetproof-sim");
        assert_eq!(shown["artifact_provides"]["rootfs-image.fleetproof.version"], "v2");
        let storage = "/api/management/v1/deployments/limits/storage";
        let used = admin.get(storage).await.json()["usage"].as_u64().unwrap();
        assert!(used > good.len() as u64);
        assert_eq!(admin.put(&format!("{ARTIFACTS}/{id}"), &json!({ "description": "new" })).await.status, 204);
        assert_eq!(admin.get(&format!("{ARTIFACTS}?description=new")).await.json().as_array().unwrap().len(), 1);
        let boards = admin.get(&format!("{ARTIFACTS}?device_type=board")).await.json();
        assert_eq!(boards.as_array().unwrap().len(), 1);
        assert_eq!(boards[0]["device_types_compatible"], json!(["board"]));
        assert_eq!(
            admin.get("/api/management/v2/deployments/artifacts?name=v*").await.json().as_array().unwrap().len(),
            2
        );
        let (gear, device) = Gear::new(&acme.tenant_token, 1).enroll(&stage, &admin).await;
        deploy(&admin, "v2", &[&gear]).await;
        let needed = admin.delete(&format!("{ARTIFACTS}/{id}")).await;
        assert_eq!(
            (needed.status, needed.json()["error"].as_str().unwrap()),
            (409, "Artifact is used in active deployment")
        );
        let listed = device.get("/api/devices/v1/deployments/artifacts?release_name=v2&device_type=board").await.json();
        assert_eq!(listed.as_array().unwrap().len(), 1);
        assert_eq!(device.get(&format!("/api/devices/v1/deployments/artifacts/{id}")).await.json()["name"], "v2");
        let link = device.get(&format!("/api/devices/v1/deployments/artifacts/{id}/download")).await.json();
        assert_eq!(follow(&stage, link["uri"].as_str().unwrap(), None).await.body, good);
        assert_eq!(admin.delete(&format!("{DEPLOYMENTS}/devices/{gear}")).await.status, 204);
        assert_eq!(admin.delete(&format!("{ARTIFACTS}/{id}")).await.status, 204);
        assert_eq!(follow(&stage, link["uri"].as_str().unwrap(), None).await.status, 404);
        assert_eq!(admin.get(storage).await.json()["usage"].as_u64().unwrap(), used - good.len() as u64);
    });
}

#[test]
fn a_link_is_good_for_what_it_says_until_it_ends() {
    with_platform(None, async |stage| {
        stage.tenant("acme", 10).await;
        let admin = stage.login("admin@acme.example").await;
        let (one, other) = (bring(&stage, &admin, &version("v1")).await, bring(&stage, &admin, &version("v2")).await);
        let link = admin.get(&format!("{ARTIFACTS}/{one}/download")).await.json();
        let uri = link["uri"].as_str().unwrap();
        assert_eq!(follow(&stage, uri, None).await.status, 200);
        for bent in
            [uri.replace(&one, &other), uri.replace("expires=", "expires=9"), uri.replace("signature=", "signature=x")]
        {
            assert_eq!(follow(&stage, &bent, None).await.status, 403, "{bent}");
        }
        assert_eq!(follow(&stage, uri.split('?').next().unwrap(), None).await.status, 403);
        stage.world.clock.sleep(std::time::Duration::from_secs(16 * 60)).await;
        assert_eq!(follow(&stage, uri, None).await.status, 403);
    });
}
