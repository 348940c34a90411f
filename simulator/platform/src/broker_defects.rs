//! Defects of the data plane that can be planted by name: the broker's own, and limits that are set and not held.
//!
//! Those of the broker are decided in [`fleetproof_dataplane::broker`], which is started with one; the others are in what
//! the broker is told.

use crate::Platform;
use crate::defects::{Defect, DefectId};
use fleetproof_dataplane::broker::{self, Quotas, Rate};

/// The defect that a platform's broker is started with.
pub(crate) const fn of_broker(defect: Option<DefectId>) -> Option<broker::Defect> {
    match defect {
        Some(DefectId::Broker(defect)) if cfg!(feature = "seeded-defects") => Some(defect),
        _ => None,
    }
}

/// What the broker is told of a tenant's limits, where the defect is not that one of them gets lost.
pub(crate) fn told(app: &Platform, mut quotas: Quotas) -> Quotas {
    let any = Rate::per_second(u32::MAX);
    if app.defect(DefectId::ConnectionsUnheld) {
        quotas.connections = usize::MAX;
    }
    if app.defect(DefectId::ConnectRateUnheld) {
        quotas.connects = any;
    }
    if app.defect(DefectId::PublishRateUnheld) {
        quotas.inbound = any;
    }
    if app.defect(DefectId::BandwidthUnheld) {
        quotas.throughput = any;
    }
    if app.defect(DefectId::FiltersOffByOne) {
        quotas.filters_per_packet += 1;
    }
    if app.defect(DefectId::TopicLevelsOffByOne) {
        quotas.topics.slashes += 1;
    }
    if app.defect(DefectId::RetainedOffByOne) {
        quotas.retained += 1;
    }
    if app.defect(DefectId::QueuedOffByOne) {
        quotas.queued_per_session += 1;
    }
    if app.defect(DefectId::SessionExpiryUnheld) {
        quotas.session_expiry_most = u32::MAX;
    }
    quotas
}

macro_rules! catalogue {
    ($list:ident: $($id:expr, $name:literal $row:literal $claim:ident: $breaks:literal;)*) => {
        const $list: &[Defect] = &[$(Defect {
            id: $id,
            name: $name,
            row: $row,
            breaks: $breaks,
            caught_by: stringify!($claim),
        }),*];
    };
}

catalogue! {
    LIMITS:
    DefectId::ClientLimitsForAll, "client-limits-for-all" "A4" quota:
        "A limit that is set for the clients of one tenant is in force for those of every tenant.";
    DefectId::OneLineAtTheBroker, "one-line-at-the-broker" "P9" neighbour:
        "Packets of all tenants wait in one line at the broker: a crowd of one is before everybody else.";
    DefectId::ConnectionsUnheld, "connections-unheld" "A4" quota:
        "A tenant may have as many connections as it likes.";
    DefectId::ConnectRateUnheld, "connect-rate-unheld" "A4" quota:
        "The clients of a tenant may connect as often as they like.";
    DefectId::PublishRateUnheld, "publish-rate-unheld" "A4" quota:
        "The clients of a tenant may publish as often as they like.";
    DefectId::BandwidthUnheld, "bandwidth-unheld" "A4" quota:
        "A connection carries whatever comes.";
    DefectId::FiltersOffByOne, "filters-off-by-one" "A4" quota:
        "One filter more than the limit may stand in a request to subscribe.";
    DefectId::TopicLevelsOffByOne, "topic-levels-off-by-one" "A4" quota:
        "A topic may have one level more than the limit.";
    DefectId::RetainedOffByOne, "retained-off-by-one" "A4" quota:
        "One message more than the limit is retained.";
    DefectId::QueuedOffByOne, "queued-off-by-one" "A4" quota:
        "One message more than the limit waits for a client that is away.";
    DefectId::JobsUnheld, "jobs-unheld" "A4" quota:
        "As many jobs may be open as somebody makes.";
    DefectId::StorageOffByOne, "storage-off-by-one" "A4" quota:
        "An artifact is taken as long as anything of the store is free.";
    DefectId::SessionExpiryUnheld, "session-expiry-unheld" "A4" quota:
        "A session outlives its connection for as long as the client likes.";
    DefectId::Broker(broker::Defect::ConnectRateUnheld), "client-connect-rate-unheld" "A4" quota:
        "A client may connect as often as it likes.";
    DefectId::Broker(broker::Defect::PublishRateUnheld), "client-publish-rate-unheld" "A4" quota:
        "A connection may publish as often as it likes.";
    DefectId::Broker(broker::Defect::InFlightUnheld), "in-flight-unheld" "A4" quota:
        "A client is sent more than it has acknowledged to be able to take.";
    DefectId::Broker(broker::Defect::PayloadOffByOne), "payload-off-by-one" "A4" quota:
        "A message may be one byte longer than the limit.";
    DefectId::Broker(broker::Defect::SubscriptionsPerPacket), "subscriptions-per-packet" "A4" quota:
        "The limit of subscriptions is counted for each request alone.";
    DefectId::Broker(broker::Defect::InboundCountedGlobally), "inbound-counted-globally" "P9" quota:
        "What one tenant publishes is counted against the rate of every tenant.";
    DefectId::Broker(broker::Defect::TakeoverCrosses), "takeover-crosses" "P9" quota:
        "Connecting as a client ends the connection of the client of that name in every account.";
}

catalogue! {
    MESSAGES:
    DefectId::Broker(broker::Defect::RetainedCrosses), "retained-crosses" "A2" received:
        "A retained message is kept for every account.";
    DefectId::Broker(broker::Defect::ThingTopicsUnchecked), "thing-topics-unchecked" "A2" mqtt:
        "Everybody may write requests to every thing's jobs and shadows.";
}

catalogue! {
    ATTACKED:
    DefectId::Broker(broker::Defect::PrincipalOfAnyAccount), "principal-of-any-account" "A2" isolation:
        "A certificate of any account may connect to every account.";
    DefectId::Broker(broker::Defect::SharedGroupCrosses), "shared-group-crosses" "A2" isolation:
        "Shared groups of one name are one group in all accounts.";
    DefectId::Broker(broker::Defect::PresenceCrosses), "presence-crosses" "A2" isolation:
        "Who comes and goes is told in every account.";
    DefectId::Broker(broker::Defect::InactiveMayConnect), "inactive-may-connect" "A7" isolation:
        "A certificate that is not active may connect.";
    DefectId::Broker(broker::Defect::RevokedStaysConnected), "revoked-stays-connected" "A7" isolation:
        "The connection of a certificate that was revoked goes on.";
    DefectId::Broker(broker::Defect::WillAfterRevocation), "will-after-revocation" "A7" isolation:
        "The will of a client is said although its certificate was revoked.";
    DefectId::Broker(broker::Defect::PolicyRemembered), "policy-remembered" "A2" isolation:
        "What the policies allowed at the beginning is allowed as long as the connection lasts.";
    DefectId::Broker(broker::Defect::WillUnchecked), "will-unchecked" "A2" isolation:
        "A will is said wherever it wants.";
    DefectId::Broker(broker::Defect::AnswersOpen), "answers-open" "A2" isolation:
        "Clients may write to topics of answers, notifications and events.";
    DefectId::Broker(broker::Defect::ReceiveUnchecked), "receive-unchecked" "A2" isolation:
        "Nobody asks whether a subscriber may still receive.";
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Defect> {
    LIMITS.iter().chain(MESSAGES).chain(ATTACKED)
}

/// Those that a claim on limits of the data plane, or on its neighbours, must catch.
#[must_use]
pub fn limits() -> &'static [Defect] {
    LIMITS
}

/// Those that attempts upon endpoints must catch.
#[must_use]
pub fn attacked() -> &'static [Defect] {
    ATTACKED
}

/// Those that a look at who received what must catch.
#[must_use]
pub fn messages() -> &'static [Defect] {
    MESSAGES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defects;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_found() {
        let all: Vec<_> = all().collect();
        let names: BTreeSet<_> = all.iter().map(|defect| defect.name).collect();
        let ids: BTreeSet<_> = all.iter().map(|defect| defect.id).collect();
        assert_eq!((names.len(), ids.len()), (all.len(), all.len()));
        for defect in all {
            assert_eq!(defects::find(defect.name), Some(defect));
            assert!(defects::catalogue().iter().all(|other| other.name != defect.name), "{}", defect.name);
            assert!(defect.breaks.ends_with('.'), "{}", defect.name);
        }
    }
}
