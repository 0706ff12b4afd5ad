//! What is weak about who answers: nobody any more, or one person alone.

use super::{FIRST_REVIEW, Finding, FindingSeverity, Looked, Powers, Weakness, finding};
use crate::{identity::Kind, registry::Status};

/// Who answered for it has left.
pub(super) fn orphaned(looked: &Looked<'_>) -> Option<Finding> {
    (looked.status == Status::Orphaned).then(|| {
        let until = looked.identity.orphan_grace_until.map_or_else(
            || "it gets no tokens".to_owned(),
            |until| format!("it gets no more tokens after {until}"),
        );
        finding(
            Weakness::Orphaned,
            FindingSeverity::High,
            format!(
                "who answered for it has left, and the tenant's owners answer meanwhile; {until}"
            ),
            "name a sponsor who stays",
        )
    })
}

/// One manager, whose departure orphans it, where somebody else could be named. Who is alone in a tenant has nobody to
/// name, and needs no ceremony.
pub(super) fn single_manager(looked: &Looked<'_>) -> Option<Finding> {
    let people = looked.people;
    let alone = looked.status == Status::Active && people.managers == 1 && people.others;
    alone.then(|| {
        let says = if people.sponsors == 1 {
            "one person alone manages it, and no team answers for it: a departure orphans it"
        } else {
            "one person alone manages it: when they leave, it is orphaned"
        };
        finding(
            Weakness::SingleManager,
            if looked.reaches_protected() {
                FindingSeverity::Medium
            } else {
                FindingSeverity::Low
            },
            says,
            "name a second manager",
        )
    })
}

/// Nobody who answers for it said lately that it is still needed as it is.
pub(super) fn review(looked: &Looked<'_>) -> Option<Finding> {
    let identity = looked.identity;
    if looked.status != Status::Active {
        return None;
    }
    let never = identity.confirmed.is_none() && identity.review.is_none();
    if never && privileged(looked) && looked.now - FIRST_REVIEW >= looked.made_at {
        return Some(finding(
            Weakness::NotReviewed,
            FindingSeverity::Medium,
            "it has power, and nobody looked at it since it was made",
            "look at what it may do and who may use it, and confirm it",
        ));
    }
    let due = identity.review_due(looked.made_at);
    (looked.now >= due).then(|| {
        let says = match &identity.confirmed {
            Some(last) => format!(
                "nobody confirmed for {} days that it is still needed",
                looked.days_since(last.at)
            ),
            None => "nobody ever confirmed that it is still needed".to_owned(),
        };
        finding(
            Weakness::ReviewOverdue,
            FindingSeverity::Medium,
            says,
            "confirm it, or disable it",
        )
    })
}

/// Whether it is a pipeline or bot that can do harm: privileged by default unless proven otherwise.
fn privileged(looked: &Looked<'_>) -> bool {
    let kind = matches!(looked.identity.kind, Kind::Bot | Kind::Pipeline);
    let powers = Powers::of(&looked.possible()) != Powers::default();
    kind && (powers || looked.reaches_protected() || !looked.irreversible.is_empty())
}
