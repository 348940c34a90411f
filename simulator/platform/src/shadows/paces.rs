//! How fast each thing's shadows are asked.

use crate::platform::Platform;
use crate::registry::Endpoint;
use fleetproof_dataplane::shadows::{Pace, ShadowError};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Things after which those that ask no more are forgotten.
const MANY: usize = 1_024;

/// Tenant, region, thing.
type Key = (String, String, String);

/// What each thing has asked lately.
#[derive(Debug, Default)]
pub(crate) struct Paces(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    paces: BTreeMap<Key, Pace>,
    /// When there are so many, those that are idle are forgotten.
    swept_at: usize,
}

impl Paces {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request begins. One that is let in has to [`end`](Self::end).
    pub(super) fn begin(&self, app: &Platform, endpoint: &Endpoint, thing: &str) -> Result<(), ShadowError> {
        let now = app.now_ms() * 1_000;
        let mut known = self.known();
        if known.paces.len() >= known.swept_at.max(MANY) {
            known.paces.retain(|_, pace| !pace.idle(now));
            known.swept_at = known.paces.len() * 2;
        }
        known.paces.entry(key(endpoint, thing)).or_default().begin(now)
    }

    /// A request that was let in has been answered.
    pub(super) fn end(&self, endpoint: &Endpoint, thing: &str) {
        if let Some(pace) = self.known().paces.get_mut(&key(endpoint, thing)) {
            pace.end();
        }
    }
}

fn key(endpoint: &Endpoint, thing: &str) -> Key {
    (endpoint.tenant.clone(), endpoint.region.clone(), thing.to_owned())
}
