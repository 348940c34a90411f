//! Certificates and requests for them, as far as a registry reads them (RFC 5280, RFC 2986). Nothing is believed of a
//! certificate here but its form: who signed it is asked with [`Certificate::signed_by`].

use crate::fleet::PublicKey;
use crate::ids::hex;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The longest PEM that is read, in bytes (AWS: 65536).
pub(super) const LONGEST_PEM: usize = 65_536;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xA0;
const EXTENSIONS: u8 = 0xA3;
const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;

/// Object identifiers of names, and what policies call them (AWS: certificate policy variables).
const NAMES: &[(&[u8], &str)] = &[
    (&[0x55, 4, 3], "CommonName"),
    (&[0x55, 4, 4], "Surname"),
    (&[0x55, 4, 5], "SerialNumber"),
    (&[0x55, 4, 6], "Country"),
    (&[0x55, 4, 7], "LocalityName"),
    (&[0x55, 4, 8], "State"),
    (&[0x55, 4, 10], "Organization"),
    (&[0x55, 4, 11], "OrganizationalUnit"),
    (&[0x55, 4, 12], "Title"),
    (&[0x55, 4, 42], "GivenName"),
    (&[0x55, 4, 46], "DistinguishedNameQualifier"),
];

/// Signatures that the platform verifies: SHA-256 with RSA, with ECDSA, Ed25519.
const SIGNATURES: &[&[u8]] =
    &[&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 0x0B], &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2], &[0x2B, 0x65, 0x70]];

/// `basicConstraints`.
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 0x13];

/// A certificate that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    /// SHA-256 of the DER: 64 lower-case hexadecimal digits.
    pub(super) id: String,
    /// As it is kept: lines of 64, nothing around it.
    pub(super) pem: String,
    /// The subject, DER in hexadecimal digits: what issuers are found by.
    pub(super) subject: String,
    /// The issuer, the same way.
    pub(super) issuer: String,
    /// Empty where there is none.
    pub(super) common_name: String,
    /// `Subject.CommonName`, `Issuer.Organization`, `SerialNumber`, …
    pub(super) facts: BTreeMap<String, String>,
    /// ms since 1970.
    pub(super) not_before: u64,
    /// ms since 1970.
    pub(super) not_after: u64,
    /// Whether it says that it is an authority's.
    pub(super) is_ca: bool,
    key: String,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

/// A request for a certificate whose signature was good.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// The name it asks for, DER.
    pub(super) subject: Vec<u8>,
    /// The key it asks for, DER.
    pub(super) key: Vec<u8>,
}

impl Certificate {
    /// The first certificate in a PEM; `None` for what is none.
    pub(super) fn from_pem(pem: &str) -> Option<Self> {
        Self::from_der(&armoured(pem, &["CERTIFICATE"])?)
    }

    /// A certificate, and nothing behind it.
    pub(super) fn from_der(der: &[u8]) -> Option<Self> {
        let Signed { body, whole, signature } = signed(der)?;
        let mut fields = Der(body);
        fields.optional(VERSION);
        let serial = fields.take(INTEGER)?;
        fields.take(SEQUENCE)?;
        let issuer = fields.whole(SEQUENCE)?;
        let mut validity = Der(fields.take(SEQUENCE)?);
        let (not_before, not_after) = (validity.time()?, validity.time()?);
        let subject = fields.whole(SEQUENCE)?;
        let key = pem("PUBLIC KEY", fields.whole(SEQUENCE)?);
        // Unique ids (1, 2) are long out of use.
        fields.optional(0x81);
        fields.optional(0x82);
        let is_ca = match fields.optional(EXTENSIONS) {
            Some(extensions) => is_authority(extensions)?,
            None => false,
        };
        let mut facts = BTreeMap::new();
        names("Subject", subject, &mut facts)?;
        names("Issuer", issuer, &mut facts)?;
        facts.insert("SerialNumber".to_owned(), hex(serial));
        Some(Self {
            id: hex(&Sha256::digest(der)),
            pem: pem("CERTIFICATE", der),
            subject: hex(subject),
            issuer: hex(issuer),
            common_name: facts.get("Subject.CommonName").cloned().unwrap_or_default(),
            facts,
            not_before,
            not_after,
            is_ca,
            key,
            signed: whole.to_vec(),
            signature: signature.to_vec(),
        })
    }

    /// Whether `authority` names itself as the issuer and signed it.
    pub(super) fn signed_by(&self, authority: &Self) -> bool {
        let key = PublicKey::read(&authority.key);
        self.issuer == authority.subject
            && key.is_some_and(|key| key.signed(&self.signed, &BASE64.encode(&self.signature)))
    }
}

impl Request {
    /// The request in a PEM, if its own key signed it.
    pub(super) fn from_pem(text: &str) -> Option<Self> {
        let der = armoured(text, &["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"])?;
        let Signed { body, whole, signature } = signed(&der)?;
        let mut fields = Der(body);
        fields.take(INTEGER)?;
        let subject = fields.whole(SEQUENCE)?;
        names("Subject", subject, &mut BTreeMap::new())?;
        let key = fields.whole(SEQUENCE)?;
        let signer = PublicKey::read(&pem("PUBLIC KEY", key))?;
        signer.signed(whole, &BASE64.encode(signature)).then(|| Self { subject: subject.to_vec(), key: key.to_vec() })
    }
}

/// DER inside its armour, lines of 64.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
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

/// What stands in the first armour with one of these labels.
fn armoured(text: &str, labels: &[&str]) -> Option<Vec<u8>> {
    if text.len() > LONGEST_PEM {
        return None;
    }
    labels.iter().find_map(|label| {
        let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
        let (inside, _) = rest.split_once(&format!("-----END {label}-----"))?;
        let plain: String = inside.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        BASE64.decode(plain).ok()
    })
}

/// What was signed: its content, itself, and the signature.
struct Signed<'a> {
    body: &'a [u8],
    whole: &'a [u8],
    signature: &'a [u8],
}

fn signed(der: &[u8]) -> Option<Signed<'_>> {
    let mut outer = Der(der);
    let mut inner = Der(outer.take(SEQUENCE)?);
    if !outer.0.is_empty() {
        return None;
    }
    let whole = inner.whole(SEQUENCE)?;
    let algorithm = Der(inner.take(SEQUENCE)?).take(OID)?;
    let (unused, signature) = inner.take(BIT_STRING)?.split_first()?;
    if *unused != 0 || !inner.0.is_empty() || !SIGNATURES.contains(&algorithm) {
        return None;
    }
    Some(Signed { body: Der(whole).take(SEQUENCE)?, whole, signature })
}

/// Whether extensions say that the certificate is an authority's; `None` for what are none.
fn is_authority(extensions: &[u8]) -> Option<bool> {
    let mut all = Der(Der(extensions).take(SEQUENCE)?);
    let mut is = false;
    while !all.0.is_empty() {
        let mut one = Der(all.take(SEQUENCE)?);
        let kind = one.take(OID)?;
        one.optional(BOOLEAN);
        let value = one.take(OCTET_STRING)?;
        if kind == BASIC_CONSTRAINTS {
            is = Der(Der(value).take(SEQUENCE)?).optional(BOOLEAN).is_some_and(|truth| truth == [0xFF]);
        }
    }
    Some(is)
}

/// Takes note of the parts of a name under `<whose>.<part>`; of several of one kind, the first.
fn names(whose: &str, name: &[u8], facts: &mut BTreeMap<String, String>) -> Option<()> {
    let mut sets = Der(Der(name).take(SEQUENCE)?);
    while !sets.0.is_empty() {
        let mut pairs = Der(sets.take(SET)?);
        while !pairs.0.is_empty() {
            let mut pair = Der(pairs.take(SEQUENCE)?);
            let kind = pair.take(OID)?;
            let (_, _, value) = pair.next()?;
            let Some((_, called)) = NAMES.iter().find(|(oid, _)| *oid == kind) else { continue };
            // Other alphabets than UTF-8 and its parts are not read; and no database keeps a NUL.
            let Some(value) = std::str::from_utf8(value).ok().filter(|value| !value.contains('\0')) else { continue };
            facts.entry(format!("{whose}.{called}")).or_insert_with(|| value.to_owned());
        }
    }
    Some(())
}

/// What is left to read of DER.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next value: its tag, all of it, its content.
    fn next(&mut self) -> Option<(u8, &'a [u8], &'a [u8])> {
        let (tag, first) = (*self.0.first()?, *self.0.get(1)?);
        if tag & 0x1F == 0x1F {
            return None;
        }
        let (head, length) = match first {
            0..=0x7F => (2, usize::from(first)),
            0x81..=0x84 => {
                let count = usize::from(first & 0x7F);
                let bytes = self.0.get(2..2 + count)?;
                let length = bytes.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
                // The shortest form only: DER has one text for one meaning.
                if length < 0x80 || bytes.first() == Some(&0) {
                    return None;
                }
                (2 + count, length)
            }
            _ => return None,
        };
        let whole = self.0.get(..head.checked_add(length)?)?;
        self.0 = self.0.get(whole.len()..)?;
        Some((tag, whole, whole.get(head..)?))
    }

    fn tagged(&mut self, wanted: u8) -> Option<(&'a [u8], &'a [u8])> {
        let before = *self;
        match self.next() {
            Some((tag, whole, content)) if tag == wanted => Some((whole, content)),
            _ => {
                *self = before;
                None
            }
        }
    }

    /// The content of the next value, which has this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.tagged(tag).map(|(_, content)| content)
    }

    /// The next value with tag and length, which has this tag.
    fn whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.tagged(tag).map(|(whole, _)| whole)
    }

    /// The content of the next value, if it has this tag.
    fn optional(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.take(tag)
    }

    /// The next value as a time, in ms since 1970. What was before counts as then.
    fn time(&mut self) -> Option<u64> {
        let (tag, _, text) = self.next()?;
        let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
        let digits = text.strip_suffix('Z').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        let digits = match (tag, digits.len()) {
            (UTC_TIME, 12) => format!("{}{digits}", if digits < "5" { "20" } else { "19" }),
            (GENERALIZED_TIME, 14) => digits.to_owned(),
            _ => return None,
        };
        let at = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
        let written = format!("{}-{}-{}T{}:{}:{}Z", at(0, 4), at(4, 6), at(6, 8), at(8, 10), at(10, 12), at(12, 14));
        if at(0, 4) < "1970" {
            return Some(0);
        }
        fleetproof_world::read_rfc3339(&written)
    }
}
