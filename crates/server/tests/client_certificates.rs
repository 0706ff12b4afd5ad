//! Clients that prove themselves with certificates, and tokens that are bound to them (RFC 8705), over real TLS and behind a
//! proxy that ends it (RFC 9440).

use countersign_crypto::{SigningAlg, SigningKey};
use countersign_model::time::Seconds;
use countersign_server::config::{ClientCertificates, Config};
use countersign_testkit::{
    Answer, Caller, Database, TestServer,
    certificates::{
        AUTHORITY, CLIENT, EXPIRED, FORGED, OTHER, PINNED, Pair, RENEWED, SERVER, header,
    },
    claims, eventually, on_each_database, proof,
};
use http::Method;
use serde_json::{Value, json};

use crate::world::{Service, pipeline, service};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");
const ASK: &str = "/access/v1/evaluation";

/// A server that asks for certificates, two days after those of the tests were made.
async fn over_tls(database: &Database) -> TestServer {
    let server = TestServer::start_with(database, |config| {
        let directory = config.data.dir.clone().unwrap();
        let directory = directory.parent().unwrap();
        let (cert, key) = (directory.join("tls.crt"), directory.join("tls.key"));
        std::fs::write(&cert, SERVER.certificate).unwrap();
        std::fs::write(&key, SERVER.key).unwrap();
        config.server.tls.cert = Some(cert);
        config.server.tls.key = Some(key);
        config.server.client_certificates = ClientCertificates::Tls;
    })
    .await;
    server.clock().advance(Seconds::days(2));
    server
}

async fn behind_proxy(
    database: &Database,
    proxies: &str,
    source: ClientCertificates,
) -> TestServer {
    let server = TestServer::start_with(database, |config: &mut Config| {
        config.server.behind_proxy = true;
        config.server.trusted_proxies = vec![proxies.parse().unwrap()];
        config.server.client_certificates = source;
    })
    .await;
    server.clock().advance(Seconds::days(2));
    server
}

impl Service {
    async fn certified(&self, body: Value) -> Answer {
        let path = format!("/api/identities/{}/credentials", self.id());
        self.owner.post(&path, &body).await
    }

    fn client_id(&self) -> &str {
        &self.client.client_id
    }
}

fn of_authority(subject: &Value) -> Value {
    json!({ "type": "tls-client-auth", "ca": AUTHORITY, "subject": subject })
}

async fn token(caller: &Caller, client_id: &str) -> Answer {
    caller
        .form("/oauth2/token", &[GRANT, ("client_id", client_id)], &[])
        .await
}

fn thumbprint(pair: &Pair) -> Value {
    use base64::{
        Engine as _,
        engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
    };

    let der = STANDARD
        .decode(header(pair.certificate).trim_matches(':'))
        .unwrap();
    URL_SAFE_NO_PAD
        .encode(countersign_crypto::digest::sha256(&der))
        .into()
}

fn question() -> Value {
    json!({ "action": { "name": "case.read" } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_proves_itself_with_the_certificate_of_its_connection_and_its_tokens_are_bound_to_it()
 {
    on_each_database(async |database| {
        let server = over_tls(&database).await;
        let service = service(&server).await;
        let made = service
            .certified(of_authority(&json!({ "dns": "payroll.internal" })))
            .await
            .done();
        assert_eq!(
            made["certificate"]["subject"],
            json!({ "dns": "payroll.internal" })
        );
        assert!(made.get("client_secret").is_none());
        assert!(
            made["expires_at"].as_str().unwrap().starts_with("2126-"),
            "{made}"
        );

        let client = server.with_certificate(&CLIENT);
        let given = token(&client, service.client_id()).await.done();
        assert_eq!(given["token_type"], "Bearer");
        let first = given["access_token"].as_str().unwrap();
        let bound = json!({ "x5t#S256": thumbprint(&CLIENT) });
        assert_eq!(claims(first)["cnf"], bound);
        let record = format!("/api/evidence/{}", claims(first)["jti"].as_str().unwrap());
        let record = service.owner.get(&record).await.done()["record"].clone();
        assert_eq!(
            (&record["client_auth"], &record["cnf"]),
            (&json!("tls_client_auth"), &bound)
        );
        let told = service
            .owner
            .introspect(&service.target, first)
            .await
            .done();
        assert_eq!((&told["active"], &told["cnf"]), (&json!(true), &bound));
        // The next certificate of the same subject needs nothing new.
        let renewed = server.with_certificate(&RENEWED);
        let second = token(&renewed, service.client_id()).await.access_token();
        assert_eq!(claims(&second)["cnf"]["x5t#S256"], thumbprint(&RENEWED));

        // At our own API each is good over its own connections alone.
        client.with_token(first).post(ASK, &question()).await.done();
        renewed
            .with_token(&second)
            .post(ASK, &question())
            .await
            .done();
        for thief in [
            server.anyone(),
            renewed.clone(),
            server.with_certificate(&FORGED),
        ] {
            let refused = thief.with_token(first).post(ASK, &question()).await;
            refused.refused(401, "token_invalid");
            let challenge = refused.header("www-authenticate").unwrap();
            assert!(
                challenge.starts_with("Bearer error=\"invalid_token\""),
                "{challenge}"
            );
        }
        // Nor does a header of whoever stole one make up for the certificate, where the handshake is asked.
        let (authorization, stolen) = (format!("Bearer {first}"), header(CLIENT.certificate));
        let headers = [
            ("authorization", authorization.as_str()),
            ("client-cert", &stolen),
        ];
        let thief = server.anyone();
        let refused = thief
            .send(Method::POST, ASK, Some(&question()), &headers)
            .await;
        refused.refused(401, "token_invalid");
        server.run_job("flush_refusals").await;
        let subject = claims(first)["sub"].as_str().unwrap().to_owned();
        eventually("the refusal with whose token it was", async || {
            let list = service
                .owner
                .get("/api/evidence?limit=100&kind=refused")
                .await
                .done();
            list["items"].to_string().contains(&subject).then_some(())
        })
        .await;
        // Both at once: a key beside the certificate.
        let key = SigningKey::generate(SigningAlg::Es256).unwrap();
        let url = format!("{}/oauth2/token", server.issuer());
        let with_key = proof(&key, "POST", &url, None, server.clock().now());
        let fields = [GRANT, ("client_id", service.client_id())];
        let both = client
            .form("/oauth2/token", &fields, &[("dpop", &with_key)])
            .await
            .done();
        assert_eq!(both["token_type"], "DPoP");
        let cnf = claims(both["access_token"].as_str().unwrap())["cnf"].clone();
        assert_eq!(
            cnf,
            json!({ "jkt": key.kid(), "x5t#S256": thumbprint(&CLIENT) })
        );
        let both = both["access_token"].as_str().unwrap();
        let url = format!("{}{ASK}", server.issuer());
        for (caller, status) in [(&client, 200), (&renewed, 401)] {
            let call = proof(&key, "POST", &url, Some(both), server.clock().now());
            let authorization = format!("DPoP {both}");
            let headers = [("authorization", authorization.as_str()), ("dpop", &call)];
            let answer = caller
                .send(Method::POST, ASK, Some(&question()), &headers)
                .await;
            assert_eq!(answer.status, status, "{}", answer.text());
        }

        let credential = made["name"].as_str().unwrap();
        let shown = service
            .owner
            .get(&format!("/api/credentials/{credential}"))
            .await
            .done();
        assert_eq!(shown["type"], "tls-client-auth");
        let revoke = format!("/api/credentials/{credential}/revoke");
        service
            .owner
            .post(&revoke, &json!({ "reason": "a test" }))
            .await
            .done();
        token(&client, service.client_id())
            .await
            .refused(401, "invalid_client");
        assert!(!service.owner.is_active(&service.target, first).await);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t02_every_certificate_but_the_right_one_hears_the_same() {
    on_each_database(async |database| {
        let server = over_tls(&database).await;
        let service = service(&server).await;
        service
            .certified(of_authority(
                &json!({ "uri": "spiffe://example.com/payroll" }),
            ))
            .await
            .done();
        let (client, id) = (server.with_certificate(&CLIENT), service.client_id());
        token(&client, id).await.done();
        let refused = token(&server.with_certificate(&OTHER), id).await;
        refused.refused(401, "invalid_client");
        for (pair, id) in [
            (&FORGED, id),
            (&PINNED, id),
            (&CLIENT, "nobody"),
            (&CLIENT, "deploy-target"),
        ] {
            let answer = token(&server.with_certificate(pair), id).await;
            assert_eq!(
                (answer.status, answer.text()),
                (401, refused.text()),
                "{id}"
            );
        }
        // Without one there is nothing to look at, and a secret is still a secret.
        token(&server.anyone(), id)
            .await
            .refused(401, "invalid_client");
        let plain = client
            .client_token(&service.client, &[])
            .await
            .access_token();
        assert!(
            claims(&plain).get("cnf").is_none(),
            "what proved it was the secret"
        );
        // A header is nobody's certificate where the handshake is asked.
        let forged = header(CLIENT.certificate);
        let fields = [GRANT, ("client_id", id)];
        let spoofed = server
            .anyone()
            .form("/oauth2/token", &fields, &[("client-cert", &forged)])
            .await;
        spoofed.refused(401, "invalid_client");
        let metadata = server
            .anyone()
            .get("/.well-known/oauth-authorization-server")
            .await
            .done();
        for endpoint in ["token", "introspection", "revocation"] {
            let methods =
                metadata[format!("{endpoint}_endpoint_auth_methods_supported")].to_string();
            assert!(
                methods.contains("\"tls_client_auth\"")
                    && methods.contains("self_signed_tls_client_auth"),
                "{methods}"
            );
        }
        assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], true);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_nobody_signed_is_registered_itself_and_ends_with_it() {
    on_each_database(async |database| {
        let server = over_tls(&database).await;
        let service = service(&server).await;
        let pinned = json!({
            "type": "self-signed-tls-client-auth", "certificate": PINNED.certificate,
            "tls_client_certificate_bound_access_tokens": false,
        });
        let made = service.certified(pinned).await.done();
        assert_eq!(made["certificate"]["x5t#S256"], thumbprint(&PINNED));
        assert!(
            made["expires_at"].as_str().unwrap().starts_with("2126-"),
            "{made}"
        );
        let caller = server.with_certificate(&PINNED);
        let given = token(&caller, service.client_id()).await.access_token();
        assert!(
            claims(&given).get("cnf").is_none(),
            "tokens of this credential are not bound"
        );
        server
            .anyone()
            .with_token(&given)
            .post(ASK, &question())
            .await
            .done();
        token(&server.with_certificate(&CLIENT), service.client_id())
            .await
            .refused(401, "invalid_client");
        // It introspects and revokes with it as well.
        let own = [
            ("client_id", service.client_id()),
            ("token", given.as_str()),
        ];
        assert_eq!(
            caller.form("/oauth2/introspect", &own, &[]).await.done()["active"],
            true
        );
        caller.form("/oauth2/revoke", &own, &[]).await.done();
        assert_eq!(
            caller.form("/oauth2/introspect", &own, &[]).await.done()["active"],
            false
        );
        let path = format!("/api/credentials/{}", made["name"].as_str().unwrap());
        let shown = service.owner.get(&path).await.done();
        assert_eq!(shown["type"], "self-signed-tls-client-auth");
        let rotate = format!("/api/credentials/{}/rotate", made["name"].as_str().unwrap());
        let no = service.owner.post(&rotate, &json!({})).await;
        let no = no.refused(422, "unprocessable");
        let why = no["detail"].as_str().unwrap();
        assert!(why.contains("holds no secret of ours"), "{no}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_bound_to_a_certificate_gets_a_token_that_is() {
    on_each_database(async |database| {
        let server = over_tls(&database).await;
        let pipeline = pipeline(&server).await;
        let bound = json!({ "x5t#S256": thumbprint(&CLIENT) });
        let ask = async |caller: &Caller| {
            let run = pipeline.run(&server, |claims| claims.with("cnf", bound.clone()));
            let fields = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", run.as_str()),
                ("client_id", pipeline.id()),
                ("scope", "rollout.status.read"),
            ];
            caller.form("/oauth2/token", &fields, &[]).await
        };
        let given = ask(&server.with_certificate(&CLIENT)).await.access_token();
        assert_eq!(claims(&given)["cnf"], bound);
        for thief in [server.anyone(), server.with_certificate(&OTHER)] {
            let answer = ask(&thief).await;
            assert_ne!(answer.status, 200, "{}", answer.text());
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t34_what_proves_nothing_is_not_registered() {
    on_each_database(async |database| {
        let server = over_tls(&database).await;
        let service = service(&server).await;
        let dns = json!({ "dns": "payroll.internal" });
        let type_of = |name: &str| json!({ "type": name });
        let with = |mut body: Value, name: &str, value: Value| {
            body[name] = value;
            body
        };
        let pinned = type_of("self-signed-tls-client-auth");
        for body in [
            type_of("tls-client-auth"),
            with(type_of("tls-client-auth"), "ca", json!(AUTHORITY)),
            with(type_of("tls-client-auth"), "subject", dns.clone()),
            with(of_authority(&dns), "ca", json!("text")),
            with(of_authority(&dns), "ca", json!(CLIENT.certificate)),
            with(of_authority(&dns), "certificate", json!(CLIENT.certificate)),
            of_authority(&json!({ "dns": "" })),
            of_authority(&json!({ "dns": "a".repeat(513) })),
            pinned.clone(),
            with(pinned.clone(), "certificate", json!("text")),
            with(pinned.clone(), "certificate", json!(CLIENT.pem().repeat(2))),
            with(pinned.clone(), "certificate", json!(EXPIRED)),
            with(
                with(pinned, "certificate", json!(PINNED.certificate)),
                "subject",
                dns.clone(),
            ),
            with(type_of("client-secret"), "ca", json!(AUTHORITY)),
            with(
                type_of("client-secret"),
                "tls_client_certificate_bound_access_tokens",
                json!(true),
            ),
        ] {
            service
                .certified(body.clone())
                .await
                .refused(422, "unprocessable");
        }
        for subject in [
            json!({ "cn": "a" }),
            json!({}),
            json!({ "dns": "a", "uri": "b" }),
            json!({ "ip": "a" }),
        ] {
            service
                .certified(of_authority(&subject))
                .await
                .refused(400, "bad_request");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t25_only_a_trusted_proxy_says_which_certificate_a_caller_has() {
    let shown = header(CLIENT.certificate);
    for (proxies, source, good) in [
        ("127.0.0.0/8", ClientCertificates::Proxy, true),
        ("10.0.0.0/8", ClientCertificates::Proxy, false),
        ("127.0.0.0/8", ClientCertificates::None, false),
    ] {
        on_each_database(async |database| {
            let server = behind_proxy(&database, proxies, source).await;
            let service = service(&server).await;
            service
                .certified(of_authority(&json!({ "dns": "payroll.internal" })))
                .await
                .done();
            let ask = async |lines: &[(&str, &str)]| {
                server
                    .anyone()
                    .form("/oauth2/token", &[GRANT, ("client_id", "payroll")], lines)
                    .await
            };
            let answer = ask(&[("client-cert", &shown)]).await;
            assert_eq!(answer.status == 200, good, "{proxies}: {}", answer.text());
            let metadata = server
                .anyone()
                .get("/.well-known/oauth-authorization-server")
                .await
                .done();
            let on = source != ClientCertificates::None;
            assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], on);
            let methods = metadata["token_endpoint_auth_methods_supported"].to_string();
            assert_eq!(methods.contains("tls_client_auth"), on, "{methods}");
            if good {
                let given = answer.access_token();
                assert_eq!(claims(&given)["cnf"]["x5t#S256"], thumbprint(&CLIENT));
                let other = header(OTHER.certificate);
                let over = header(EXPIRED);
                for lines in [
                    vec![],
                    vec![("client-cert", other.as_str())],
                    vec![("client-cert", over.as_str())],
                    vec![
                        ("client-cert", shown.as_str()),
                        ("client-cert", other.as_str()),
                    ],
                    vec![("client-cert", "garbage")],
                    vec![("x-client-cert", shown.as_str())],
                ] {
                    ask(&lines).await.refused(401, "invalid_client");
                }
                // The chain that the proxy hands on does not make another authority.
                let forged = header(FORGED.certificate);
                let authority = header(AUTHORITY);
                let lines = [
                    ("client-cert", forged.as_str()),
                    ("client-cert-chain", authority.as_str()),
                ];
                ask(&lines).await.refused(401, "invalid_client");
                let authorization = format!("Bearer {given}");
                for (lines, status) in [
                    (vec![("client-cert", shown.as_str())], 200),
                    (vec![], 401),
                    (vec![("client-cert", other.as_str())], 401),
                ] {
                    let headers = [
                        &[("authorization", authorization.as_str())],
                        lines.as_slice(),
                    ]
                    .concat();
                    let answer = server
                        .anyone()
                        .send(Method::POST, ASK, Some(&question()), &headers)
                        .await;
                    assert_eq!(answer.status, status, "{}", answer.text());
                }
            }
            server.stop().await;
        })
        .await;
    }
}
