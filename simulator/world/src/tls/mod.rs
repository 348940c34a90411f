//! TLS over the network's streams: an authority whose keys come from a stream of randomness, the server it certifies, the
//! client that trusts it, and the certificates that devices show.
//!
//! Time and keys are handed in, so certificates are the same bytes for the same seed. Handshakes are not (their randomness
//! is the system's), only as many: what was said under TLS is evidence, its ciphertext never. Nothing is resumed and no tickets
//! are given.

mod authority;
mod certificate;
mod client;
mod der;
mod error;
mod fields;
mod identity;
mod key;
mod names;
mod request;
mod server;
mod signing;

pub use authority::{Authority, Validity};
pub use certificate::Certificate;
pub use client::TlsClient;
pub use error::CertificateError;
pub use fields::Field;
pub use identity::{Chain, Identity, Subject};
pub use names::Names;
pub use request::Request;
pub use server::{Peer, TlsServer};

use crate::Clock;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use std::sync::Arc;
use std::time::Duration;

/// The run's clock, as handshakes ask for it.
#[derive(Debug)]
struct Time(Clock);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.unix_ms())))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { key_provider: &signing::EvenKeys, ..rustls::crypto::ring::default_provider() })
}
