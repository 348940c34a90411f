//! Quantities: one whole number and one unit.

use std::fmt;
use std::time::Duration;

/// The longest duration: a year.
pub(crate) const LONGEST: Duration = Duration::from_hours(24 * 365);
/// The largest size: 1 GiB.
pub(crate) const LARGEST: u64 = 1 << 30;

/// Units of time and their milliseconds.
const TIMES: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// Units of size and their bytes.
const SIZES: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Units of rates and their seconds.
const RATES: [(&str, u64); 2] = [("/s", 1), ("/min", 60)];

/// So many in a time: `50/s`, `600/min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate {
    /// How many, at least one.
    pub count: u32,
    /// In how long a time.
    pub per: Duration,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = RATES.iter().find(|(_, seconds)| self.per == Duration::from_secs(*seconds));
        write!(f, "{}{}", self.count, unit.map_or("/s", |(unit, _)| unit))
    }
}

/// Why a text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It does not begin with a number.
    NoNumber,
    /// A number alone.
    NoUnit,
    /// A number and a unit that does not exist, or is not written so.
    Unit(String),
    /// It has a fraction.
    Fraction,
    /// More than the most.
    TooLarge,
}

fn split(text: &str) -> Result<(u64, &str), Wrong> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    if digits.is_empty() {
        return Err(Wrong::NoNumber);
    }
    if unit.starts_with('.') {
        return Err(Wrong::Fraction);
    }
    if unit.is_empty() {
        return Err(Wrong::NoUnit);
    }
    digits.parse().map(|number| (number, unit)).map_err(|_| Wrong::TooLarge)
}

fn times(number: u64, unit: &str, units: &[(&str, u64)]) -> Result<u64, Wrong> {
    let factor = units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    let factor = factor.ok_or_else(|| Wrong::Unit(unit.trim().to_owned()))?;
    number.checked_mul(factor).ok_or(Wrong::TooLarge)
}

/// `250ms`, `2s`, `5m`, `1h`, `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, Wrong> {
    let (number, unit) = split(text)?;
    let duration = Duration::from_millis(times(number, unit, &TIMES)?);
    if duration > LONGEST { Err(Wrong::TooLarge) } else { Ok(duration) }
}

/// As it is written: in the largest unit in which it is a whole number.
pub(crate) fn shown(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let unit = TIMES.iter().rev().find(|(_, factor)| ms.is_multiple_of(*factor) && ms >= *factor);
    let (unit, factor) = unit.unwrap_or(&TIMES[1]);
    format!("{}{unit}", ms / factor)
}

/// Bytes of `200 B`, `64 KiB`, `4 MiB`, `1 GiB`.
pub(crate) fn size(text: &str) -> Result<u64, Wrong> {
    let (number, unit) = split(text)?;
    let Some(unit) = unit.strip_prefix(' ') else { return Err(Wrong::Unit(unit.to_owned())) };
    let bytes = times(number, unit, &SIZES)?;
    if bytes > LARGEST { Err(Wrong::TooLarge) } else { Ok(bytes) }
}

/// Bytes per second of `32 KiB/s`.
pub(crate) fn bandwidth(text: &str) -> Result<u64, Wrong> {
    match text.strip_suffix("/s") {
        Some(bytes) => size(bytes),
        // A size, or something that is none either.
        None => match size(text) {
            Ok(_) => Err(Wrong::Unit(split(text)?.1.to_owned())),
            Err(wrong) => Err(wrong),
        },
    }
}

/// `50/s`, `600/min`.
pub(crate) fn rate(text: &str) -> Result<Rate, Wrong> {
    let (number, unit) = split(text)?;
    let seconds = RATES.iter().find(|(name, _)| *name == unit).map(|(_, seconds)| *seconds);
    let per = Duration::from_secs(seconds.ok_or_else(|| Wrong::Unit(unit.trim().to_owned()))?);
    let count = u32::try_from(number).ok().filter(|count| (1..=crate::strain::FASTEST).contains(count));
    Ok(Rate { count: count.ok_or(Wrong::TooLarge)?, per })
}

/// Thousandths of `1.5x`.
pub(crate) fn ratio(text: &str) -> Result<u32, Wrong> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || number.ends_with('.') || fraction.contains('.') {
        return Err(Wrong::NoNumber);
    }
    if unit.is_empty() {
        return Err(Wrong::NoUnit);
    }
    if unit != "x" {
        return Err(Wrong::Unit(unit.trim().to_owned()));
    }
    let thousandths = format!("{fraction:0<3}");
    let whole: u32 = whole.parse().map_err(|_| Wrong::TooLarge)?;
    let part: u32 = thousandths.get(..3).and_then(|part| part.parse().ok()).ok_or(Wrong::TooLarge)?;
    let exact = thousandths.len() == 3;
    whole
        .checked_mul(1_000)
        .and_then(|all| all.checked_add(part))
        .filter(|all| exact && (1..=1_000_000).contains(all))
        .ok_or(Wrong::TooLarge)
}

/// Millionths of `10%`.
pub(crate) fn share(text: &str) -> Result<u32, Wrong> {
    let (number, unit) = split(text)?;
    if unit != "%" {
        return Err(Wrong::Unit(unit.trim().to_owned()));
    }
    u32::try_from(number).ok().filter(|percent| *percent <= 100).map(|percent| percent * 10_000).ok_or(Wrong::TooLarge)
}
