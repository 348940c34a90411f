//! How often a tenant's people may call; and a person's own settings, which a call can change at no cost.

use super::session::Session;
use super::{Call, Mender, json};
use crate::answer::{Answer, Result};
use serde_json::{Value, json};

impl Mender {
    /// Sets how often a tenant's people may call: so many calls in so many seconds. At the operator's door: nothing in the
    /// interface of users changes it.
    ///
    /// # Errors
    /// [`DialectError::NoOperator`](crate::DialectError::NoOperator), and as every verb.
    pub async fn set_call_rate(&self, id: &str, calls: u64, seconds: u64) -> Result<()> {
        let quota = json!({ "max_calls": calls, "interval_sec": seconds });
        let limits = json!({ "api_limits": { "management": { "quota": quota } } });
        self.call(&self.operator()?, Call::new("Update Tenant").path(&[("tenant_id", id)]).json(limits)).await.map(drop)
    }

    /// How often the caller's tenant is told that its people may call: calls, and in how many seconds; `None`: no limit.
    ///
    /// # Errors
    /// As every verb.
    pub async fn call_rate(&self, by: &Session) -> Result<Option<(u64, u64)>> {
        let raw = self.tenant_info(by).await?.raw;
        let quota = raw.pointer("/api_limits/management/quota");
        let number = |name: &str| quota.and_then(|quota| quota.get(name)).and_then(Value::as_u64);
        Ok(number("max_calls").filter(|calls| *calls > 0).zip(number("interval_sec")))
    }

    /// The caller's own settings in the tenant.
    ///
    /// # Errors
    /// As every verb.
    pub async fn own_settings(&self, by: &Session) -> Result<Value> {
        json(&self.call(by, Call::new("Show My User Settings")).await?)
    }

    /// Replaces the caller's own settings in the tenant.
    ///
    /// # Errors
    /// As every verb.
    pub async fn set_own_settings(&self, by: &Session, settings: &Value) -> Result<()> {
        self.call(by, Call::new("Update My User Settings").json(settings.clone())).await.map(drop)
    }

    /// One look, whatever the answer: who asks too often is not asked again.
    ///
    /// # Errors
    /// As every verb.
    pub async fn look_once(&self, by: &Session, operation: &str) -> Result<Answer> {
        let (door, row, request) = self.asked(&Call::new(operation))?;
        self.exchange(by, door, Some(row), request).await
    }
}
