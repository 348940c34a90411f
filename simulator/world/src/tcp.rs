//! The network on loopback sockets: names stand for addresses that the system chose.

use crate::net::{Incoming, Name, Stream};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

#[derive(Debug, Default)]
pub(crate) struct Tcp(Mutex<BTreeMap<String, SocketAddr>>);

impl Tcp {
    pub(crate) async fn listen(&self, name: &str, at: SocketAddr) -> io::Result<Incoming> {
        let listener = TcpListener::bind(at).await?;
        let address = listener.local_addr()?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), address);
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

    pub(crate) async fn connect(&self, to: &str) -> io::Result<Stream> {
        let address = self
            .address(to)
            .ok_or_else(|| io::Error::new(io::ErrorKind::ConnectionRefused, format!("nobody listens at `{to}`")))?;
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    pub(crate) fn address(&self, name: &str) -> Option<SocketAddr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }
}
