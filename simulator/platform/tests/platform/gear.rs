//! A device of a test: a key, an identity, and how it knocks.

use crate::common::{Caller, Stage, Told, ask};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::Signer;
use p256::pkcs8::{EncodePublicKey, LineEnding};
use serde_json::{Value, json};

/// A key of any kind that the platform knows.
pub enum Key {
    P256(Box<p256::ecdsa::SigningKey>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Rsa(Box<rsa::RsaPrivateKey>),
}

impl Key {
    /// A P-256 key, the same for the same number.
    pub fn p256(number: u32) -> Self {
        let mut bytes = [7; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        Self::P256(Box::new(p256::ecdsa::SigningKey::from_slice(&bytes).unwrap()))
    }

    pub fn pem(&self) -> String {
        match self {
            Self::P256(key) => key.verifying_key().to_public_key_pem(LineEnding::LF).unwrap(),
            Self::Ed25519(key) => {
                let mut der = vec![0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
                der.extend_from_slice(key.verifying_key().as_bytes());
                format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64.encode(der))
            }
            Self::Rsa(key) => key.to_public_key().to_public_key_pem(LineEnding::LF).unwrap(),
        }
    }

    pub fn sign(&self, bytes: &[u8]) -> String {
        use sha2::Digest;
        BASE64.encode(match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = Signer::sign(&**key, bytes);
                signature.to_der().as_bytes().to_vec()
            }
            Self::Ed25519(key) => key.sign(bytes).to_bytes().to_vec(),
            Self::Rsa(key) => {
                let prefix = [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];
                let scheme = rsa::pkcs1v15::Pkcs1v15Sign { hash_len: Some(32), prefix: Box::new(prefix) };
                key.sign(scheme, &sha2::Sha256::digest(bytes)).unwrap()
            }
        })
    }
}

/// A device: who it says it is.
pub struct Gear {
    pub identity: Value,
    pub key: Key,
    pub tenant_token: String,
}

impl Gear {
    /// The device with this number in the tenant.
    pub fn new(tenant_token: &str, number: u32) -> Self {
        Self {
            identity: json!({ "mac": format!("02:00:{number:08x}") }),
            key: Key::p256(number + 1),
            tenant_token: tenant_token.to_owned(),
        }
    }

    /// The body of its authentication request.
    pub fn body(&self) -> String {
        json!({ "id_data": self.identity.to_string(), "pubkey": self.key.pem(), "tenant_token": self.tenant_token })
            .to_string()
    }

    /// Knocks.
    pub async fn knock(&self, stage: &Stage) -> Told {
        let body = self.body();
        knock_with(stage, &self.key.sign(body.as_bytes()), body).await
    }

    /// Knocks, and must get a token.
    pub async fn login(&self, stage: &Stage) -> Caller {
        let told = self.knock(stage).await;
        assert_eq!(told.status, 200, "{}", told.text());
        Caller::new(&stage.gateway, Some(told.text()))
    }

    /// Knocks and is accepted by `admin`; its id and itself, logged in.
    pub async fn enroll(&self, stage: &Stage, admin: &Caller) -> (String, Caller) {
        assert_eq!(self.knock(stage).await.status, 401);
        let (id, set) = self.ids(admin).await;
        let told = admin.put(&status_path(&id, &set), &json!({ "status": "accepted" })).await;
        assert_eq!(told.status, 204, "{}", told.text());
        (id, self.login(stage).await)
    }

    /// The ids of the device and of its only authentication set, as `admin` sees them.
    pub async fn ids(&self, admin: &Caller) -> (String, String) {
        let devices = admin.get("/api/management/v2/devauth/devices?per_page=500").await.json();
        let all = devices.as_array().unwrap();
        let device = all.iter().find(|device| device["identity_data"] == self.identity).unwrap();
        let set = &device["auth_sets"][0];
        (device["id"].as_str().unwrap().to_owned(), set["id"].as_str().unwrap().to_owned())
    }
}

/// Any body with any signature.
pub async fn knock_with(stage: &Stage, signature: &str, body: String) -> Told {
    let request = http::Request::post("/api/devices/v1/authentication/auth_requests")
        .header("x-men-signature", signature)
        .body(axum::body::Body::from(body))
        .unwrap();
    ask(&stage.gateway, request).await
}

/// The status of an authentication set.
pub fn status_path(device: &str, set: &str) -> String {
    format!("/api/management/v2/devauth/devices/{device}/auth/{set}/status")
}

/// Devices accepted, as the tenant's admin counts them.
pub async fn accepted(admin: &Caller) -> i64 {
    admin.get("/api/management/v2/devauth/devices/count?status=accepted").await.json()["count"].as_i64().unwrap()
}

/// Whether a device with this token is served.
pub async fn is_let_in(device: &Caller) -> bool {
    let told = device.send("PATCH", "/api/devices/v1/inventory/device/attributes", Some(&json!([]))).await;
    assert!([200, 401].contains(&told.status), "{}: {}", told.status, told.text());
    told.status == 200
}
