//! One network, two ways: in-memory pipes with latency, or TCP on loopback. Callers cannot tell.

use crate::memory::Memory;
use crate::tcp::Tcp;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

/// The name of an end: a device, a user, the platform. Names are addresses; nothing here knows ports.
pub type Name = Arc<str>;

/// What a connection is made of.
pub trait Io: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Io for T {}

/// One end of a connection.
pub type Stream = Box<dyn Io>;

/// The connections that arrive at a name, each with the name of who dialled (on TCP: its address).
pub type Incoming = mpsc::UnboundedReceiver<(Stream, Name)>;

/// The run's network. Clones are the same network.
#[derive(Clone, Debug)]
pub struct Network(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Memory(Arc<Memory>),
    Tcp(Arc<Tcp>),
}

impl Network {
    /// Pipes in memory, each way 1 ms long, for runs in virtual time.
    #[must_use]
    pub fn memory() -> Self {
        Self(Kind::Memory(Arc::default()))
    }

    /// TCP on 127.0.0.1, ports chosen by the system.
    #[must_use]
    pub fn tcp() -> Self {
        Self(Kind::Tcp(Arc::default()))
    }

    /// Listens at `name`. Dropping the receiver ends it: later dials are refused.
    ///
    /// # Errors
    /// `AddrInUse` when somebody listens there already; what the system says on TCP.
    pub async fn listen(&self, name: &str) -> io::Result<Incoming> {
        match &self.0 {
            Kind::Memory(memory) => memory.listen(name),
            Kind::Tcp(tcp) => tcp.listen(name, SocketAddr::from(([127, 0, 0, 1], 0))).await,
        }
    }

    /// Listens at `name` on a socket address of the caller's choice (`serve --listen`).
    ///
    /// # Errors
    /// As [`listen`](Self::listen); `Unsupported` in memory, which has no sockets.
    pub async fn listen_at(&self, name: &str, at: SocketAddr) -> io::Result<Incoming> {
        match &self.0 {
            Kind::Memory(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "the in-memory network has no sockets")),
            Kind::Tcp(tcp) => tcp.listen(name, at).await,
        }
    }

    /// Dials `to` as `from`.
    ///
    /// # Errors
    /// `ConnectionRefused` when nobody listens there; what the system says on TCP.
    pub async fn connect(&self, from: &str, to: &str) -> io::Result<Stream> {
        match &self.0 {
            Kind::Memory(memory) => memory.connect(from, to).await,
            Kind::Tcp(tcp) => tcp.connect(to).await,
        }
    }

    /// The socket address behind a name, on TCP while somebody listens there.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<SocketAddr> {
        match &self.0 {
            Kind::Memory(_) => None,
            Kind::Tcp(tcp) => tcp.address(name),
        }
    }
}
