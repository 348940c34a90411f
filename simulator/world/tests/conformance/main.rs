//! One suite for both networks: what holds on loopback TCP in real time must hold in memory in
//! virtual time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use fleetproof_world::{Stream, World};

/// Makes one test per network out of each async function.
macro_rules! on_both_networks {
    ($($name:ident),* $(,)?) => {
        mod in_memory {
            $(#[test] fn $name() {
                fleetproof_world::Runtime::virtual_time().unwrap().block_on(async { super::$name(fleetproof_world::World::simulated(1)).await });
            })*
        }
        mod on_tcp {
            $(#[test] fn $name() {
                fleetproof_world::Runtime::real_time().unwrap().block_on(async { super::$name(fleetproof_world::World::on_sockets(1)).await });
            })*
        }
    };
}

mod faults;
mod mutual;
mod streams;

/// Both ends of a connection from "client" to "server".
async fn pair(world: &World) -> (Stream, Stream) {
    let mut incoming = world.net.listen("server").await.unwrap();
    let client = world.net.connect("client", "server").await.unwrap();
    let (server, _) = incoming.recv().await.unwrap();
    (client, server)
}
