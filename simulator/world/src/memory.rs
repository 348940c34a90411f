//! The network in memory: pipes that deliver in order, 1 ms after they were written, under any clock.

use crate::net::{Incoming, Name, Stream};
use bytes::{Buf, Bytes};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};

/// How many bytes a pipe holds before its writer must wait, as a TCP window would.
const WINDOW: usize = 64 * 1024;

/// How long a byte travels one way.
const LATENCY: Duration = Duration::from_millis(1);

#[derive(Debug, Default)]
pub(crate) struct Memory {
    listeners: Mutex<BTreeMap<Name, mpsc::UnboundedSender<(Stream, Name)>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    pub(crate) fn listen(&self, name: &str) -> io::Result<Incoming> {
        let mut listeners = lock(&self.listeners);
        if listeners.get(name).is_some_and(|sender| !sender.is_closed()) {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, format!("somebody listens at `{name}` already")));
        }
        let (sender, incoming) = mpsc::unbounded_channel();
        listeners.insert(name.into(), sender);
        Ok(incoming)
    }

    /// The dialled end, what tears the connection, and the two names.
    pub(crate) async fn connect(&self, from: &str, to: &str) -> io::Result<(End, Tear, Name, Name)> {
        tokio::time::sleep(LATENCY).await; // SYN
        let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, format!("nobody listens at `{to}`"));
        let from = Name::from(from);
        let (ours, tear, to) = {
            let (up, down) = (Arc::<Pipe>::default(), Arc::<Pipe>::default());
            let theirs = Box::new(End { reads: up.clone(), writes: down.clone(), timer: None });
            let listeners = lock(&self.listeners);
            let (to, listener) = listeners.get_key_value(to).ok_or_else(refused)?;
            listener.send((theirs, from.clone())).map_err(|_| refused())?;
            let tear = Tear([Arc::downgrade(&up), Arc::downgrade(&down)]);
            (End { reads: down, writes: up, timer: None }, tear, to.clone())
        };
        tokio::time::sleep(LATENCY).await; // SYN, ACK
        Ok((ours, tear, from, to))
    }
}

#[derive(Default)]
struct Pipe(Mutex<State>);

/// Both pipes of a connection, for whoever tears it.
#[derive(Debug)]
pub(crate) struct Tear([Weak<Pipe>; 2]);

impl Tear {
    /// Both ends read and write an error from now on, and what was under way is lost. `false`: it had ended before.
    pub(crate) fn tear(&self) -> bool {
        let mut torn = false;
        for pipe in self.0.iter().filter_map(Weak::upgrade) {
            let mut pipe = lock(&pipe.0);
            torn |= !(pipe.torn || pipe.finished && pipe.deaf);
            pipe.torn = true;
            pipe.queue.clear();
            pipe.buffered = 0;
            let wakers = [pipe.reader.take(), pipe.writer.take()];
            drop(pipe);
            wakers.into_iter().flatten().for_each(Waker::wake);
        }
        torn
    }
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Instant, Bytes)>,
    buffered: usize,
    /// The writer has no more to say: readers see the end once the queue is empty.
    finished: bool,
    /// The reader is gone: writers are told so.
    deaf: bool,
    /// The connection was reset.
    torn: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// One end of a connection: reads one pipe, writes the other.
pub(crate) struct End {
    reads: Arc<Pipe>,
    writes: Arc<Pipe>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Drop for End {
    fn drop(&mut self) {
        let wake = |waker: Option<Waker>| waker.into_iter().for_each(Waker::wake);
        let mut outgoing = lock(&self.writes.0);
        outgoing.finished = true;
        wake(outgoing.reader.take());
        drop(outgoing);
        let mut incoming = lock(&self.reads.0);
        incoming.deaf = true;
        incoming.queue.clear();
        wake(incoming.writer.take());
    }
}

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        loop {
            let mut pipe = lock(&me.reads.0);
            if pipe.torn {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            let now = Instant::now();
            let mut got = false;
            while buf.remaining() > 0 {
                let Some((_, bytes)) = pipe.queue.front_mut().filter(|(due, _)| *due <= now) else { break };
                let n = bytes.len().min(buf.remaining());
                buf.put_slice(&bytes[..n]);
                bytes.advance(n);
                if bytes.is_empty() {
                    pipe.queue.pop_front();
                }
                pipe.buffered -= n;
                got = true;
            }
            if got {
                if let Some(writer) = pipe.writer.take() {
                    writer.wake();
                }
                return Poll::Ready(Ok(()));
            }
            if pipe.queue.is_empty() && pipe.finished {
                return Poll::Ready(Ok(()));
            }
            match &mut pipe.reader {
                Some(waker) if waker.will_wake(cx.waker()) => {}
                slot => *slot = Some(cx.waker().clone()),
            }
            let Some(due) = pipe.queue.front().map(|(due, _)| *due) else { return Poll::Pending };
            drop(pipe);
            let timer = me.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut pipe = lock(&self.writes.0);
        if pipe.torn {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if pipe.deaf || pipe.finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let n = data.len().min(WINDOW - pipe.buffered);
        if n == 0 && !data.is_empty() {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        pipe.queue.push_back((Instant::now() + LATENCY, Bytes::copy_from_slice(&data[..n])));
        pipe.buffered += n;
        if let Some(reader) = pipe.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = lock(&self.writes.0);
        pipe.finished = true;
        if let Some(reader) = pipe.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl std::fmt::Debug for Pipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pipe")
    }
}
