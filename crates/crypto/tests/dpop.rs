//! Proofs of a key (RFC 9449 §4.3), check by check.

mod common;

use common::{NOW, b64, forge, key, with, without};
use countersign_crypto::{
    SigningAlg, SigningKey,
    digest::sha256,
    dpop::{self, MAX_PROOF_BYTES, Proof, Target},
    sender::{NotTheSender, Sender},
};
use countersign_model::{Timestamp, confirmation::Confirmation};
use serde_json::{Value, json};

const URL: &str = "https://auth.example.com/oauth2/token";

fn header(key: &SigningKey) -> Value {
    json!({"typ": "dpop+jwt", "alg": key.alg().name(), "jwk": key.public_jwk()})
}

fn claims() -> Value {
    json!({"jti": "one", "htm": "POST", "htu": URL, "iat": NOW})
}

fn check(proof: &str, access_token: Option<&str>) -> Result<Proof, String> {
    let target = Target {
        access_token,
        method: "POST",
        now: Timestamp::from_seconds(NOW),
        urls: &[URL],
    };
    dpop::verify(proof, &target).map_err(|error| error.to_string())
}

fn checked(header: &Value, claims: &Value, key: &SigningKey) -> Result<Proof, String> {
    check(&forge(key, &header.to_string(), &claims.to_string()), None)
}

#[test]
fn a_proof_proves_its_own_key_whatever_the_algorithm() {
    for alg in [SigningAlg::Es256, SigningAlg::Ed25519, SigningAlg::Rs256] {
        let key = SigningKey::generate(alg).unwrap();
        let now = Timestamp::from_seconds(NOW);
        let proof = dpop::prove(&key, "POST", URL, None, "one", now).unwrap();
        assert_eq!(check(&proof, None).unwrap().key().as_str(), key.kid());
        let with_token = dpop::prove(&key, "POST", URL, Some("a.b.c"), "one", now).unwrap();
        check(&with_token, Some("a.b.c")).unwrap();
        assert!(
            check(&with_token, Some("a.b.d"))
                .unwrap_err()
                .contains("`ath`")
        );
        assert!(check(&proof, Some("a.b.c")).unwrap_err().contains("`ath`"));
    }
}

#[test]
fn every_claim_of_a_proof_is_checked() {
    let key = key();
    for (claims, what) in [
        (without(claims(), "jti"), "`jti`"),
        (with(claims(), "jti", json!("")), "`jti`"),
        (with(claims(), "jti", json!(7)), "`jti`"),
        (without(claims(), "htm"), "`htm`"),
        (with(claims(), "htm", json!("GET")), "`htm`"),
        (with(claims(), "htm", json!("post")), "`htm`"),
        (without(claims(), "htu"), "`htu`"),
        (
            with(
                claims(),
                "htu",
                json!("https://auth.example.com/oauth2/revoke"),
            ),
            "`htu`",
        ),
        (
            with(
                claims(),
                "htu",
                json!("https://auth.example.com/oauth2/token/"),
            ),
            "`htu`",
        ),
        (
            with(
                claims(),
                "htu",
                json!("https://auth.example.com/oauth2/TOKEN"),
            ),
            "`htu`",
        ),
        (
            with(
                claims(),
                "htu",
                json!("http://auth.example.com/oauth2/token"),
            ),
            "`htu`",
        ),
        (
            with(
                claims(),
                "htu",
                json!("https://auth.example.com:8443/oauth2/token"),
            ),
            "`htu`",
        ),
        (
            with(
                claims(),
                "htu",
                json!("https://auth.example.com.evil/oauth2/token"),
            ),
            "`htu`",
        ),
        (
            with(
                claims(),
                "htu",
                json!("https://evil@auth.example.com/oauth2/token"),
            ),
            "`htu`",
        ),
        (with(claims(), "htu", json!("/oauth2/token")), "`htu`"),
        (
            with(
                claims(),
                "htu",
                json!(["https://auth.example.com/oauth2/token"]),
            ),
            "`htu`",
        ),
        (without(claims(), "iat"), "`iat`"),
        (with(claims(), "iat", json!(NOW - 61)), "`iat`"),
        (with(claims(), "iat", json!(NOW + 61)), "`iat`"),
        (with(claims(), "iat", json!("now")), "`iat`"),
    ] {
        let refused = checked(&header(&key), &claims, &key).unwrap_err();
        assert!(refused.contains(what), "{claims}: {refused}");
    }
    for claims in [
        claims(),
        with(claims(), "iat", json!(NOW - 60)),
        with(claims(), "iat", json!(NOW + 60)),
        with(
            claims(),
            "htu",
            json!("https://AUTH.example.com:443/oauth2/token"),
        ),
        with(
            claims(),
            "htu",
            json!("HTTPS://auth.example.com/oauth2/token?a=b#c"),
        ),
        with(claims(), "nonce", json!("of another server")),
    ] {
        checked(&header(&key), &claims, &key).unwrap_or_else(|error| panic!("{claims}: {error}"));
    }
}

#[test]
fn t05_every_trick_with_the_header_of_a_proof_is_refused() {
    let (own, other) = (key(), key());
    let good = header(&own);
    let mut secret = serde_json::to_value(own.public_jwk()).unwrap();
    secret["d"] = json!("AAAA");
    let tricks = [
        with(good.clone(), "typ", json!("at+jwt")),
        with(good.clone(), "typ", json!("JWT")),
        without(good.clone(), "typ"),
        with(good.clone(), "alg", json!("none")),
        with(good.clone(), "alg", json!("HS256")),
        with(good.clone(), "alg", json!("RS256")),
        without(good.clone(), "jwk"),
        with(good.clone(), "jwk", json!("text")),
        with(good.clone(), "jwk", json!({})),
        with(good.clone(), "jwk", json!({"kty": "oct", "k": "AAAA"})),
        with(good.clone(), "jwk", secret),
        with(
            good.clone(),
            "jwk",
            serde_json::to_value(other.public_jwk()).unwrap(),
        ),
        with(good.clone(), "crit", json!(["b64"])),
        with(good.clone(), "jku", json!("https://evil.example/keys")),
        with(good.clone(), "x5c", json!(["AAAA"])),
        with(good.clone(), "b64", json!(false)),
    ];
    for header in tricks {
        assert!(checked(&header, &claims(), &own).is_err(), "{header}");
    }
    // Signed with another key than the one that it shows.
    assert_eq!(
        checked(&good, &claims(), &other).unwrap_err(),
        "the DPoP proof is not signed with its own key"
    );
    let twice = format!(
        r#"{{"typ":"dpop+jwt","typ":"dpop+jwt",{}"#,
        &good.to_string()[1..]
    );
    assert!(check(&forge(&own, &twice, &claims().to_string()), None).is_err());
}

#[test]
fn t24_what_is_no_proof_is_refused_before_it_costs_anything() {
    let key = key();
    let long = with(claims(), "jti", json!("x".repeat(MAX_PROOF_BYTES)));
    assert!(
        checked(&header(&key), &long, &key)
            .unwrap_err()
            .contains("longer")
    );
    for text in ["", ".", "..", "a.b.c", "a.b", "a.b.c.d", "\u{e4}.b.c"] {
        assert!(check(text, None).is_err(), "{text}");
    }
    let whole = forge(&key, &header(&key).to_string(), &claims().to_string());
    check(&whole, None).unwrap();
    assert!(check(&format!("{whole}="), None).is_err());
    assert!(check(&whole[..whole.len() - 4], None).is_err());
}

#[test]
fn a_proof_is_named_by_its_key_and_jti_alone() {
    let (one, two) = (key(), key());
    let name = |claims: &Value, key: &SigningKey| {
        *checked(&header(key), claims, key).unwrap().replay_key()
    };
    let first = name(&claims(), &one);
    assert_eq!(first, name(&with(claims(), "iat", json!(NOW - 5)), &one));
    assert_ne!(first, name(&with(claims(), "jti", json!("two")), &one));
    assert_ne!(first, name(&claims(), &two));
    let proof = checked(&header(&one), &with(claims(), "iat", json!(NOW + 60)), &one).unwrap();
    assert_eq!(
        proof.until().seconds(),
        NOW + 180,
        "a minute in the future, and past it"
    );
}

#[test]
fn a_sender_must_hold_everything_that_a_token_is_bound_to() {
    let (own, other) = (key(), key());
    let proof = |key: &SigningKey| checked(&header(key), &claims(), key).ok();
    let certificate = |text: &str| Some(sha256(text.as_bytes()).into());
    let bound = |key: Option<&SigningKey>, shown: Option<&str>| Confirmation {
        jkt: key.map(|key| key.kid().parse().unwrap()),
        certificate: shown.and_then(certificate),
    };
    let sender = |key: Option<&SigningKey>, shown: Option<&str>| Sender {
        proof: key.and_then(proof),
        certificate: shown.and_then(certificate),
    };
    let keyed = bound(Some(&own), None);
    let both = bound(Some(&own), Some("a"));
    let shown = bound(None, Some("a"));
    for (bound, who, expected) in [
        (None, sender(None, None), Ok(())),
        (None, sender(None, Some("a")), Ok(())),
        (None, sender(Some(&own), None), Err(NotTheSender::Unbound)),
        (Some(&keyed), sender(Some(&own), None), Ok(())),
        (Some(&keyed), sender(None, None), Err(NotTheSender::NoProof)),
        (
            Some(&keyed),
            sender(None, Some("a")),
            Err(NotTheSender::NoProof),
        ),
        (
            Some(&keyed),
            sender(Some(&other), None),
            Err(NotTheSender::OtherKey),
        ),
        (Some(&shown), sender(None, Some("a")), Ok(())),
        (
            Some(&shown),
            sender(None, Some("b")),
            Err(NotTheSender::Certificate),
        ),
        (
            Some(&shown),
            sender(None, None),
            Err(NotTheSender::Certificate),
        ),
        (
            Some(&shown),
            sender(Some(&own), Some("a")),
            Err(NotTheSender::Unbound),
        ),
        (Some(&both), sender(Some(&own), Some("a")), Ok(())),
        (
            Some(&both),
            sender(Some(&own), None),
            Err(NotTheSender::Certificate),
        ),
        (
            Some(&both),
            sender(None, Some("a")),
            Err(NotTheSender::NoProof),
        ),
    ] {
        assert_eq!(who.presents(bound), expected, "{bound:?} {who:?}");
    }
    // What is exchanged may be made of a token that is bound to nothing.
    assert_eq!(sender(Some(&own), None).holds(None), Ok(()));
    assert_eq!(
        b64(sha256(b"a")),
        certificate("a").map(String::from).unwrap()
    );
}
