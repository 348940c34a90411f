//! How often a tenant may call: `api_limits`, a quota for what its people ask and one for what its devices ask.
//!
//! Counted when it is known whose call it is: nobody spends a tenant's quota with a credential that is not good.

use super::bucket::{Bucket, Quota};
use crate::Platform;
use crate::defects::DefectId;
use crate::refusal::{Answer, Refusal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use utoipa::ToSchema;

/// The most that a quota may allow.
const MOST_CALLS: u64 = 1_000_000_000;

/// The longest interval of a quota: a year, in seconds.
const LONGEST: u64 = 366 * 86_400;

/// Which of a tenant's two interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Api {
    /// What people ask.
    Management,
    /// What devices ask.
    Devices,
}

/// How often a tenant's people and devices may call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ApiLimits {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    management: Option<ApiLimit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    devices: Option<ApiLimit>,
}

/// How often one of the interfaces may be called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
struct ApiLimit {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quota: Option<ApiQuota>,
    /// Kept and shown, not enforced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    bursts: Vec<serde_json::Value>,
}

/// So many calls in so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
struct ApiQuota {
    /// 0: any number.
    max_calls: u64,
    interval_sec: u64,
}

impl ApiLimits {
    /// 400 for quotas that are none.
    pub(crate) fn check(&self) -> Answer<()> {
        let quotas = [&self.management, &self.devices].into_iter().flatten().filter_map(|limit| limit.quota);
        for quota in quotas {
            if quota.max_calls > MOST_CALLS || quota.max_calls > 0 && !(1..=LONGEST).contains(&quota.interval_sec) {
                return Err(Refusal::bad_request(format!(
                    "api_limits: a quota has 0 to {MOST_CALLS} calls in 1 to {LONGEST} seconds"
                )));
            }
        }
        Ok(())
    }

    fn quota(&self, api: Api) -> Option<Quota> {
        let limit = match api {
            Api::Management => &self.management,
            Api::Devices => &self.devices,
        };
        let quota = limit.as_ref()?.quota?;
        let interval = quota.interval_sec.checked_mul(1_000_000)?;
        (quota.max_calls > 0 && interval > 0).then_some(Quota { max_calls: quota.max_calls, interval })
    }
}

/// What tenants have used of their quotas.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<BTreeMap<(String, Api), Bucket>>);

impl Platform {
    /// Counts a call of `tenant`, whose limits are these as they are kept; a 429 for one too many.
    pub(crate) fn count_call(&self, tenant: &str, api: Api, limits: &str) -> Answer<()> {
        // Most tenants have none.
        if limits == "{}" {
            return Ok(());
        }
        let limits: ApiLimits = serde_json::from_str(limits).map_err(Refusal::internal)?;
        let Some(mut quota) = limits.quota(api) else { return Ok(()) };
        if self.defect(DefectId::CallRateOffByOne) {
            quota.max_calls += 1;
        }
        let now = self.clock().now().micros();
        let whose = if self.defect(DefectId::CallRateSharedByTenants) { "" } else { tenant };
        let wait = {
            let mut buckets = self.throttle().0.lock().unwrap_or_else(PoisonError::into_inner);
            let bucket = buckets.entry((whose.to_owned(), api)).or_insert_with(|| Bucket::full(quota, now));
            bucket.change(quota, now);
            let taken = bucket.take(now);
            if taken.is_err() && self.defect(DefectId::CallRateCountsRefused) {
                bucket.owe();
            }
            taken
        };
        match wait {
            Ok(()) => Ok(()),
            Err(wait) => {
                let seconds = (!self.defect(DefectId::ThrottledWithoutRetryAfter)).then(|| wait.div_ceil(1_000_000));
                if self.defect(DefectId::ThrottledCallExecuted) && super::refuse_later(seconds) {
                    return Ok(());
                }
                Err(Refusal::throttled(seconds))
            }
        }
    }
}
