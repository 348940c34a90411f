//! The host names that a server answers to, each with a certificate of its own, made when it is first asked for.

use super::authority::{Authority, DAY_MS, SERVER_DAYS};
use crate::{Clock, Seeds};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The names of one server, shared with who owns them: names come and go while it runs.
#[derive(Clone)]
pub struct Names(Arc<Inner>);

struct Inner {
    authority: Authority,
    seeds: Seeds,
    clock: Clock,
    fallback: Option<String>,
    known: Mutex<BTreeMap<String, Option<Made>>>,
}

#[derive(Clone)]
struct Made {
    key: Arc<CertifiedKey>,
    at_ms: u64,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Names").field(&self.known().keys().collect::<Vec<_>>()).finish()
    }
}

impl Names {
    /// Names that `authority` certifies, each with a key from the stream of its own in `seeds`: no name's key depends on which
    /// other names there are. Who asks for none of them, or for nobody, is answered as `fallback`, and turned away
    /// without one.
    ///
    /// # Errors
    /// A fallback that cannot stand in a certificate.
    pub fn new(authority: Authority, seeds: Seeds, clock: &Clock, fallback: Option<&str>) -> io::Result<Self> {
        let inner = Inner {
            authority,
            seeds,
            clock: clock.clone(),
            fallback: fallback.map(str::to_ascii_lowercase),
            known: Mutex::default(),
        };
        let names = Self(Arc::new(inner));
        if let Some(fallback) = fallback {
            names.add(fallback)?;
        }
        Ok(names)
    }

    /// From now on there is somebody called `host`.
    ///
    /// # Errors
    /// A name that is none of a host.
    pub fn add(&self, host: &str) -> io::Result<()> {
        if rustls::pki_types::DnsName::try_from(host).is_err() {
            let text = format!("{host:?} is no name of a host: use letters, digits, hyphens and dots");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        self.known().entry(host.to_ascii_lowercase()).or_default();
        Ok(())
    }

    /// From now on there is somebody behind every host that is one label below `domain`, all with one certificate.
    ///
    /// # Errors
    /// A domain that is none.
    pub fn add_below(&self, domain: &str) -> io::Result<()> {
        self.add(domain)?;
        let mut known = self.known();
        known.remove(&domain.to_ascii_lowercase());
        known.entry(format!("*.{}", domain.to_ascii_lowercase())).or_default();
        Ok(())
    }

    /// From now on there is nobody called `host`. Connections that are there stay.
    pub fn remove(&self, host: &str) {
        self.known().remove(&host.to_ascii_lowercase());
    }

    /// Whether there is somebody called `host`.
    #[must_use]
    pub fn has(&self, host: &str) -> bool {
        self.known().contains_key(&host.to_ascii_lowercase())
    }

    /// The certificate to trust its servers by, as PEM.
    ///
    /// # Errors
    /// The authority's name cannot stand in a certificate.
    pub fn trusted(&self) -> io::Result<String> {
        self.0.authority.certificate(self.0.clock.unix_ms())
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Option<Made>>> {
        // Nothing is half done when somebody panics while holding it.
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The certificate of a name that there is. It is renewed after half of its time.
    fn certificate(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        let mut known = self.known();
        let slot = known.get_mut(host)?;
        let now = self.0.clock.unix_ms();
        if let Some(made) = slot.as_ref().filter(|made| now.saturating_sub(made.at_ms) < SERVER_DAYS * DAY_MS / 2) {
            return Some(made.key.clone());
        }
        let keys = &mut self.0.seeds.stream(host);
        let key = Arc::new(self.0.authority.server_key(&[host], &[], keys, now).ok()?);
        *slot = Some(Made { key: key.clone(), at_ms: now });
        Some(key)
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().map(str::to_ascii_lowercase);
        let named = asked.and_then(|host| {
            let below = host.split_once('.').map(|(_, domain)| format!("*.{domain}"));
            self.certificate(&host).or_else(|| self.certificate(&below?))
        });
        named.or_else(|| self.certificate(self.0.fallback.as_deref()?))
    }
}
