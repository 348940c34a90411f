//! `simulate`: a fleet against any endpoint, without a scenario. It claims nothing and judges nothing: it counts.
//!
//! `tally.rs` is what is counted and how it is told.

mod tally;

use crate::args::{Crowd, Simulate, SimulateMender, SimulateMqtt};
use crate::error::{CliError, Result};
use crate::signals;
use fleetproof_devices::mqtt::{Format, Publishes, Qos, ThingConfig, ThingPlan, run_thing};
use fleetproof_devices::{DEVICE_TYPE, DeviceConfig, Key, Nature, Order, Shelf, SimulatedBody, run_device};
use fleetproof_world::tls::{Identity, TlsClient};
use fleetproof_world::{Runtime, World};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tally::Tally;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// So many devices are on their way in at the same time.
const WINDOW: u64 = 64;

/// Descriptors that are not for devices.
const OTHERS: u64 = 64;

/// The name that the endpoint has in the process.
const ENDPOINT: &str = "endpoint";

/// Where a device asks that is turned away for ever: a fleet of `simulate` has no lobby.
const NOWHERE: &str = "nowhere";

/// Runs a fleet until its time is over, or a signal comes.
pub(crate) fn simulate(arguments: &Simulate) -> Result<u8> {
    let crowd = match arguments {
        Simulate::Mqtt(it) => &it.crowd,
        Simulate::Mender(it) => &it.crowd,
    };
    affords(crowd.devices)?;
    let stop = signals::first_cancels()?;
    let runtime =
        Runtime::real_time().map_err(|error| CliError::Broken(format!("no runtime could be made: {error}")))?;
    runtime.block_on(async {
        let world = World::on_sockets(crowd.seed);
        let known = world.net.know(ENDPOINT, &crowd.at).await;
        known.map_err(|error| CliError::Invalid(format!("--at {}: {error}; it is HOST:PORT", crowd.at)))?;
        let fleet = Fleet { world, tally: Arc::default(), tasks: TaskTracker::new(), over: CancellationToken::new() };
        let orders = match arguments {
            Simulate::Mqtt(it) => fleet.things(it)?,
            Simulate::Mender(it) => fleet.pollers(it)?,
        };
        fleet.run(crowd, orders, &stop).await
    })
}

/// A fleet, and what is counted of it.
struct Fleet {
    world: World,
    tally: Arc<Tally>,
    tasks: TaskTracker,
    over: CancellationToken,
}

impl Fleet {
    /// Lets everybody in, a few at a time, and tells what comes of it.
    async fn run(&self, crowd: &Crowd, orders: Vec<UnboundedSender<Order>>, stop: &CancellationToken) -> Result<u8> {
        let clock = &self.world.clock;
        let (begun, end) = (clock.now(), clock.now().after(crowd.r#for));
        let (mut called, mut all_in) = (0_u64, None);
        let mut tell = begun.after(crowd.every_report());
        while clock.now() < end && !stop.is_cancelled() {
            let inside = self.tally.inside();
            let due = orders.len() as u64;
            while called < due && called < self.tally.answered() + WINDOW {
                // A device whose task has ended takes no orders; it is counted as missing.
                let _called = orders[usize::try_from(called).unwrap_or(usize::MAX)].send(Order::Knock);
                called += 1;
            }
            if all_in.is_none() && inside == due {
                all_in = Some(clock.now().since(begun));
            }
            if clock.now() >= tell {
                anstream::eprintln!("{}", self.tally.line(clock.now().since(begun)));
                tell = clock.now().after(crowd.every_report());
            }
            let wake = clock.now().after(if called < due { LOOKS } else { BREATH }).min(end);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = clock.sleep_until(wake) => {}
            }
        }
        let told = self.tally.table(orders.len() as u64, all_in, clock.now().since(begun));
        self.over.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        anstream::println!("{told}");
        Ok(u8::from(self.tally.ever_in() < orders.len() as u64))
    }

    /// Devices that speak MQTT.
    fn things(&self, it: &SimulateMqtt) -> Result<Vec<UnboundedSender<Order>>> {
        let clock = &self.world.clock;
        let authority = read(&it.ca, "--ca")?;
        let identity = Identity::from_pem(&read(&it.certificate, "--certificate")?, &read(&it.key, "--key")?);
        let identity = identity.map_err(|error| CliError::Invalid(format!("--certificate and --key: {error}")))?;
        let trusting = TlsClient::trusting(&authority, clock);
        let trusting = trusting.map_err(|error| CliError::Invalid(format!("--ca {}: {error}", it.ca.display())))?;
        let tls = trusting.presenting(&identity);
        let tls = tls.map_err(|error| CliError::Invalid(format!("--key {}: {error}", it.key.display())))?;
        let publishes = it.publishes.as_ref().map(|topic| Publishes {
            topic: topic.as_str().into(),
            every: it.every,
            size: it.size,
            qos: Qos::AtLeastOnce,
            format: Format::Json,
        });
        let plan = Arc::new(ThingPlan {
            dials: Some(ENDPOINT.into()),
            publishes: publishes.into_iter().collect(),
            jobs: it.jobs,
            shadow: it.shadow,
            refused_for: Duration::MAX,
            ..ThingPlan::new(NOWHERE)
        });
        let start = |index: u32, name: Arc<str>, world: World| {
            let (sender, orders) = unbounded_channel();
            let config = ThingConfig {
                index,
                name: name.clone(),
                plan: plan.clone(),
                tls: Some(tls.clone()),
                version: it.crowd.runs.clone(),
                home: Some(it.host.as_str().into()),
                phase: Duration::ZERO,
                nature: Nature::default(),
            };
            let body = SimulatedBody::new(name, &it.crowd.runs);
            self.tasks.spawn(run_thing(world, config, body, self.tally.clone().witness(), orders, self.over.clone()));
            sender
        };
        Ok(self.each(&it.crowd, start))
    }

    /// Devices that poll.
    fn pollers(&self, it: &SimulateMender) -> Result<Vec<UnboundedSender<Order>>> {
        let token = std::env::var(&it.tenant_token_env).map_err(|_| {
            CliError::Invalid(format!(
                "the environment has no {}: the tenant's token is read there",
                it.tenant_token_env
            ))
        })?;
        let (token, shelf): (Arc<str>, Shelf) = (token.into(), Shelf::default());
        let start = |index: u32, name: Arc<str>, world: World| {
            let (sender, orders) = unbounded_channel();
            let key = Key::from_stream(&mut world.seeds.stream("key"));
            let config = DeviceConfig {
                index,
                identity: BTreeMap::from([("serial".to_owned(), name.to_string())]),
                name: name.clone(),
                tenant_token: token.clone(),
                server: ENDPOINT.into(),
                device_type: DEVICE_TYPE.to_owned(),
                version: it.crowd.runs.clone(),
                poll: it.poll,
                phase: it.poll * index / it.crowd.devices.max(1),
                jitter: 100_000,
                boot_time: Duration::from_secs(3),
                shelf: shelf.clone(),
                nature: Nature::default(),
            };
            let body = SimulatedBody::new(name, &it.crowd.runs);
            let witness = self.tally.clone().witness();
            self.tasks.spawn(run_device(world, config, key, body, witness, orders, self.over.clone()));
            sender
        };
        Ok(self.each(&it.crowd, start))
    }

    /// Every device by its name, with seeds of its own.
    fn each(
        &self,
        crowd: &Crowd,
        start: impl Fn(u32, Arc<str>, World) -> UnboundedSender<Order>,
    ) -> Vec<UnboundedSender<Order>> {
        let device = |index: u32| {
            let name: Arc<str> = format!("{}-{}", crowd.names, index + 1).into();
            let seeds = self.world.seeds.child("devices").child(&name);
            start(index, name, World { seeds, ..self.world.clone() })
        };
        (0..crowd.devices).map(device).collect()
    }
}

/// How often is looked whether the next ones may come.
const LOOKS: Duration = Duration::from_millis(5);

/// How often is looked once all were called.
const BREATH: Duration = Duration::from_millis(100);

impl Crowd {
    fn every_report(&self) -> Duration {
        self.tell.max(Duration::from_secs(1))
    }
}

fn read(file: &Path, flag: &str) -> Result<String> {
    std::fs::read_to_string(file).map_err(|error| CliError::Invalid(format!("{flag} {}: {error}", file.display())))
}

/// Whether the system gives so many sockets to a process. Where it does not tell, the sockets will.
fn affords(devices: u32) -> Result<()> {
    let Ok(limits) = std::fs::read_to_string("/proc/self/limits") else { return Ok(()) };
    let needed = u64::from(devices) + OTHERS;
    match open_files(&limits) {
        Some(most) if most < needed => Err(CliError::Invalid(format!(
            "{devices} devices need {needed} open files, and the system gives {most}: raise it (ulimit -n {needed})"
        ))),
        _ => Ok(()),
    }
}

/// The soft limit of open files, in the words of Linux.
fn open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_read() {
        let limits = "Limit   Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files\n";
        assert_eq!(open_files(limits), Some(1024));
        assert_eq!(open_files("Max open files  unlimited  unlimited  files"), None);
    }
}
