//! Requests for certificates (PKCS#10, RFC 2986): what a device that made its own key asks with.

use super::der::{Reader, tag};
use super::error::CertificateError;
use super::fields::{Field, ecdsa_signature, read_key, read_name};
use super::identity::Subject;
use super::key::PublicKey;
use rustls::pki_types::CertificateSigningRequestDer;
use rustls::pki_types::pem::PemObject;

/// A request whose signature was verified: who made it holds the key.
#[derive(Clone, Debug)]
pub struct Request {
    subject: Vec<Field>,
    key: PublicKey,
}

impl Request {
    /// Reads a request in PEM.
    ///
    /// # Errors
    /// What is no PEM, no request, no request for a P-256 key signed with SHA-256, or not signed by that key.
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| CertificateError::Pem { what: "a request (PKCS#10)", why: error.to_string() })?;
        Self::from_der(&der)
    }

    /// Reads a request in DER.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem).
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let mut outer = Reader::whole(der, "the request")?;
        let info = outer.expect(tag::SEQUENCE, "what the request asks for")?;
        let signature = ecdsa_signature(&mut outer)?
            .ok_or(CertificateError::Unsupported { what: "the request's signature", want: "ECDSA with SHA-256" })?;
        outer.end("the request")?;
        let mut fields = info.inside();
        fields.expect(tag::INTEGER, "the request's version")?;
        let subject = read_name(&fields.expect(tag::SEQUENCE, "the request's subject")?)?;
        let (key, _) = read_key(&fields.expect(tag::SEQUENCE, "the request's key")?)?;
        let key =
            key.ok_or(CertificateError::Unsupported { what: "the request's key", want: "a point of the curve P-256" })?;
        // Attributes follow; nothing of them is needed.
        if !key.made(signature, info.whole) {
            return Err(CertificateError::Signature { by: "the key that the request asks for".to_owned() });
        }
        Ok(Self { subject, key })
    }

    /// Who the request says it is for: the first field of each kind.
    #[must_use]
    pub fn subject(&self) -> Subject {
        let first = |name: &str| self.subject.iter().find(|field| field.name == name).map(|field| field.value.clone());
        Subject {
            common_name: first("CommonName").unwrap_or_default(),
            organization: first("Organization"),
            unit: first("OrganizationalUnit"),
            serial_number: first("SerialNumber"),
        }
    }

    pub(super) const fn key(&self) -> &PublicKey {
        &self.key
    }
}
