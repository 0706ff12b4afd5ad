//! Tokens that are bound to a key (RFC 9449): whoever steals one, or a refresh token, or a proof, has nothing.

use countersign_crypto::{SigningAlg, SigningKey};
use countersign_model::{Timestamp, registry::TenantRole, time::Seconds};
use countersign_testkit::{
    Answer, Caller, ClientSecret, RunForm, TestServer, claims, eventually, on_each_database,
    on_postgres, proof,
};
use http::Method;
use serde_json::{Value, json};

use crate::{
    device_login::{GRANT, answer, begin},
    world::{pipeline, service},
};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const CLIENT: (&str, &str) = ("client_id", "countersign-cli");
const SESSION: &str = "/api/sessions/current";

fn key() -> SigningKey {
    SigningKey::generate(SigningAlg::Es256).unwrap()
}

/// A proof for the token endpoint of a server.
fn for_token(server: &TestServer, key: &SigningKey) -> String {
    let url = format!("{}/oauth2/token", server.issuer());
    proof(key, "POST", &url, None, server.clock().now())
}

/// Asks for a token of a client, with these proofs.
async fn ask(server: &TestServer, client: &ClientSecret, proofs: &[&str]) -> Answer {
    let basic = client.basic();
    let mut headers = vec![("authorization", basic.as_str())];
    headers.extend(proofs.iter().map(|proof| ("dpop", *proof)));
    let fields = [("grant_type", "client_credentials")];
    server
        .anyone()
        .form("/oauth2/token", &fields, &headers)
        .await
}

/// The headers of a call with a token that is bound to a key.
struct Call<'a> {
    server: &'a TestServer,
    key: &'a SigningKey,
    token: &'a str,
}

impl Call<'_> {
    fn proof(&self, method: &str, path: &str) -> String {
        let url = format!("{}{path}", self.server.issuer());
        proof(
            self.key,
            method,
            &url,
            Some(self.token),
            self.server.clock().now(),
        )
    }

    async fn send(&self, scheme: &str, path: &str, proofs: &[&str]) -> Answer {
        let authorization = format!("{scheme} {}", self.token);
        let mut headers = vec![("authorization", authorization.as_str())];
        headers.extend(proofs.iter().map(|proof| ("dpop", *proof)));
        self.server
            .anyone()
            .send(Method::GET, path, None, &headers)
            .await
    }
}

/// The command line of a person, whose sign-in is bound to a key.
async fn signed_in(server: &TestServer, person: &Caller, key: &SigningKey) -> Value {
    let begun = begin(&server.anyone()).await;
    answer(person, "confirm", &begun).await.done();
    redeem(server, &begun, Some(key)).await.done()
}

async fn redeem(server: &TestServer, begun: &Value, key: Option<&SigningKey>) -> Answer {
    let code = begun["device_code"].as_str().unwrap();
    let fields = [CLIENT, ("grant_type", GRANT), ("device_code", code)];
    with_key(server, &fields, key).await
}

async fn refresh(server: &TestServer, held: &Value, key: Option<&SigningKey>) -> Answer {
    let token = held["refresh_token"].as_str().unwrap();
    let fields = [
        CLIENT,
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
    ];
    with_key(server, &fields, key).await
}

async fn with_key(
    server: &TestServer,
    fields: &[(&str, &str)],
    key: Option<&SigningKey>,
) -> Answer {
    let proof = key.map(|key| for_token(server, key));
    let headers: Vec<_> = proof.iter().map(|proof| ("dpop", proof.as_str())).collect();
    server
        .anyone()
        .form("/oauth2/token", fields, &headers)
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_bound_to_the_key_of_the_proof_that_it_was_asked_for_with() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let key = key();
        let given = ask(&server, &service.client, &[&for_token(&server, &key)])
            .await
            .done();
        assert_eq!(given["token_type"], "DPoP");
        let token = given["access_token"].as_str().unwrap();
        let bound = json!({ "jkt": key.kid() });
        assert_eq!(claims(token)["cnf"], bound);
        let told = service
            .owner
            .introspect(&service.target, token)
            .await
            .done();
        assert_eq!(
            (&told["active"], &told["token_type"], &told["cnf"]),
            (&json!(true), &json!("DPoP"), &bound)
        );
        let record = format!("/api/evidence/{}", claims(token)["jti"].as_str().unwrap());
        assert_eq!(
            service.owner.get(&record).await.done()["record"]["cnf"],
            bound
        );

        // Without a proof nothing changed.
        let plain = ask(&server, &service.client, &[]).await.done();
        assert_eq!(plain["token_type"], "Bearer");
        let plain = plain["access_token"].as_str().unwrap();
        assert!(claims(plain).get("cnf").is_none());
        let told = service
            .owner
            .introspect(&service.target, plain)
            .await
            .done();
        assert_eq!(
            (&told["token_type"], &told["cnf"]),
            (&json!("Bearer"), &Value::Null)
        );
        let metadata = server
            .anyone()
            .get("/.well-known/oauth-authorization-server")
            .await
            .done();
        let algorithms = json!(["ES256", "ES384", "RS256", "PS256", "EdDSA"]);
        assert_eq!(metadata["dpop_signing_alg_values_supported"], algorithms);
        let resource = server
            .anyone()
            .get("/.well-known/oauth-protected-resource")
            .await
            .done();
        assert_eq!(resource["dpop_signing_alg_values_supported"], algorithms);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_binds_its_token_in_each_form() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let pipeline = pipeline(&server).await;
        let key = key();
        let run = |form: RunForm| {
            let token = pipeline.run(&server, |claims| claims);
            let (grant, name) = match form {
                RunForm::TokenExchange => (EXCHANGE, "subject_token"),
                _ => ("urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion"),
            };
            (grant, name, token)
        };
        for form in [RunForm::JwtBearer, RunForm::TokenExchange] {
            let (grant, name, token) = run(form);
            let fields = [
                ("grant_type", grant),
                (name, token.as_str()),
                ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
                ("client_id", pipeline.id()),
                ("scope", "rollout.status.read"),
            ];
            let given = with_key(&server, &fields, Some(&key)).await.done();
            assert_eq!(given["token_type"], "DPoP", "{grant}");
            assert_eq!(
                claims(given["access_token"].as_str().unwrap())["cnf"]["jkt"],
                key.kid()
            );
        }
        // What its platform bound the run's own token to must be proved as well.
        for (bound, proved, good) in [
            (json!({ "jkt": key.kid() }), true, true),
            (json!({ "jkt": key.kid() }), false, false),
            (
                json!({ "jkt": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" }),
                true,
                false,
            ),
            (json!({ "kid": "what nobody here knows" }), true, false),
        ] {
            let token = pipeline.run(&server, |claims| claims.with("cnf", bound.clone()));
            let fields = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", token.as_str()),
                ("client_id", pipeline.id()),
                ("scope", "rollout.status.read"),
            ];
            let answer = with_key(&server, &fields, proved.then_some(&key)).await;
            assert_eq!(
                answer.status == 200,
                good,
                "{bound} {proved}: {}",
                answer.text()
            );
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_that_is_not_one_for_this_request_gets_no_token() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let (key, now) = (key(), server.clock().now());
        let url = format!("{}/oauth2/token", server.issuer());
        let of = |method: &str, url: &str, now: Timestamp| proof(&key, method, url, None, now);
        let good = of("POST", &url, now);
        let cut = &good[..good.len() - 8];
        for proofs in [
            vec![of("GET", &url, now)],
            vec![of(
                "POST",
                &format!("{}/oauth2/revoke", server.issuer()),
                now,
            )],
            vec![of("POST", "https://elsewhere.example/oauth2/token", now)],
            vec![of("POST", &url, now + Seconds(-61))],
            vec![of("POST", &url, now + Seconds(61))],
            vec![String::new()],
            vec!["a.b.c".to_owned()],
            vec![cut.to_owned()],
            vec![good.clone(), of("POST", &url, now)],
        ] {
            let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
            let answer = ask(&server, &service.client, &proofs).await;
            let said = answer.refused(400, "invalid_dpop_proof");
            assert_eq!(said["reason_code"], "proof_invalid", "{said}");
            let told = said.to_string();
            assert!(
                !proofs
                    .iter()
                    .any(|proof| proof.len() > 5 && told.contains(proof))
            );
        }
        // The path under which clients of another issuer know the endpoint is as good.
        let alias = of("POST", &format!("{}/passport/token", server.issuer()), now);
        let basic = service.client.basic();
        let headers = [("authorization", basic.as_str()), ("dpop", &alias)];
        let fields = [("grant_type", "client_credentials")];
        let given = server
            .anyone()
            .form("/passport/token", &fields, &headers)
            .await
            .done();
        assert_eq!(given["token_type"], "DPoP");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t07_a_proof_counts_once_at_the_token_endpoint_and_at_the_api() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let key = key();
        let once = for_token(&server, &key);
        ask(&server, &service.client, &[&once]).await.done();
        let again = ask(&server, &service.client, &[&once]).await;
        let again = again.refused(400, "invalid_dpop_proof");
        assert!(
            again["error_description"]
                .as_str()
                .unwrap()
                .contains("used before"),
            "{again}"
        );

        let given = signed_in(&server, &service.owner, &key).await;
        let token = given["access_token"].as_str().unwrap();
        let call = Call {
            server: &server,
            key: &key,
            token,
        };
        let once = call.proof("GET", SESSION);
        call.send("DPoP", SESSION, &[&once]).await.done();
        let again = call.send("DPoP", SESSION, &[&once]).await;
        again.refused(401, "proof_invalid");
        assert!(
            again
                .header("www-authenticate")
                .unwrap()
                .starts_with("DPoP error=\"invalid_dpop_proof\", algs=")
        );
        // It is forgotten no sooner than it is refused for its age.
        server.clock().advance(Seconds(59));
        server.run_job("clean_up").await;
        call.send("DPoP", SESSION, &[&once])
            .await
            .refused(401, "proof_invalid");
        server.clock().advance(Seconds(2));
        let late = call
            .send("DPoP", SESSION, &[&once])
            .await
            .refused(401, "proof_invalid");
        assert!(late["detail"].as_str().unwrap().contains("`iat`"), "{late}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t07_of_fifty_parallel_calls_with_one_proof_to_two_replicas_exactly_one_succeeds() {
    on_postgres(async |database| {
        let first = TestServer::start(&database).await;
        let service = service(&first).await;
        let second = first.replica().await;
        let key = key();
        let given = signed_in(&first, &service.owner, &key).await;
        let token = given["access_token"].as_str().unwrap().to_owned();
        let call = Call {
            server: &first,
            key: &key,
            token: &token,
        };
        let (for_api, for_token) = (call.proof("GET", SESSION), for_token(&first, &key));
        let basic = service.client.basic();
        for endpoint in ["api", "token"] {
            let calls: Vec<_> = (0..50)
                .map(|n| {
                    let caller = [&first, &second][n % 2].anyone();
                    let (authorization, proof) = match endpoint {
                        "api" => (format!("DPoP {token}"), for_api.clone()),
                        _ => (basic.clone(), for_token.clone()),
                    };
                    tokio::spawn(async move {
                        let headers = [
                            ("authorization", authorization.as_str()),
                            ("dpop", proof.as_str()),
                        ];
                        match endpoint {
                            "api" => caller.send(Method::GET, SESSION, None, &headers).await,
                            _ => {
                                caller
                                    .form(
                                        "/oauth2/token",
                                        &[("grant_type", "client_credentials")],
                                        &headers,
                                    )
                                    .await
                            }
                        }
                        .status
                    })
                })
                .collect();
            let mut statuses = Vec::new();
            for call in calls {
                statuses.push(call.await.unwrap());
            }
            let good = statuses.iter().filter(|status| **status == 200).count();
            assert_eq!(good, 1, "{endpoint}: {statuses:?}");
            assert!(
                statuses
                    .iter()
                    .all(|status| matches!(status, 200 | 400 | 401 | 429)),
                "{statuses:?}"
            );
        }
        second.stop().await;
        first.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_token_without_its_key_is_refused_and_on_record() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let (own, other) = (key(), key());
        let given = signed_in(&server, &service.owner, &own).await;
        assert_eq!(given["token_type"], "DPoP");
        let token = given["access_token"].as_str().unwrap();
        let call = Call {
            server: &server,
            key: &own,
            token,
        };
        let me = call
            .send("DPoP", SESSION, &[&call.proof("GET", SESSION)])
            .await
            .done();
        assert_eq!(me["name"], "dana@example.com");
        let query = format!("{SESSION}?a=b");
        call.send("dpop", &query, &[&call.proof("GET", SESSION)])
            .await
            .done();

        let stolen = call.send("Bearer", SESSION, &[]).await;
        stolen.refused(401, "sender_unproven");
        let challenge = stolen.header("www-authenticate").unwrap();
        assert!(
            challenge.starts_with("DPoP error=\"invalid_token\", algs=\"ES256"),
            "{challenge}"
        );
        assert!(challenge.contains("resource_metadata="), "{challenge}");
        // A proof beside it changes nothing: it is the scheme that says how the token is sent.
        call.send("Bearer", SESSION, &[&call.proof("GET", SESSION)])
            .await
            .refused(401, "sender_unproven");
        let thief = Call {
            server: &server,
            key: &other,
            token,
        };
        thief
            .send("DPoP", SESSION, &[&thief.proof("GET", SESSION)])
            .await
            .refused(401, "sender_unproven");
        let another = signed_in(&server, &service.owner, &own).await;
        let another = another["access_token"].as_str().unwrap();
        let of_another = Call {
            server: &server,
            key: &own,
            token: another,
        }
        .proof("GET", SESSION);
        for (proofs, path) in [
            (vec![], SESSION),
            (vec![of_another], SESSION),
            (vec![call.proof("POST", SESSION)], SESSION),
            (vec![call.proof("GET", SESSION)], "/api/sessions"),
            (
                vec![call.proof("GET", SESSION), call.proof("GET", SESSION)],
                SESSION,
            ),
        ] {
            let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
            call.send("DPoP", path, &proofs)
                .await
                .refused(401, "proof_invalid");
        }
        // One that is bound to nothing is sent as what it is.
        let plain = service.owner.token();
        let unbound = Call {
            server: &server,
            key: &own,
            token: plain,
        };
        unbound
            .send("DPoP", SESSION, &[&unbound.proof("GET", SESSION)])
            .await
            .refused(401, "sender_unproven");

        server.run_job("flush_refusals").await;
        let reasons = eventually("the refusal with whose token it was", async || {
            let list = service
                .owner
                .get("/api/evidence?limit=100&kind=refused")
                .await
                .done();
            let all = list["items"].to_string();
            let subject = claims(token)["sub"].as_str().unwrap().to_owned();
            all.contains(&subject).then_some(all)
        })
        .await;
        assert!(!reasons.contains(token));
        // Who holds it may still end it.
        let client = ask(&server, &service.client, &[&for_token(&server, &own)])
            .await
            .access_token();
        let header = format!("DPoP {client}");
        let ends = [("authorization", header.as_str())];
        server
            .anyone()
            .form("/oauth2/revoke", &[("token", client.as_str())], &ends)
            .await
            .done();
        assert!(!service.owner.is_active(&service.target, &client).await);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_refresh_token_without_its_key_gets_nothing_and_ends_nothing() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let (own, other) = (key(), key());
        let held = signed_in(&server, &dana, &own).await;
        for thief in [None, Some(&other)] {
            let said = refresh(&server, &held, thief)
                .await
                .refused(400, "invalid_grant");
            assert_eq!(said["reason_code"], "sender_unproven");
        }
        let next = refresh(&server, &held, Some(&own)).await.done();
        assert_eq!(
            (
                &next["token_type"],
                next["refresh_token"] == held["refresh_token"]
            ),
            (&json!("DPoP"), false)
        );
        let token = next["access_token"].as_str().unwrap();
        assert_eq!(claims(token)["cnf"]["jkt"], own.kid());
        let call = Call {
            server: &server,
            key: &own,
            token,
        };
        call.send("DPoP", SESSION, &[&call.proof("GET", SESSION)])
            .await
            .done();
        // The one that was used is no way to end the sign-in either, for who lacks the key.
        refresh(&server, &held, None)
            .await
            .refused(400, "invalid_grant");
        refresh(&server, &next, Some(&own)).await.done();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t28_a_device_code_that_names_a_key_is_worth_nothing_without_it() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let (own, other) = (key(), key());
        let anyone = server.anyone();
        let asks = async |jkt: &str| {
            let fields = [CLIENT, ("dpop_jkt", jkt)];
            anyone
                .form("/oauth2/device_authorization", &fields, &[])
                .await
        };
        asks("no thumbprint").await.refused(400, "invalid_request");
        let begun = asks(own.kid()).await.done();
        answer(&dana, "confirm", &begun).await.done();
        for thief in [None, Some(&other)] {
            let said = redeem(&server, &begun, thief)
                .await
                .refused(400, "invalid_grant");
            assert_eq!(said["reason_code"], "sender_unproven");
        }
        let given = redeem(&server, &begun, Some(&own)).await.done();
        assert_eq!(
            claims(given["access_token"].as_str().unwrap())["cnf"]["jkt"],
            own.kid()
        );
        // Nor does who has it once it was used end the sign-in that came of it.
        for thief in [None, Some(&other)] {
            let said = redeem(&server, &begun, thief)
                .await
                .refused(400, "invalid_grant");
            assert_eq!(said["reason_code"], "sender_unproven");
        }
        let given = refresh(&server, &given, Some(&own)).await.done();
        let said = redeem(&server, &begun, Some(&own))
            .await
            .refused(400, "invalid_grant");
        assert_eq!(said["reason_code"], "replayed");
        refresh(&server, &given, Some(&own))
            .await
            .refused(400, "invalid_grant");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t24_proofs_of_a_revoked_token_are_not_kept_and_count_as_failures() {
    on_each_database(async |database| {
        let server = TestServer::start_with(&database, |config| {
            config.limits.failures_per_address_per_minute = 5;
        })
        .await;
        let dana = server.owner().await;
        let key = key();
        let given = signed_in(&server, &dana, &key).await;
        let call = Call {
            server: &server,
            key: &key,
            token: given["access_token"].as_str().unwrap(),
        };
        let sessions = dana.get("/api/sessions").await.done();
        let session = sessions["items"][0]["id"].as_str().unwrap();
        let ended = dana.delete(&format!("/api/sessions/{session}")).await;
        assert_eq!(ended.status, 204, "{}", ended.text());
        // The same answer each time: the proof of a token that is worth nothing was not used up.
        let once = call.proof("GET", SESSION);
        for _ in 0..5 {
            call.send("DPoP", SESSION, &[&once])
                .await
                .refused(401, "token_revoked");
        }
        let stopped = call.send("DPoP", SESSION, &[&once]).await;
        assert_eq!(stopped.status, 429, "{}", stopped.text());
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_bound_is_exchanged_by_who_holds_its_key_and_stays_bound() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        let until = (server.clock().now() + Seconds::days(1)).to_string();
        let rights = json!({ "impersonators": [{ "who": "lee@example.com", "until": until }] });
        let path = format!("/api/identities/{}", service.id());
        service.owner.patch(&path, &rights).await.done();
        let (own, other) = (key(), key());
        let held = signed_in(&server, &lee, &own).await;
        let act = async |key: Option<&SigningKey>| {
            let fields = [
                ("grant_type", EXCHANGE),
                ("client_id", "payroll"),
                ("subject_token", held["access_token"].as_str().unwrap()),
                ("subject_token_type", ACCESS_TOKEN),
            ];
            with_key(&server, &fields, key).await
        };
        for thief in [None, Some(&other)] {
            let said = act(thief).await.refused(400, "invalid_grant");
            assert_eq!(said["reason_code"], "sender_unproven");
        }
        let given = act(Some(&own)).await.done();
        assert_eq!(given["token_type"], "DPoP");
        assert_eq!(
            claims(given["access_token"].as_str().unwrap())["cnf"]["jkt"],
            own.kid()
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_further_tenants_endpoints_have_urls_of_their_own() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        server.owner().await;
        let acme = server.tenant("acme", "ann@example.com").await;
        let key = key();
        let begun = begin(&acme.anonymous()).await;
        answer(&acme, "confirm", &begun).await.done();
        let issuer = format!("{}/t/acme", server.issuer());
        let code = begun["device_code"].as_str().unwrap();
        let fields = [CLIENT, ("grant_type", GRANT), ("device_code", code)];
        let url = |issuer: &str| format!("{issuer}/oauth2/token");
        let now = server.clock().now();
        let wrong = proof(&key, "POST", &url(server.issuer()), None, now);
        let anyone = acme.anonymous();
        anyone
            .form("/oauth2/token", &fields, &[("dpop", &wrong)])
            .await
            .refused(400, "invalid_dpop_proof");
        let good = proof(&key, "POST", &url(&issuer), None, now);
        let given = anyone
            .form("/oauth2/token", &fields, &[("dpop", &good)])
            .await
            .done();
        let token = given["access_token"].as_str().unwrap();
        let authorization = format!("DPoP {token}");
        let call = proof(&key, "GET", &format!("{issuer}{SESSION}"), Some(token), now);
        let headers = [("authorization", authorization.as_str()), ("dpop", &call)];
        anyone
            .send(Method::GET, SESSION, None, &headers)
            .await
            .done();
        server.stop().await;
    })
    .await;
}
