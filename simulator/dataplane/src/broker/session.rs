//! What is remembered of a client, and what of its connection.

use super::outcomes::ConnectionId;
use super::principals::Rules;
use super::quotas::Bucket;
use super::sizes;
use crate::policy::Facts;
use bytes::Bytes;
use fleetproof_wire::mqtt::packet::{MessageProperties, Packet, Qos, Version, Will};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// A session of one account. Never given to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SessionId(pub(super) u64);

/// A message that was taken. Everybody who gets it shares it.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) topic: Arc<str>,
    pub(super) payload: Bytes,
    /// At most 1.
    pub(super) qos: Qos,
    /// As the publisher set it.
    pub(super) retain: bool,
    pub(super) properties: MessageProperties,
    /// µs.
    pub(super) expires: Option<u64>,
    /// Whose, if it came over a connection.
    pub(super) from: Option<SessionId>,
}

impl Message {
    /// What it costs to keep it.
    pub(super) fn bytes(&self) -> usize {
        self.topic.len() + self.payload.len() + sizes::properties(&self.properties)
    }

    pub(super) fn is_expired(&self, now: u64) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }
}

/// A message on its way to one session.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) message: Arc<Message>,
    pub(super) qos: Qos,
    /// As the receiver will see it.
    pub(super) retain: bool,
    /// It waited for the client's return.
    pub(super) stored: bool,
    /// Nobody asks whether the receiver may have it. No sound broker sets it.
    pub(super) unchecked: bool,
}

/// How somebody subscribed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) qos: Qos,
    pub(super) no_local: bool,
    pub(super) retain_as_published: bool,
}

/// What is remembered of a client.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client_id: Arc<str>,
    /// Whose it is: the certificate of the last connection.
    pub(super) principal: Arc<str>,
    pub(super) facts: Arc<Facts>,
    /// What the policies were when it connected. Asked only by a defect.
    pub(super) rules: Arc<dyn Rules>,
    pub(super) connection: Option<ConnectionId>,
    pub(super) subscriptions: BTreeSet<Arc<str>>,
    pub(super) waiting: VecDeque<Delivery>,
    pub(super) waiting_bytes: usize,
    /// Sent and not acknowledged, in the order of sending.
    pub(super) inflight: VecDeque<(u16, Delivery)>,
    pub(super) last_packet_id: u16,
    pub(super) replay: Bucket,
    /// When a timer looks whether it can be sent more.
    pub(super) wake: Option<u64>,
    /// µs that it outlives its connection.
    pub(super) expiry: u64,
    /// When it ends, while nobody is connected.
    pub(super) ends: Option<u64>,
    /// A will that waits for its time.
    pub(super) will: Option<(u64, Box<Will>)>,
}

impl Session {
    /// The next packet id that is not in use.
    pub(super) fn packet_id(&mut self) -> u16 {
        loop {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            if !self.inflight.iter().any(|(id, _)| *id == self.last_packet_id) {
                return self.last_packet_id;
            }
        }
    }
}

/// What is remembered of a connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) session: SessionId,
    pub(super) version: Version,
    pub(super) principal: Arc<str>,
    pub(super) source: Option<Arc<str>>,
    /// Name of the connection in events, in the form of a UUID.
    pub(super) identifier: Arc<str>,
    /// Version number of its events.
    pub(super) presence: u64,
    /// µs of silence after which it ends.
    pub(super) patience: u64,
    pub(super) last_heard: u64,
    /// When a timer looks at that.
    pub(super) checked: u64,
    pub(super) outbox: VecDeque<Packet>,
    pub(super) outbox_bytes: usize,
    /// PUBACKs in the outbox.
    pub(super) acks: u16,
    pub(super) publishes: Bucket,
    pub(super) bytes_in: Bucket,
    pub(super) bytes_out: Bucket,
    /// Topics that the client's aliases stand for; 1 is the first.
    pub(super) aliases_in: Vec<Option<Arc<str>>>,
    /// Topics that our aliases stand for; 1 is the first.
    pub(super) aliases_out: Vec<Arc<str>>,
    pub(super) aliases_out_most: u16,
    pub(super) receive_maximum: u16,
    pub(super) maximum_packet_size: usize,
    /// Whether CONNECT asked for a session that outlives it.
    pub(super) outlived: bool,
    pub(super) will: Option<Box<Will>>,
}
