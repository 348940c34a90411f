//! Time, randomness and network: what no other crate may take from the operating system.
//!
//! A [`World`] is handed to everything that takes part in a run. It is one of two kinds, and no
//! caller can tell which:
//!
//! * **virtual**: the tokio runtime is started paused, the clock jumps to the next timer,
//!   [`Network`] is in-memory pipes, randomness is a tree of named streams under one seed. The same
//!   seed gives the same run.
//! * **real**: the clock runs, the network is TCP on loopback. Randomness still comes from the seed,
//!   unless the world is asked for the operating system's (`serve`, containers).
//!
//! ```
//! use fleetproof_world::{Runtime, World};
//! use std::time::Duration;
//!
//! let runtime = Runtime::virtual_time().unwrap();
//! let elapsed = runtime.block_on(async {
//!     let world = World::simulated(7);
//!     world.clock.sleep(Duration::from_secs(3600)).await; // takes no time at all
//!     world.clock.now()
//! });
//! assert_eq!(elapsed.micros(), 3_600_000_000);
//! ```

mod carrier;
mod clock;
mod entropy;
mod linked;
mod links;
mod memory;
mod net;
mod pace;
mod runtime;
mod tcp;
pub mod tls;

pub use clock::{Clock, Stamp, read_rfc3339, rfc3339};
pub use entropy::{Seeds, Stream as RandomStream};
pub use links::{Ends, FaultId, LinkCounters, LinkFault, Links, Slow};
pub use net::{Incoming, Io, Name, Network, Stream};
pub use runtime::Runtime;

/// What every participant of a run may touch: cheap to clone, handed down, never global.
#[derive(Clone, Debug)]
pub struct World {
    /// The run's clock.
    pub clock: Clock,
    /// The run's randomness.
    pub seeds: Seeds,
    /// The run's network.
    pub net: Network,
}

impl World {
    /// A world for a run in virtual time: in-memory network, everything from `seed`.
    ///
    /// Must be made inside a runtime that was started paused ([`Runtime::virtual_time`]).
    #[must_use]
    pub fn simulated(seed: u64) -> Self {
        let seeds = Seeds::new(seed);
        Self { clock: Clock::start(seeds.epoch_ms()), net: Network::memory(), seeds }
    }

    /// A world on loopback sockets and the real clock, with every choice still drawn from `seed`.
    #[must_use]
    pub fn on_sockets(seed: u64) -> Self {
        let seeds = Seeds::new(seed);
        Self { clock: Clock::start(clock::system_epoch_ms()), net: Network::tcp(), seeds }
    }

    /// A world on loopback sockets whose ids, keys and salts come from the operating system: for a
    /// platform that outlives a run.
    #[must_use]
    pub fn serving() -> Self {
        Self { clock: Clock::start(clock::system_epoch_ms()), net: Network::tcp(), seeds: Seeds::from_system() }
    }
}
