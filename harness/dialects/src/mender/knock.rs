//! Showing a device's identity to the platform, for devices that a run makes to be attacked. (The population has its
//! own agents: these here have no body and run nothing.)

use super::session::{Session, TenantRef};
use super::{Door, Mender};
use crate::answer::{Answer, Result, Token};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fleetproof_wire::http::Request;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::{EncodePublicKey, LineEnding};
use serde_json::{Value, json};
use std::fmt;

/// The key of a device that a run made. Debug shows the public half.
#[derive(Clone)]
pub struct Key(SigningKey);

impl Key {
    /// A key drawn from a stream of randomness: the same stream gives the same key.
    #[must_use]
    pub fn from_stream(stream: &mut fleetproof_world::RandomStream) -> Self {
        Self(SigningKey::random(stream))
    }

    /// The public half as PEM; empty when it cannot be written, which does not happen with keys of this curve.
    #[must_use]
    pub fn public_pem(&self) -> String {
        self.0.verifying_key().to_public_key_pem(LineEnding::LF).unwrap_or_default()
    }

    /// The signature over a body, for the header `X-MEN-Signature`.
    #[must_use]
    pub fn sign(&self, body: &[u8]) -> String {
        let signature: Signature = self.0.sign(body);
        STANDARD.encode(signature.to_der())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.public_pem()).finish()
    }
}

/// The request with which a device shows itself.
#[must_use]
pub fn auth_request(identity: &str, key: &Key, tenant_token: &str) -> Request {
    let body = json!({ "id_data": identity, "pubkey": key.public_pem(), "tenant_token": tenant_token }).to_string();
    Request::new("POST", "/api/devices/v1/authentication/auth_requests")
        .header("X-MEN-Signature", key.sign(body.as_bytes()))
        .body("application/json", body)
}

impl Mender {
    /// Shows an identity (a JSON object as text) as a device called `who`. Any status is an answer: 401 means that
    /// nobody has let it in, and does not say why.
    ///
    /// # Errors
    /// [`DialectError::Unreachable`](crate::DialectError::Unreachable).
    pub async fn knock(&self, who: &str, identity: &str, key: &Key, tenant_token: &str) -> Result<Answer> {
        self.send(&Session::nobody().named(who), Door::Gateway, auth_request(identity, key, tenant_token)).await
    }

    /// Shows an identity and takes the token that is answered.
    ///
    /// # Errors
    /// Refused with 401 when it is not let in.
    pub async fn enter(
        &self,
        who: &str,
        identity: &str,
        key: &Key,
        tenant: &TenantRef,
        tenant_token: &str,
    ) -> Result<Session> {
        let answer = self.knock(who, identity, key, tenant_token).await?;
        if !answer.is_success() {
            return Err(answer.into());
        }
        Ok(Session::device(who, tenant.clone(), Token::new(answer.text().trim().trim_matches('"'))))
    }
}

/// The canonical text of an identity, as devices send it: keys sorted.
#[must_use]
pub fn identity_text(fields: &[(&str, &str)]) -> String {
    let object: serde_json::Map<String, Value> =
        fields.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    Value::Object(object).to_string()
}
