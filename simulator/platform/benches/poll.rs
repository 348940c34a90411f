//! What a poll costs that finds nothing to do: µs per request in process, beside a handler that does nothing.
//!
//! `cargo bench -p fleetproof-platform --bench poll`

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use fleetproof_platform::{NewTenant, Platform, Settings};
use fleetproof_world::{Clock, Runtime, World};
use http_body_util::BodyExt;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::{EncodePublicKey, LineEnding};
use serde_json::{Value, json};
use tower::ServiceExt;

const POLLS: u32 = 20_000;
const DEVICES: u32 = 1_000;
const NEXT: &str = "/api/devices/v1/deployments/device/deployments/next?artifact_name=v1&device_type=fleetproof-sim";

type Failure = Box<dyn std::error::Error>;

async fn ask(router: &Router, request: Request<Body>) -> Result<(StatusCode, Vec<u8>), Failure> {
    let (head, body) = router.clone().oneshot(request).await?.into_parts();
    Ok((head.status, body.collect().await?.to_bytes().to_vec()))
}

/// A device knocks; what it is told.
async fn knock(router: &Router, tenant_token: &str, number: u32) -> Result<(StatusCode, Vec<u8>), Failure> {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&(number + 1).to_be_bytes());
    let key = SigningKey::from_slice(&bytes)?;
    let pem = key.verifying_key().to_public_key_pem(LineEnding::LF)?;
    let identity = json!({ "mac": number }).to_string();
    let body = json!({ "id_data": identity, "pubkey": pem, "tenant_token": tenant_token }).to_string();
    let signature: Signature = key.sign(body.as_bytes());
    let request = Request::post("/api/devices/v1/authentication/auth_requests")
        .header("x-men-signature", BASE64.encode(signature.to_der()));
    ask(router, request.body(Body::from(body))?).await
}

/// A platform with [`DEVICES`] devices; the token of each.
async fn fleet(platform: &Platform, router: &Router) -> Result<Vec<String>, Failure> {
    let tenant = NewTenant {
        name: "acme".to_owned(),
        device_limit: None,
        admin_email: "admin@acme.example".to_owned(),
        admin_password: "correct horse battery".to_owned(),
    };
    let acme = platform.found_tenant(&tenant).await?;
    let basic = BASE64.encode("admin@acme.example:correct horse battery");
    let login =
        Request::post("/api/management/v1/useradm/auth/login").header("authorization", format!("Basic {basic}"));
    let admin = format!("Bearer {}", String::from_utf8(ask(router, login.body(Body::empty())?).await?.1)?);
    for number in 0..DEVICES {
        knock(router, &acme.tenant_token, number).await?;
    }
    for page in 1..=DEVICES.div_ceil(500) {
        let path = format!("/api/management/v2/devauth/devices?per_page=500&page={page}");
        let request = Request::get(path).header("authorization", &admin).body(Body::empty())?;
        let devices: Vec<Value> = serde_json::from_slice(&ask(router, request).await?.1)?;
        for device in devices {
            let (id, set) = (device["id"].as_str(), device["auth_sets"][0]["id"].as_str());
            let (Some(id), Some(set)) = (id, set) else { return Err("a device without an id".into()) };
            let path = format!("/api/management/v2/devauth/devices/{id}/auth/{set}/status");
            let request = Request::put(path).header("authorization", &admin);
            ask(router, request.body(Body::from(r#"{"status":"accepted"}"#))?).await?;
        }
    }
    let mut tokens = Vec::new();
    for number in 0..DEVICES {
        let (status, token) = knock(router, &acme.tenant_token, number).await?;
        if status != StatusCode::OK {
            return Err(format!("device {number} was refused: {status}").into());
        }
        tokens.push(format!("Bearer {}", String::from_utf8(token)?));
    }
    Ok(tokens)
}

/// µs per poll, each answered 204.
async fn measure(clock: &Clock, router: &Router, tokens: &[String]) -> Result<f64, Failure> {
    let began = clock.now();
    for token in tokens.iter().cycle().take(POLLS as usize) {
        let request = Request::get(NEXT).header("authorization", token).body(Body::empty())?;
        let (status, _) = ask(router, request).await?;
        if status != StatusCode::NO_CONTENT {
            return Err(format!("a poll was answered {status}").into());
        }
    }
    Ok(clock.now().since(began).as_secs_f64() * 1e6 / f64::from(POLLS))
}

fn main() -> Result<(), Failure> {
    Runtime::real_time()?.block_on(async {
        let world = World::on_sockets(7);
        let settings = Settings::free(world.clone(), None);
        let platform = Platform::open(settings).await?;
        let router = platform.gateway();
        let tokens = fleet(&platform, &router).await?;
        let path = NEXT.split('?').next().unwrap_or(NEXT);
        let bare = Router::new().route(path, get(async || StatusCode::NO_CONTENT));
        let nothing = measure(&world.clock, &bare, &tokens).await?;
        let poll = measure(&world.clock, &router, &tokens).await?;
        println!("poll: {poll:.1} µs, a bare handler: {nothing:.1} µs, ratio {:.1}", poll / nothing);
        Ok(())
    })
}
