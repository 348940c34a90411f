//! Keys on the curve P-256: drawn, written, read, and asked whether they made a signature.

use crate::RandomStream;
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};
use rand::RngCore;
use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fmt;
use std::io;

/// A P-256 key; signatures are those of RFC 6979, without randomness.
#[derive(Clone)]
pub(super) struct Key {
    signs: SigningKey,
    public: PublicKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    pub(super) fn drawn(from: &mut RandomStream) -> Self {
        loop {
            let mut bytes = [0; 32];
            from.fill_bytes(&mut bytes);
            // One in 2³² is no number of the curve.
            if let Ok(signs) = SigningKey::from_slice(&bytes) {
                return Self::of(signs);
            }
        }
    }

    fn of(signs: SigningKey) -> Self {
        let public = PublicKey(signs.verifying_key().to_encoded_point(false).as_bytes().to_vec());
        Self { signs, public }
    }

    /// The key in PKCS#8 or SEC1 (what `openssl ecparam` writes).
    pub(super) fn read(der: &PrivateKeyDer<'_>) -> io::Result<Self> {
        let secret = match der {
            PrivateKeyDer::Pkcs8(der) => {
                SigningKey::from_pkcs8_der(der.secret_pkcs8_der()).map_err(|error| error.to_string())
            }
            PrivateKeyDer::Sec1(der) => p256::SecretKey::from_sec1_der(der.secret_sec1_der())
                .map(SigningKey::from)
                .map_err(|error| error.to_string()),
            _ => Err("neither PKCS#8 nor SEC1".to_owned()),
        };
        secret.map(Self::of).map_err(|error| {
            let text = format!("the private key cannot be read ({error}): give a P-256 key as PKCS#8 PEM");
            io::Error::new(io::ErrorKind::InvalidData, text)
        })
    }

    pub(super) const fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn pkcs8_der(&self) -> io::Result<PrivateKeyDer<'static>> {
        let private = self.signs.to_pkcs8_der().map_err(io::Error::other)?;
        Ok(PrivatePkcs8KeyDer::from(private.as_bytes().to_vec()).into())
    }

    pub(super) fn pkcs8_pem(&self) -> io::Result<String> {
        Ok(self.signs.to_pkcs8_pem(LineEnding::LF).map_err(io::Error::other)?.to_string())
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: Signature = self.signs.sign(message);
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

/// The half of a key that everybody may know: an uncompressed point of the curve (65 bytes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PublicKey(Vec<u8>);

impl PublicKey {
    /// The key behind an encoded point; nothing when the bytes are no point of the curve.
    pub(super) fn read(point: &[u8]) -> Option<Self> {
        let key = VerifyingKey::from_sec1_bytes(point).ok()?;
        Some(Self(key.to_encoded_point(false).as_bytes().to_vec()))
    }

    /// What the key is called in certificates.
    pub(super) fn name(&self) -> Vec<u8> {
        blake3::hash(&self.0).as_bytes()[..20].to_vec()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether `signature` (ECDSA with SHA-256, DER) is this key's under `message`.
    pub(super) fn made(&self, signature: &[u8], message: &[u8]) -> bool {
        let (Ok(key), Ok(signature)) = (VerifyingKey::from_sec1_bytes(&self.0), Signature::from_der(signature)) else {
            return false;
        };
        key.verify(message, &signature).is_ok()
    }
}

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seeds;
    use rustls::pki_types::PrivateSec1KeyDer;

    #[test]
    fn a_key_is_read_from_both_forms() {
        let key = Key::drawn(&mut Seeds::new(1).stream("key"));
        let sec1 = p256::SecretKey::from(&key.signs).to_sec1_der().unwrap().to_vec();
        for der in [key.pkcs8_der().unwrap(), PrivateSec1KeyDer::from(sec1).into()] {
            assert_eq!(Key::read(&der).unwrap().public(), key.public());
        }
        let refused = Key::read(&PrivatePkcs8KeyDer::from(vec![0x30, 0]).into()).unwrap_err().to_string();
        assert!(refused.ends_with("give a P-256 key as PKCS#8 PEM"), "{refused}");
    }
}
