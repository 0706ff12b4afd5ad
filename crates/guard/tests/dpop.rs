//! Tokens that are bound to a key or a certificate, at a resource server.

mod support;

use std::{
    convert::Infallible,
    sync::atomic::{AtomicU64, Ordering},
};

use countersign_crypto::{SigningAlg, SigningKey, digest::sha256, dpop};
use countersign_guard::{Clock, Guard, PeerCertificate, Presented, Request};
use http::{Response, StatusCode};
use serde_json::{Value, json};
use support::Issuer;
use tower::{Layer, ServiceExt, service_fn};

const URL: &str = "https://api.example/cases/42";

struct Holder {
    issuer: Issuer,
    guard: Guard,
    key: SigningKey,
}

impl Holder {
    async fn new() -> Self {
        let issuer = Issuer::start().await;
        let guard = issuer.builder().public_url("https://api.example/");
        let guard = guard.build().await.unwrap();
        let key = SigningKey::generate(SigningAlg::Es256).unwrap();
        Self { issuer, guard, key }
    }

    fn token(&self, cnf: &Value) -> String {
        let now = self.issuer.state.clock.now().seconds();
        let mut claims = support::claims(&self.issuer.url, now, &["case.read"]);
        claims["cnf"] = cnf.clone();
        self.issuer.sign(&claims)
    }

    fn keyed(&self) -> String {
        self.token(&json!({ "jkt": self.key.kid() }))
    }

    fn proof(&self, key: &SigningKey, method: &str, url: &str, token: &str) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let jti = COUNT.fetch_add(1, Ordering::Relaxed).to_string();
        let now = self.issuer.state.clock.now();
        dpop::prove(key, method, url, Some(token), &jti, now).unwrap()
    }

    async fn answer(
        &self,
        presented: impl Into<Presented<'_>>,
    ) -> Result<(), (&'static str, String)> {
        let request = Request::parse("case.read").unwrap();
        let answer = self.guard.authorize(presented, request).await.map(drop);
        answer.map_err(|error| (error.code(), error.to_string()))
    }
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_key_passes_with_a_proof_of_that_key_alone() {
    let holder = Holder::new().await;
    let token = holder.keyed();
    let good = holder.proof(&holder.key, "GET", URL, &token);
    holder
        .answer(Presented::dpop(&token, &good, "GET", URL))
        .await
        .unwrap();

    let bare = holder.answer(&token).await.unwrap_err();
    assert_eq!(bare.0, "token_invalid");
    assert!(bare.1.contains("bound to a key"), "{}", bare.1);
    let stranger = SigningKey::generate(SigningAlg::Es256).unwrap();
    let other = holder.keyed();
    for (proof, method, url, code) in [
        (
            holder.proof(&stranger, "GET", URL, &token),
            "GET",
            URL,
            "token_invalid",
        ),
        (
            holder.proof(&holder.key, "GET", URL, &token),
            "POST",
            URL,
            "proof_invalid",
        ),
        (
            holder.proof(&holder.key, "GET", URL, &token),
            "GET",
            "https://api.example/cases/43",
            "proof_invalid",
        ),
        (
            holder.proof(&holder.key, "GET", URL, "another token"),
            "GET",
            URL,
            "proof_invalid",
        ),
        ("a.b.c".to_owned(), "GET", URL, "proof_invalid"),
    ] {
        let refused = holder
            .answer(Presented::dpop(&token, &proof, method, url))
            .await
            .unwrap_err();
        assert_eq!(refused.0, code, "{}", refused.1);
    }
    // A token that is bound to nothing comes without a proof.
    let unbound = holder.issuer.token(&["case.read"]);
    let proof = holder.proof(&holder.key, "GET", URL, &unbound);
    let refused = holder
        .answer(Presented::dpop(&unbound, &proof, "GET", URL))
        .await
        .unwrap_err();
    assert_eq!(refused.0, "token_invalid");
    holder.answer(&unbound).await.unwrap();
    holder
        .answer(Presented::dpop(
            &other,
            &holder.proof(&holder.key, "GET", URL, &other),
            "GET",
            URL,
        ))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_token_that_came_as_dpop_without_a_proof_is_told_so() {
    let holder = Holder::new().await;
    let layer = holder
        .guard
        .require("case.read".parse().unwrap())
        .without_status_reports();
    let service = layer.layer(service_fn(|_: http::Request<String>| async {
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    let request = http::Request::get("/cases/42")
        .header("authorization", format!("DPoP {}", holder.keyed()))
        .body(String::new())
        .unwrap();
    let answer = service.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.starts_with("DPoP error=\"invalid_dpop_proof\""),
        "{challenge}"
    );
    let body: Value = serde_json::from_str(answer.body()).unwrap();
    assert_eq!(body["reason_code"], "proof_invalid");
}

#[tokio::test]
async fn t24_the_proof_of_what_is_refused_is_not_kept() {
    let holder = Holder::new().await;
    let token = holder.keyed();
    let proof = holder.proof(&holder.key, "GET", URL, &token);
    let presented = || Presented::dpop(&token, &proof, "GET", URL);
    for _ in 0..2 {
        let request = Request::parse("case.delete").unwrap();
        let refused = holder.guard.authorize(presented(), request).await;
        assert_eq!(refused.unwrap_err().code(), "action_not_allowed");
    }
    holder.answer(presented()).await.unwrap();
    assert_eq!(
        holder.answer(presented()).await.unwrap_err().0,
        "proof_invalid"
    );
}

#[tokio::test]
async fn t07_a_proof_counts_once_and_not_after_a_minute() {
    let holder = Holder::new().await;
    let token = holder.keyed();
    let proof = holder.proof(&holder.key, "GET", URL, &token);
    holder
        .answer(Presented::dpop(&token, &proof, "GET", URL))
        .await
        .unwrap();
    let again = holder
        .answer(Presented::dpop(&token, &proof, "GET", URL))
        .await
        .unwrap_err();
    assert_eq!(again.0, "proof_invalid");
    assert!(again.1.contains("used before"), "{}", again.1);

    let kept = holder.proof(&holder.key, "GET", URL, &token);
    holder
        .issuer
        .state
        .clock
        .advance(std::time::Duration::from_secs(61));
    let late = holder
        .answer(Presented::dpop(&token, &kept, "GET", URL))
        .await
        .unwrap_err();
    assert!(
        late.0 == "proof_invalid" && late.1.contains("`iat`"),
        "{}",
        late.1
    );
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate_passes_over_its_connection_alone() {
    let holder = Holder::new().await;
    let digest: String = countersign_model::confirmation::Thumbprint::from(sha256(b"der")).into();
    let token = holder.token(&json!({ "x5t#S256": digest }));
    let own = PeerCertificate::of_der(b"der");
    holder
        .answer(Presented::bearer(&token).with_certificate(own))
        .await
        .unwrap();
    for presented in [
        Presented::bearer(&token),
        Presented::bearer(&token).with_certificate(PeerCertificate::of_der(b"other")),
    ] {
        let refused = holder.answer(presented).await.unwrap_err();
        assert_eq!(refused.0, "token_invalid");
        assert!(
            refused.1.contains("bound to a certificate"),
            "{}",
            refused.1
        );
    }
    for cnf in [
        json!({}),
        json!({ "kid": "a" }),
        json!("a"),
        json!({ "jkt": holder.key.kid(), "jwk": {} }),
        json!(null),
    ] {
        let token = holder.token(&cnf);
        let refused = holder
            .answer(Presented::bearer(&token).with_certificate(own))
            .await;
        assert_eq!(refused.unwrap_err().0, "token_invalid", "{cnf}");
    }
}

#[tokio::test]
async fn the_layer_reads_proof_and_certificate_from_the_request() {
    let holder = Holder::new().await;
    let echo =
        service_fn(async |_: http::Request<()>| Ok::<_, Infallible>(Response::new(String::new())));
    let service = holder
        .guard
        .require("case.read".parse().unwrap())
        .layer(echo);
    let token = holder.keyed();
    let request = |scheme: &str, proofs: &[&str]| {
        let mut request = http::Request::get("/cases/42?full=1")
            .header("authorization", format!("{scheme} {token}"));
        for proof in proofs {
            request = request.header("dpop", *proof);
        }
        request.body(()).unwrap()
    };
    let call = async |request| service.clone().oneshot(request).await.unwrap();
    let proof = || holder.proof(&holder.key, "GET", URL, &token);
    assert_eq!(
        call(request("DPoP", &[&proof()])).await.status(),
        StatusCode::OK
    );
    for (scheme, proofs) in [
        ("Bearer", vec![]),
        ("Bearer", vec![proof()]),
        ("DPoP", vec![]),
        ("DPoP", vec![proof(), proof()]),
        ("DPoP", vec!["a.b.c".to_owned()]),
    ] {
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        let response = call(request(scheme, &proofs)).await;
        assert_eq!(
            response.status(),
            StatusCode::UNAUTHORIZED,
            "{scheme} {}",
            proofs.len()
        );
    }
    let challenge = call(request("Bearer", &[])).await;
    let challenge = challenge.headers()["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.starts_with("DPoP error=\"invalid_token\""),
        "{challenge}"
    );

    let digest: String = countersign_model::confirmation::Thumbprint::from(sha256(b"der")).into();
    let token = holder.token(&json!({ "x5t#S256": digest }));
    let mut request = http::Request::get("/cases/42")
        .header("authorization", format!("Bearer {token}"))
        .body(())
        .unwrap();
    request
        .extensions_mut()
        .insert(PeerCertificate::of_der(b"der"));
    assert_eq!(call(request).await.status(), StatusCode::OK);
}
