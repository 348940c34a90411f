//! The population at work: one task per device, each with a line on which orders reach it.

use crate::kept::Kept;
use crate::shared::{Eyes, Shared};
use crate::taps::Taps;
use fleetproof_devices::mqtt::{Answered, Doing, Errand, Load, ThingConfig, ThingPlan, run_thing};
use fleetproof_devices::{DeviceConfig, Flaky, Key, Nature, Order, ReleaseCheck, Shelf, SimulatedBody, run_device};
use fleetproof_plan::Population;
use fleetproof_world::tls::TlsClient;
use fleetproof_world::{Name, World};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The devices of a scenario. A device that got no order yet costs nothing but its line.
pub(crate) struct Fleet {
    reins: Reins,
    waiting: Kept<Vec<Option<Waiting>>>,
    world: World,
    shared: Shared,
    shelf: Shelf,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// The lines to all devices. Cheap to clone: whoever orders them about beside a step has them too.
#[derive(Clone, Debug)]
pub(crate) struct Reins(Arc<[mpsc::UnboundedSender<Order>]>);

/// A device that was not started yet.
struct Waiting {
    orders: mpsc::UnboundedReceiver<Order>,
    name: Arc<str>,
    identity: BTreeMap<String, String>,
    runs: String,
    poll: Duration,
    phase: Duration,
    jitter: u32,
    boot_time: Duration,
    nature: Nature,
}

impl Fleet {
    /// The planned devices, none of them started. `release`: what they tell releases by; `taps`: where some are interrupted.
    pub(crate) fn new(
        world: &World,
        shared: &Shared,
        population: &Population,
        release: Option<ReleaseCheck>,
        taps: &Taps,
    ) -> Self {
        let release = release.map(Arc::new);
        let (mut orders, mut waiting) = (Vec::new(), Vec::new());
        for (index, device) in (0..).zip(&population.devices) {
            let (sender, receiver) = mpsc::unbounded_channel();
            orders.push(sender);
            waiting.push(Some(Waiting {
                orders: receiver,
                name: device.name.as_str().into(),
                identity: device.identity.clone(),
                runs: device.runs.clone(),
                poll: device.poll,
                phase: device.phase,
                jitter: device.jitter,
                boot_time: device.boot_time,
                nature: Nature {
                    skew_ms: device.skew_ms,
                    flaky: device.flaky.map(|(offline, gap)| Flaky { offline, gap }),
                    bandwidth: device.bandwidth,
                    release: release.clone(),
                    tap: taps.of_device(index),
                },
            }));
        }
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (waiting, shelf) = (Kept::new(waiting), Shelf::default());
        let reins = Reins(orders.into());
        Self { reins, waiting, world: world.clone(), shared: shared.clone(), shelf, stop, tasks }
    }

    /// Lets a device show its identity at `server` with its tenant's token; it goes on by itself from there.
    pub(crate) fn knock(&self, device: u32, server: &Name, tenant_token: &Arc<str>) {
        if let Some(waiting) = self.take(device) {
            let world = World { seeds: self.world.seeds.child("devices").child(&waiting.name), ..self.world.clone() };
            let key = Key::from_stream(&mut world.seeds.stream("key"));
            let config = DeviceConfig {
                index: device,
                name: waiting.name,
                identity: waiting.identity,
                tenant_token: tenant_token.clone(),
                server: server.clone(),
                device_type: fleetproof_devices::DEVICE_TYPE.to_owned(),
                version: waiting.runs.clone(),
                poll: waiting.poll,
                phase: waiting.phase,
                jitter: waiting.jitter,
                boot_time: waiting.boot_time,
                shelf: self.shelf.clone(),
                nature: waiting.nature,
            };
            let body = SimulatedBody::new(config.name.clone(), &waiting.runs);
            let eyes = Eyes(self.shared.clone());
            self.tasks.spawn(run_device(world, config, key, body, eyes, waiting.orders, self.stop.clone()));
        }
        self.call(device);
    }

    /// Whether a device was not started yet.
    pub(crate) fn is_waiting(&self, device: u32) -> bool {
        self.waiting.read(|waiting| waiting.get(device as usize).is_some_and(Option::is_some))
    }

    /// Starts a device that speaks MQTT; it is silent until it is called.
    /// `name`: what it calls itself.
    pub(crate) fn start_thing(
        &self,
        device: u32,
        name: Arc<str>,
        plan: Arc<ThingPlan>,
        home: Option<Name>,
        tls: TlsClient,
    ) {
        let Some(waiting) = self.take(device) else { return };
        let world = World { seeds: self.world.seeds.child("devices").child(&waiting.name), ..self.world.clone() };
        let body = SimulatedBody::new(waiting.name.clone(), &waiting.runs);
        let config = ThingConfig {
            index: device,
            name,
            plan,
            tls: Some(tls),
            version: waiting.runs,
            home,
            phase: waiting.phase,
            nature: waiting.nature,
        };
        let eyes = Eyes(self.shared.clone());
        self.tasks.spawn(run_thing(world, config, body, eyes, waiting.orders, self.stop.clone()));
    }

    /// Tells a device to begin, and to try again at once where it waits.
    pub(crate) fn call(&self, device: u32) {
        self.order(device, Order::Knock);
    }

    /// Lets a device keep what it is, once no update is under way.
    pub(crate) fn save(&self, device: u32) {
        self.order(device, Order::Save);
    }

    /// Lets a device be again what it kept, once no update is under way.
    pub(crate) fn restore(&self, device: u32) {
        self.order(device, Order::Restore);
    }

    /// Asks a device for a sign of life.
    pub(crate) fn ping(&self, device: u32) {
        self.order(device, Order::Ping);
    }

    /// The lines to all devices.
    pub(crate) fn reins(&self) -> Reins {
        self.reins.clone()
    }

    /// Sends a device on an errand; what comes of it comes there, unless the device is gone before.
    pub(crate) fn send_on(&self, device: u32, what: Doing) -> mpsc::UnboundedReceiver<Answered> {
        let (told, answer) = mpsc::unbounded_channel();
        self.order(device, Order::Errand(Box::new(Errand { what, told })));
        answer
    }

    /// What devices that download the same share.
    pub(crate) const fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// Runs something beside the devices, until they end.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = work => {}
            }
        });
    }

    fn take(&self, device: u32) -> Option<Waiting> {
        self.waiting.change(|waiting| waiting.get_mut(device as usize).and_then(Option::take))
    }

    /// Tells a device that it is no longer wanted: one last authenticated poll, then silence.
    pub(crate) fn retire(&self, device: u32) {
        self.order(device, Order::Retire);
    }

    /// Ends all devices, and waits until none runs any more.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn order(&self, device: u32, order: Order) {
        self.reins.order(device, order);
    }
}

impl Reins {
    /// Lets a device say more than it says by itself, the first time after `first`.
    pub(crate) fn strain(&self, device: u32, load: &Arc<Load>, first: Duration) {
        self.order(device, Order::Strain(Some((load.clone(), first))));
    }

    /// A device says no more than it says by itself.
    pub(crate) fn relax(&self, device: u32) {
        self.order(device, Order::Strain(None));
    }

    /// Lets a device drop its connection and dial again.
    pub(crate) fn reconnect(&self, device: u32) {
        self.order(device, Order::Reconnect);
    }

    fn order(&self, device: u32, order: Order) {
        // A device whose task ended (bricked, or stopped with the run) hears nothing any more.
        if let Some(line) = self.0.get(device as usize) {
            let _: Result<(), _> = line.send(order);
        }
    }
}
