//! What is weak about who answers: nobody any more, or one person alone.

use super::{Finding, FindingSeverity, Looked, Weakness, finding};
use crate::registry::Status;

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
