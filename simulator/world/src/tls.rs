//! TLS over the network's streams: an authority whose keys come from a stream of randomness, the server it certifies, and
//! the client that trusts it.
//!
//! Time and keys are handed in, so certificates are the same bytes for the same seed. Handshakes are not (their randomness
//! is the system's): what was said under TLS is evidence, its ciphertext never. Nothing is resumed and no tickets are given.

use crate::{Clock, Incoming, RandomStream, Stream, rfc3339};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::EncodePrivateKey;
use rand::RngCore;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// How long a peer may take for its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How many years an authority is good, and a server's certificate in days.
const AUTHORITY_YEARS: i32 = 10;
const SERVER_DAYS: u64 = 800;

/// Clocks of clients may be behind.
const SLACK_MS: u64 = DAY_MS;
const DAY_MS: u64 = 86_400_000;

/// A P-256 key; signatures are those of RFC 6979, without randomness.
#[derive(Clone)]
struct Key {
    signs: SigningKey,
    public: Vec<u8>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    fn drawn(from: &mut RandomStream) -> Self {
        loop {
            let mut bytes = [0; 32];
            from.fill_bytes(&mut bytes);
            // One in 2³² is no number of the curve.
            if let Ok(signs) = SigningKey::from_slice(&bytes) {
                let public = signs.verifying_key().to_encoded_point(false).as_bytes().to_vec();
                return Self { signs, public };
            }
        }
    }

    /// What the key is called in certificates.
    fn name(&self) -> Vec<u8> {
        blake3::hash(&self.public).as_bytes()[..20].to_vec()
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: Signature = self.signs.sign(message);
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

/// Who certifies servers.
#[derive(Debug)]
pub struct Authority {
    name: String,
    key: Key,
}

impl Authority {
    /// The authority called `name` whose key is drawn from `keys`.
    pub fn new(name: &str, keys: &mut RandomStream) -> Self {
        Self { name: name.to_owned(), key: Key::drawn(keys) }
    }

    /// Its own certificate, good from `unix_ms`: what clients are given to trust, as PEM.
    ///
    /// # Errors
    /// The name cannot stand in a certificate.
    pub fn certificate(&self, unix_ms: u64) -> io::Result<String> {
        let mut params = self.params();
        let (year, month, day) = date(unix_ms.saturating_sub(SLACK_MS));
        params.not_before = date_time_ymd(year, month, day);
        params.not_after = date_time_ymd(year + AUTHORITY_YEARS, month, day.min(28));
        Ok(params.self_signed(&self.key).map_err(io::Error::other)?.pem())
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
        let now = clock.unix_ms();
        let (year, month, day) = date(now.saturating_sub(SLACK_MS));
        params.not_before = date_time_ymd(year, month, day);
        let (year, month, day) = date(now + SERVER_DAYS * DAY_MS);
        params.not_after = date_time_ymd(year, month, day);
        params.use_authority_key_identifier_extension = true;
        params.key_identifier_method = KeyIdMethod::PreSpecified(key.name());
        // Two certificates of one authority never share a number: another start is another moment.
        let number = blake3::hash(&[&key.public[..], &now.to_be_bytes()].concat());
        params.serial_number = Some(serial(number.as_bytes()));
        let issuer = Issuer::new(self.params(), self.key.clone());
        let certificate = params.signed_by(&key, &issuer).map_err(io::Error::other)?;
        let private = key.signs.to_pkcs8_der().map_err(io::Error::other)?;
        let private = PrivatePkcs8KeyDer::from(private.as_bytes().to_vec());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_details(provider, Arc::new(Time(clock.clone())))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private.into())
            .map_err(io::Error::other)?;
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(TlsServer(TlsAcceptor::from(Arc::new(config))))
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = Default::default();
        params.distinguished_name.push(DnType::CommonName, self.name.as_str());
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.key_identifier_method = KeyIdMethod::PreSpecified(self.key.name());
        params.serial_number = Some(serial(&self.key.name()));
        params
    }
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

/// The run's clock, as handshakes ask for it.
#[derive(Debug)]
struct Time(Clock);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.unix_ms())))
    }
}

/// The server's side: a certificate and its key.
#[derive(Clone)]
pub struct TlsServer(TlsAcceptor);

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsServer")
    }
}

impl TlsServer {
    /// What arrives, once its handshake is over. Who fails at it, or takes too long, never arrives and holds up nobody.
    #[must_use]
    pub fn secure(&self, mut incoming: Incoming) -> Incoming {
        let (arrivals, secured) = mpsc::unbounded_channel();
        let acceptor = self.0.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    () = arrivals.closed() => return,
                    arrival = incoming.recv() => {
                        let Some((stream, from)) = arrival else { return };
                        let (acceptor, arrivals) = (acceptor.clone(), arrivals.clone());
                        tokio::spawn(async move {
                            let shaken = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await;
                            if let Ok(Ok(stream)) = shaken {
                                let stream: Stream = Box::new(stream);
                                // Nobody listens any more: the peer sees the end.
                                drop(arrivals.send((stream, from)));
                            }
                        });
                    }
                }
            }
        });
        secured
    }
}

/// The client's side: whom it trusts.
#[derive(Clone)]
pub struct TlsClient(TlsConnector);

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
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_details(provider, Arc::new(Time(clock.clone())))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Shakes hands over `stream` with whoever must be called `name` (a name or an address).
    ///
    /// # Errors
    /// The other is not who it must be, or nobody who speaks TLS.
    pub async fn connect(&self, stream: Stream, name: &str) -> io::Result<Stream> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        Ok(Box::new(self.0.connect(name, stream).await?))
    }
}
