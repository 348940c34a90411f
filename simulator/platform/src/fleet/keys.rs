//! Public keys of devices and what they signed: RSA (PKCS #1 v1.5), ECDSA on P-256 (DER), Ed25519.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::Verifier;
use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::pkcs8::der::pem::LineEnding;
use p256::pkcs8::der::{Decode, Document};
use p256::pkcs8::spki::SubjectPublicKeyInfoRef;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rsa::pkcs1v15::Pkcs1v15Sign;
use sha2::{Digest, Sha256};

/// What stands before a SHA-256 digest in an RSA signature (RFC 8017, 9.2).
const SHA256_PREFIX: [u8; 19] = [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];

/// A public key.
pub(crate) struct PublicKey {
    kind: Kind,
    /// As it is kept and compared: PEM with lines of 64.
    pub(crate) pem: String,
}

enum Kind {
    Rsa(Box<rsa::RsaPublicKey>),
    /// The point, uncompressed (SEC 1, 2.3.3). `p256` reads it, `ring` verifies with it.
    P256(Box<[u8]>),
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
}

impl PublicKey {
    /// The key in a PKIX PEM; `None` for what is none, or of a kind that the platform does not know.
    pub(crate) fn read(pem: &str) -> Option<Self> {
        let (label, document) = Document::from_pem(pem.trim()).ok()?;
        if label != "PUBLIC KEY" {
            return None;
        }
        let info = SubjectPublicKeyInfoRef::from_der(document.as_bytes()).ok()?;
        let kind = match info.algorithm.oid.to_string().as_str() {
            "1.2.840.113549.1.1.1" => Kind::Rsa(Box::new(info.try_into().ok()?)),
            "1.2.840.10045.2.1" => {
                Kind::P256(p256::PublicKey::try_from(info).ok()?.to_encoded_point(false).as_bytes().into())
            }
            "1.3.101.112" => {
                let bytes = info.subject_public_key.as_bytes()?.try_into().ok()?;
                Kind::Ed25519(Box::new(ed25519_dalek::VerifyingKey::from_bytes(&bytes).ok()?))
            }
            _ => return None,
        };
        Some(Self { kind, pem: document.to_pem("PUBLIC KEY", LineEnding::LF).ok()? })
    }

    /// Whether `signature` (base64) is this key's over exactly these bytes.
    pub(crate) fn signed(&self, bytes: &[u8], signature: &str) -> bool {
        let Ok(signature) = BASE64.decode(signature.trim()) else { return false };
        match &self.kind {
            Kind::Rsa(key) => {
                let scheme = Pkcs1v15Sign { hash_len: Some(32), prefix: Box::new(SHA256_PREFIX) };
                key.verify(scheme, &Sha256::digest(bytes), &signature).is_ok()
            }
            Kind::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(bytes, &signature).is_ok()
            }
            Kind::Ed25519(key) => ed25519_dalek::Signature::from_slice(&signature)
                .is_ok_and(|signature| key.verify(bytes, &signature).is_ok()),
        }
    }
}
