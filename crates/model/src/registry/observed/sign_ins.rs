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
    /// In how many of the 24 hours of the day (UTC).
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

/// Counts the sign-ins of one account.
#[derive(Debug, Clone, Default)]
pub struct SignInTally {
    count: u32,
    span: Option<(Timestamp, Timestamp)>,
    hours_of_day: BTreeSet<i64>,
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
        self.count = self.count.saturating_add(1);
        let (first, last) = self.span.unwrap_or((sign_in.at, sign_in.at));
        self.span = Some((first.min(sign_in.at), last.max(sign_in.at)));
        let hour = sign_in.at.seconds().div_euclid(3600);
        self.hours_of_day.insert(hour.rem_euclid(24));
        let agent = sign_in.agent.to_ascii_lowercase();
        let program = PROGRAMS.iter().find(|name| agent.contains(*name));
        if let Some(program) = program {
            self.programs.insert(program);
        }
        let by_program = sign_in.by_program || program.is_some();
        self.by_program += u32::from(by_program);
        let of_hour = self.by_hour.entry(hour).or_default();
        of_hour.count = of_hour.count.saturating_add(1);
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
            hours_of_day: count(self.hours_of_day.len()),
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
