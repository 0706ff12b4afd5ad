//! Assertions that others signed (T5, T6, T8, T34).

mod common;

use common::*;
use countersign_crypto::{
    SigningKey,
    assertion::{self, AssertionError, AssertionRules},
    jose::{Alg, KeyPurpose, KeySet, Unverified, Verified, typ},
};
use countersign_model::time::Timestamp;
use serde_json::{Map, Value, json};

const GITHUB: &str = "https://token.actions.githubusercontent.com";

fn rules<'a>() -> AssertionRules<'a> {
    AssertionRules {
        algorithms: &[Alg::Es256],
        audiences: &[ISSUER],
        issuer: GITHUB,
        issuer_optional: false,
        leeway_seconds: 60,
        max_age_seconds: 600,
        now: Timestamp::from_seconds(NOW + 10),
        require_jti: true,
        subject: None,
        subject_optional: false,
        types: &[typ::AUTHORIZATION_GRANT],
        untyped: true,
    }
}

fn claims() -> Value {
    json!({"iss": GITHUB, "sub": "repo:octo-org/octo-repo:environment:production", "aud": ISSUER,
        "iat": NOW, "nbf": NOW - 600, "exp": NOW + 300, "jti": "6f4762ed", "repository_id": "456789"})
}

fn verify_with(
    key: &SigningKey,
    typ: &str,
    claims: &Value,
    rules: &AssertionRules<'_>,
) -> Result<Verified<Map<String, Value>>, AssertionError> {
    let token = forge(key, &header(key, typ).to_string(), &claims.to_string());
    assertion::verify(
        Unverified::parse(&token).unwrap(),
        &set(key, KeyPurpose::Foreign),
        rules,
    )
}

fn refused_claim(result: Result<Verified<Map<String, Value>>, AssertionError>) -> &'static str {
    match result.unwrap_err() {
        AssertionError::Mismatch { claim, .. } => claim,
        other => panic!("{other}"),
    }
}

#[test]
fn a_run_identity_is_accepted() {
    let key = key();
    let verified = verify_with(&key, "JWT", &claims(), &rules()).unwrap();
    assert_eq!(verified.claims()["repository_id"], "456789");
    assert_eq!(verified.expires_at(), Timestamp::from_seconds(NOW + 300));
    let array = with(claims(), "aud", json!([ISSUER]));
    verify_with(&key, "authorization-grant+jwt", &array, &rules()).unwrap();
    let fraction = with(claims(), "exp", json!(1_795_338_300.5));
    verify_with(&key, "JWT", &fraction, &rules()).unwrap();
}

#[test]
fn each_broken_rule_is_named() {
    let key = key();
    let cases = [
        (
            "iss",
            with(claims(), "iss", json!(format!("{GITHUB}.evil.tld"))),
        ),
        ("iss", without(claims(), "iss")),
        ("sub", without(claims(), "sub")),
        ("sub", with(claims(), "sub", json!(""))),
        ("aud", without(claims(), "aud")),
        (
            "aud",
            with(claims(), "aud", json!([ISSUER, "https://other.example"])),
        ),
        ("aud", with(claims(), "aud", json!([]))),
        ("aud", with(claims(), "aud", json!([[ISSUER]]))),
        (
            "aud",
            with(claims(), "aud", json!(format!("{ISSUER}/oauth2/token"))),
        ),
        ("aud", with(claims(), "aud", json!(format!("{ISSUER}/")))),
        ("aud", with(claims(), "aud", json!(ISSUER.to_uppercase()))),
        ("exp", without(claims(), "exp")),
        ("exp", with(claims(), "exp", json!(NOW - 50))),
        ("exp", with(claims(), "exp", json!(NOW + 601))),
        ("exp", with(claims(), "exp", json!(NOW))),
        ("iat", with(claims(), "iat", json!(NOW + 71))),
        ("nbf", with(claims(), "nbf", json!(NOW + 71))),
        ("jti", without(claims(), "jti")),
        ("jti", with(claims(), "jti", json!(""))),
    ];
    for (claim, claims) in cases {
        assert_eq!(
            refused_claim(verify_with(&key, "JWT", &claims, &rules())),
            claim,
            "{claims}"
        );
    }
    // Without `iat`, the life that is left is what is bounded.
    let unissued = without(claims(), "iat");
    verify_with(&key, "JWT", &unissued, &rules()).unwrap();
    let long = with(unissued, "exp", json!(NOW + 10 + 661));
    assert_eq!(
        refused_claim(verify_with(&key, "JWT", &long, &rules())),
        "exp"
    );
}

#[test]
fn an_error_says_what_was_expected_and_what_came() {
    let aud = with(claims(), "aud", json!("https://github.com/octo\norg`"));
    let error = verify_with(&key(), "JWT", &aud, &rules()).unwrap_err();
    let expected = "`aud` is `https://github.com/octo\u{fffd}org\u{fffd}`, but must be `https://auth.example.com` alone";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn no_other_type_of_token_is_an_assertion() {
    let key = key();
    for other in [
        "at+jwt",
        "application/at+jwt",
        "secevent+jwt",
        "token-introspection+jwt",
        "dpop+jwt",
        "logout+jwt",
        "client-authentication+jwt",
        "",
    ] {
        assert_eq!(
            refused_claim(verify_with(&key, other, &claims(), &rules())),
            "typ",
            "{other}"
        );
    }
    let strict = AssertionRules {
        untyped: false,
        ..rules()
    };
    assert_eq!(
        refused_claim(verify_with(&key, "JWT", &claims(), &strict)),
        "typ"
    );
}

#[test]
fn our_own_keys_vouch_for_no_assertion() {
    let key = key();
    let token = forge(
        &key,
        &header(&key, "JWT").to_string(),
        &claims().to_string(),
    );
    for purpose in [KeyPurpose::Access, KeyPurpose::LongLived] {
        let parsed = Unverified::parse(&token).unwrap();
        assert!(assertion::verify(parsed, &set(&key, purpose), &rules()).is_err());
    }
    let unknown = assertion::verify(
        Unverified::parse(&token).unwrap(),
        &KeySet::default(),
        &rules(),
    );
    assert!(matches!(unknown, Err(AssertionError::Signature(_))));
    let rs256_only = AssertionRules {
        algorithms: &[Alg::Rs256],
        ..rules()
    };
    assert_eq!(
        refused_claim(verify_with(&key, "JWT", &claims(), &rs256_only)),
        "alg"
    );
}

#[test]
fn a_known_subject_and_a_spiffe_issuer() {
    let key = key();
    let client = AssertionRules {
        issuer: "client-1",
        subject: Some("client-1"),
        ..rules()
    };
    let own = with(
        with(claims(), "iss", json!("client-1")),
        "sub",
        json!("client-1"),
    );
    verify_with(&key, "JWT", &own, &client).unwrap();
    let other = with(own, "sub", json!("client-2"));
    assert_eq!(
        refused_claim(verify_with(&key, "JWT", &other, &client)),
        "sub"
    );

    let spiffe = AssertionRules {
        issuer_optional: true,
        require_jti: false,
        ..rules()
    };
    let minimal =
        json!({"sub": "spiffe://prod.acme.example/ns/a", "aud": [ISSUER], "exp": NOW + 300});
    verify_with(&key, "JWT", &minimal, &spiffe).unwrap();
    let named = with(minimal, "iss", json!("https://evil.example"));
    assert_eq!(
        refused_claim(verify_with(&key, "JWT", &named, &spiffe)),
        "iss"
    );
}

#[test]
fn the_replay_key_follows_the_content() {
    let key = key();
    let loose = AssertionRules {
        require_jti: false,
        ..rules()
    };
    let replay_key = |claims: &Value| {
        verify_with(&key, "JWT", claims, &loose)
            .unwrap()
            .replay_key()
    };
    assert_eq!(
        replay_key(&claims()),
        replay_key(&with(claims(), "exp", json!(NOW + 299)))
    );
    assert_ne!(
        replay_key(&claims()),
        replay_key(&with(claims(), "jti", json!("other")))
    );

    // Without `jti`: two good signatures over one content are one assertion.
    let bare = without(claims(), "jti");
    assert_eq!(replay_key(&bare), replay_key(&bare));
    assert_ne!(
        replay_key(&bare),
        replay_key(&with(bare.clone(), "exp", json!(NOW + 299)))
    );
}
