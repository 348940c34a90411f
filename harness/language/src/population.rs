//! How many devices a name stands for, as far as a file tells: bounds per group, since shares are drawn later.

use crate::scenario::{Devices, Scenario, Selection};
use crate::source::Located;
use crate::words::Protocol;
use std::collections::{BTreeMap, BTreeSet};

/// At least and at most so many devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) least: u64,
    pub(crate) most: u64,
}

/// Device groups by name, and how many devices of each.
pub(crate) type Counts<'s> = BTreeMap<&'s str, Bounds>;

/// What every group and selection of a scenario stands for.
pub(crate) struct Population<'s> {
    groups: BTreeMap<&'s str, &'s Devices>,
    counts: BTreeMap<&'s str, Counts<'s>>,
    tenants: BTreeMap<&'s str, BTreeSet<&'s str>>,
    /// Selections that begin with themselves.
    pub(crate) cyclic: Vec<&'s Located<String>>,
}

impl<'s> Population<'s> {
    /// Counts everything, selections after what they are parts of.
    pub(crate) fn of(scenario: &'s Scenario) -> Self {
        let groups: BTreeMap<&str, &Devices> =
            scenario.devices.iter().map(|(name, group)| (name.value.as_str(), &group.value)).collect();
        let selections: BTreeMap<&str, &Selection> =
            scenario.selections.iter().map(|(name, it)| (name.value.as_str(), &it.value)).collect();
        let mut counts: BTreeMap<&str, Counts<'_>> = groups
            .iter()
            .map(|(name, group)| {
                let all = u64::from(group.simulated.value);
                (*name, BTreeMap::from([(*name, Bounds { least: all, most: all })]))
            })
            .collect();
        let mut waits: BTreeMap<&str, usize> = BTreeMap::new();
        let mut parts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, selection) in &selections {
            let wholes: BTreeSet<&str> = selection.from.iter().chain(&selection.except).map(|it| it.as_str()).collect();
            let wholes = wholes.into_iter().filter(|whole| selections.contains_key(whole));
            let mut number = 0;
            for whole in wholes {
                parts.entry(whole).or_default().push(name);
                number += 1;
            }
            waits.insert(name, number);
        }
        let mut ready: Vec<&str> = waits.iter().filter(|(_, number)| **number == 0).map(|(name, _)| *name).collect();
        while let Some(name) = ready.pop() {
            waits.remove(name);
            if let Some(selection) = selections.get(name) {
                let count = part(selection, &groups, &counts);
                counts.insert(name, count);
            }
            for part in parts.remove(name).unwrap_or_default() {
                if let Some(number) = waits.get_mut(part) {
                    *number -= 1;
                    if *number == 0 {
                        ready.push(part);
                    }
                }
            }
        }
        let cyclic = scenario.selections.iter().map(|(name, _)| name);
        let cyclic = cyclic.filter(|name| waits.contains_key(name.value.as_str())).collect();
        let tenant = |group: &&str| owner(groups.get(group)?);
        let tenants = counts.iter().map(|(name, counts)| (*name, counts.keys().filter_map(tenant).collect())).collect();
        Self { groups, counts, tenants, cyclic }
    }

    /// The groups of a name, each with how many of its devices; nothing for a name that is not known.
    pub(crate) fn counts(&self, name: &str) -> impl Iterator<Item = (&'s str, Bounds)> {
        self.counts.get(name).into_iter().flatten().map(|(group, bounds)| (*group, *bounds))
    }

    /// The tenants whose devices a name stands for.
    pub(crate) fn tenants(&self, name: &str) -> impl Iterator<Item = &'s str> {
        self.tenants.get(name).into_iter().flatten().copied()
    }

    /// Which protocol a group speaks.
    pub(crate) fn speaks(&self, group: &str) -> Option<Protocol> {
        self.groups.get(group).map(|group| group.speaks.value)
    }

    /// Whose a group is at the start; `None` too where it is nobody's.
    pub(crate) fn tenant(&self, group: &str) -> Option<&'s str> {
        self.groups.get(group).and_then(|group| owner(group))
    }
}

/// Which group among those of a name is of a kind. Lists of names may be long and stand in many steps: each name is looked through
/// once.
pub(crate) struct First<'p, 's, F> {
    population: &'p Population<'s>,
    is: F,
    known: BTreeMap<String, Option<&'s str>>,
}

impl<'p, 's, F: Fn(&'s str, &'s Devices) -> bool> First<'p, 's, F> {
    pub(crate) const fn new(population: &'p Population<'s>, is: F) -> Self {
        Self { population, is, known: BTreeMap::new() }
    }

    /// The first one of a name.
    pub(crate) fn among(&mut self, name: &str) -> Option<&'s str> {
        if let Some(known) = self.known.get(name) {
            return *known;
        }
        let is = |group: &&'s str| self.population.groups.get(group).is_some_and(|devices| (self.is)(group, devices));
        let found = self.population.counts(name).map(|(group, _)| group).find(is);
        self.known.insert(name.to_owned(), found);
        found
    }
}

fn owner(group: &Devices) -> Option<&str> {
    (!group.is_unbound()).then_some(group.tenant.value.as_str())
}

fn part<'s>(
    selection: &'s Selection,
    groups: &BTreeMap<&'s str, &'s Devices>,
    counts: &BTreeMap<&'s str, Counts<'s>>,
) -> Counts<'s> {
    let mut sum = Counts::new();
    for (group, bounds) in selection.from.iter().filter_map(|name| counts.get(name.value.as_str())).flatten() {
        let all = groups.get(group).map_or(0, |group| u64::from(group.simulated.value));
        let known = sum.entry(*group).or_default();
        known.least = known.least.max(bounds.least);
        known.most = (known.most + bounds.most).min(all);
    }
    for (group, bounds) in selection.except.iter().filter_map(|name| counts.get(name.value.as_str())).flatten() {
        if let Some(known) = sum.get_mut(group) {
            known.least = known.least.saturating_sub(bounds.most);
            let all = groups.get(group).map_or(0, |group| u64::from(group.simulated.value));
            known.most = known.most.min(all.saturating_sub(bounds.least));
        }
    }
    sum.retain(|group, _| {
        groups.get(group).is_some_and(|group| {
            selection.tagged.iter().all(|label| group.tags.iter().any(|tag| tag.value == label.value))
        })
    });
    let alone = sum.len() == 1;
    for bounds in sum.values_mut() {
        if let Some(first) = &selection.first {
            let first = u64::from(first.value);
            bounds.least = if alone { bounds.least.min(first) } else { 0 };
            bounds.most = bounds.most.min(first);
        }
        if let Some(share) = &selection.share {
            let share = u64::from(share.value);
            bounds.least = if alone { bounds.least * share / 1_000_000 } else { 0 };
            bounds.most = (bounds.most * share).div_ceil(1_000_000);
        }
    }
    sum
}
