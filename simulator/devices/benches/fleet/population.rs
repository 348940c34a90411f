//! Those who ask, started and watched.

use crate::Failure;
use crate::bare::{Counted, ask_forever, serve};
use crate::meter::{Meter, Spent};
use fleetproof_devices::{
    DEVICE_TYPE, DeviceConfig, DeviceEvent, Key, Nature, Order, Shelf, SimulatedBody, run_device,
};
use fleetproof_world::{Stamp, World};
use stats_alloc::StatsAlloc;
use std::alloc::GlobalAlloc;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Device,
    /// The bare loop.
    Bare,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Bare => "bare loop",
        }
    }
}

/// Those who ask, and what they ask.
pub(crate) struct Fleet {
    world: World,
    counted: Arc<Counted>,
    updated: Arc<AtomicU64>,
    /// Devices that nobody can give orders to any more would stop.
    _orders: Vec<UnboundedSender<Order>>,
}

impl Fleet {
    /// In virtual time, with a platform beside them.
    pub(crate) async fn start(world: &World, kind: Kind, count: u32, every: Duration) -> Result<Self, Failure> {
        let counted = Arc::new(Counted::default());
        let incoming = world.net.listen("platform").await?;
        tokio::spawn(serve(incoming, counted.clone()));
        Self::dial(world, kind, count, every, counted).await
    }

    /// With a platform that listens already.
    pub(crate) async fn dial(
        world: &World,
        kind: Kind,
        count: u32,
        every: Duration,
        counted: Arc<Counted>,
    ) -> Result<Self, Failure> {
        let mut fleet = Self { world: world.clone(), counted, updated: Arc::default(), _orders: Vec::new() };
        let shelf = Shelf::default();
        for index in 0..count {
            // Their polls are spread over the period, as those of a fleet are.
            let phase = every * index / count;
            match kind {
                Kind::Device => fleet.spawn(index, every, phase, &shelf),
                Kind::Bare => {
                    let first = world.clock.now().after(phase);
                    tokio::spawn(ask_forever(world.clone(), index, first, every));
                }
            }
        }
        Ok(fleet)
    }

    fn spawn(&mut self, index: u32, poll: Duration, phase: Duration, shelf: &Shelf) {
        let name: Arc<str> = format!("hvac-{index}").into();
        let config = DeviceConfig {
            index,
            name: name.clone(),
            identity: BTreeMap::from([("mac".into(), format!("02:{index:010x}"))]),
            tenant_token: "tenant".into(),
            server: "platform".into(),
            device_type: DEVICE_TYPE.into(),
            version: "v1".into(),
            poll,
            phase,
            jitter: 0,
            boot_time: Duration::from_secs(5),
            shelf: shelf.clone(),
            nature: Nature::default(),
        };
        let key = Key::from_stream(&mut self.world.seeds.stream(&name));
        let updated = self.updated.clone();
        let witness = move |_: Stamp, _: u32, event: DeviceEvent| {
            if matches!(event, DeviceEvent::Finished { success: true, .. }) {
                updated.fetch_add(1, Ordering::Relaxed);
            }
        };
        let (orders, receiver) = unbounded_channel();
        let body = SimulatedBody::new(name, "v1");
        tokio::spawn(run_device(self.world.clone(), config, key, body, witness, receiver, CancellationToken::new()));
        let _it_listens = orders.send(Order::Knock);
        self._orders.push(orders);
    }

    /// From now on there is an update for everybody.
    pub(crate) fn offer(&self) {
        self.counted.offers.store(true, Ordering::Relaxed);
    }

    /// How many have taken it.
    pub(crate) fn updated(&self) -> u64 {
        self.updated.load(Ordering::Relaxed)
    }

    /// How much was asked in a while, and what that took.
    pub(crate) async fn watch<T: GlobalAlloc>(&self, heap: &StatsAlloc<T>, long: Duration) -> (u64, Spent) {
        let requests = || self.counted.requests.load(Ordering::Relaxed);
        let (asked, before) = (requests(), Meter::read(heap));
        self.world.clock.sleep(long).await;
        (requests() - asked, Meter::read(heap).since(&before))
    }
}
