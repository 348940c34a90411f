//! Packets out of a stream of bytes and into one, for both versions and both sides.
//!
//! The frames are read and written here and not by `rumqttc`'s `mqttbytes`, which is the second opinion in the tests. What it
//! (0.25.1) has wrong or cannot carry:
//!
//! * CONNECT of both versions: an empty user name or password is taken for none, a password that is not UTF-8 is refused;
//! * CONNACK of 3.1.1: no return code but 0 to 5, so not AWS's 7; of 5: a code of 3.1.1 runs into `unreachable!`;
//! * PUBLISH of 5: each subscription identifier is counted one byte too long, so that after several of them what follows is
//!   taken for the payload;
//! * DISCONNECT of 5: without properties it is written with a wrong length, and not read when they or the code are left away;
//! * AUTH: written, never read;
//! * a string of more than 65535 bytes is written with a truncated length, and what follows becomes another packet;
//! * packets that break a rule on purpose, which attacks need, e.g. a packet id of 0, are not written.
//!
//! Reading once and strictly also spares the second walk over each frame.

use super::fault::{Fault, Kind};
use super::packet::{Packet, Version};
use super::strict::{self, Cursor, Type};
use super::{read, write};
use bytes::{Buf, BytesMut};

/// How many filters, user properties, subscription identifiers or codes a packet may have. A packet of a limited size can
/// hold so many tiny ones that their values in memory are ten times larger than itself.
pub const MAXIMUM_ITEMS: usize = 1_000;

/// Reads and writes the packets of one connection. Holds no bytes.
#[derive(Clone, Debug)]
pub struct Codec {
    /// Absent: a server that waits for CONNECT.
    version: Option<Version>,
    server: bool,
    /// Bytes of the largest packet that is read.
    limit: u32,
    /// Bytes of the largest packet that the other side takes.
    peer_limit: u32,
}

impl Codec {
    /// For the server's side: the first packet has to be CONNECT, and decides the version. No packet of more than `limit`
    /// bytes (fixed header included) is read.
    #[must_use]
    pub const fn server(limit: u32) -> Self {
        Self { version: None, server: true, limit, peer_limit: u32::MAX }
    }

    /// For the client's side. No packet of more than `limit` bytes (fixed header included) is read.
    #[must_use]
    pub const fn client(version: Version, limit: u32) -> Self {
        Self { version: Some(version), server: false, limit, peer_limit: u32::MAX }
    }

    /// The version, once it is known.
    #[must_use]
    pub const fn version(&self) -> Option<Version> {
        self.version
    }

    /// From now on at most `limit` bytes are read per packet, e.g. after an account's quota is known.
    pub const fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// From now on no packet of more than `limit` bytes is written: the other side's *Maximum Packet Size*.
    pub const fn set_peer_limit(&mut self, limit: u32) {
        self.peer_limit = limit;
    }

    /// Takes the next packet out of `bytes`; `None` until it is there whole. Bytes of a packet that is not whole stay.
    ///
    /// # Errors
    /// A [`Fault`] as soon as it shows: type, flags and length before the rest has arrived. There is no way on after one:
    /// what `bytes` then holds is undefined, and the connection is to be closed (section 4.13 of version 5).
    pub fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Packet>, Fault> {
        let Some(first) = bytes.first().copied() else { return Ok(None) };
        // Until CONNECT has spoken the frame is judged by the rules of 3.1.1, which are the older ones and less strict.
        let kind = Type::of(first, self.version.unwrap_or(Version::V311))?;
        self.check_side(kind)?;
        let Some((length, width)) = strict::integer(&bytes[1..], self.version.unwrap_or(Version::V311))? else {
            return Ok(None);
        };
        let header = 1 + width;
        let whole = length.saturating_add(header as u32);
        if whole > self.limit {
            let kind = Kind::TooLarge { bytes: whole, limit: self.limit };
            return Err(Fault::plain(kind, "the packet is too large"));
        }
        if matches!(kind, Type::PingReq | Type::PingResp) && length != 0 {
            return Err(Fault::plain(Kind::Malformed, "a ping has bytes after its fixed header"));
        }
        if bytes.len() < whole as usize {
            return Ok(None);
        }
        let mut body = bytes.split_to(whole as usize).freeze();
        body.advance(header);
        let version = match self.version {
            Some(version) => version,
            None => read::version(&body)?,
        };
        let packet = read::packet(kind, first, Cursor::new(body, version, self.server))?;
        self.version = Some(version);
        Ok(Some(packet))
    }

    /// Whether the other side may send such a packet at all, and now.
    fn check_side(&self, kind: Type) -> Result<(), Fault> {
        if self.server {
            return match (kind, self.version) {
                (Type::Connect, None) => Ok(()),
                (Type::Connect, Some(_)) => {
                    let what = "a second CONNECT on one connection";
                    Err(Fault { kind: Kind::Protocol, statement: Some("MQTT-3.1.0-2"), what })
                }
                (_, None) => {
                    let what = "the first packet of a connection is not CONNECT";
                    Err(Fault { kind: Kind::Protocol, statement: Some("MQTT-3.1.0-1"), what })
                }
                (Type::ConnAck | Type::SubAck | Type::UnsubAck | Type::PingResp, _) => {
                    Err(Fault::plain(Kind::Protocol, "a client sent a packet that only servers send"))
                }
                _ => Ok(()),
            };
        }
        let wrong = match kind {
            Type::Connect | Type::Subscribe | Type::Unsubscribe | Type::PingReq => true,
            Type::Disconnect => self.version == Some(Version::V311),
            _ => false,
        };
        if wrong {
            return Err(Fault::plain(Kind::Protocol, "a server sent a packet that only clients send"));
        }
        Ok(())
    }

    /// Appends a packet to `bytes` and tells how many bytes it took. What the version has no room for is left out. Rules
    /// that a reader would check are not checked: packets that break them can be written, on purpose.
    ///
    /// # Errors
    /// [`Kind::TooLarge`] beyond the other side's limit, [`Kind::Unwritable`] for what has no form on the wire. Nothing is
    /// appended then.
    pub fn encode(&self, packet: &Packet, bytes: &mut BytesMut) -> Result<u32, Fault> {
        // A server that refuses before it knows the version answers as 3.1.1: every client reads that.
        write::packet(packet, self.version.unwrap_or(Version::V311), self.peer_limit, bytes)
    }
}
