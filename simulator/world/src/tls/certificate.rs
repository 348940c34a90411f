//! Reading a certificate (X.509, RFC 5280) as far as platforms ask: whose it is, who signed it, and until when it is good.
//!
//! What is read here was sent by somebody: nothing is believed, everything has a bound, nothing panics. Trust is another
//! question than reading: [`Certificate::issued_by`] and [`Certificate::leads_to`].

use super::der::{Item, Reader, tag};
use super::error::CertificateError;
use super::fields::{Field, ecdsa_signature, hexadecimal, name_text, read_key, read_name, time};
use super::identity::{certificate_pem, fingerprint};
use super::key::PublicKey;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The most extensions.
const MOST: usize = 64;

/// The most certificates between a leaf and who is trusted, and the most of those that somebody shows that are tried.
const DEEPEST: usize = 4;
const SHOWN: usize = 8;

/// Extensions: 2.5.29.x.
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1D, 14];
const KEY_USAGE: &[u8] = &[0x55, 0x1D, 15];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 19];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1D, 35];

/// A certificate that was read. Nothing is said about whether it can be trusted.
#[derive(Clone, Debug)]
pub struct Certificate {
    der: Vec<u8>,
    /// Where in the DER the signed part is.
    signed: (usize, usize),
    signature: Option<Vec<u8>>,
    serial: Vec<u8>,
    issuer: Vec<Field>,
    issuer_der: Vec<u8>,
    subject: Vec<Field>,
    subject_der: Vec<u8>,
    from_ms: i64,
    until_ms: i64,
    key: Option<PublicKey>,
    key_info: Vec<u8>,
    extensions: Extensions,
}

/// The extensions that are understood.
#[derive(Clone, Debug, Default)]
struct Extensions {
    /// Whether it is an authority, and how many others may follow below it.
    authority: Option<(bool, Option<u8>)>,
    signs_certificates: Option<bool>,
    subject_key_id: Option<Vec<u8>>,
    authority_key_id: Option<Vec<u8>>,
    /// A critical one that is not understood.
    is_beyond: bool,
}

impl Certificate {
    /// Reads a certificate in PEM (the first one).
    ///
    /// # Errors
    /// What cannot be read.
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| CertificateError::Pem { what: "a certificate", why: error.to_string() })?;
        Self::read(&der)
    }

    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// What is no certificate. One with a key or a signature of another kind than P-256 is read, but never verified.
    pub fn read(der: &[u8]) -> Result<Self, CertificateError> {
        let mut outer = Reader::whole(der, "the certificate")?;
        let signed = outer.expect(tag::SEQUENCE, "the signed part")?;
        let signature = ecdsa_signature(&mut outer)?.map(<[u8]>::to_vec);
        outer.end("the certificate")?;

        let mut fields = signed.inside();
        fields.optional(tag::explicit(0), "the version")?;
        let serial = fields.expect(tag::INTEGER, "the serial number")?;
        if serial.value.is_empty() {
            return Err(serial.malformed("the serial number"));
        }
        fields.expect(tag::SEQUENCE, "the signature's kind")?;
        let issuer = fields.expect(tag::SEQUENCE, "the issuer")?;
        let mut validity = fields.expect(tag::SEQUENCE, "the validity")?.inside();
        let from_ms = time(&validity.next("the begin of the validity")?)?;
        let until_ms = time(&validity.next("the end of the validity")?)?;
        validity.end("the validity")?;
        let subject = fields.expect(tag::SEQUENCE, "the subject")?;
        let (key, key_info) = read_key(&fields.expect(tag::SEQUENCE, "the key")?)?;
        fields.optional(tag::context(1), "the issuer's id")?;
        fields.optional(tag::context(2), "the subject's id")?;
        let extensions = match fields.optional(tag::explicit(3), "the extensions")? {
            Some(item) => Extensions::read(&item)?,
            None => Extensions::default(),
        };
        fields.end("the signed part")?;

        let begin = signed.whole.as_ptr().addr() - der.as_ptr().addr();
        Ok(Self {
            signed: (begin, begin + signed.whole.len()),
            signature,
            serial: serial.value.to_vec(),
            issuer: read_name(&issuer)?,
            issuer_der: issuer.value.to_vec(),
            subject: read_name(&subject)?,
            subject_der: subject.value.to_vec(),
            from_ms,
            until_ms,
            key,
            key_info: key_info.to_vec(),
            extensions,
            der: der.to_vec(),
        })
    }

    /// The bytes that it was read from.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The same as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        certificate_pem(&self.der)
    }

    /// SHA-256 of the DER, 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.der)
    }

    /// The serial number, in hexadecimal without leading zeros.
    #[must_use]
    pub fn serial(&self) -> String {
        let digits = hexadecimal(&self.serial);
        let short = digits.trim_start_matches('0');
        if short.is_empty() { "0".to_owned() } else { short.to_owned() }
    }

    /// The fields of the subject, in their order.
    #[must_use]
    pub fn subject(&self) -> &[Field] {
        &self.subject
    }

    /// The fields of the issuer, in their order.
    #[must_use]
    pub fn issuer(&self) -> &[Field] {
        &self.issuer
    }

    /// The subject's first common name.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.subject.iter().find(|field| field.name == "CommonName").map(|field| &*field.value)
    }

    /// From when on it is good, in ms since 1970.
    #[must_use]
    pub const fn from_ms(&self) -> i64 {
        self.from_ms
    }

    /// Until when it is good, in ms since 1970.
    #[must_use]
    pub const fn until_ms(&self) -> i64 {
        self.until_ms
    }

    /// The key and its kind (`SubjectPublicKeyInfo`, DER): equal for certificates of one key.
    #[must_use]
    pub fn key_info(&self) -> &[u8] {
        &self.key_info
    }

    pub(super) const fn public_key(&self) -> Option<&PublicKey> {
        self.key.as_ref()
    }

    /// What its key is called.
    #[must_use]
    pub fn subject_key_id(&self) -> Option<&[u8]> {
        self.extensions.subject_key_id.as_deref()
    }

    /// What the key is called that signed it.
    #[must_use]
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.extensions.authority_key_id.as_deref()
    }

    /// Whether it says that it may sign others.
    #[must_use]
    pub const fn is_authority(&self) -> bool {
        matches!(self.extensions.authority, Some((true, _)))
    }

    /// What `${iot:Certificate.…}` means for it: `SerialNumber`, `Subject.CommonName`, `Issuer.Organization`, … A field that
    /// stands there several times is the first one, and each of them behind its number (`Subject.Organization.1`).
    #[must_use]
    pub fn policy_fields(&self) -> Vec<(String, String)> {
        let mut fields = vec![("SerialNumber".to_owned(), self.serial())];
        for (whose, name) in [("Subject", &self.subject), ("Issuer", &self.issuer)] {
            for (at, field) in name.iter().enumerate() {
                let before = name[..at].iter().filter(|other| other.name == field.name).count();
                if before == 0 {
                    fields.push((format!("{whose}.{}", field.name), field.value.clone()));
                }
                fields.push((format!("{whose}.{}.{before}", field.name), field.value.clone()));
            }
        }
        fields
    }

    /// Whether it is good at a time.
    ///
    /// # Errors
    /// It is not yet, or no more.
    pub fn good_at(&self, unix_ms: u64) -> Result<(), CertificateError> {
        let now = i64::try_from(unix_ms).unwrap_or(i64::MAX);
        if now < self.from_ms {
            return Err(CertificateError::NotYet { name: self.called(), from_ms: self.from_ms });
        }
        // It names a second, and is good all through it.
        if now >= self.until_ms.saturating_add(1000) {
            return Err(CertificateError::Expired { name: self.called(), until_ms: self.until_ms });
        }
        Ok(())
    }

    /// Whether `authority` signed it and may sign others, both being good at `unix_ms`.
    ///
    /// # Errors
    /// Why not.
    pub fn issued_by(&self, authority: &Self, unix_ms: u64) -> Result<(), CertificateError> {
        self.good_at(unix_ms)?;
        self.signed_below(authority, 0, unix_ms)
    }

    /// Whether `authority` signed it, with `between` other authorities standing between it and the leaf.
    fn signed_below(&self, authority: &Self, between: usize, unix_ms: u64) -> Result<(), CertificateError> {
        if self.issuer_der != authority.subject_der {
            return Err(CertificateError::Issuer { named: name_text(&self.issuer), asked: authority.called() });
        }
        let no_authority = |why| Err(CertificateError::NoAuthority { name: authority.called(), why });
        match authority.extensions.authority {
            Some((true, most)) if most.is_none_or(|most| between <= usize::from(most)) => {}
            Some((true, _)) => return no_authority("its path length is exceeded"),
            _ => return no_authority("its basic constraints do not say that it is one"),
        }
        if authority.extensions.signs_certificates == Some(false) {
            return no_authority("its key usage does not say that it signs certificates");
        }
        if self.extensions.is_beyond || authority.extensions.is_beyond {
            return Err(CertificateError::Unsupported {
                what: "a critical extension",
                want: "none but basic constraints, key usage and extended key usage",
            });
        }
        if let (Some(named), Some(id)) = (self.authority_key_id(), authority.subject_key_id())
            && named != id
        {
            return Err(CertificateError::Issuer { named: hexadecimal(named), asked: hexadecimal(id) });
        }
        authority.good_at(unix_ms)?;
        let Some(signature) = &self.signature else {
            return Err(CertificateError::Unsupported {
                what: "the certificate's signature",
                want: "ECDSA with SHA-256",
            });
        };
        let Some(key) = &authority.key else {
            return Err(CertificateError::Unsupported {
                what: "the authority's key",
                want: "a point of the curve P-256",
            });
        };
        let signed = self.der.get(self.signed.0..self.signed.1).unwrap_or_default();
        if key.made(signature, signed) {
            Ok(())
        } else {
            Err(CertificateError::Signature { by: format!("{:?}", authority.called()) })
        }
    }

    /// Whether one of `trusted` signed it, or one of those in `presented` (the first 8) who signed it, and so on, over at most
    /// 4 of them. Says who is trusted.
    ///
    /// # Errors
    /// Why the nearest candidate is none; that there is no candidate.
    pub fn leads_to<'a>(
        &self,
        presented: &[Self],
        trusted: &'a [Self],
        unix_ms: u64,
    ) -> Result<&'a Self, CertificateError> {
        self.good_at(unix_ms)?;
        let mut below = self;
        let mut refused = None;
        for between in 0..=DEEPEST {
            for root in trusted {
                match below.signed_below(root, between, unix_ms) {
                    Ok(()) => return Ok(root),
                    Err(CertificateError::Issuer { .. }) => {}
                    Err(error) => refused = Some(error),
                }
            }
            // One step per round, so what is presented cannot make this long.
            let next = presented.iter().take(SHOWN).find(|other| match below.signed_below(other, between, unix_ms) {
                Ok(()) => !std::ptr::eq(*other, below),
                Err(CertificateError::Issuer { .. }) => false,
                Err(error) => {
                    refused = Some(error);
                    false
                }
            });
            match next {
                Some(next) => below = next,
                None => break,
            }
        }
        Err(refused.unwrap_or_else(|| CertificateError::Unknown { issuer: name_text(&below.issuer) }))
    }

    fn called(&self) -> String {
        self.common_name().map_or_else(|| name_text(&self.subject), str::to_owned)
    }
}

impl Extensions {
    fn read(item: &Item<'_>) -> Result<Self, CertificateError> {
        let mut outer = item.inside();
        let mut list = outer.expect(tag::SEQUENCE, "the extensions")?.inside();
        outer.end("the extensions")?;
        let mut found = Self::default();
        for _ in 0..MOST {
            if list.is_empty() {
                return Ok(found);
            }
            let extension = list.expect(tag::SEQUENCE, "an extension")?;
            let mut parts = extension.inside();
            let id = parts.expect(tag::OID, "an extension's id")?;
            let is_critical =
                parts.optional(tag::BOOLEAN, "an extension's weight")?.is_some_and(|flag| flag.value != [0]);
            let value = parts.expect(tag::OCTET_STRING, "an extension's value")?;
            parts.end("an extension")?;
            found.take(id.value, is_critical, &value)?;
        }
        Err(item.malformed("so many extensions"))
    }

    fn take(&mut self, id: &[u8], is_critical: bool, value: &Item<'_>) -> Result<(), CertificateError> {
        let mut inner = value.inside();
        let is_second = match id {
            BASIC_CONSTRAINTS => {
                let mut parts = inner.expect(tag::SEQUENCE, "the basic constraints")?.inside();
                let is_authority =
                    parts.optional(tag::BOOLEAN, "the basic constraints")?.is_some_and(|flag| flag.value != [0]);
                let most = match parts.optional(tag::INTEGER, "the path length")? {
                    None => None,
                    // More than fits is no more than none at all.
                    Some(most) => match most.value {
                        [most @ 0..=0x7F] => Some(*most),
                        [] | [0x80..=0xFF, ..] => return Err(most.malformed("the path length")),
                        _ => Some(u8::MAX),
                    },
                };
                self.authority.replace((is_authority, most)).is_some()
            }
            KEY_USAGE => {
                let bits = inner.expect(tag::BIT_STRING, "the key usage")?;
                // The first byte says how many bits of the last are unused; keyCertSign is the sixth bit.
                let signs = bits.value.get(1).is_some_and(|byte| byte & 0x04 != 0);
                self.signs_certificates.replace(signs).is_some()
            }
            SUBJECT_KEY_ID => {
                let id = inner.expect(tag::OCTET_STRING, "the subject's key id")?;
                self.subject_key_id.replace(id.value.to_vec()).is_some()
            }
            AUTHORITY_KEY_ID => {
                let mut parts = inner.expect(tag::SEQUENCE, "the authority's key id")?.inside();
                match parts.optional(tag::context(0), "the authority's key id")? {
                    Some(id) => self.authority_key_id.replace(id.value.to_vec()).is_some(),
                    None => false,
                }
            }
            // 2.5.29.37: what the key is for, which no question here depends on.
            [0x55, 0x1D, 37] => false,
            _ => {
                self.is_beyond |= is_critical;
                false
            }
        };
        if is_second { Err(value.malformed("an extension that was there before")) } else { Ok(()) }
    }
}
