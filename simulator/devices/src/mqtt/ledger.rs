//! What became of messages, counted from their numbers: nothing is guessed from rates or acknowledgements.
//!
//! A device numbers what it sends from 1. Who watches the device notes what was sent and acknowledged, who watches the
//! receiving side notes what arrived; the difference is loss, what arrives twice a duplicate.

use serde::Serialize;

/// How many gaps a set of numbers may have. Numbers that would make more are only counted: a flood of scattered numbers
/// must not grow the memory of who counts.
const MAXIMUM_RUNS: usize = 4_096;

/// A set of numbers, kept as runs without gaps: a device that loses nothing costs one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// First and last, ascending, with a gap between any two.
    runs: Vec<(u64, u64)>,
    beyond: u64,
}

impl Numbers {
    /// Adds a number; whether it is new.
    pub fn insert(&mut self, number: u64) -> bool {
        // The usual case: the next one.
        if let Some((_, last)) = self.runs.last_mut()
            && last.checked_add(1) == Some(number)
        {
            *last = number;
            return true;
        }
        let at = self.runs.partition_point(|(_, last)| *last < number);
        if self.runs.get(at).is_some_and(|(first, _)| *first <= number) {
            return false;
        }
        let follows = at > 0 && self.runs[at - 1].1 + 1 == number;
        let precedes = self.runs.get(at).is_some_and(|(first, _)| *first - 1 == number);
        match (follows, precedes) {
            (true, true) => {
                self.runs[at - 1].1 = self.runs[at].1;
                self.runs.remove(at);
            }
            (true, false) => self.runs[at - 1].1 = number,
            (false, true) => self.runs[at].0 = number,
            (false, false) if self.runs.len() >= MAXIMUM_RUNS => self.beyond += 1,
            (false, false) => self.runs.insert(at, (number, number)),
        }
        true
    }

    /// Whether it is there.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        let at = self.runs.partition_point(|(_, last)| *last < number);
        self.runs.get(at).is_some_and(|(first, _)| *first <= number)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.runs.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many numbers were not kept because there were too many gaps; while it is 0 all counts are exact.
    #[must_use]
    pub const fn beyond(&self) -> u64 {
        self.beyond
    }

    /// How many of these are not in `other`.
    #[must_use]
    pub fn missing_in(&self, other: &Self) -> u64 {
        let (mut missing, mut at) = (0, 0);
        for &(first, last) in &self.runs {
            let mut from = first;
            while let Some(&(begins, ends)) = other.runs.get(at).filter(|(begins, _)| *begins <= last) {
                missing += begins.saturating_sub(from);
                from = from.max(ends.saturating_add(1));
                if ends >= last {
                    break;
                }
                at += 1;
            }
            missing += (last + 1).saturating_sub(from);
        }
        missing
    }
}

/// What one device sent, and what became of it.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    sent: Numbers,
    acknowledged: Numbers,
    received: Numbers,
    highest: u64,
    duplicates: u64,
    reordered: u64,
}

/// The counts of a ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Messages that the device sent.
    pub sent: u64,
    /// Of these, those that the server acknowledged (QoS 1).
    pub acknowledged: u64,
    /// Messages that arrived, each counted once.
    pub received: u64,
    /// Sent and not arrived.
    pub lost: u64,
    /// Acknowledged and not arrived: what QoS 1 rules out.
    pub lost_acknowledged: u64,
    /// Arrivals of what had arrived before.
    pub duplicates: u64,
    /// Arrivals, for the first time, after one with a higher number.
    pub reordered: u64,
    /// Arrived and never sent by this device: somebody else spoke in its name.
    pub foreign: u64,
}

impl Ledger {
    /// The device sent it, for the first time or again.
    pub fn sent(&mut self, number: u64) {
        self.sent.insert(number);
    }

    /// The server acknowledged it.
    pub fn acknowledged(&mut self, number: u64) {
        self.acknowledged.insert(number);
    }

    /// It arrived where it was to be read.
    pub fn received(&mut self, number: u64) {
        if !self.received.insert(number) {
            self.duplicates += 1;
        } else if number < self.highest {
            self.reordered += 1;
        }
        self.highest = self.highest.max(number);
    }

    /// What the device sent so far.
    #[must_use]
    pub const fn all_sent(&self) -> &Numbers {
        &self.sent
    }

    /// How many of these have not arrived.
    #[must_use]
    pub fn missing(&self, sent: &Numbers) -> u64 {
        sent.missing_in(&self.received)
    }

    /// The counts so far. What is still under way counts as lost: ask when nothing is.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally {
            sent: self.sent.len(),
            acknowledged: self.acknowledged.len(),
            received: self.received.len(),
            lost: self.sent.missing_in(&self.received),
            lost_acknowledged: self.acknowledged.missing_in(&self.received),
            duplicates: self.duplicates,
            reordered: self.reordered,
            foreign: self.received.missing_in(&self.sent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn numbers_are_a_set(added in proptest::collection::vec(1..60_u64, 0..80), other in proptest::collection::vec(1..60_u64, 0..80)) {
            let (mut numbers, mut set) = (Numbers::default(), BTreeSet::new());
            for number in &added {
                prop_assert_eq!(numbers.insert(*number), set.insert(*number));
                prop_assert!(numbers.runs.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "{:?}", numbers.runs);
            }
            let mut others = Numbers::default();
            other.iter().for_each(|number| { others.insert(*number); });
            let others_set: BTreeSet<u64> = other.into_iter().collect();
            prop_assert_eq!(numbers.len(), set.len() as u64);
            prop_assert!((0..62).all(|number| numbers.contains(number) == set.contains(&number)));
            prop_assert_eq!(numbers.missing_in(&others), set.difference(&others_set).count() as u64);
        }

        /// However the network mangles what was sent, the counts say it.
        #[test]
        fn a_ledger_counts_what_was_done_to_messages(fates in proptest::collection::vec((0..3_usize, any::<bool>()), 1..80)) {
            let mut ledger = Ledger::default();
            let mut expected = Tally::default();
            for (number, (arrivals, is_acknowledged)) in (1_u64..).zip(&fates) {
                ledger.sent(number);
                expected.sent += 1;
                (0..*arrivals).for_each(|_| ledger.received(number));
                expected.received += u64::from(*arrivals > 0);
                expected.lost += u64::from(*arrivals == 0);
                expected.duplicates += (*arrivals as u64).saturating_sub(1);
                if *is_acknowledged {
                    ledger.acknowledged(number);
                    expected.acknowledged += 1;
                    expected.lost_acknowledged += u64::from(*arrivals == 0);
                }
            }
            prop_assert_eq!(ledger.tally(), expected);
        }
    }

    #[test]
    fn what_overtakes_and_what_nobody_sent() {
        let mut ledger = Ledger::default();
        (1..=4).for_each(|number| ledger.sent(number));
        [1, 3, 2, 4, 2, 9].into_iter().for_each(|number| ledger.received(number));
        let tally = ledger.tally();
        assert_eq!((tally.reordered, tally.duplicates, tally.foreign, tally.lost), (1, 1, 1, 0));
    }

    #[test]
    fn scattered_numbers_do_not_grow_it_for_ever() {
        let mut numbers = Numbers::default();
        for number in 0..3 * MAXIMUM_RUNS as u64 {
            numbers.insert(number * 2);
        }
        assert_eq!((numbers.runs.len(), numbers.beyond()), (MAXIMUM_RUNS, 2 * MAXIMUM_RUNS as u64));
        numbers.insert(u64::MAX);
        assert!(!numbers.contains(u64::MAX), "it is full");
    }

    #[test]
    fn the_ends_of_the_range_are_numbers_too() {
        let mut numbers = Numbers::default();
        for number in [u64::MAX, 0, u64::MAX - 1, 1, u64::MAX, 0] {
            numbers.insert(number);
        }
        assert_eq!(numbers.runs, [(0, 1), (u64::MAX - 1, u64::MAX)]);
        assert_eq!(numbers.len(), 4);
    }
}
