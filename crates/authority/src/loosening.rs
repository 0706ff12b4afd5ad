//! Loosening: the changes that weaken what guards an identity.
//!
//! Who may edit an identity could otherwise take its guards away and then do alone what two people
//! should do. A change that is found here waits for a second eligible person.

use std::collections::BTreeSet;

use countersign_model::{
    action::{ActionClass, ActionSet},
    name::EnvironmentName,
    pack::{PackAction, Rule},
    registry::{ApprovalRule, Doc, IdentityDoc, Impersonator, PackDoc, ScopeDoc},
    token_metadata::TokenMetadata,
    trust::{Accepted, TrustRule},
};
use serde::{Deserialize, Serialize};

use crate::long_lived::{defined_scope_of, scope_of};

/// One way in which a change weakens a guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loosening {
    /// Another person is said to be behind an account.
    AccountChanged,
    /// It may do more.
    ActionAdded,
    /// An action counts as less harmful than before.
    ActionClassLowered,
    /// Fewer people must countersign.
    ApprovalRuleWeaker,
    /// Nobody need countersign any more.
    ApprovalTurnedOff,
    /// More people may countersign.
    ApproverAdded,
    /// Somebody may countersign no more.
    ApproverRemoved,
    /// It may call another resource server.
    AudienceAdded,
    /// Somebody else may prove to be it.
    CredentialAdded,
    /// Less is denied to it.
    DenialRemoved,
    /// It may act in another environment.
    EnvironmentAdded,
    /// An environment is protected no more.
    EnvironmentUnprotected,
    /// A person may act as it, or longer.
    ImpersonatorAdded,
    /// Another key may vouch for runs.
    IssuerChanged,
    /// An action of a pack may read another key.
    KeyAdded,
    /// An action of a pack that reads keys executes something else.
    KeyReaderChanged,
    /// Another program keeps people and teams in step.
    ProvisionerChanged,
    /// A guard rail says something else, or covers something else.
    PolicyChanged,
    /// More people let people in, or they come in by themselves.
    RegistrationWidened,
    /// It may touch more resources.
    ResourceAdded,
    /// Whoever made it says that it can do less harm.
    RiskLowered,
    /// It carries another role.
    RoleAdded,
    /// Somebody else vouches for people.
    SignInChanged,
    /// Decisions need no passkey's signature any more.
    SignatureTurnedOff,
    /// Its tokens live longer.
    TokenLifeLonger,
    /// It may have tokens of months, or they are bound to less.
    TokenScopeWidened,
    /// It may have other types of credential.
    TrustModelChanged,
    /// More runs are trusted to be it.
    TrustWidened,
}

impl Loosening {
    /// What it does, in words that follow "this".
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountChanged => "changes whose account it is",
            Self::ActionAdded => "allows an action",
            Self::ActionClassLowered => "lowers the class of an action",
            Self::ApprovalRuleWeaker => "weakens the approval rule",
            Self::ApprovalTurnedOff => "turns approval off",
            Self::ApproverAdded => "adds an approver",
            Self::ApproverRemoved => "takes an approver away",
            Self::AudienceAdded => "adds an audience",
            Self::CredentialAdded => "adds a credential",
            Self::DenialRemoved => "shortens the deny list",
            Self::EnvironmentAdded => "adds an environment",
            Self::EnvironmentUnprotected => "unprotects an environment",
            Self::ImpersonatorAdded => "lets a person act as it",
            Self::IssuerChanged => "changes who vouches for runs",
            Self::KeyAdded => "lets an action read a key",
            Self::KeyReaderChanged => "changes what an action that reads keys executes",
            Self::PolicyChanged => "changes what a guard rail covers",
            Self::ProvisionerChanged => "changes which program says who is here and who has left",
            Self::RegistrationWidened => "lets more people in",
            Self::ResourceAdded => "adds a resource",
            Self::RiskLowered => "lowers its risk",
            Self::RoleAdded => "adds a role",
            Self::SignInChanged => "changes through whom people sign in",
            Self::SignatureTurnedOff => "takes decisions without a passkey's signature",
            Self::TokenLifeLonger => "lengthens the life of tokens",
            Self::TokenScopeWidened => "widens what its long-lived tokens are for",
            Self::TrustModelChanged => "changes the trust model",
            Self::TrustWidened => "trusts more runs",
        }
    }
}

/// Whether an identity is one that needs a second person to loosen: it needs approval, or it
/// reaches a protected environment.
#[must_use]
pub fn is_guarded(identity: &IdentityDoc, protected: &BTreeSet<EnvironmentName>) -> bool {
    identity.requires_approval
        || identity
            .environments
            .iter()
            .any(|name| protected.contains(name))
}

/// How a change of a record loosens; empty when it does not. A new record loosens nothing, and a
/// record of another noun has nothing to compare.
#[must_use]
pub fn of_doc(
    before: &Doc,
    after: &Doc,
    protected: &BTreeSet<EnvironmentName>,
) -> BTreeSet<Loosening> {
    let found = match (before, after) {
        (Doc::Environment(before), Doc::Environment(after)) => {
            (before.protected && !after.protected).then_some(Loosening::EnvironmentUnprotected)
        }
        (Doc::Identity(before), Doc::Identity(after)) => {
            return of_identity(before, after, protected);
        }
        (Doc::Issuer(before), Doc::Issuer(after)) => {
            (before != after).then_some(Loosening::IssuerChanged)
        }
        (Doc::Pack(before), Doc::Pack(after)) => return of_pack(Some(before), after),
        (Doc::Policy(before), Doc::Policy(after)) => {
            (before.cedar != after.cedar).then_some(Loosening::PolicyChanged)
        }
        (Doc::Scope(before), Doc::Scope(after)) => return of_scope(before, after),
        _ => None,
    };
    found.into_iter().collect()
}

/// How another definition of a scope loosens: live tokens of months get what it adds with their next renewal.
#[must_use]
pub fn of_scope(before: &ScopeDoc, after: &ScopeDoc) -> BTreeSet<Loosening> {
    let more = !after.actions.is_subset(&before.actions);
    let longer = after.longest_days > before.longest_days;
    let found = [
        more.then_some(Loosening::ActionAdded),
        longer.then_some(Loosening::TokenLifeLonger),
    ];
    found.into_iter().flatten().collect()
}

/// What another class and group of an action loosen: a lower class what somebody must countersign now (`held`: whether an
/// identity that needs approval has the action), and either what a guard rail may be about (`known_by`: whether one knows
/// actions by `class`, or by `group`). Which side of the rail it comes out on cannot be told in general.
///
/// # Errors
/// Those of what is asked.
pub fn of_action<E>(
    from: (ActionClass, &str),
    to: (ActionClass, &str),
    held: impl FnOnce() -> Result<bool, E>,
    mut known_by: impl FnMut(&str) -> Result<bool, E>,
) -> Result<BTreeSet<Loosening>, E> {
    let mut found = BTreeSet::new();
    if to.0 < from.0 && held()? {
        found.insert(Loosening::ActionClassLowered);
    }
    if to.0 != from.0 && known_by("class")? || to.1 != from.1 && known_by("group")? {
        found.insert(Loosening::PolicyChanged);
    }
    Ok(found)
}

/// How a new or another pack loosens: who reads a key can hand its value to anybody, so that an action comes to read one, and
/// that one which does executes something else, is not for one person; nor that nobody countersigns an action or a rule any
/// more. An action of another name is another action.
#[must_use]
pub fn of_pack(before: Option<&PackDoc>, after: &PackDoc) -> BTreeSet<Loosening> {
    let mut found = BTreeSet::new();
    for action in &after.actions {
        let old = before.and_then(|before| before.action(&action.name));
        let had = old.map_or(&[][..], |old| &old.keys);
        if adds(had, &action.keys) {
            found.insert(Loosening::KeyAdded);
        }
        let executes_the_same = |old: &PackAction| {
            (&old.command, &old.script, &old.environment)
                == (&action.command, &action.script, &action.environment)
        };
        // Of one that is new, or reads its first key, it is said already.
        if old.is_some_and(|old| old.requires_approval) && !action.requires_approval {
            found.insert(Loosening::ApprovalTurnedOff);
        }
        let reads_on = action.keys.iter().any(|key| had.contains(key));
        if reads_on && !old.is_some_and(executes_the_same) {
            found.insert(Loosening::KeyReaderChanged);
        }
    }
    let old_rules = before.map_or(&[][..], |before| &before.rules);
    let turned_off = |rule: &Rule| {
        let old = old_rules.iter().find(|old| old.name == rule.name);
        old.is_some_and(|old| old.requires_approval) && !rule.requires_approval
    };
    if after.rules.iter().any(turned_off) {
        found.insert(Loosening::ApprovalTurnedOff);
    }
    found
}

/// How an edit of an identity loosens; empty for one that is not guarded before or after.
#[must_use]
pub fn of_identity(
    before: &IdentityDoc,
    after: &IdentityDoc,
    protected: &BTreeSet<EnvironmentName>,
) -> BTreeSet<Loosening> {
    // An identity that would come to reach a protected environment is guarded too: otherwise the
    // environment could be added first, and alone.
    if !is_guarded(before, protected) && !is_guarded(after, protected) {
        return BTreeSet::new();
    }
    of_guarded(before, after)
}

/// How an edit loosens an identity that is guarded, or is the company's directory.
#[must_use]
pub fn of_guarded(before: &IdentityDoc, after: &IdentityDoc) -> BTreeSet<Loosening> {
    let (rule, new_rule) = (&before.approval_rule, &after.approval_rule);
    let checks = [
        (
            Loosening::ActionAdded,
            !after.allowed_actions.is_subset(&before.allowed_actions),
        ),
        (Loosening::ApprovalRuleWeaker, is_weaker(rule, new_rule)),
        (
            Loosening::ApprovalTurnedOff,
            before.requires_approval && !after.requires_approval,
        ),
        (Loosening::ApproverAdded, admits_more(rule, new_rule)),
        (
            Loosening::ApproverRemoved,
            adds(&new_rule.approvers, &rule.approvers),
        ),
        (
            Loosening::AudienceAdded,
            adds(&before.audiences, &after.audiences),
        ),
        (
            Loosening::DenialRemoved,
            !before.denied_actions.is_subset(&after.denied_actions),
        ),
        (
            Loosening::EnvironmentAdded,
            adds(&before.environments, &after.environments),
        ),
        (
            Loosening::ImpersonatorAdded,
            after.impersonators.iter().any(|right| {
                let had = |old: &Impersonator| old.party == right.party && right.until <= old.until;
                !before.impersonators.iter().any(had)
            }),
        ),
        (
            Loosening::ResourceAdded,
            widens(&before.resources, &after.resources),
        ),
        (Loosening::RoleAdded, adds(&before.roles, &after.roles)),
        (
            Loosening::TokenLifeLonger,
            after.token_ttl_seconds > before.token_ttl_seconds,
        ),
        (Loosening::TokenScopeWidened, widens_tokens(before, after)),
        (
            Loosening::TrustModelChanged,
            before.trust_model.is_some() && before.trust_model != after.trust_model,
        ),
    ];
    checks
        .into_iter()
        .filter_map(|(loosening, found)| found.then_some(loosening))
        .collect()
}

/// Whether an identity may have long-lived tokens that it may not have had before, or those are bound to less. What is not
/// understood is not taken for the narrower.
fn widens_tokens(before: &IdentityDoc, after: &IdentityDoc) -> bool {
    let scope = scope_of(after);
    if scope.is_none() || (scope == scope_of(before) && before.metadata == after.metadata) {
        return false;
    }
    let bound = |doc: &IdentityDoc| TokenMetadata::of_identity(&doc.metadata);
    // Two parts of a scope cannot be told apart here, and none is all of it.
    let (had, has) = (defined_scope_of(before), defined_scope_of(after));
    scope != scope_of(before)
        || had.is_some() && had != has
        || !matches!((bound(before), bound(after)), (Ok(before), Ok(after)) if before.covers(&after))
}

/// Whether the rules after trust any run that the rules before did not, for a guarded identity.
#[must_use]
pub fn of_trust(
    identity: &IdentityDoc,
    before: &[TrustRule],
    after: &[TrustRule],
    protected: &BTreeSet<EnvironmentName>,
) -> BTreeSet<Loosening> {
    let yields_protected = after
        .iter()
        .flat_map(|rule| &rule.environments)
        .any(|name| protected.contains(name));
    if !is_guarded(identity, protected) && !yields_protected {
        return BTreeSet::new();
    }
    of_guarded_trust(before, after)
}

/// The same of an identity that is guarded, or is the company's directory.
#[must_use]
pub fn of_guarded_trust(before: &[TrustRule], after: &[TrustRule]) -> BTreeSet<Loosening> {
    let wider = after
        .iter()
        .any(|rule| !before.iter().any(|old| covers(old, rule)));
    wider
        .then_some(Loosening::TrustWidened)
        .into_iter()
        .collect()
}

/// Whether another ceiling of its project lets an identity do what it lists and could not do until now.
#[must_use]
pub fn lets_through(
    before: Option<&ActionSet>,
    after: Option<&ActionSet>,
    identity: &IdentityDoc,
) -> bool {
    before.is_some_and(|before| {
        let beyond = identity.allowed_actions.difference(before);
        beyond.iter().any(|action| {
            !identity.denied_actions.contains(action)
                && after.is_none_or(|after| after.contains(action))
        })
    })
}

/// Whether every run that the narrow rule matches is matched by the wide one, for no more
/// environments.
fn covers(wide: &TrustRule, narrow: &TrustRule) -> bool {
    wide.issuer_id == narrow.issuer_id
        && !adds(&wide.environments, &narrow.environments)
        && wide.matches.iter().all(|(claim, accepted)| {
            narrow
                .matches
                .get(claim)
                .is_some_and(|fewer| accepts_no_more(accepted, fewer))
        })
}

fn accepts_no_more(accepted: &Accepted, fewer: &Accepted) -> bool {
    !adds(accepted.values(), fewer.values())
}

fn is_weaker(before: &ApprovalRule, after: &ApprovalRule) -> bool {
    after.required < before.required || (before.second_if_unproven && !after.second_if_unproven)
}

/// Naming nobody means the owners of project and tenant: other people than those who were named.
fn admits_more(before: &ApprovalRule, after: &ApprovalRule) -> bool {
    before.approvers.is_empty() != after.approvers.is_empty()
        || adds(&before.approvers, &after.approvers)
}

/// Naming no resource leaves it to the resource server: more than any list.
fn widens(before: &[String], after: &[String]) -> bool {
    !before.is_empty() && (after.is_empty() || adds(before, after))
}

fn adds<T: PartialEq>(before: &[T], after: &[T]) -> bool {
    after.iter().any(|one| !before.contains(one))
}

#[cfg(test)]
mod tests;
