//! One client, from its CONNECT to its end.

use super::plane::{DataPlane, Signal};
use crate::ids::hex;
use crate::lobby::{self, Admission};
use crate::platform::Platform;
use crate::registry::{Endpoint, JustInTime};
use crate::service::costs;
use bytes::BytesMut;
use fleetproof_dataplane::broker::{AccountId, ConnectionId, Notice, Reason};
use fleetproof_wire::mqtt::packet::code;
use fleetproof_wire::mqtt::{Codec, Fault, Packet, Qos};
use fleetproof_world::Stream;
use fleetproof_world::tls::Peer;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio_util::sync::CancellationToken;

/// How long a client may take for its CONNECT, and for reading what it is told last.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of the largest packet: AWS's 128 KiB of payload, with room for topic and properties.
const LARGEST: u32 = 146 * 1024;

/// Bytes that are made room for at first, and at the most that are read at once.
const LITTLE: usize = 256;
const MUCH: usize = 16 * 1024;

/// Speaks with a client of the account behind `endpoint` until either side has had enough.
pub(super) async fn converse(
    app: &Platform,
    stream: Stream,
    peer: &Peer,
    endpoint: &Endpoint,
    stop: &CancellationToken,
) {
    let plane = app.data_plane();
    let mut line = Line::over(stream);
    let connect = tokio::select! {
        biased;
        () = stop.cancelled() => return,
        first = tokio::time::timeout(PATIENCE, line.next()) => match first {
            Ok(Ok(Some(Packet::Connect(connect)))) => connect,
            _ => return,
        },
    };
    let Ok(account) = plane.open(app, endpoint).await else { return };
    let Some(certificate) = identify(app, plane, peer, endpoint, account).await else { return };
    let (id, signal) = plane.enter();
    let source = address(&peer.from);
    if let Some(limit) = connect.maximum_packet_size {
        line.codec.set_peer_limit(limit);
    }
    app.floor().at_the_broker(&endpoint.tenant, costs::CONNECT).await;
    plane.with(app, |broker, now| broker.connect(now, id, account, &certificate, Some(source), *connect));
    if let Some((why, code)) = line.speak((app, plane, &endpoint.tenant), id, &signal, stop).await {
        plane.lose(app, id, why, code);
    }
    line.say_goodbye(app, plane, id).await;
    plane.leave(app, id);
}

/// The certificate that the broker is to judge; empty for one that nobody may use today. `None`: the connection ends here,
/// because the certificate was only now registered, or nothing can be known of it.
async fn identify(
    app: &Platform,
    plane: &DataPlane,
    peer: &Peer,
    endpoint: &Endpoint,
    account: AccountId,
) -> Option<String> {
    let leaf = peer.certificates.first()?;
    let certificate = hex(&Sha256::digest(leaf));
    match lobby::admit(app, endpoint, peer).await.ok()? {
        Admission::Elsewhere => {}
        Admission::Judge(certificate) => {
            plane.know(app, endpoint, &certificate).await.ok()?;
            return Some(certificate);
        }
        Admission::TurnedAway(registered) => {
            if let Some(registered) = registered {
                tell_registered(app, plane, account, &registered);
            }
            return None;
        }
    }
    match plane.know(app, endpoint, &certificate).await.ok()? {
        Some(found) => {
            let is_good = (found.not_before..=found.not_after).contains(&app.now_ms());
            Some(if is_good { certificate } else { String::new() })
        }
        None => {
            let registered = app.register_just_in_time(&endpoint.tenant, &endpoint.region, leaf).await.ok()?;
            let Some(registered) = registered else { return Some(certificate) };
            tell_registered(app, plane, account, &registered);
            None
        }
    }
}

/// Tells an account of a certificate that came by itself (contract 1.6). One whose quota is used up misses it; the certificate is in
/// its list all the same.
fn tell_registered(app: &Platform, plane: &DataPlane, account: AccountId, registered: &JustInTime) {
    let topic = format!("$aws/events/certificates/registered/{}", registered.authority);
    let told = json!({
        "certificateId": registered.certificate,
        "caCertificateId": registered.authority,
        "timestamp": registered.at,
        "certificateStatus": "PENDING_ACTIVATION",
        "awsAccountId": registered.account,
        "certificateRegistrationTimestamp": registered.at.to_string(),
    });
    let notice = Notice::new(&topic, told.to_string(), Qos::AtLeastOnce);
    let _missed = plane.with(app, |broker, now| broker.publish(now, account, notice));
}

/// The address without the port, where there is one.
fn address(from: &str) -> Arc<str> {
    from.parse::<std::net::SocketAddr>().map_or_else(|_| from.into(), |at| at.ip().to_string().into())
}

/// A client's stream. While nothing is under way no room is kept for it.
struct Line {
    reads: ReadHalf<Stream>,
    writes: WriteHalf<Stream>,
    codec: Codec,
    came: BytesMut,
    /// A packet was begun and not finished: whatever is sent now, the client cannot read it.
    is_torn: bool,
}

/// What a client sent.
enum Heard {
    Packet(Packet),
    Nothing,
    Wrong(Fault),
}

impl Line {
    fn over(stream: Stream) -> Self {
        let (reads, writes) = tokio::io::split(stream);
        Self { reads, writes, codec: Codec::server(LARGEST), came: BytesMut::new(), is_torn: false }
    }

    /// The next packet; `None` at the end. Nothing is lost when it is not waited for any more.
    async fn next(&mut self) -> Result<Option<Packet>, Fault> {
        loop {
            if let Some(packet) = self.codec.decode(&mut self.came)? {
                return Ok(Some(packet));
            }
            if self.came.is_empty() {
                self.came = BytesMut::with_capacity(LITTLE);
            } else if self.came.len() == self.came.capacity() {
                self.came.reserve(self.came.len().min(MUCH));
            }
            match self.reads.read_buf(&mut self.came).await {
                Ok(0) | Err(_) => return Ok(None),
                Ok(_) => {}
            }
        }
    }

    async fn hear(&mut self) -> Heard {
        match self.next().await {
            Ok(Some(packet)) => Heard::Packet(packet),
            Ok(None) => Heard::Nothing,
            Err(fault) => Heard::Wrong(fault),
        }
    }

    /// Passes packets both ways until the end; why it came, unless the broker knows, who ended it.
    async fn speak(
        &mut self,
        (app, plane, tenant): (&Platform, &DataPlane, &str),
        id: ConnectionId,
        signal: &Signal,
        stop: &CancellationToken,
    ) -> Option<(Reason, u8)> {
        let mut not_before = 0;
        loop {
            if signal.is_closed() {
                return None;
            }
            let now = app.now_ms() * 1_000;
            let pause = Duration::from_micros(u64::saturating_sub(not_before, now));
            tokio::select! {
                biased;
                () = stop.cancelled() => return Some((Reason::ServerInitiatedDisconnect, code::SERVER_SHUTTING_DOWN)),
                () = signal.wait() => {
                    let sent = tokio::select! {
                        biased;
                        sent = self.send(app, plane, id) => sent,
                        // A client that does not read is not waited for once it is to go.
                        () = closed(signal) => {
                            self.is_torn = true;
                            true
                        }
                    };
                    if !sent {
                        return Some((Reason::ConnectionLost, 0));
                    }
                }
                () = app.clock().sleep(pause), if !pause.is_zero() => not_before = 0,
                heard = self.hear(), if pause.is_zero() => match heard {
                    Heard::Packet(packet) => {
                        let cost = if matches!(packet, Packet::Publish(_)) { costs::PUBLISH } else { costs::PACKET };
                        app.floor().at_the_broker(tenant, cost).await;
                        not_before = plane.with(app, |broker, now| broker.receive(now, id, packet));
                    }
                    Heard::Nothing => return Some((Reason::ConnectionLost, 0)),
                    Heard::Wrong(fault) => return Some((Reason::ClientError, fault.code())),
                },
            }
        }
    }

    /// Sends what the broker has for the client; whether it took it.
    async fn send(&mut self, app: &Platform, plane: &DataPlane, id: ConnectionId) -> bool {
        let mut packets = Vec::new();
        plane.with(app, |broker, now| broker.take(now, id, &mut packets));
        let mut bytes = BytesMut::new();
        for packet in &packets {
            // What is too large for the client was held back by the broker already.
            let _held_back = self.codec.encode(packet, &mut bytes);
        }
        bytes.is_empty() || self.writes.write_all(&bytes).await.is_ok() && self.writes.flush().await.is_ok()
    }

    /// Tells the client what it is told last, and hangs up.
    async fn say_goodbye(&mut self, app: &Platform, plane: &DataPlane, id: ConnectionId) {
        let last = async {
            if !self.is_torn {
                self.send(app, plane, id).await;
            }
            // The peer may be gone already.
            drop(self.writes.shutdown().await);
        };
        drop(tokio::time::timeout(PATIENCE, last).await);
    }
}

/// Waits until the connection is to be closed.
async fn closed(signal: &Signal) {
    while !signal.is_closed() {
        signal.wait().await;
    }
}
