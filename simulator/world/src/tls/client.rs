//! The client's side: whom it trusts, what it shows, and what it asks for.

use super::identity::Identity;
use super::{Time, provider};
use crate::{Clock, Stream};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{
    ClientConfig, DEFAULT_VERSIONS, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion,
};
use std::fmt;
use std::io;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// The client's side: whom it trusts, and who it is.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    trusts: Arc<dyn ServerCertVerifier>,
    clock: Clock,
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClient")
    }
}

impl TlsClient {
    /// Trusts who the authorities in `pem` certified, and nobody else.
    ///
    /// # Errors
    /// What cannot be read as certificates.
    pub fn trusting(pem: &str, clock: &Clock) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
        }
        let trusts = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(io::Error::other)?;
        Self::of(trusts, clock, DEFAULT_VERSIONS)
    }

    /// Trusts whoever answers: an attacker, who asks for names that nobody certified. It still wants proof of the key.
    ///
    /// # Errors
    /// None that the caller can cause.
    pub fn trusting_anyone(clock: &Clock) -> io::Result<Self> {
        Self::of(Arc::new(Anyone(provider().signature_verification_algorithms)), clock, DEFAULT_VERSIONS)
    }

    fn of(
        trusts: Arc<dyn ServerCertVerifier>,
        clock: &Clock,
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<Self> {
        let mut config = ClientConfig::builder_with_details(provider(), Arc::new(Time(clock.clone())))
            .with_protocol_versions(versions)
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(trusts.clone())
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), trusts, clock: clock.clone() })
    }

    /// The same, showing `identity` to who asks for a certificate.
    ///
    /// # Errors
    /// A key that cannot be used.
    pub fn presenting(mut self, identity: &Identity) -> io::Result<Self> {
        let key = identity.certified_key()?;
        Arc::make_mut(&mut self.config).client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(key));
        Ok(self)
    }

    /// The same, naming the protocols `alpn`.
    #[must_use]
    pub fn speaking(mut self, alpn: &[&str]) -> Self {
        Arc::make_mut(&mut self.config).alpn_protocols =
            alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self
    }

    /// The same, not saying whom it calls (no server name indication). Who answers is held against the name as before.
    #[must_use]
    pub fn without_name(mut self) -> Self {
        Arc::make_mut(&mut self.config).enable_sni = false;
        self
    }

    /// The same with TLS 1.2 only.
    ///
    /// # Errors
    /// None that the caller can cause.
    pub fn speaking_tls12(self) -> io::Result<Self> {
        let mut client = Self::of(self.trusts, &self.clock, &[&rustls::version::TLS12])?;
        let config = Arc::make_mut(&mut client.config);
        config.client_auth_cert_resolver = self.config.client_auth_cert_resolver.clone();
        config.alpn_protocols.clone_from(&self.config.alpn_protocols);
        config.enable_sni = self.config.enable_sni;
        Ok(client)
    }

    /// Shakes hands over `stream` with whoever must be called `name` (a name or an address). The name has nothing to do with
    /// what was dialled; a name of a host is also what is asked for.
    ///
    /// # Errors
    /// The other is not who it must be, or nobody who speaks TLS.
    pub async fn connect(&self, stream: Stream, name: &str) -> io::Result<Stream> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        Ok(Box::new(TlsConnector::from(self.config.clone()).connect(name, stream).await?))
    }
}

/// Believes every name, and nothing but the proof of the key.
#[derive(Debug)]
struct Anyone(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, leaf, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, leaf, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
