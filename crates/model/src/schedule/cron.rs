//! The five fields of cron: minute, hour, day of the month, month, day of the week (POSIX `crontab`).

use crate::time::Timestamp;

/// A pattern of minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Days of the month and of the week are both named: then either will do (POSIX).
    either_day: bool,
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Cron {
    /// The pattern of a text, if it is one: numbers, names, `*`, `a-b`, `/step` and lists with commas.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = *fields.as_slice() else {
            return None;
        };
        let weekdays = field(weekday, 0, 7, &WEEKDAYS, 0)?;
        Some(Self {
            minutes: field(minute, 0, 59, &[], 0)?,
            hours: field(hour, 0, 23, &[], 0)?,
            days: field(day, 1, 31, &[], 0)?,
            months: field(month, 1, 12, &MONTHS, 1)?,
            // Sunday is 0, and 7 too.
            weekdays: (weekdays | (weekdays >> 7)) & 0x7f,
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
        })
    }

    /// The pattern of a text of our own. One that is none would match nothing.
    pub(super) fn of(text: &str) -> Self {
        Self::parse(text).unwrap_or(Self {
            minutes: 0,
            hours: 0,
            days: 0,
            months: 0,
            weekdays: 0,
            either_day: false,
        })
    }

    /// Whether the minute of this time is one of them, in UTC.
    #[must_use]
    pub fn matches(&self, at: Timestamp) -> bool {
        let Ok(instant) = jiff::Timestamp::from_microsecond(at.micros()) else {
            return false;
        };
        let at = jiff::tz::TimeZone::UTC.to_datetime(instant);
        let has = |set: u64, number: i8| (set >> number.unsigned_abs()) & 1 == 1;
        let day = has(self.days, at.day());
        let weekday = has(self.weekdays, at.weekday().to_sunday_zero_offset());
        let on_day = match self.either_day {
            true => day || weekday,
            false => day && weekday,
        };
        on_day
            && has(self.minutes, at.minute())
            && has(self.hours, at.hour())
            && has(self.months, at.month())
    }
}

/// The number of a day of the week: `monday`, `mon`.
pub(super) fn weekday(text: &str) -> Option<u32> {
    const FULL: [&str; 7] = [
        "sunday",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
    ];
    let text = text.to_ascii_lowercase();
    let full = FULL.iter().position(|name| *name == text);
    let number = full.or_else(|| WEEKDAYS.iter().position(|name| *name == text))?;
    u32::try_from(number).ok()
}

/// The numbers of one field, as bits.
fn field(text: &str, least: u32, most: u32, names: &[&str], first_name: u32) -> Option<u64> {
    let number = |text: &str| {
        let lower = text.to_ascii_lowercase();
        let named = names.iter().position(|name| *name == lower);
        let named = named.and_then(|at| u32::try_from(at).ok());
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let number = named
            .map(|at| at + first_name)
            .or_else(|| text.parse().ok().filter(|_| digits))?;
        (least..=most).contains(&number).then_some(number)
    };
    let mut set = 0_u64;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (
                range,
                step.parse().ok().filter(|step| (1..60).contains(step))?,
            ),
            None => (part, 1_usize),
        };
        let (from, to) = match (range, range.split_once('-')) {
            ("*", _) => (least, most),
            (_, Some((from, to))) => (number(from)?, number(to)?),
            (one, None) if part.contains('/') => (number(one)?, most),
            (one, None) => (number(one)?, number(one)?),
        };
        if from > to {
            return None;
        }
        for bit in (from..=to).step_by(step) {
            set |= 1 << bit;
        }
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, at: &str) -> bool {
        Cron::parse(pattern).unwrap().matches(at.parse().unwrap())
    }

    #[test]
    fn a_pattern_matches_its_minutes_and_no_others() {
        // A Sunday.
        let now = "2026-11-22T09:30:12Z";
        let yes = [
            "* * * * *",
            "30 9 * * *",
            "*/15 * * * *",
            "0-45/10 8-9 * * *",
            "5,30 * * NOV *",
            "30 9 22 11 *",
            "30 9 * * 0",
            "30 9 * * 7",
            "30 9 * * fri-7",
            "30 9 1 * sun",
            "30 9 22 * mon",
            "10/20 9 * * *",
        ];
        for pattern in yes {
            assert!(matches(pattern, now), "{pattern}");
        }
        let no = [
            "31 9 * * *",
            "30 10 * * *",
            "*/7 * * * *",
            "30 9 21 * *",
            "30 9 * 12 *",
            "30 9 * * 1-6",
            "30 9 1 * mon",
            "30 9 1-7 * *",
        ];
        for pattern in no {
            assert!(!matches(pattern, now), "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let bad = [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 13 *",
            "* * * * 8",
            "5-1 * * * *",
            "*/0 * * * *",
            "+1 * * * *",
            "001 * * * *",
            "1,, * * * *",
            "@daily",
            "* * * * someday",
        ];
        for pattern in bad {
            assert_eq!(Cron::parse(pattern), None, "{pattern}");
        }
    }
}
