//! Signatures of artifacts: ECDSA over P-256 and SHA-256, `r` and `s` one after the other, as Mender's tools write them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::pkcs8::{EncodePublicKey, LineEnding};
use sha2::{Digest, Sha256};
use std::fmt;

/// The key that a release is signed with. It cannot be printed or serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct ReleaseKey(SigningKey);

impl fmt::Debug for ReleaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReleaseKey(..)")
    }
}

impl ReleaseKey {
    /// The key that a seed gives; the same seed gives the same key.
    #[must_use]
    pub fn from_seed(seed: &[u8]) -> Self {
        let mut bytes: [u8; 32] = Sha256::digest(seed).into();
        loop {
            // All but one in 2^32 hashes are keys.
            if let Ok(key) = SigningKey::from_slice(&bytes) {
                return Self(key);
            }
            bytes = Sha256::digest(bytes).into();
        }
    }

    /// The content of `manifest.sig`: the signature of a manifest in base64, the same every time (RFC 6979).
    #[must_use]
    pub fn sign(&self, manifest: &[u8]) -> Bytes {
        let signature: Signature = self.0.sign(manifest);
        STANDARD.encode(signature.to_bytes()).into()
    }

    /// What a device gets to tell releases by.
    #[must_use]
    pub fn check(&self) -> ReleaseCheck {
        ReleaseCheck(*self.0.verifying_key())
    }
}

/// The public half of a [`ReleaseKey`]: a device that has it installs nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseCheck(VerifyingKey);

/// Why an artifact is no release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsigned {
    /// It has no signature.
    Missing,
    /// The signature is not that of its manifest by this key.
    Wrong,
}

impl fmt::Display for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the artifact has no signature",
            Self::Wrong => "the artifact's signature is wrong",
        })
    }
}

impl std::error::Error for Unsigned {}

impl ReleaseCheck {
    /// Looks at the signature of an artifact: its manifest, and the content of `manifest.sig`.
    ///
    /// # Errors
    /// Why it is not good.
    pub fn look(&self, manifest: &[u8], signature: Option<&[u8]>) -> Result<(), Unsigned> {
        let signature = signature.ok_or(Unsigned::Missing)?.trim_ascii();
        let signature = STANDARD.decode(signature).map_err(|_| Unsigned::Wrong)?;
        let signature = Signature::from_slice(&signature).map_err(|_| Unsigned::Wrong)?;
        self.0.verify(manifest, &signature).map_err(|_| Unsigned::Wrong)
    }

    /// As PKIX PEM, for other tools.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.to_public_key_pem(LineEnding::LF).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_signature_of_this_manifest_by_this_key_is_good() {
        let (key, other) = (ReleaseKey::from_seed(b"a"), ReleaseKey::from_seed(b"b"));
        let signature = key.sign(b"manifest");
        assert_eq!(signature, ReleaseKey::from_seed(b"a").sign(b"manifest"));
        let look = |manifest: &[u8], signature: Option<&[u8]>| key.check().look(manifest, signature);
        assert_eq!(look(b"manifest", Some(&signature)), Ok(()));
        assert_eq!(look(b"manifest", Some(&[&signature, &b"\n"[..]].concat())), Ok(()), "tools end it with a line");
        assert_eq!(look(b"manifest", None), Err(Unsigned::Missing));
        assert_eq!(look(b"another", Some(&signature)), Err(Unsigned::Wrong));
        assert_eq!(look(b"manifest", Some(&other.sign(b"manifest"))), Err(Unsigned::Wrong));
        for strange in [&b""[..], b"?", b"AAAA", &[0xff; 88]] {
            assert_eq!(look(b"manifest", Some(strange)), Err(Unsigned::Wrong));
        }
    }
}
