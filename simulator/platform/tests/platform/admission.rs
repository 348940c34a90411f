//! Devices knock, are accepted, rejected, forgotten; and how many there may be.

use crate::common::{Caller, Stage, with_platform};
use crate::gear::{Gear, Key, accepted, is_let_in, knock_with, status_path};
use serde_json::{Value, json};

const DEVICES: &str = "/api/management/v2/devauth/devices";
const NEXT: &str = "/api/devices/v1/deployments/device/deployments/next?artifact_name=a&device_type=b";

#[test]
fn a_device_gets_a_token_once_it_is_accepted() {
    with_platform(None, async |stage| {
        let acme = stage.tenant("acme", 10).await;
        let admin = stage.login("admin@acme.example").await;
        let gear = Gear::new(&acme.tenant_token, 1);
        let first = gear.knock(&stage).await;
        assert_eq!((first.status, first.json()["error"].as_str().unwrap()), (401, "dev auth: unauthorized"));
        assert_eq!(gear.knock(&stage).await.status, 401, "the second knock is the same device");
        let devices = admin.get(&format!("{DEVICES}?status=pending")).await;
        assert_eq!(devices.headers["x-total-count"], "1");
        assert_eq!(devices.json()[0]["auth_sets"][0]["pubkey"], gear.key.pem());
        let (id, set) = gear.ids(&admin).await;
        let status = status_path(&id, &set);
        assert_eq!(admin.get(&status).await.json()["status"], "pending");
        assert_eq!(admin.put(&status, &json!({ "status": "accepted" })).await.status, 204);
        let told = gear.knock(&stage).await;
        assert_eq!((told.status, &told.headers["content-type"]), (200, &"application/jwt".parse().unwrap()));
        let device = Caller::new(&stage.gateway, Some(told.text()));
        assert!(is_let_in(&device).await);
        assert_eq!(device.get(&format!("{DEVICES}/{id}")).await.status, 401, "no user");
        assert_eq!(admin.get(NEXT).await.status, 401, "no device");
        assert_eq!(admin.put(&status, &json!({ "status": "rejected" })).await.status, 204);
        assert!(!is_let_in(&device).await, "dead at once");
        assert_eq!(accepted(&admin).await, 0);
        assert_eq!(gear.knock(&stage).await.status, 401);
    });
}

#[test]
fn every_kind_of_key_is_known_and_only_its_own_signature_taken() {
    with_platform(None, async |stage| {
        let acme = stage.tenant("acme", 10).await;
        let mut random = fleetproof_world::Seeds::new(5).stream("rsa");
        let keys = [
            Key::p256(1),
            Key::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&[3; 32]))),
            Key::Rsa(Box::new(rsa::RsaPrivateKey::new(&mut random, 1024).unwrap())),
        ];
        for (number, key) in (1..).zip(keys) {
            let gear = Gear { key, ..Gear::new(&acme.tenant_token, number) };
            let body = gear.body();
            let good = gear.key.sign(body.as_bytes());
            let told = knock_with(&stage, &good, body.clone()).await;
            assert_eq!(told.json()["error"], "dev auth: unauthorized", "the signature is good");
            for (signature, body) in [
                (good.clone(), format!("{body}\n")),
                (gear.key.sign(b"x"), body.clone()),
                (Key::p256(99).sign(body.as_bytes()), body.clone()),
                ("!".to_owned(), body.clone()),
                (String::new(), body.clone()),
            ] {
                let told = knock_with(&stage, &signature, body).await;
                assert_eq!(
                    (told.status, told.json()["error"].as_str().unwrap()),
                    (401, "signature verification failed")
                );
            }
        }
    });
}

#[test]
fn what_is_no_knock_is_refused() {
    with_platform(None, async |stage| {
        let acme = stage.tenant("acme", 10).await;
        let good = Gear::new(&acme.tenant_token, 1);
        let nothing = Caller::new(&stage.gateway, None);
        let told = nothing.post("/api/devices/v1/authentication/auth_requests", &json!({})).await;
        assert_eq!((told.status, told.json()["error"].as_str().unwrap()), (400, "missing request signature header"));
        for (token, why) in [("", "tenant token missing"), ("abc", "tenant token verification failed")] {
            let told = Gear { tenant_token: token.to_owned(), ..Gear::new("", 2) }.knock(&stage).await;
            assert_eq!((told.status, told.json()["error"].as_str().unwrap()), (401, why));
        }
        let whole: Value = serde_json::from_str(&good.body()).unwrap();
        for (field, value) in
            [("id_data", json!("[]")), ("id_data", json!("{}")), ("pubkey", json!("x")), ("pubkey", Value::Null)]
        {
            let mut body = whole.clone();
            body[field] = value;
            let body = body.to_string();
            assert_eq!(knock_with(&stage, &good.key.sign(body.as_bytes()), body).await.status, 400, "{field}");
        }
        // The tenant's token may come as bearer; keys in another order are the same identity.
        let mut body = whole.clone();
        body["tenant_token"] = Value::Null;
        for identity in [r#"{"mac":"1","sn":"2"}"#, r#"{ "sn": "2", "mac": "1" }"#] {
            body["id_data"] = identity.into();
            let request = http::Request::post("/api/devices/v1/authentication/auth_requests")
                .header("x-men-signature", good.key.sign(body.to_string().as_bytes()))
                .header("authorization", format!("Bearer {}", acme.tenant_token))
                .body(axum::body::Body::from(body.to_string()))
                .unwrap();
            let told = crate::common::ask(&stage.gateway, request).await;
            assert_eq!(told.json()["error"], "dev auth: unauthorized");
        }
        let admin = stage.login("admin@acme.example").await;
        assert_eq!(admin.get(DEVICES).await.json().as_array().unwrap().len(), 1);
    });
}

/// 320 devices, all accepted at once; how many got in, how many were told that there is no room.
async fn stampede(stage: &Stage) -> (usize, usize) {
    let acme = stage.tenant("acme", 300).await;
    let admin = stage.login("admin@acme.example").await;
    let mut paths = Vec::new();
    for number in 0..320 {
        assert_eq!(Gear::new(&acme.tenant_token, number).knock(stage).await.status, 401);
    }
    let devices = admin.get(&format!("{DEVICES}?per_page=500")).await.json();
    for device in devices.as_array().unwrap() {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        paths.push(status_path(&text(&device["id"]), &text(&device["auth_sets"][0]["id"])));
    }
    let mut callers = tokio::task::JoinSet::new();
    for path in paths {
        let admin = admin.clone();
        callers.spawn(async move { admin.put(&path, &json!({ "status": "accepted" })).await.status });
    }
    let answers = callers.join_all().await;
    let count = |status| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!(i64::try_from(count(204)).unwrap(), accepted(&admin).await);
    (count(204), count(422))
}

#[test]
fn exactly_the_limit_gets_in_when_all_come_at_once() {
    with_platform(None, async |stage| assert_eq!(stampede(&stage).await, (300, 20)));
}

#[test]
#[cfg(feature = "seeded-defects")]
fn looking_before_taking_lets_too_many_in() {
    let defect = fleetproof_platform::defects::DefectId::DeviceLimitCheckThenAct;
    with_platform(Some(defect), async |stage| assert!(stampede(&stage).await.0 > 300));
}

#[test]
fn a_slot_is_free_again_once_its_device_is_gone() {
    with_platform(None, async |stage| {
        let acme = stage.tenant("acme", 1).await;
        let admin = stage.login("admin@acme.example").await;
        assert_eq!(admin.get("/api/management/v2/devauth/limits/max_devices").await.json()["limit"], 1);
        assert_eq!(
            admin.get("/api/management/v2/devauth/limits/devices").await.json(),
            json!({ "standard": 1, "micro": -1, "system": -1, "test": -1 })
        );
        assert_eq!(admin.get("/api/management/v2/devauth/limits/other").await.status, 400);
        let (first, second) = (Gear::new(&acme.tenant_token, 1), Gear::new(&acme.tenant_token, 2));
        let (id, device) = first.enroll(&stage, &admin).await;
        assert_eq!(second.knock(&stage).await.status, 401);
        let (other, set) = second.ids(&admin).await;
        let accept = async || admin.put(&status_path(&other, &set), &json!({ "status": "accepted" })).await;
        let full = accept().await;
        assert_eq!(
            (full.status, full.json()["error"].as_str().unwrap()),
            (422, "maximum number of accepted devices reached")
        );
        assert_eq!(admin.delete(&format!("{DEVICES}/{id}")).await.status, 204);
        assert_eq!(admin.delete(&format!("{DEVICES}/{id}")).await.status, 404);
        assert!(!is_let_in(&device).await);
        assert_eq!(accept().await.status, 204);
        // Removing the set frees the slot too, and the device is left without any.
        assert_eq!(admin.delete(&format!("{DEVICES}/{other}/auth/{set}")).await.status, 204);
        assert_eq!(admin.get(&format!("{DEVICES}/{other}")).await.json()["status"], "noauth");
        assert_eq!(first.enroll(&stage, &admin).await.0.len(), 36);
    });
}

#[test]
fn a_preauthorized_device_needs_room_when_it_knocks() {
    with_platform(None, async |stage| {
        let acme = stage.tenant("acme", 1).await;
        let admin = stage.login("admin@acme.example").await;
        let (first, second) = (Gear::new(&acme.tenant_token, 1), Gear::new(&acme.tenant_token, 2));
        let (taken, _) = first.enroll(&stage, &admin).await;
        let body = json!({ "identity_data": second.identity, "pubkey": second.key.pem() });
        let made = admin.post(DEVICES, &body).await;
        assert_eq!(made.status, 201, "allowed at the limit");
        let id = made.headers["location"].to_str().unwrap().trim_start_matches("devices/").to_owned();
        let again = admin.post(DEVICES, &body).await;
        assert_eq!((again.status, again.json()["id"].as_str().unwrap()), (409, id.as_str()));
        let full = second.knock(&stage).await;
        assert_eq!((full.status, full.json()["error"].as_str().unwrap()), (401, "unauthorized"));
        assert_eq!(admin.get(&format!("{DEVICES}/{id}")).await.json()["status"], "preauthorized");
        assert_eq!(admin.delete(&format!("{DEVICES}/{taken}")).await.status, 204);
        second.login(&stage).await;
        assert_eq!(accepted(&admin).await, 1);
        let forced = json!({ "identity_data": second.identity, "pubkey": Key::p256(77).pem(), "force": true });
        assert_eq!(admin.post(DEVICES, &forced).await.status, 201);
        assert_eq!(accepted(&admin).await, 1);
        let renewed = Gear { key: Key::p256(77), ..Gear::new(&acme.tenant_token, 2) };
        renewed.login(&stage).await;
        assert_eq!(second.knock(&stage).await.status, 401, "the new key took the place of the old");
        assert_eq!(accepted(&admin).await, 1);
    });
}

#[test]
fn the_same_device_in_another_tenant_is_another_device() {
    with_platform(None, async |stage| {
        let acme = stage.tenant("acme", 10).await;
        let globex = stage.tenant("globex", 10).await;
        let admin = stage.login("admin@acme.example").await;
        let stranger = stage.login("admin@globex.example").await;
        let here = Gear::new(&acme.tenant_token, 1);
        let (id, _) = here.enroll(&stage, &admin).await;
        assert_eq!(Gear::new(&globex.tenant_token, 1).knock(&stage).await.status, 401);
        assert_eq!(stranger.get(DEVICES).await.json()[0]["status"], "pending");
        let (_, set) = here.ids(&admin).await;
        for nobodys in [(id.as_str(), set.as_str()), ("no-such-id", "no-such-set")] {
            let (id, set) = nobodys;
            let device = format!("{DEVICES}/{id}");
            for (method, path, body) in [
                ("GET", device.clone(), None),
                ("DELETE", device.clone(), None),
                ("GET", status_path(id, set), None),
                ("PUT", status_path(id, set), Some(json!({ "status": "rejected" }))),
                ("DELETE", format!("{device}/auth/{set}"), None),
            ] {
                let told = stranger.send(method, &path, body.as_ref()).await;
                assert_eq!(told.status, 404, "{method} {path}");
            }
            assert_eq!(stranger.get(&format!("{DEVICES}?id={id}")).await.json(), json!([]));
            assert_eq!(stranger.post(&format!("{DEVICES}/search"), &json!({ "id": [id] })).await.json(), json!([]));
            let token = format!("/api/management/v2/devauth/tokens/{set}");
            assert_eq!(stranger.delete(&token).await.status, 204);
        }
        here.login(&stage).await;
        assert_eq!(accepted(&admin).await, 1);
    });
}

#[test]
fn revoked_tokens_and_those_of_suspended_tenants_are_dead() {
    with_platform(None, async |stage| {
        let acme = stage.tenant("acme", 10).await;
        let admin = stage.login("admin@acme.example").await;
        let gear = Gear::new(&acme.tenant_token, 1);
        let (id, device) = gear.enroll(&stage, &admin).await;
        let (_, jti) = gear.ids(&admin).await;
        assert_eq!(admin.delete(&format!("/api/management/v2/devauth/tokens/{jti}")).await.status, 204);
        assert!(!is_let_in(&device).await);
        let again = gear.login(&stage).await;
        assert!(is_let_in(&again).await);
        let operator = stage.operator();
        let tokens = "/api/internal/v1/devauth/tokens";
        assert_eq!(operator.delete(tokens).await.status, 400);
        let one = format!("{tokens}?tenant_id={}&device_id={id}", acme.tenant_id);
        assert_eq!(operator.delete(&one).await.status, 204);
        assert!(!is_let_in(&again).await);
        let suspend = format!("/api/internal/v1/tenantadm/tenants/{}/status", acme.tenant_id);
        assert_eq!(operator.put(&suspend, &json!({ "status": "suspended" })).await.status, 200);
        let told = gear.knock(&stage).await;
        assert_eq!((told.status, told.json()["error"].as_str().unwrap()), (401, "tenant account suspended"));
    });
}
