//! The loop that only speaks.

use crate::SIZE;
use bytes::BytesMut;
use fleetproof_devices::mqtt::{Format, Message};
use fleetproof_wire::mqtt::Codec;
use fleetproof_wire::mqtt::packet::{Connect, Packet, Publish, Qos, Version};
use fleetproof_world::World;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Says what a device says, and waits for nothing but the acknowledgement.
pub(crate) async fn speak_forever(world: World, index: u32, phase: Duration, every: Duration) {
    world.clock.sleep(phase).await;
    let name = format!("hvac-{index}");
    let Ok(mut stream) = world.net.connect(&name, "home").await else { return };
    let codec = Codec::client(Version::V311, 1 << 20);
    let mut bytes = BytesMut::new();
    let connect = Packet::Connect(Box::new(Connect::new(Version::V311, &name)));
    if codec.encode(&connect, &mut bytes).is_err() || stream.write_all(&bytes).await.is_err() {
        return;
    }
    let mut answer = [0; 4];
    if stream.read_exact(&mut answer).await.is_err() {
        return;
    }
    bytes = BytesMut::new();
    let topic = format!("app/{name}");
    let (mut number, mut next) = (0_u64, world.clock.now().after(every));
    loop {
        world.clock.sleep_until(next).await;
        next = next.after(every);
        number += 1;
        let message = Message { device: (&*name).into(), number, time: world.clock.unix_ms() };
        let mut publish = Publish::new(&topic, message.write(Format::Json, SIZE), Qos::AtLeastOnce);
        publish.packet_id = u16::try_from(number % 60_000 + 1).unwrap_or(1);
        if codec.encode(&Packet::Publish(publish), &mut bytes).is_err() || stream.write_all(&bytes).await.is_err() {
            return;
        }
        bytes = BytesMut::new();
        if stream.read_exact(&mut answer).await.is_err() {
            return;
        }
    }
}
