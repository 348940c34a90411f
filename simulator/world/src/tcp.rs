//! The network on loopback sockets: names stand for addresses that the system chose.

use crate::net::{Incoming, Name, Stream};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

#[derive(Debug, Default)]
pub(crate) struct Tcp(Mutex<BTreeMap<String, SocketAddr>>);

impl Tcp {
    pub(crate) async fn listen(&self, name: &str, at: SocketAddr) -> io::Result<Incoming> {
        let listener = TcpListener::bind(at).await?;
        let address = listener.local_addr()?;
        self.know(name, address);
        let (arrivals, incoming) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    () = arrivals.closed() => return,
                    accepted = listener.accept() => match accepted {
                        Ok((stream, from)) => {
                            let _kept_alive_without = stream.set_nodelay(true);
                            let arrival: (Stream, Name) = (Box::new(stream), from.to_string().into());
                            if arrivals.send(arrival).is_err() {
                                return;
                            }
                        }
                        // Out of descriptors, or the peer was gone before it was accepted: the
                        // listener lives on, after a breath so that this loop cannot spin.
                        Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
                    },
                }
            }
        });
        Ok(incoming)
    }

    /// A name stands for this address from now on.
    pub(crate) fn know(&self, name: &str, at: SocketAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), at);
    }

    pub(crate) async fn connect(&self, to: &str) -> io::Result<(Socket, Tear)> {
        let address = self
            .address(to)
            .ok_or_else(|| io::Error::new(io::ErrorKind::ConnectionRefused, format!("nobody listens at `{to}`")))?;
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream = Arc::new(stream);
        let tear = Tear(Arc::downgrade(&stream));
        Ok((Socket(stream), tear))
    }

    pub(crate) fn address(&self, name: &str) -> Option<SocketAddr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }
}

/// The dialled end of a connection. Whoever tears it needs it too.
pub(crate) struct Socket(Arc<TcpStream>);

/// What tears a connection.
#[derive(Debug)]
pub(crate) struct Tear(Weak<TcpStream>);

impl Tear {
    /// Resets it: the system tells both ends. `false`: it had ended before.
    pub(crate) fn tear(&self) -> bool {
        self.0.upgrade().is_some_and(|stream| rustix::net::connect_unspec(&*stream).is_ok())
    }
}

/// A connection that was reset here reads as reset, not as one that was never made.
fn reset(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::NotConnected { io::ErrorKind::ConnectionReset.into() } else { error }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx)).map_err(reset)?;
            match self.0.try_read(buf.initialize_unfilled()) {
                Ok(read) => {
                    buf.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(reset(error))),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx)).map_err(reset)?;
            match self.0.try_write(data) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written.map_err(reset)),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match rustix::net::shutdown(&*self.0, rustix::net::Shutdown::Write) {
            Ok(()) | Err(rustix::io::Errno::NOTCONN) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}
