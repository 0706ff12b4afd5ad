//! The checks that need no rule: issuer, algorithm, type, signature, audience and times.

use countersign_crypto::{
    assertion::{self, AssertionError},
    jose::{SignatureError, Unverified},
};
use countersign_model::{LEEWAY_SECONDS, Timestamp, trust::claim};
use serde_json::{Map, Value};

use super::{
    super::{Profile, audience as expected_audience, profile, spiffe, verify},
    Check, KnownIssuer, Outcome, Trusted,
};

/// The issuer whose keys signed; else one of the right name.
pub(super) fn find_issuer<'a>(
    token: Option<&Unverified>,
    claims: &Map<String, Value>,
    trusted: &Trusted<'a>,
) -> Option<KnownIssuer<'a>> {
    let (iss, sub) = (claim(claims, "iss"), claim(claims, "sub"));
    let named = |issuer: &KnownIssuer<'_>| {
        if profile(issuer.doc.profile).names_issuer() {
            iss.as_deref() == Some(&issuer.doc.url)
        } else {
            spiffe::is_of(issuer.doc, sub.as_deref())
        }
    };
    let candidates = || {
        trusted
            .issuers
            .iter()
            .copied()
            .filter(|issuer| named(issuer))
    };
    let signed = token.and_then(|token| {
        candidates().find(|issuer| signature(token, trusted, *issuer).outcome == Outcome::Passed)
    });
    signed.or_else(|| candidates().next())
}

pub(super) fn issuer_check(
    claims: &Map<String, Value>,
    trusted: &Trusted<'_>,
    found: Option<KnownIssuer<'_>>,
) -> Check {
    let got = claim(claims, "iss").unwrap_or_else(|| "absent".to_owned());
    let expected: Vec<_> = trusted
        .issuers
        .iter()
        .map(|issuer| {
            match (
                &issuer.doc.trust_domain,
                profile(issuer.doc.profile).names_issuer(),
            ) {
                (Some(domain), false) => format!("a subject in `spiffe://{domain}`"),
                _ => format!("`{}`", issuer.doc.url),
            }
        })
        .collect();
    let expected = if expected.is_empty() {
        "an issuer that a rule of the identity names".to_owned()
    } else {
        expected.join(" or ")
    };
    Check::of("issuer", found.is_some(), expected, got)
}

pub(super) fn issuer_checks(
    token: Option<&Unverified>,
    claims: &Map<String, Value>,
    trusted: &Trusted<'_>,
    issuer: KnownIssuer<'_>,
) -> Vec<Check> {
    let profile = profile(issuer.doc.profile);
    let mut checks = Vec::new();
    match token {
        Some(token) => {
            checks.push(algorithm(token, profile));
            checks.push(token_type(token));
            checks.push(signature(token, trusted, issuer));
        }
        None => checks.push(Check::new(
            "signature",
            Outcome::NotChecked,
            "a key of the issuer",
            "the token is not kept",
        )),
    }
    checks.push(audience(claims, trusted, issuer, profile));
    checks.extend(times(
        claims,
        trusted.now,
        profile.max_life_seconds(issuer.doc),
    ));
    if let Err(fault) = profile.check(issuer.doc, claims) {
        checks.push(Check::new(
            &fault.claim,
            Outcome::Failed,
            "what the platform sends",
            &fault.detail,
        ));
    } else if let Err(fault) = profile.run(issuer.id, issuer.doc, claims) {
        checks.push(Check::new(
            &fault.claim,
            Outcome::Failed,
            "a run",
            &fault.detail,
        ));
    }
    checks
}

fn algorithm(token: &Unverified, profile: &dyn Profile) -> Check {
    let allowed = profile.algorithms();
    let names: Vec<_> = allowed.iter().map(|alg| alg.name()).collect();
    Check::of(
        "alg",
        allowed.contains(&token.alg()),
        names.join(" or "),
        token.alg().name(),
    )
}

fn token_type(token: &Unverified) -> Check {
    // Any type but these is another kind of token; verification has the last word.
    let usual = ["JWT", "JOSE", "authorization-grant+jwt"];
    let fits = token.typ().is_none_or(|typ| {
        let bare = typ.strip_prefix("application/").unwrap_or(typ);
        usual.iter().any(|usual| usual.eq_ignore_ascii_case(bare))
    });
    Check::of(
        "typ",
        fits,
        "`JWT` or nothing",
        token.typ().unwrap_or("nothing"),
    )
}

fn signature(token: &Unverified, trusted: &Trusted<'_>, issuer: KnownIssuer<'_>) -> Check {
    let keys = match issuer.keys {
        Ok(keys) => keys,
        Err(why) => {
            return Check::new("signature", Outcome::NotChecked, "a key of the issuer", why);
        }
    };
    let kid = token.kid().unwrap_or("(unnamed)");
    let profile = profile(issuer.doc.profile);
    let key = keys.find(token.kid(), token.alg());
    if key.is_some_and(|key| !profile.takes_key(key.jwk())) {
        return Check::new(
            "signature",
            Outcome::Failed,
            "a key for this kind of token",
            kid,
        );
    }
    let audience = expected_audience(issuer.doc, trusted.tenant_issuer);
    let audiences = [audience];
    let rules = verify::assertion_rules(issuer.doc, token.issuer_hint(), &audiences, trusted.now);
    match assertion::verify(token.clone(), keys, &rules) {
        Err(AssertionError::Signature(SignatureError::UnknownKey { .. })) => {
            let names: Vec<_> = keys
                .keys()
                .iter()
                .map(|key| format!("`{}`", key.kid()))
                .collect();
            let mut expected = format!("one of the keys {}", names.join(", "));
            if names.is_empty() {
                "a key, but the issuer's set has none that fits".clone_into(&mut expected);
            }
            Check::new(
                "signature",
                Outcome::Failed,
                expected,
                format!("the key `{kid}`"),
            )
        }
        Err(AssertionError::Signature(_)) => Check::new(
            "signature",
            Outcome::Failed,
            "the key's own signature",
            format!("another, under the name `{kid}`"),
        ),
        Err(AssertionError::Mismatch {
            claim: "alg" | "iss" | "typ",
            ..
        }) => Check::new(
            "signature",
            Outcome::NotChecked,
            "a key of the issuer",
            "stopped before: see the checks that failed",
        ),
        // What else is wrong is found after the signature.
        Ok(_) | Err(_) => Check::new(
            "signature",
            Outcome::Passed,
            "a key of the issuer",
            format!("the key `{kid}`"),
        ),
    }
}

fn audience(
    claims: &Map<String, Value>,
    trusted: &Trusted<'_>,
    issuer: KnownIssuer<'_>,
    profile: &dyn Profile,
) -> Check {
    let expected = expected_audience(issuer.doc, trusted.tenant_issuer);
    if let Some(why) = profile.refuses_audience(issuer.doc, expected) {
        return Check::new(
            "audience",
            Outcome::Failed,
            "an audience of one's own",
            format!("the issuer's record says `{expected}`: {why}"),
        );
    }
    let (holds, got) = match claims.get("aud") {
        Some(Value::String(one)) => (one == expected, one.clone()),
        Some(Value::Array(several)) => {
            let sole = matches!(several.as_slice(), [Value::String(one)] if one == expected);
            (sole, Value::Array(several.clone()).to_string())
        }
        Some(other) => (false, other.to_string()),
        None => (false, "absent".to_owned()),
    };
    Check::of("audience", holds, format!("`{expected}` alone"), got)
}

fn times(claims: &Map<String, Value>, now: Timestamp, max_life_seconds: i64) -> Vec<Check> {
    // The gate refused times that are no numbers; a kept attempt's are what they were.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "seconds of this age of the world"
    )]
    let seconds = |name: &str| {
        let value = claims.get(name)?;
        value
            .as_i64()
            .or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64))
    };
    let shown = |at: Option<i64>| {
        at.map_or_else(
            || "absent".to_owned(),
            |at| Timestamp::from_seconds(at).to_string(),
        )
    };
    let (exp, iat) = (seconds("exp"), seconds("iat"));
    let alive = exp.is_some_and(|exp| now.seconds() < exp.saturating_add(LEEWAY_SECONDS));
    let mut checks = vec![Check::of(
        "expiry",
        alive,
        format!("after {now}"),
        shown(exp),
    )];
    let latest = now.seconds().saturating_add(LEEWAY_SECONDS);
    for (name, label) in [("iat", "issued"), ("nbf", "not before")] {
        if let Some(at) = seconds(name) {
            checks.push(Check::of(
                label,
                at <= latest,
                format!("at most {}", Timestamp::from_seconds(latest)),
                shown(Some(at)),
            ));
        }
    }
    if let Some(exp) = exp {
        let (life, slack) = match iat {
            Some(iat) => (exp.saturating_sub(iat), 0),
            None => (exp.saturating_sub(now.seconds()), LEEWAY_SECONDS),
        };
        let holds = life <= max_life_seconds.saturating_add(slack) && (life > 0 || slack > 0);
        checks.push(Check::of(
            "life",
            holds,
            format!("at most {max_life_seconds} seconds"),
            format!("{life} seconds"),
        ));
    }
    checks
}
