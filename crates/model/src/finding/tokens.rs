//! What is weak about long-lived tokens: a chain that somebody must look at, a token that should be handed out anew.

use std::borrow::Cow;

use super::{Finding, FindingSeverity, Looked, Weakness, finding};
use crate::{
    chain::Chain,
    scope::Scope,
    time::{Seconds, Timestamp},
};

/// A webhook's token is handed out anew after so long (S4.5).
pub const ROTATE_AFTER: Seconds = Seconds::days(90);

/// So long before a chain ends somebody should hand out the next token: a month of change windows.
pub const CHAIN_ENDS_SOON: Seconds = Seconds::days(30);

/// What is weak about a chain now, in alphabetical order. One that is over or revoked needs nobody.
#[must_use]
pub fn of_chain(chain: &Chain, now: Timestamp) -> Vec<Weakness> {
    if chain.live(now).next().is_none() {
        return Vec::new();
    }
    let (doc, renewable) = (&chain.doc, chain.scope.profile().renewable);
    let all = [
        (
            Weakness::ChainEndsSoon,
            renewable && chain.deadline() <= now + CHAIN_ENDS_SOON,
        ),
        (Weakness::RenewalOverdue, doc.overdue_at.is_some()),
        (Weakness::RenewedTwice, doc.forked_at.is_some()),
        (
            Weakness::RotationDue,
            chain.scope == Scope::Webhook && chain.created_at + ROTATE_AFTER <= now,
        ),
    ];
    all.into_iter()
        .filter_map(|(weakness, holds)| holds.then_some(weakness))
        .collect()
}

/// The findings about the long-lived tokens of an identity.
pub(super) fn of_tokens(looked: &Looked<'_>) -> Vec<Finding> {
    let chains = looked.chains.iter();
    let each = chains.flat_map(|chain| {
        of_chain(chain, looked.now)
            .into_iter()
            .map(move |weakness| (chain, weakness))
    });
    each.filter_map(|(chain, weakness)| told(looked, chain, weakness))
        .collect()
}

fn told(looked: &Looked<'_>, chain: &Chain, weakness: Weakness) -> Option<Finding> {
    let (severity, says, remedy): (_, _, Cow<'static, str>) = match weakness {
        Weakness::RenewedTwice => (
            FindingSeverity::High,
            format!(
                "a token of chain {} was renewed twice: two parties hold it",
                chain.id
            ),
            format!(
                "`countersign revoke chain {}` ends every token of it, and the thief's with them; then hand out the next token",
                chain.id
            )
            .into(),
        ),
        Weakness::RenewalOverdue => (
            FindingSeverity::High,
            format!(
                "its token should have been renewed and was not; it dies on {}",
                chain.ends_at
            ),
            "look at what holds it: it is away, or cannot reach the server".into(),
        ),
        Weakness::ChainEndsSoon => (
            FindingSeverity::Medium,
            format!(
                "its tokens end on {}, whoever renews them",
                chain.deadline()
            ),
            "hand out the next token (`countersign service-account token`)".into(),
        ),
        Weakness::RotationDue => (
            FindingSeverity::Medium,
            format!(
                "the token of a webhook was handed out {} days ago",
                looked.days_since(chain.created_at)
            ),
            "hand out the next token, then revoke this one".into(),
        ),
        _ => return None,
    };
    let mut found = finding(weakness, severity, says, remedy);
    if weakness == Weakness::RenewedTwice {
        found.fix = format!("countersign revoke chain {}", chain.id);
    }
    Some(found)
}
