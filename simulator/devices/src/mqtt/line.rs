//! A connection of a thing: packets in and out of a stream. While nothing is under way it holds no buffer.

use super::tapped;
use crate::tap::{CUT, Tap};
use bytes::{Buf, BytesMut};
use fleetproof_wire::mqtt::Codec;
use fleetproof_wire::mqtt::packet::{Ack, Packet, Version};
use fleetproof_world::{Name, Stream};
use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of the largest packet that a device takes: a payload of 128 KB and its topic.
const LARGEST: u32 = 256 * 1024;

/// Bytes that are read at once, on the stack.
const SCRATCH: usize = 2_048;

pub(crate) struct Line {
    /// Whom it leads to.
    pub endpoint: Name,
    stream: Stream,
    codec: Codec,
    /// Bytes of a packet that is not here whole.
    inbox: BytesMut,
    /// Bytes that are not written yet.
    outbox: BytesMut,
    needs_flush: bool,
    tap: Option<Arc<Tap>>,
    /// It ends once what is written down has gone out: the network takes nothing after that.
    is_cut: bool,
}

impl Line {
    pub fn new(stream: Stream, endpoint: Name, version: Version, tap: Option<Arc<Tap>>) -> Self {
        let (codec, inbox, outbox) = (Codec::client(version, LARGEST), BytesMut::new(), BytesMut::new());
        Self { endpoint, stream, codec, inbox, outbox, needs_flush: false, tap, is_cut: false }
    }

    /// The server takes no packet of more than so many bytes.
    pub const fn limit(&mut self, bytes: u32) {
        self.codec.set_peer_limit(bytes);
    }

    /// The next packet. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Packet, String> {
        let packet = poll_fn(|cx| self.poll_next(cx)).await?;
        match &self.tap {
            Some(tap) if self.is_cut || !tapped::passes(tap, &packet, false) => Err(CUT.to_owned()),
            _ => Ok(packet),
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Packet, String>> {
        loop {
            if !self.inbox.is_empty() {
                let decoded = self.codec.decode(&mut self.inbox).map_err(|fault| fault.to_string())?;
                if self.inbox.is_empty() {
                    self.inbox = BytesMut::new();
                }
                if let Some(packet) = decoded {
                    return Poll::Ready(Ok(packet));
                }
            }
            let mut scratch = [const { MaybeUninit::<u8>::uninit() }; SCRATCH];
            let mut read = ReadBuf::uninit(&mut scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read)) {
                Err(error) => return Poll::Ready(Err(error.to_string())),
                Ok(()) if read.filled().is_empty() => return Poll::Ready(Err("the server hung up".into())),
                // What comes most often takes no memory: PUBACK in its short form.
                Ok(()) => match *read.filled() {
                    [0x40, 2, high, low] if self.inbox.is_empty() && (high, low) != (0, 0) => {
                        return Poll::Ready(Ok(Packet::PubAck(Ack::of(u16::from_be_bytes([high, low])))));
                    }
                    ref bytes => self.inbox.extend_from_slice(bytes),
                },
            }
        }
    }

    /// Writes a packet down. It goes out with [`flush`](Self::flush).
    pub fn push(&mut self, packet: &Packet) -> Result<(), String> {
        if let Some(tap) = &self.tap {
            self.is_cut |= !tapped::passes(tap, packet, true);
            if self.is_cut {
                return Ok(());
            }
        }
        self.codec.encode(packet, &mut self.outbox).map(drop).map_err(|fault| fault.to_string())
    }

    /// Whether anything is written down that has not gone out.
    pub fn is_full(&self) -> bool {
        self.needs_flush || self.is_cut || !self.outbox.is_empty()
    }

    /// Sends what is written down. When the future is dropped the rest goes out with the next flush.
    pub async fn flush(&mut self) -> Result<(), String> {
        poll_fn(|cx| self.poll_flush(cx)).await.map_err(|error| error.to_string())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        while !self.outbox.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.outbox))? {
                0 => return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
                written => self.outbox.advance(written),
            }
            self.needs_flush = true;
        }
        self.outbox = BytesMut::new();
        if self.needs_flush {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.needs_flush = false;
        }
        if self.is_cut {
            return Poll::Ready(Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, CUT)));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetproof_wire::mqtt::packet::{Publish, Qos};
    use fleetproof_world::{Runtime, World};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn packets_come_whole_however_they_are_cut_and_leave_no_buffer() {
        Runtime::virtual_time().unwrap().block_on(async {
            let world = World::simulated(1);
            let mut incoming = world.net.listen("server").await.unwrap();
            let mut line =
                Line::new(world.net.connect("device", "server").await.unwrap(), "server".into(), Version::V311, None);
            let (mut server, _) = incoming.recv().await.unwrap();
            let mut packets = vec![Packet::PubAck(Ack::of(7)), Packet::PingResp];
            packets.push(Packet::Publish(Publish::new("t", vec![1; 5_000], Qos::AtMostOnce)));
            packets.push(Packet::PubAck(Ack::of(8)));
            let mut bytes = BytesMut::new();
            for packet in &packets {
                Codec::server(LARGEST).encode(packet, &mut bytes).unwrap();
            }
            for cut in [1, 3, 4, 700, bytes.len()] {
                for piece in bytes.chunks(cut) {
                    server.write_all(piece).await.unwrap();
                }
                for packet in &packets {
                    assert_eq!(line.next().await.as_ref(), Ok(packet), "cut by {cut}");
                }
                assert_eq!(line.inbox.capacity(), 0);
            }
            line.push(&Packet::PingReq).unwrap();
            line.flush().await.unwrap();
            assert_eq!(line.outbox.capacity(), 0);
            let mut ping = [0; 2];
            server.read_exact(&mut ping).await.unwrap();
            assert_eq!(ping, [0xC0, 0]);
            drop(server);
            assert_eq!(line.next().await, Err("the server hung up".into()));
        });
    }
}
