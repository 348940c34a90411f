//! How often a tenant's people may call, and how much its clients may at their endpoints; and a person's own settings, which a call can change at no cost.

use super::session::Session;
use super::{Call, Mender, json};
use crate::answer::{Answer, Result};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A limit of a tenant's account: what is counted, and of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientLimit {
    /// Connections at a time.
    Connections,
    /// Connects in a second.
    Connects,
    /// Connects in a second of one client.
    ConnectsPerClient,
    /// Bytes in a second of one connection, each way.
    Bandwidth,
    /// Messages in a second from all clients.
    Publishes,
    /// Messages in a second from and to one connection.
    PublishesPerConnection,
    /// Bytes of a payload.
    Payload,
    /// Messages of one client that are not acknowledged, each way.
    Unacknowledged,
    /// Subscriptions of one client.
    Subscriptions,
    /// Filters in one request to subscribe.
    Filters,
    /// Levels of a topic.
    TopicLevels,
    /// Retained messages.
    Retained,
    /// Messages that wait for one client.
    Queued,
    /// Jobs that are open at once, in each region.
    OpenJobs,
    /// Seconds that a session may outlive its connection.
    SessionExpiry,
}

impl ClientLimit {
    /// Its word on the platform.
    const fn word(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Connects => "connects_per_second",
            Self::ConnectsPerClient => "connects_per_second_per_client",
            Self::Bandwidth => "bytes_per_second_per_connection",
            Self::Publishes => "publishes_per_second",
            Self::PublishesPerConnection => "publishes_per_second_per_connection",
            Self::Payload => "payload_bytes",
            Self::Unacknowledged => "unacknowledged_per_client",
            Self::Subscriptions => "subscriptions_per_client",
            Self::Filters => "filters_per_subscribe",
            Self::TopicLevels => "topic_levels",
            Self::Retained => "retained_messages",
            Self::Queued => "queued_per_client",
            Self::OpenJobs => "open_jobs",
            Self::SessionExpiry => "session_expiry_seconds",
        }
    }
}

impl Mender {
    /// Sets how much a tenant's clients may at their endpoints; what is not named stays. At the operator's door.
    ///
    /// # Errors
    /// [`DialectError::NoOperator`](crate::DialectError::NoOperator), and as every verb.
    pub async fn set_client_limits(&self, id: &str, limits: &BTreeMap<ClientLimit, u64>) -> Result<()> {
        let body: Map<String, Value> =
            limits.iter().map(|(limit, most)| (limit.word().to_owned(), json!(most))).collect();
        let call = Call::new("x_fleetproof Set Client Limits").path(&[("tenant_id", id)]).json(Value::Object(body));
        self.call(&self.operator()?, call).await.map(drop)
    }

    /// One limit of a tenant's clients, as it is in force; `None`: the platform tells none.
    ///
    /// # Errors
    /// [`DialectError::NoOperator`](crate::DialectError::NoOperator), and as every verb.
    pub async fn client_limit(&self, id: &str, limit: ClientLimit) -> Result<Option<u64>> {
        let call = Call::new("x_fleetproof Show Client Limits").path(&[("tenant_id", id)]);
        let shown: Value = json(&self.call(&self.operator()?, call).await?)?;
        Ok(shown.get(limit.word()).and_then(Value::as_u64))
    }

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

    /// How many bytes of artifacts the caller's tenant keeps, and how many it may; 0: any.
    ///
    /// # Errors
    /// As every verb.
    pub async fn storage(&self, by: &Session) -> Result<(u64, u64)> {
        let shown: Value = json(&self.call(by, Call::new("Deployments Get Storage Usage")).await?)?;
        let number = |name: &str| shown.get(name).and_then(Value::as_u64).unwrap_or_default();
        Ok((number("usage"), number("limit")))
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
