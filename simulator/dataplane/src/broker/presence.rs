//! Who came and went: version numbers, events as messages and as values.

use super::account::{Account, Turn};
use super::crossings::Crossing;
use super::defects::Defect;
use super::outcomes::{Outcome, Presence, Reason};
use super::quotas::SECOND;
use super::session::Message;
use bytes::Bytes;
use fleetproof_wire::mqtt::packet::{MessageProperties, Qos};
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// After this time away a client's version numbers begin anew, in µs.
pub(super) const FORGOTTEN: u64 = 3_600 * SECOND;

/// So many clients that went are remembered at most.
const MOST: usize = 1_000_000;

/// The version numbers of an account's clients.
#[derive(Debug, Default)]
pub(super) struct Counters {
    clients: BTreeMap<Arc<str>, (u64, Option<u64>)>,
    /// Who went when, in that order.
    gone: VecDeque<(u64, Arc<str>)>,
}

impl Counters {
    /// The version of a new connection.
    pub(super) fn come(&mut self, client_id: &Arc<str>, now: u64) -> u64 {
        self.prune(now);
        match self.clients.get_mut(client_id) {
            Some((version, gone)) => {
                *version += 1;
                *gone = None;
                *version
            }
            None => {
                self.clients.insert(Arc::clone(client_id), (0, None));
                0
            }
        }
    }

    pub(super) fn go(&mut self, client_id: &Arc<str>, now: u64) {
        if let Some((_, gone)) = self.clients.get_mut(client_id) {
            *gone = Some(now);
            self.gone.push_back((now, Arc::clone(client_id)));
        }
        self.prune(now);
    }

    pub(super) fn forget(&mut self, client_id: &str) {
        self.clients.remove(client_id);
    }

    fn prune(&mut self, now: u64) {
        while let Some((at, client_id)) = self.gone.front() {
            if now.saturating_sub(*at) <= FORGOTTEN && self.gone.len() <= MOST {
                break;
            }
            if self.clients.get(client_id).is_some_and(|(_, gone)| *gone == Some(*at)) {
                self.clients.remove(client_id);
            }
            self.gone.pop_front();
        }
    }
}

impl Account {
    /// Says that a client came or went.
    pub(super) fn tell_presence(&mut self, turn: &mut Turn<'_>, presence: Presence) {
        if !has_events(&presence.client_id) {
            return;
        }
        let kind = if presence.gone.is_some() { "disconnected" } else { "connected" };
        let mut event = json!({
            "clientId": &*presence.client_id,
            "timestamp": presence.at / 1_000,
            "eventType": kind,
            "sessionIdentifier": &*presence.session_identifier,
            "principalIdentifier": &*presence.principal,
            "versionNumber": presence.version,
        });
        match presence.gone {
            Some(reason) => {
                event["clientInitiatedDisconnect"] = (reason == Reason::ClientInitiatedDisconnect).into();
                event["disconnectReason"] = reason.as_str().into();
            }
            None => {
                if let Some(source) = &presence.source {
                    event["ipAddress"] = (&**source).into();
                }
            }
        }
        let topic = format!("$aws/events/presence/{kind}/{}", presence.client_id);
        self.tell_event(turn, &topic, &event);
        turn.effects.outcomes.push(Outcome::Presence(presence));
    }

    /// Says that a client's subscriptions changed.
    pub(super) fn tell_subscriptions(
        &mut self,
        turn: &mut Turn<'_>,
        (client_id, principal, identifier): (Arc<str>, Arc<str>, Arc<str>),
        subscribed: bool,
        filters: Vec<Arc<str>>,
    ) {
        if filters.is_empty() || !has_events(&client_id) {
            return;
        }
        let kind = if subscribed { "subscribed" } else { "unsubscribed" };
        let event = json!({
            "clientId": &*client_id,
            "timestamp": turn.now / 1_000,
            "eventType": kind,
            "sessionIdentifier": &*identifier,
            "principalIdentifier": &*principal,
            "topics": filters.iter().map(|filter| &**filter).collect::<Vec<_>>(),
        });
        self.tell_event(turn, &format!("$aws/events/subscriptions/{kind}/{client_id}"), &event);
        let account = turn.account;
        let at = turn.now;
        turn.effects.outcomes.push(Outcome::Subscriptions { account, client_id, principal, subscribed, filters, at });
    }

    fn tell_event(&mut self, turn: &mut Turn<'_>, topic: &str, event: &serde_json::Value) {
        let message = Arc::new(Message {
            topic: topic.into(),
            payload: Bytes::from(event.to_string()),
            qos: Qos::AtLeastOnce,
            retain: false,
            properties: MessageProperties::default(),
            expires: None,
            from: None,
        });
        if turn.has(Defect::PresenceCrosses) {
            turn.effects.crossings.push(Crossing::Message(Arc::clone(&message)));
        }
        self.route(turn, &message);
    }
}

/// A client whose id cannot stand in a topic has no events.
fn has_events(client_id: &str) -> bool {
    !client_id.bytes().any(|byte| byte == b'#' || byte == b'+')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_rise_until_a_client_was_away_for_an_hour() {
        let mut counters = Counters::default();
        let client: Arc<str> = "c".into();
        assert_eq!(counters.come(&client, 0), 0);
        counters.go(&client, 10);
        assert_eq!(counters.come(&client, 20), 1);
        counters.go(&client, 30);
        assert_eq!(counters.come(&client, 30 + FORGOTTEN), 2);
        counters.go(&client, 100);
        assert_eq!(counters.come(&client, 101 + FORGOTTEN), 0);
    }
}
