//! Attacks on tokens: forged headers, tokens of the wrong type, revocations undone.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_crypto::{SigningAlg, SigningKey, digest::hmac_sha256};
use countersign_server::http::{router::inventory, routes::routes};
use countersign_testkit::{
    TestServer, assertion, claims, client_claims, on_each_database, token_header,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    story::{base_token, with_approver},
    world::{AUDIENCE, service},
};

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// The token with another header, and a signature of whoever forges it.
fn forged(
    token: &str,
    edit: impl FnOnce(&mut Value),
    sign: impl FnOnce(&str) -> Vec<u8>,
) -> String {
    let mut header = token_header(token);
    edit(&mut header);
    let signed = format!("{}.{}", encode(&header), token.split('.').nth(1).unwrap());
    let signature = URL_SAFE_NO_PAD.encode(sign(&signed));
    format!("{signed}.{signature}")
}

/// Everything that attack T5 lists, made from a good token.
fn tricks(token: &str, key_set: &Value) -> Vec<(&'static str, String)> {
    let parts: Vec<&str> = token.split('.').collect();
    let (head, body, signature) = (parts[0], parts[1], parts[2]);
    let own = SigningKey::generate(SigningAlg::Es256).unwrap();
    let own_jwk = serde_json::to_value(own.public_jwk()).unwrap();
    let sign_own = |text: &str| own.sign(text.as_bytes()).unwrap();
    let kept = |_: &str| URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut found = vec![
        (
            "none",
            forged(
                token,
                |header| header["alg"] = json!("none"),
                |_| Vec::new(),
            ),
        ),
        (
            "NONE",
            forged(
                token,
                |header| header["alg"] = json!("NONE"),
                |_| Vec::new(),
            ),
        ),
        (
            "no alg",
            forged(
                token,
                |header| drop(header.as_object_mut().unwrap().remove("alg")),
                kept,
            ),
        ),
        ("no signature", format!("{head}.{body}.")),
        ("zero signature", forged(token, |_| {}, |_| vec![0; 64])),
        (
            "signature of ones",
            forged(token, |_| {}, |_| vec![0xff; 64]),
        ),
        ("another key", forged(token, |_| {}, sign_own)),
        (
            "jwk inside",
            forged(token, |header| header["jwk"] = own_jwk.clone(), sign_own),
        ),
        (
            "jku",
            forged(
                token,
                |header| header["jku"] = json!("http://127.0.0.1:9/keys"),
                sign_own,
            ),
        ),
        (
            "x5u",
            forged(
                token,
                |header| header["x5u"] = json!("http://127.0.0.1:9/cert"),
                sign_own,
            ),
        ),
        (
            "kid path",
            forged(
                token,
                |header| header["kid"] = json!("../../../../dev/null"),
                sign_own,
            ),
        ),
        (
            "kid SQL",
            forged(
                token,
                |header| header["kid"] = json!("' OR '1'='1"),
                sign_own,
            ),
        ),
        (
            "crit",
            forged(token, |header| header["crit"] = json!(["exp"]), kept),
        ),
        (
            "b64",
            forged(token, |header| header["b64"] = json!(false), kept),
        ),
        (
            "zip",
            forged(token, |header| header["zip"] = json!("DEF"), kept),
        ),
        (
            "typ JWT",
            forged(token, |header| header["typ"] = json!("JWT"), kept),
        ),
        (
            "no typ",
            forged(
                token,
                |header| drop(header.as_object_mut().unwrap().remove("typ")),
                kept,
            ),
        ),
        (
            "five parts",
            format!("{head}.{body}.{signature}.{body}.{signature}"),
        ),
        ("two parts", format!("{head}.{body}")),
        ("padding", format!("{head}=.{body}.{signature}")),
        ("white space", format!("{head}.{body}.{signature}%20")),
        (
            "raw JSON",
            URL_SAFE_NO_PAD
                .decode(body)
                .map(|json| URL_SAFE_NO_PAD.encode(json))
                .unwrap(),
        ),
    ];
    for key in key_set["keys"].as_array().unwrap() {
        let secret = key.to_string();
        let hs256 = forged(
            token,
            |header| {
                header["alg"] = json!("HS256");
                header["kid"] = key["kid"].clone();
            },
            |text| hmac_sha256(secret.as_bytes(), text.as_bytes()).to_vec(),
        );
        found.push(("HS256 keyed by the public key", hs256));
    }
    let twice = |json: &[u8], extra: &str| {
        URL_SAFE_NO_PAD.encode(format!("{{{extra},{}", &String::from_utf8_lossy(json)[1..]))
    };
    let claims = URL_SAFE_NO_PAD.decode(body).unwrap();
    found.push((
        "claims twice",
        format!("{head}.{}.{signature}", twice(&claims, r#""aud":"x""#)),
    ));
    let header = URL_SAFE_NO_PAD.decode(head).unwrap();
    found.push((
        "header twice",
        format!("{}.{body}.{signature}", twice(&header, r#""alg":"none""#)),
    ));
    for exp in [
        "\"9999999999\"",
        "1e400",
        "-1",
        "null",
        "9999999999999999999999",
    ] {
        let text = String::from_utf8_lossy(&claims).into_owned();
        let old = format!(
            "\"exp\":{}",
            serde_json::from_slice::<Value>(&claims).unwrap()["exp"]
        );
        let changed = URL_SAFE_NO_PAD.encode(text.replace(&old, &format!("\"exp\":{exp}")));
        found.push(("exp", format!("{head}.{changed}.{signature}")));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t05_no_trick_with_header_or_form_makes_a_token_good() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let keys = server.anyone().get("/.well-known/jwks.json").await.done();
        for (what, trick) in tricks(service.owner.token(), &keys) {
            let answer = server
                .anyone()
                .with_token(trick)
                .get("/api/sessions/current")
                .await;
            assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        }
        let token = service.token().await;
        assert!(service.owner.is_active(&service.target, &token).await);
        for (what, trick) in tricks(&token, &keys) {
            let answer = service.owner.introspect(&service.target, &trick).await;
            assert_eq!(answer.done(), json!({ "active": false }), "{what}");
        }
        server.stop().await;
    })
    .await;
}

/// One of every kind of text that proves something somewhere.
async fn everything_that_proves(server: &TestServer) -> Vec<(&'static str, String)> {
    let (pipeline, _) = with_approver(server).await;
    let base = base_token(server, &pipeline).await;
    let fields = json!({ "audiences": [AUDIENCE], "allowed_actions": ["case.read"] });
    let identity = pipeline
        .owner
        .identity("service_account", "reporter", "release", fields)
        .await;
    let id = identity["id"].as_str().unwrap();
    let secret = pipeline.owner.secret(id).await;
    let key = SigningKey::generate(SigningAlg::Es256).unwrap();
    pipeline.owner.public_key(id, &key).await;
    let token = pipeline
        .owner
        .client_token(&secret, &[])
        .await
        .access_token();
    let own = assertion(
        &key,
        "client-authentication+jwt",
        &client_claims(&secret.client_id, server.issuer(), server.clock().now()),
    );
    let forged_user = assertion(&key, "at+jwt", &claims(pipeline.owner.token()));
    vec![
        ("a run's token of an audience", base.token().to_owned()),
        ("an identity's token of an audience", token),
        ("a client assertion", own),
        ("a CI token", pipeline.run(server, |claims| claims)),
        ("an enrolment code", server.code("mia@example.com", None)),
        ("a client secret", secret.client_secret),
        ("a user's claims under another key", forged_user),
    ]
}

/// The routes that nobody need prove anything for.
const PUBLIC: [&str; 19] = [
    "/healthz",
    "/readyz",
    "/metrics",
    "/.well-known/",
    "/oauth2/",
    "/log/",
    "/api/log/key",
    "/api/openapi.json",
    "/api/manifests/schema",
    "/console",
    "/device",
    "/login",
    "/logout",
    "/passkeys",
    "/assets/",
    "/docs",
    "/scim/v2/ServiceProviderConfig",
    "/scim/v2/ResourceTypes",
    "/scim/v2/Schemas",
];

fn is_public(method: &Method, path: &str) -> bool {
    path == "/"
        || PUBLIC.iter().any(|public| path.starts_with(public))
        || (path == "/api/sessions" && *method == Method::POST)
}

/// These routes also take an identity's token of any audience.
fn takes_any_audience(method: &Method, path: &str) -> bool {
    path.starts_with("/access/v1/evaluation")
        || (path == "/api/approvals" && *method == Method::POST)
        || (path == "/api/approvals/{id}" && *method == Method::GET)
}

fn filled(path: &str) -> String {
    path.split('/')
        .map(|part| {
            if part.starts_with('{') {
                "0198c0de-0000-7000-8000-000000000000"
            } else {
                part
            }
        })
        .collect::<Vec<_>>()
        .join("/")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t06_every_token_type_at_every_route_only_what_belongs_there() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let proofs = everything_that_proves(&server).await;
        let mut refused = 0;
        for (method, path) in inventory(&routes()) {
            if is_public(&method, path) {
                continue;
            }
            let body = (method != Method::GET && method != Method::DELETE).then(|| json!({}));
            let anonymous = server
                .anyone()
                .send(method.clone(), &filled(path), body.as_ref(), &[])
                .await;
            assert_eq!(
                anonymous.status,
                401,
                "nothing at {method} {path}: {}",
                anonymous.text()
            );
            for (what, proof) in &proofs {
                let caller = server.anyone().with_token(proof);
                let answer = caller
                    .send(method.clone(), &filled(path), body.as_ref(), &[])
                    .await;
                let own = what.contains("of an audience") && takes_any_audience(&method, path);
                if own {
                    assert_ne!(
                        answer.status,
                        401,
                        "{what} at {method} {path}: {}",
                        answer.text()
                    );
                } else {
                    assert_eq!(
                        answer.status,
                        401,
                        "{what} at {method} {path}: {}",
                        answer.text()
                    );
                    refused += 1;
                }
            }
        }
        assert!(refused > 300, "{refused}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t06_what_proves_something_elsewhere_proves_nothing_at_the_token_endpoint() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let proofs = everything_that_proves(&server).await;
        let owner = server.owner().await;
        let grants = [
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ];
        let mut all = proofs.clone();
        all.push(("a user's token", owner.token().to_owned()));
        for (what, proof) in &all {
            for client in ["reporter", "release-promoter-prod"] {
                if *what == "a CI token" && client == "release-promoter-prod"
                    || *what == "a client secret"
                    || *what == "a client assertion"
                {
                    continue;
                }
                let named = ("client_id", client);
                let jwt = ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt");
                let forms: [Vec<(&str, &str)>; 4] = [
                    vec![("grant_type", grants[0]), ("assertion", proof), named],
                    vec![
                        ("grant_type", grants[1]),
                        ("subject_token", proof),
                        jwt,
                        named,
                    ],
                    vec![
                        ("grant_type", "client_credentials"),
                        (
                            "client_assertion_type",
                            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                        ),
                        ("client_assertion", proof),
                        named,
                    ],
                    vec![
                        ("grant_type", "client_credentials"),
                        ("client_secret", proof),
                        named,
                    ],
                ];
                for form in &forms {
                    let answer = server.anyone().form("/oauth2/token", form, &[]).await;
                    assert!(
                        matches!(answer.status, 400 | 401),
                        "{what} as {}: {} {}",
                        form[1].0,
                        answer.status,
                        answer.text()
                    );
                }
            }
            if *what != "an enrolment code" {
                let answer = server
                    .anyone()
                    .post("/api/sessions", &json!({ "code": proof }))
                    .await;
                assert_eq!(answer.status, 401, "{what} as a code: {}", answer.text());
            }
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t24_every_malformed_authorization_is_a_4xx_at_every_route() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let long = format!("Bearer {}", "a".repeat(20_000));
        let deep = format!(
            "Bearer {}.e30.e30",
            URL_SAFE_NO_PAD.encode("[".repeat(2_000))
        );
        let bomb = format!(
            "Bearer {}.e30.e30",
            URL_SAFE_NO_PAD.encode(format!("{{{}\"a\":1}}", "\"b\":1,".repeat(300)))
        );
        let values = [
            "",
            " ",
            "Bearer",
            "Bearer ",
            "Bearer  ",
            "Bearer a b",
            "Bearer \u{e4}",
            "Bearer =",
            "Bearer a,b",
            "bearer\tx",
            "Basic",
            "Basic !!!",
            "Basic YQ==",
            "Basic Og==",
            "DPoP abc",
            "Digest a=b",
            "Negotiate x",
            "Bearer ..",
            "Bearer ...",
            "Bearer a.b.c",
            "Bearer eyJhbGciOiJub25lIn0.e30.",
            "Bearer null",
            "Bearer {}",
            &long,
            &deep,
            &bomb,
        ];
        for (method, path) in inventory(&routes()) {
            if is_public(&method, path) && !path.starts_with("/oauth2/") {
                continue;
            }
            let body = (method != Method::GET && method != Method::DELETE).then(|| json!({}));
            for value in values {
                let answer = server
                    .anyone()
                    .send(
                        method.clone(),
                        &filled(path),
                        body.as_ref(),
                        &[("authorization", value)],
                    )
                    .await;
                assert!(
                    (400..500).contains(&answer.status),
                    "{value:.40} at {method} {path}: {} {}",
                    answer.status,
                    answer.text()
                );
            }
        }
        server.stop().await;
    })
    .await;
}
