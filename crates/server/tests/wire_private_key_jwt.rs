//! `private_key_jwt` to the letter of rfc7523bis: audience, type, times, and one use (T7, T8).

use countersign_crypto::{SigningAlg, SigningKey};
use countersign_model::time::Seconds;
use countersign_testkit::{
    Caller, TestServer, assertion, client_claims, new_jti, on_each_database, on_postgres,
};
use serde_json::{Value, json};

use crate::world::{AUDIENCE, project};

/// A program that proves itself with its own key.
struct Keyed {
    owner: Caller,
    key: SigningKey,
    client_id: String,
    identity: Value,
}

async fn keyed(server: &TestServer) -> Keyed {
    let (owner, _) = project(server).await;
    let fields = json!({ "audiences": [AUDIENCE], "allowed_actions": ["case.read"] });
    let identity = owner
        .identity("service_account", "reporter", "release", fields)
        .await;
    let key = SigningKey::generate(SigningAlg::Es256).unwrap();
    owner
        .public_key(identity["id"].as_str().unwrap(), &key)
        .await;
    let client_id = identity["client_id"].as_str().unwrap().to_owned();
    Keyed {
        owner,
        key,
        client_id,
        identity,
    }
}

impl Keyed {
    fn claims(&self, server: &TestServer) -> Value {
        client_claims(&self.client_id, server.issuer(), server.clock().now())
    }

    async fn token(&self, claims: &Value) -> countersign_testkit::Answer {
        self.token_of("client-authentication+jwt", claims).await
    }

    async fn token_of(&self, typ: &str, claims: &Value) -> countersign_testkit::Answer {
        self.owner
            .assertion_token(&assertion(&self.key, typ, claims), &[])
            .await
    }
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_proves_itself_with_its_own_key_once() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let client = keyed(&server).await;
        let claims = client.claims(&server);
        client.token(&claims).await.access_token();
        client
            .token(&claims)
            .await
            .refused(400, "replayed")
            .as_object()
            .unwrap();
        client.token(&client.claims(&server)).await.access_token();
        // `client_id` beside it must be the same client.
        let named = assertion(&client.key, "JWT", &client.claims(&server));
        client
            .owner
            .assertion_token(&named, &[("client_id", &client.client_id)])
            .await
            .access_token();
        let other = assertion(&client.key, "JWT", &client.claims(&server));
        client
            .owner
            .assertion_token(&other, &[("client_id", "deploy-target")])
            .await
            .refused(401, "invalid_client");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t08_the_issuer_is_the_only_audience_of_an_assertion() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let client = keyed(&server).await;
        let issuer = server.issuer();
        for good in [json!(issuer), json!([issuer])] {
            client
                .token(&with(client.claims(&server), "aud", good))
                .await
                .access_token();
        }
        for bad in [
            json!(format!("{issuer}/oauth2/token")),
            json!([issuer, "https://other.example.com"]),
            json!([issuer, issuer]),
            json!(format!("{issuer}/")),
            json!(issuer.to_uppercase()),
            json!(issuer.replace("http://", "https://")),
            json!("https://other.example.com"),
            json!(issuer.replace("127.0.0.1", "127.0.0.1.nip.io")),
            json!(""),
            json!([]),
            json!([[issuer]]),
            json!({ "aud": issuer }),
            json!(null),
            json!(1),
        ] {
            let answer = client
                .token(&with(client.claims(&server), "aud", bad.clone()))
                .await;
            assert_eq!(
                (answer.status, answer.json()["error"].as_str()),
                (401, Some("invalid_client")),
                "{bad}"
            );
        }
        let mut without = client.claims(&server);
        without.as_object_mut().unwrap().remove("aud");
        client.token(&without).await.refused(401, "invalid_client");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn types_names_times_and_ids_are_checked() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let client = keyed(&server).await;
        let now = server.clock().now().seconds();
        for typ in [
            "JWT",
            "jwt",
            "client-authentication+jwt",
            "application/client-authentication+jwt",
        ] {
            client
                .token_of(typ, &client.claims(&server))
                .await
                .access_token();
        }
        for typ in [
            "at+jwt",
            "dpop+jwt",
            "secevent+jwt",
            "authorization-grant+jwt",
            "token-introspection+jwt",
            "logout+jwt",
            "x",
        ] {
            client
                .token_of(typ, &client.claims(&server))
                .await
                .refused(401, "invalid_client");
        }
        for (name, value) in [
            ("iss", json!("somebody-else")),
            ("sub", json!("somebody-else")),
            ("exp", json!(now - 61)),
            ("exp", json!(now + 301)),
            ("exp", json!(now + 100_000)),
            ("exp", json!("soon")),
            ("exp", json!(1e300)),
            ("exp", json!(-1)),
            ("iat", json!(now + 61)),
            ("nbf", json!(now + 61)),
            ("jti", json!("")),
            ("jti", json!(7)),
            ("jti", json!(null)),
        ] {
            let answer = client
                .token(&with(client.claims(&server), name, value.clone()))
                .await;
            assert!(
                matches!(answer.status, 400 | 401),
                "{name}={value}: {} {}",
                answer.status,
                answer.text()
            );
            assert!(
                matches!(
                    answer.json()["error"].as_str(),
                    Some("invalid_client" | "invalid_grant" | "invalid_request")
                ),
                "{}",
                answer.text()
            );
        }
        for name in ["exp", "jti", "sub", "iss"] {
            let mut claims = client.claims(&server);
            claims.as_object_mut().unwrap().remove(name);
            assert_ne!(client.token(&claims).await.status, 200, "without {name}");
        }
        // The clocks may differ by a minute and no more.
        let late = with(
            with(client.claims(&server), "iat", json!(now - 200)),
            "exp",
            json!(now - 59),
        );
        client.token(&late).await.access_token();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_a_revoked_key_and_an_expired_key_prove_nothing() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let client = keyed(&server).await;
        let other = SigningKey::generate(SigningAlg::Es256).unwrap();
        let forged = assertion(&other, "JWT", &client.claims(&server));
        client
            .owner
            .assertion_token(&forged, &[])
            .await
            .refused(401, "invalid_client");
        let id = client.identity["id"].as_str().unwrap();
        let second = client.owner.public_key(id, &other).await;
        let two = assertion(&other, "JWT", &client.claims(&server));
        client.owner.assertion_token(&two, &[]).await.access_token();
        let path = format!("/api/credentials/{}/revoke", second["id"].as_str().unwrap());
        client
            .owner
            .post(&path, &json!({ "reason": "lost" }))
            .await
            .done();
        let three = assertion(&other, "JWT", &client.claims(&server));
        client
            .owner
            .assertion_token(&three, &[])
            .await
            .refused(401, "invalid_client");
        client.token(&client.claims(&server)).await.access_token();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_used_assertion_stays_used_past_leeway_and_restart() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let client = keyed(&server).await;
        let claims = client.claims(&server);
        client.token(&claims).await.access_token();
        let server = server.restart().await;
        let again = server
            .anyone()
            .assertion_token(&assertion(&client.key, "JWT", &claims), &[])
            .await;
        assert_ne!(again.status, 200, "{}", again.text());
        // 120 s of life and 59 of leeway: still within what a slow clock accepts.
        server.clock().advance(Seconds(179));
        let again = server
            .anyone()
            .assertion_token(&assertion(&client.key, "JWT", &claims), &[])
            .await;
        assert_ne!(again.status, 200, "{}", again.text());
        server.stop().await;
    })
    .await;
}

/// Posts the same assertion fifty times at once, in turn to each of the servers.
async fn fifty_at_once(servers: &[&TestServer], client: &Keyed) {
    let mut claims = client.claims(servers[0]);
    claims["jti"] = json!(new_jti());
    let token = assertion(&client.key, "JWT", &claims);
    let posts = (0..50).map(|n| {
        let (caller, token) = (servers[n % servers.len()].anyone(), token.clone());
        tokio::spawn(async move { caller.assertion_token(&token, &[]).await })
    });
    let mut statuses = Vec::new();
    for post in posts.collect::<Vec<_>>() {
        let answer = post.await.unwrap();
        assert!(
            matches!(answer.status, 200 | 400 | 401),
            "{} {}",
            answer.status,
            answer.text()
        );
        statuses.push(answer.status);
    }
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t07_of_fifty_parallel_posts_of_one_assertion_exactly_one_succeeds() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let client = keyed(&server).await;
        fifty_at_once(&[&server], &client).await;
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t07_of_fifty_parallel_posts_to_two_replicas_exactly_one_succeeds() {
    on_postgres(async |database| {
        let first = TestServer::start(&database).await;
        let client = keyed(&first).await;
        let second = first.replica().await;
        fifty_at_once(&[&first, &second], &client).await;
        second.stop().await;
        first.stop().await;
    })
    .await;
}
