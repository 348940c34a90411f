//! The platform's own authority for devices: it signs certificates for keys that it drew or that were brought.
//!
//! Its key comes from the platform's keys, so a platform that lasts has the same one after every start.

use crate::refusal::{Answer, Refusal};
use fleetproof_world::Seeds;
use fleetproof_world::tls::{Authority, Chain, Identity, Request, Subject, Validity};
use std::fmt;

/// How the authority is called in certificates.
const NAME: &str = "fleetproof device authority";

/// How certificates are called that nobody asked a name for, as AWS does it.
const NAMELESS: &str = "AWS IoT Certificate";

/// Until when certificates are good: 2049-12-31T23:59:59Z, as AWS's are.
const UNTIL_MS: u64 = 2_524_607_999_000;

/// Clocks of devices may be behind, by so many ms.
const SLACK_MS: u64 = 86_400_000;

/// Who signs.
pub(crate) struct Issuer(Authority);

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issuer(…)")
    }
}

impl Issuer {
    pub(crate) fn new(keys: &Seeds) -> Self {
        Self(Authority::new(NAME, &mut keys.stream("key/devices")))
    }

    /// A key made of `secret`, and a certificate for it, good from a day before `now` (ms since 1970).
    pub(super) fn issue(&self, secret: [u8; 32], now: u64) -> Answer<Identity> {
        let keys = Seeds::from_secret(secret);
        let issued = self.0.issue(&Subject::named(NAMELESS), validity(now), &mut keys.stream("key/device"));
        issued.map_err(Refusal::internal)
    }

    /// A certificate for the key of a request, under the name that it asks for.
    pub(super) fn sign(&self, request: &Request, now: u64) -> Answer<Chain> {
        self.0.sign(request, &request.subject(), validity(now)).map_err(Refusal::internal)
    }
}

fn validity(now: u64) -> Validity {
    Validity { from_ms: now.saturating_sub(SLACK_MS), until_ms: UNTIL_MS }
}

#[cfg(test)]
mod tests {
    use super::super::x509::Certificate;
    use super::*;

    /// 2026-01-01.
    const NOW: u64 = 1_767_225_600_000;

    fn issue(number: u8) -> Certificate {
        let identity = Issuer::new(&Seeds::new(1)).issue([number; 32], NOW).unwrap();
        let chain = identity.chain().leaf_pem();
        Certificate::from_pem(&chain).unwrap()
    }

    #[test]
    fn what_is_issued_can_be_read() {
        let read = issue(7);
        assert_eq!(read.common_name, NAMELESS);
        assert_eq!(read.facts["Issuer.CommonName"], NAME);
        assert_eq!((read.not_before, read.not_after), (NOW - SLACK_MS, UNTIL_MS));
        assert!(!read.is_ca && !read.signed_by(&read, NOW));
        assert_ne!(read.id, issue(8).id);
        assert_eq!(read.id, issue(7).id);
        assert_eq!(Certificate::from_pem(&read.pem).unwrap().id, read.id);
    }
}
