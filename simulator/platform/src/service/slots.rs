//! A shared part of the platform in real time: so many requests are worked on at once, the others wait in the line.

use super::line::{Asker, Line};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Slots, and those who wait for one. Clones are the same slots.
#[derive(Clone, Debug)]
pub(crate) struct Slots(Arc<Mutex<Desk>>);

#[derive(Debug)]
struct Desk {
    slots: usize,
    /// How many of them one asker may have at the same time.
    most: usize,
    taken: BTreeMap<Asker, usize>,
    line: Line<oneshot::Sender<Slot>>,
}

/// A slot that is taken. Dropped, it is the next one's.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Slots,
    asker: Asker,
}

impl Slots {
    /// So many, of which one asker may have `most`.
    pub(crate) fn new(slots: usize, most: usize) -> Self {
        Self(Arc::new(Mutex::new(Desk { slots, most, taken: BTreeMap::new(), line: Line::default() })))
    }

    /// Waits for a slot, for what takes about `cost` µs.
    pub(crate) async fn enter(&self, asker: &Asker, cost: u64) -> Option<Slot> {
        let (sender, receiver) = oneshot::channel();
        self.desk().line.join(asker, cost, sender);
        self.hand_out();
        receiver.await.ok()
    }

    fn hand_out(&self) {
        while let Some((sender, slot)) = self.next() {
            // Who has gone away meanwhile gives the slot back when this is dropped.
            let _gone = sender.send(slot);
        }
    }

    fn next(&self) -> Option<(oneshot::Sender<Slot>, Slot)> {
        let mut desk = self.desk();
        let Desk { slots, most, taken, line } = &mut *desk;
        if taken.values().sum::<usize>() >= *slots {
            return None;
        }
        let (asker, _, sender) = line.next(|asker| taken.get(asker).is_none_or(|taken| taken < most))?;
        *taken.entry(asker.clone()).or_default() += 1;
        Some((sender, Slot { slots: self.clone(), asker }))
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, asker: &Asker) {
        let mut desk = self.desk();
        if let Some(taken) = desk.taken.get_mut(asker) {
            *taken -= 1;
            if *taken == 0 {
                desk.taken.remove(asker);
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.give_back(&self.asker);
        self.slots.hand_out();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetproof_world::Runtime;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn tenant(name: &str) -> Asker {
        Asker::Tenant(name.to_owned())
    }

    #[test]
    fn one_tenant_never_has_them_all() {
        Runtime::virtual_time().unwrap().block_on(async {
            let slots = Slots::new(4, 3);
            let (loud, quiet) = (tenant("loud"), tenant("quiet"));
            let mut held = Vec::new();
            for _ in 0..3 {
                held.push(slots.enter(&loud, 1).await.unwrap());
            }
            let mut fourth = pin!(slots.enter(&loud, 1));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(fourth.as_mut().poll(&mut cx).is_pending());
            let other = slots.enter(&quiet, 1).await;
            assert!(other.is_some(), "the last one is for others");
            held.pop();
            assert!(matches!(fourth.as_mut().poll(&mut cx), Poll::Ready(Some(_))), "it waited for its own");
        });
    }

    #[test]
    fn who_goes_away_leaves_the_slot() {
        Runtime::virtual_time().unwrap().block_on(async {
            let slots = Slots::new(1, 1);
            let first = slots.enter(&tenant("a"), 1).await;
            {
                let b = tenant("b");
                let mut gone = pin!(slots.enter(&b, 1));
                assert!(gone.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
            drop(first);
            assert!(slots.enter(&tenant("c"), 1).await.is_some());
        });
    }
}
