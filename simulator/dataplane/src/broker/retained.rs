//! Messages that stay at their topic.

use super::quotas::Quotas;
use super::session::Message;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The retained messages of an account.
#[derive(Debug, Default)]
pub(super) struct Retained {
    messages: BTreeMap<Arc<str>, Arc<Message>>,
    bytes: usize,
}

impl Retained {
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The message of a topic, if its time is not over.
    pub(super) fn get(&self, topic: &str, now: u64) -> Option<&Arc<Message>> {
        self.messages.get(topic).filter(|message| !message.is_expired(now))
    }

    /// Keeps a message in the place of an earlier one, or clears the place when it has no payload. False: no room.
    pub(super) fn set(&mut self, message: &Arc<Message>, quotas: &Quotas, now: u64) -> bool {
        if message.payload.is_empty() {
            self.remove(&message.topic);
            return true;
        }
        if !self.fits(message, quotas) {
            self.sweep(now);
            if !self.fits(message, quotas) {
                return false;
            }
        }
        self.remove(&message.topic);
        self.bytes += message.bytes();
        self.messages.insert(Arc::clone(&message.topic), Arc::clone(message));
        true
    }

    fn fits(&self, message: &Message, quotas: &Quotas) -> bool {
        let before = self.messages.get(&*message.topic);
        let count = self.messages.len() + usize::from(before.is_none());
        let bytes = self.bytes + message.bytes() - before.map_or(0, |message| message.bytes());
        count <= quotas.retained && bytes <= quotas.retained_bytes
    }

    fn sweep(&mut self, now: u64) {
        self.remove_if(|message| message.is_expired(now));
    }

    pub(super) fn remove(&mut self, topic: &str) {
        if let Some(message) = self.messages.remove(topic) {
            self.bytes -= message.bytes();
        }
    }

    /// Forgets what is at a topic or below it.
    pub(super) fn remove_below(&mut self, prefix: &str) {
        // What only begins with the same letters is somebody else's: `app/hvac-70` is not below `app/hvac-7`.
        self.remove_if(|message| {
            let rest = message.topic.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'))
        });
    }

    fn remove_if(&mut self, mut leaves: impl FnMut(&Message) -> bool) {
        let bytes = &mut self.bytes;
        self.messages.retain(|_, message| {
            let stays = !leaves(message);
            if !stays {
                *bytes -= message.bytes();
            }
            stays
        });
    }

    /// The topics that have one, in their order, from one on.
    pub(super) fn topics(&self, from: &str, now: u64) -> impl Iterator<Item = &Arc<Message>> {
        self.messages
            .range::<str, _>((std::ops::Bound::Excluded(from), std::ops::Bound::Unbounded))
            .map(|(_, message)| message)
            .filter(move |message| !message.is_expired(now))
    }
}
