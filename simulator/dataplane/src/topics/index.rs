//! Who subscribed to what, by level.

use super::names::Filter;
use std::collections::BTreeMap;
use std::ops::Bound;

/// The subscriptions of an account. `K` is who, `O` with which options.
///
/// Finding who gets a message costs what the message's levels and its finds cost, not what there is.
#[derive(Debug)]
pub struct Index<K, O> {
    root: Node<K, O>,
    count: usize,
}

#[derive(Debug)]
struct Node<K, O> {
    /// Below a level of this name.
    named: BTreeMap<Box<str>, Node<K, O>>,
    /// Below `+`.
    any: Option<Box<Node<K, O>>>,
    /// Those of `#` at this place.
    rest: Leaves<K, O>,
    /// Those whose filter ends here.
    here: Leaves<K, O>,
}

#[derive(Debug)]
struct Leaves<K, O> {
    single: BTreeMap<K, O>,
    groups: BTreeMap<Box<str>, Group<K, O>>,
}

/// The members of a shared subscription: one group, one filter.
#[derive(Debug)]
pub struct Group<K, O> {
    members: BTreeMap<K, O>,
    /// Who had the last message.
    last: Option<K>,
}

/// What [`Index::visit`] finds.
#[derive(Debug)]
pub enum Found<'a, K, O> {
    /// A subscription.
    One(&'a K, &'a O),
    /// A shared one: its name, and its members, of whom one is to be chosen.
    Shared(&'a str, &'a mut Group<K, O>),
}

/// What wildcards at the beginning of a filter reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Not what begins with `$`.
    Ordinary,
    /// That too. No sound broker asks so.
    Everything,
}

impl<K, O> Default for Leaves<K, O> {
    fn default() -> Self {
        Self { single: BTreeMap::new(), groups: BTreeMap::new() }
    }
}

impl<K, O> Default for Node<K, O> {
    fn default() -> Self {
        Self { named: BTreeMap::new(), any: None, rest: Leaves::default(), here: Leaves::default() }
    }
}

impl<K, O> Default for Index<K, O> {
    fn default() -> Self {
        Self { root: Node::default(), count: 0 }
    }
}

impl<K: Ord + Copy, O: Copy> Group<K, O> {
    /// The next one after who had the last message, in their order, of those that fit. Having been chosen counts as a turn.
    pub fn choose(&mut self, mut fits: impl FnMut(&K, &O) -> bool) -> Option<(K, O)> {
        let from = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.members.range((from, Bound::Unbounded));
        let until = self.last.map(|last| (Bound::Unbounded, Bound::Included(last)));
        let before = until.into_iter().flat_map(|bounds| self.members.range(bounds));
        let (who, how) = behind.chain(before).find(|(who, how)| fits(who, how)).map(|(who, how)| (*who, *how))?;
        self.last = Some(who);
        Some((who, how))
    }

    /// How many belong to it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

impl<K: Ord + Copy, O: Copy> Leaves<K, O> {
    fn insert(&mut self, group: Option<&str>, who: K, how: O) -> Option<O> {
        match group {
            None => self.single.insert(who, how),
            Some(name) => match self.groups.get_mut(name) {
                Some(group) => group.members.insert(who, how),
                None => {
                    self.groups.insert(name.into(), Group { members: BTreeMap::from([(who, how)]), last: None });
                    None
                }
            },
        }
    }

    fn remove(&mut self, group: Option<&str>, who: &K) -> Option<O> {
        let Some(name) = group else { return self.single.remove(who) };
        let group = self.groups.get_mut(name)?;
        let removed = group.members.remove(who);
        if group.members.is_empty() {
            self.groups.remove(name);
        }
        removed
    }

    fn visit(&mut self, see: &mut impl FnMut(Found<'_, K, O>)) {
        for (who, how) in &self.single {
            see(Found::One(who, how));
        }
        for (name, group) in &mut self.groups {
            see(Found::Shared(name, group));
        }
    }

    fn is_empty(&self) -> bool {
        self.single.is_empty() && self.groups.is_empty()
    }
}

impl<K: Ord + Copy, O: Copy> Node<K, O> {
    fn is_empty(&self) -> bool {
        self.named.is_empty() && self.any.is_none() && self.rest.is_empty() && self.here.is_empty()
    }

    fn leaves(&mut self, path: &str) -> &mut Leaves<K, O> {
        let mut node = self;
        for level in path.split('/') {
            match level {
                "#" => return &mut node.rest,
                "+" => node = node.any.get_or_insert_default(),
                _ => node = node.named.entry(level.into()).or_default(),
            }
        }
        &mut node.here
    }

    fn remove(&mut self, level: &str, rest: Option<&str>, group: Option<&str>, who: &K) -> Option<O> {
        fn below<K: Ord + Copy, O: Copy>(
            node: &mut Node<K, O>,
            rest: Option<&str>,
            group: Option<&str>,
            who: &K,
        ) -> Option<O> {
            match rest {
                None => node.here.remove(group, who),
                Some(rest) => {
                    let (level, rest) = split(rest);
                    node.remove(level, rest, group, who)
                }
            }
        }
        match level {
            "#" => self.rest.remove(group, who),
            "+" => {
                let node = self.any.as_mut()?;
                let removed = below(node, rest, group, who);
                if node.is_empty() {
                    self.any = None;
                }
                removed
            }
            _ => {
                let node = self.named.get_mut(level)?;
                let removed = below(node, rest, group, who);
                if node.is_empty() {
                    self.named.remove(level);
                }
                removed
            }
        }
    }

    fn visit(&mut self, topic: &str, wild: bool, see: &mut impl FnMut(Found<'_, K, O>)) {
        let (level, rest) = split(topic);
        if wild {
            self.rest.visit(see);
            if let Some(node) = &mut self.any {
                node.visit_below(rest, see);
            }
        }
        if let Some(node) = self.named.get_mut(level) {
            node.visit_below(rest, see);
        }
    }

    fn visit_below(&mut self, rest: Option<&str>, see: &mut impl FnMut(Found<'_, K, O>)) {
        match rest {
            None => self.here.visit(see),
            Some(rest) => self.visit(rest, true, see),
        }
    }
}

impl<K: Ord + Copy, O: Copy> Index<K, O> {
    /// Remembers a subscription. Returns the options that it had before, if there was one.
    pub fn subscribe(&mut self, filter: Filter<'_>, who: K, how: O) -> Option<O> {
        let before = self.root.leaves(filter.path).insert(filter.group, who, how);
        self.count += usize::from(before.is_none());
        before
    }

    /// Forgets a subscription. Returns its options, if there was one.
    pub fn unsubscribe(&mut self, filter: Filter<'_>, who: &K) -> Option<O> {
        let (level, rest) = split(filter.path);
        let removed = self.root.remove(level, rest, filter.group, who);
        self.count -= usize::from(removed.is_some());
        removed
    }

    /// Shows every subscription that a message to `topic` is for. Who has several is shown several times.
    pub fn visit(&mut self, topic: &str, reach: Reach, mut see: impl FnMut(Found<'_, K, O>)) {
        let wild = reach == Reach::Everything || !topic.starts_with('$');
        self.root.visit(topic, wild, &mut see);
    }

    /// How many subscriptions there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('/').map_or((path, None), |(level, rest)| (level, Some(rest)))
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, matches};
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const LIMITS: Limits = Limits { bytes: 256, slashes: 7 };

    fn found(index: &mut Index<u32, u32>, topic: &str) -> Vec<(u32, u32)> {
        let mut all = Vec::new();
        index.visit(topic, Reach::Ordinary, |found| match found {
            Found::One(who, how) => all.push((*who, *how)),
            Found::Shared(_, group) => all.extend(group.choose(|_, _| true)),
        });
        all.sort_unstable();
        all
    }

    fn filter(text: &str) -> Filter<'_> {
        Filter::parse(text, LIMITS).unwrap()
    }

    #[test]
    fn a_group_takes_turns() {
        let mut index = Index::default();
        for who in [3, 1, 2] {
            assert_eq!(index.subscribe(filter("$share/g/a"), who, 0), None);
        }
        index.subscribe(filter("$share/h/a"), 9, 0);
        let turns: Vec<_> = (0..4).map(|_| found(&mut index, "a")).collect();
        assert_eq!(turns, [[(1, 0), (9, 0)], [(2, 0), (9, 0)], [(3, 0), (9, 0)], [(1, 0), (9, 0)]]);
        assert_eq!(index.unsubscribe(filter("$share/g/a"), &2), Some(0));
        assert_eq!(found(&mut index, "a"), [(3, 0), (9, 0)]);
        assert_eq!(index.unsubscribe(filter("a"), &3), None, "it is not the shared one");
    }

    #[test]
    fn everything_is_asked_for_by_name_only() {
        let mut index = Index::default();
        index.subscribe(filter("#"), 1, 0);
        assert_eq!(found(&mut index, "$aws/x"), []);
        let mut seen = 0;
        index.visit("$aws/x", Reach::Everything, |_| seen += 1);
        assert_eq!(seen, 1);
    }

    #[test]
    fn nothing_is_left_of_what_was_forgotten() {
        let mut index = Index::default();
        for path in ["a/b/c", "a/+/c", "a/#", "#", "+", "$share/g/a/b"] {
            index.subscribe(filter(path), 1, 0);
        }
        for path in ["a/b/c", "a/+/c", "a/#", "#", "+", "$share/g/a/b"] {
            assert_eq!(index.unsubscribe(filter(path), &1), Some(0), "{path}");
        }
        assert!(index.is_empty() && index.root.is_empty());
    }

    proptest! {
        #[test]
        fn it_finds_what_matches(
            steps in proptest::collection::vec((any::<bool>(), 0..4_u32, "(\\$)?[ab+]?(/[ab+]?){0,3}(/#)?"), 0..60),
            topics in proptest::collection::vec("(\\$)?[ab]?(/[ab]?){0,4}", 1..10),
        ) {
            let mut index = Index::default();
            let mut all = BTreeSet::new();
            for (add, who, path) in &steps {
                let Ok(filter) = Filter::parse(path, LIMITS) else { continue };
                if *add {
                    prop_assert_eq!(index.subscribe(filter, *who, 7).is_none(), all.insert((path.clone(), *who)));
                } else {
                    prop_assert_eq!(index.unsubscribe(filter, who).is_some(), all.remove(&(path.clone(), *who)));
                }
                prop_assert_eq!(index.len(), all.len());
            }
            for topic in topics.iter().filter(|topic| !topic.is_empty()) {
                let mut naive: Vec<_> =
                    all.iter().filter(|(path, _)| matches(path, topic)).map(|(_, who)| (*who, 7)).collect();
                naive.sort_unstable();
                prop_assert_eq!(found(&mut index, topic), naive, "topic {}", topic);
            }
        }
    }
}
