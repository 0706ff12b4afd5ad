//! How an account signs in: what can be told of a list of sign-ins without keeping a single one of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// One sign-in, as an export tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignIn {
    /// When.
    pub at: Timestamp,
    /// From where.
    pub address: Option<IpAddr>,
    /// With what: the user agent.
    pub agent: String,
    /// From which device, where the system knows devices.
    pub device: String,
    /// Whether the system itself says that a program signed in, or the address is one of CI.
    pub by_program: bool,
    /// Whether it is something done while signed in, and no sign-in: of a person many within an hour say nothing.
    pub is_act: bool,
}

/// What many sign-ins of one account have in common. It holds counts, and no address or device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIns {
    /// How many.
    pub count: u32,
    /// The first.
    pub first_at: Timestamp,
    /// The last.
    pub last_at: Timestamp,
    /// In how many of the 24 hours of the day (UTC), the most within three days.
    pub hours_of_day: u32,
    /// The most within one hour of the clock.
    pub busiest_hour: u32,
    /// How many a program made: by its user agent, by an address of CI, or because the system says so.
    pub by_program: u32,
    /// What those programs call themselves, the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<String>,
    /// In how many hours of the clock three or more devices, or networks where no device is told, signed in without
    /// being programs.
    pub crowded_hours: u32,
}

impl SignIns {
    /// What is known once another file tells of the same account. A file of another time adds to it, one of a part of the
    /// same time says nothing new, and of two that overlap the later one counts: how many they share is not kept.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        let (earlier, later) = if self.first_at <= other.first_at {
            (self, other)
        } else {
            (other, self)
        };
        if earlier.last_at < later.first_at {
            return earlier.and_then(later);
        }
        let within = self.first_at <= other.first_at && other.last_at <= self.last_at;
        let fuller = if within {
            self.count >= other.count
        } else {
            self.last_at > other.last_at
        };
        if fuller { self.clone() } else { other.clone() }
    }

    /// Those of a time before and of one after it. The hours of the day of both may be the same: they are counted once.
    fn and_then(&self, later: &Self) -> Self {
        let programs: BTreeSet<_> = self.programs.iter().chain(&later.programs).collect();
        Self {
            count: self.count.saturating_add(later.count),
            first_at: self.first_at,
            last_at: later.last_at,
            hours_of_day: self.hours_of_day.max(later.hours_of_day),
            busiest_hour: self.busiest_hour.max(later.busiest_hour),
            by_program: self.by_program.saturating_add(later.by_program),
            programs: programs.into_iter().take(NAMED).cloned().collect(),
            crowded_hours: self.crowded_hours.saturating_add(later.crowded_hours),
        }
    }
}

/// Counts the sign-ins of one account.
#[derive(Debug, Clone, Default)]
pub struct SignInTally {
    count: u32,
    span: Option<(Timestamp, Timestamp)>,
    by_hour: BTreeMap<i64, Hour>,
    by_program: u32,
    programs: BTreeSet<&'static str>,
}

#[derive(Debug, Clone, Default)]
struct Hour {
    count: u32,
    /// From what people signed in, up to one more than matters.
    sources: BTreeSet<String>,
}

impl SignInTally {
    /// Counts one more.
    pub fn add(&mut self, sign_in: &SignIn) {
        let (first, last) = self.span.unwrap_or((sign_in.at, sign_in.at));
        self.span = Some((first.min(sign_in.at), last.max(sign_in.at)));
        let hour = sign_in.at.seconds().div_euclid(3600);
        let agent = sign_in.agent.to_ascii_lowercase();
        let program = PROGRAMS.iter().find(|name| agent.contains(*name));
        if let Some(program) = program {
            self.programs.insert(program);
        }
        let by_program = sign_in.by_program || program.is_some();
        self.by_program += u32::from(by_program);
        let of_hour = self.by_hour.entry(hour).or_default();
        if by_program || !sign_in.is_act {
            self.count = self.count.saturating_add(1);
            of_hour.count = of_hour.count.saturating_add(1);
        }
        if !by_program && of_hour.sources.len() < CROWD {
            of_hour.sources.extend(source(sign_in));
        }
    }

    /// What they have in common; nothing when there were none.
    #[must_use]
    pub fn sum(self) -> Option<SignIns> {
        let (first_at, last_at) = self.span?;
        let hours = self.by_hour.values();
        let crowded = hours.clone().filter(|hour| hour.sources.len() >= CROWD);
        Some(SignIns {
            count: self.count,
            first_at,
            last_at,
            hours_of_day: self.hours_of_day(),
            crowded_hours: count(crowded.count()),
            busiest_hour: hours.map(|hour| hour.count).max().unwrap_or_default(),
            by_program: self.by_program,
            programs: self
                .programs
                .into_iter()
                .take(NAMED)
                .map(str::to_owned)
                .collect(),
        })
    }
}

impl SignInTally {
    /// In how many of the 24 hours of the day there were some, the most within so long. Over a month a person fills the
    /// day as well.
    fn hours_of_day(&self) -> u32 {
        let hours = self.by_hour.iter().filter(|(_, hour)| hour.count > 0);
        let hours: Vec<i64> = hours.map(|(hour, _)| *hour).collect();
        let within = hours.iter().enumerate().map(|(at, first)| {
            let window = hours.iter().skip(at);
            let window = window.take_while(|hour| **hour < first + HABIT_HOURS);
            let of_day: BTreeSet<i64> = window.map(|hour| hour.rem_euclid(24)).collect();
            of_day.len()
        });
        count(within.max().unwrap_or_default())
    }
}

/// What tells one sitting from another: the device, or else the network (/24, /48).
fn source(sign_in: &SignIn) -> Option<String> {
    if !sign_in.device.is_empty() {
        return Some(sign_in.device.clone());
    }
    Some(match sign_in.address? {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}")
        }
    })
}

fn count(many: usize) -> u32 {
    u32::try_from(many).unwrap_or(u32::MAX)
}

/// A single night of work is no habit.
const HABIT_HOURS: i64 = 3 * 24;

/// One person has a computer and a telephone; a third device in the same hour is likely somebody else's.
const CROWD: usize = 3;

/// How many programs are named.
const NAMED: usize = 4;

/// What user agents of programs contain, in small letters. Browsers contain none of them.
const PROGRAMS: [&str; 20] = [
    "ansible",
    "apache-httpclient",
    "aws-cli",
    "aws-sdk",
    "azure-sdk",
    "boto3",
    "circleci",
    "curl/",
    "git/",
    "github-actions",
    "gitlab-runner",
    "go-http-client",
    "google-cloud-sdk",
    "jenkins",
    "okhttp",
    "postmanruntime",
    "powershell",
    "python-requests",
    "terraform",
    "wget/",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SignIn {
        SignIn {
            at: text.parse().unwrap(),
            ..SignIn::default()
        }
    }

    #[test]
    fn sign_ins_are_counted_and_none_is_kept() {
        let mut tally = SignInTally::default();
        for (hour, agent) in [(9, "Mozilla/5.0"), (9, "Boto3/1.34"), (17, "git/2.43.0")] {
            tally.add(&SignIn {
                agent: agent.to_owned(),
                address: "192.0.2.7".parse().ok(),
                ..at(&format!("2026-11-02T{hour:02}:15:00Z"))
            });
        }
        let sum = tally.sum().unwrap();
        assert_eq!((sum.count, sum.hours_of_day, sum.busiest_hour), (3, 2, 2));
        assert_eq!(sum.by_program, 2);
        assert_eq!(sum.programs, ["boto3", "git/"]);
        assert_eq!(sum.crowded_hours, 0);
        assert!(!serde_json::to_string(&sum).unwrap().contains("192"));
        assert!(SignInTally::default().sum().is_none());
    }

    #[test]
    fn the_hours_of_the_day_are_those_of_three_days_and_not_of_a_month() {
        let hours_of_day = |times: &mut dyn Iterator<Item = (u32, u32)>| {
            let mut tally = SignInTally::default();
            for (day, hour) in times {
                tally.add(&at(&format!("2026-10-{day:02}T{hour:02}:15:00Z")));
            }
            tally.sum().unwrap().hours_of_day
        };
        let shifting = &mut (1..=24).flat_map(|day| [(day, day - 1), (day, 9)]);
        assert_eq!(hours_of_day(shifting), 4);
        let around = &mut (1..=72).map(|hour| (hour / 24 + 1, hour % 24));
        assert_eq!(hours_of_day(around), 24);
    }

    #[test]
    fn what_a_person_does_while_signed_in_is_no_sign_in_and_what_a_program_does_counts() {
        let sum = |agent: &str| {
            let mut tally = SignInTally::default();
            for minute in 0..60 {
                tally.add(&SignIn {
                    agent: agent.to_owned(),
                    is_act: true,
                    ..at(&format!("2026-11-02T09:{minute:02}:00Z"))
                });
            }
            tally.sum().unwrap()
        };
        let person = sum("Mozilla/5.0");
        assert_eq!(
            (person.count, person.busiest_hour, person.hours_of_day),
            (0, 0, 0)
        );
        assert_eq!(person.last_at, at("2026-11-02T09:59:00Z").at);
        let program = sum("git/2.43.0");
        assert_eq!(
            (program.count, program.busiest_hour, program.by_program),
            (60, 60, 60)
        );
    }

    #[test]
    fn files_of_other_times_add_up_and_parts_say_nothing_new() {
        let of = |days: std::ops::RangeInclusive<u32>| {
            let mut tally = SignInTally::default();
            for day in days {
                tally.add(&at(&format!("2026-10-{day:02}T09:15:00Z")));
            }
            tally.sum().unwrap()
        };
        let known = of(10..=20);
        for (other, count, days) in [
            (of(12..=13), 11, (10, 20)),
            (of(10..=20), 11, (10, 20)),
            (of(1..=3), 14, (1, 20)),
            (of(25..=25), 12, (10, 25)),
            (of(15..=25), 11, (15, 25)),
            (of(5..=12), 11, (10, 20)),
            (of(5..=25), 21, (5, 25)),
        ] {
            let joined = known.joined(&other);
            let day = |day: u32| at(&format!("2026-10-{day:02}T09:15:00Z")).at;
            assert_eq!(joined.count, count, "{other:?}");
            assert_eq!(
                (joined.first_at, joined.last_at),
                (day(days.0), day(days.1))
            );
            assert_eq!(joined.joined(&other), joined, "once more changes nothing");
        }
    }

    #[test]
    fn three_devices_in_one_hour_are_a_crowd_and_programs_are_not() {
        let crowd = |devices: &[&str], by_program: bool| {
            let mut tally = SignInTally::default();
            for device in devices {
                tally.add(&SignIn {
                    device: (*device).to_owned(),
                    by_program,
                    ..at("2026-11-02T09:15:00Z")
                });
            }
            tally.sum().unwrap().crowded_hours
        };
        assert_eq!(crowd(&["a", "b", "a"], false), 0);
        assert_eq!(crowd(&["a", "b", "c", "d"], false), 1);
        assert_eq!(crowd(&["a", "b", "c", "d"], true), 0);
    }
}
