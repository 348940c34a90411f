//! Phases: batches of devices that begin one after another.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The most phases of a rollout.
const MANY: usize = 100;

/// The phases of a rollout, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Phases(Vec<Phase>);

/// A phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name.
    pub id: String,
    /// When it begins, in ms since 1970.
    pub start: u64,
    /// As it was asked for.
    pub asked: Option<BatchSize>,
    /// How many devices; `None`: the rest.
    pub size: Option<u64>,
}

/// How many devices a phase was asked to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchSize {
    /// Percent of all.
    Percent(u64),
    /// So many.
    Devices(u64),
}

/// A phase as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// How many; `None`: the rest.
    pub size: Option<BatchSize>,
    /// When it begins, in ms since 1970; `None`: at once.
    pub start: Option<u64>,
}

/// Why batches are no phases; the number of the phase, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhaseError {
    /// More than a rollout may have.
    TooMany,
    /// Only the last may leave its size out.
    NoSize(usize),
    /// Percent here, devices there.
    MixedSizes(usize),
    /// Not one device.
    Empty(usize),
    /// Only the first may leave its start out.
    NoStart(usize),
    /// It begins no later than the one before.
    NoLater(usize),
    /// More devices than there are.
    TooLarge(usize),
    /// A last size that leaves devices over.
    LeavesOver(usize),
}

impl fmt::Display for PhaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, why) = match self {
            Self::TooMany => return write!(f, "phases: at most {MANY}"),
            Self::NoSize(n) => (n, "only the last phase may leave the batch size out"),
            Self::MixedSizes(n) => (n, "either batch_size or batch_size_devices, the same one in every phase"),
            Self::Empty(n) => (n, "the batch holds no device"),
            Self::NoStart(n) => (n, "only the first phase may leave start_ts out"),
            Self::NoLater(n) => (n, "start_ts must be later than that of the phase before"),
            Self::TooLarge(n) => (n, "the batches hold more devices than there are"),
            Self::LeavesOver(n) => (n, "the batches leave devices over; leave the last size out"),
        };
        write!(f, "phases[{}]: {why}", number - 1)
    }
}

impl Phases {
    /// The phases of a rollout to `devices`, which begins at `now`. A share that is no whole number of devices is
    /// rounded down; the last phase takes the rest.
    ///
    /// # Errors
    /// The batches do not fit together, or not to the devices.
    pub fn plan(batches: &[Batch], devices: u64, now: u64, mut id: impl FnMut() -> String) -> Result<Self, PhaseError> {
        if batches.len() > MANY {
            return Err(PhaseError::TooMany);
        }
        let (mut phases, mut taken, mut percent) = (Vec::<Phase>::new(), 0_u64, 0_u64);
        let is_percent = |size: &BatchSize| matches!(size, BatchSize::Percent(_));
        let all_percent = batches.iter().find_map(|batch| batch.size).is_none_or(|size| is_percent(&size));
        for (number, batch) in (1..).zip(batches) {
            let is_last = number == batches.len();
            let start = match (batch.start, phases.last()) {
                (Some(start), None) => start.max(now),
                (None, None) => now,
                (Some(start), Some(before)) if start > before.start => start,
                (Some(_), Some(_)) => return Err(PhaseError::NoLater(number)),
                (None, Some(_)) => return Err(PhaseError::NoStart(number)),
            };
            if batch.size.is_some_and(|size| is_percent(&size) != all_percent) {
                return Err(PhaseError::MixedSizes(number));
            }
            let size = match batch.size {
                None if is_last => None,
                None => return Err(PhaseError::NoSize(number)),
                Some(BatchSize::Devices(size)) => Some(size),
                Some(BatchSize::Percent(share)) => {
                    percent = percent.saturating_add(share);
                    Some(u64::try_from(u128::from(devices) * u128::from(share) / 100).unwrap_or(u64::MAX))
                }
            };
            if size == Some(0) || (size.is_none() && taken >= devices && devices > 0) {
                return Err(PhaseError::Empty(number));
            }
            taken = taken.saturating_add(size.unwrap_or(0));
            if taken > devices || percent > 100 {
                return Err(PhaseError::TooLarge(number));
            }
            let whole = if all_percent { percent == 100 } else { taken == devices };
            if is_last && size.is_some() && !whole {
                return Err(PhaseError::LeavesOver(number));
            }
            // The last one takes what rounding has left, and what comes later.
            phases.push(Phase { id: id(), start, asked: batch.size, size: size.filter(|_| !is_last) });
        }
        Ok(Self(phases))
    }

    /// Whether there are none: everybody at once.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many devices may have been told by then; `None`: as many as there are.
    pub fn room(&self, now: u64) -> Option<u64> {
        let mut room = 0_u64;
        for phase in self.0.iter().take_while(|phase| phase.start <= now) {
            room = room.saturating_add(phase.size?);
        }
        (!self.0.is_empty()).then_some(room)
    }

    /// When the first begins.
    pub fn first_start(&self) -> Option<u64> {
        self.0.first().map(|phase| phase.start)
    }

    /// When the next one begins.
    pub fn next_start(&self, now: u64) -> Option<u64> {
        self.0.iter().map(|phase| phase.start).find(|start| *start > now)
    }

    /// The number, from 0, of the phase that a device is in before which so many were told.
    pub fn of(&self, before: u64) -> Option<usize> {
        let mut end = 0_u64;
        self.0.iter().position(|phase| {
            end = phase.size.map_or(u64::MAX, |size| end.saturating_add(size));
            before < end
        })
    }

    /// The id of a phase, by its number from 0.
    pub fn id(&self, number: i64) -> Option<&str> {
        self.0.get(usize::try_from(number).ok()?).map(|phase| phase.id.as_str())
    }

    /// Each phase, and how many of its devices were told when so many were.
    pub fn filled(&self, notified: u64) -> impl Iterator<Item = (&Phase, u64)> {
        let mut left = notified;
        self.0.iter().map(move |phase| {
            let told = phase.size.map_or(left, |size| left.min(size));
            left -= told;
            (phase, told)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn percent(share: u64, start: Option<u64>) -> Batch {
        Batch { size: Some(BatchSize::Percent(share)), start }
    }

    fn rest(start: u64) -> Batch {
        Batch { size: None, start: Some(start) }
    }

    fn plan(batches: &[Batch], devices: u64) -> Result<Phases, PhaseError> {
        Phases::plan(batches, devices, 1_000, String::new)
    }

    #[test]
    fn five_fifteen_and_the_rest() {
        let phases = plan(&[percent(5, None), percent(15, Some(2_000)), rest(3_000)], 110).unwrap();
        assert_eq!(
            [999, 1_000, 1_999, 2_000, 3_000].map(|now| phases.room(now)),
            [Some(0), Some(5), Some(5), Some(21), None]
        );
        assert_eq!(
            [0, 4, 5, 20, 21, 500].map(|before| phases.of(before)),
            [Some(0), Some(0), Some(1), Some(1), Some(2), Some(2)]
        );
        let filled = |notified| phases.filled(notified).map(|(_, told)| told).collect::<Vec<_>>();
        assert_eq!((filled(3), filled(30)), (vec![3, 0, 0], vec![5, 16, 9]));
        assert_eq!((phases.first_start(), phases.next_start(2_000)), (Some(1_000), Some(3_000)));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let devices = |size, start| Batch { size: Some(BatchSize::Devices(size)), start };
        assert_eq!(plan(&[percent(5, None), rest(2_000)], 11), Err(PhaseError::Empty(1)), "5 % of 11");
        assert_eq!(plan(&[rest(2_000), rest(3_000)], 11), Err(PhaseError::NoSize(1)));
        assert_eq!(plan(&[percent(50, None), devices(3, Some(2_000))], 11), Err(PhaseError::MixedSizes(2)));
        assert_eq!(plan(&[percent(50, None), percent(50, None)], 11), Err(PhaseError::NoStart(2)));
        assert_eq!(plan(&[percent(50, Some(2_000)), rest(2_000)], 11), Err(PhaseError::NoLater(2)));
        assert_eq!(plan(&[percent(60, None), percent(50, Some(2_000))], 100), Err(PhaseError::TooLarge(2)));
        assert_eq!(plan(&[devices(5, None), devices(7, Some(2_000))], 11), Err(PhaseError::TooLarge(2)));
        assert_eq!(plan(&[devices(5, None), devices(5, Some(2_000))], 11), Err(PhaseError::LeavesOver(2)));
        assert_eq!(plan(&[percent(50, None), percent(40, Some(2_000))], 10), Err(PhaseError::LeavesOver(2)));
        assert_eq!(plan(&[devices(11, None), rest(2_000)], 11), Err(PhaseError::Empty(2)));
        assert_eq!(plan(&[rest(2_000); 101], 11), Err(PhaseError::TooMany));
        for fine in
            [&[devices(5, None), devices(6, Some(2_000))][..], &[percent(33, None), percent(67, Some(2_000))], &[]]
        {
            assert!(plan(fine, 11).is_ok(), "{fine:?}");
        }
        assert_eq!(PhaseError::Empty(1).to_string(), "phases[0]: the batch holds no device");
    }

    #[test]
    fn one_phase_is_a_beginning() {
        let phases = plan(&[rest(5_000)], 11).unwrap();
        assert_eq!((phases.room(4_999), phases.room(5_000)), (Some(0), None));
        assert_eq!(plan(&[rest(10)], 11).unwrap().first_start(), Some(1_000), "not before it was asked for");
    }

    proptest! {
        #[test]
        fn room_only_grows_and_ends_with_everybody(shares in proptest::collection::vec(1_u64..60, 1..5), devices in 100_u64..5_000, now in 0_u64..10_000) {
            prop_assume!(shares.iter().sum::<u64>() < 100);
            let mut batches: Vec<_> = (1_u64..).zip(&shares).map(|(n, share)| percent(*share, Some(1_000 * n))).collect();
            batches.push(rest(1_000 * (shares.len() as u64 + 1)));
            let phases = plan(&batches, devices).unwrap();
            let (before, after) = (phases.room(now), phases.room(now + 1));
            prop_assert!(after.is_none_or(|after| before.is_some_and(|before| before <= after)));
            prop_assert!(before.is_none_or(|room| room < devices));
            prop_assert_eq!(phases.room(1_000_000), None);
            prop_assert_eq!(phases.filled(devices).map(|(_, told)| told).sum::<u64>(), devices);
        }
    }
}
