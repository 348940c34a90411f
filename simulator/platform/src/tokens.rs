//! Tokens: JWT signed with Ed25519, checked by the platform's clock.
//!
//! A token that verifies is not yet good: whether its session (or its device's) still stands is asked of the
//! database at every use, see `edge::principals`.

use crate::PlatformError;
use crate::proven::Proven;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ed25519_dalek::SigningKey;
use fleetproof_world::Seeds;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rand::RngCore;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// How long a token is good that says nothing else: seven days, in seconds.
pub(crate) const LIFETIME_S: u64 = 7 * 86_400;

/// What a token says. Times in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) jti: String,
    pub(crate) sub: String,
    pub(crate) exp: u64,
    pub(crate) iat: u64,
    pub(crate) nbf: u64,
    pub(crate) iss: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scp: Option<String>,
    #[serde(rename = "mender.user", default, skip_serializing_if = "is_false")]
    pub(crate) user: bool,
    #[serde(rename = "mender.device", default, skip_serializing_if = "is_false")]
    pub(crate) device: bool,
    #[serde(rename = "mender.tenant")]
    pub(crate) tenant: String,
    #[serde(rename = "mender.plan", default, skip_serializing_if = "Option::is_none")]
    pub(crate) plan: Option<String>,
    #[serde(rename = "mender.trial", default, skip_serializing_if = "Option::is_none")]
    pub(crate) trial: Option<bool>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl Claims {
    /// What a user's token says.
    pub(crate) fn of_user(jti: &str, user: &str, tenant: &str, now_s: u64, lifetime_s: u64) -> Self {
        Self {
            jti: jti.to_owned(),
            sub: user.to_owned(),
            exp: now_s.saturating_add(lifetime_s),
            iat: now_s,
            nbf: now_s,
            iss: "mender.useradm".to_owned(),
            scp: Some("mender.*".to_owned()),
            user: true,
            device: false,
            tenant: tenant.to_owned(),
            plan: None,
            trial: None,
        }
    }

    /// What a device's token says; `jti` is the id of the authentication set.
    pub(crate) fn of_device(jti: &str, device: &str, tenant: &str, now_s: u64) -> Self {
        Self {
            iss: "Mender".to_owned(),
            scp: None,
            user: false,
            device: true,
            plan: Some("enterprise".to_owned()),
            trial: Some(false),
            ..Self::of_user(jti, device, tenant, now_s, LIFETIME_S)
        }
    }
}

/// Signs and verifies.
pub(crate) struct Tokens {
    signs: EncodingKey,
    verifies: DecodingKey,
    validation: Validation,
    /// By the token's SHA-256.
    verified: Proven<Arc<Claims>>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    pub(crate) fn new(seeds: &Seeds) -> Self {
        let mut seed = [0; 32];
        seeds.stream("key/tokens").fill_bytes(&mut seed);
        let public = SigningKey::from_bytes(&seed).verifying_key();
        // PKCS #8 version 1 of an Ed25519 key: a fixed head, then the seed.
        let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        der.extend_from_slice(&seed);
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.validate_exp = false; // by the system's clock; ours is checked in `verify`
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Self {
            signs: EncodingKey::from_ed_der(&der),
            verifies: DecodingKey::from_ed_der(public.as_bytes()),
            validation,
            verified: Proven::default(),
        }
    }

    /// The token that says `claims`. What was signed here need not be verified here.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<String, PlatformError> {
        let token = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &self.signs)
            .map_err(|error| PlatformError::Token(error.to_string()))?;
        self.verified.remember(Sha256::digest(token.as_bytes()).into(), Arc::new(claims.clone()));
        Ok(token)
    }

    /// What `token` says, if we signed it and it is its time.
    pub(crate) fn verify(&self, token: &str, now_s: u64) -> Option<Arc<Claims>> {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let claims = match self.verified.recall(&hash) {
            Some(claims) => claims,
            None => {
                let claims = jsonwebtoken::decode::<Claims>(token, &self.verifies, &self.validation).ok()?.claims;
                self.verified.remember(hash, Arc::new(claims))
            }
        };
        (claims.nbf <= now_s && now_s < claims.exp).then_some(claims)
    }

    /// A signature over bytes that are no token, e.g. a download link: URL-safe text.
    pub(crate) fn seal(&self, what: &str) -> Result<String, PlatformError> {
        jsonwebtoken::crypto::sign(what.as_bytes(), &self.signs, Algorithm::EdDSA)
            .map_err(|error| PlatformError::Token(error.to_string()))
    }

    /// Whether `seal` is ours over `what`.
    pub(crate) fn unseals(&self, what: &str, seal: &str) -> bool {
        BASE64.decode(seal).is_ok()
            && jsonwebtoken::crypto::verify(seal, what.as_bytes(), &self.verifies, Algorithm::EdDSA).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(seed: u64) -> Tokens {
        Tokens::new(&Seeds::new(seed))
    }

    #[test]
    fn a_token_is_good_from_its_birth_to_its_end() {
        let claims = Claims::of_user("j", "u", "t", 1_000, 60);
        let token = tokens(1).sign(&claims).unwrap();
        // Another one of the same key: it has not seen the token yet.
        let tokens = tokens(1);
        assert_eq!(tokens.verify(&token, 1_000).as_deref(), Some(&claims));
        assert_eq!(tokens.verify(&token, 1_059).as_deref(), Some(&claims));
        assert_eq!(tokens.verify(&token, 1_060), None);
        assert_eq!(tokens.verify(&token, 999), None);
    }

    /// What a client finds that reads them, as agents and browsers do.
    #[test]
    fn tokens_say_what_the_vendors_say() {
        let body = |claims: &Claims| {
            let token = tokens(1).sign(claims).unwrap();
            let body = BASE64.decode(token.split('.').nth(1).unwrap()).unwrap();
            serde_json::from_slice::<serde_json::Value>(&body).unwrap()
        };
        assert_eq!(
            body(&Claims::of_device("set", "device", "tenant", 1_000)),
            serde_json::json!({"jti": "set", "sub": "device", "iat": 1_000, "nbf": 1_000, "exp": 1_000 + LIFETIME_S,
                "iss": "Mender", "mender.device": true, "mender.tenant": "tenant", "mender.plan": "enterprise",
                "mender.trial": false}),
        );
        assert_eq!(
            body(&Claims::of_user("session", "user", "tenant", 1_000, 60)),
            serde_json::json!({"jti": "session", "sub": "user", "iat": 1_000, "nbf": 1_000, "exp": 1_060,
                "iss": "mender.useradm", "scp": "mender.*", "mender.user": true, "mender.tenant": "tenant"}),
        );
    }

    #[test]
    fn forged_tokens_are_refused() {
        let ours = tokens(1);
        let claims = Claims::of_user("j", "u", "t", 1_000, 60);
        let token = ours.sign(&claims).unwrap();
        let mut parts = token.split('.');
        let (_, body, signature) = (parts.next(), parts.next().unwrap(), parts.next().unwrap());
        let unsigned = BASE64.encode(br#"{"alg":"none","typ":"JWT"}"#);
        for forged in [
            tokens(2).sign(&claims).unwrap(),
            format!("{unsigned}.{body}."),
            format!("{unsigned}.{body}.{signature}"),
            format!("{token}x"),
            String::new(),
            "a.b.c".to_owned(),
        ] {
            assert_eq!(ours.verify(&forged, 1_000), None, "{forged}");
        }
    }

    #[test]
    fn a_seal_is_over_these_bytes_only() {
        let tokens = tokens(1);
        let seal = tokens.seal("tenant/artifact?expires=5").unwrap();
        assert!(tokens.unseals("tenant/artifact?expires=5", &seal));
        assert!(!tokens.unseals("tenant/artifact?expires=6", &seal));
        assert!(!tokens.unseals("tenant/artifact?expires=5", "x"));
    }
}
