//! A device whose network comes and goes, and one whose line is narrow.

use fleetproof_world::{Ends, FaultId, LinkFault, Links, Name, Slow, World};
use rand::Rng;
use std::time::Duration;

/// How a device loses its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flaky {
    /// The share of the time without network, in millionths.
    pub offline: u32,
    /// How long it is without network each time.
    pub gap: Duration,
}

impl Flaky {
    /// How long it has network between two gaps: between half and one and a half of what makes the share come out.
    fn online(&self, draws: &mut impl Rng) -> Duration {
        let share = u128::from(self.offline.clamp(1, 1_000_000));
        let mean = self.gap.as_micros() * (1_000_000 - share) / share;
        let mean = u64::try_from(mean).unwrap_or(u64::MAX / 2);
        Duration::from_micros(mean / 2 + draws.gen_range(0..=mean))
    }

    /// How much of the first time with network is over when the device starts, so that not all lose it together.
    fn first(&self, draws: &mut impl Rng) -> Duration {
        let online = self.online(draws);
        online.mul_f64(f64::from(draws.gen_range(0..1_000_u32)) / 1_000.0)
    }
}

/// A fault of the link between a device and its platform that is lifted when this is dropped.
pub(crate) struct Trouble {
    links: Links,
    id: FaultId,
}

impl Trouble {
    fn put(world: &World, ends: &Ends, fault: LinkFault, name: &str) -> Self {
        let links = world.net.links().clone();
        let id = links.put(ends.clone(), fault, &world.seeds.child(name));
        Self { links, id }
    }

    /// A line of so many bytes per second.
    pub(crate) fn narrow(world: &World, ends: &Ends, bandwidth: u64) -> Self {
        let fault = LinkFault::Slow(Slow { bandwidth: Some(bandwidth.max(1)), ..Slow::default() });
        Self::put(world, ends, fault, "bandwidth")
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        self.links.lift(self.id);
    }
}

/// The two sides of a device's link.
pub(crate) fn link(device: &Name, server: &Name) -> Ends {
    Ends::between(device, server)
}

/// Takes the network away and gives it back, for ever. What is under way then waits, or is given up by who waits for it.
pub(crate) async fn flicker(world: World, ends: Ends, flaky: Flaky) {
    let mut draws = world.seeds.stream("flaky");
    world.clock.sleep(flaky.first(&mut draws)).await;
    loop {
        let gap = Trouble::put(&world, &ends, LinkFault::Partition { one_way: false }, "flaky");
        world.clock.sleep(flaky.gap.max(Duration::from_millis(1))).await;
        drop(gap);
        world.clock.sleep(flaky.online(&mut draws)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetproof_world::Seeds;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_share_of_time_without_network_comes_out(percent in 1..=99_u32, gap in 10..100_000_u64, seed: u64) {
            let flaky = Flaky { offline: percent * 10_000, gap: Duration::from_millis(gap) };
            let mut draws = Seeds::new(seed).stream("flaky");
            let times: Vec<Duration> = (0..2_000).map(|_| flaky.online(&mut draws)).collect();
            let online: f64 = times.iter().map(Duration::as_secs_f64).sum();
            let offline = flaky.gap.as_secs_f64() * times.len() as f64;
            let share = offline / (online + offline);
            prop_assert!((share - f64::from(percent) / 100.0).abs() < 0.02, "{share} for {percent}%");
            prop_assert!(times.iter().any(|time| *time != times[0]) || times[0] < Duration::from_micros(200));
            prop_assert!(flaky.first(&mut draws) <= flaky.online(&mut draws).max(Duration::from_micros(1)) * 3 + Duration::from_micros(2));
        }
    }

    #[test]
    fn always_without_network_is_never_with_it() {
        let flaky = Flaky { offline: 1_000_000, gap: Duration::from_secs(1) };
        assert_eq!(flaky.online(&mut Seeds::new(1).stream("flaky")), Duration::ZERO);
    }
}
