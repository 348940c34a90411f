//! A server that lets everybody in, acknowledges all and has nothing to say.

use crate::Failure;
use bytes::BytesMut;
use fleetproof_wire::mqtt::Codec;
use fleetproof_wire::mqtt::packet::{Ack, Acks, ConnAck, ConnAckProperties, Packet, Publish, Qos};
use fleetproof_world::{Incoming, Runtime, Stream, World};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

/// What was said.
#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) messages: AtomicU64,
}

pub(crate) async fn serve(mut incoming: Incoming, counted: Arc<Counted>) {
    while let Some((stream, _)) = incoming.recv().await {
        tokio::spawn(connection(stream, counted.clone()));
    }
}

async fn connection(mut stream: Stream, counted: Arc<Counted>) {
    let (mut codec, mut bytes) = (Codec::server(1 << 20), BytesMut::new());
    loop {
        let mut answers = BytesMut::new();
        while let Ok(Some(packet)) = codec.decode(&mut bytes) {
            for answer in answer(packet, &counted) {
                if codec.encode(&answer, &mut answers).is_err() {
                    return;
                }
            }
        }
        if !answers.is_empty() && stream.write_all(&answers).await.is_err() {
            return;
        }
        drop(answers);
        if bytes.is_empty() {
            bytes = BytesMut::new();
        }
        let mut scratch = [0; 512];
        match stream.read(&mut scratch).await {
            Ok(read @ 1..) => bytes.extend_from_slice(&scratch[..read]),
            _ => return,
        }
    }
}

fn answer(packet: Packet, counted: &Counted) -> Vec<Packet> {
    match packet {
        Packet::Connect(_) => {
            vec![Packet::ConnAck(Box::new(ConnAck {
                session_present: false,
                code: 0,
                properties: ConnAckProperties::default(),
            }))]
        }
        Packet::Subscribe(subscribe) => vec![Packet::SubAck(Acks {
            packet_id: subscribe.packet_id,
            codes: vec![1; subscribe.filters.len()],
            reason: None,
            user_properties: Vec::new(),
        })],
        Packet::PingReq => vec![Packet::PingResp],
        Packet::Publish(publish) => {
            let mut answers = vec![Packet::PubAck(Ack::of(publish.packet_id))];
            if publish.topic.starts_with("app/") {
                counted.messages.fetch_add(1, Ordering::Relaxed);
            } else {
                let said: Value = serde_json::from_slice(&publish.payload).unwrap_or_default();
                let accepted = json!({ "clientToken": said["clientToken"], "timestamp": 1, "version": 1 });
                let topic = format!("{}/accepted", publish.topic);
                answers.push(Packet::Publish(Publish::new(&topic, accepted.to_string(), Qos::AtMostOnce)));
            }
            answers
        }
        _ => Vec::new(),
    }
}

/// A server on a thread of its own.
pub(crate) struct Apart {
    pub(crate) counted: Arc<Counted>,
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

impl Apart {
    pub(crate) fn end(self) {
        self.stop.cancel();
        // A server that fell over has been noticed by who measured it.
        let _fell_over = self.thread.join();
    }
}

/// Serves over sockets, from a thread of its own; it listens once this returns.
pub(crate) fn serve_apart(world: &World) -> Result<Apart, Failure> {
    let (counted, stop, world) = (Arc::new(Counted::default()), CancellationToken::new(), world.clone());
    let (told, heard) = std::sync::mpsc::channel();
    let (counts, ends) = (counted.clone(), stop.clone());
    let runtime = Runtime::real_time()?;
    let thread = std::thread::spawn(move || {
        runtime.block_on(async {
            let listening = world.net.listen("home").await;
            let _nobody_waits = told.send(listening.as_ref().err().map(ToString::to_string));
            let Ok(incoming) = listening else { return };
            tokio::select! {
                biased;
                () = ends.cancelled() => {}
                () = serve(incoming, counts) => {}
            }
        });
    });
    match heard.recv()? {
        None => Ok(Apart { counted, stop, thread }),
        Some(error) => Err(error.into()),
    }
}
