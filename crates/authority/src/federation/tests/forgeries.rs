//! Tokens that are not what they should be: audience, issuer, algorithm, keys, times, and every
//! single claim.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;

#[test]
fn missing_or_shared_audience() {
    for audience in [
        json!(null),
        json!([]),
        json!([AUDIENCE, "https://other.example"]),
        json!("https://NHI.acme.example"),
        json!("https://nhi.acme.example/"),
        json!("https://nhi.acme.example/oauth2/token"),
        json!("sts.amazonaws.com"),
        json!(["https://github.com/octo-org"]),
        json!({"aud": AUDIENCE}),
    ] {
        let claims = github_claims().with("aud", audience.clone());
        assert!(verify(&github(), &claims).is_err(), "{audience}");
    }
    assert!(verify(&github(), &github_claims().without("aud")).is_err());
    for (issuer, audience) in [
        (github(), "https://github.com/octo-org"),
        (kubernetes(), CLUSTER),
        (kubernetes(), "https://kubernetes.default.svc"),
        (
            issuer(IssuerProfile::Oidc, "https://app.terraform.io"),
            "aws.workload.identity",
        ),
        (
            issuer(
                IssuerProfile::Oidc,
                "https://login.microsoftonline.com/72f9/v2.0",
            ),
            "api://AzureADTokenExchange",
        ),
        (
            issuer(IssuerProfile::Oidc, BUILDKITE),
            "https://buildkite.com/acme-inc",
        ),
    ] {
        let shared = IssuerDoc {
            audience: Some(audience.to_owned()),
            ..issuer
        };
        assert!(
            lint_issuer(&shared, AUDIENCE, false)
                .iter()
                .any(|error| error.claim == "audience"),
            "{audience}"
        );
        let claims = kubernetes_claims()
            .with("iss", shared.url.clone())
            .with("aud", audience);
        assert!(verify(&shared, &claims).is_err(), "{audience}");
    }
}

#[test]
fn replay_is_noticed_with_and_without_jti() {
    let key_of = |claims: &Claims| verify(&github(), claims).unwrap().replay().key;
    let (with, without) = (github_claims(), github_claims().without("jti"));
    assert_eq!(key_of(&with), key_of(&with));
    assert_eq!(
        key_of(&without),
        key_of(&without),
        "another signature over the same content is the same token"
    );
    assert_ne!(key_of(&with), key_of(&with.clone().with("jti", "another")));
    assert_ne!(
        key_of(&without),
        key_of(&without.clone().with("run_number", "43"))
    );
    // Two records of one issuer string: their ids do not meet.
    let token = || Unverified::parse(&token(&github_claims())).unwrap();
    let keys = key_set(&github());
    let other = verify_run(
        token(),
        Id::from_bytes([2; 16]),
        &github(),
        &keys,
        AUDIENCE,
        now(),
    )
    .unwrap();
    assert_ne!(other.replay().key, key_of(&with));
}

#[test]
fn algorithm_confusion_and_keys_from_the_token() {
    let claims = URL_SAFE_NO_PAD.encode(Value::Object(github_claims().into_map()).to_string());
    let kid = key().kid();
    for header in [
        json!({"alg": "none", "kid": kid}),
        json!({"alg": "None", "kid": kid}),
        json!({"alg": "HS256", "kid": kid}),
        json!({"alg": "RS256", "kid": kid}),
        json!({"alg": "ES256", "kid": "../../other"}),
        json!({"alg": "ES256", "kid": kid, "jku": "https://evil.example/jwks"}),
        json!({"alg": "ES256", "kid": kid, "x5u": "https://evil.example/x5"}),
        json!({"alg": "ES256", "kid": kid, "jwk": other_key().public_jwk()}),
        json!({"alg": "ES256", "kid": kid, "crit": ["exp"]}),
        json!({"alg": "ES256", "kid": kid, "typ": "at+jwt"}),
        json!({"alg": "ES256", "kid": kid, "typ": "logout+jwt"}),
        json!({"alg": "ES256", "kid": kid}),
    ] {
        let signed = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header.to_string()));
        // The signature of a key that is not the issuer's.
        let signature = URL_SAFE_NO_PAD.encode(other_key().sign(signed.as_bytes()).unwrap());
        let accepted = Unverified::parse(&format!("{signed}.{signature}"))
            .ok()
            .and_then(|token| {
                verify_run(
                    token,
                    issuer_id(),
                    &github(),
                    &key_set(&github()),
                    AUDIENCE,
                    now(),
                )
                .ok()
            });
        assert!(accepted.is_none(), "{header}");
    }
}

#[test]
fn issuer_confusion() {
    for iss in [
        "https://token.actions.githubusercontent.com.evil.tld",
        "https://token.actions.githubusercontent.com/",
        "https://token.actions.githubusercontent.com/acme",
        "https://Token.actions.githubusercontent.com",
        "https://user@token.actions.githubusercontent.com",
        "https://token.actions.githubusercontent.com:443",
        "http://token.actions.githubusercontent.com",
        "https://token.actions.githubusercontent.com#",
        "token.actions.githubusercontent.com",
        " https://token.actions.githubusercontent.com",
        "",
    ] {
        assert!(
            verify(&github(), &github_claims().with("iss", iss)).is_err(),
            "{iss}"
        );
    }
    assert!(verify(&github(), &github_claims().without("iss")).is_err());
}

#[test]
fn a_key_that_was_rotated_out_is_refused_and_a_newer_set_is_asked_for() {
    let old = KeySet::new(vec![
        other_key().verifying_key(KeyPurpose::Foreign).unwrap(),
    ]);
    let token = Unverified::parse(&token(&github_claims())).unwrap();
    let refusal = verify_run(token, issuer_id(), &github(), &old, AUDIENCE, now()).unwrap_err();
    assert!(refusal.unknown_key);
    let bad = verify(&github(), &github_claims().with("aud", "x")).unwrap_err();
    assert!(!bad.unknown_key);
}

#[test]
fn clock_skew() {
    let later = |claims: Claims, seconds: i64| {
        verify_at(
            &github(),
            &claims,
            Timestamp::from_seconds(now().seconds() + seconds),
        )
        .is_ok()
    };
    assert!(later(github_claims(), -60));
    assert!(!later(github_claims(), -61), "issued 61 s in the future");
    assert!(later(github_claims(), 300 + 59));
    assert!(!later(github_claims(), 300 + 61));
    for (issuer, claims, life) in [
        (github(), github_claims(), 900),
        (kubernetes(), kubernetes_claims(), 3607),
        (gitlab(), gitlab_claims(), 6 * 3600),
        (spiffe_issuer(), spiffe_claims(), 3600),
    ] {
        let at = now().seconds();
        assert!(
            verify(&issuer, &claims.clone().with("exp", at + life)).is_ok(),
            "{life}"
        );
        assert!(
            verify(&issuer, &claims.clone().with("exp", at + life + 1)).is_err(),
            "{life}"
        );
        assert!(verify(&issuer, &claims.clone().without("exp")).is_err());
        assert!(verify(&issuer, &claims.with("exp", at)).is_err());
    }
}

#[test]
fn spiffe_of_another_trust_domain_or_audience() {
    for (claim, value) in [
        ("sub", json!("spiffe://evil.example/ns/payments/sa/settler")),
        (
            "sub",
            json!("spiffe://prod.acme.example.evil.example/ns/payments/sa/settler"),
        ),
        ("sub", json!("spiffe://prod.acme.example")),
        ("sub", json!("system:serviceaccount:payments:settler")),
        ("aud", json!([AUDIENCE, "https://other.example"])),
        ("aud", json!([])),
    ] {
        let claims = spiffe_claims().with(claim, value.clone());
        assert!(
            verify(&spiffe_issuer(), &claims).is_err(),
            "{claim} {value}"
        );
    }
    assert!(!admitted(
        &spiffe_issuer(),
        &spiffe_rule(),
        &spiffe_claims().with("sub", "spiffe://prod.acme.example/ns/payments/sa/settler/x")
    ));
}

#[test]
fn spiffe_keys_sign_svids_and_nothing_else() {
    let verify_with = |issuer: &IssuerDoc, claims: &Claims, spiffe: bool| {
        let set = jwks(&[key()], spiffe).to_string();
        let keys = KeySet::parse(set.as_bytes(), KeyPurpose::Foreign).unwrap();
        let token = Unverified::parse(&token(claims)).unwrap();
        verify_run(token, issuer_id(), issuer, &keys, AUDIENCE, now()).is_ok()
    };
    assert!(verify_with(&spiffe_issuer(), &spiffe_claims(), true));
    assert!(!verify_with(&spiffe_issuer(), &spiffe_claims(), false));
    assert!(verify_with(&github(), &github_claims(), false));
    assert!(!verify_with(&github(), &github_claims(), true));
}

/// Every claim of every platform, dropped, given another type, extended, or swapped with its
/// neighbour: whatever is still accepted is the same run of the same project.
#[test]
fn the_mutation_table_never_yields_another_run() {
    for (issuer, rule, claims) in [
        (github(), github_rule(), github_claims()),
        (gitlab(), gitlab_rule(), gitlab_claims()),
        (kubernetes(), kubernetes_rule(), kubernetes_claims()),
        (spiffe_issuer(), spiffe_rule(), spiffe_claims()),
    ] {
        let honest = verify(&issuer, &claims).unwrap();
        let names: Vec<_> = claims.as_map().keys().cloned().collect();
        for (position, name) in names.iter().enumerate() {
            let value = claims.as_map()[name].clone();
            let neighbour = claims.as_map()[&names[(position + 1) % names.len()]].clone();
            let longer = value
                .as_str()
                .map_or(json!("x"), |text| json!(format!("{text}1")));
            let retyped = value.as_str().map_or(json!("1"), |text| json!([text]));
            let mutants = [
                claims.clone().without(name),
                claims.clone().with(name, retyped),
                claims.clone().with(name, longer),
                claims.clone().with(name, neighbour),
                claims.clone().with(name, json!(null)),
            ];
            for mutant in mutants {
                let Ok(token) = Unverified::parse(&token(&mutant)) else {
                    continue;
                };
                let Ok(run) = verify_run(
                    token,
                    issuer_id(),
                    &issuer,
                    &key_set(&issuer),
                    AUDIENCE,
                    now(),
                ) else {
                    continue;
                };
                let rules = [(credential_id(9), rule.clone())];
                if !matching_rules(&rules, &run, &issuer).is_empty() {
                    assert_eq!(run.run().project, honest.run().project, "{name}");
                    assert_eq!(run.run().issuer_id, honest.run().issuer_id, "{name}");
                }
                if rule.matches.contains_key(name) {
                    assert!(matching_rules(&rules, &run, &issuer).is_empty(), "{name}");
                }
            }
        }
    }
}
