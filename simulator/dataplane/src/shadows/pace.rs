//! How fast one thing's shadows may be asked.

use super::ShadowError;

/// Requests that are being worked on for one thing at once.
const AT_ONCE: u32 = 10;
/// Requests in one second for one thing.
const EACH_SECOND: u64 = 20;
const SECOND_US: u64 = 1_000_000;
/// One request's worth of time.
const STEP_US: u64 = SECOND_US / EACH_SECOND;

/// What one thing (all its shadows together) has asked lately: 10 at once, 20 in a second, the rest is told 429.
///
/// The owner keeps one for each thing that asked within the last second; a fresh one is as good as an old one that is
/// [`Pace::idle`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    in_flight: u32,
    /// When the bucket is full again (µs): each request moves this on by one step, and it may lie one second ahead at most.
    full_at: u64,
}

impl Pace {
    /// A request begins at `now` (µs). Each that was let in must end with [`Pace::end`].
    ///
    /// # Errors
    /// [`ShadowError::TooManyRequests`]; nothing is counted then.
    pub fn begin(&mut self, now: u64) -> Result<(), ShadowError> {
        let full_at = self.full_at.max(now).saturating_add(STEP_US);
        if self.in_flight >= AT_ONCE || full_at > now.saturating_add(SECOND_US) {
            return Err(ShadowError::TooManyRequests);
        }
        self.full_at = full_at;
        self.in_flight += 1;
        Ok(())
    }

    /// A request has been answered.
    pub fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Whether it can be forgotten at `now` (µs).
    #[must_use]
    pub const fn idle(&self, now: u64) -> bool {
        self.in_flight == 0 && self.full_at <= now
    }
}
