//! What a provider says of a person: its ID token, checked (OIDC Core §3.1.3.7).

use std::collections::BTreeSet;

use countersign_crypto::{
    assertion::{self, AssertionRules},
    digest::equal,
    jose::{self, Alg, KeySet, Unverified, numeric_date, typ},
    random,
};
use countersign_model::{
    LEEWAY_SECONDS, Timestamp,
    evidence::{SaidByProvider, Text},
    name::Email,
    reason::{Reason, Refusal},
    registry::{IssuerDoc, IssuerProfile, KeySource, ProviderDoc, SigningAlg},
    session::AtProvider,
};
use serde_json::{Map, Value, json};

use super::CameBack;
use crate::{
    ctx::Ctx,
    rejection::Fault,
    signing_keys::{Tenant, Use},
};

/// What the provider vouched for: made of a good ID token alone.
#[derive(Debug, Clone)]
pub struct Vouched {
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) subject: String,
    pub(super) sid: Option<String>,
    pub(super) acr: Option<String>,
    pub(super) auth_time: Timestamp,
    /// The address, if the provider verified it.
    pub(super) email: Option<Email>,
    pub(super) groups: Groups,
}

/// A person's groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Groups {
    /// The claim lists them.
    Listed(BTreeSet<String>),
    /// It says nothing of them: which is not that there are none.
    Unsaid,
}

impl Vouched {
    /// Checks the ID token that a code was redeemed for.
    ///
    /// # Errors
    /// `credential_invalid`, with the claim that is wrong.
    pub fn check(
        ctx: &Ctx,
        back: &CameBack,
        id_token: &str,
        keys: &KeySet,
    ) -> Result<Self, Refusal> {
        let provider = &back.provider;
        let token = Unverified::parse(id_token)
            .map_err(|error| wrong(&format!("the ID token cannot be read: {error}")))?;
        let audiences = [provider.client_id.as_str()];
        let rules = rules(provider, &audiences, ctx.now, &[], true);
        let verified = assertion::verify(token, keys, &rules)
            .map_err(|error| wrong(&format!("the ID token is not acceptable: {error}")))?;
        let claims = verified.claims();
        let nonce = text(claims, "nonce").unwrap_or_default();
        if !equal(nonce.as_bytes(), back.nonce.as_bytes()) {
            return Err(wrong(
                "the ID token's `nonce` is not the one of this sign-in",
            ));
        }
        if claims.contains_key("azp") && text(claims, "azp") != Some(&provider.client_id) {
            return Err(wrong("the ID token's `azp` is another client"));
        }
        let acr = text(claims, "acr").filter(|acr| acr.len() <= CLAIM_BYTES);
        if !provider.acr.is_empty()
            && !acr.is_some_and(|acr| provider.acr.iter().any(|one| one == acr))
        {
            let wanted = provider.acr.join("` or `");
            return Err(wrong(&format!(
                "the ID token's `acr` must be `{wanted}`: sign in there more strongly"
            )));
        }
        Ok(Self {
            issuer: provider.issuer.clone(),
            client_id: provider.client_id.clone(),
            subject: plain(claims, "sub")?.ok_or_else(|| wrong("the ID token has no `sub`"))?,
            sid: plain(claims, "sid")?,
            acr: acr.map(str::to_owned),
            auth_time: auth_time(provider, claims, ctx.now)?,
            email: verified_email(claims),
            groups: groups(provider, claims)?,
        })
    }

    /// The account, as a session names it.
    pub(super) fn at(&self) -> AtProvider {
        AtProvider {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            sid: self.sid.clone(),
        }
    }

    /// What was said, for the record.
    pub(super) fn said(&self) -> SaidByProvider {
        SaidByProvider {
            issuer: self.issuer.clone(),
            subject: Text::personal(&self.subject),
            acr: self.acr.clone(),
            auth_time: self.auth_time,
        }
    }
}

/// The provider as the fetcher of keys knows issuers.
#[must_use]
pub fn key_source(provider: &ProviderDoc) -> IssuerDoc {
    IssuerDoc {
        url: provider.issuer.clone(),
        profile: IssuerProfile::Oidc,
        keys: KeySource::Discovery,
        audience: Some(provider.client_id.clone()),
        ca_bundle: None,
        trust_domain: None,
    }
}

/// Proves to the provider which client this is, by the tenant's own key, which its key set publishes (RFC 7523 §2.2).
///
/// # Errors
/// A fault: no key signs now.
pub fn client_assertion(
    ctx: &Ctx,
    tenant: &Tenant,
    provider: &ProviderDoc,
) -> Result<String, Fault> {
    let key = tenant
        .signing_key(Use::Access(SigningAlg::Es256), ctx.now)
        .ok_or_else(|| Fault::Keys("no key signs now".to_owned()))?;
    let now = ctx.now.seconds();
    // The audience is the provider alone: one that names a token endpoint could be used at another's (CVE-2025-27370).
    let claims = json!({
        "iss": provider.client_id, "sub": provider.client_id, "aud": provider.issuer,
        "jti": hex::encode(random::bytes::<16>()), "iat": now, "exp": now + ASSERTION_SECONDS,
    });
    jose::sign(key, typ::CLIENT_AUTHENTICATION, &claims)
        .map_err(|error| Fault::Keys(error.to_string()))
}

/// What is asked of anything that the provider signs for this client.
pub(super) fn rules<'a>(
    provider: &'a ProviderDoc,
    audiences: &'a [&'a str],
    now: Timestamp,
    types: &'a [&'a str],
    subject_needed: bool,
) -> AssertionRules<'a> {
    AssertionRules {
        algorithms: &[Alg::Ed25519, Alg::Es256, Alg::Es384, Alg::Ps256, Alg::Rs256],
        audiences,
        issuer: &provider.issuer,
        issuer_optional: false,
        leeway_seconds: LEEWAY_SECONDS,
        max_age_seconds: LIFE_SECONDS,
        now,
        require_jti: !subject_needed,
        subject: None,
        subject_optional: !subject_needed,
        types,
        untyped: true,
    }
}

/// When the person proved presence there; asked for with `max_age`, so it must be said (§3.1.2.1).
fn auth_time(
    provider: &ProviderDoc,
    claims: &Map<String, Value>,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    let said = claims
        .get("auth_time")
        .and_then(numeric_date)
        .ok_or_else(|| {
            wrong(
                "the ID token has no `auth_time`: let the provider say when people proved presence",
            )
        })?;
    let (now, leeway) = (now.seconds(), LEEWAY_SECONDS);
    if said > now.saturating_add(leeway) {
        return Err(wrong("the ID token's `auth_time` is in the future"));
    }
    if now.saturating_sub(said) > provider.max_age_seconds.saturating_add(leeway) {
        return Err(wrong(
            "your sign-in at the provider is too old: sign in there again",
        ));
    }
    Ok(Timestamp::from_seconds(said.min(now)))
}

/// Only what the provider says that it verified, as `true` and in no other form (§5.1).
fn verified_email(claims: &Map<String, Value>) -> Option<Email> {
    if claims.get("email_verified") != Some(&Value::Bool(true)) {
        return None;
    }
    text(claims, "email")?.to_ascii_lowercase().parse().ok()
}

fn groups(provider: &ProviderDoc, claims: &Map<String, Value>) -> Result<Groups, Refusal> {
    let Some(claim) = &provider.groups_claim else {
        return Ok(Groups::Unsaid);
    };
    match claims.get(claim) {
        Some(Value::Array(listed)) if listed.len() <= MOST_GROUPS => {
            let names = listed.iter().map(|name| name.as_str().map(str::to_owned));
            let names: Option<BTreeSet<String>> = names.collect();
            names
                .map(Groups::Listed)
                .ok_or_else(|| wrong(&format!("the ID token's `{claim}` is no list of names")))
        }
        Some(Value::String(one)) => Ok(Groups::Listed([one.clone()].into())),
        Some(_) => Err(wrong(&format!(
            "the ID token's `{claim}` is no list of at most {MOST_GROUPS} names"
        ))),
        None => Ok(Groups::Unsaid),
    }
}

/// A claim that names somebody or something there: letters that a line can show, and not too many (OIDC Core §2).
pub(super) fn plain(
    claims: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<String>, Refusal> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(value))
            if (1..=CLAIM_BYTES).contains(&value.len())
                && value.bytes().all(|b| b.is_ascii_graphic()) =>
        {
            Ok(Some(value.clone()))
        }
        Some(_) => Err(wrong(&format!(
            "`{name}` is not 1 to {CLAIM_BYTES} visible ASCII characters"
        ))),
    }
}

pub(super) fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

pub(super) fn wrong(detail: &str) -> Refusal {
    Refusal::new(Reason::CredentialInvalid, detail.to_owned())
}

/// As long as a subject may be (OIDC Core §2).
const CLAIM_BYTES: usize = 255;
/// Entra lists at most 200 in a token.
const MOST_GROUPS: usize = 500;
/// Nobody's ID token lives longer than a day.
pub(super) const LIFE_SECONDS: i64 = 86_400;
/// Used within a moment.
const ASSERTION_SECONDS: i64 = 60;
