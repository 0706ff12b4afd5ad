//! `trust test`: why a run identity matches or not, check by check and claim by claim.
//!
//! It consumes nothing and decides nothing: what it says follows the same profiles as
//! [`super::verify_run`], and it never repeats the token.

mod checks;

use countersign_crypto::jose::{KeySet, Unverified};
use countersign_model::{
    Id, Timestamp, id,
    name::EnvironmentName,
    registry::IssuerDoc,
    trust::{ClaimCheck, TrustRule},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{matching, profile};
use checks::{find_issuer, issuer_check, issuer_checks};

/// What is explained.
#[derive(Debug, Clone, Copy)]
pub enum Presented<'a> {
    /// The claims of an attempt that was refused; its token is not kept.
    Claims(&'a Map<String, Value>),
    /// A token as it came.
    Token(&'a str),
}

/// An issuer that the identity's rules name.
#[derive(Debug, Clone, Copy)]
pub struct KnownIssuer<'a> {
    /// Its id.
    pub id: Id<id::Issuer>,
    /// Its record.
    pub doc: &'a IssuerDoc,
    /// Its keys, or why they cannot be had.
    pub keys: Result<&'a KeySet, &'a str>,
}

/// What it is compared with.
#[derive(Debug, Clone, Copy)]
pub struct Trusted<'a> {
    /// The identity's rules.
    pub rules: &'a [(Id<id::Credential>, TrustRule)],
    /// The issuers that they name.
    pub issuers: &'a [KnownIssuer<'a>],
    /// The audience unless an issuer's record states another.
    pub tenant_issuer: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// The whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Whether the run would be accepted now, replay aside: whether it was used before is not asked.
    pub accepted: bool,
    /// The issuer's record that was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_id: Option<Id<id::Issuer>>,
    /// The checks that need no rule.
    pub checks: Vec<Check>,
    /// Rule by rule.
    pub rules: Vec<RuleExplanation>,
    /// The rule that matched, or came closest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closest: Option<Id<id::Credential>>,
    /// Which other runs that rule matches.
    pub could_also_match: Vec<String>,
    /// What to do next, in one sentence.
    pub next_step: String,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was looked at: `form`, `alg`, `typ`, `issuer`, `signature`, `audience`, `expiry` ..
    pub name: String,
    /// How it came out.
    pub outcome: Outcome,
    /// What was asked for.
    pub expected: String,
    /// What came.
    pub got: String,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It does not hold.
    Failed,
    /// It could not be made.
    NotChecked,
    /// It holds.
    Passed,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleExplanation {
    /// The credential that it is.
    pub credential_id: Id<id::Credential>,
    /// The issuer that it is about.
    pub issuer_id: Id<id::Issuer>,
    /// Whether that is the issuer of this run.
    pub of_this_issuer: bool,
    /// What a match may yield.
    pub environments: Vec<EnvironmentName>,
    /// Claim by claim.
    pub claims: Vec<ClaimCheck>,
    /// Whether all of it matched.
    pub matched: bool,
}

/// Explains a token or the claims of a refused attempt.
#[must_use]
pub fn explain(presented: Presented<'_>, trusted: &Trusted<'_>) -> Explanation {
    let token = match presented {
        Presented::Claims(_) => None,
        Presented::Token(text) => match Unverified::parse(text.trim()) {
            Ok(token) => Some(token),
            Err(error) => return malformed(&error.to_string()),
        },
    };
    let claims = match (&token, presented) {
        (Some(token), _) => token.claims_for_explanation(),
        (None, Presented::Claims(claims)) => claims,
        // A token that does not parse was answered above.
        (None, Presented::Token(_)) => return malformed("not a token"),
    };
    let form = match token {
        Some(_) => Check::new("form", Outcome::Passed, "a compact JWS", "one"),
        None => Check::new(
            "form",
            Outcome::NotChecked,
            "a compact JWS",
            "the claims of an attempt; its token is not kept",
        ),
    };
    let mut checks = vec![form];
    let issuer = find_issuer(token.as_ref(), claims, trusted);
    checks.push(issuer_check(claims, trusted, issuer));
    if let Some(issuer) = issuer {
        checks.extend(issuer_checks(token.as_ref(), claims, trusted, issuer));
    }
    let rules = explain_rules(claims, trusted, issuer);
    let closest = closest(&rules);
    let could_also_match = closest
        .map(|one| other_runs(one, trusted))
        .unwrap_or_default();
    let checked = checks.iter().all(|check| check.outcome == Outcome::Passed);
    let accepted = checked && rules.iter().any(|rule| rule.matched);
    let next_step = next_step(&checks, &rules, closest, trusted, accepted);
    Explanation {
        accepted,
        issuer_id: issuer.map(|issuer| issuer.id),
        closest: closest.map(|rule| rule.credential_id),
        checks,
        rules,
        could_also_match,
        next_step,
    }
}

impl Check {
    fn new(
        name: &str,
        outcome: Outcome,
        expected: impl Into<String>,
        got: impl AsRef<str>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            outcome,
            expected: expected.into(),
            got: shown(got.as_ref()),
        }
    }

    fn of(name: &str, holds: bool, expected: impl Into<String>, got: impl AsRef<str>) -> Self {
        Self::new(
            name,
            if holds {
                Outcome::Passed
            } else {
                Outcome::Failed
            },
            expected,
            got,
        )
    }
}

fn malformed(reason: &str) -> Explanation {
    Explanation {
        accepted: false,
        issuer_id: None,
        checks: vec![Check::new("form", Outcome::Failed, "a compact JWS (header.payload.signature)", reason)],
        rules: Vec::new(),
        closest: None,
        could_also_match: Vec::new(),
        next_step: "give the token itself, as the platform hands it out: three parts separated by dots, on one line".to_owned(),
    }
}

fn explain_rules(
    claims: &Map<String, Value>,
    trusted: &Trusted<'_>,
    issuer: Option<KnownIssuer<'_>>,
) -> Vec<RuleExplanation> {
    let explain_rule = |(credential_id, rule): &(Id<id::Credential>, TrustRule)| {
        let of_this_issuer = issuer.is_some_and(|issuer| issuer.id == rule.issuer_id);
        let claims = match issuer.filter(|_| of_this_issuer) {
            Some(issuer) => matching::checks(profile(issuer.doc.profile), issuer.doc, rule, claims),
            None => rule.explain(claims),
        };
        let claims: Vec<_> = claims
            .into_iter()
            .map(|check| ClaimCheck {
                got: check.got.as_deref().map(shown),
                ..check
            })
            .collect();
        RuleExplanation {
            credential_id: *credential_id,
            issuer_id: rule.issuer_id,
            of_this_issuer,
            environments: rule.environments.clone(),
            matched: of_this_issuer
                && !rule.matches.is_empty()
                && claims.iter().all(|check| check.matched),
            claims,
        }
    };
    trusted.rules.iter().map(explain_rule).collect()
}

/// The rule that matched, else one of the same issuer with the fewest claims that do not match.
fn closest(rules: &[RuleExplanation]) -> Option<&RuleExplanation> {
    let distance = |rule: &&RuleExplanation| {
        let wrong = rule.claims.iter().filter(|check| !check.matched).count();
        (!rule.matched, !rule.of_this_issuer, wrong)
    };
    rules.iter().min_by_key(distance)
}

fn other_runs(closest: &RuleExplanation, trusted: &Trusted<'_>) -> Vec<String> {
    let rule = trusted
        .rules
        .iter()
        .find(|(id, _)| *id == closest.credential_id);
    let issuer = trusted
        .issuers
        .iter()
        .find(|issuer| issuer.id == closest.issuer_id);
    match (rule, issuer) {
        (Some((_, rule)), Some(issuer)) => {
            profile(issuer.doc.profile).also_matching(issuer.doc, rule)
        }
        _ => Vec::new(),
    }
}

fn next_step(
    checks: &[Check],
    rules: &[RuleExplanation],
    closest: Option<&RuleExplanation>,
    trusted: &Trusted<'_>,
    accepted: bool,
) -> String {
    if let Some(failed) = checks.iter().find(|check| check.outcome == Outcome::Failed) {
        return match failed.name.as_str() {
            "issuer" if trusted.issuers.is_empty() => "add a trust rule to the identity: none of its rules names an issuer".to_owned(),
            "issuer" => format!("add a trust rule for the issuer `{}`, which a tenant owner registers first, or run where a rule's issuer is", failed.got),
            "signature" => "check that the issuer's record is of this very issuer and has its present keys: another key signed this token".to_owned(),
            "alg" | "typ" => format!("ask the platform for a run's identity token: this is another kind of token (`{}` is {})", failed.name, failed.got),
            "audience" => format!("let the job ask for the audience {}", failed.expected),
            "expiry" => "let the run ask its platform for a fresh token".to_owned(),
            "issued" | "not before" => "set the clocks: this token is from the future".to_owned(),
            "life" => format!("let the job ask for a token that lives {}", failed.expected),
            claim => format!("no rule can trust this run: `{claim}` {}", failed.got),
        };
    }
    let Some(closest) = closest.filter(|rule| rule.of_this_issuer) else {
        let what = if rules.is_empty() {
            "the identity has no trust rule"
        } else {
            "none of its trust rules is about this issuer"
        };
        return format!("add a trust rule: {what}");
    };
    match closest.claims.iter().find(|check| !check.matched) {
        Some(wrong) => {
            let got = wrong
                .got
                .as_deref()
                .map_or_else(|| "is absent".to_owned(), |got| format!("is `{got}`"));
            format!(
                "run where `{}` is {}, or change the rule: in this run it {got}",
                wrong.claim,
                one_of(&wrong.expected)
            )
        }
        None if accepted => "nothing: this run is accepted".to_owned(),
        None => "nothing in the rules: what was not checked here decides".to_owned(),
    }
}

fn one_of(values: &[String]) -> String {
    values
        .iter()
        .map(|value| format!("`{value}`"))
        .collect::<Vec<_>>()
        .join(" or ")
}

/// Cut, and without what could disturb a terminal.
fn shown(text: &str) -> String {
    let plain = |c: char| {
        if c.is_control() || BIDI.contains(&c) {
            '\u{fffd}'
        } else {
            c
        }
    };
    text.chars().take(MAX_SHOWN_CHARACTERS).map(plain).collect()
}

const MAX_SHOWN_CHARACTERS: usize = 256;
/// Characters that turn the direction of what follows (T29).
const BIDI: [char; 9] = [
    '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}',
    '\u{2069}',
];
