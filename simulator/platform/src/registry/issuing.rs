//! The platform's own authority for devices: it signs certificates for keys that it drew or that were brought.
//!
//! Its key comes from the platform's keys, so a platform that lasts has the same one after every start.

use super::x509::pem;
use crate::refusal::{Answer, Refusal};
use fleetproof_world::{Seeds, rfc3339};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use rand::RngCore;
use std::fmt;

/// How the authority is called in certificates.
const NAME: &str = "fleetproof device authority";

/// How certificates are called that nobody asked a name for, as AWS does it.
const NAMELESS: &str = "AWS IoT Certificate";

/// Until when certificates are good: 2049-12-31T23:59:59Z, as AWS's are.
const UNTIL: &str = "491231235959Z";

/// Clocks of devices may be behind, by so many ms.
const SLACK_MS: u64 = 86_400_000;

/// `ecdsa-with-SHA256`.
const ECDSA_SHA256: &[u8] = &[0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2];

/// `basicConstraints` (no authority) and `keyUsage` (digital signature), both critical.
const EXTENSIONS: &[u8] = &[
    0x30, 0x0C, 0x06, 0x03, 0x55, 0x1D, 0x13, 0x01, 0x01, 0xFF, 0x04, 0x02, 0x30, 0x00, //
    0x30, 0x0E, 0x06, 0x03, 0x55, 0x1D, 0x0F, 0x01, 0x01, 0xFF, 0x04, 0x04, 0x03, 0x02, 0x07, 0x80,
];

/// Who signs.
pub(crate) struct Issuer(SigningKey);

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issuer(…)")
    }
}

/// A key pair as PEM.
pub(super) struct KeyPair {
    pub(super) public: String,
    pub(super) private: String,
    /// The public key, DER.
    pub(super) der: Vec<u8>,
}

impl Issuer {
    pub(crate) fn new(keys: &Seeds) -> Self {
        let mut stream = keys.stream("key/devices");
        Self(drawn(|bytes| stream.fill_bytes(bytes)))
    }

    /// The PEM of a certificate for `key` (DER), good from a day before `now` (ms since 1970). `number` is its own.
    pub(super) fn certify(&self, subject: Option<&[u8]>, key: &[u8], number: [u8; 16], now: u64) -> String {
        let mut serial = number;
        serial[0] = serial[0] & 0x7F | 0x40;
        // In UTCTime the year has two digits, which is enough until 2049.
        let from: String = rfc3339(now.saturating_sub(SLACK_MS)).chars().filter(char::is_ascii_digit).collect();
        let from = format!("{}Z", from.get(2..14).unwrap_or("700101000000"));
        let nameless = named(NAMELESS);
        let body = [
            value(0xA0, &value(0x02, &[2])),
            value(0x02, &serial),
            ECDSA_SHA256.to_vec(),
            named(NAME),
            value(0x30, &[value(0x17, from.as_bytes()), value(0x17, UNTIL.as_bytes())].concat()),
            subject.map_or(nameless, <[u8]>::to_vec),
            key.to_vec(),
            value(0xA3, &value(0x30, EXTENSIONS)),
        ];
        let body = value(0x30, &body.concat());
        let signature: Signature = self.0.sign(&body);
        let signature = [&[0][..], signature.to_der().as_bytes()].concat();
        let whole = [body, ECDSA_SHA256.to_vec(), value(0x03, &signature)];
        pem("CERTIFICATE", &value(0x30, &whole.concat()))
    }
}

impl KeyPair {
    /// A P-256 key pair made of what `fill` gives.
    pub(super) fn drawn(fill: impl FnMut(&mut [u8; 32])) -> Answer<Self> {
        let key = drawn(fill);
        let public = key.verifying_key();
        Ok(Self {
            public: public.to_public_key_pem(LineEnding::LF).map_err(Refusal::internal)?,
            private: key.to_pkcs8_pem(LineEnding::LF).map_err(Refusal::internal)?.to_string(),
            der: public.to_public_key_der().map_err(Refusal::internal)?.as_bytes().to_vec(),
        })
    }
}

fn drawn(mut fill: impl FnMut(&mut [u8; 32])) -> SigningKey {
    loop {
        let mut bytes = [0; 32];
        fill(&mut bytes);
        // One in 2³² is no number of the curve.
        if let Ok(key) = SigningKey::from_slice(&bytes) {
            return key;
        }
    }
}

/// A name that is a common name and nothing else, DER.
fn named(name: &str) -> Vec<u8> {
    let pair = [&[0x06, 0x03, 0x55, 4, 3][..], &value(0x0C, name.as_bytes())].concat();
    value(0x30, &value(0x31, &value(0x30, &pair)))
}

/// A value in DER.
fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut all = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => all.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
            // A usize has at most eight bytes.
            all.push(0x80 | u8::try_from(bytes.len()).unwrap_or(8));
            all.extend_from_slice(bytes);
        }
    }
    all.extend_from_slice(content);
    all
}

#[cfg(test)]
mod tests {
    use super::super::x509::Certificate;
    use super::*;
    use proptest::prelude::*;

    fn issue(number: u8) -> Certificate {
        let issuer = Issuer::new(&Seeds::new(1));
        let pair = KeyPair::drawn(|bytes| *bytes = [number; 32]).unwrap();
        Certificate::from_pem(&issuer.certify(None, &pair.der, [number; 16], 1_767_225_600_000)).unwrap()
    }

    #[test]
    fn what_is_issued_can_be_read() {
        let read = issue(7);
        assert_eq!(read.common_name, NAMELESS);
        assert_eq!(read.facts["Issuer.CommonName"], NAME);
        assert_eq!((rfc3339(read.not_before), rfc3339(read.not_after)), {
            let day_before = rfc3339(1_767_225_600_000 - SLACK_MS);
            (day_before, rfc3339(2_524_607_999_000))
        });
        assert!(!read.is_ca && !read.signed_by(&read));
        assert_ne!(read.id, issue(8).id);
        assert_eq!(read, issue(7));
    }

    proptest! {
        /// Whatever is cut or changed is refused or read, and never more than that.
        #[test]
        fn damaged_certificates_are_read_without_a_panic(at in 0..400_usize, byte: u8, cut in 0..400_usize) {
            use base64::Engine;
            let text: String = issue(7).pem.lines().filter(|line| !line.starts_with('-')).collect();
            let mut der = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
            let length = der.len();
            der[at % length] = byte;
            drop(Certificate::from_der(&der));
            der.truncate(cut % length);
            prop_assert!(Certificate::from_der(&der).is_none());
        }
    }
}
