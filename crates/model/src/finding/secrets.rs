//! What is weak about credentials that somebody must keep secret. The first thing to do is the first step of the redesign
//! that is still to do: split by environment, let each run prove itself, take away what is not needed, and rotate last.

use super::{
    ENDS_SOON, Finding, FindingSeverity, LiveCredential, Looked, MANY_NETWORKS, OLD_SECRET,
    Weakness, finding,
};
use crate::{identity::Kind, registry::CredentialType};

/// The findings about the credentials of an identity.
pub(super) fn of_credentials(looked: &Looked<'_>) -> Vec<Finding> {
    let each = looked.credentials.iter().flat_map(|credential| {
        [
            unguarded_secret(looked, credential),
            secret_instead_of_run(looked, credential),
            many_sources(looked, credential),
            old_secret(looked, credential),
            ends_soon(looked, credential),
        ]
    });
    each.flatten().collect()
}

/// A finding about one credential.
fn about(credential: &LiveCredential, finding: Finding) -> Finding {
    Finding {
        credential: Some(credential.id.clone()),
        ..finding
    }
}

/// Who copied the secret does alone what nobody takes back. A key for reading does nothing of the kind.
fn unguarded_secret(looked: &Looked<'_>, credential: &LiveCredential) -> Option<Finding> {
    let identity = looked.identity;
    let unguarded = credential.credential_type.is_static()
        && identity.kind != Kind::ApiKey
        && !identity.requires_approval
        && !looked.irreversible.is_empty()
        && looked.reaches_protected();
    unguarded.then(|| {
        let names: Vec<&str> = looked
            .irreversible
            .iter()
            .map(|action| action.as_str())
            .collect();
        let says = format!(
            "with a static secret alone it may {} where it is protected, and nobody countersigns",
            names.join(", ")
        );
        let severity = FindingSeverity::High;
        let found = finding(
            Weakness::UnguardedSecret,
            severity,
            says,
            first_step(looked),
        );
        about(credential, found)
    })
}

/// What to do first about a secret that reaches too far.
fn first_step(looked: &Looked<'_>) -> &'static str {
    let identity = looked.identity;
    let runs_prove_themselves = looked
        .credentials
        .iter()
        .any(|one| one.credential_type == CredentialType::TrustRule);
    let could = identity
        .trust_model
        .is_none_or(|model| model.admits(CredentialType::TrustRule));
    if identity.environments.len() > 1 {
        "split it: one identity for each environment, so that one secret does not open them all"
    } else if runs_prove_themselves {
        "revoke the secret: its runs prove themselves already"
    } else if could {
        "let what runs it prove itself (a trust rule), then revoke the secret"
    } else {
        "take away what it does not need, and let a person countersign the rest; rotate last"
    }
}

fn secret_instead_of_run(looked: &Looked<'_>, credential: &LiveCredential) -> Option<Finding> {
    let wanted = looked.identity.kind == Kind::Pipeline && credential.credential_type.is_static();
    wanted.then(|| {
        about(
            credential,
            finding(
                Weakness::SecretInsteadOfRun,
                looked.by_reach(),
                "a static credential stands where each run could prove itself",
                "add a trust rule for its runs, then revoke the credential",
            ),
        )
    })
}

fn many_sources(looked: &Looked<'_>, credential: &LiveCredential) -> Option<Finding> {
    let wanted = credential.credential_type.is_static() && credential.networks >= MANY_NETWORKS;
    wanted.then(|| {
        let says = format!(
            "one credential, {} days old, was used from {} networks: it is likely shared",
            looked.days_since(credential.made_at),
            credential.networks
        );
        about(
            credential,
            finding(
                Weakness::ManySources,
                FindingSeverity::High,
                says,
                "find who uses it (`countersign audit search --credential`) and give each their own",
            ),
        )
    })
}

fn old_secret(looked: &Looked<'_>, credential: &LiveCredential) -> Option<Finding> {
    let secret = matches!(
        credential.credential_type,
        CredentialType::ApiKey | CredentialType::ClientSecret
    );
    let old = looked.now - OLD_SECRET >= credential.made_at;
    (secret && old).then(|| {
        let says = format!(
            "a secret is {} days old",
            looked.days_since(credential.made_at)
        );
        about(
            credential,
            finding(
                Weakness::OldSecret,
                looked.by_reach(),
                says,
                redesign(looked),
            ),
        )
    })
}

/// What is in use ends soon: what runs on it stops then.
fn ends_soon(looked: &Looked<'_>, credential: &LiveCredential) -> Option<Finding> {
    let ends = credential
        .ends_at
        .filter(|ends| looked.now + ENDS_SOON >= *ends)?;
    let remedy = if credential.credential_type.is_static() {
        redesign(looked)
    } else {
        "make its successor before it ends"
    };
    let says = format!("a credential ends on {ends}: what runs on it stops then");
    let found = finding(
        Weakness::CredentialEndsSoon,
        looked.by_reach(),
        says,
        remedy,
    );
    Some(about(credential, found))
}

/// Rotation follows the redesign and does not substitute for it: the first step that is still to do.
fn redesign(looked: &Looked<'_>) -> &'static str {
    if looked.identity.environments.len() > 1 {
        "split it by environment first: rotation does not change what a copy can do"
    } else if looked.identity.kind == Kind::Pipeline {
        "let each run prove itself instead: rotation does not change what a copy can do"
    } else {
        "take away what it does not need, then rotate it"
    }
}
