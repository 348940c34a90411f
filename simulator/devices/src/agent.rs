//! The agent.

use crate::{Body, DeviceConfig, Key, Order, Witness};
use fleetproof_world::World;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Runs a device until it is stopped, retired, or dead. Silent until the first order to knock.
pub async fn run_device<B: Body, W: Witness>(
    world: World,
    config: DeviceConfig,
    key: Key,
    body: B,
    witness: W,
    orders: mpsc::UnboundedReceiver<Order>,
    stop: CancellationToken,
) {
    let _ = (world, config, key, body, witness, orders);
    stop.cancelled().await;
}
