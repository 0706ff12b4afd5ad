//! Months, as bills have them: of the calendar, in UTC.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::time::Timestamp;

/// A month of the calendar in UTC, written `2026-11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Month {
    year: i16,
    month: i8,
}

/// The text is not a month.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a month: expected one such as `2026-11`")]
pub struct InvalidMonth(String);

impl Month {
    /// The month of an instant.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        // Far outside the calendar: the epoch's month, which is nobody's.
        let instant = jiff::Timestamp::from_microsecond(at.micros()).unwrap_or_default();
        let at = jiff::tz::TimeZone::UTC.to_datetime(instant);
        Self {
            year: at.year(),
            month: at.month(),
        }
    }

    /// When it begins.
    #[must_use]
    pub fn start(self) -> Timestamp {
        let date = jiff::civil::Date::new(self.year, self.month, 1).unwrap_or_default();
        let zoned = date.to_zoned(jiff::tz::TimeZone::UTC);
        zoned.map_or(Timestamp::from_micros(0), |at| {
            Timestamp::from_micros(at.timestamp().as_microsecond())
        })
    }

    /// The one after it: where it ends.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.month == 12 {
            Self {
                year: self.year.saturating_add(1),
                month: 1,
            }
        } else {
            Self {
                year: self.year,
                month: self.month + 1,
            }
        }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for Month {
    type Err = InvalidMonth;

    fn from_str(text: &str) -> Result<Self, InvalidMonth> {
        let invalid = || InvalidMonth(text.chars().take(16).collect());
        let (year, month) = text.split_once('-').ok_or_else(invalid)?;
        let digits = |text: &str, count| {
            let plain = text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| text.parse::<i16>().ok()).flatten()
        };
        let year = digits(year, 4).filter(|year| (1970..=9998).contains(year));
        let month = digits(month, 2).filter(|month| (1..=12).contains(month));
        let month = month.and_then(|month| i8::try_from(month).ok());
        match (year, month) {
            (Some(year), Some(month)) => Ok(Self { year, month }),
            _ => Err(invalid()),
        }
    }
}

impl TryFrom<String> for Month {
    type Error = InvalidMonth;

    fn try_from(text: String) -> Result<Self, InvalidMonth> {
        text.parse()
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}
