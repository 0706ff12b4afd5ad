//! Access tokens: what is accepted, and the attacks that are not (T5, T6, T24, T32, T34).

mod common;

use common::*;
use countersign_crypto::{
    SigningAlg, SigningKey,
    access_token::{self, Expectation, TokenError},
    jose::{self, KeyPurpose, KeySet, MAX_TOKEN_BYTES, typ},
};
use countersign_model::time::Timestamp;
use serde_json::{Value, json};

fn expect<'a>() -> Expectation<'a> {
    Expectation {
        issuer: ISSUER,
        audience: Some(AUDIENCE),
        now: Timestamp::from_seconds(NOW + 10),
    }
}

fn at(now: i64) -> Expectation<'static> {
    Expectation {
        now: Timestamp::from_seconds(now),
        ..expect()
    }
}

fn verify(token: &str, keys: &KeySet) -> Result<(), TokenError> {
    access_token::verify(token, keys, &expect()).map(|_| ())
}

fn sign(key: &SigningKey, claims: &Value) -> String {
    jose::sign(key, typ::ACCESS_TOKEN, claims).unwrap()
}

#[test]
fn a_good_token_of_every_algorithm_is_accepted() {
    for alg in [SigningAlg::Ed25519, SigningAlg::Es256, SigningAlg::Rs256] {
        let key = SigningKey::generate(alg).unwrap();
        let token = sign(&key, &access_claims());
        let keys = set(&key, KeyPurpose::Access);
        let verified = access_token::verify(&token, &keys, &expect()).unwrap();
        assert_eq!(verified.claims().sub, "bot://support/triage");
        assert_eq!(verified.kid(), key.kid());
        assert_eq!(
            *verified.digest(),
            countersign_crypto::digest::sha256(token.as_bytes())
        );
        assert!(!format!("{verified:?}").contains("triage"));
    }
}

#[test]
fn the_type_must_be_that_of_an_access_token() {
    let key = key();
    let keys = set(&key, KeyPurpose::Access);
    let payload = access_claims().to_string();
    for good in ["at+jwt", "application/at+jwt", "AT+JWT"] {
        verify(
            &forge(&key, &header(&key, good).to_string(), &payload),
            &keys,
        )
        .unwrap();
    }
    for bad in [
        "JWT",
        "",
        "secevent+jwt",
        "token-introspection+jwt",
        "dpop+jwt",
        "at+jwt2",
    ] {
        let token = forge(&key, &header(&key, bad).to_string(), &payload);
        assert!(
            matches!(verify(&token, &keys), Err(TokenError::WrongType)),
            "{bad}"
        );
    }
    let untyped = forge(
        &key,
        &without(header(&key, ""), "typ").to_string(),
        &payload,
    );
    assert!(matches!(
        verify(&untyped, &keys),
        Err(TokenError::WrongType)
    ));
}

#[test]
fn no_header_trick_passes() {
    let key = key();
    let keys = set(&key, KeyPurpose::Access);
    let payload = access_claims().to_string();
    let plain = header(&key, "at+jwt");
    let jwk = serde_json::to_value(key.public_jwk()).unwrap();
    let tricks = [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("jku", json!("https://evil.example/jwks")),
        ("jwk", jwk),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!(["MIIB"])),
        ("zip", json!("DEF")),
        ("enc", json!("A128GCM")),
        ("p2c", json!(1_000_000)),
        ("kid", json!(7)),
        ("kid", json!("a\nb")),
        ("kid", json!("x".repeat(2000))),
        ("typ", json!(["at+jwt"])),
        ("alg", json!(["ES256"])),
        ("unheard-of", json!("x")),
    ];
    verify(&forge(&key, &plain.to_string(), &payload), &keys).unwrap();
    for (name, value) in tricks {
        let token = forge(
            &key,
            &with(plain.clone(), name, value).to_string(),
            &payload,
        );
        let refused = verify(&token, &keys);
        assert!(
            matches!(refused, Err(TokenError::InvalidToken { .. })),
            "{name}: {refused:?}"
        );
    }
    let text = plain.to_string();
    let twice = text.replacen('{', r#"{"alg":"ES256","#, 1);
    assert!(matches!(
        verify(&forge(&key, &twice, &payload), &keys),
        Err(TokenError::InvalidToken { .. })
    ));
    for kid in ["../../dev/null", "' OR '1'='1", ""] {
        let token = forge(
            &key,
            &with(plain.clone(), "kid", json!(kid)).to_string(),
            &payload,
        );
        assert!(
            matches!(verify(&token, &keys), Err(TokenError::UnknownKey { .. })),
            "{kid}"
        );
    }
}

#[test]
fn no_algorithm_but_the_keys_own_is_taken() {
    let key = SigningKey::generate(SigningAlg::Rs256).unwrap();
    let keys = set(&key, KeyPurpose::Access);
    let payload = b64(access_claims().to_string());
    let jwk = serde_json::to_string(key.public_jwk()).unwrap();
    let n = unb64(key.public_jwk().n.as_ref().unwrap());
    for alg in [
        "none", "NONE", "nOnE", "", "HS256", "HS512", "ES512", "RS1", "es256", "RSA1_5",
    ] {
        let header = with(header(&key, "at+jwt"), "alg", json!(alg)).to_string();
        let signed = format!("{}.{payload}", b64(header));
        let hmac = |secret: &[u8]| {
            b64(countersign_crypto::digest::hmac_sha256(
                secret,
                signed.as_bytes(),
            ))
        };
        for signature in [String::new(), hmac(jwk.as_bytes()), hmac(&n), hmac(b"")] {
            let refused = verify(&format!("{signed}.{signature}"), &keys);
            assert!(
                matches!(refused, Err(TokenError::InvalidToken { .. })),
                "{alg}: {refused:?}"
            );
        }
    }
    for alg in ["ES256", "ES384", "PS256", "EdDSA"] {
        let header = with(header(&key, "at+jwt"), "alg", json!(alg)).to_string();
        let token = forge(&key, &header, &access_claims().to_string());
        assert!(
            matches!(verify(&token, &keys), Err(TokenError::UnknownKey { .. })),
            "{alg}"
        );
    }
}

#[test]
fn no_weak_signature_passes() {
    let key = key();
    let keys = set(&key, KeyPurpose::Access);
    let token = sign(&key, &access_claims());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let good = unb64(signature);
    let mut der = vec![0x30, 68, 2, 32];
    der.extend_from_slice(&good[..32]);
    der.extend_from_slice(&[2, 32]);
    der.extend_from_slice(&good[32..]);
    let zero_r = [&[0; 32], &good[32..]].concat();
    let zero_s = [&good[..32], &[0; 32]].concat();
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order_twice = hex::decode(order.repeat(2)).unwrap();
    for bad in [
        vec![0; 64],
        zero_r,
        zero_s,
        order_twice,
        der,
        good[..63].to_vec(),
        Vec::new(),
        [&good[..], &[0]].concat(),
    ] {
        let refused = verify(&format!("{signed}.{}", b64(bad)), &keys);
        assert!(
            matches!(refused, Err(TokenError::InvalidSignature)),
            "{refused:?}"
        );
    }
    for bit in 0..8 {
        let mut changed = good.clone();
        changed[20] ^= 1 << bit;
        assert!(verify(&format!("{signed}.{}", b64(changed)), &keys).is_err());
    }
    let other = common::key();
    let forged = forge(
        &other,
        &header(&key, "at+jwt").to_string(),
        &access_claims().to_string(),
    );
    assert!(matches!(
        verify(&forged, &keys),
        Err(TokenError::InvalidSignature)
    ));
}

#[test]
fn only_the_canonical_text_is_a_token() {
    let key = key();
    let keys = set(&key, KeyPurpose::Access);
    let token = sign(&key, &access_claims());
    let parts: Vec<_> = token.split('.').collect();
    let (h, p, s) = (parts[0], parts[1], parts[2]);
    // 64 bytes end in a character of which four bits count.
    let last = s.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet
        .chars()
        .nth(alphabet.find(last).unwrap() + 1)
        .unwrap();
    let trailing = format!("{}{next}", &s[..s.len() - 1]);
    for bad in [
        String::new(),
        "..".to_owned(),
        format!("{h}.{p}"),
        format!("{h}.{p}.{s}."),
        format!("{h}.{p}.{s}.{s}.{s}"),
        format!(".{h}.{p}.{s}"),
        format!("{h}.{p}.{s}=="),
        format!("{h}=.{p}.{s}"),
        format!("{h}.{p}.{trailing}"),
        format!("{h}.{p}.{s}\n"),
        format!(" {h}.{p}.{s}"),
        format!("{h}.{p}.{}", s.replace(['-', '_'], "+")) + "+",
        format!("Bearer {h}.{p}.{s}"),
        access_claims().to_string(),
    ] {
        let refused = verify(&bad, &keys);
        assert!(
            matches!(refused, Err(TokenError::InvalidToken { .. })),
            "{bad}: {refused:?}"
        );
    }
    let long = with(access_claims(), "scope", json!("x".repeat(MAX_TOKEN_BYTES)));
    assert!(matches!(
        verify(&sign(&key, &long), &keys),
        Err(TokenError::InvalidToken { .. })
    ));
}

#[test]
fn no_payload_trick_passes() {
    let key = key();
    let keys = set(&key, KeyPurpose::Access);
    let header = header(&key, "at+jwt").to_string();
    let good = access_claims().to_string();
    let deep = format!("{}1{}", "[".repeat(16), "]".repeat(16));
    let many: Vec<_> = (0..257).map(|n| format!("\"m{n}\":0")).collect();
    for extra in [
        r#""sub":"admin""#.to_owned(),
        r#""\u0073ub":"admin""#.to_owned(),
        r#""x":{"y":1,"y":2}"#.to_owned(),
        format!("\"x\":{deep}"),
        many.join(","),
        r#""nbf":1e400"#.to_owned(),
        r#""nbf":-1"#.to_owned(),
        r#""nbf":"0""#.to_owned(),
    ] {
        let payload = good.replacen('{', &format!("{{{extra},"), 1);
        let refused = verify(&forge(&key, &header, &payload), &keys);
        assert!(
            matches!(refused, Err(TokenError::InvalidToken { .. })),
            "{extra}: {refused:?}"
        );
    }
    for exp in [
        "\"1795339000\"",
        "1e400",
        "-1",
        "null",
        "[]",
        "{}",
        "true",
        "18446744073709551615",
    ] {
        let payload = good.replace(&format!("\"exp\":{}", NOW + 600), &format!("\"exp\":{exp}"));
        assert_ne!(payload, good);
        let refused = verify(&forge(&key, &header, &payload), &keys);
        assert!(
            matches!(refused, Err(TokenError::InvalidToken { .. })),
            "{exp}: {refused:?}"
        );
    }
    for payload in ["", "[]", "1", "null", "{", "{}x", "\"a\""] {
        assert!(
            verify(&forge(&key, &header, payload), &keys).is_err(),
            "{payload}"
        );
    }
}

#[test]
fn every_required_claim_is_required_and_a_string_audience() {
    let key = key();
    let keys = set(&key, KeyPurpose::Access);
    for claim in ["exp", "aud", "sub", "client_id", "iat", "jti"] {
        let refused = verify(&sign(&key, &without(access_claims(), claim)), &keys);
        assert!(
            matches!(refused, Err(TokenError::InvalidToken { .. })),
            "{claim}: {refused:?}"
        );
    }
    let refused = verify(&sign(&key, &without(access_claims(), "iss")), &keys);
    assert!(matches!(refused, Err(TokenError::InvalidIssuer)));
    let array = with(access_claims(), "aud", json!([AUDIENCE]));
    assert!(matches!(
        verify(&sign(&key, &array), &keys),
        Err(TokenError::InvalidToken { .. })
    ));
}

#[test]
fn issuer_and_audience_are_compared_byte_for_byte() {
    let key = key();
    let keys = set(&key, KeyPurpose::Access);
    for aud in [
        "https://deploy.example.com/",
        "https://DEPLOY.example.com",
        "",
        "https://deploy.example.com.evil.tld",
    ] {
        let refused = verify(
            &sign(&key, &with(access_claims(), "aud", json!(aud))),
            &keys,
        );
        assert!(matches!(refused, Err(TokenError::InvalidAudience)), "{aud}");
        assert_eq!(refused.unwrap_err().to_string(), "invalid audience");
    }
    for iss in [
        "https://auth.example.com/",
        "https://AUTH.example.com",
        "https://auth.example.com/t/b",
        "https://auth.example.com@evil.tld",
    ] {
        let refused = verify(
            &sign(&key, &with(access_claims(), "iss", json!(iss))),
            &keys,
        );
        assert!(matches!(refused, Err(TokenError::InvalidIssuer)), "{iss}");
    }
    let any = Expectation {
        audience: None,
        ..expect()
    };
    access_token::verify(&sign(&key, &access_claims()), &keys, &any).unwrap();
}

#[test]
fn times_are_checked_with_one_leeway() {
    let key = key();
    let keys = set(&key, KeyPurpose::Access);
    let token = sign(&key, &access_claims());
    let verify = |token: &str, now| access_token::verify(token, &keys, &at(now)).map(|_| ());
    verify(&token, NOW + 600 + 59).unwrap();
    assert!(matches!(
        verify(&token, NOW + 600 + 60),
        Err(TokenError::Expired)
    ));
    verify(&token, NOW - 60).unwrap();
    assert!(matches!(
        verify(&token, NOW - 61),
        Err(TokenError::NotYetValid)
    ));
    let later = sign(&key, &with(access_claims(), "nbf", json!(NOW + 100)));
    verify(&later, NOW + 40).unwrap();
    assert!(matches!(
        verify(&later, NOW + 39),
        Err(TokenError::NotYetValid)
    ));
    let backward = sign(&key, &with(access_claims(), "exp", json!(NOW)));
    assert!(matches!(
        verify(&backward, NOW),
        Err(TokenError::InvalidToken { .. })
    ));
}

#[test]
fn a_lifetime_and_its_key_belong_together() {
    let key = key();
    let short = sign(&key, &with(access_claims(), "exp", json!(NOW + 3600)));
    let own = with(access_claims(), "aud", access_claims()["iss"].clone());
    let long = sign(&key, &with(own, "exp", json!(NOW + 3601)));
    let elsewhere = sign(&key, &with(access_claims(), "exp", json!(NOW + 3601)));
    let (access, long_lived) = (
        set(&key, KeyPurpose::Access),
        set(&key, KeyPurpose::LongLived),
    );
    verify(&short, &access).unwrap();
    let any = Expectation {
        audience: None,
        ..at(NOW)
    };
    access_token::verify(&long, &long_lived, &any).unwrap();
    // What lives longer than an hour is for its issuer alone.
    assert!(matches!(
        access_token::verify(&elsewhere, &long_lived, &any),
        Err(TokenError::InvalidAudience)
    ));
    assert!(matches!(
        access_token::verify(&long, &access, &any),
        Err(TokenError::LifetimeOfOtherKey)
    ));
    assert!(matches!(
        verify(&short, &long_lived),
        Err(TokenError::LifetimeOfOtherKey)
    ));
    assert!(verify(&short, &set(&key, KeyPurpose::Foreign)).is_err());
}

#[test]
fn no_error_shows_the_token() {
    let key = key();
    let token = sign(&key, &with(access_claims(), "jti", json!("not an id")));
    for keys in [set(&key, KeyPurpose::Access), KeySet::default()] {
        let shown = format!("{:?}", verify(&token, &keys).unwrap_err());
        assert!(
            token.split('.').all(|part| !shown.contains(part)),
            "{shown}"
        );
    }
}
