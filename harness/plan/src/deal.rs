//! The points of a sweep over connections, dealt out over devices and rounds.

use rand::Rng;
use rand::seq::SliceRandom;
use std::collections::{BTreeMap, VecDeque};

/// The points at which the connections of devices can be cut: devices that exchange the same packets share the points, each
/// of which stands before one packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Points {
    /// Who exchanges the same, in the order of the packets.
    alike: Vec<Alike>,
    /// Which of them, and before which of their packets, counted from 0.
    points: Vec<(usize, usize)>,
}

/// Devices that exchange the same packets.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Alike {
    packets: Vec<String>,
    devices: Vec<u32>,
}

/// A round of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// The device that is left alone; `None`: there is one device only, and it is not.
    pub control: Option<u32>,
    /// Before which packet the connection of each of the others ends, counted from 0. Those that are left over are left alone too.
    pub cuts: BTreeMap<u32, usize>,
}

impl Points {
    /// One before each of the packets that these devices were seen to exchange.
    #[must_use]
    pub fn of(packets: &BTreeMap<u32, Vec<String>>) -> Self {
        let mut alike: BTreeMap<&[String], Vec<u32>> = BTreeMap::new();
        for (device, packets) in packets {
            alike.entry(packets).or_default().push(*device);
        }
        let alike = alike.into_iter().map(|(packets, devices)| Alike { packets: packets.to_vec(), devices });
        let alike: Vec<Alike> = alike.collect();
        let points = alike.iter().enumerate().flat_map(|(who, it)| (0..it.packets.len()).map(move |at| (who, at)));
        let points = points.collect();
        Self { alike, points }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// So many of them, drawn; all of them where there are no more.
    #[must_use]
    pub fn draw(mut self, draws: usize, stream: &mut impl Rng) -> Self {
        self.points.shuffle(stream);
        self.points.truncate(draws);
        self.points.sort_unstable();
        self
    }

    /// Those that stand before a packet of one of these devices.
    #[must_use]
    pub fn only(&self, cuts: &[(u32, usize)]) -> Self {
        let mut points: Vec<(usize, usize)> = cuts
            .iter()
            .filter_map(|(device, at)| Some((self.alike.iter().position(|it| it.devices.contains(device))?, *at)))
            .collect();
        points.sort_unstable();
        points.dedup();
        Self { alike: self.alike.clone(), points }
    }

    /// What the packet is before which a device's connection ends, as people read it: `packet 7 of 19, answer 200 to PUT …/status`.
    #[must_use]
    pub fn tell(&self, device: u32, at: usize) -> String {
        let packets = self.alike.iter().find(|it| it.devices.contains(&device)).map_or(&[][..], |it| &it.packets);
        let what = packets.get(at).map_or("nothing that is known", String::as_str);
        format!("packet {} of {}, {what}", at + 1, packets.len())
    }

    /// Deals them out: each once, one per device and round. Of several devices one per round is left alone, each in its turn.
    #[must_use]
    pub fn deal(&self) -> Vec<Round> {
        let mut open: Vec<VecDeque<usize>> = vec![VecDeque::new(); self.alike.len()];
        for (who, at) in &self.points {
            open[*who].push_back(*at);
        }
        let kind = |who: usize, it: &Alike| it.devices.iter().map(|device| (*device, who)).collect::<Vec<_>>();
        let devices: BTreeMap<u32, usize> = self.alike.iter().enumerate().flat_map(|(who, it)| kind(who, it)).collect();
        let names: Vec<u32> = devices.keys().copied().collect();
        let (mut rounds, mut turn) = (Vec::new(), 0);
        while open.iter().any(|points| !points.is_empty()) {
            let control = (names.len() > 1).then(|| names[turn % names.len()]);
            turn += 1;
            let mut cuts = BTreeMap::new();
            for (device, who) in devices.iter().filter(|(device, _)| Some(**device) != control) {
                if let Some(at) = open[*who].pop_front() {
                    cuts.insert(*device, at);
                }
            }
            // The one to which all that is left belongs had to be left alone.
            if !cuts.is_empty() {
                rounds.push(Round { control, cuts });
            }
        }
        rounds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetproof_world::Seeds;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn seen(of: &[(u32, &[&str])]) -> BTreeMap<u32, Vec<String>> {
        of.iter().map(|(device, packets)| (*device, packets.iter().map(|it| (*it).to_owned()).collect())).collect()
    }

    #[test]
    fn devices_that_do_the_same_share_the_points() {
        let points = Points::of(&seen(&[(4, &["a", "b", "c"]), (5, &["a", "b", "c"]), (7, &["a", "b", "c"])]));
        assert_eq!((points.len(), points.tell(5, 2)), (3, "packet 3 of 3, c".to_owned()));
        let rounds = points.deal();
        assert_eq!(rounds[0], Round { control: Some(4), cuts: BTreeMap::from([(5, 0), (7, 1)]) });
        assert_eq!(rounds[1], Round { control: Some(5), cuts: BTreeMap::from([(4, 2)]) });
        assert_eq!(rounds.len(), 2);
    }

    #[test]
    fn one_device_takes_one_point_after_the_other_and_has_no_control_beside_it() {
        let rounds = Points::of(&seen(&[(3, &["a", "b"])])).deal();
        let round = |at| Round { control: None, cuts: BTreeMap::from([(3, at)]) };
        assert_eq!(rounds, [round(0), round(1)]);
        assert_eq!(Points::of(&BTreeMap::new()).deal(), []);
        assert_eq!(Points::of(&seen(&[(1, &[]), (2, &[])])).deal(), [], "nothing was exchanged");
    }

    #[test]
    fn what_was_not_met_is_dealt_out_once_more() {
        let points = Points::of(&seen(&[(1, &["a", "b"]), (2, &["a", "b"]), (3, &["x"])]));
        let again = points.only(&[(2, 1), (3, 0), (1, 1)]);
        assert_eq!(again.len(), 2, "a point is one, whoever missed it");
        assert!(points.only(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn each_point_is_dealt_once_and_somebody_is_left_alone(
            lengths in proptest::collection::btree_map(0..40_u32, (0..3_usize, 0..30_usize), 1..8),
            draws in 0..60_usize,
            seed: u64,
        ) {
            let packets: BTreeMap<u32, Vec<String>> = lengths
                .iter()
                .map(|(device, (kind, length))| (*device, (0..*length).map(|at| format!("{kind}/{length}/{at}")).collect()))
                .collect();
            let all = Points::of(&packets);
            let drawn = all.clone().draw(draws, &mut Seeds::new(seed).stream("points"));
            prop_assert_eq!(&drawn, &all.clone().draw(draws, &mut Seeds::new(seed).stream("points")));
            prop_assert_eq!(drawn.len(), draws.min(all.len()));
            for points in [all, drawn] {
                let rounds = points.deal();
                let mut dealt = BTreeSet::new();
                for round in &rounds {
                    prop_assert!(!round.cuts.is_empty());
                    prop_assert_eq!(round.control.is_some(), packets.len() > 1);
                    for (device, at) in &round.cuts {
                        prop_assert!(Some(*device) != round.control);
                        let packet = packets[device].get(*at);
                        prop_assert!(packet.is_some(), "no packet that it does not have");
                        prop_assert!(dealt.insert(packet), "each once");
                    }
                }
                prop_assert_eq!(dealt.len(), points.len());
            }
        }
    }
}
