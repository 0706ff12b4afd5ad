//! Findings: what is weak about an identity, and the first thing to do about it.
//!
//! They are computed from what is on record whenever somebody looks, and kept nowhere: what was
//! mended is gone at the next look. The order of the remedies is that of S1.10: split by environment,
//! then credentials per run, then less capability, and rotation last.

use std::{borrow::Cow, collections::BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    action::ActionSet,
    chain::Chain,
    identity::Kind,
    name::EnvironmentName,
    registry::{CredentialType, IdentityDoc, Status},
    time::{Seconds, Timestamp},
};

mod fix;
mod observed;
mod people;
mod privileges;
mod secrets;
mod tokens;

pub use observed::{identity_name, of_observed, recommended_kind};
pub use tokens::{CHAIN_ENDS_SOON, ROTATE_AFTER, of_chain};

/// A secret that is older has had a quarter of a year to be copied.
pub const OLD_SECRET: Seconds = Seconds::days(90);

/// So long after somebody with power was registered, somebody should have looked at it: a week of work.
pub const FIRST_REVIEW: Seconds = Seconds::days(7);

/// What was not used for so long is likely not needed.
pub const DORMANT: Seconds = Seconds::days(90);

/// How long before its end somebody should know that an identity expires: two weeks of work.
pub const ENDS_SOON: Seconds = Seconds::days(14);

/// From so many networks on a static credential is likely shared: an office and a data centre are two.
pub const MANY_NETWORKS: usize = 3;

/// What begins the name of an action that administers secrets, identities or bills.
const ADMINISTERS: [&str; 4] = ["billing.", "credential.", "identity.", "secrets."];

/// What is weak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weakness {
    /// It has a role that gives everything, or nearly so.
    BroadRoles,
    /// A chain of renewals ends, whoever renews it.
    ChainEndsSoon,
    /// A guard was loosened by one person, because nobody else could countersign.
    ChangedAlone,
    /// A credential that is in use is about to end.
    CredentialEndsSoon,
    /// It may release or change infrastructure, and administer secrets, identities or bills.
    DeploysAndAdministers,
    /// It was not used for a long time.
    Dormant,
    /// It gets no more tokens soon.
    EndsSoon,
    /// Its document left something out.
    LeftOut,
    /// A static credential is used from many networks.
    ManySources,
    /// A pipeline or bot with power was never looked at since it was made.
    NotReviewed,
    /// A secret is old.
    OldSecret,
    /// Who answered for it has left.
    Orphaned,
    /// A long-lived token should have been renewed and was not.
    RenewalOverdue,
    /// A long-lived token was renewed again although its successor lived.
    RenewedTwice,
    /// Nobody confirmed for half a year that it is still needed.
    ReviewOverdue,
    /// The token of a webhook is old.
    RotationDue,
    /// A trust rule matches more runs than it should.
    RuleTooWide,
    /// A pipeline proves itself with a secret, where a run could prove itself.
    SecretInsteadOfRun,
    /// A bot may do something that its friendly face hides.
    SensitivePowers,
    /// Several people sign in as one account of another system.
    SharedByPeople,
    /// It acts in several environments.
    SharedEnvironments,
    /// One person alone manages it.
    SingleManager,
    /// Nobody answers for an account of another system.
    Unanswered,
    /// A secret alone is enough for what cannot be undone, where it is protected: nobody countersigns.
    UnguardedSecret,
    /// It may do more than it does.
    UnusedPrivileges,
    /// A program uses the account of a person in another system.
    UsedByProgram,
}

/// How soon somebody should act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingSeverity {
    /// At the next review.
    Low,
    /// This month.
    Medium,
    /// Today.
    High,
}

/// One weakness of one identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is weak.
    pub weakness: Weakness,
    /// How soon somebody should act.
    pub severity: FindingSeverity,
    /// What was found, in one sentence without its full stop.
    pub says: String,
    /// The first thing to do about it.
    pub remedy: Cow<'static, str>,
    /// The same as one command that can be typed; what only a person can choose stands in capitals.
    pub fix: String,
    /// The public id of the credential that it is about.
    pub credential: Option<String>,
}

/// What findings are computed from.
#[derive(Debug, Clone)]
pub struct Looked<'a> {
    /// The identity's document.
    pub identity: &'a IdentityDoc,
    /// Its status.
    pub status: Status,
    /// Its credentials that can be used.
    pub credentials: &'a [LiveCredential],
    /// Its long-lived tokens.
    pub chains: &'a [Chain],
    /// How many people are left who answer.
    pub people: People,
    /// The actions that its resource servers reported lately; none where none of them reports.
    pub used: Option<&'a ActionSet>,
    /// When it was made.
    pub made_at: Timestamp,
    /// The environments of its tenant that are protected.
    pub protected: &'a BTreeSet<EnvironmentName>,
    /// Of what it may do, what cannot be undone.
    pub irreversible: &'a ActionSet,
    /// When it last got or used a token; when it was made, if it never did.
    pub last_active_at: Timestamp,
    /// When one of its guards was last loosened by one person alone, among the records looked at.
    pub changed_alone_at: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

/// How many active people answer for an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct People {
    /// Who answer for it.
    pub sponsors: usize,
    /// Who administer it.
    pub managers: usize,
    /// Whether the tenant has somebody else who could.
    pub others: bool,
}

/// A credential that can be used.
#[derive(Debug, Clone)]
pub struct LiveCredential {
    /// Its public id.
    pub id: String,
    /// Its type.
    pub credential_type: CredentialType,
    /// Since when.
    pub made_at: Timestamp,
    /// From how many networks it was used, among the records looked at.
    pub networks: usize,
    /// When it ends.
    pub ends_at: Option<Timestamp>,
    /// Of a trust rule: why it would not be saved today.
    pub too_wide: Option<String>,
}

/// What a bot could do that is sensitive (S1.13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Powers {
    /// It may trigger builds.
    pub triggers_builds: bool,
    /// It may open privileged tickets.
    pub opens_privileged_tickets: bool,
    /// It may act as somebody else.
    pub impersonates: bool,
    /// It may read secrets, and so post them into logs.
    pub reads_secrets: bool,
}

impl Powers {
    /// The powers of whoever may do these actions.
    #[must_use]
    pub fn of(possible: &ActionSet) -> Self {
        let may = |names: &[&str]| {
            possible
                .iter()
                .any(|action| names.contains(&action.as_str()))
        };
        Self {
            triggers_builds: may(&["build.run", "build.trigger"]),
            opens_privileged_tickets: may(&["ticket.open.privileged"]),
            impersonates: may(&["identity.impersonate"]),
            reads_secrets: may(&["key.read", "secrets.read"]),
        }
    }

    /// In words, those that there are.
    fn words(self) -> Vec<&'static str> {
        let words = [
            (self.triggers_builds, "trigger builds"),
            (self.opens_privileged_tickets, "open privileged tickets"),
            (self.impersonates, "act as somebody else"),
            (
                self.reads_secrets,
                "read secrets, and so post them into logs",
            ),
        ];
        let held = words.into_iter().filter(|(held, _)| *held);
        held.map(|(_, word)| word).collect()
    }
}

impl Weakness {
    /// Every weakness, in alphabetical order.
    pub const ALL: [Self; 26] = [
        Self::BroadRoles,
        Self::ChainEndsSoon,
        Self::ChangedAlone,
        Self::CredentialEndsSoon,
        Self::DeploysAndAdministers,
        Self::Dormant,
        Self::EndsSoon,
        Self::LeftOut,
        Self::ManySources,
        Self::NotReviewed,
        Self::OldSecret,
        Self::Orphaned,
        Self::RenewalOverdue,
        Self::RenewedTwice,
        Self::ReviewOverdue,
        Self::RotationDue,
        Self::RuleTooWide,
        Self::SecretInsteadOfRun,
        Self::SensitivePowers,
        Self::SharedByPeople,
        Self::SharedEnvironments,
        Self::SingleManager,
        Self::Unanswered,
        Self::UnguardedSecret,
        Self::UnusedPrivileges,
        Self::UsedByProgram,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BroadRoles => "broad_roles",
            Self::ChainEndsSoon => "chain_ends_soon",
            Self::ChangedAlone => "changed_alone",
            Self::CredentialEndsSoon => "credential_ends_soon",
            Self::DeploysAndAdministers => "deploys_and_administers",
            Self::Dormant => "dormant",
            Self::EndsSoon => "ends_soon",
            Self::LeftOut => "left_out",
            Self::ManySources => "many_sources",
            Self::NotReviewed => "not_reviewed",
            Self::OldSecret => "old_secret",
            Self::Orphaned => "orphaned",
            Self::RenewalOverdue => "renewal_overdue",
            Self::RenewedTwice => "renewed_twice",
            Self::ReviewOverdue => "review_overdue",
            Self::RotationDue => "rotation_due",
            Self::RuleTooWide => "rule_too_wide",
            Self::SecretInsteadOfRun => "secret_instead_of_run",
            Self::SensitivePowers => "sensitive_powers",
            Self::SharedByPeople => "shared_by_people",
            Self::SharedEnvironments => "shared_environments",
            Self::SingleManager => "single_manager",
            Self::Unanswered => "unanswered",
            Self::UnguardedSecret => "unguarded_secret",
            Self::UnusedPrivileges => "unused_privileges",
            Self::UsedByProgram => "used_by_program",
        }
    }
}

/// What is weak about an identity that is not deleted, the most urgent first.
#[must_use]
pub fn findings(looked: &Looked<'_>) -> Vec<Finding> {
    if looked.status == Status::Deleted {
        return Vec::new();
    }
    let mut found = Vec::new();
    found.extend(people::orphaned(looked));
    found.extend(tokens::of_tokens(looked));
    found.extend(shared_environments(looked));
    found.extend(privileges::wide_rules(looked));
    found.extend(deploys_and_administers(looked));
    found.extend(sensitive_powers(looked));
    found.extend(privileges::broad_roles(looked));
    found.extend(privileges::unused_privileges(looked));
    found.extend(secrets::of_credentials(looked));
    found.extend(changed_alone(looked));
    found.extend(people::single_manager(looked));
    found.extend(people::review(looked));
    found.extend(ends_soon(looked));
    found.extend(dormant(looked));
    found.extend(left_out(looked));
    for one in &mut found {
        // What says more than one command can, says it itself.
        if one.fix.is_empty() {
            one.fix = one.weakness.fix(looked, one.credential.as_deref());
        }
    }
    // Stable: within a severity the order above is that of the remedies.
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

impl Looked<'_> {
    /// What it may do, whoever must countersign.
    fn possible(&self) -> ActionSet {
        let identity = self.identity;
        identity
            .allowed_actions
            .difference(&identity.denied_actions)
    }

    fn reaches_protected(&self) -> bool {
        let mut environments = self.identity.environments.iter();
        environments.any(|name| self.protected.contains(name))
    }

    /// Higher when what it can reach is protected.
    fn by_reach(&self) -> FindingSeverity {
        if self.reaches_protected() {
            FindingSeverity::High
        } else {
            FindingSeverity::Medium
        }
    }

    fn days_since(&self, then: Timestamp) -> i64 {
        (self.now.seconds() - then.seconds()) / Seconds::days(1).0
    }
}

fn finding(
    weakness: Weakness,
    severity: FindingSeverity,
    says: impl Into<String>,
    remedy: impl Into<Cow<'static, str>>,
) -> Finding {
    Finding {
        weakness,
        severity,
        says: says.into(),
        remedy: remedy.into(),
        fix: String::new(),
        credential: None,
    }
}

fn shared_environments(looked: &Looked<'_>) -> Option<Finding> {
    let environments = &looked.identity.environments;
    (environments.len() > 1).then(|| {
        let names: Vec<&str> = environments.iter().map(EnvironmentName::as_str).collect();
        let says = format!(
            "it acts in {} environments: {}; whoever takes it over in one has them all",
            names.len(),
            names.join(", ")
        );
        finding(
            Weakness::SharedEnvironments,
            looked.by_reach(),
            says,
            "split it: one identity for each environment",
        )
    })
}

fn deploys_and_administers(looked: &Looked<'_>) -> Option<Finding> {
    let possible = looked.possible();
    let of = |areas: &[&str]| -> Vec<&str> {
        let names = possible.iter().map(|action| action.as_str());
        names
            .filter(|name| areas.iter().any(|area| name.starts_with(area)))
            .collect()
    };
    let deploys = of(&["deploy.", "release.", "infrastructure.apply"]);
    let administers = of(&ADMINISTERS);
    (!deploys.is_empty() && !administers.is_empty()).then(|| {
        let says = format!(
            "it may {} and also {}: deployment does not imply administration",
            deploys.join(", "),
            administers.join(", ")
        );
        finding(
            Weakness::DeploysAndAdministers,
            FindingSeverity::High,
            says,
            "give the administration to an identity of its own, and deny it here",
        )
    })
}

fn sensitive_powers(looked: &Looked<'_>) -> Option<Finding> {
    let powers = Powers::of(&looked.possible()).words();
    (looked.identity.kind == Kind::Bot && !powers.is_empty()).then(|| {
        finding(
            Weakness::SensitivePowers,
            looked.by_reach(),
            format!("this bot may {}", powers.join("; ")),
            "take away what it does not need, and let a person countersign the rest",
        )
    })
}

fn changed_alone(looked: &Looked<'_>) -> Option<Finding> {
    looked.changed_alone_at.map(|at| {
        finding(
            Weakness::ChangedAlone,
            FindingSeverity::Medium,
            format!("one person alone loosened what guards it, at {at}"),
            "name a second approver, and look at what was changed",
        )
    })
}

fn ends_soon(looked: &Looked<'_>) -> Option<Finding> {
    let ends = looked.identity.expires_at;
    let soon = looked.status == Status::Active && looked.now + ENDS_SOON >= ends;
    soon.then(|| {
        finding(
            Weakness::EndsSoon,
            FindingSeverity::Medium,
            format!("it gets no more tokens after {ends}"),
            "extend it, if it is still needed",
        )
    })
}

fn dormant(looked: &Looked<'_>) -> Option<Finding> {
    let quiet = looked.now - DORMANT >= looked.last_active_at;
    (looked.status == Status::Active && quiet).then(|| {
        let says = format!(
            "it did nothing for {} days",
            looked.days_since(looked.last_active_at)
        );
        finding(
            Weakness::Dormant,
            FindingSeverity::Low,
            says,
            "disable it, and delete it if nobody asks",
        )
    })
}

fn left_out(looked: &Looked<'_>) -> Option<Finding> {
    let left_out = &looked.identity.defaulted;
    (!left_out.is_empty()).then(|| {
        let names: Vec<&str> = left_out.iter().map(String::as_str).collect();
        finding(
            Weakness::LeftOut,
            FindingSeverity::Low,
            format!(
                "nobody chose, so they stand at defaults: {}",
                names.join(", ")
            ),
            "choose them: `countersign identity update`, or its manifest",
        )
    })
}

#[cfg(test)]
mod tests;
