//! Credentials: several for each identity, each with a public id, rotated and revoked one by one.
//!
//! A secret is made outside the transaction and only its keyed hash gets in here. On a guarded
//! identity a new credential is switched off until a second person has countersigned it; the first
//! one of an identity, by whoever made the identity, is part of making it.

use countersign_crypto::{
    Secret,
    jose::{KeyPurpose, KeySet},
    opaque::{self, OpaqueSecret, Pepper, SecretKind},
    random,
};
use countersign_model::{
    Id, Timestamp,
    action::ActionClass,
    certificate::CertificateSubject,
    id,
    identity::Kind,
    permission::Person,
    reason::Reason,
    registry::{CredentialDoc, CredentialSecret, CredentialType, Noun, Record, Status},
    trust::TrustRule,
};
use serde_json::{Map, Value, json};

use super::{
    guarding::{ChangeOutcome, Retire},
    identities::base32,
    rights,
};
use crate::{
    approvals,
    command::{Change, WriteTx},
    federation,
    rejection::{Rejection, refuse},
};

mod certificates;
mod create;
mod read;
mod revoke;
mod rotate;

pub use create::{CreateCredential, TrustInput};
pub use read::{list, show};
pub use revoke::RevokeCredential;
pub use rotate::{NOT_ROTATED, RotateCredential};

pub(crate) use create::{Adding, put_new};

/// How many credentials of an identity can be used at the same time.
pub const MOST_LIVE: usize = 10;

/// How many are kept in sight, those that ended by themselves included.
const MOST_KEPT: usize = 50;

/// How RFC 8705 §3.4 calls it.
const BOUND: &str = "tls_client_certificate_bound_access_tokens";

const LABEL_BYTES: usize = 128;

/// What proves the identity, before it is stored.
#[derive(Debug, Clone)]
pub enum NewSecret {
    /// An opaque key for reading: its public id and keyed hash.
    ApiKey {
        /// The public half.
        public_id: String,
        /// HMAC-SHA-256 under the pepper, in hexadecimal.
        hash: String,
    },
    /// A client secret: its public id and keyed hash.
    ClientSecret {
        /// The public half.
        public_id: String,
        /// HMAC-SHA-256 under the pepper, in hexadecimal.
        hash: String,
    },
    /// A public key as a JWK (RFC 7517).
    PublicKey(Value),
    /// One certificate (RFC 8705 §2.2).
    SelfSignedTlsClientAuth {
        /// The certificate, PEM.
        certificate: String,
        /// Whether tokens are bound to it.
        bound_access_tokens: bool,
    },
    /// Certificates of an authority for a subject (RFC 8705 §2.1).
    TlsClientAuth {
        /// The authority's own certificate, PEM.
        ca: String,
        /// Whom they must be for.
        subject: CertificateSubject,
        /// Whether tokens are bound to the one that is shown.
        bound_access_tokens: bool,
    },
    /// A trust rule.
    TrustRule(TrustInput),
}

impl NewSecret {
    /// A fresh client secret, and its text, to be shown once.
    #[must_use]
    pub fn client_secret(pepper: &Pepper) -> (Self, Secret<String>) {
        let (public_id, text) = OpaqueSecret::generate(SecretKind::ClientSecret);
        let hash = hex::encode(opaque::hash(pepper, text.expose()));
        (Self::ClientSecret { public_id, hash }, text)
    }

    /// A fresh API key, and its text, to be shown once.
    #[must_use]
    pub fn api_key(pepper: &Pepper) -> (Self, Secret<String>) {
        let (public_id, text) = OpaqueSecret::generate(SecretKind::ApiKey);
        let hash = hex::encode(opaque::hash(pepper, text.expose()));
        (Self::ApiKey { public_id, hash }, text)
    }

    /// The record's name and what is stored.
    fn resolve(&self, tx: &mut WriteTx<'_, '_>) -> Result<(String, CredentialSecret), Rejection> {
        Ok(match self {
            Self::ApiKey { public_id, hash } => (
                public_id.clone(),
                CredentialSecret::ApiKey { hash: hash.clone() },
            ),
            Self::ClientSecret { public_id, hash } => (
                public_id.clone(),
                CredentialSecret::ClientSecret { hash: hash.clone() },
            ),
            Self::PublicKey(jwk) => (
                public_id("key"),
                CredentialSecret::PublicKey { jwk: jwk.clone() },
            ),
            Self::SelfSignedTlsClientAuth {
                certificate,
                bound_access_tokens,
            } => (
                public_id("certificate"),
                CredentialSecret::SelfSignedTlsClientAuth {
                    certificate: certificate.clone(),
                    thumbprint: certificates::read(certificate)?.thumbprint,
                    bound_access_tokens: *bound_access_tokens,
                },
            ),
            Self::TlsClientAuth {
                ca,
                subject,
                bound_access_tokens,
            } => (
                public_id("ca"),
                CredentialSecret::TlsClientAuth {
                    ca: ca.clone(),
                    subject: subject.clone(),
                    bound_access_tokens: *bound_access_tokens,
                },
            ),
            Self::TrustRule(input) => {
                let issuer = tx.locate(Noun::Issuer, &input.issuer)?;
                let rule = TrustRule {
                    issuer_id: issuer.id.cast(),
                    environments: input.environments.clone(),
                    matches: input.matches.clone(),
                };
                (public_id("trust"), CredentialSecret::TrustRule(rule))
            }
        })
    }
}

/// What was made, or waits.
#[derive(Debug, Clone)]
pub struct CreatedCredential {
    /// The identity that it proves.
    pub identity: Record,
    /// The credential, and the approval that it waits for, if any.
    pub outcome: ChangeOutcome,
    /// What is allowed but should be known.
    pub warnings: Vec<String>,
}

/// The public id of a credential whose secret half is not ours.
pub(crate) fn public_id(prefix: &str) -> String {
    format!("{prefix}-{}", base32(&random::bytes::<10>()))
}

/// The credentials of an identity that are not revoked.
pub(crate) fn undeleted(
    tx: &mut WriteTx<'_, '_>,
    identity: Id<id::Identity>,
) -> Result<Vec<Record>, Rejection> {
    let mut found = tx.children(Noun::Credential, identity)?;
    found.retain(|record| record.status != Status::Deleted);
    Ok(found)
}

/// The credentials of an identity that can be used, or could once somebody countersigns.
pub(crate) fn live(
    tx: &mut WriteTx<'_, '_>,
    identity: Id<id::Identity>,
) -> Result<Vec<Record>, Rejection> {
    let now = tx.now();
    let mut found = undeleted(tx, identity)?;
    found.retain(|record| {
        record
            .credential()
            .is_some_and(|doc| doc.expires_at.is_none_or(|at| now < at))
    });
    Ok(found)
}

/// The living credential of this id or public id, with its identity, when the person manages it.
fn managed(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    text: &str,
) -> Result<(Record, Record), Rejection> {
    let record = tx.locate(Noun::Credential, text)?;
    let identity = tx.get(rights::doc(record.credential())?.identity_id)?;
    match rights::manages(tx, person, &identity) {
        Ok(_) => Ok((record, identity)),
        Err(Rejection::Refused(refusal)) if refusal.reason == Reason::NotFound => {
            Err(rights::not_found(Noun::Credential, text))
        }
        Err(other) => Err(other),
    }
}

/// Whether the credential may prove the identity: its kind, its trust model, and the rule itself.
pub(crate) fn fits(
    tx: &mut WriteTx<'_, '_>,
    identity: &Record,
    doc: &CredentialDoc,
) -> Result<(), Rejection> {
    let own = rights::doc(identity.identity())?;
    let wanted = doc.credential_type();
    rights::check_line("label", &doc.label, LABEL_BYTES)?;
    if (own.kind == Kind::ApiKey) != (wanted == CredentialType::ApiKey) {
        let detail = format!(
            "an identity of kind `{}` takes no credential of type `{}`",
            own.kind.as_str(),
            wanted.as_str()
        );
        return refuse(Reason::Unprocessable, detail);
    }
    if let Some(model) = own.trust_model.filter(|model| !model.admits(wanted)) {
        let detail = format!(
            "the trust model of `{}` is `{}`, which excludes `{}`",
            own.name,
            model.as_str(),
            wanted.as_str()
        );
        return refuse(Reason::TrustModelExcludes, detail);
    }
    if doc.expires_at.is_some_and(|at| at <= tx.now()) {
        return refuse(Reason::Unprocessable, "`expires_at` is in the past");
    }
    match &doc.secret {
        CredentialSecret::ClientSecret { .. } => Ok(()),
        CredentialSecret::ApiKey { .. } => {
            let catalogue = rights::catalogue(tx)?;
            match own
                .allowed_actions
                .iter()
                .find(|action| catalogue.class(action) != ActionClass::Read)
            {
                Some(action) => refuse(
                    Reason::Unprocessable,
                    format!("an API key only reads, and `{action}` is not of class `read`"),
                ),
                None => Ok(()),
            }
        }
        CredentialSecret::PublicKey { jwk } => {
            match KeySet::parse_key(jwk.to_string().as_bytes(), KeyPurpose::Foreign) {
                Ok(_) => Ok(()),
                Err(error) => refuse(Reason::Unprocessable, format!("`jwk`: {error}")),
            }
        }
        CredentialSecret::SelfSignedTlsClientAuth { .. }
        | CredentialSecret::TlsClientAuth { .. } => certificates::fits(&doc.secret, tx.now()),
        CredentialSecret::TrustRule(rule) => trust_rule(tx, identity, rule),
    }
}

fn trust_rule(
    tx: &mut WriteTx<'_, '_>,
    identity: &Record,
    rule: &TrustRule,
) -> Result<(), Rejection> {
    let own = rights::doc(identity.identity())?;
    if let Some(name) = rule
        .environments
        .iter()
        .find(|name| !own.environments.contains(name))
    {
        return refuse(
            Reason::EnvironmentNotAllowed,
            format!("`{name}` is none of the environments of `{}`", own.name),
        );
    }
    let issuer = tx.get(rule.issuer_id)?;
    if issuer.noun != Noun::Issuer || issuer.status != Status::Active {
        return refuse(
            Reason::IssuerUnknown,
            format!("issuer `{}` is not in use", issuer.name),
        );
    }
    let protected: Vec<_> = rights::protected(tx)?.into_iter().collect();
    let errors = federation::lint(rule, rights::doc(issuer.issuer())?, &protected);
    if errors.is_empty() {
        return Ok(());
    }
    let sentences = errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ");
    refuse(Reason::TrustRuleTooWide, sentences)
}

/// What is allowed but should be known about a credential.
fn warnings(tx: &mut WriteTx<'_, '_>, doc: &CredentialDoc) -> Result<Vec<String>, Rejection> {
    let CredentialSecret::TrustRule(rule) = &doc.secret else {
        return Ok(Vec::new());
    };
    let issuer = tx.get(rule.issuer_id)?;
    let protected: Vec<_> = rights::protected(tx)?.into_iter().collect();
    let warnings = federation::warnings(rule, rights::doc(issuer.issuer())?, &protected);
    Ok(warnings.iter().map(ToString::to_string).collect())
}

/// Deletes a credential: tokens that it gave die. Its public id stays taken.
pub(crate) fn bury(
    tx: &mut WriteTx<'_, '_>,
    before: &Record,
    reason: Option<&str>,
) -> Result<Record, Rejection> {
    let mut doc = rights::doc(before.credential())?.clone();
    doc.revoked_because = reason.map(str::to_owned);
    let after = Record {
        status: Status::Deleted,
        epoch: before.epoch + 1,
        doc: doc.into(),
        ..before.clone()
    };
    tx.replace(
        before,
        after,
        &Change::verb("revoked").because(reason.map(str::to_owned)),
    )
}

/// Ends a credential that another one replaces: at once, or after the overlap.
pub(crate) fn retire(
    tx: &mut WriteTx<'_, '_>,
    retire: Retire,
    reason: Option<String>,
) -> Result<(), Rejection> {
    let before = tx.get(retire.credential_id)?;
    if before.status == Status::Deleted {
        return Ok(());
    }
    if retire.overlap.0 <= 0 {
        return bury(
            tx,
            &before,
            Some(reason.as_deref().unwrap_or("it was rotated")),
        )
        .map(drop);
    }
    let mut doc = rights::doc(before.credential())?.clone();
    let end: Timestamp = tx.now() + retire.overlap;
    doc.expires_at = Some(doc.expires_at.map_or(end, |at| at.min(end)));
    tx.update(
        &before,
        doc.into(),
        &Change::verb("rotated").because(reason),
    )
    .map(drop)
}

/// Voids what waits about an identity whose credentials changed.
fn void(tx: &mut WriteTx<'_, '_>, identity: &Record) -> Result<(), Rejection> {
    approvals::void_for_identity(
        tx,
        identity.id.cast(),
        "a credential of the identity was added",
    )
    .map(drop)
}

/// What a credential lets in, for people to read before they agree to it: never what it keeps of a secret.
pub(super) fn told(tx: &mut WriteTx<'_, '_>, doc: &CredentialDoc) -> Result<Value, Rejection> {
    let mut told = Map::new();
    let mut say = |name: &str, value: Value| told.insert(name.to_owned(), value);
    say("type", doc.credential_type().as_str().into());
    say("label", doc.label.clone().into());
    if let Some(until) = doc.expires_at {
        say("expires_at", until.to_string().into());
    }
    match &doc.secret {
        CredentialSecret::ApiKey { .. } | CredentialSecret::ClientSecret { .. } => {}
        CredentialSecret::PublicKey { jwk } => drop(say("jwk", jwk.clone())),
        CredentialSecret::SelfSignedTlsClientAuth {
            thumbprint,
            bound_access_tokens,
            ..
        } => {
            say("x5t#S256", json!(thumbprint));
            say(BOUND, json!(bound_access_tokens));
        }
        CredentialSecret::TlsClientAuth {
            ca,
            subject,
            bound_access_tokens,
        } => {
            say("ca", ca.clone().into());
            say("subject", json!(subject));
            say(BOUND, json!(bound_access_tokens));
        }
        CredentialSecret::TrustRule(rule) => {
            say("issuer", tx.get(rule.issuer_id)?.name.into());
            say("environments", json!(rule.environments));
            say("match", json!(rule.matches));
        }
    }
    Ok(told.into())
}
