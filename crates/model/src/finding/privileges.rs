//! What is weak about what an identity may do: too much in one word, more than it uses, to more runs than it should.

use super::{Finding, FindingSeverity, Looked, Weakness, finding};
use crate::{action::ActionSet, registry::Status};

/// Words in the name of a role that gives everything, or nearly so, in the platforms that programs are given roles at.
const BROAD: [&str; 10] = [
    "admin",
    "administrator",
    "all",
    "contributor",
    "editor",
    "owner",
    "poweruser",
    "root",
    "superuser",
    "sysadmin",
];

/// A role of its resource servers that says everything and nothing.
pub(super) fn broad_roles(looked: &Looked<'_>) -> Option<Finding> {
    let roles = looked.identity.roles.iter().map(|role| role.as_str());
    let broad: Vec<&str> = roles.filter(|role| is_broad(role)).collect();
    (!broad.is_empty()).then(|| {
        finding(
            Weakness::BroadRoles,
            looked.by_reach(),
            format!(
                "it has {}: what that allows is decided elsewhere, and is likely everything",
                broad.join(", ")
            ),
            "give it the roles of what it does, one for each task",
        )
    })
}

fn is_broad(role: &str) -> bool {
    let words = role.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .map(str::to_ascii_lowercase)
        .any(|word| BROAD.contains(&word.as_str()))
}

/// What it may do and did not, as far as its resource servers report. Where none reports, nobody can tell.
pub(super) fn unused_privileges(looked: &Looked<'_>) -> Option<Finding> {
    let unused = unused(looked)?;
    (looked.status == Status::Active && !unused.is_empty()).then(|| {
        let names: Vec<&str> = unused.iter().map(|action| action.as_str()).collect();
        let hurts = unused
            .iter()
            .any(|action| looked.irreversible.contains(action));
        finding(
            Weakness::UnusedPrivileges,
            if hurts && looked.reaches_protected() {
                FindingSeverity::Medium
            } else {
                FindingSeverity::Low
            },
            format!(
                "of what it may do, it did not use {} lately",
                names.join(", ")
            ),
            "take them away: who takes it over has them too",
        )
    })
}

/// What of it was not used. Nothing is said of an identity that is too new to have used everything.
pub(super) fn unused(looked: &Looked<'_>) -> Option<ActionSet> {
    let used = looked.used?;
    let settled = looked.now - super::DORMANT >= looked.made_at;
    (settled && !used.is_empty()).then(|| looked.possible().difference(used))
}

/// Rules that more runs match than should. They were saved when it was still allowed: an environment was protected
/// since, or an issuer edited.
pub(super) fn wide_rules(looked: &Looked<'_>) -> Vec<Finding> {
    let wide = looked.credentials.iter().filter_map(|credential| {
        let why = credential.too_wide.as_ref()?;
        let found = finding(
            Weakness::RuleTooWide,
            looked.by_reach(),
            format!("a trust rule matches more runs than it should: {why}"),
            "write a rule that pins it, then revoke this one",
        );
        Some(Finding {
            credential: Some(credential.id.clone()),
            ..found
        })
    });
    wide.collect()
}
