//! What a client proves itself with: a key, and the certificates that say whose it is.

use super::authority::{Validity, leaf};
use super::certificate::Certificate;
use super::key::Key;
use crate::RandomStream;
use p256::pkcs8::LineEnding;
use p256::pkcs8::der::pem;
use rcgen::{CertificateParams, DistinguishedName, DnType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::io;

/// Who a certificate is for. Any text can stand there, also a hostile one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// `CN`.
    pub common_name: String,
    /// `O`.
    pub organization: Option<String>,
    /// `OU`.
    pub unit: Option<String>,
    /// `serialNumber`.
    pub serial_number: Option<String>,
}

impl Subject {
    /// Nothing but a common name.
    #[must_use]
    pub fn named(common_name: &str) -> Self {
        Self { common_name: common_name.to_owned(), ..Self::default() }
    }

    pub(super) fn distinguished_name(&self) -> DistinguishedName {
        let mut name = DistinguishedName::default();
        let fields = [
            (DnType::OrganizationName, self.organization.as_deref()),
            (DnType::OrganizationalUnitName, self.unit.as_deref()),
            (DnType::CustomDnType(vec![2, 5, 4, 5]), self.serial_number.as_deref()),
            (DnType::CommonName, Some(&*self.common_name)),
        ];
        for (field, text) in fields {
            if let Some(text) = text {
                name.push(field, text);
            }
        }
        name
    }
}

/// Certificates, the leaf first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain(Vec<CertificateDer<'static>>);

impl Chain {
    /// Only for chains that have a leaf.
    pub(super) const fn of(certificates: Vec<CertificateDer<'static>>) -> Self {
        Self(certificates)
    }

    /// The leaf, as DER.
    #[must_use]
    pub fn leaf_der(&self) -> &[u8] {
        self.0.first().map_or(&[], |leaf| leaf.as_ref())
    }

    /// The leaf, as PEM.
    #[must_use]
    pub fn leaf_pem(&self) -> String {
        certificate_pem(self.leaf_der())
    }

    /// All of them, as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.iter().map(|certificate| certificate_pem(certificate)).collect()
    }

    /// All of them, as DER.
    pub fn ders(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// SHA-256 of the leaf's DER, 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(self.leaf_der())
    }
}

/// SHA-256 of a certificate's DER, 64 lower-case hexadecimal digits: what platforms call it by.
pub(super) fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn certificate_pem(der: &[u8]) -> String {
    // Fails above 2³¹ bytes only.
    pem::encode_string("CERTIFICATE", LineEnding::LF, der).unwrap_or_default()
}

/// A certificate with its key, and the certificates between it and who is trusted.
#[derive(Clone, Debug)]
pub struct Identity {
    key: Key,
    chain: Chain,
}

impl Identity {
    pub(super) const fn of(key: Key, chain: Chain) -> Self {
        Self { key, chain }
    }

    /// An identity that nobody vouches for, with a key drawn from `keys`.
    ///
    /// # Errors
    /// What cannot stand in a certificate.
    pub fn self_signed(subject: &Subject, validity: Validity, keys: &mut RandomStream) -> io::Result<Self> {
        let key = Key::drawn(keys);
        let params = leaf(key.public(), subject, validity, &subject.common_name);
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        Ok(Self { chain: Chain::of(vec![certificate.der().clone()]), key })
    }

    /// The certificates in `chain` (the leaf first) with the key in `key` (PKCS#8 or SEC1).
    ///
    /// # Errors
    /// `InvalidData`: what cannot be read, and a key that is not the leaf's.
    pub fn from_pem(chain: &str, key: &str) -> io::Result<Self> {
        let wrong = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
        let certificates = CertificateDer::pem_slice_iter(chain.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| wrong(format!("the certificates cannot be read ({error}): give them as PEM")))?;
        let chain = Chain::of(certificates);
        if chain.0.is_empty() {
            return Err(wrong("there is no certificate: give at least the leaf, as PEM".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|error| wrong(format!("the private key cannot be read ({error}): give it as PKCS#8 PEM")))?;
        let key = Key::read(&key)?;
        let leaf = Certificate::read(chain.leaf_der()).map_err(|error| wrong(error.to_string()))?;
        if leaf.public_key() != Some(key.public()) {
            return Err(wrong("the key is not the one of the first certificate: put the leaf first".to_owned()));
        }
        Ok(Self { key, chain })
    }

    /// A request for a certificate with this key, as PEM (PKCS#10).
    ///
    /// # Errors
    /// What cannot stand in a request.
    pub fn request(&self, subject: &Subject) -> io::Result<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = subject.distinguished_name();
        params.serialize_request(&self.key).and_then(|request| request.pem()).map_err(io::Error::other)
    }

    /// Its certificates.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The same without what stands between the leaf and who is trusted: a client that forgot its intermediate.
    #[must_use]
    pub fn without_intermediates(&self) -> Self {
        Self { key: self.key.clone(), chain: Chain(self.chain.0.first().cloned().into_iter().collect()) }
    }

    /// The same certificates with the key of `thief`: who presents it cannot prove it.
    #[must_use]
    pub fn stolen_by(&self, thief: &Self) -> Self {
        Self { key: thief.key.clone(), chain: self.chain.clone() }
    }

    /// [`Chain::fingerprint`] of its certificates.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.chain.fingerprint()
    }

    /// Its key, as PKCS#8 PEM: what `mosquitto_pub --key` reads.
    ///
    /// # Errors
    /// None that a P-256 key can cause.
    pub fn key_pem(&self) -> io::Result<String> {
        self.key.pkcs8_pem()
    }

    pub(super) const fn key(&self) -> &Key {
        &self.key
    }

    /// As handshakes use it. Whether the key is the leaf's is not asked: [`stolen_by`](Self::stolen_by).
    pub(super) fn certified_key(&self) -> io::Result<CertifiedKey> {
        let signs = super::provider().key_provider.load_private_key(self.key.pkcs8_der()?).map_err(io::Error::other)?;
        Ok(CertifiedKey::new(self.chain.0.clone(), signs))
    }
}
