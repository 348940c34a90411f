//! Keys whose signatures in handshakes are all of one length.
//!
//! An ECDSA signature in DER has a byte more for each of its two numbers that begins with a high bit, and they are drawn by the
//! system. On a link that carries so many bytes in a second that would decide when something arrives, in a run that must repeat.

use rustls::crypto::KeyProvider;
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};
use std::sync::Arc;

/// Bytes of a P-256 signature of which one number begins with a high bit: every second one is.
const LENGTH: usize = 71;

/// How often it is signed anew until it has that length; one in 2^64 is of another after that.
const TRIES: usize = 64;

/// Loads keys as ring does.
#[derive(Debug)]
pub(super) struct EvenKeys;

impl KeyProvider for EvenKeys {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        let key = rustls::crypto::ring::default_provider().key_provider.load_private_key(key)?;
        Ok(Arc::new(EvenKey(key)))
    }
}

#[derive(Debug)]
struct EvenKey(Arc<dyn SigningKey>);

impl SigningKey for EvenKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(EvenSigner(self.0.choose_scheme(offered)?)))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.0.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

#[derive(Debug)]
struct EvenSigner(Box<dyn Signer>);

impl Signer for EvenSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut signature = self.0.sign(message)?;
        if self.scheme() == SignatureScheme::ECDSA_NISTP256_SHA256 {
            for _ in 1..TRIES {
                if signature.len() == LENGTH {
                    break;
                }
                signature = self.0.sign(message)?;
            }
        }
        Ok(signature)
    }

    fn scheme(&self) -> SignatureScheme {
        self.0.scheme()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seeds;
    use crate::tls::key::Key;

    #[test]
    fn signatures_are_of_one_length() {
        let key = Key::drawn(&mut Seeds::new(1).stream("key")).pkcs8_der().unwrap();
        let key = EvenKeys.load_private_key(key).unwrap();
        let signer = key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]).unwrap();
        let lengths: std::collections::BTreeSet<usize> =
            (0..100_u8).map(|number| signer.sign(&[number]).unwrap().len()).collect();
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [LENGTH]);
    }
}
