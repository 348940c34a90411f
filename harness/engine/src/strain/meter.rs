//! What devices were answered, and how fast, while somebody measured.

use fleetproof_devices::Asked;
use fleetproof_world::Stamp;
use hdrhistogram::Histogram;
use std::collections::BTreeSet;
use std::fmt;

/// So many answers at least: fewer have no slowest hundredth.
pub(crate) const ENOUGH: u64 = 100;

/// The longest latency that is told apart, in µs: an hour.
const LONGEST: u64 = 3_600_000_000;

/// A measurement while it goes on.
#[derive(Debug)]
pub(crate) struct Meter {
    devices: BTreeSet<u32>,
    /// In µs, to three digits.
    took: Option<Histogram<u64>>,
    errors: u64,
    lost: u64,
    modelled: u64,
    answers: u64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Measurement {
    /// From when to when.
    pub(crate) between: (Stamp, Stamp),
    /// The tenants of the devices.
    pub(crate) tenants: BTreeSet<String>,
    /// The event that tells it.
    pub(crate) seq: u64,
    pub(crate) figures: Figures,
}

/// Latency, loss and errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) answers: u64,
    /// µs: half of the answers took no longer.
    pub(crate) p50: u64,
    /// µs: all but the slowest hundredth took no longer.
    pub(crate) p99: u64,
    /// µs.
    pub(crate) slowest: u64,
    /// Answers that refuse what is due, or say that the platform failed.
    pub(crate) errors: u64,
    /// Requests without an answer.
    pub(crate) lost: u64,
    /// The platform only reckoned with time.
    pub(crate) modelled: bool,
}

impl Meter {
    /// Nothing measured yet.
    pub(crate) fn new(devices: BTreeSet<u32>) -> Self {
        // Bounds that no histogram refuses.
        let took = Histogram::new_with_bounds(1, LONGEST, 3).ok();
        Self { devices, took, errors: 0, lost: 0, modelled: 0, answers: 0 }
    }

    /// A request of some device, if it is one of those that are measured.
    pub(crate) fn note(&mut self, device: u32, asked: Asked) {
        if !self.devices.contains(&device) {
            return;
        }
        let Some(status) = asked.status else {
            self.lost += 1;
            return;
        };
        // An answer whose time is not known is no sample.
        let Some(took) = &mut self.took else { return };
        self.answers += 1;
        self.errors += u64::from(is_error(status));
        self.modelled += u64::from(asked.modelled);
        took.saturating_record(asked.took.max(1));
    }

    /// What came of it.
    pub(crate) fn figures(&self) -> Figures {
        let quantile = |share: f64| self.took.as_ref().map_or(0, |took| took.value_at_quantile(share));
        Figures {
            answers: self.answers,
            p50: quantile(0.5),
            p99: quantile(0.99),
            slowest: self.took.as_ref().map_or(0, Histogram::max),
            errors: self.errors,
            lost: self.lost,
            modelled: self.modelled > 0 && self.modelled == self.answers,
        }
    }
}

/// Whether an answer is not what a device that is in is due: refused, too fast, or the platform failed. 404 and 409 belong
/// to the protocol.
const fn is_error(status: u16) -> bool {
    matches!(status, 401 | 403 | 408 | 429) || status >= 500
}

impl Figures {
    /// The share of answers that are errors, in millionths, rounded up.
    pub(crate) fn error_share(&self) -> u64 {
        (self.errors * 1_000_000).div_ceil(self.answers.max(1))
    }
}

/// µs as ms.
pub(crate) fn ms(micros: u64) -> String {
    format!("{}.{:03} ms", micros / 1_000, micros % 1_000)
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} answers, p50 {}, p99 {}, slowest {}, {} errors, {} lost ({})",
            self.answers,
            ms(self.p50),
            ms(self.p99),
            ms(self.slowest),
            self.errors,
            self.lost,
            if self.modelled { "modelled" } else { "on the clock" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(status: u16, took: u64) -> Asked {
        Asked { status: Some(status), took, modelled: true }
    }

    #[test]
    fn the_slowest_hundredth_is_left_out_and_others_are_not_counted() {
        let mut meter = Meter::new([1, 2].into());
        for number in 1..=1_000 {
            meter.note(1 + number % 2, asked(204, if number > 990 { 900_000 } else { 1_000 }));
        }
        meter.note(3, asked(500, 5_000_000));
        let figures = meter.figures();
        assert_eq!((figures.answers, figures.errors, figures.lost, figures.modelled), (1_000, 0, 0, true));
        assert_eq!((figures.p50, figures.p99), (1_000, 1_000));
        assert!(figures.slowest >= 900_000);
    }

    #[test]
    fn refusals_failures_and_silence_are_told_apart() {
        let mut meter = Meter::new([1].into());
        for status in [200, 204, 404, 409, 401, 429, 503] {
            meter.note(1, asked(status, 1_000));
        }
        meter.note(1, Asked { status: None, took: 30_000_000, modelled: false });
        let figures = meter.figures();
        assert_eq!((figures.answers, figures.errors, figures.lost), (7, 3, 1));
        assert_eq!(figures.error_share(), 428_572);
    }
}
