//! Which trust rules and issuers may be saved: a rule that trusts too much never gets in.

use std::{collections::BTreeSet, net::IpAddr};

use countersign_model::{
    name::EnvironmentName,
    registry::IssuerDoc,
    trust::{Accepted, TrustRule},
};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::{Profile, inline_keys, profile};

/// What is wrong with one claim of a rule, or with one field of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LintError {
    /// The claim or field.
    pub claim: String,
    /// What is wrong and what to do, in words that follow the claim's name.
    pub message: String,
}

impl LintError {
    pub(super) fn new(claim: &str, message: impl Into<String>) -> Self {
        Self {
            claim: claim.to_owned(),
            message: message.into(),
        }
    }
}

impl std::fmt::Display for LintError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` {}", self.claim, self.message)
    }
}

/// Everything for which a rule must not be saved; empty for a good one.
#[must_use]
pub fn lint(rule: &TrustRule, issuer: &IssuerDoc, protected: &[EnvironmentName]) -> Vec<LintError> {
    let profile = profile(issuer.profile);
    let mut errors = BTreeSet::new();
    if rule.environments.is_empty() {
        errors.insert(LintError::new(
            "environments",
            "must name what a match may yield",
        ));
    }
    if rule.matches.is_empty() {
        let pins = sentence(profile.pins(issuer));
        errors.insert(LintError::new(
            "match",
            format!("is empty: every run of the issuer would match; pin {pins}"),
        ));
        return errors.into_iter().collect();
    }
    if rule.matches.len() > MAX_CLAIMS {
        errors.insert(LintError::new(
            "match",
            format!("has more than {MAX_CLAIMS} claims"),
        ));
    }
    for (claim, accepted) in &rule.matches {
        errors.extend(lint_name(claim));
        errors.extend(lint_values(claim, accepted));
    }
    errors.extend(lint_pins(rule, issuer, profile));
    if protects(rule, protected)
        && !profile.binders(issuer).is_empty()
        && !profile.bound(issuer, rule)
    {
        let binders = profile.binders(issuer);
        let names: Vec<_> = rule
            .environments
            .iter()
            .filter(|name| protected.contains(name))
            .collect();
        let names = names
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ");
        for claim in binders.iter().take(1) {
            let or = binders
                .iter()
                .map(|one| format!("`{one}`"))
                .collect::<Vec<_>>()
                .join(" or ");
            let message = format!(
                "must be pinned, or another of {or}: the rule yields {names}, which is protected, and without it any branch would do"
            );
            errors.insert(LintError::new(claim, message));
        }
    }
    errors.extend(profile.lint(issuer, rule));
    errors.into_iter().collect()
}

/// What may be saved but should be known.
#[must_use]
pub fn warnings(
    rule: &TrustRule,
    issuer: &IssuerDoc,
    protected: &[EnvironmentName],
) -> Vec<LintError> {
    let profile = profile(issuer.profile);
    let mut warnings = profile.warnings(issuer, rule, protects(rule, protected));
    for claim in rule
        .matches
        .keys()
        .filter(|claim| profile.caller_chosen(issuer, claim))
    {
        warnings.push(LintError::new(
            claim,
            "is chosen by whoever writes or triggers the job: it narrows nothing for somebody who means harm",
        ));
    }
    if let Some(accepted) = rule.matches.get("environment")
        && accepted.values().len() > 1
        && rule.environments.len() > 1
        && protects(rule, protected)
    {
        warnings.push(LintError::new(
            "environment",
            "has several values and the rule yields several environments: write one rule for each",
        ));
    }
    warnings
}

/// Everything for which an issuer must not be saved; empty for a good one. `allow_loopback` is the
/// server's setting for test issuers.
#[must_use]
pub fn lint_issuer(
    issuer: &IssuerDoc,
    tenant_issuer: &str,
    allow_loopback: bool,
) -> Vec<LintError> {
    let profile = profile(issuer.profile);
    let mut errors = profile.lint_issuer(issuer);
    if !is_spiffe_without_url(issuer, profile) {
        errors.extend(lint_url("url", &issuer.url, allow_loopback));
    }
    if let countersign_model::registry::KeySource::Uri(uri) = &issuer.keys {
        errors.extend(lint_url("keys", uri, allow_loopback));
    }
    match inline_keys(issuer) {
        Ok(Some(keys)) if !keys.keys().iter().any(|key| profile.takes_key(key.jwk())) => {
            errors.push(LintError::new(
                "keys",
                "holds no key that the platform's tokens can be signed with",
            ));
        }
        Ok(_) => {}
        Err(error) => errors.push(LintError::new("keys", error.to_string())),
    }
    if issuer.url == tenant_issuer {
        errors.push(LintError::new(
            "url",
            "is this server: its own tokens are no run identities",
        ));
    }
    let audience = super::audience(issuer, tenant_issuer);
    if let Some(why) = profile.refuses_audience(issuer, audience) {
        errors.push(LintError::new(
            "audience",
            format!("must not be `{audience}`: {why}"),
        ));
    }
    if audience.is_empty() {
        errors.push(LintError::new("audience", "must not be empty"));
    }
    errors
}

/// A trust domain whose keys come from here needs no address.
fn is_spiffe_without_url(issuer: &IssuerDoc, profile: &dyn Profile) -> bool {
    !profile.names_issuer()
        && !matches!(
            issuer.keys,
            countersign_model::registry::KeySource::Discovery
        )
        && issuer.trust_domain.as_ref().is_some_and(|domain| {
            issuer.url.is_empty() || issuer.url == format!("spiffe://{domain}")
        })
}

fn lint_url(field: &str, text: &str, allow_loopback: bool) -> Option<LintError> {
    let error = |message: &str| Some(LintError::new(field, message));
    let Ok(url) = Url::parse(text) else {
        return error("is not an absolute URL");
    };
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).to_canonical().is_loopback(),
        None => return error("has no host"),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return error("must not hold a user or password");
    }
    if url.fragment().is_some() || field == "url" && url.query().is_some() {
        return error("must not have a query or fragment");
    }
    match (url.scheme(), loopback) {
        ("https" | "http", true) if !allow_loopback => {
            return error(
                "is on loopback: only `federation.allow_loopback_issuers` lets a test issuer in",
            );
        }
        ("https", _) | ("http", true) => {}
        _ => return error("must begin with `https://`"),
    }
    // `iss` is compared byte for byte: what a browser would make of another spelling is no help.
    let canonical = url.as_str();
    let same = canonical == text || canonical.strip_suffix('/') == Some(text);
    if same {
        None
    } else {
        error("is not in its plain spelling: lower case, without default port or dots in the path")
    }
}

fn lint_name(claim: &str) -> Vec<LintError> {
    let mut errors = Vec::new();
    let last = claim.rsplit('.').next().unwrap_or(claim);
    if VOLATILE.contains(&claim) {
        errors.push(LintError::new(
            claim,
            "is another one in every token: it cannot be pinned",
        ));
    }
    if EMAIL_LIKE.contains(&last) {
        errors.push(LintError::new(
            claim,
            "must not be pinned: an address can be given up and given to somebody else; pin the immutable id",
        ));
    }
    if claim.is_empty() || claim.chars().any(char::is_whitespace) || has_wildcard(claim) {
        errors.push(LintError::new(claim, "is not the name of a claim"));
    }
    errors
}

fn lint_values(claim: &str, accepted: &Accepted) -> Vec<LintError> {
    let values = accepted.values();
    let mut errors = Vec::new();
    if values.is_empty() {
        errors.push(LintError::new(claim, "has no value: nothing would match"));
    }
    if values.len() > MAX_VALUES {
        errors.push(LintError::new(
            claim,
            format!("has more than {MAX_VALUES} values"),
        ));
    }
    for value in values {
        if value.is_empty() {
            errors.push(LintError::new(
                claim,
                "has an empty value: a claim that is not there must not match",
            ));
        } else if has_wildcard(value) {
            errors.push(LintError::new(
                claim,
                "has a wildcard: values are compared whole, because a pattern also matches names that \
                 somebody else registers later; list each value",
            ));
        } else if value.trim() != value
            || value.chars().any(char::is_control)
            || value.len() > MAX_VALUE_BYTES
        {
            errors.push(LintError::new(
                claim,
                "has a value with white space around it, control characters, or too many bytes",
            ));
        }
    }
    errors
}

fn lint_pins(rule: &TrustRule, issuer: &IssuerDoc, profile: &dyn Profile) -> Option<LintError> {
    if profile.pinned(issuer, rule) {
        return None;
    }
    let pins = sentence(profile.pins(issuer));
    let claims: Vec<_> = rule.matches.keys().map(String::as_str).collect();
    let told =
        |claim: &&str| *claim == "iss" || *claim == "aud" || profile.caller_chosen(issuer, claim);
    if let (["sub"], Some(weakness)) = (claims.as_slice(), profile.subject_weakness(issuer)) {
        return Some(LintError::new(
            "sub",
            format!("alone is not enough: {weakness}; pin {pins}"),
        ));
    }
    if claims.iter().all(told) {
        let message =
            format!("trusts only what whoever writes or triggers the job can choose; pin {pins}");
        return Some(LintError::new("match", message));
    }
    let message = format!(
        "pins nothing that is unique and never given out again: names can be registered by somebody else; pin {pins}",
    );
    Some(LintError::new("match", message))
}

fn protects(rule: &TrustRule, protected: &[EnvironmentName]) -> bool {
    rule.environments
        .iter()
        .any(|name| protected.contains(name))
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// The sets as `a` and `b`, or `c`.
fn sentence(pins: &[&[&str]]) -> String {
    let sets: Vec<_> = pins
        .iter()
        .map(|set| {
            set.iter()
                .map(|claim| format!("`{claim}`"))
                .collect::<Vec<_>>()
                .join(" and ")
        })
        .collect();
    if sets.is_empty() {
        "ids, which this issuer's tokens do not have".to_owned()
    } else {
        sets.join(", or ")
    }
}

/// As many as a token could sensibly be compared on.
const MAX_CLAIMS: usize = 32;
/// As many refs or workflows as a person still reads.
const MAX_VALUES: usize = 64;
/// The longest ref or workflow that a platform sends.
const MAX_VALUE_BYTES: usize = 1024;

const VOLATILE: [&str; 5] = ["exp", "iat", "jti", "nbf", "nonce"];

/// How people are reached, which is not who they are.
const EMAIL_LIKE: [&str; 6] = [
    "email",
    "email_verified",
    "preferred_username",
    "unique_name",
    "upn",
    "user_email",
];
