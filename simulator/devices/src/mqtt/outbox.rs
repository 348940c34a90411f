//! What was sent and is not acknowledged yet, and the ids it goes by. Pure, and small: an idle device holds nothing here.

use super::publishes::Slot;
use bytes::Bytes;
use fleetproof_world::Stamp;
use std::sync::Arc;

/// What a packet id stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parcel {
    /// A numbered message: it can be written again from its number and time, so it is not kept.
    Numbered {
        /// Which of the plan's publishes.
        slot: Slot,
        number: u64,
        /// ms since 1970 by the device's clock.
        time: u64,
    },
    /// Any other message of QoS 1.
    Message { topic: Arc<str>, payload: Bytes },
    /// A message of a load, which is nobody's once it is lost.
    Strain,
    /// What it was sent to do.
    Errand,
    /// Filters that were asked for: which of the device's SUBSCRIBE packets, and how often it was sent.
    Filters { part: u8, tries: u8 },
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub id: u16,
    pub parcel: Parcel,
    /// When it was sent last.
    pub sent: Stamp,
    /// When it was sent first.
    pub first: Stamp,
}

/// Packet ids and what waits for its acknowledgement, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    pending: Vec<Pending>,
    last: u16,
}

impl Outbox {
    /// The next id that nothing waits under; `None` when there are as many waiting as `most`.
    fn next_id(&mut self, most: usize) -> Option<u16> {
        if self.pending.len() >= most.min(usize::from(u16::MAX)) {
            return None;
        }
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if self.pending.iter().all(|pending| pending.id != self.last) {
                return Some(self.last);
            }
        }
    }

    /// Takes note of what is about to be sent at `now`, and gives it an id. `None`: `most` wait already.
    pub fn add(&mut self, parcel: Parcel, now: Stamp, most: usize) -> Option<u16> {
        let id = self.next_id(most)?;
        self.pending.push(Pending { id, parcel, sent: now, first: now });
        Some(id)
    }

    /// It is acknowledged. `None`: nothing of that kind waits under this id.
    pub fn take(&mut self, id: u16, is_filters: bool) -> Option<Pending> {
        let fits = |pending: &Pending| match pending.parcel {
            Parcel::Errand => true,
            Parcel::Filters { .. } => is_filters,
            _ => !is_filters,
        };
        let at = self.pending.iter().position(|pending| pending.id == id && fits(pending))?;
        let taken = self.pending.remove(at);
        if self.pending.is_empty() {
            // An idle device holds no memory for what it might send.
            self.pending = Vec::new();
        }
        Some(taken)
    }

    /// When the one that waits longest was sent.
    pub fn oldest(&self) -> Option<&Pending> {
        self.pending.iter().min_by_key(|pending| pending.sent)
    }

    /// A new connection. The server kept the session: what waits is to be sent again as it was. It did not: filters are
    /// asked for anew, the rest is sent as something new.
    pub fn reconnected(&mut self, session_present: bool) -> Vec<Pending> {
        self.pending.retain(|pending| !matches!(pending.parcel, Parcel::Filters { .. }));
        if session_present {
            return self.pending.clone();
        }
        std::mem::take(&mut self.pending)
    }

    /// What waits under `id` was sent once more.
    pub fn sent_again(&mut self, id: u16, now: Stamp) {
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.id == id) {
            pending.sent = now;
        }
    }

    /// How many messages of a load wait.
    pub fn strained(&self) -> usize {
        self.pending.iter().filter(|pending| pending.parcel == Parcel::Strain).count()
    }

    /// Forgets messages that are not numbered: answers to them are waited for no more.
    pub fn forget_requests(&mut self) {
        self.pending
            .retain(|pending| !matches!(pending.parcel, Parcel::Message { .. } | Parcel::Strain | Parcel::Errand));
        if self.pending.is_empty() {
            self.pending = Vec::new();
        }
    }

    #[cfg(test)]
    fn ids(&self) -> Vec<u16> {
        self.pending.iter().map(|pending| pending.id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbered(number: u64) -> Parcel {
        Parcel::Numbered { slot: 0, number, time: 0 }
    }

    proptest! {
        /// Ids in use are never given twice, and never 0.
        #[test]
        fn ids_are_unique(what in proptest::collection::vec((any::<bool>(), 0..8_usize), 0..200), last: u16) {
            let mut outbox = Outbox { last, ..Outbox::default() };
            for (adds, which) in what {
                if adds {
                    let added = outbox.add(numbered(1), Stamp::default(), 6);
                    prop_assert_eq!(added.is_none(), outbox.ids().len() == 6 && added.is_none());
                } else if let Some(id) = outbox.ids().get(which).copied() {
                    prop_assert!(outbox.take(id, true).is_none(), "no filters wait under it");
                    prop_assert!(outbox.take(id, false).is_some());
                }
                let mut ids = outbox.ids();
                prop_assert!(ids.len() <= 6 && !ids.contains(&0));
                ids.sort_unstable();
                prop_assert!(ids.windows(2).all(|pair| pair[0] != pair[1]));
            }
        }
    }

    #[test]
    fn a_kept_session_goes_on_with_the_same_ids_and_a_lost_one_does_not() {
        let mut outbox = Outbox::default();
        outbox.add(numbered(1), Stamp::default(), 9);
        outbox.add(Parcel::Filters { part: 0, tries: 1 }, Stamp::default(), 9);
        outbox.add(numbered(2), Stamp::default(), 9);
        let again = outbox.reconnected(true);
        assert_eq!(again.iter().map(|pending| pending.id).collect::<Vec<_>>(), [1, 3], "filters are asked for anew");
        assert_eq!(outbox.ids(), [1, 3]);
        let anew = outbox.reconnected(false);
        assert_eq!((anew.len(), outbox.ids().len()), (2, 0));
    }

    #[test]
    fn an_empty_outbox_holds_no_memory() {
        let mut outbox = Outbox::default();
        let id = outbox.add(numbered(1), Stamp::default(), 9).unwrap();
        assert!(outbox.take(id, false).is_some());
        assert_eq!(outbox.pending.capacity(), 0);
    }
}
