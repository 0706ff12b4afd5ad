//! The first thing to do about a weakness, as a command that can be typed. Words in capitals stand for what only a person
//! can choose.

use super::{Looked, Weakness, privileges};
use crate::{action::ActionSet, identity::Kind};

impl Weakness {
    /// The command. The order is that of S1.10: a secret that is old, shared or about to end is not rotated while a step of
    /// the redesign is still to do.
    #[must_use]
    pub fn fix(self, looked: &Looked<'_>, credential: Option<&str>) -> String {
        let identity = looked.identity;
        let name = &identity.name;
        let update = |what: &str| format!("countersign identity update {name} {what}");
        let credential = credential.unwrap_or("CREDENTIAL");
        match self {
            Weakness::BroadRoles => update("--role ROLE,ROLE --replace"),
            Weakness::ChainEndsSoon | Weakness::RotationDue => {
                format!("countersign service-account token {name}")
            }
            Weakness::ChangedAlone => update("--approver USER"),
            Weakness::CredentialEndsSoon | Weakness::OldSecret | Weakness::UnguardedSecret => {
                redesign(looked, credential)
            }
            Weakness::DeploysAndAdministers => {
                update(&format!("--deny {}", list(&administration(looked))))
            }
            Weakness::Dormant => format!("countersign identity disable {name} --reason unused"),
            Weakness::EndsSoon => update("--expires-at 365d"),
            Weakness::LeftOut => match identity.defaulted.iter().next().map(String::as_str) {
                Some("environments") => update("--env ENVIRONMENT"),
                Some("expires") => update("--expires-at 365d"),
                Some("managers") => update("--manager USER --manager USER"),
                Some("owner") => update("--owner TEAM"),
                Some("resources") => update("--resource RESOURCE"),
                Some("sponsor") => update("--sponsor USER"),
                Some("trust_model") => update("--trust-model TRUST_MODEL"),
                Some(_) | None => update("--purpose PURPOSE"),
            },
            Weakness::ManySources => {
                format!("countersign audit search --credential {credential}")
            }
            Weakness::NotReviewed | Weakness::ReviewOverdue => {
                format!("countersign identity review {name}")
            }
            Weakness::Orphaned => update("--sponsor USER"),
            Weakness::RenewalOverdue => format!("countersign lineage identity:{name}"),
            Weakness::RenewedTwice => "countersign revoke chain CHAIN".to_owned(),
            Weakness::RuleTooWide | Weakness::SecretInsteadOfRun => trust(looked),
            Weakness::SensitivePowers => update("--requires-approval"),
            Weakness::SharedEnvironments => split(looked),
            // Of accounts of other systems alone, which say their own.
            Weakness::SharedByPeople | Weakness::Unanswered | Weakness::UsedByProgram => {
                "countersign observed list".to_owned()
            }
            Weakness::SingleManager => update("--manager USER --manager USER"),
            Weakness::UnusedPrivileges => {
                let unused = privileges::unused(looked).unwrap_or_default();
                update(&format!(
                    "--allow {} --replace",
                    list(&identity.allowed_actions.difference(&unused))
                ))
            }
        }
    }
}

/// The first step of the redesign that is still to do; rotation where none is.
fn redesign(looked: &Looked<'_>, credential: &str) -> String {
    let identity = looked.identity;
    if identity.environments.len() > 1 {
        split(looked)
    } else if identity.kind == Kind::Pipeline {
        trust(looked)
    } else if !looked.irreversible.is_empty() && !identity.requires_approval {
        format!(
            "countersign identity update {} --requires-approval",
            identity.name
        )
    } else {
        format!("countersign credential rotate {credential} --overlap 3600")
    }
}

/// Another identity for the last environment: the one that exists then keeps the others.
fn split(looked: &Looked<'_>) -> String {
    let identity = looked.identity;
    let last = identity.environments.last();
    let last = last.map_or("ENVIRONMENT", |name| name.as_str());
    format!(
        "countersign identity create {}-{last} --kind {} --env {last} --allow {}",
        identity.name,
        identity.kind.as_str(),
        list(&looked.possible())
    )
}

/// A rule for its runs.
fn trust(looked: &Looked<'_>) -> String {
    let environment = looked.identity.environments.first();
    format!(
        "countersign credential create {} --type trust-rule --issuer URL --env {} --match CLAIM=VALUE",
        looked.identity.name,
        environment.map_or("ENVIRONMENT", |name| name.as_str())
    )
}

fn administration(looked: &Looked<'_>) -> ActionSet {
    let possible = looked.possible();
    let administers = possible.iter().filter(|action| {
        super::ADMINISTERS
            .iter()
            .any(|area| action.as_str().starts_with(area))
    });
    let denied = looked.identity.denied_actions.iter();
    administers.chain(denied).cloned().collect()
}

fn list(actions: &ActionSet) -> String {
    if actions.is_empty() {
        return "ACTION".to_owned();
    }
    let names: Vec<&str> = actions.iter().map(|action| action.as_str()).collect();
    names.join(",")
}
