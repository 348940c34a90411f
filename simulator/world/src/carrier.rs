//! A connection on a link that is not well: a task stands in for the network between its two ends.
//!
//! What an end writes is taken at once, as by a kernel, and arrives when the link lets it; also when the end was dropped
//! meanwhile. A request whose sender has given up is still carried out on the other side: that is what real networks do.

use crate::RandomStream;
use crate::links::{Fault, FaultId, LinkFault, Noted, Way};
use crate::pace::{RETRANSMIT, SEGMENT, next_try};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How many bytes are under way in one direction before a writer must wait, as a TCP window would.
const WINDOW: usize = 64 * 1024;

/// How many bytes are taken from a writer at once.
const GULP: usize = 8 * 1024;

/// What the owner of a carried connection holds of it.
pub(crate) struct Carried {
    near: DuplexStream,
    /// The other end is gone in another way than by closing.
    broken: Arc<AtomicBool>,
    /// Dropped with this end.
    _here: oneshot::Sender<()>,
}

impl Carried {
    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let had_room = buf.remaining() > 0;
        ready!(Pin::new(&mut self.near).poll_read(cx, buf))?;
        if had_room && buf.filled().len() == before && self.is_broken() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.near).poll_write(cx, data));
        let is_broken = self.is_broken();
        Poll::Ready(written.map_err(|error| if is_broken { io::ErrorKind::ConnectionReset.into() } else { error }))
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.near).poll_shutdown(cx)
    }
}

/// Takes a connection over.
pub(crate) fn carry<S>(far: S, noted: Noted) -> Carried
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (near, inner) = tokio::io::duplex(GULP);
    let (here, left) = oneshot::channel::<()>();
    let broken = Arc::<AtomicBool>::default();
    let flag = broken.clone();
    tokio::spawn(async move {
        let ((mut near_read, mut near_write), (mut far_read, mut far_write)) =
            (tokio::io::split(inner), tokio::io::split(far));
        let met = Met::default();
        let out = Journey::new(&noted, &met, Way::Out).carry(&mut near_read, &mut far_write);
        // Nobody reads any more what comes back once the owner is gone; what was sent still arrives.
        let back = async {
            tokio::select! {
                biased;
                _gone = left => Ok(()),
                ended = Journey::new(&noted, &met, Way::Back).carry(&mut far_read, &mut near_write) => ended,
            }
        };
        if let Err(Lost) = tokio::try_join!(out, back) {
            flag.store(true, Ordering::Release);
        }
    });
    Carried { near, broken, _here: here }
}

/// The connection is gone in another way than by closing.
struct Lost;

impl From<io::Error> for Lost {
    fn from(_: io::Error) -> Self {
        Self
    }
}

/// What both directions of a connection know of its faults.
#[derive(Default)]
struct Met {
    /// What is still to be taken of what is drawn for this connection.
    draws: Mutex<BTreeMap<FaultId, [Option<RandomStream>; 2]>>,
    acted: Mutex<BTreeSet<FaultId>>,
}

impl Met {
    fn draws(&self, fault: &Fault, noted: &Noted, way: Way) -> Option<RandomStream> {
        let mut draws = self.draws.lock().unwrap_or_else(PoisonError::into_inner);
        let both = draws.entry(fault.id).or_insert_with(|| fault.draws(&noted.from, &noted.to).map(Some));
        match way {
            Way::Out => both[0].take(),
            Way::Back => both[1].take(),
        }
    }

    /// A fault counts a connection once.
    fn acted(&self, fault: &Fault) {
        if self.acted.lock().unwrap_or_else(PoisonError::into_inner).insert(fault.id) {
            fault.acted();
        }
    }
}

/// A fault, as one direction of a connection goes through it.
struct Leg {
    fault: Arc<Fault>,
    draws: Option<RandomStream>,
}

/// Bytes on their way; none: the sender has closed.
struct Piece {
    due: Instant,
    bytes: Bytes,
    held: bool,
}

/// One direction of a connection.
struct Journey<'a> {
    noted: &'a Noted,
    met: &'a Met,
    way: Way,
    legs: BTreeMap<FaultId, Leg>,
    queue: VecDeque<Piece>,
    under_way: usize,
    /// When the piece before arrives: a stream stays in order.
    last: Instant,
    is_cut: bool,
    is_opposite_cut: bool,
    /// What arrived since nobody can acknowledge it.
    unheard: usize,
    /// Since when something is held.
    held_since: Option<Instant>,
    /// When a sender that was held tries again.
    not_before: Instant,
}

impl Drop for Journey<'_> {
    fn drop(&mut self) {
        let unsent = self.queue.iter().map(|piece| piece.bytes.len()).sum();
        let (sender, receiver) = self.noted.ends(self.way);
        for leg in self.legs.values() {
            if let LinkFault::Slow(slow) = &leg.fault.kind {
                leg.fault.release(sender, receiver, slow.occupies(unsent));
            }
        }
    }
}

impl<'a> Journey<'a> {
    fn new(noted: &'a Noted, met: &'a Met, way: Way) -> Self {
        let now = Instant::now();
        Self {
            noted,
            met,
            way,
            legs: BTreeMap::new(),
            queue: VecDeque::new(),
            under_way: 0,
            last: now,
            is_cut: false,
            is_opposite_cut: false,
            unheard: 0,
            held_since: None,
            not_before: now,
        }
    }

    async fn carry(
        mut self,
        source: &mut (impl AsyncRead + Unpin),
        sink: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), Lost> {
        let mut seen = self.noted.links.generation();
        self.learn();
        let mut gulp = vec![0; GULP];
        let mut has_ended = false;
        loop {
            let next = self.next();
            let deliver = async {
                match next {
                    Some((due, bytes)) => {
                        tokio::time::sleep_until(due).await;
                        if bytes.is_empty() { sink.shutdown().await.map(|()| 0) } else { sink.write(&bytes).await }
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                now = self.noted.links.changed(seen) => {
                    seen = now;
                    self.learn();
                }
                read = source.read(&mut gulp), if !has_ended && self.under_way < WINDOW => {
                    let read = read?;
                    has_ended = read == 0;
                    self.take(&gulp[..read]);
                }
                written = deliver => {
                    if self.arrived(written?) {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// What the faults are now.
    fn learn(&mut self) {
        let faults = self.noted.links.faults(&self.noted.from, &self.noted.to);
        self.legs.retain(|id, _| faults.iter().any(|fault| fault.id == *id));
        for fault in faults {
            let (noted, met, way) = (self.noted, self.met, self.way);
            self.legs.entry(fault.id).or_insert_with(|| Leg { draws: met.draws(&fault, noted, way), fault });
        }
        let was_stuck = self.is_stuck();
        (self.is_cut, self.is_opposite_cut) = self.noted.is_cut(self.legs.values().map(|leg| &leg.fault), self.way);
        if !self.is_opposite_cut {
            self.unheard = 0;
        }
        self.hold();
        if was_stuck
            && !self.is_stuck()
            && let Some(since) = self.held_since.take()
        {
            self.not_before = since + next_try(since.elapsed(), RETRANSMIT);
            self.queue.iter_mut().for_each(|piece| piece.held = false);
        }
    }

    /// Whether nothing of this direction arrives.
    const fn is_stuck(&self) -> bool {
        self.is_cut || (self.is_opposite_cut && self.unheard >= WINDOW)
    }

    /// Takes note of what is held, if anything is.
    fn hold(&mut self) {
        if !self.is_stuck() {
            return;
        }
        for piece in self.queue.iter_mut().filter(|piece| !piece.held) {
            piece.held = true;
            self.held_since.get_or_insert_with(Instant::now);
            let (noted, way) = (self.noted, self.way);
            let cuts = |way| {
                let faults = self.legs.values().map(|leg| &leg.fault);
                faults.filter(move |fault| fault.cuts(&noted.from, &noted.to, way))
            };
            for fault in cuts(way).chain(cuts(way.opposite()).filter(|_| !self.is_cut)) {
                fault.held(piece.bytes.len());
                self.met.acted(fault);
            }
        }
    }

    /// Something was sent; nothing stands for the end.
    fn take(&mut self, bytes: &[u8]) {
        let is_slow = self.legs.values().any(|leg| matches!(leg.fault.kind, LinkFault::Slow(_)));
        let at_once = if is_slow { SEGMENT } else { GULP };
        let bytes = Bytes::copy_from_slice(bytes);
        let mut from = 0;
        loop {
            let segment = bytes.slice(from..bytes.len().min(from + at_once));
            from += segment.len();
            self.send(segment);
            if from >= bytes.len() {
                break;
            }
        }
        self.hold();
    }

    fn send(&mut self, bytes: Bytes) {
        let now = Instant::now();
        let (sender, receiver) = self.noted.ends(self.way);
        let mut due = now;
        for leg in self.legs.values_mut() {
            let (LinkFault::Slow(slow), Some(draws)) = (&leg.fault.kind, &mut leg.draws) else { continue };
            let before = due;
            due = leg.fault.occupy(sender, receiver, due, slow.occupies(bytes.len())) + slow.delay(draws, RETRANSMIT);
            if due > before && !bytes.is_empty() {
                leg.fault.delayed(bytes.len());
                self.met.acted(&leg.fault);
            }
        }
        self.last = self.last.max(due);
        self.under_way += bytes.len();
        self.queue.push_back(Piece { due: self.last, bytes, held: false });
    }

    /// The next piece that may arrive, and when.
    fn next(&self) -> Option<(Instant, Bytes)> {
        let front = self.queue.front().filter(|_| !self.is_stuck())?;
        Some((front.due.max(self.not_before), front.bytes.clone()))
    }

    /// So much of the first piece has arrived; whether it was the end.
    fn arrived(&mut self, written: usize) -> bool {
        let Some(front) = self.queue.front_mut() else { return false };
        if front.bytes.is_empty() {
            return true;
        }
        let _arrived = front.bytes.split_to(written.min(front.bytes.len()));
        if front.bytes.is_empty() {
            self.queue.pop_front();
        }
        self.under_way -= written;
        if self.is_opposite_cut {
            self.unheard += written;
            self.hold();
        }
        false
    }
}
