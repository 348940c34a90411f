//! Certificates as the registry keeps them: what `world::tls` reads, in the words of its tables.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use fleetproof_world::tls;
use serde_json::json;
use std::collections::BTreeMap;

/// The longest PEM that is read, in bytes (AWS: 65536).
const LONGEST_PEM: usize = 65_536;

/// A certificate that was read.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    read: tls::Certificate,
    /// SHA-256 of the DER: 64 lower-case hexadecimal digits.
    pub(super) id: String,
    /// As it is kept: lines of 64, nothing around it.
    pub(super) pem: String,
    /// The subject as text that stands for nothing else: what issuers are found by.
    pub(super) subject: String,
    /// The issuer, the same way.
    pub(super) issuer: String,
    /// Empty where there is none.
    pub(super) common_name: String,
    /// `Subject.CommonName`, `Issuer.Organization`, `SerialNumber`, …
    pub(super) facts: BTreeMap<String, String>,
    /// ms since 1970; what was before counts as then.
    pub(super) not_before: u64,
    /// ms since 1970.
    pub(super) not_after: u64,
    /// Whether it says that it is an authority's.
    pub(super) is_ca: bool,
}

impl Certificate {
    /// The first certificate in a PEM; `None` for what is none.
    pub(super) fn from_pem(pem: &str) -> Option<Self> {
        let read = if pem.len() > LONGEST_PEM { None } else { tls::Certificate::from_pem(pem).ok() };
        read.map(Self::of)
    }

    /// A certificate, and nothing behind it.
    pub(super) fn from_der(der: &[u8]) -> Option<Self> {
        tls::Certificate::read(der).ok().map(Self::of)
    }

    fn of(read: tls::Certificate) -> Self {
        // No database keeps a NUL.
        let kept = |(_, value): &(String, String)| !value.contains('\0');
        let facts: BTreeMap<_, _> = read.policy_fields().into_iter().filter(kept).collect();
        let name = |fields: &[tls::Field]| {
            json!(fields.iter().map(|field| (&field.name, &field.value)).collect::<Vec<_>>()).to_string()
        };
        Self {
            id: read.fingerprint(),
            pem: pem("CERTIFICATE", read.der()),
            subject: name(read.subject()),
            issuer: name(read.issuer()),
            common_name: facts.get("Subject.CommonName").cloned().unwrap_or_default(),
            facts,
            not_before: u64::try_from(read.from_ms()).unwrap_or(0),
            not_after: u64::try_from(read.until_ms()).unwrap_or(0),
            is_ca: read.is_authority(),
            read,
        }
    }

    /// Whether `authority` signed it, both being good at `now` (ms since 1970).
    pub(super) fn signed_by(&self, authority: &Self, now: u64) -> bool {
        self.read.issued_by(&authority.read, now).is_ok()
    }

    /// The PEM of its public key.
    pub(super) fn public_key(&self) -> String {
        pem("PUBLIC KEY", self.read.key_info())
    }
}

/// DER inside its armour, lines of 64.
fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}
