//! One operation of each audience, and what is true of every operation.

use crate::common::{Caller, with_platform};
use fleetproof_platform::Platform;
use serde_json::Value;

#[test]
fn a_user_logs_in_and_is_told_who_she_is() {
    with_platform(None, async |stage| {
        let acme = stage.tenant("acme", 10).await;
        let admin = stage.login("admin@acme.example").await;
        let me = admin.get("/api/management/v1/useradm/users/me").await;
        assert_eq!(me.status, 200);
        assert_eq!(me.json()["tenant_ids"][0], acme.tenant_id);
        let nobody = Caller::new(&stage.gateway, None).get("/api/management/v1/useradm/users/me").await;
        assert_eq!(nobody.status, 401);
        assert_eq!(nobody.json()["error"], "unauthorized");
        assert!(nobody.json()["request_id"].is_string());
        assert_eq!(admin.post("/api/management/v1/useradm/auth/logout", &Value::Null).await.status, 202);
        assert_eq!(admin.get("/api/management/v1/useradm/users/me").await.status, 401);
    });
}

#[test]
fn the_operators_door_knows_its_operator_only() {
    with_platform(None, async |stage| {
        let acme = stage.tenant("acme", 10).await;
        let path = format!("/api/internal/v1/tenantadm/tenants/{}", acme.tenant_id);
        assert_eq!(stage.operator().get(&path).await.json()["name"], "acme");
        let admin = stage.login("admin@acme.example").await;
        let at_the_door = Caller::new(&stage.door, admin.token.clone());
        assert_eq!(at_the_door.get(&path).await.status, 401);
        assert_eq!(admin.get(&path).await.status, 404, "the gateway does not lead there");
    });
}

#[test]
fn every_operation_refuses_who_shows_nothing() {
    with_platform(None, async |stage| {
        let document = Platform::document();
        let (mut checked, mut public) = (0, Vec::new());
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap().iter().filter(|(_, it)| it["operationId"].is_string())
            {
                let id = operation["operationId"].as_str().unwrap();
                let Some(security) = operation["security"].as_array() else {
                    public.push(id);
                    continue;
                };
                let at_door = security[0].get("operator").is_some();
                assert_eq!(at_door, path.starts_with("/api/internal/"), "{id}");
                let router = if at_door { &stage.door } else { &stage.gateway };
                let path = path.replace(['{', '}'], "");
                for token in [None, Some("x.y.z".to_owned())] {
                    let answer = Caller::new(router, token).send(method, &path, None).await;
                    assert_eq!(answer.status, 401, "{id}: {method} {path}");
                }
                checked += 1;
            }
        }
        assert!(checked >= 3);
        let known = ["DeviceAuth Authenticate Device", "Login", "x_fleetproof Show Document"];
        assert!(public.iter().all(|id| known.contains(id)), "public: {public:?}");
    });
}

#[test]
fn every_route_is_in_the_document() {
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_some_and(|ending| ending == "rs") {
                files += 1;
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(!text.contains(".route("), "{}: a plain route is in no document", path.display());
            }
        }
    }
    assert!(files > 10);
}

#[test]
fn the_platform_answers_on_a_network() {
    with_platform(None, async |stage| {
        let incoming = stage.world.net.listen("platform").await.unwrap();
        let stop = tokio_util::sync::CancellationToken::new();
        let serving = tokio::spawn(Platform::serve(stage.gateway.clone(), incoming, stop.clone()));
        let stream = stage.world.net.connect("somebody", "platform").await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = http::Request::get("/openapi.json").header("host", "platform");
        let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.headers().get("date").is_none());
        let document = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
        assert!(document.starts_with(b"{"));
        // Somebody who asks and never reads does not keep the server from stopping.
        let request = http::Request::get("/openapi.json").header("host", "platform");
        let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
        let unread = sender.send_request(request).await.unwrap();
        stop.cancel();
        serving.await.unwrap();
        drop((unread, sender, connection));
    });
}
