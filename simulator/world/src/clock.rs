//! One clock: microseconds since the run began, and the wall time that is derived from it.

use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// A moment on the run's clock, in µs since the run began. In virtual time its grain is 1 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(u64);

impl Stamp {
    /// The moment `micros` µs after the start.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// µs since the run began.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// This moment and `by` more (saturating).
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.0 / 1_000_000, self.0 / 1_000 % 1_000)
    }
}

/// The run's clock. Clones tell the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    start: Instant,
    epoch_ms: u64,
}

impl Clock {
    pub(crate) fn start(epoch_ms: u64) -> Self {
        Self { start: Instant::now(), epoch_ms }
    }

    /// Now, on the run's clock.
    #[must_use]
    pub fn now(&self) -> Stamp {
        Stamp(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// Now as wall time: ms since 1970 in UTC. In virtual time the epoch comes from the seed.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        self.epoch_ms + self.now().0 / 1_000
    }

    /// The wall time, in ms since 1970, of a moment on this clock.
    #[must_use]
    pub const fn unix_ms_at(&self, at: Stamp) -> u64 {
        self.epoch_ms + at.0 / 1_000
    }

    /// Now as an RFC 3339 text in UTC with milliseconds, e.g. `2026-11-22T05:27:00.123Z`.
    #[must_use]
    pub fn rfc3339(&self) -> String {
        rfc3339(self.unix_ms())
    }

    /// Waits for `duration`; timers round up to 1 ms.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Waits until `at`; returns at once when that has passed.
    pub async fn sleep_until(&self, at: Stamp) {
        tokio::time::sleep_until(self.start + Duration::from_micros(at.0)).await;
    }

    /// `Some` output of `work`, or `None` when `at` came first. The work is dropped then.
    pub async fn until<T>(&self, at: Stamp, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout_at(self.start + Duration::from_micros(at.0), work).await.ok()
    }
}

/// The machine's wall time, for worlds on the real clock only.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
pub(crate) fn system_epoch_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

/// RFC 3339 in UTC with milliseconds, of ms since 1970. Civil date from days after Howard Hinnant's `civil_from_days`.
#[must_use]
pub fn rfc3339(unix_ms: u64) -> String {
    let (days, ms) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (h, m, s, milli) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
    // Every answer of a platform tells times: the digits are written one by one, which takes a fifth of what formatting does.
    let mut text = String::with_capacity(24);
    for (number, digits, after) in
        [(year, 4, '-'), (month, 2, '-'), (day, 2, 'T'), (h, 2, ':'), (m, 2, ':'), (s, 2, '.'), (milli, 3, 'Z')]
    {
        let shortest = number.checked_ilog10().map_or(1, |log| log + 1);
        for place in (0..digits.max(shortest)).rev() {
            let digit = number / 10_u64.pow(place) % 10;
            text.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
        }
        text.push(after);
    }
    text
}

/// The moment, in ms since 1970, of an RFC 3339 text with any offset; what is finer than a ms is cut off. `None`: it is
/// no such text, or before 1970. Days from a civil date after Howard Hinnant's `days_from_civil`.
#[must_use]
pub fn read_rfc3339(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i64>().ok()).flatten()
    };
    let at = |index: usize, marks: &[u8]| text.as_bytes().get(index).is_some_and(|byte| marks.contains(byte));
    if !(at(4, b"-") && at(7, b"-") && at(10, b"Tt ") && at(13, b":") && at(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (h, m, s) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap),
        _ => return None,
    };
    if !(1..=longest).contains(&day) || h > 23 || m > 59 || s > 60 {
        return None;
    }
    let digits = if at(19, b".") { text[20..].bytes().take_while(u8::is_ascii_digit).count() } else { 0 };
    if at(19, b".") && digits == 0 {
        return None;
    }
    let zone = 19 + if digits > 0 { digits + 1 } else { 0 };
    let ms = (0..3)
        .try_fold(0, |ms, place| Some(ms * 10 + if place < digits { number(20 + place, 21 + place)? } else { 0 }))?;
    let offset = match (text.get(zone..)?, text.as_bytes().get(zone)?) {
        ("Z" | "z", _) => 0,
        (offset, sign @ (b'+' | b'-')) if offset.len() == 6 && at(zone + 3, b":") => {
            let minutes = number(zone + 1, zone + 3)? * 60 + number(zone + 4, zone + 6)?;
            if *sign == b'+' { minutes } else { -minutes }
        }
        _ => return None,
    };
    let (shifted_year, shifted_month) = (year - i64::from(month <= 2), (month + 9) % 12);
    let (era, year_of_era) = (shifted_year.div_euclid(400), shifted_year.rem_euclid(400));
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    u64::try_from(((days * 24 + h) * 60 + m - offset) * 60_000 + s * 1_000 + ms).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(ms in 0..253_402_300_800_000_u64) {
            prop_assert_eq!(read_rfc3339(&rfc3339(ms)), Some(ms));
        }

        #[test]
        fn anything_can_be_read(text: String) {
            let _ = read_rfc3339(&text);
        }
    }

    #[test]
    fn other_fractions_and_nonsense() {
        assert_eq!(read_rfc3339("2000-02-29T00:00:00Z"), Some(951_782_400_000));
        assert_eq!(read_rfc3339("2000-02-29T00:00:00.5Z"), Some(951_782_400_500));
        assert_eq!(read_rfc3339("2000-02-29T00:00:00.123456789Z"), Some(951_782_400_123));
        for bad in [
            "",
            "2000-02-29",
            "2000-13-01T00:00:00Z",
            "2000-02-29T00:00:00+0100",
            "2000-02-29T24:00:00Z",
            "a-b-cTd:e:fZ",
        ] {
            assert_eq!(read_rfc3339(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_so_are_other_hands() {
        for ms in [0, 951_782_400_000, 1_795_325_220_123, 4_107_542_399_999, 68_169_600_000] {
            assert_eq!(read_rfc3339(&rfc3339(ms)), Some(ms));
        }
        assert_eq!(read_rfc3339("2020-07-06T15:04:49.114046203+02:00"), read_rfc3339("2020-07-06T13:04:49.114Z"));
        assert_eq!(read_rfc3339("1970-01-01T01:00:01-00:30"), Some(5_401_000));
        for wrong in [
            "",
            "today",
            "2020-07-06",
            "2020-07-06T15:04:49",
            "2020-13-06T15:04:49Z",
            "2021-02-29T00:00:00Z",
            "2020-07-06T15:04:49.Z",
            "2020-07-06T15:04:49+0200",
            "2020-07-06T24:04:49Z",
            "1969-12-31T23:59:59Z",
            "2020-07-06T15:04:49Zz",
            "2020-07-06T15:04:49.é",
            "-020-07-06T15:04:49Z",
        ] {
            assert_eq!(read_rfc3339(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn wall_time_is_written_as_rfc_3339() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(1_795_325_220_123), "2026-11-22T05:27:00.123Z");
        assert_eq!(rfc3339(4_107_542_399_999), "2100-02-28T23:59:59.999Z");
    }
}
