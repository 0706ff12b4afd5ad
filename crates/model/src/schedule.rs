//! Schedules: when the built-in sensors create the event of a rule. All of it in UTC.

use serde_json::{Map, Value};
use thiserror::Error;

use crate::time::Timestamp;

mod cron;

pub use cron::Cron;

/// The trigger type of times of a calendar.
pub const TIMER: &str = "core.timer";

/// The trigger type of equal distances.
pub const INTERVAL: &str = "core.interval";

/// How far back [`Schedule::latest`] looks, in minutes: whoever was away for longer than a day wants no event of it.
const MOST_MINUTES_BACK: i64 = 24 * 60;

/// When a rule's event is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// At minutes of a calendar.
    Calendar(Cron),
    /// Every so many seconds, counted from the epoch, so that everybody counts the same.
    Interval(i64),
}

/// What a rule says is not a schedule.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InvalidSchedule {
    /// A member is missing, or is not what it must be.
    #[error("`{member}` is to be {expected}")]
    Member {
        /// Which.
        member: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// No built-in sensor looks after this type.
    #[error("`{0}` has no schedule: only core.timer and core.interval do")]
    NoSchedule(String),
    /// A member that does nothing here.
    #[error("`{0}` says nothing here")]
    Unknown(String),
}

impl Schedule {
    /// The schedule of a rule: `{seconds: 30}` for `core.interval`; `{every: day, at: "03:00"}` or `{cron: "0 3 * * *"}` for
    /// `core.timer`.
    ///
    /// # Errors
    /// Says which member is not what it must be.
    pub fn parse(trigger_type: &str, with: &Map<String, Value>) -> Result<Self, InvalidSchedule> {
        match trigger_type {
            INTERVAL => {
                only(with, &["seconds"])?;
                let seconds = with.get("seconds").and_then(Value::as_i64);
                let seconds = seconds.filter(|seconds| (1..=31 * 86_400).contains(seconds));
                seconds.map(Self::Interval).ok_or(InvalidSchedule::Member {
                    member: "seconds",
                    expected: "a whole number of seconds from 1 to 2678400, which is 31 days",
                })
            }
            TIMER if with.contains_key("cron") => {
                only(with, &["cron"])?;
                let text = with.get("cron").and_then(Value::as_str);
                let cron = text.and_then(Cron::parse).ok_or(InvalidSchedule::Member {
                    member: "cron",
                    expected: "five fields, minute hour day month weekday, such as \"0 3 * * 1-5\"",
                })?;
                Ok(Self::Calendar(cron))
            }
            TIMER => calendar(with).map(Self::Calendar),
            other => Err(InvalidSchedule::NoSchedule(other.to_owned())),
        }
    }

    /// The latest time of the schedule that is past `after` and not past `now`. A day before `now` at the earliest.
    #[must_use]
    pub fn latest(&self, after: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let past = |seconds: i64| Timestamp::from_seconds(seconds) > after;
        match self {
            Self::Interval(every) => {
                let due = now.seconds().div_euclid(*every).saturating_mul(*every);
                past(due).then_some(Timestamp::from_seconds(due))
            }
            Self::Calendar(cron) => {
                let minute = now.seconds().div_euclid(60);
                (0..MOST_MINUTES_BACK)
                    .map(|back| minute.saturating_sub(back).saturating_mul(60))
                    .take_while(|seconds| past(*seconds))
                    .map(Timestamp::from_seconds)
                    .find(|at| cron.matches(*at))
            }
        }
    }
}

/// `{every: week, weekday: monday, at: "03:00"}` in the words of cron.
fn calendar(with: &Map<String, Value>) -> Result<Cron, InvalidSchedule> {
    let text = |member: &str| with.get(member).and_then(Value::as_str);
    let clock = || match with.get("at") {
        None => Some((0, 0)),
        Some(at) => at.as_str().and_then(clock_time),
    };
    let at = clock().ok_or(InvalidSchedule::Member {
        member: "at",
        expected: "a time of the day in UTC, such as \"03:00\"",
    });
    match text("every") {
        Some("minute") => {
            only(with, &["every"])?;
            Ok(Cron::of("* * * * *"))
        }
        Some("hour") => {
            only(with, &["every", "at"])?;
            let at = with.get("at").map_or(Some(":00"), Value::as_str);
            let minute = at.and_then(|at| two(at.strip_prefix(':')?, 59));
            let minute = minute.ok_or(InvalidSchedule::Member {
                member: "at",
                expected: "a minute of the hour, such as \":15\"",
            })?;
            Ok(Cron::of(&format!("{minute} * * * *")))
        }
        Some("day") => {
            only(with, &["every", "at"])?;
            let (hour, minute) = at?;
            Ok(Cron::of(&format!("{minute} {hour} * * *")))
        }
        Some("week") => {
            only(with, &["every", "at", "weekday"])?;
            let (hour, minute) = at?;
            let day = with.get("weekday").map_or(Some("monday"), Value::as_str);
            let day = day.and_then(cron::weekday).ok_or(InvalidSchedule::Member {
                member: "weekday",
                expected: "a day of the week, such as monday",
            })?;
            Ok(Cron::of(&format!("{minute} {hour} * * {day}")))
        }
        Some("month") => {
            only(with, &["every", "at", "day"])?;
            let (hour, minute) = at?;
            let day = with.get("day").map_or(Some(1), Value::as_i64);
            let day = day.filter(|day| (1..=31).contains(day));
            let day = day.ok_or(InvalidSchedule::Member {
                member: "day",
                expected: "a day of the month from 1 to 31; a month without it is left out",
            })?;
            Ok(Cron::of(&format!("{minute} {hour} {day} * *")))
        }
        _ => Err(InvalidSchedule::Member {
            member: "every",
            expected: "minute, hour, day, week or month; or give `cron`",
        }),
    }
}

/// Refuses a member that would do nothing: it was meant to.
fn only(with: &Map<String, Value>, known: &[&str]) -> Result<(), InvalidSchedule> {
    match with.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(InvalidSchedule::Unknown(name.clone())),
        None => Ok(()),
    }
}

/// `03:00` as hour and minute.
fn clock_time(text: &str) -> Option<(u8, u8)> {
    let (hour, minute) = text.split_once(':')?;
    Some((two(hour, 23)?, two(minute, 59)?))
}

/// Two digits, at most so large.
fn two(text: &str, most: u8) -> Option<u8> {
    let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits)?;
    (number <= most).then_some(number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schedule(trigger: &str, with: Value) -> Result<Schedule, InvalidSchedule> {
        Schedule::parse(trigger, with.as_object().unwrap())
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The latest time within five minutes before this one.
    fn due(with: Value, now: &str) -> Option<String> {
        let schedule = schedule(TIMER, with).unwrap();
        let after = Timestamp::from_seconds(at(now).seconds() - 300);
        let latest = schedule.latest(after, at(now));
        latest.map(|at| at.to_string())
    }

    #[test]
    fn words_of_a_calendar_are_times_in_utc() {
        let day = json!({"every": "day", "at": "03:00"});
        let three = Some("2026-11-22T03:00:00Z".to_owned());
        assert_eq!(due(day.clone(), "2026-11-22T03:00:00Z"), three);
        assert_eq!(due(day.clone(), "2026-11-22T03:04:59.9Z"), three);
        assert_eq!(due(day.clone(), "2026-11-22T03:05:00Z"), None, "too late");
        assert_eq!(due(day, "2026-11-22T02:59:59Z"), None, "not yet");
        let hour = json!({"every": "hour", "at": ":15"});
        assert!(due(hour.clone(), "2026-11-22T07:16:00Z").is_some());
        assert!(due(hour, "2026-11-22T07:14:00Z").is_none());
        // A Sunday.
        let week = |weekday: &str| json!({"every": "week", "weekday": weekday});
        assert!(due(week("sunday"), "2026-11-22T00:01:00Z").is_some());
        assert!(due(week("monday"), "2026-11-22T00:01:00Z").is_none());
        let month = json!({"every": "month", "day": 31, "at": "23:59"});
        assert!(due(month.clone(), "2026-12-31T23:59:00Z").is_some());
        assert!(due(month, "2026-11-30T23:59:00Z").is_none());
        let minute = json!({"every": "minute"});
        assert_eq!(
            due(minute, "2026-11-22T07:16:31Z"),
            Some("2026-11-22T07:16:00Z".to_owned()),
            "the latest alone"
        );
    }

    #[test]
    fn an_interval_is_counted_from_the_epoch() {
        let schedule = schedule(INTERVAL, json!({"seconds": 90})).unwrap();
        let latest = |after, now| {
            let (after, now) = (Timestamp::from_seconds(after), Timestamp::from_seconds(now));
            schedule.latest(after, now).map(Timestamp::seconds)
        };
        assert_eq!(latest(0, 89), None);
        assert_eq!(latest(0, 90), Some(90));
        assert_eq!(latest(90, 179), None, "once");
        assert_eq!(latest(90, 500), Some(450), "the latest alone");
    }

    #[test]
    fn what_is_no_schedule_is_refused_by_name() {
        let bad = [
            (INTERVAL, json!({})),
            (INTERVAL, json!({"seconds": 0})),
            (INTERVAL, json!({"seconds": "30"})),
            (INTERVAL, json!({"seconds": 30, "jitter": 1})),
            (TIMER, json!({})),
            (TIMER, json!({"every": "year"})),
            (TIMER, json!({"every": "day", "at": "3:00"})),
            (TIMER, json!({"every": "day", "at": "24:00"})),
            (TIMER, json!({"every": "day", "weekday": "monday"})),
            (TIMER, json!({"every": "week", "weekday": "someday"})),
            (TIMER, json!({"every": "month", "day": 32})),
            (TIMER, json!({"cron": "0 3 * *"})),
            (TIMER, json!({"cron": "0 3 * * *", "every": "day"})),
            ("billing.invoice", json!({})),
        ];
        for (trigger, with) in bad {
            assert!(schedule(trigger, with.clone()).is_err(), "{trigger} {with}");
        }
    }
}
