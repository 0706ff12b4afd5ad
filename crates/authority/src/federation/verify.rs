//! The one verification of a run identity, for all three wire forms (RFC 7523 §2.1 and §2.2,
//! RFC 8693 §2.1).

use countersign_crypto::{
    assertion::{self, AssertionError, AssertionRules},
    digest::sha256_of,
    jose::{KeySet, SignatureError, Unverified, typ},
};
use countersign_model::{
    Id, LEEWAY_SECONDS, Timestamp, id,
    reason::{Reason, Refusal},
    registry::IssuerDoc,
    run::Run,
    time::Seconds,
};
use serde_json::{Map, Value};
use thiserror::Error;

use super::{ClaimFault, Discipline, profile};

/// What the bearer of a run identity hears of every refusal: which check failed helps nobody but
/// whoever tries. The detail is in the evidence, and `trust test` explains it to the managers.
pub const RUN_NOT_ACCEPTED: &str = "the run identity was not accepted";

/// A run that its issuer vouches for. Only [`verify_run`] makes one.
#[derive(Debug, Clone)]
pub struct VerifiedRun {
    issuer_id: Id<id::Issuer>,
    run: Run,
    claims: Map<String, Value>,
    replay: ReplayRule,
}

/// What keeps an assertion from being used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayRule {
    /// Names the assertion among all of the tenant.
    pub key: [u8; 32],
    /// Until when the use must be remembered: past that it is refused as expired.
    pub until: Timestamp,
    /// How often it counts.
    pub discipline: Discipline,
}

/// The run identity is not accepted.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("{detail}")]
pub struct RunRefusal {
    /// Which claim was wrong and how: for the evidence, never for the bearer.
    pub detail: String,
    /// Whether the key set at hand lacks the key: a newer set may have it.
    pub unknown_key: bool,
}

impl VerifiedRun {
    /// The issuer that vouches for it.
    #[must_use]
    pub const fn issuer_id(&self) -> Id<id::Issuer> {
        self.issuer_id
    }

    /// The run.
    #[must_use]
    pub const fn run(&self) -> &Run {
        &self.run
    }

    /// The claims as they came.
    #[must_use]
    pub const fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// What keeps the assertion from being used again.
    #[must_use]
    pub const fn replay(&self) -> ReplayRule {
        self.replay
    }
}

impl RunRefusal {
    /// The refusal as evidence keeps it.
    #[must_use]
    pub fn into_refusal(self) -> Refusal {
        Refusal::new(Reason::RunNotTrusted, self.detail)
    }

    fn new(detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            unknown_key: false,
        }
    }
}

impl From<AssertionError> for RunRefusal {
    fn from(error: AssertionError) -> Self {
        let unknown_key = matches!(
            error,
            AssertionError::Signature(SignatureError::UnknownKey { .. })
        );
        Self {
            detail: error.to_string(),
            unknown_key,
        }
    }
}

impl From<ClaimFault> for RunRefusal {
    fn from(fault: ClaimFault) -> Self {
        Self::new(fault.to_string())
    }
}

/// Verifies a run identity with the keys of one issuer, and says which run it is.
///
/// `tenant_issuer` is the audience unless the issuer's record states another.
///
/// # Errors
/// When it breaks a rule of its profile. The bearer hears [`RUN_NOT_ACCEPTED`] alone.
pub fn verify_run(
    assertion: Unverified,
    issuer_id: Id<id::Issuer>,
    issuer: &IssuerDoc,
    keys: &KeySet,
    tenant_issuer: &str,
    now: Timestamp,
) -> Result<VerifiedRun, RunRefusal> {
    let profile = profile(issuer.profile);
    let audience = super::audience(issuer, tenant_issuer);
    if let Some(why) = profile.refuses_audience(issuer, audience) {
        return Err(RunRefusal::new(format!(
            "the audience `{audience}` is refused: {why}"
        )));
    }
    // A key that was marked for another kind of token is not there.
    let key = keys.find(assertion.kid(), assertion.alg());
    if let Some(key) = key.filter(|key| !profile.takes_key(key.jwk())) {
        let detail = format!("the key `{}` is not for this kind of token", key.kid());
        return Err(RunRefusal::new(detail));
    }
    let hint = assertion.issuer_hint().map(str::to_owned);
    let audiences = [audience];
    let rules = assertion_rules(issuer, hint.as_deref(), &audiences, now);
    let verified = assertion::verify(assertion, keys, &rules)?;

    let claims = verified.claims();
    profile.check(issuer, claims)?;
    let run = profile.run(issuer_id, issuer, claims)?;
    let replay = ReplayRule {
        // Two issuers of a tenant may have one name, and their `jti` may meet.
        key: sha256_of(&[b"run", &issuer_id.bytes(), &verified.replay_key()]),
        until: verified.expires_at() + Seconds(LEEWAY_SECONDS),
        discipline: profile.replay(issuer),
    };
    Ok(VerifiedRun {
        issuer_id,
        run,
        claims: verified.into_claims(),
        replay,
    })
}

/// What is asked of an assertion of this issuer.
pub(super) fn assertion_rules<'a>(
    issuer: &'a IssuerDoc,
    issuer_hint: Option<&'a str>,
    audiences: &'a [&'a str],
    now: Timestamp,
) -> AssertionRules<'a> {
    let profile = profile(issuer.profile);
    let named = profile.names_issuer();
    AssertionRules {
        algorithms: profile.algorithms(),
        audiences,
        // A JWT-SVID may say anything or nothing in `iss`: keys and trust domain decide.
        issuer: if named {
            &issuer.url
        } else {
            issuer_hint.unwrap_or(&issuer.url)
        },
        issuer_optional: !named,
        leeway_seconds: LEEWAY_SECONDS,
        max_age_seconds: profile.max_life_seconds(issuer),
        now,
        require_jti: false,
        subject: None,
        subject_optional: false,
        // Platforms send `JWT` or nothing. An access token, a logout token or a security event,
        // whoever signed it, is none of these (T6).
        types: if named { RUN_TYPES } else { SVID_TYPES },
        untyped: true,
    }
}

const RUN_TYPES: &[&str] = &[typ::AUTHORIZATION_GRANT];
/// JWT-SVID §2.3: `JWT` or `JOSE`.
const SVID_TYPES: &[&str] = &["JOSE"];
