//! How often an account may call each operation of its control plane (AWS IoT Core's quotas, as of 2026-11): figures that
//! age, so they are data, and an account may have others.

use super::desk::Place;
use crate::Platform;
use crate::refusal::{Answer, Refusal};
use crate::service::{Bucket, Quota};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Calls per second, by the name of the operation. What is not here has no limit.
const DEFAULTS: &[(&str, u64)] = &[
    ("AttachPolicy", 15),
    ("CreateThing", 15),
    ("DescribeThing", 350),
    ("RegisterCertificate", 10),
    ("RegisterCertificateWithoutCA", 10),
    ("UpdateThing", 10),
];

/// The most that a quota may allow.
pub(super) const MOST: u64 = 1_000_000;

/// How many buckets are kept; beyond, all are full again.
const KEPT: usize = 65_536;

/// µs.
const SECOND: u64 = 1_000_000;

/// Whose bucket: tenant, region, operation.
type Key = (String, String, &'static str);

/// What accounts have used of their quotas.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<BTreeMap<Key, Bucket>>);

/// Whether an operation has a quota.
pub(super) fn is_limited(operation: &str) -> bool {
    DEFAULTS.iter().any(|(name, _)| *name == operation)
}

impl Rates {
    /// Counts a call; a 429 for one too many. `own` are the account's quotas as they are kept.
    pub(super) fn count(&self, app: &Platform, place: &Place, operation: &'static str, own: &str) -> Answer<()> {
        let Some((_, default)) = DEFAULTS.iter().find(|(name, _)| *name == operation) else { return Ok(()) };
        let default = app.settings().account_rate.unwrap_or(*default);
        let max_calls = match own {
            "{}" => default,
            own => {
                let own: BTreeMap<String, u64> = serde_json::from_str(own).map_err(Refusal::internal)?;
                own.get(operation).copied().unwrap_or(default)
            }
        };
        let quota = Quota { max_calls: max_calls.max(1), interval: SECOND };
        let now = app.clock().now().micros();
        let taken = {
            let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if buckets.len() >= KEPT {
                buckets.clear();
            }
            let key = (place.tenant.clone(), place.region.clone(), operation);
            let bucket = buckets.entry(key).or_insert_with(|| Bucket::full(quota, now));
            bucket.change(quota, now);
            bucket.take(now)
        };
        taken.map_err(|wait| Refusal::throttled(Some(wait.div_ceil(SECOND))).named("ThrottlingException"))
    }
}
