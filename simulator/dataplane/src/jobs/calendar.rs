//! Dates, and the cron expressions of maintenance windows. All of it in UTC.

use super::error::JobError;
use super::execution::MINUTE_US;

/// Minutes of a day.
const DAY: u64 = 24 * 60;

/// The farthest a next window is looked for, in days: leap days are eight years apart around 2100.
const HORIZON_DAYS: u64 = 8 * 366;

/// A date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    year: u64,
    month: u64,
    day: u64,
}

/// The date of a day, counted from 1970-01-01. (The era arithmetic of the proleptic Gregorian calendar.)
const fn date(days: u64) -> Date {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    Date { year: year_of_era + era * 400 + if month <= 2 { 1 } else { 0 }, month, day }
}

/// The day of a date, counted from 1970-01-01; `None` before that.
fn days(date: Date) -> Option<u64> {
    let year = if date.month <= 2 { date.year - 1 } else { date.year };
    let from_march = (date.month + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + date.day - 1;
    let of_era = (year % 400) * 365 + (year % 400) / 4 - (year % 400) / 100 + of_year;
    (year / 400 * 146_097 + of_era).checked_sub(719_468)
}

/// A moment written as `YYYY-MM-DDTHH:MM`, with or without `:SS` and `Z`, as µs since 1970.
pub(super) fn parse_moment(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let bytes = text.as_bytes();
    if !text.is_ascii() || !matches!(bytes.len(), 16 | 19) {
        return None;
    }
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u64>().ok())?
    };
    let is_marked = |at: usize, mark: u8| bytes.get(at) == Some(&mark);
    if !(is_marked(4, b'-') && is_marked(7, b'-') && matches!(bytes.get(10), Some(b'T' | b' ')) && is_marked(13, b':'))
    {
        return None;
    }
    let second = if bytes.len() == 19 { is_marked(16, b':').then(|| number(17, 19))?? } else { 0 };
    let (hour, minute) = (number(11, 13)?, number(14, 16)?);
    let found = Date { year: number(0, 4)?, month: number(5, 7)?, day: number(8, 10)? };
    if found.year < 1970
        || !(1..=12).contains(&found.month)
        || found.day == 0
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let day = days(found)?;
    // A day that the month does not have comes back as another one.
    (date(day) == found).then(|| ((day * DAY + hour * 60 + minute) * 60 + second) * 1_000_000)
}

/// When something happens again and again: minutes, hours, days of the month, months, days of the week, years.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    /// Bit 1 is Sunday.
    weekdays: u64,
    /// Bit 0 is 1970; `None`: every year.
    years: Option<[u64; 4]>,
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// The last year of a cron expression.
const LAST_YEAR: u64 = 2199;

impl Cron {
    /// `cron(minutes hours day-of-month month day-of-week year)`: numbers, names, `*`, `?`, lists, ranges and steps. One of
    /// the two days must be `?`. `L`, `W` and `#` are not served.
    ///
    /// # Errors
    /// It is none; the error says which part.
    pub fn parse(field: &str, text: &str) -> Result<Self, JobError> {
        let refuse = |bound: &str| JobError::invalid(field, bound, text);
        let inner = text.strip_prefix("cron(").and_then(|rest| rest.strip_suffix(')'));
        let parts: Vec<&str> = inner.ok_or_else(|| refuse("cron(…)"))?.split_whitespace().take(7).collect();
        let [minutes, hours, days, months, weekdays, years] = parts[..] else {
            return Err(refuse("cron(…) of six parts: minutes hours day-of-month month day-of-week year"));
        };
        if (days == "?") == (weekdays == "?") {
            return Err(refuse("a cron of which either day-of-month or day-of-week is ?"));
        }
        let set = |part: &str, low: u64, high: u64, names: &[&str], what: &str| {
            let mut bits = 0_u64;
            each(part, low, high, names, &mut |number| bits |= 1 << number)
                .then_some(bits)
                .ok_or_else(|| refuse(&format!("a cron with {what} from {low} to {high}, *, lists, ranges or steps")))
        };
        let mut all_years = [0_u64; 4];
        let is_years = years == "*"
            || each(years, 1970, LAST_YEAR, &[], &mut |year| {
                let at = year - 1970;
                if let Some(word) = usize::try_from(at / 64).ok().and_then(|word| all_years.get_mut(word)) {
                    *word |= 1 << (at % 64);
                }
            });
        if !is_years {
            return Err(refuse("a cron with a year from 1970 to 2199, or *"));
        }
        Ok(Self {
            minutes: set(minutes, 0, 59, &[], "minutes")?,
            hours: set(hours, 0, 23, &[], "hours")?,
            days: set(days, 1, 31, &[], "days of the month")?,
            months: set(months, 1, 12, &MONTHS, "months")?,
            weekdays: set(weekdays, 1, 7, &WEEKDAYS, "days of the week")?,
            years: (years != "*").then_some(all_years),
        })
    }

    fn is_day(&self, day: u64) -> bool {
        let date = date(day);
        let is_year = self.years.is_none_or(|years| {
            let at = date.year.saturating_sub(1970);
            usize::try_from(at / 64)
                .ok()
                .and_then(|word| years.get(word))
                .is_some_and(|word| word >> (at % 64) & 1 == 1)
        });
        // 1970-01-01 was a Thursday.
        let weekday = (day + 4) % 7 + 1;
        is_year
            && self.days >> date.day & 1 == 1
            && self.months >> date.month & 1 == 1
            && self.weekdays >> weekday & 1 == 1
    }

    /// The first time at or after a minute, both counted in minutes since 1970.
    fn next_minute(&self, from: u64) -> Option<u64> {
        let first = from / DAY;
        (first..first + HORIZON_DAYS).filter(|day| self.is_day(*day)).find_map(|day| {
            let start = from.saturating_sub(day * DAY);
            (start..DAY)
                .find(|minute| self.hours >> (minute / 60) & 1 == 1 && self.minutes >> (minute % 60) & 1 == 1)
                .map(|minute| day * DAY + minute)
        })
    }

    /// Whether a window that opens then and stays open for so many minutes is open at a moment, and when it opens next
    /// otherwise.
    #[must_use]
    pub fn window(&self, minutes: u16, now_us: u64) -> Window {
        let now = now_us / MINUTE_US;
        let oldest = now.saturating_sub(u64::from(minutes).saturating_sub(1));
        match self.next_minute(oldest) {
            Some(opened) if opened <= now => Window::Open,
            Some(opens) => Window::Opens { at_us: opens.saturating_mul(MINUTE_US) },
            None => Window::Never,
        }
    }
}

/// Whether devices may be told now, as far as a maintenance window goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// They may.
    Open,
    /// Not before then, in µs since 1970.
    Opens {
        /// When.
        at_us: u64,
    },
    /// Not in the next eight years.
    Never,
}

/// Calls for each number of a part; `false` when it is none.
fn each(part: &str, low: u64, high: u64, names: &[&str], found: &mut dyn FnMut(u64)) -> bool {
    let number = |text: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text)).and_then(|at| u64::try_from(at).ok());
        let digits = || (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok());
        named.map(|at| at + low).or_else(|| digits().flatten()).filter(|number| (low..=high).contains(number))
    };
    part.split(',').all(|item| {
        let (range, step) = match item.split_once('/') {
            None => (item, None),
            Some((range, step)) => match step.parse::<u64>().ok().filter(|step| (1..=high).contains(step)) {
                None => return false,
                step => (range, step),
            },
        };
        let ends = match range.split_once('-') {
            _ if range == "*" || range == "?" => Some((low, high)),
            Some((from, to)) => number(from).zip(number(to)),
            None => number(range).map(|from| (from, if step.is_some() { high } else { from })),
        };
        let Some((from, to)) = ends.filter(|(from, to)| from <= to) else { return false };
        let mut at = from;
        while at <= to {
            found(at);
            at += step.unwrap_or(1);
        }
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> u64 {
        parse_moment(text).unwrap()
    }

    #[test]
    fn moments_are_read() {
        assert_eq!(at("1970-01-01T00:01"), 60_000_000);
        assert_eq!(at("2024-02-29T12:30:15Z"), 1_709_209_815_000_000);
        for none in [
            "",
            "2023-02-29T00:00",
            "2024-13-01T00:00",
            "2024-01-01T24:00",
            "2024-01-01",
            "1969-12-31T23:59",
            "２024-01-01T0:00",
        ] {
            assert_eq!(parse_moment(none), None, "{none}");
        }
    }

    #[test]
    fn a_window_is_open_from_its_minute_on_for_its_duration() {
        // Every Monday at 18:30; 2024-05-20 is a Monday.
        let cron = Cron::parse("startTime", "cron(30 18 ? * MON *)").unwrap();
        assert_eq!(cron.window(60, at("2024-05-20T18:29:59")), Window::Opens { at_us: at("2024-05-20T18:30") });
        assert_eq!(cron.window(60, at("2024-05-20T18:30")), Window::Open);
        assert_eq!(cron.window(60, at("2024-05-20T19:29:59")), Window::Open);
        assert_eq!(cron.window(60, at("2024-05-20T19:30")), Window::Opens { at_us: at("2024-05-27T18:30") });
        // Over midnight.
        let cron = Cron::parse("startTime", "cron(0 23 1 * ? *)").unwrap();
        assert_eq!(cron.window(120, at("2024-06-02T00:59")), Window::Open);
        assert_eq!(cron.window(120, at("2024-06-02T01:00")), Window::Opens { at_us: at("2024-07-01T23:00") });
        let once = Cron::parse("startTime", "cron(0/15 8-10,20 ? JAN-MAR 1 2025)").unwrap();
        assert_eq!(once.window(1, at("2024-05-20T00:00")), Window::Opens { at_us: at("2025-01-05T08:00") });
        assert_eq!(once.window(1, at("2025-04-01T00:00")), Window::Never);
    }

    #[test]
    fn what_is_no_cron_is_refused_with_the_part() {
        for (text, part) in [
            ("0 0 * * ? *", "cron(…)"),
            ("cron(0 0 * * ?)", "six parts"),
            ("cron(0 0 * * * *)", "?"),
            ("cron(60 0 * * ? *)", "minutes"),
            ("cron(0 24 * * ? *)", "hours"),
            ("cron(0 0 32 * ? *)", "days of the month"),
            ("cron(0 0 ? * 8 *)", "days of the week"),
            ("cron(0 0 ? * FRI#2 *)", "days of the week"),
            ("cron(5-1 0 ? * 1 *)", "minutes"),
            ("cron(0/0 0 ? * 1 *)", "minutes"),
            ("cron(0 0 ? * 1 2500)", "year"),
        ] {
            let error = Cron::parse("startTime", text).unwrap_err().to_string();
            assert!(error.starts_with("startTime: must be ") && error.contains(part), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn days_and_dates_are_the_same(day in 0_u64..200_000) {
            prop_assert_eq!(days(date(day)), Some(day));
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,30}", parts in "cron\\([0-9*?/,A-Z -]{0,30}\\)", now in any::<u64>()) {
            let _ = parse_moment(&text);
            for text in [text, parts] {
                if let Ok(cron) = Cron::parse("f", &text) {
                    let _ = cron.window(1430, now);
                }
            }
        }
    }
}
