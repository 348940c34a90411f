//! Certificates and authorities that attempts are made with: the same for the same name, and nobody else's.

use crate::mender::Mender;
use crate::{DialectError, Result};
use fleetproof_world::Stamp;
use fleetproof_world::tls::{Authority, Certificate, Identity, Subject, Validity};

/// How long a name in a certificate may be.
const LONGEST: usize = 64;

const YEAR_MS: u64 = 365 * 86_400_000;

fn broken(error: std::io::Error) -> DialectError {
    DialectError::Unreadable { operation: "a certificate of the harness".to_owned(), reason: error.to_string() }
}

/// The end of a name is what makes it another one's than the next.
fn short(name: &str) -> &str {
    name.len().checked_sub(LONGEST).and_then(|start| name.get(start..)).unwrap_or(name)
}

fn validity(mender: &Mender) -> Validity {
    // The same whenever it is asked for, so that the certificate is.
    let started = mender.world().clock.unix_ms_at(Stamp::default());
    Validity { from_ms: started.saturating_sub(YEAR_MS), until_ms: started + 20 * YEAR_MS }
}

fn authority(mender: &Mender, name: &str) -> Authority {
    Authority::new(short(name), &mut mender.world().seeds.child("canary authority").stream(name))
}

/// The certificate of an authority called `name`, as PEM.
///
/// # Errors
/// A name that cannot stand in a certificate.
pub fn authority_pem(mender: &Mender, name: &str) -> Result<String> {
    authority(mender, name).certificate(validity(mender).from_ms).map_err(broken)
}

/// A certificate that the authority called `name` signed, as PEM.
///
/// # Errors
/// A name that cannot stand in a certificate.
pub fn signed_pem(mender: &Mender, name: &str) -> Result<String> {
    let mut keys = mender.world().seeds.child("canary signed").stream(name);
    let made = authority(mender, name).issue(&Subject::named(short(name)), validity(mender), &mut keys);
    Ok(made.map_err(broken)?.chain().leaf_pem())
}

/// A certificate called `name` that the authority called `by` signed, with its key.
///
/// # Errors
/// A name that cannot stand in a certificate.
pub fn issued(mender: &Mender, by: &str, name: &str) -> Result<Identity> {
    let mut keys = mender.world().seeds.child("canary issued").stream(name);
    authority(mender, by).issue(&Subject::named(short(name)), validity(mender), &mut keys).map_err(broken)
}

/// The certificate that nobody vouches for, with its key.
///
/// # Errors
/// A name that cannot stand in a certificate.
pub fn identity(mender: &Mender, name: &str) -> Result<Identity> {
    let mut keys = mender.world().seeds.child("canary certificate").stream(name);
    Identity::self_signed(&Subject::named(short(name)), validity(mender), &mut keys).map_err(broken)
}

/// A certificate that nobody vouches for, as PEM.
///
/// # Errors
/// A name that cannot stand in a certificate.
pub fn pem(mender: &Mender, name: &str) -> Result<String> {
    Ok(identity(mender, name)?.chain().leaf_pem())
}

/// A request for a certificate, as PEM.
///
/// # Errors
/// A name that cannot stand in a request.
pub fn signing_request(mender: &Mender, name: &str) -> Result<String> {
    identity(mender, name)?.request(&Subject::named(short(name))).map_err(broken)
}

/// By what an account knows a certificate, if `text` is one.
#[must_use]
pub fn id_of(text: &str) -> Option<String> {
    let is_pem = text.starts_with("-----BEGIN CERTIFICATE");
    is_pem.then(|| Certificate::from_pem(text).ok()).flatten().map(|certificate| certificate.fingerprint())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_name_stays() {
        let name = format!("{}-17", "x".repeat(80));
        assert_eq!(short(&name).len(), LONGEST);
        assert!(short(&name).ends_with("-17"));
        assert_eq!(short("pump"), "pump");
    }

    #[test]
    fn what_is_no_certificate_has_no_id() {
        assert_eq!(id_of("pump-1"), None);
        assert_eq!(id_of("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), None);
    }
}
