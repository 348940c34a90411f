//! The key a device signs its identity with: P-256, from a stream of the run's randomness.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fleetproof_world::RandomStream;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::{EncodePublicKey, LineEnding};
use rand::RngCore;
use std::fmt;

/// A private key. It cannot be printed or serialised.
#[derive(Clone)]
pub struct Key(SigningKey);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// The next key of a stream; the same stream gives the same key.
    #[must_use]
    pub fn from_stream(stream: &mut RandomStream) -> Self {
        loop {
            let mut bytes = [0; 32];
            stream.fill_bytes(&mut bytes);
            // All but one in 2^32 draws are keys.
            if let Ok(key) = SigningKey::from_slice(&bytes) {
                return Self(key);
            }
        }
    }

    /// The public half as PKIX PEM.
    #[must_use]
    pub fn public_pem(&self) -> String {
        self.0.verifying_key().to_public_key_pem(LineEnding::LF).unwrap_or_default()
    }

    /// The signature of `message` (ECDSA over its SHA-256, ASN.1 DER) in base64. The same message has
    /// the same signature (RFC 6979).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> String {
        let signature: DerSignature = self.0.sign(message);
        STANDARD.encode(signature.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetproof_world::Seeds;
    use p256::ecdsa::VerifyingKey;
    use p256::ecdsa::signature::Verifier;
    use p256::pkcs8::DecodePublicKey;

    #[test]
    fn what_is_signed_verifies_and_is_the_same_every_time() {
        let key = |name: &str| Key::from_stream(&mut Seeds::new(1).stream(name));
        let signature = key("a").sign(b"hello");
        assert_eq!(signature, key("a").sign(b"hello"));
        assert_ne!(key("a").public_pem(), key("b").public_pem());
        let public = VerifyingKey::from_public_key_pem(&key("a").public_pem()).unwrap();
        let signature = DerSignature::from_bytes(&STANDARD.decode(signature).unwrap()).unwrap();
        assert!(public.verify(b"hello", &signature).is_ok());
        assert!(public.verify(b"hallo", &signature).is_err());
    }
}
