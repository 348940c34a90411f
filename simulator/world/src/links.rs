//! What is wrong between two ends of the network: a layer on the dialled stream, the same over pipes and sockets.
//!
//! A link without a fault costs a look at one number per read and write. Once a fault concerns an open connection, a
//! task carries its bytes from then on ([`crate::carrier`]); once it concerns a dial, the dial waits as a handshake would.

use crate::entropy::Seeds;
use crate::net::Name;
use crate::pace::{REDIAL, next_try};
use crate::{RandomStream, memory, tcp};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// For how long a dial into nowhere goes on: six repetitions, as Linux does.
const GIVE_UP: Duration = Duration::from_secs(127);

/// The two sides of a fault, by the names of those who dial and listen. A name that stands on both sides is on the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// One side.
    pub first: BTreeSet<Name>,
    /// The other.
    pub second: BTreeSet<Name>,
}

impl Ends {
    /// Sides of one name each.
    #[must_use]
    pub fn between(first: &Name, second: &Name) -> Self {
        Self { first: BTreeSet::from([first.clone()]), second: BTreeSet::from([second.clone()]) }
    }

    /// How a connection from `from` to `to` lies between them.
    fn lie(&self, from: &Name, to: &Name) -> Option<Lie> {
        if self.first.contains(from) && self.second.contains(to) {
            return Some(Lie::Along);
        }
        (self.second.contains(from) && self.first.contains(to)).then_some(Lie::Against)
    }
}

/// Whether a connection was dialled from the first side of a fault or from the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    Along,
    Against,
}

/// Which way bytes of a connection go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From who dialled to who listened.
    Out,
    /// To who dialled.
    Back,
}

impl Way {
    pub(crate) const fn opposite(self) -> Self {
        match self {
            Self::Out => Self::Back,
            Self::Back => Self::Out,
        }
    }
}

/// What is wrong with the links between two sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkFault {
    /// Nothing gets through. What is sent is held, as a sender's kernel holds what nobody acknowledges: up to 64 KiB, then
    /// writers wait. It arrives once the fault is lifted and the sender tries again (after 200 ms, then twice as long each
    /// time). Dials try again after 1 s, 3 s, 7 s … and time out after 127 s.
    Partition {
        /// Only from the first side to the second. What goes the other way still arrives, but nobody hears that it did:
        /// after 64 KiB of it the sender waits as well. No dial comes about, from either side.
        one_way: bool,
    },
    /// Everything gets through, later.
    Slow(Slow),
}

/// How a slow link is slow. Each direction by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slow {
    /// How much longer everything takes, one way.
    pub latency: Duration,
    /// Up to how much longer than that, drawn for every segment of 1460 bytes. A stream stays in order.
    pub spread: Duration,
    /// How many segments are lost, in millionths. A stream's ends see a loss as a delay of 200 ms, 600 ms … (the first
    /// segment of a dial: 1 s, 3 s …), until the repetition gets through.
    pub loss: u32,
    /// Bytes per second that one name can send to another, and receive from it, over all connections between the two.
    /// `None`: any number.
    pub bandwidth: Option<u64>,
}

/// Which fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultId(u64);

/// What a fault did so far. One that acted on nothing has shown nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Connections and dials on which it acted.
    pub connections: u64,
    /// Bytes that it held.
    pub held: u64,
    /// Dials that found no way.
    pub refused: u64,
    /// Bytes that it delayed.
    pub delayed: u64,
}

impl LinkCounters {
    /// Whether it acted on anything.
    #[must_use]
    pub const fn acted(&self) -> bool {
        self.connections > 0
    }
}

/// A fault that is on, or was.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) id: FaultId,
    ends: Ends,
    pub(crate) kind: LinkFault,
    seeds: Seeds,
    counters: Counters,
    /// Until when the line from one name to another is busy.
    lines: Mutex<BTreeMap<(Name, Name), Instant>>,
    /// How many connections from one name to another it has met.
    met: Mutex<BTreeMap<(Name, Name), u64>>,
}

#[derive(Debug, Default)]
struct Counters {
    connections: AtomicU64,
    held: AtomicU64,
    refused: AtomicU64,
    delayed: AtomicU64,
}

impl Fault {
    fn counters(&self) -> LinkCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { connections, held, refused, delayed } = &self.counters;
        LinkCounters {
            connections: read(connections),
            held: read(held),
            refused: read(refused),
            delayed: read(delayed),
        }
    }

    pub(crate) fn acted(&self) {
        self.counters.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn held(&self, bytes: usize) {
        self.counters.held.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn delayed(&self, bytes: usize) {
        self.counters.delayed.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Whether nothing gets through on a connection from `from` to `to`, in that direction.
    pub(crate) fn cuts(&self, from: &Name, to: &Name, way: Way) -> bool {
        match (&self.kind, self.ends.lie(from, to)) {
            (LinkFault::Partition { one_way: false }, Some(_)) => true,
            (LinkFault::Partition { one_way: true }, Some(lie)) => (lie == Lie::Along) == (way == Way::Out),
            _ => false,
        }
    }

    /// What is drawn for the next connection from `from` to `to`, each way.
    pub(crate) fn draws(&self, from: &Name, to: &Name) -> [RandomStream; 2] {
        let number = {
            let mut met = lock(&self.met);
            let number = met.entry((from.clone(), to.clone())).or_default();
            *number += 1;
            *number
        };
        let seeds = self.seeds.child(from).child(to);
        [seeds.stream(&format!("{number}/out")), seeds.stream(&format!("{number}/back"))]
    }

    /// Takes the line from `from` to `to` for `time`, once it is free; until when.
    pub(crate) fn occupy(&self, from: &Name, to: &Name, since: Instant, time: Duration) -> Instant {
        if time.is_zero() {
            return since;
        }
        let mut lines = lock(&self.lines);
        let free = lines.entry((from.clone(), to.clone())).or_insert(since);
        *free = (*free).max(since) + time;
        *free
    }

    /// Gives back what was taken of the line and not used: the connection is gone, and nothing of it is sent any more.
    pub(crate) fn release(&self, from: &Name, to: &Name, time: Duration) {
        if let Some(free) = lock(&self.lines).get_mut(&(from.clone(), to.clone())) {
            *free = free.checked_sub(time).unwrap_or(*free);
        }
    }
}

/// The links of a network. Clones are the same links.
#[derive(Clone, Debug, Default)]
pub struct Links(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// How often faults were put or lifted; 0: there never was one.
    generation: AtomicU64,
    state: Mutex<State>,
    /// Told of every change. Who waits is woken in the order in which they began to wait; a `watch` of tokio wakes in an order
    /// that it draws itself.
    changes: Notify,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    on: BTreeMap<u64, Arc<Fault>>,
    /// The faults that are on, by a name on either side.
    by_name: BTreeMap<Name, Vec<Arc<Fault>>>,
    lifted: BTreeMap<u64, LinkCounters>,
    open: Vec<Option<Open>>,
    free: Vec<usize>,
}

/// A connection that is open.
#[derive(Debug)]
struct Open {
    from: Name,
    to: Name,
    sever: Sever,
}

/// How a connection is torn, whoever holds its ends.
#[derive(Debug)]
pub(crate) enum Sever {
    Memory(memory::Tear),
    Tcp(tcp::Tear),
}

impl Sever {
    /// Tears it; `false` when there was nothing to tear any more.
    fn tear(&self) -> bool {
        match self {
            Self::Memory(tear) => tear.tear(),
            Self::Tcp(tear) => tear.tear(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Links {
    /// Puts a fault on the links between two sides, on connections that are open too. What it draws comes from `seeds`.
    pub fn put(&self, ends: Ends, fault: LinkFault, seeds: &Seeds) -> FaultId {
        let mut state = lock(&self.0.state);
        state.next += 1;
        let id = FaultId(state.next);
        let fault = Arc::new(Fault {
            id,
            ends,
            kind: fault,
            seeds: seeds.clone(),
            counters: Counters::default(),
            lines: Mutex::default(),
            met: Mutex::default(),
        });
        for name in fault.ends.first.union(&fault.ends.second) {
            state.by_name.entry(name.clone()).or_default().push(fault.clone());
        }
        state.on.insert(id.0, fault);
        self.change(state);
        id
    }

    /// What a fault did so far.
    #[must_use]
    pub fn proof(&self, id: FaultId) -> LinkCounters {
        let state = lock(&self.0.state);
        let lifted = || state.lifted.get(&id.0).copied().unwrap_or_default();
        state.on.get(&id.0).map_or_else(lifted, |fault| fault.counters())
    }

    /// Lifts a fault, and says what it did. What it held arrives when its sender tries again. A second time does nothing.
    pub fn lift(&self, id: FaultId) -> LinkCounters {
        if let Some(state) = self.take_off(id) {
            self.change(state);
        }
        self.proof(id)
    }

    fn take_off(&self, id: FaultId) -> Option<MutexGuard<'_, State>> {
        let mut state = lock(&self.0.state);
        let fault = state.on.remove(&id.0)?;
        for name in fault.ends.first.union(&fault.ends.second) {
            if let Some(list) = state.by_name.get_mut(name) {
                list.retain(|it| it.id != id);
                if list.is_empty() {
                    state.by_name.remove(name);
                }
            }
        }
        state.lifted.insert(id.0, fault.counters());
        Some(state)
    }

    /// Resets each open connection between two sides once: both ends read an error, what was under way is lost.
    pub fn reset(&self, ends: &Ends) -> LinkCounters {
        let mut state = lock(&self.0.state);
        let mut counters = LinkCounters::default();
        for open in state.open.iter_mut().flatten().filter(|open| ends.lie(&open.from, &open.to).is_some()) {
            counters.connections += u64::from(open.sever.tear());
        }
        counters
    }

    /// How many connections are open between two sides.
    #[must_use]
    pub fn open(&self, ends: &Ends) -> usize {
        let state = lock(&self.0.state);
        state.open.iter().flatten().filter(|open| ends.lie(&open.from, &open.to).is_some()).count()
    }

    fn change(&self, state: MutexGuard<'_, State>) {
        drop(state);
        self.0.generation.fetch_add(1, Ordering::Release);
        self.0.changes.notify_waiters();
    }

    /// How often anything changed.
    pub(crate) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Waits until faults were put or lifted since there had been `seen` such changes; how many there were by then.
    pub(crate) async fn changed(&self, seen: u64) -> u64 {
        loop {
            // Whoever asks for a notice before it looks misses none.
            let notice = self.0.changes.notified();
            let now = self.generation();
            if now != seen {
                return now;
            }
            notice.await;
        }
    }

    /// The faults that are on between two names, in the order in which they were put.
    pub(crate) fn faults(&self, from: &Name, to: &Name) -> Vec<Arc<Fault>> {
        let state = lock(&self.0.state);
        let known = state.by_name.get(from).map_or(&[][..], Vec::as_slice);
        known.iter().filter(|fault| fault.ends.lie(from, to).is_some()).cloned().collect()
    }

    /// Waits as long as the handshake of a connection takes longer than without faults.
    ///
    /// # Errors
    /// `TimedOut` when nothing gets through for 127 s.
    pub(crate) async fn dial(&self, from: &Name, to: &Name) -> io::Result<()> {
        let began = Instant::now();
        let mut refused = BTreeSet::new();
        let faults = loop {
            let faults = self.faults(from, to);
            let cut: Vec<_> = faults
                .iter()
                .filter(|fault| [Way::Out, Way::Back].into_iter().any(|way| fault.cuts(from, to, way)))
                .collect();
            if cut.is_empty() {
                break faults;
            }
            for fault in cut.into_iter().filter(|fault| refused.insert(fault.id)) {
                fault.acted();
                fault.counters.refused.fetch_add(1, Ordering::Relaxed);
            }
            let next = next_try(began.elapsed() + Duration::from_micros(1), REDIAL);
            if next > GIVE_UP {
                tokio::time::sleep_until(began + GIVE_UP).await;
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("`{to}` cannot be reached")));
            }
            tokio::time::sleep_until(began + next).await;
        };
        let mut delay = Duration::ZERO;
        for fault in faults {
            if let LinkFault::Slow(slow) = &fault.kind {
                for mut draws in fault.draws(from, to) {
                    delay = delay.saturating_add(slow.delay(&mut draws, REDIAL));
                }
            }
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        Ok(())
    }

    /// Takes note of a connection until what it gives back is dropped.
    pub(crate) fn note(&self, from: Name, to: Name, sever: Sever) -> Noted {
        let open = Some(Open { from: from.clone(), to: to.clone(), sever });
        let mut state = lock(&self.0.state);
        let slot = match state.free.pop() {
            Some(slot) => {
                state.open[slot] = open;
                slot
            }
            None => {
                state.open.push(open);
                state.open.len() - 1
            }
        };
        drop(state);
        Noted { links: self.clone(), slot, from, to }
    }
}

/// An open connection, as the links know it.
#[derive(Debug)]
pub(crate) struct Noted {
    pub(crate) links: Links,
    slot: usize,
    pub(crate) from: Name,
    pub(crate) to: Name,
}

impl Noted {
    /// Who sends, and who receives, what goes this way.
    pub(crate) fn ends(&self, way: Way) -> (&Name, &Name) {
        match way {
            Way::Out => (&self.from, &self.to),
            Way::Back => (&self.to, &self.from),
        }
    }

    /// Whether any of `faults` lets nothing through this way, and whether any does so the other way.
    pub(crate) fn is_cut<'f>(&self, faults: impl Iterator<Item = &'f Arc<Fault>> + Clone, way: Way) -> (bool, bool) {
        let cut = |way| faults.clone().any(|fault| fault.cuts(&self.from, &self.to, way));
        (cut(way), cut(way.opposite()))
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        let mut state = lock(&self.links.0.state);
        let open = state.open.get_mut(self.slot).and_then(Option::take);
        state.free.push(self.slot);
        drop(state);
        drop(open);
    }
}
