//! What a thing keeps across a loss of power: where it belongs, how far it has counted, and the update under way.

use crate::machine::Record;
use fleetproof_world::Name;
use serde::{Deserialize, Serialize};

/// How many numbers are kept as given at once: after a loss of power some are left out, none is given twice.
const STRIDE: u64 = 4_096;

/// The record of a thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// Numbers up to this one may have been given.
    #[serde(default)]
    pub numbers: u64,
    #[serde(default)]
    pub record: Record,
}

impl Kept {
    /// Reads a body's record; what cannot be read is a device from the factory.
    pub fn read(bytes: &[u8], version: &str) -> Self {
        let mut kept: Self = serde_json::from_slice(bytes).unwrap_or_default();
        if kept.record.artifact.is_empty() {
            kept.record.artifact = format!("factory-{version}");
        }
        kept
    }

    pub fn write(home: Option<&Name>, numbers: &Numbering, record: &Record) -> Vec<u8> {
        let kept = Self { home: home.map(|home| home.to_string()), numbers: numbers.kept, record: record.clone() };
        serde_json::to_vec(&kept).unwrap_or_default()
    }
}

/// Counts messages, over losses of power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbering {
    last: u64,
    kept: u64,
}

impl Numbering {
    /// Goes on where it may have been.
    pub const fn after(kept: u64) -> Self {
        Self { last: kept, kept }
    }

    /// The next number, and whether the record is to be kept before it is used.
    pub const fn next(&mut self) -> (u64, bool) {
        self.last += 1;
        let keeps = self.last > self.kept;
        if keeps {
            self.kept = self.last.saturating_add(STRIDE - 1);
        }
        (self.last, keeps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_number_is_given_twice_whenever_power_goes(lives in proptest::collection::vec(0..10_000_usize, 1..6)) {
            let (mut kept, mut highest) = (0, 0);
            for messages in lives {
                let mut numbering = Numbering::after(kept);
                for _ in 0..messages {
                    let (number, keeps) = numbering.next();
                    if keeps {
                        kept = numbering.kept;
                    }
                    prop_assert!(number > highest && number <= kept);
                    highest = number;
                }
            }
        }
    }

    #[test]
    fn what_is_kept_is_read_and_nonsense_is_the_factory() {
        let record = Record { artifact: "v2".into(), ..Record::default() };
        let bytes = Kept::write(Some(&"a.example".into()), &Numbering::after(9), &record);
        let kept = Kept::read(&bytes, "v1");
        assert_eq!((kept.home.as_deref(), kept.numbers, kept.record), (Some("a.example"), 9, record));
        for bytes in [&b""[..], b"{", b"[]"] {
            let kept = Kept::read(bytes, "v1");
            assert_eq!((kept.home, &*kept.record.artifact), (None, "factory-v1"));
        }
    }
}
