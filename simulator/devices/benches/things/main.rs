//! What a thing that speaks MQTT costs, with a bare loop beside it that says as much and thinks nothing.
//!
//! ```text
//! cargo bench -p fleetproof-devices --bench things [-- DEVICES…]     # 1000 and 10000 when left out
//! ```
//!
//! In virtual time both ends run in this process. Heap and allocations are then those of device, pipe and server together, and
//! the same in every run; what the bare loop holds is to be taken off. Over loopback each end has a thread, and only the
//! devices' one is counted.

mod bare;
#[path = "../fleet/meter.rs"]
#[expect(dead_code, reason = "the other bench uses more of it")]
mod meter;
mod server;

use bare::speak_forever;
use fleetproof_devices::mqtt::{Format, Message, Publishes, ThingConfig, ThingPlan, run_thing};
use fleetproof_devices::{DeviceEvent, Nature, Order, SimulatedBody};
use fleetproof_wire::mqtt::packet::Qos;
use fleetproof_world::tls::{Authority, Names, Subject, TlsClient, TlsServer, Validity};
use fleetproof_world::{Runtime, Stamp, World};
use meter::{Meter, Spent};
use server::{Counted, serve, serve_apart};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

type Failure = Box<dyn std::error::Error>;

/// Bytes of a message.
const SIZE: usize = 200;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Thing,
    /// A thing that shows a certificate under TLS.
    Secure,
    Bare,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Thing => "thing",
            Self::Secure => "mTLS",
            Self::Bare => "bare loop",
        }
    }
}

/// Starts so many, who say something every so often.
fn start(
    world: &World,
    kind: Kind,
    count: u32,
    every: Duration,
    trusted: Option<&TlsClient>,
) -> Result<Vec<UnboundedSender<Order>>, Failure> {
    let factory = Authority::new("factory", &mut world.seeds.stream("factory"));
    let validity = Validity { from_ms: 0, until_ms: world.clock.unix_ms() + 86_400_000 };
    let publishes =
        Publishes { topic: "app/{thing}".into(), every, size: SIZE, qos: Qos::AtLeastOnce, format: Format::Json };
    let plan = Arc::new(ThingPlan {
        // It has no certificate to be told by: it is at home at once.
        publishes: vec![publishes],
        ..ThingPlan::new("lobby")
    });
    let mut orders = Vec::new();
    for index in 0..count {
        let phase = every.min(Duration::from_secs(60)) * index / count;
        match kind {
            Kind::Bare => drop(tokio::spawn(speak_forever(world.clone(), index, phase, every))),
            Kind::Thing | Kind::Secure => {
                let name: Arc<str> = format!("hvac-{index}").into();
                let config = ThingConfig {
                    index,
                    name: name.clone(),
                    plan: plan.clone(),
                    tls: match trusted {
                        None => None,
                        Some(trusted) => {
                            let keys = &mut world.seeds.stream(&name);
                            let identity = factory.issue(&Subject::named(&name), validity, keys)?;
                            Some(trusted.clone().presenting(&identity)?)
                        }
                    },
                    version: "v1".into(),
                    home: None,
                    phase,
                    nature: Nature::default(),
                };
                let mut body = SimulatedBody::new(name, "v1");
                let kept = br#"{"home":"home","record":{"artifact":"factory-v1"}}"#;
                let _power_is_on = fleetproof_devices::Body::keep(&mut body, kept.to_vec());
                let witness = |_: Stamp, _: u32, _: DeviceEvent| {};
                let (sender, receiver) = unbounded_channel();
                tokio::spawn(run_thing(world.clone(), config, body, witness, receiver, CancellationToken::new()));
                let _it_listens = sender.send(Order::Knock);
                orders.push(sender);
            }
        }
    }
    Ok(orders)
}

/// A server in virtual time, under TLS where things show certificates; what those trust then.
async fn serve_beside(world: &World, kind: Kind, counted: &Arc<Counted>) -> Result<Option<TlsClient>, Failure> {
    let mut incoming = world.net.listen("home").await?;
    let mut trusted = None;
    if kind == Kind::Secure {
        let servers = Authority::new("servers", &mut world.seeds.stream("servers"));
        let names = Names::new(servers, world.seeds.child("names"), &world.clock, Some("home"))?;
        incoming = TlsServer::mutual(&names, false, &[], &world.clock)?.secure(incoming);
        trusted = Some(TlsClient::trusting(&names.trusted()?, &world.clock)?);
    }
    tokio::spawn(serve(incoming, counted.clone()));
    Ok(trusted)
}

async fn watch(world: &World, counted: &Counted, long: Duration) -> (u64, Spent) {
    let messages = || counted.messages.load(Ordering::Relaxed);
    let (said, before) = (messages(), Meter::read(HEAP));
    world.clock.sleep(long).await;
    (messages() - said, Meter::read(HEAP).since(&before))
}

fn per(spent: &Spent, count: u64) -> String {
    let count = count.max(1) as f64;
    format!("{:>6.2} µs {:>5.1} allocations", spent.micros / count, spent.allocations as f64 / count)
}

/// Heap of those who only ping; then of those who speak, what a message takes.
fn in_virtual_time(kind: Kind, count: u32) -> Result<f64, Failure> {
    let held = Runtime::virtual_time()?.block_on(async {
        let (world, counted) = (World::simulated(1), Arc::new(Counted::default()));
        let trusted = serve_beside(&world, kind, &counted).await?;
        let before = Meter::read(HEAP);
        let _orders = start(&world, kind, count, Duration::from_secs(1_000_000), trusted.as_ref())?;
        world.clock.sleep(Duration::from_secs(200)).await;
        let held = Meter::read(HEAP).since(&before);
        Ok::<_, Failure>((held.held_bytes as f64 / f64::from(count), held.held_blocks as f64 / f64::from(count)))
    })?;
    let (messages, spent) = Runtime::virtual_time()?.block_on(async {
        let (world, counted) = (World::simulated(1), Arc::new(Counted::default()));
        let trusted = serve_beside(&world, kind, &counted).await?;
        let _orders = start(&world, kind, count, Duration::from_secs(10), trusted.as_ref())?;
        world.clock.sleep(Duration::from_secs(30)).await;
        Ok::<_, Failure>(watch(&world, &counted, Duration::from_secs(60)).await)
    })?;
    println!("{count:>7}  {:<9} {:>6.0} B in {:>4.1} blocks   {}", kind.name(), held.0, held.1, per(&spent, messages));
    Ok(held.0)
}

/// Over loopback, on the real clock: µs of CPU of the devices' thread per message.
fn over_loopback(kind: Kind, count: u32) -> Result<(f64, f64), Failure> {
    let world = World::on_sockets(1);
    let server = serve_apart(&world)?;
    let (messages, spent) = Runtime::real_time()?.block_on(async {
        let _orders = start(&world, kind, count, Duration::from_millis(500), None)?;
        world.clock.sleep(Duration::from_secs(2)).await;
        Ok::<_, Failure>(watch(&world, &server.counted, Duration::from_secs(5)).await)
    })?;
    server.end();
    let messages = messages.max(1) as f64;
    Ok((spent.micros / messages, messages / 5.0))
}

fn main() -> Result<(), Failure> {
    let mut sizes: Vec<u32> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![1_000, 10_000];
    }
    let example = Message { device: "hvac-0".into(), number: 1, time: 0 }.write(Format::Json, SIZE).len();
    println!("virtual time, messages of {example} B with QoS 1, one in 10 s; client, pipe and server");
    println!("devices            heap of an idle one        a message");
    for count in sizes {
        let (thing, bare) = (in_virtual_time(Kind::Thing, count)?, in_virtual_time(Kind::Bare, count)?);
        println!("         a thing holds {:.0} B more than the bare loop", thing - bare);
    }
    in_virtual_time(Kind::Secure, 1_000)?;
    println!(
        "the bare loop itself is {} B",
        size_of_val(&speak_forever(World::on_sockets(1), 0, Duration::ZERO, Duration::ZERO))
    );
    // Turn by turn, so that a machine that is busy is so for both.
    let (mut things, mut bares, mut rate) = (Vec::new(), Vec::new(), 0.0);
    for _ in 0..3 {
        let (thing, said) = over_loopback(Kind::Thing, 1_000)?;
        things.push(thing);
        rate = said;
        bares.push(over_loopback(Kind::Bare, 1_000)?.0);
    }
    let least = |all: &[f64]| all.iter().copied().fold(f64::INFINITY, f64::min);
    let (thing, bare) = (least(&things), least(&bares));
    println!(
        "loopback, {rate:.0} messages a second, CPU of the devices' thread, best of three: {thing:.1} µs, the bare loop {bare:.1} µs, ratio {:.2}",
        thing / bare
    );
    Ok(())
}
