//! What is used or fixed once.

use countersign_store::{
    WriteMode, codes,
    idempotency::{self, KeyedRequest, Repeated},
    installation,
    replay::{self, Use},
    signing_keys::{self, SigningKey},
};

use crate::support::{at, id, on_each, read, write};

#[test]
fn an_assertion_is_used_once_for_each_purpose() {
    on_each(|store| {
        let (tenant_id, issuer_id) = (id(), id());
        let consume = |purpose: &'static str, until: i64| {
            store.write(WriteMode::Append, move |tx| {
                replay::consume(
                    tx,
                    &Use {
                        tenant_id,
                        issuer_id,
                        key: b"jti",
                        purpose,
                        until_at: at(until),
                    },
                )
            })
        };
        let attempts: Vec<_> = (0..20).map(|_| consume("base", 10)).collect();
        let won = attempts
            .into_iter()
            .map(|one| one.wait().unwrap())
            .filter(|won| *won)
            .count();
        assert_eq!(won, 1);
        assert!(consume("approval", 20).wait().unwrap());
        assert_eq!(write(store, |tx| replay::prune(tx, at(15), 10)), 1);
        let is_consumed = |purpose: &'static str| {
            read(store, move |tx| {
                replay::is_consumed(
                    tx,
                    &Use {
                        tenant_id,
                        issuer_id,
                        key: b"jti",
                        purpose,
                        until_at: at(0),
                    },
                )
            })
        };
        assert!(is_consumed("approval"));
        assert!(!is_consumed("base"));
    });
}

#[test]
fn a_code_is_used_once() {
    on_each(|store| {
        assert!(write(store, |tx| codes::consume(tx, b"code", at(1))));
        assert!(!write(store, |tx| codes::consume(tx, b"code", at(2))));
        assert_eq!(write(store, |tx| codes::prune(tx, at(1), 10)), 0);
        assert_eq!(write(store, |tx| codes::prune(tx, at(2), 10)), 1);
    });
}

#[test]
fn a_repeated_request_is_recognised() {
    on_each(|store| {
        let (tenant_id, user_id) = (id(), id());
        let begin = |digest: &'static [u8], response_ref: Option<&'static str>| {
            write(store, move |tx| {
                let request = KeyedRequest {
                    tenant_id,
                    user_id,
                    key: "key",
                    request_digest: digest,
                    response_ref,
                    expires_at: at(10),
                };
                idempotency::begin(tx, &request)
            })
        };
        assert_eq!(begin(b"one", Some("made-1")), Repeated::First);
        assert_eq!(
            begin(b"one", Some("made-2")),
            Repeated::Same(Some("made-1".to_owned()))
        );
        assert_eq!(begin(b"two", None), Repeated::Mismatch);
        assert_eq!(write(store, |tx| idempotency::prune(tx, at(11), 10)), 1);
        assert_eq!(begin(b"two", None), Repeated::First);
    });
}

#[test]
fn a_fact_of_the_installation_is_fixed_once() {
    on_each(|store| {
        assert_eq!(
            write(store, |tx| installation::fix(tx, "issuer", "https://a")),
            "https://a"
        );
        assert_eq!(
            write(store, |tx| installation::fix(tx, "issuer", "https://b")),
            "https://a"
        );
        write(store, |tx| installation::replace(tx, "issuer", "https://c"));
        assert_eq!(
            read(store, |tx| installation::read(tx, "issuer")),
            Some("https://c".to_owned())
        );
    });
}

#[test]
fn keys_live_and_retire() {
    on_each(|store| {
        let tenant_id = id();
        let key = |kid: &str, tenant_id| SigningKey {
            kid: kid.to_owned(),
            tenant_id,
            purpose: "access".to_owned(),
            alg: "ES256".to_owned(),
            wrapped: vec![0, 1, 255],
            public: "{}".to_owned(),
            state: "active".to_owned(),
            created_at: at(1),
            activates_at: at(2),
            retires_at: None,
        };
        let (one, other) = (key("k1", tenant_id), key("k2", id()));
        for key in [one.clone(), other.clone()] {
            write(store, move |tx| signing_keys::insert(tx, &key));
        }
        assert_eq!(
            read(store, move |tx| signing_keys::of_tenant(tx, tenant_id)),
            std::slice::from_ref(&one)
        );
        assert_eq!(read(store, signing_keys::all).len(), 2);
        assert!(write(store, |tx| signing_keys::set_state(
            tx,
            "k1",
            "active",
            "retiring",
            Some(at(9))
        )));
        assert!(!write(store, |tx| signing_keys::set_state(
            tx,
            "k1",
            "active",
            "retiring",
            Some(at(9))
        )));
        let retiring = SigningKey {
            state: "retiring".to_owned(),
            retires_at: Some(at(9)),
            ..one
        };
        assert_eq!(
            read(store, move |tx| signing_keys::of_tenant(tx, tenant_id)),
            [retiring]
        );
        assert!(write(store, |tx| signing_keys::remove(tx, "k2")));
        assert!(!write(store, |tx| signing_keys::remove(tx, "k2")));
        assert!(!format!("{other:?}").contains("255"));
    });
}
