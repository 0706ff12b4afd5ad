//! What is weak about an observed account, and the first thing to do: somebody answers for it, or an identity of its
//! own takes its place. Its secret is never rotated first: a new copy of it is as good to whoever has the old one.

use super::{DORMANT, ENDS_SOON, Finding, FindingSeverity, OLD_SECRET, Weakness, finding};
use crate::{
    id::{self, Id},
    identity::Kind,
    registry::{AccountType, ObservedAccountDoc, SignIns, Status},
    time::{Seconds, Timestamp},
};

/// Nobody is awake in so many of the 24 hours of a day.
pub const AWAKE_HOURS: u32 = 20;

/// So many sign-ins must have been seen before their hours say something.
pub const ENOUGH_SIGN_INS: u32 = 40;

/// Over so long: a single night of work is no habit.
pub const HABIT: Seconds = Seconds::days(3);

/// Once a minute for an hour: no person does that.
pub const BUSY_HOUR: u32 = 60;

/// So many sign-ins by programs are no trial.
pub const BY_PROGRAMS: u32 = 3;

/// In so many hours three devices signed in at once before it is called shared.
pub const CROWDED: u32 = 3;

/// What is weak about an observed account.
#[must_use]
pub fn of_observed(
    id: Id<id::Record>,
    status: Status,
    doc: &ObservedAccountDoc,
    now: Timestamp,
) -> Vec<Finding> {
    if doc.facts.disabled || status == Status::Deleted {
        return Vec::new();
    }
    let told = Told { id, doc, now };
    let mut found: Vec<Finding> = [
        told.unanswered(status),
        told.used_by_program(),
        told.shared(),
        told.secret(),
        told.dormant(),
    ]
    .into_iter()
    .flatten()
    .collect();
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

struct Told<'a> {
    id: Id<id::Record>,
    doc: &'a ObservedAccountDoc,
    now: Timestamp,
}

impl Told<'_> {
    fn unanswered(&self, status: Status) -> Option<Finding> {
        let id = self.id;
        let (severity, says) = if status == Status::Orphaned {
            (FindingSeverity::High, "who answered for it has left")
        } else if self.doc.sponsor.is_some() {
            return None;
        } else if self.doc.proposed.is_some() {
            let says = "nobody answers for it: who was proposed has not confirmed it";
            (FindingSeverity::Medium, says)
        } else {
            (FindingSeverity::Medium, "nobody answers for it")
        };
        let (remedy, fix) = if self.doc.proposed.is_some() {
            let fix = format!("countersign observed confirm {id}");
            ("who was proposed confirms it, or declines", fix)
        } else {
            let fix = format!("countersign observed propose {id} --sponsor USER");
            ("propose who could answer for it", fix)
        };
        Some(with(
            finding(Weakness::Unanswered, severity, says, remedy),
            fix,
        ))
    }

    fn used_by_program(&self) -> Option<Finding> {
        if self.doc.facts.account_type == AccountType::Program {
            return None;
        }
        let why = self.why_program()?;
        let replaced = if self.doc.replaced_by.is_some() {
            "; an identity takes its place, and it is in use still"
        } else {
            ""
        };
        let says = match self.doc.facts.account_type {
            AccountType::Person | AccountType::Shared => {
                format!("a program uses the account of a person: {why}{replaced}")
            }
            AccountType::Program | AccountType::Unknown => {
                format!("a program uses it, and it may be a person's: {why}{replaced}")
            }
        };
        let remedy =
            "make an identity of its own for the program, move it there, then end its access here";
        Some(with(
            finding(Weakness::UsedByProgram, FindingSeverity::High, says, remedy),
            self.convert(),
        ))
    }

    fn why_program(&self) -> Option<String> {
        if let Some(at) = self.doc.facts.program_key_used_at
            && self.lately(at)
        {
            return Some(format!("a key for programs was used at {at}"));
        }
        let sign_ins = self.doc.sign_ins.as_ref()?;
        if !self.lately(sign_ins.last_at) {
            return None;
        }
        if sign_ins.by_program >= BY_PROGRAMS {
            let with = if sign_ins.programs.is_empty() {
                String::new()
            } else {
                let names: Vec<&str> = sign_ins
                    .programs
                    .iter()
                    .map(|name| name.trim_end_matches('/'))
                    .collect();
                format!(" ({})", names.join(", "))
            };
            let (some, all) = (sign_ins.by_program, sign_ins.count);
            return Some(format!("{some} of {all} sign-ins are by programs{with}"));
        }
        if sign_ins.busiest_hour >= BUSY_HOUR {
            let most = sign_ins.busiest_hour;
            return Some(format!("{most} sign-ins within one hour"));
        }
        steady(sign_ins).then(|| {
            format!(
                "within three days it signs in during {} of the 24 hours of the day",
                sign_ins.hours_of_day
            )
        })
    }

    fn shared(&self) -> Option<Finding> {
        let crowded = self.doc.sign_ins.as_ref();
        let crowded = crowded.map_or(0, |sign_ins| sign_ins.crowded_hours);
        let says = if crowded >= CROWDED {
            format!("several people share it: in {crowded} hours three devices or more signed in")
        } else if self.doc.facts.account_type == AccountType::Shared {
            "several people share it, as the export says".to_owned()
        } else {
            return None;
        };
        let remedy = "give each person an account of their own, and the program an identity of its own: what was done with it leads to nobody";
        Some(with(
            finding(
                Weakness::SharedByPeople,
                FindingSeverity::High,
                says,
                remedy,
            ),
            self.convert(),
        ))
    }

    fn secret(&self) -> Option<Finding> {
        let remedy = "make an identity of its own with credentials per run, and let the secret end";
        if let Some(ends_at) = self.doc.facts.secret_ends_at
            && ends_at > self.now
            && ends_at - ENDS_SOON <= self.now
        {
            let says = format!("its secret ends at {ends_at}, and what uses it then stops");
            let found = finding(
                Weakness::CredentialEndsSoon,
                FindingSeverity::Medium,
                says,
                remedy,
            );
            return Some(with(found, self.convert()));
        }
        let since = self.doc.facts.secret_since?;
        (since <= self.now - OLD_SECRET).then(|| {
            let days = (self.now.seconds() - since.seconds()) / 86_400;
            let says = format!("its secret is {days} days old");
            let found = finding(Weakness::OldSecret, FindingSeverity::Medium, says, remedy);
            with(found, self.convert())
        })
    }

    fn dormant(&self) -> Option<Finding> {
        let last = self.doc.last_used_at()?;
        (last <= self.now - DORMANT).then(|| {
            let days = (self.now.seconds() - last.seconds()) / 86_400;
            let says = format!("nobody used it for {days} days");
            let remedy = "end it in its own system, then take it off this list";
            let fix = format!("countersign observed delete {} --reason ended", self.id);
            with(
                finding(Weakness::Dormant, FindingSeverity::Low, says, remedy),
                fix,
            )
        })
    }

    fn lately(&self, at: Timestamp) -> bool {
        at > self.now - DORMANT
    }

    /// The command that makes an identity to take its place.
    fn convert(&self) -> String {
        let (name, kind) = (identity_name(self.doc), recommended_kind(self.doc));
        format!(
            "countersign identity create {name} --kind {} --replaces {}",
            kind.as_str(),
            self.id
        )
    }
}

fn steady(sign_ins: &SignIns) -> bool {
    sign_ins.hours_of_day >= AWAKE_HOURS
        && sign_ins.count >= ENOUGH_SIGN_INS
        && sign_ins.last_at - HABIT >= sign_ins.first_at
}

fn with(finding: Finding, fix: String) -> Finding {
    Finding { fix, ..finding }
}

/// The kind of identity that fits what an account is used for.
#[must_use]
pub fn recommended_kind(doc: &ObservedAccountDoc) -> Kind {
    let programs = doc.sign_ins.iter().flat_map(|found| &found.programs);
    let of_ci = ["circleci", "github-actions", "gitlab-runner", "jenkins"];
    let runs = programs
        .into_iter()
        .any(|name| of_ci.contains(&name.as_str()));
    let form = doc.facts.form.as_str();
    if runs || form == "deploy key" {
        Kind::Pipeline
    } else if form == "GitHub App" {
        Kind::Bot
    } else if form == "Kubernetes service account" {
        Kind::Workload
    } else {
        Kind::ServiceAccount
    }
}

/// A name for the identity that takes its place, which can be typed.
#[must_use]
pub fn identity_name(doc: &ObservedAccountDoc) -> String {
    let local = doc.facts.label.split('@').next().unwrap_or_default();
    let mut name = String::new();
    for c in local.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
        if name.len() >= NAME_BYTES {
            break;
        }
    }
    let name = name.trim_end_matches('-');
    if name.is_empty() {
        "NAME".to_owned()
    } else {
        format!("{name}-program")
    }
}

/// Short enough to read, and what is put behind it still fits.
const NAME_BYTES: usize = 40;
