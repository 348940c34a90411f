//! Heap and CPU of this process, read before and after.

use stats_alloc::StatsAlloc;
use std::alloc::GlobalAlloc;

/// A reading.
pub(crate) struct Meter {
    allocations: usize,
    blocks: i64,
    bytes: i64,
    micros: f64,
}

/// What lies between two readings.
#[derive(Clone, Copy)]
pub(crate) struct Spent {
    /// Blocks asked for, growing ones counted once more.
    pub(crate) allocations: usize,
    /// Blocks that are held.
    pub(crate) held_blocks: i64,
    pub(crate) held_bytes: i64,
    /// CPU time of this thread.
    pub(crate) micros: f64,
}

impl Meter {
    pub(crate) fn read<T: GlobalAlloc>(heap: &StatsAlloc<T>) -> Self {
        let stats = heap.stats();
        let signed = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        Self {
            allocations: stats.allocations + stats.reallocations,
            blocks: signed(stats.allocations) - signed(stats.deallocations),
            // What was reallocated is counted among the allocated or the freed already.
            bytes: signed(stats.bytes_allocated) - signed(stats.bytes_deallocated),
            micros: cpu_micros(),
        }
    }

    pub(crate) fn since(&self, earlier: &Self) -> Spent {
        Spent {
            allocations: self.allocations - earlier.allocations,
            held_blocks: self.blocks - earlier.blocks,
            held_bytes: self.bytes - earlier.bytes,
            micros: self.micros - earlier.micros,
        }
    }
}

impl Spent {
    /// A share of what was done, e.g. what 0.3 of the time took.
    pub(crate) fn share(&self, share: f64) -> Self {
        Self { allocations: (self.allocations as f64 * share) as usize, micros: self.micros * share, ..*self }
    }

    /// What is left without some of it.
    pub(crate) fn without(&self, part: &Self) -> Self {
        Self {
            allocations: self.allocations.saturating_sub(part.allocations),
            micros: self.micros - part.micros,
            ..*self
        }
    }
}

/// CPU time of this thread in µs, as Linux accounts it: the first field of `schedstat` is in ns.
fn cpu_micros() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos: u64 = text.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or_default();
    nanos as f64 / 1e3
}
