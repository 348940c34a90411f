//! Who waits, and who is next: fair between those who ask, in order for each of them.
//!
//! Start-time fair queueing (Goyal, Vin, Cheng 1996) over whole µs: each request is given the moment at which its
//! asker's work would have come to it if all askers were served at the same time; the earliest is next. While two of
//! them wait all the time, what they get differs by no more than their two largest requests.

use std::collections::{BTreeMap, VecDeque};

/// Whose work it is. Tenants by their ids; what belongs to none shares one line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asker {
    /// Nobody in particular: who has not shown yet who she is.
    Anybody,
    /// A tenant, by its id.
    Tenant(String),
}

/// Those who wait.
#[derive(Debug)]
pub(crate) struct Line<T> {
    askers: BTreeMap<Asker, Flow<T>>,
    /// The start of what was taken out last.
    moment: u64,
    waiting: usize,
}

#[derive(Debug)]
struct Flow<T> {
    /// Where the last of its requests ends.
    end: u64,
    /// Start, cost, and what waits.
    waiting: VecDeque<(u64, u64, T)>,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { askers: BTreeMap::new(), moment: 0, waiting: 0 }
    }
}

impl<T> Line<T> {
    /// `item`, which takes `cost` µs, waits from now on.
    pub(crate) fn join(&mut self, asker: &Asker, cost: u64, item: T) {
        let moment = self.moment;
        let flow = self.askers.entry(asker.clone()).or_insert_with(|| Flow { end: 0, waiting: VecDeque::new() });
        let start = flow.end.max(moment);
        flow.end = start.saturating_add(cost);
        flow.waiting.push_back((start, cost, item));
        self.waiting += 1;
    }

    /// Who is next among those that `may` be served, and what it costs.
    pub(crate) fn next(&mut self, may: impl Fn(&Asker) -> bool) -> Option<(Asker, u64, T)> {
        let first = |(asker, flow): (&Asker, &Flow<T>)| Some((flow.waiting.front()?.0, asker.clone()));
        let may_be = self.askers.iter().filter(|(asker, _)| may(asker));
        let (start, asker) = may_be.filter_map(first).min()?;
        let (_, cost, item) = self.askers.get_mut(&asker)?.waiting.pop_front()?;
        self.waiting -= 1;
        self.moment = self.moment.max(start);
        // Who has had its share and waits for nothing needs no memory.
        let moment = self.moment;
        self.askers.retain(|_, flow| !flow.waiting.is_empty() || flow.end > moment);
        Some((asker, cost, item))
    }

    /// Whether nobody waits.
    pub(crate) const fn is_empty(&self) -> bool {
        self.waiting == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tenant(number: usize) -> Asker {
        Asker::Tenant(format!("t{number}"))
    }

    proptest! {
        /// Everything comes out once, and what one asker brought comes out in order.
        #[test]
        fn nothing_is_lost_and_each_is_served_in_order(work in prop::collection::vec((0..4_usize, 1..500_u64), 0..80)) {
            let mut line = Line::default();
            for (number, (asker, cost)) in work.iter().enumerate() {
                line.join(&tenant(*asker), *cost, number);
            }
            let mut out: BTreeMap<Asker, Vec<usize>> = BTreeMap::new();
            while let Some((asker, cost, number)) = line.next(|_| true) {
                prop_assert_eq!((&asker, cost), (&tenant(work[number].0), work[number].1));
                out.entry(asker).or_default().push(number);
            }
            prop_assert!(line.is_empty());
            prop_assert_eq!(out.values().map(Vec::len).sum::<usize>(), work.len());
            for numbers in out.values() {
                prop_assert!(numbers.is_sorted());
            }
        }

        /// While both wait all the time, what two get differs by their largest requests at the most.
        #[test]
        fn two_who_wait_get_the_same(mine in prop::collection::vec(1..500_u64, 60), theirs in prop::collection::vec(1..500_u64, 60)) {
            let mut line = Line::default();
            for cost in &mine {
                line.join(&tenant(0), *cost, 0);
            }
            for cost in &theirs {
                line.join(&tenant(1), *cost, 1);
            }
            let most = mine.iter().max().unwrap() + theirs.iter().max().unwrap();
            let (mut got, mut left) = ([0_u64; 2], [60, 60]);
            while left[0] > 0 && left[1] > 0 {
                let (_, cost, whose) = line.next(|_| true).unwrap();
                got[whose] += cost;
                left[whose] -= 1;
                prop_assert!(got[0].abs_diff(got[1]) <= most, "{got:?}");
            }
        }

        /// Whoever comes after a crowd does not wait for the crowd: at most one request of each other asker is before.
        #[test]
        fn who_was_idle_does_not_wait_for_a_crowd(crowd in 1..300_usize, served in 0..300_usize, cost in 1..500_u64) {
            let mut line = Line::default();
            for _ in 0..crowd {
                line.join(&tenant(0), cost, false);
            }
            for _ in 0..served.min(crowd) {
                line.next(|_| true);
            }
            line.join(&tenant(1), cost, true);
            let before = std::iter::from_fn(|| line.next(|_| true)).take_while(|(_, _, mine)| !mine).count();
            prop_assert!(before <= 1, "{before} before");
        }
    }

    #[test]
    fn who_may_not_is_passed_over() {
        let mut line = Line::default();
        line.join(&tenant(0), 5, "a");
        line.join(&tenant(1), 5, "b");
        assert_eq!(line.next(|asker| *asker != tenant(0)).map(|(_, _, item)| item), Some("b"));
        assert_eq!(line.next(|asker| *asker != tenant(0)).map(|(_, _, item)| item), None);
        assert_eq!(line.next(|_| true).map(|(_, _, item)| item), Some("a"));
    }
}
