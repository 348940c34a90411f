//! The dialled end of a connection: straight onto the wire until a fault concerns it, carried from then on.

use crate::carrier::{self, Carried};
use crate::links::Noted;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that faults can reach.
pub(crate) struct Linked<S> {
    way: Road<S>,
    /// The state of the links that this end has seen.
    seen: u64,
}

enum Road<S> {
    Straight(S, Noted),
    Carried(Carried),
    /// Between the two.
    Nowhere,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Linked<S> {
    /// `seen`: the state of the links when nothing stood in the way of the dial; 0 when that is not known.
    pub(crate) const fn new(stream: S, noted: Noted, seen: u64) -> Self {
        Self { way: Road::Straight(stream, noted), seen }
    }

    /// Looks whether the links have changed. When a fault concerns this connection, a task takes it over.
    #[inline]
    fn look(&mut self) {
        if let Road::Straight(_, noted) = &self.way
            && noted.links.generation() != self.seen
        {
            self.changed();
        }
    }

    #[cold]
    fn changed(&mut self) {
        let Road::Straight(_, noted) = &self.way else { return };
        self.seen = noted.links.generation();
        if noted.links.faults(&noted.from, &noted.to).is_empty() {
            return;
        }
        if let Road::Straight(stream, noted) = std::mem::replace(&mut self.way, Road::Nowhere) {
            self.way = Road::Carried(carrier::carry(stream, noted));
        }
    }
}

fn nowhere<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> AsyncRead for Linked<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.look();
        match &mut self.way {
            Road::Straight(stream, _) => Pin::new(stream).poll_read(cx, buf),
            Road::Carried(carried) => carried.poll_read(cx, buf),
            Road::Nowhere => nowhere(),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> AsyncWrite for Linked<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.look();
        match &mut self.way {
            Road::Straight(stream, _) => Pin::new(stream).poll_write(cx, data),
            Road::Carried(carried) => carried.poll_write(cx, data),
            Road::Nowhere => nowhere(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.way {
            Road::Straight(stream, _) => Pin::new(stream).poll_flush(cx),
            Road::Carried(_) => Poll::Ready(Ok(())),
            Road::Nowhere => nowhere(),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.look();
        match &mut self.way {
            Road::Straight(stream, _) => Pin::new(stream).poll_shutdown(cx),
            Road::Carried(carried) => carried.poll_shutdown(cx),
            Road::Nowhere => nowhere(),
        }
    }
}
