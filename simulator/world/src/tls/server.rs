//! The server's side: handshakes, each in a task of its own, and what is known of who comes through one.

use super::names::Names;
use super::{Time, provider};
use crate::{Clock, Incoming, Name, Stream};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// How long a peer may take for its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Who came through a handshake, as far as the handshake shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The certificates it showed, as DER, the leaf first; none when it showed none. It proved to hold the leaf's key, and
    /// nothing else is known: not who signed it, not whether it is good today.
    pub certificates: Vec<Vec<u8>>,
    /// The host it asked for.
    pub server_name: Option<String>,
    /// The protocol that both agreed on.
    pub alpn: Option<Vec<u8>>,
    /// Where it comes from.
    pub from: Name,
}

/// The server's side: certificates and their keys.
#[derive(Clone)]
pub struct TlsServer(TlsAcceptor);

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsServer")
    }
}

impl TlsServer {
    /// With one certificate, asking nobody for any.
    pub(super) fn alone(key: CertifiedKey, alpn: &[&str], clock: &Clock) -> io::Result<Self> {
        Self::of(None, Arc::new(SingleCertAndKey::from(key)), alpn, clock)
    }

    /// A server under `names` that asks whoever comes for a certificate. It wants proof of the leaf's key and judges nothing
    /// else: any leaf passes, also one that nobody signed or that has expired; with `optional` also who has none.
    /// Who names protocols has to name one of `alpn`.
    ///
    /// # Errors
    /// None that the caller can cause.
    pub fn mutual(names: &Names, optional: bool, alpn: &[&str], clock: &Clock) -> io::Result<Self> {
        let algorithms = provider().signature_verification_algorithms;
        let possession = Possession { algorithms, is_optional: optional };
        Self::of(Some(Arc::new(possession)), Arc::new(names.clone()), alpn, clock)
    }

    fn of(
        asks: Option<Arc<dyn ClientCertVerifier>>,
        names: Arc<dyn ResolvesServerCert>,
        alpn: &[&str],
        clock: &Clock,
    ) -> io::Result<Self> {
        let builder = ServerConfig::builder_with_details(provider(), Arc::new(Time(clock.clone())))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let builder = match asks {
            Some(asks) => builder.with_client_cert_verifier(asks),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(names);
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// What arrives, once its handshake is over. Who fails at it, or takes too long, never arrives and holds up nobody.
    #[must_use]
    pub fn secure(&self, incoming: Incoming) -> Incoming {
        self.shake(incoming, |peer| peer.from)
    }

    /// As [`secure`](Self::secure), with what the handshake shows of who arrives.
    #[must_use]
    pub fn secure_mutual(&self, incoming: Incoming) -> mpsc::UnboundedReceiver<(Stream, Peer)> {
        self.shake(incoming, |peer| peer)
    }

    fn shake<T: Send + 'static>(
        &self,
        mut incoming: Incoming,
        told: fn(Peer) -> T,
    ) -> mpsc::UnboundedReceiver<(Stream, T)> {
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
                                let told = told(peer(&stream, from));
                                let stream: Stream = Box::new(stream);
                                // Nobody listens any more: the peer sees the end.
                                drop(arrivals.send((stream, told)));
                            }
                        });
                    }
                }
            }
        });
        secured
    }
}

fn peer(stream: &tokio_rustls::server::TlsStream<Stream>, from: Name) -> Peer {
    let (_, session) = stream.get_ref();
    let certificates = session.peer_certificates().unwrap_or_default();
    Peer {
        certificates: certificates.iter().map(|certificate| certificate.to_vec()).collect(),
        server_name: session.server_name().map(str::to_owned),
        alpn: session.alpn_protocol().map(<[u8]>::to_vec),
        from,
    }
}

/// Asks for a certificate and believes nothing but the proof of its key.
#[derive(Debug)]
struct Possession {
    algorithms: WebPkiSupportedAlgorithms,
    is_optional: bool,
}

impl ClientCertVerifier for Possession {
    fn client_auth_mandatory(&self) -> bool {
        !self.is_optional
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, leaf, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, leaf, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
