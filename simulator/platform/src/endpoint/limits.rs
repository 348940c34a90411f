//! How much the clients of a tenant may, and how many jobs are open for them: what the operator sets of the broker's quotas and the
//! account's, for all regions of it.
//!
//! What was never set is as [`Quotas::default`] has it, or [`MOST_OPEN_JOBS`]. What each limit of the broker is, and what happens
//! beyond it, stands there; the words here are the operator's.

use crate::args;
use crate::broker_defects;
use crate::platform::{Platform, PlatformError};
use crate::refusal::{Answer, Refusal};
use crate::store::{StoreError, Transaction, Tx};
use fleetproof_dataplane::broker::{Quotas, Rate};
use fleetproof_dataplane::topics::MOST_LEVELS;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Bytes of the largest payload that may be allowed: what a connection reads has room for no larger one.
const LARGEST: u64 = 128 * 1024;

/// Seconds that a session may outlive its connection at the most: a year.
const LONGEST: u64 = 366 * 86_400;

/// The most of anything else.
const MOST: u64 = 1_000_000_000;

/// Jobs that are open at once in a region of an account, where nothing else is set.
pub(crate) const MOST_OPEN_JOBS: u64 = 100;

/// What limits say: to the broker, and to the registry.
struct Allowed {
    clients: Quotas,
    open_jobs: u64,
}

macro_rules! client_limits {
    ($($(#[doc = $words:literal])+ $name:ident: $range:expr, $set:expr, $shown:expr;)+) => {
        /// How much the clients of a tenant may. What is absent stays as it is.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct ClientLimits {
            $($(#[doc = $words])+ #[serde(default, skip_serializing_if = "Option::is_none")] pub(crate) $name: Option<u64>,)+
        }

        impl ClientLimits {
            /// 400 for limits that nobody could be held to.
            pub(crate) fn check(&self) -> Answer<()> {
                $(if let Some(limit) = self.$name && !$range.contains(&limit) {
                    let (least, most) = ($range.start(), $range.end());
                    return Err(Refusal::bad_request(format!("{}: {least} to {most}", stringify!($name))));
                })+
                Ok(())
            }

            /// What was set before, and these over it.
            pub(crate) fn over(&self, before: &Self) -> Self {
                Self { $($name: self.$name.or(before.$name),)+ }
            }

            fn allowed(&self) -> Allowed {
                let mut allowed = Allowed { clients: Quotas::default(), open_jobs: MOST_OPEN_JOBS };
                $(if let Some(limit) = self.$name {
                    let set: fn(&mut Allowed, u64) = $set;
                    set(&mut allowed, limit);
                })+
                allowed
            }

            /// All of them, as they are in force.
            pub(crate) fn in_force(&self) -> Self {
                let allowed = self.allowed();
                $(let $name: fn(&Allowed) -> u64 = $shown;)+
                Self { $($name: Some($name(&allowed)),)+ }
            }
        }
    };
}

client_limits! {
    /// Connections at a time.
    connections: 0..=MOST, |allowed, limit| allowed.clients.connections = whole(limit), |allowed| allowed.clients.connections as u64;
    /// Connects in a second, of all clients together.
    connects_per_second: 0..=MOST, |allowed, limit| allowed.clients.connects = rate(limit), |allowed| allowed.clients.connects.per_second.into();
    /// Connects in a second of one client.
    connects_per_second_per_client: 0..=MOST, |allowed, limit| allowed.clients.connects_per_client = rate(limit),
        |allowed| allowed.clients.connects_per_client.per_second.into();
    /// Bytes in a second of one connection, each way.
    bytes_per_second_per_connection: 1..=MOST, |allowed, limit| allowed.clients.throughput = rate(limit),
        |allowed| allowed.clients.throughput.per_second.into();
    /// Messages in a second from all clients together.
    publishes_per_second: 0..=MOST, |allowed, limit| allowed.clients.inbound = rate(limit), |allowed| allowed.clients.inbound.per_second.into();
    /// Messages in a second from and to one connection.
    publishes_per_second_per_connection: 0..=MOST, |allowed, limit| allowed.clients.publishes_per_connection = rate(limit),
        |allowed| allowed.clients.publishes_per_connection.per_second.into();
    /// Bytes of a payload.
    payload_bytes: 0..=LARGEST, |allowed, limit| allowed.clients.payload = whole(limit), |allowed| allowed.clients.payload as u64;
    /// Messages of one client that are not acknowledged, each way.
    unacknowledged_per_client: 1..=65_535, |allowed, limit| {
        let limit = u16::try_from(limit).unwrap_or(u16::MAX);
        (allowed.clients.unacknowledged_in, allowed.clients.unacknowledged_out) = (limit, limit);
    }, |allowed| allowed.clients.unacknowledged_out.into();
    /// Subscriptions of one client.
    subscriptions_per_client: 0..=MOST, |allowed, limit| allowed.clients.subscriptions_per_connection = whole(limit),
        |allowed| allowed.clients.subscriptions_per_connection as u64;
    /// Filters in one request to subscribe.
    filters_per_subscribe: 1..=MOST, |allowed, limit| allowed.clients.filters_per_packet = whole(limit),
        |allowed| allowed.clients.filters_per_packet as u64;
    /// Levels of a topic: `a/b` has two.
    topic_levels: 1..=MOST_LEVELS as u64, |allowed, limit| allowed.clients.topics.slashes = whole(limit.saturating_sub(1)),
        |allowed| allowed.clients.topics.slashes as u64 + 1;
    /// Retained messages.
    retained_messages: 0..=MOST, |allowed, limit| allowed.clients.retained = whole(limit), |allowed| allowed.clients.retained as u64;
    /// Messages that wait for one client.
    queued_per_client: 0..=MOST, |allowed, limit| allowed.clients.queued_per_session = whole(limit),
        |allowed| allowed.clients.queued_per_session as u64;
    /// Jobs that are open at once, in each region.
    open_jobs: 0..=MOST, |allowed, limit| allowed.open_jobs = limit, |allowed| allowed.open_jobs;
    /// Seconds that a session may outlive its connection.
    session_expiry_seconds: 0..=LONGEST, |allowed, limit| {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        (allowed.clients.session_expiry, allowed.clients.session_expiry_most) = (limit, limit);
    }, |allowed| allowed.clients.session_expiry.into();
}

impl ClientLimits {
    /// As the broker has it.
    pub(crate) fn quotas(&self) -> Quotas {
        self.allowed().clients
    }

    /// Jobs that may be open at once in a region.
    pub(crate) fn open_jobs(&self) -> u64 {
        self.allowed().open_jobs
    }
}

fn whole(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// So many in a second, and as many at once.
fn rate(limit: u64) -> Rate {
    Rate::per_second(u32::try_from(limit).unwrap_or(u32::MAX))
}

/// What was set for a tenant.
pub(crate) async fn read(tx: &mut Transaction, tenant: &str) -> Result<ClientLimits, StoreError> {
    let rows = tx.query("select limits from client_limits where tenant_id = $1", args![tenant]).await?;
    rows.first().map_or_else(|| Ok(ClientLimits::default()), |row| row.json("limits"))
}

/// Keeps what is set for a tenant.
pub(crate) async fn write(tx: &mut Transaction, tenant: &str, limits: &ClientLimits) -> Answer<()> {
    let text = serde_json::to_string(limits).map_err(Refusal::internal)?;
    let set = "insert into client_limits (tenant_id, limits) values ($1, $2) \
               on conflict (tenant_id) do update set limits = excluded.limits";
    tx.execute(set, args![tenant, &text]).await?;
    Ok(())
}

/// The quotas of a tenant, as its data plane is to have them.
pub(super) async fn quotas_of(app: &Platform, tenant: &str) -> Result<Quotas, PlatformError> {
    let mut tx = app.begin().await?;
    let limits = read(&mut tx, tenant).await?;
    app.commit(tx).await?;
    Ok(broker_defects::told(app, limits.quotas()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every limit can be set and is told as it was set, and none of them moves another.
    #[test]
    fn each_limit_is_its_own() {
        let names = serde_json::to_value(ClientLimits::default().in_force()).unwrap();
        let names: Vec<String> = names.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names.len(), 15);
        let default = serde_json::to_value(ClientLimits::default().in_force()).unwrap();
        for name in &names {
            let set: ClientLimits = serde_json::from_value(serde_json::json!({ name: 7 })).unwrap();
            set.check().unwrap();
            let mut due = default.clone();
            due[name] = 7.into();
            assert_eq!(serde_json::to_value(set.in_force()).unwrap(), due, "{name}");
        }
    }

    #[test]
    fn what_is_not_set_stays_and_what_nobody_could_hold_is_refused() {
        let before = ClientLimits { connections: Some(5), payload_bytes: Some(9), ..ClientLimits::default() };
        let after = ClientLimits { payload_bytes: Some(1), ..ClientLimits::default() }.over(&before);
        assert_eq!((after.connections, after.payload_bytes, after.retained_messages), (Some(5), Some(1), None));
        for (name, limit) in [("payload_bytes", 131_073), ("topic_levels", 0), ("unacknowledged_per_client", 65_536)] {
            let set: ClientLimits = serde_json::from_value(serde_json::json!({ name: limit })).unwrap();
            assert!(set.check().is_err(), "{name}");
        }
    }
}
