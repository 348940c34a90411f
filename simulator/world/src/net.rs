//! One network, two ways: in-memory pipes with latency, or TCP on loopback. Callers cannot tell.

use crate::linked::Linked;
use crate::links::{Links, Sever};
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
pub struct Network {
    kind: Kind,
    links: Links,
}

#[derive(Clone, Debug)]
enum Kind {
    Memory(Arc<Memory>),
    Tcp(Arc<Tcp>),
}

impl Network {
    /// Pipes in memory, each way 1 ms long, for runs in virtual time.
    #[must_use]
    pub fn memory() -> Self {
        Self { kind: Kind::Memory(Arc::default()), links: Links::default() }
    }

    /// Whether it is pipes in memory: then time is virtual, and waiting costs nothing.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        matches!(self.kind, Kind::Memory(_))
    }

    /// TCP on 127.0.0.1, ports chosen by the system.
    #[must_use]
    pub fn tcp() -> Self {
        Self { kind: Kind::Tcp(Arc::default()), links: Links::default() }
    }

    /// What can be wrong between those who dial and those who listen.
    #[must_use]
    pub const fn links(&self) -> &Links {
        &self.links
    }

    /// Listens at `name`. Dropping the receiver ends it: later dials are refused.
    ///
    /// # Errors
    /// `AddrInUse` when somebody listens there already; what the system says on TCP.
    pub async fn listen(&self, name: &str) -> io::Result<Incoming> {
        match &self.kind {
            Kind::Memory(memory) => memory.listen(name),
            Kind::Tcp(tcp) => tcp.listen(name, SocketAddr::from(([127, 0, 0, 1], 0))).await,
        }
    }

    /// Listens at `name` on a socket address of the caller's choice (`serve --listen`).
    ///
    /// # Errors
    /// As [`listen`](Self::listen); `Unsupported` in memory, which has no sockets.
    pub async fn listen_at(&self, name: &str, at: SocketAddr) -> io::Result<Incoming> {
        match &self.kind {
            Kind::Memory(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "the in-memory network has no sockets")),
            Kind::Tcp(tcp) => tcp.listen(name, at).await,
        }
    }

    /// Whoever dials `name` from now on dials `at`, a host and a port outside of this process.
    ///
    /// # Errors
    /// What the system says of the host; `NotFound` when it has no address; `Unsupported` in memory, which has no outside.
    pub async fn know(&self, name: &str, at: &str) -> io::Result<SocketAddr> {
        let Kind::Tcp(tcp) = &self.kind else {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the in-memory network has no outside"));
        };
        let address = tokio::net::lookup_host(at).await?.next();
        let address =
            address.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("`{at}` has no address")))?;
        tcp.know(name, address);
        Ok(address)
    }

    /// Dials `to` as `from`.
    ///
    /// # Errors
    /// `ConnectionRefused` when nobody listens there; `TimedOut` when the link between the two is cut for too long; what
    /// the system says on TCP.
    pub async fn connect(&self, from: &str, to: &str) -> io::Result<Stream> {
        let seen = self.links.generation();
        let mut is_sound = seen == 0;
        if !is_sound {
            let (from, to) = (from.into(), to.into());
            is_sound = self.links.faults(&from, &to).is_empty();
            self.links.dial(&from, &to).await?;
        }
        let seen = if is_sound { seen } else { 0 };
        Ok(match &self.kind {
            Kind::Memory(memory) => {
                let (stream, tear, from, to) = memory.connect(from, to).await?;
                Box::new(Linked::new(stream, self.links.note(from, to, Sever::Memory(tear)), seen))
            }
            Kind::Tcp(tcp) => {
                let (stream, tear) = tcp.connect(to).await?;
                let noted = self.links.note(from.into(), to.into(), Sever::Tcp(tear));
                Box::new(Linked::new(stream, noted, seen))
            }
        })
    }

    /// The socket address behind a name, on TCP while somebody listens there.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<SocketAddr> {
        match &self.kind {
            Kind::Memory(_) => None,
            Kind::Tcp(tcp) => tcp.address(name),
        }
    }
}
