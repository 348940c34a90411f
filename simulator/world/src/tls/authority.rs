//! Who certifies: servers, identities, requests.

use super::identity::{Chain, Identity, Subject};
use super::key::{Key, PublicKey};
use super::request::Request;
use super::server::TlsServer;
use crate::{Clock, RandomStream, rfc3339};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose,
    SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How many years an authority is good, and a server's certificate in days.
const AUTHORITY_YEARS: i32 = 10;
pub(super) const SERVER_DAYS: u64 = 800;

/// Clocks of clients may be behind.
const SLACK_MS: u64 = DAY_MS;
pub(super) const DAY_MS: u64 = 86_400_000;

/// The last second that a certificate can name: the end of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

/// From when until when a certificate is good, in ms since 1970; certificates know whole seconds, parts of one are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its first moment.
    pub from_ms: u64,
    /// Its last moment. One before the first makes a certificate that is never good.
    pub until_ms: u64,
}

/// Who certifies servers and devices.
#[derive(Clone, Debug)]
pub struct Authority {
    name: String,
    key: Key,
    /// Who certifies it: itself when there is nobody.
    above: Option<Box<Authority>>,
    /// How many authorities may stand between it and a leaf.
    below: u8,
    /// What the one above it has signed last, and for which day: a fleet's certificates all come with the same.
    certified: Arc<Mutex<Option<(u64, CertificateDer<'static>)>>>,
}

impl Authority {
    /// The authority called `name` whose key is drawn from `keys`.
    pub fn new(name: &str, keys: &mut RandomStream) -> Self {
        Self { name: name.to_owned(), key: Key::drawn(keys), above: None, below: 0, certified: Arc::default() }
    }

    /// An authority called `name` that one called `root` certifies: what it issues comes with a chain of two, and only
    /// the root is trusted. Both keys are drawn from `keys`, the root's first.
    pub fn with_intermediate(root: &str, name: &str, keys: &mut RandomStream) -> Self {
        let root = Self { below: 1, ..Self::new(root, keys) };
        Self { above: Some(Box::new(root)), ..Self::new(name, keys) }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The certificate to trust it by, good from `unix_ms`, as PEM: its own, or its root's.
    ///
    /// # Errors
    /// The name cannot stand in a certificate.
    pub fn certificate(&self, unix_ms: u64) -> io::Result<String> {
        let root = self.root();
        Ok(root.params(unix_ms).self_signed(&root.key).map_err(io::Error::other)?.pem())
    }

    /// The certificate of the authority itself, good from `unix_ms`: what leaves are verified with. For one with a root above
    /// it is the intermediate, signed by the root.
    ///
    /// # Errors
    /// As [`certificate`](Self::certificate).
    pub fn certificate_der(&self, unix_ms: u64) -> io::Result<Vec<u8>> {
        let made = match &self.above {
            Some(root) => self.certificate_below(root, unix_ms)?,
            None => self.params(unix_ms).self_signed(&self.key).map_err(io::Error::other)?.der().clone(),
        };
        Ok(made.to_vec())
    }

    /// A server that answers to these names and addresses, with a key drawn from `keys`, certified from `clock`'s now on.
    /// It speaks the protocols `alpn` with clients that name any.
    ///
    /// # Errors
    /// A name that cannot stand in a certificate.
    pub fn server(
        &self,
        names: &[&str],
        addresses: &[IpAddr],
        keys: &mut RandomStream,
        alpn: &[&str],
        clock: &Clock,
    ) -> io::Result<TlsServer> {
        TlsServer::alone(self.server_key(names, addresses, keys, clock.unix_ms())?, alpn, clock)
    }

    /// A server's certificate and its key.
    pub(super) fn server_key(
        &self,
        names: &[&str],
        addresses: &[IpAddr],
        keys: &mut RandomStream,
        now: u64,
    ) -> io::Result<CertifiedKey> {
        let key = Key::drawn(keys);
        let mut params = CertificateParams::default();
        params.distinguished_name = Default::default();
        params.distinguished_name.push(DnType::CommonName, names.first().copied().unwrap_or("fleetproof"));
        for name in names {
            let name = (*name).try_into().map_err(io::Error::other)?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        params.subject_alt_names.extend(addresses.iter().map(|address| SanType::IpAddress(*address)));
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        params.key_usages.push(KeyUsagePurpose::DigitalSignature);
        let (year, month, day) = date(now.saturating_sub(SLACK_MS));
        params.not_before = date_time_ymd(year, month, day);
        let (year, month, day) = date(now + SERVER_DAYS * DAY_MS);
        params.not_after = date_time_ymd(year, month, day);
        params.use_authority_key_identifier_extension = true;
        params.key_identifier_method = KeyIdMethod::PreSpecified(key.public().name());
        // Two certificates of one authority never share a number: another start is another moment.
        let number = blake3::hash(&[key.public().bytes(), &now.to_be_bytes()].concat());
        params.serial_number = Some(serial(number.as_bytes()));
        let chain = self.chained(&params, key.public(), now)?;
        CertifiedKey::from_der(chain, key.pkcs8_der()?, &super::provider()).map_err(io::Error::other)
    }

    /// The identity of a client: a key drawn from `keys` and a certificate for it.
    ///
    /// # Errors
    /// What cannot stand in a certificate.
    pub fn issue(&self, subject: &Subject, validity: Validity, keys: &mut RandomStream) -> io::Result<Identity> {
        self.issue_for(Key::drawn(keys), subject, validity)
    }

    /// Another identity with the key of `other`: a renewal, or what an attacker asks for.
    ///
    /// # Errors
    /// As [`issue`](Self::issue).
    pub fn issue_again(&self, other: &Identity, subject: &Subject, validity: Validity) -> io::Result<Identity> {
        self.issue_for(other.key().clone(), subject, validity)
    }

    fn issue_for(&self, key: Key, subject: &Subject, validity: Validity) -> io::Result<Identity> {
        let chain = self.certify(key.public(), subject, validity)?;
        Ok(Identity::of(key, chain))
    }

    /// A certificate for the key of a request that was verified when it was read. Its subject is the caller's choice:
    /// [`Request::subject`] is what the request asks for.
    ///
    /// # Errors
    /// As [`issue`](Self::issue).
    pub fn sign(&self, request: &Request, subject: &Subject, validity: Validity) -> io::Result<Chain> {
        self.certify(request.key(), subject, validity)
    }

    fn certify(&self, key: &PublicKey, subject: &Subject, validity: Validity) -> io::Result<Chain> {
        let mut params = leaf(key, subject, validity, &self.name);
        params.use_authority_key_identifier_extension = true;
        Ok(Chain::of(self.chained(&params, key, validity.from_ms)?))
    }

    /// The leaf, and the authority itself when another one must be trusted.
    fn chained(
        &self,
        params: &CertificateParams,
        key: &PublicKey,
        unix_ms: u64,
    ) -> io::Result<Vec<CertificateDer<'static>>> {
        let issuer = Issuer::new(self.params(unix_ms), self.key.clone());
        let mut chain = vec![params.signed_by(key, &issuer).map_err(io::Error::other)?.der().clone()];
        if let Some(root) = &self.above {
            chain.push(self.certificate_below(root, unix_ms)?);
        }
        Ok(chain)
    }

    /// The certificate that `root` gives it: the same all day long.
    fn certificate_below(&self, root: &Self, unix_ms: u64) -> io::Result<CertificateDer<'static>> {
        let today = unix_ms / DAY_MS;
        let mut certified = self.certified.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((day, known)) = &*certified
            && *day == today
        {
            return Ok(known.clone());
        }
        let made = self.certify_below(root, unix_ms)?;
        *certified = Some((today, made.clone()));
        Ok(made)
    }

    fn certify_below(&self, root: &Self, unix_ms: u64) -> io::Result<CertificateDer<'static>> {
        let mut params = self.params(unix_ms);
        params.use_authority_key_identifier_extension = true;
        // Made anew for another day it is another certificate of the same issuer, which never gives a number twice.
        let (year, month, day) = date(unix_ms);
        let number = blake3::hash(&[self.key.public().bytes(), &year.to_be_bytes(), &[month, day]].concat());
        params.serial_number = Some(serial(number.as_bytes()));
        let issuer = Issuer::new(root.params(unix_ms), root.key.clone());
        Ok(params.signed_by(self.key.public(), &issuer).map_err(io::Error::other)?.der().clone())
    }

    fn root(&self) -> &Self {
        self.above.as_deref().unwrap_or(self)
    }

    fn params(&self, unix_ms: u64) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = Default::default();
        params.distinguished_name.push(DnType::CommonName, self.name.as_str());
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(self.below));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.key_identifier_method = KeyIdMethod::PreSpecified(self.key.public().name());
        params.serial_number = Some(serial(&self.key.public().name()));
        let (year, month, day) = date(unix_ms.saturating_sub(SLACK_MS));
        params.not_before = date_time_ymd(year, month, day);
        params.not_after = date_time_ymd(year + AUTHORITY_YEARS, month, day.min(28));
        params
    }
}

/// What a client's certificate says, whoever signs it.
pub(super) fn leaf(key: &PublicKey, subject: &Subject, validity: Validity, issuer: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject.distinguished_name();
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    params.key_usages.push(KeyUsagePurpose::DigitalSignature);
    let second = |ms: u64| date_time_ymd(1970, 1, 1) + Duration::from_secs((ms / 1000).min(LAST_SECOND));
    params.not_before = second(validity.from_ms);
    params.not_after = second(validity.until_ms);
    params.key_identifier_method = KeyIdMethod::PreSpecified(key.name());
    // The same key for another subject, time or issuer is another certificate: the number has to differ.
    let mut number = blake3::Hasher::new();
    number.update(key.bytes());
    number.update(&validity.from_ms.to_be_bytes());
    number.update(&validity.until_ms.to_be_bytes());
    for text in [
        Some(issuer),
        Some(&subject.common_name),
        subject.organization.as_deref(),
        subject.unit.as_deref(),
        subject.serial_number.as_deref(),
    ] {
        number.update(&(text.map_or(u64::MAX, |text| text.len() as u64)).to_be_bytes());
        number.update(text.unwrap_or_default().as_bytes());
    }
    params.serial_number = Some(serial(number.finalize().as_bytes()));
    params
}

/// A positive number of 16 bytes.
fn serial(bytes: &[u8]) -> SerialNumber {
    let mut number = bytes[..16].to_vec();
    number[0] = number[0] & 0x7F | 0x40;
    SerialNumber::from_slice(&number)
}

/// Year, month and day in UTC.
fn date(unix_ms: u64) -> (i32, u8, u8) {
    let text = rfc3339(unix_ms);
    let mut parts = text.split(['-', 'T']);
    let mut part = || parts.next().and_then(|part| part.parse::<i32>().ok()).unwrap_or(1);
    let (year, month, day) = (part(), part(), part());
    (year, u8::try_from(month).unwrap_or(1), u8::try_from(day).unwrap_or(1))
}
