//! Who takes part: every device of every group, and who belongs to which selection.

use fleetproof_language::{Located, Protocol, Publishes, Scenario, Selection};
use fleetproof_world::Seeds;
use rand::seq::SliceRandom;
use rand::{Rng, RngCore};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often a device asks for updates when the scenario does not say.
const DEFAULT_POLL: Duration = Duration::from_secs(5);

/// The version of devices whose scenario does not say: nothing that it claims depends on it.
const UNTOLD: &str = "0.0";

/// How long a device takes to boot when the scenario does not say.
const DEFAULT_BOOT: Duration = Duration::from_secs(1);

/// One device of the population. Its index is its position in [`Population::devices`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedDevice {
    /// `hvac-7`: its group and a number from 1.
    pub name: String,
    /// The group that declares it.
    pub group: String,
    /// Whose it is.
    pub tenant: String,
    /// What it speaks.
    pub speaks: Protocol,
    /// What it says by itself.
    pub publishes: Option<PlannedPublishes>,
    /// The version it runs at the start.
    pub runs: String,
    /// How often it asks for updates.
    pub poll: Duration,
    /// When, after it was told to, it first does: drawn between zero and `poll`.
    pub phase: Duration,
    /// By how many millionths of `poll` each period is longer or shorter at the most.
    pub jitter: u32,
    /// How long it takes to boot.
    pub boot_time: Duration,
    /// By how many ms its clock is ahead; behind when negative.
    pub skew_ms: i64,
    /// The share of its time without network, in millionths, and for how long each time.
    pub flaky: Option<(u32, Duration)>,
    /// How many bytes per second it can send, and receive.
    pub bandwidth: Option<u64>,
    /// What it shows at the door.
    pub identity: BTreeMap<String, String>,
}

/// What a device says by itself, every so often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedPublishes {
    /// Below the device's own prefix.
    pub topic: String,
    /// How often.
    pub every: Duration,
    /// Bytes.
    pub size: usize,
    /// Whether it is sent until it is acknowledged.
    pub at_least_once: bool,
}

impl PlannedPublishes {
    fn of(publishes: &Publishes) -> Self {
        Self {
            topic: publishes.topic.value.clone(),
            every: publishes.every.value,
            size: usize::try_from(publishes.size.value).unwrap_or(usize::MAX),
            at_least_once: publishes.qos.as_ref().is_none_or(|qos| qos.value > 0),
        }
    }
}

/// All devices, and every name that stands for some of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Population {
    /// In the order of the file.
    pub devices: Vec<PlannedDevice>,
    /// Group or selection → indices, ascending.
    pub named: BTreeMap<String, Vec<u32>>,
    /// Selections that are groups on the platform too.
    pub groups: BTreeSet<String>,
}

impl Population {
    /// Draws the population of `scenario`. Each choice has a stream of its own, by name.
    #[must_use]
    pub fn draw(scenario: &Scenario, seeds: &Seeds) -> Self {
        let mut population = Self::default();
        for (group, devices) in scenario.devices.iter() {
            let poll = devices.poll.as_ref().map_or(DEFAULT_POLL, |poll| poll.value);
            let first = population.devices.len();
            for number in 1..=devices.simulated.value {
                let name = format!("{}-{number}", group.value);
                let index = u32::try_from(population.devices.len()).unwrap_or(u32::MAX);
                let mut stream = seeds.child("devices").stream(&name);
                let poll_ms = u64::try_from(poll.as_millis()).unwrap_or(u64::MAX).max(1);
                let skew = devices.clock_skew.as_ref().map(|skew| skew.value);
                population.devices.push(PlannedDevice {
                    skew_ms: skew_ms(skew, &mut seeds.child("devices").child(&name).stream("clock_skew")),
                    flaky: devices.flaky.as_ref().map(|flaky| (flaky.offline.value, flaky.r#for.value)),
                    bandwidth: devices.bandwidth.as_ref().map(|bandwidth| bandwidth.value),
                    phase: Duration::from_millis(stream.gen_range(0..poll_ms)),
                    identity: identity(&name, index, stream.r#gen(), canary(seeds, &devices.tenant)),
                    name,
                    group: group.value.clone(),
                    tenant: devices.tenant.value.clone(),
                    speaks: devices.speaks.value,
                    publishes: devices.publishes.as_ref().map(|publishes| PlannedPublishes::of(publishes)),
                    runs: devices.runs.as_ref().map_or_else(|| UNTOLD.to_owned(), |runs| runs.value.clone()),
                    poll,
                    jitter: devices.jitter.as_ref().map_or(0, |jitter| jitter.value),
                    boot_time: devices.boot_time.as_ref().map_or(DEFAULT_BOOT, |boot_time| boot_time.value),
                });
            }
            population.named.insert(group.value.clone(), (first..population.devices.len()).map(index32).collect());
        }
        for (name, selection) in scenario.selections.iter() {
            let members = population.select(scenario, seeds, &name.value, selection, &mut BTreeSet::new());
            population.named.insert(name.value.clone(), members.into_iter().collect());
            if selection.group.as_ref().is_some_and(|group| group.value) {
                population.groups.insert(name.value.clone());
            }
        }
        population
    }

    /// The devices that any of `names` stands for, ascending, each once.
    #[must_use]
    pub fn members(&self, names: &[Located<String>]) -> Vec<u32> {
        let all: BTreeSet<u32> =
            names.iter().filter_map(|name| self.named.get(&name.value)).flatten().copied().collect();
        all.into_iter().collect()
    }

    fn select(
        &self,
        scenario: &Scenario,
        seeds: &Seeds,
        name: &str,
        selection: &Selection,
        above: &mut BTreeSet<String>,
    ) -> BTreeSet<u32> {
        // A selection inside itself is refused by `check`; here it is empty rather than endless.
        if !above.insert(name.to_owned()) {
            return BTreeSet::new();
        }
        let mut union = |names: &[Located<String>]| -> BTreeSet<u32> {
            let mut all = BTreeSet::new();
            for part in names {
                match (self.named.get(&part.value), scenario.selections.get(&part.value)) {
                    (Some(known), _) => all.extend(known),
                    (None, Some(inner)) => all.extend(self.select(scenario, seeds, &part.value, inner, above)),
                    (None, None) => {}
                }
            }
            all
        };
        let mut members = union(&selection.from);
        for gone in union(&selection.except) {
            members.remove(&gone);
        }
        above.remove(name);
        members.retain(|member| self.bears(scenario, *member, &selection.tagged));
        if let Some(first) = &selection.first {
            return members.into_iter().take(first.value as usize).collect();
        }
        let Some(share) = &selection.share else { return members };
        let wanted = share_of(members.len(), share.value);
        let mut drawn: Vec<u32> = members.into_iter().collect();
        drawn.shuffle(&mut seeds.child("selections").stream(name));
        drawn.into_iter().take(wanted).collect()
    }

    fn bears(&self, scenario: &Scenario, member: u32, tags: &[Located<String>]) -> bool {
        tags.iter().all(|tag| {
            self.devices
                .get(member as usize)
                .and_then(|device| scenario.devices.get(&device.group))
                .is_some_and(|group| group.tags.contains(tag))
        })
    }
}

/// Somewhere between so much behind and so much ahead.
fn skew_ms(most: Option<Duration>, draws: &mut impl Rng) -> i64 {
    let most = most.map_or(0, |most| i64::try_from(most.as_millis()).unwrap_or(i64::MAX / 2));
    if most == 0 { 0 } else { draws.gen_range(-most..=most) }
}

/// `share` millionths of `whole`, to the nearest device, but never none of some.
fn share_of(whole: usize, share: u32) -> usize {
    let exact = whole as u64 * u64::from(share);
    let rounded = (exact + 500_000) / 1_000_000;
    usize::try_from(rounded).unwrap_or(whole).clamp(usize::from(exact > 0), whole)
}

fn index32(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// A word that stands in the identity of all devices of a tenant, and that nobody outside the tenant may ever read.
#[must_use]
pub fn canary(seeds: &Seeds, tenant: &str) -> String {
    format!("canary-{tenant}-{:08x}", seeds.child("canaries").stream(tenant).next_u32())
}

/// A locally administered MAC address, unique by the device's index, a serial number, and the tenant's canary.
fn identity(name: &str, index: u32, drawn: u16, canary: String) -> BTreeMap<String, String> {
    let ([_, a, b, c], [d, e]) = (index.to_be_bytes(), drawn.to_be_bytes());
    BTreeMap::from([
        ("mac".to_owned(), format!("02:{d:02x}:{e:02x}:{a:02x}:{b:02x}:{c:02x}")),
        ("serial".to_owned(), name.to_owned()),
        ("site".to_owned(), canary),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetproof_language::{Devices, Platform, Protocol, Span, Table};
    use proptest::prelude::*;

    fn at<T>(value: T) -> Located<T> {
        Located { value, span: Span::default() }
    }

    fn names(names: &[&str]) -> Vec<Located<String>> {
        names.iter().map(|name| at((*name).to_owned())).collect()
    }

    fn selection(from: &[&str]) -> Selection {
        Selection { from: names(from), except: vec![], tagged: vec![], first: None, share: None, group: None }
    }

    fn scenario(hvac: u32, selections: Vec<(&str, Selection)>) -> Scenario {
        let group = |tenant: &str, simulated, tags: &[&str]| Devices {
            tenant: at(tenant.to_owned()),
            simulated: at(simulated),
            speaks: at(Protocol::Mender),
            runs: Some(at("1.0".to_owned())),
            poll: None,
            identity: None,
            publishes: None,
            jitter: None,
            boot_time: None,
            clock_skew: None,
            flaky: None,
            bandwidth: None,
            tags: names(tags),
        };
        let table =
            |rows: Vec<(&str, Devices)>| Table(rows.into_iter().map(|(k, v)| (at(k.to_owned()), at(v))).collect());
        Scenario {
            scenario: at("test".to_owned()),
            about: None,
            tags: vec![],
            budget: None,
            needs: vec![],
            matrix: Table::default(),
            vars: Table::default(),
            covers: vec![],
            platform: Platform::default(),
            artifacts: Table::default(),
            devices: table(vec![("hvac", group("acme", hvac, &["roof"])), ("lifts", group("globex", 10, &[]))]),
            selections: Table(selections.into_iter().map(|(k, v)| (at(k.to_owned()), at(v))).collect()),
            steps: vec![],
        }
    }

    #[test]
    fn selections_build_on_groups_and_on_each_other() {
        let roof = Selection { tagged: names(&["roof"]), ..selection(&["hvac", "lifts"]) };
        let few = Selection { first: Some(at(3)), ..selection(&["roof"]) };
        let rest = Selection { except: names(&["few"]), ..selection(&["hvac"]) };
        let drawn = Population::draw(&scenario(5, vec![("rest", rest), ("few", few), ("roof", roof)]), &Seeds::new(1));
        assert_eq!(drawn.named["roof"], [0, 1, 2, 3, 4]);
        assert_eq!(drawn.named["few"], [0, 1, 2]);
        assert_eq!(drawn.named["rest"], [3, 4]);
        assert_eq!(drawn.members(&names(&["few", "lifts", "few"])).len(), 13);
    }

    #[test]
    fn another_group_redraws_nothing() {
        let beta = || Selection { share: Some(at(500_000)), ..selection(&["lifts"]) };
        let small = Population::draw(&scenario(5, vec![("beta", beta())]), &Seeds::new(1));
        let large = Population::draw(&scenario(50, vec![("beta", beta())]), &Seeds::new(1));
        let by_name = |population: &Population| -> Vec<String> {
            population.named["beta"].iter().map(|i| population.devices[*i as usize].name.clone()).collect()
        };
        assert_eq!(by_name(&small), by_name(&large));
        assert_eq!(small.devices[5].phase, large.devices[50].phase);
        let other = Population::draw(&scenario(5, vec![("beta", beta())]), &Seeds::new(2));
        assert_ne!(small.devices[0].phase, other.devices[0].phase);
    }

    #[test]
    fn clocks_are_ahead_and_behind_within_their_skew() {
        let mut draws = Seeds::new(1).stream("clock_skew");
        let skews: Vec<i64> = (0..1000).map(|_| skew_ms(Some(Duration::from_secs(60)), &mut draws)).collect();
        assert!(skews.iter().all(|skew| (-60_000..=60_000).contains(skew)));
        assert!(skews.iter().any(|skew| *skew > 50_000) && skews.iter().any(|skew| *skew < -50_000));
        assert_eq!(skew_ms(None, &mut draws), 0);
    }

    proptest! {
        #[test]
        fn a_share_is_never_more_than_the_whole_nor_none_of_some(whole in 0usize..10_000, share in 0u32..=1_000_000) {
            let part = share_of(whole, share);
            prop_assert!(part <= whole);
            prop_assert_eq!(part == 0, whole == 0 || share == 0);
        }

        #[test]
        fn no_two_devices_show_the_same_identity(hvac in 1u32..300, seed: u64) {
            let population = Population::draw(&scenario(hvac, vec![]), &Seeds::new(seed));
            let distinct: BTreeSet<_> = population.devices.iter().map(|device| &device.identity["mac"]).collect();
            prop_assert_eq!(distinct.len(), population.devices.len());
        }
    }
}
