//! Key sets from outside, and the algorithms that a key is bound to.

mod common;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PSS_SHA256, RsaKeyPair,
    },
};
use common::{b64, key, set};
use countersign_crypto::{
    SigningAlg, SigningKey,
    jose::{Alg, InvalidKeySet, KeyPurpose, KeySet, MAX_KEY_SET_BYTES},
};
use serde_json::{Value, json};

fn parse(keys: &Value) -> Result<KeySet, InvalidKeySet> {
    KeySet::parse(
        json!({"keys": keys}).to_string().as_bytes(),
        KeyPurpose::Foreign,
    )
}

fn ec_jwk() -> Value {
    serde_json::to_value(key().public_jwk()).unwrap()
}

#[test]
fn es384_and_ps256_verify() {
    let rng = SystemRandom::new();
    let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let point = pair.public_key().as_ref();
    let p384 = json!({"kty": "EC", "crv": "P-384", "kid": "a", "x": b64(&point[1..49]), "y": b64(&point[49..])});
    let pair_rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = pair_rsa.public_key();
    // One leading zero byte, as some issuers send it.
    let n = b64([&[0], public.modulus().big_endian_without_leading_zero()].concat());
    let rsa = json!({"kty": "RSA", "kid": "b", "n": n, "e": "AQAB"});
    let keys = parse(&json!([p384, rsa])).unwrap();

    let signature = pair.sign(&rng, b"m").unwrap();
    assert!(
        keys.find(Some("a"), Alg::Es384)
            .unwrap()
            .verify(Alg::Es384, b"m", signature.as_ref())
    );
    assert!(keys.find(Some("a"), Alg::Es256).is_none());
    let mut signature = vec![0; 256];
    pair_rsa
        .sign(&RSA_PSS_SHA256, &rng, b"m", &mut signature)
        .unwrap();
    let key = keys.find(Some("b"), Alg::Ps256).unwrap();
    assert!(key.verify(Alg::Ps256, b"m", &signature));
    assert!(!key.verify(Alg::Rs256, b"m", &signature));
}

#[test]
fn a_key_is_bound_to_the_algorithm_it_names() {
    let rsa = SigningKey::generate(SigningAlg::Rs256).unwrap();
    let keys = set(&rsa, KeyPurpose::Foreign);
    assert!(keys.find(Some(rsa.kid()), Alg::Rs256).is_some());
    assert!(keys.find(Some(rsa.kid()), Alg::Ps256).is_none());
    let mut jwk = ec_jwk();
    jwk["alg"] = json!("RS256");
    assert_eq!(parse(&json!([jwk])).unwrap().keys().len(), 0);
}

#[test]
fn keys_of_no_use_are_ignored_with_a_reason() {
    let good = ec_jwk();
    let change = |name: &str, value: Value| {
        let mut jwk = good.clone();
        jwk[name] = value;
        jwk
    };
    let small = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let n = small
        .public_key()
        .modulus()
        .big_endian_without_leading_zero()
        .to_vec();
    let rsa = |n: &[u8], e: &str| json!({"kty": "RSA", "kid": "r", "n": b64(n), "e": e});
    let huge = [n.repeat(8), vec![1]].concat();
    let bad = [
        change("kty", json!("XYZ")),
        change("crv", json!("P-521")),
        change("crv", json!("secp256k1")),
        change("use", json!("enc")),
        change("alg", json!("HS256")),
        change("alg", json!("none")),
        change("key_ops", json!(["encrypt"])),
        change("x", json!("AAAA")),
        change("x", json!(b64([1; 32]))),
        change("y", json!("not base64!")),
        rsa(&n[..128], "AQAB"),
        rsa(&huge, "AQAB"),
        rsa(&n, "AQ"),
        rsa(&n, "Ag"),
        rsa(&n, "AQAAAAAAAAAAAQ"),
        json!({"kty": "OKP", "crv": "X25519", "x": b64([9; 32])}),
        json!({}),
    ];
    for jwk in bad {
        let keys = parse(&json!([jwk, good])).unwrap();
        assert_eq!((keys.keys().len(), keys.ignored().len()), (1, 1), "{jwk}");
    }
}

#[test]
fn a_key_set_with_a_private_member_is_refused_by_name() {
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        let mut jwk = ec_jwk();
        jwk["kid"] = json!("leaky");
        jwk[member] = json!("AAAA");
        let refused = parse(&json!([ec_jwk(), jwk])).unwrap_err().to_string();
        assert!(
            refused.contains("leaky") && refused.contains(member),
            "{refused}"
        );
    }
    assert!(parse(&json!([{"kty": "oct", "k": "AAAA"}])).is_err());
}

#[test]
fn every_limit_of_a_key_set_holds() {
    let keys: Vec<_> = (0..65)
        .map(|kid| json!({"kty": "XYZ", "kid": kid.to_string()}))
        .collect();
    assert!(parse(&json!(keys[..64])).is_ok());
    assert!(matches!(parse(&json!(keys)), Err(InvalidKeySet::TooMany)));
    let long = format!(
        "{{\"keys\":[],\"x\":\"{}\"}}",
        "x".repeat(MAX_KEY_SET_BYTES)
    );
    assert!(KeySet::parse(long.as_bytes(), KeyPurpose::Foreign).is_err());
    for json in [
        "[]",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":[1]}",
        "{\"keys\":[],\"keys\":[]}",
    ] {
        assert!(
            KeySet::parse(json.as_bytes(), KeyPurpose::Foreign).is_err(),
            "{json}"
        );
    }
}

#[test]
fn an_ambiguous_key_is_not_guessed() {
    let (one, two) = (ec_jwk(), ec_jwk());
    let keys = parse(&json!([one, two])).unwrap();
    assert!(keys.find(one["kid"].as_str(), Alg::Es256).is_some());
    assert!(keys.find(None, Alg::Es256).is_none());
    assert!(keys.find(Some("' OR 1=1 --"), Alg::Es256).is_none());
    assert!(keys.find(Some("../../etc/passwd"), Alg::Es256).is_none());
    assert!(
        parse(&json!([one]))
            .unwrap()
            .find(None, Alg::Es256)
            .is_some()
    );
    let mut twin = two.clone();
    twin["kid"] = one["kid"].clone();
    assert!(
        parse(&json!([one, twin]))
            .unwrap()
            .find(one["kid"].as_str(), Alg::Es256)
            .is_none()
    );
}

#[test]
fn the_published_set_has_neither_private_members_nor_long_lived_keys() {
    let (access, long) = (key(), key());
    let mut keys = set(&access, KeyPurpose::Access);
    keys.push(long.verifying_key(KeyPurpose::LongLived).unwrap());
    let json = serde_json::to_value(keys.to_jwks()).unwrap();
    let published = json["keys"].as_array().unwrap();
    assert_eq!(published.len(), 1);
    let mut members: Vec<_> = published[0].as_object().unwrap().keys().cloned().collect();
    members.sort();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    let bytes = json.to_string();
    let read = KeySet::parse(bytes.as_bytes(), KeyPurpose::Access).unwrap();
    assert_eq!(read.keys()[0].kid(), access.kid());
}
