//! What a simulated device costs, with a bare loop beside it that asks as often and thinks nothing.
//!
//! ```text
//! cargo bench -p fleetproof-devices --bench fleet [-- DEVICES…]     # 1000 and 10000 when left out
//! ```
//!
//! Both ends run in this process, the platform being one that only answers: what is told per request is that of client and
//! server together, but over loopback, where each has a thread and only the devices' one is counted. Heap and allocations are the same
//! in every run; µs are not, which is what the bare loop is for.

mod bare;
mod meter;
mod population;

use fleetproof_world::{Runtime, World};
use meter::{Meter, Spent};
use population::{Fleet, Kind};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::time::Duration;

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

type Failure = Box<dyn std::error::Error>;

const MINUTE: Duration = Duration::from_secs(60);

/// Polls once a minute, in virtual time: idle, polling, updating.
fn in_virtual_time(kind: Kind, devices: u32) -> Result<(), Failure> {
    Runtime::virtual_time()?.block_on(async {
        let world = World::simulated(1);
        let before = Meter::read(HEAP);
        let fleet = Fleet::start(&world, kind, devices, MINUTE).await?;
        world.clock.sleep(2 * MINUTE).await;
        let idle = Meter::read(HEAP).since(&before);
        let per_device = |n: i64| n as f64 / f64::from(devices);
        let mut line = format!(
            "{devices:>7}  {:<9} {:>6.0} B in {:>4.1} blocks",
            kind.name(),
            per_device(idle.held_bytes),
            per_device(idle.held_blocks)
        );
        let (polls, of_polls) = fleet.watch(HEAP, 10 * MINUTE).await;
        line += &format!("   {}", per(&of_polls, polls));
        if kind == Kind::Device {
            fleet.offer();
            let (requests, spent) = fleet.watch(HEAP, 3 * MINUTE).await;
            let updated = fleet.updated();
            if updated != u64::from(devices) {
                return Err(format!("{updated} of {devices} took the update").into());
            }
            // It went on polling meanwhile.
            let update = spent.without(&of_polls.share(0.3));
            let requests = (requests as f64 - polls as f64 * 0.3) / updated as f64;
            line += &format!("   {} in {requests:.0} requests", per(&update, updated));
        }
        println!("{line}");
        Ok(())
    })
}

fn per(spent: &Spent, count: u64) -> String {
    let count = count.max(1) as f64;
    format!("{:>6.1} µs {:>6.1} allocations", spent.micros / count, spent.allocations as f64 / count)
}

/// A day of devices that poll every half hour.
fn a_day(devices: u32) -> Result<(), Failure> {
    Runtime::virtual_time()?.block_on(async {
        let world = World::simulated(1);
        let fleet = Fleet::start(&world, Kind::Device, devices, 30 * MINUTE).await?;
        let (polls, spent) = fleet.watch(HEAP, 24 * 60 * MINUTE).await;
        println!(
            "24 h of {devices} devices that poll every 30 min, virtual: {polls} polls in {:.1} s of CPU",
            spent.micros / 1e6
        );
        Ok(())
    })
}

/// Over loopback, on the real clock: µs of CPU of the devices' thread per poll, each on a connection of its own.
fn over_loopback(kind: Kind, devices: u32) -> Result<f64, Failure> {
    let world = World::on_sockets(1);
    let server = bare::serve_apart(&world)?;
    let spent = Runtime::real_time()?.block_on(async {
        let fleet = Fleet::dial(&world, kind, devices, Duration::from_millis(500), server.counted.clone()).await?;
        world.clock.sleep(Duration::from_secs(2)).await;
        let (polls, spent) = fleet.watch(HEAP, Duration::from_secs(5)).await;
        Ok::<_, Failure>(spent.micros / polls.max(1) as f64)
    });
    server.end();
    spent
}

fn main() -> Result<(), Failure> {
    let mut sizes: Vec<u32> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![1_000, 10_000];
    }
    println!("virtual time, a poll a minute; client and server");
    println!("devices            heap of an idle one        a poll                        an update");
    for devices in &sizes {
        for kind in [Kind::Device, Kind::Bare] {
            in_virtual_time(kind, *devices)?;
        }
    }
    a_day(10_000)?;
    let (device, bare) = (over_loopback(Kind::Device, 1_000)?, over_loopback(Kind::Bare, 1_000)?);
    println!(
        "loopback, a connection per poll, 2,000 polls a second, CPU of the devices' thread: {device:.1} µs, the bare loop {bare:.1} µs, ratio {:.2}",
        device / bare
    );
    Ok(())
}
