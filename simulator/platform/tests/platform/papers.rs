//! Certificates for tests: authorities, what they sign, and requests. The same for the same number.

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::EncodePublicKey;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyIdMethod, PKCS_ECDSA_P256_SHA256,
    PublicKeyData, SerialNumber, SignatureAlgorithm, date_time_ymd,
};
use sha2::{Digest, Sha256};

/// A key that can sign certificates.
#[derive(Clone)]
struct Key(SigningKey, Vec<u8>);

impl Key {
    fn new(number: u8) -> Self {
        let key = SigningKey::from_slice(&[number; 32]).unwrap();
        let public = key.verifying_key().to_encoded_point(false).as_bytes().to_vec();
        Self(key, public)
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.1
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: Signature = self.0.sign(message);
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

/// A certificate: PEM, DER, and the id that a registry gives it.
pub struct Paper {
    pub pem: String,
    pub der: Vec<u8>,
    pub id: String,
}

impl Paper {
    fn new(certificate: &rcgen::Certificate) -> Self {
        let der = certificate.der().to_vec();
        let id = Sha256::digest(&der).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { pem: certificate.pem(), der, id }
    }
}

/// Who signs certificates.
pub struct Authority {
    name: &'static str,
    key: Key,
    pub paper: Paper,
}

fn params(name: &str, number: u8, is_ca: bool) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name.push(DnType::OrganizationName, "Acme");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2048, 1, 1);
    params.serial_number = Some(SerialNumber::from_slice(&[number]));
    params.key_identifier_method = KeyIdMethod::PreSpecified(vec![number; 20]);
    if is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params
}

impl Authority {
    pub fn new(name: &'static str, number: u8) -> Self {
        let key = Key::new(number);
        let paper = Paper::new(&params(name, number, true).self_signed(&key).unwrap());
        Self { name, key, paper }
    }

    /// A certificate for the key with this number.
    pub fn sign(&self, common_name: &str, number: u8) -> Paper {
        let issuer = Issuer::new(params(self.name, 1, true), self.key.clone());
        Paper::new(&params(common_name, number, false).signed_by(&Key::new(number), &issuer).unwrap())
    }
}

/// A request for a certificate, as PEM, and its public key, DER.
pub fn request(common_name: &str, number: u8) -> (String, Vec<u8>) {
    let key = Key::new(number);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let public = key.0.verifying_key().to_public_key_der().unwrap().as_bytes().to_vec();
    (params.serialize_request(&key).unwrap().pem().unwrap(), public)
}
