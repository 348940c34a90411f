//! What changed, for who is in the same process: told after it was committed, never before.
//!
//! Each listener has a set of its own. What changes twice before it is taken stands in it once, so a listener that takes
//! its time costs no more than there are certificates; and who looks a change up sees it, and maybe later ones.

use crate::Platform;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::Notify;

/// Something to look up again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// All of an account: it opened, closed, let nobody in, or let them in again.
    Account {
        /// The tenant's id.
        tenant: String,
    },
    /// A certificate, its policies or its things.
    Principal {
        /// The tenant's id.
        tenant: String,
        /// The region.
        region: String,
        /// The certificate's id.
        certificate: String,
    },
}

/// Those who listen.
#[derive(Debug, Default)]
pub(crate) struct Feed(Mutex<Vec<Weak<Inbox>>>);

#[derive(Debug, Default)]
struct Inbox {
    changed: Mutex<BTreeSet<Change>>,
    came: Notify,
}

/// What changed since it was asked last. Dropped, it costs nothing any more.
#[derive(Debug)]
pub struct Changes(Arc<Inbox>);

impl Feed {
    pub(super) fn tell(&self, changes: impl IntoIterator<Item = Change>) {
        let changes: BTreeSet<Change> = changes.into_iter().collect();
        if changes.is_empty() {
            return;
        }
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| {
            let Some(inbox) = listener.upgrade() else { return false };
            inbox.changed.lock().unwrap_or_else(PoisonError::into_inner).extend(changes.iter().cloned());
            inbox.came.notify_one();
            true
        });
    }
}

impl Changes {
    /// All that changed; waits until something has.
    pub async fn next(&mut self) -> BTreeSet<Change> {
        loop {
            let changed = std::mem::take(&mut *self.0.changed.lock().unwrap_or_else(PoisonError::into_inner));
            if !changed.is_empty() {
                return changed;
            }
            self.0.came.notified().await;
        }
    }
}

impl Platform {
    /// What changes from now on about principals and accounts. Listen first, look everything up then: nothing is missed.
    #[must_use]
    pub fn changes(&self) -> Changes {
        let inbox = Arc::new(Inbox::default());
        let mut listeners = self.registry().feed.0.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.push(Arc::downgrade(&inbox));
        Changes(inbox)
    }
}
