//! Signing a command line in by confirming its code elsewhere (RFC 8628), and those who abuse it (T28).

use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_testkit::{Answer, Caller, TestServer, claims, on_each_database};
use serde_json::{Value, json};

pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const CLIENT: (&str, &str) = ("client_id", "countersign-cli");

/// A command line begins to wait.
pub async fn begin(anyone: &Caller) -> Value {
    let fields = [CLIENT, ("host_name", "laptop.example"), ("ttl_days", "14")];
    let answer = anyone
        .form("/oauth2/device_authorization", &fields, &[])
        .await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.done()
}

/// It asks whether somebody confirmed.
pub async fn poll(anyone: &Caller, begun: &Value) -> Answer {
    let code = begun["device_code"].as_str().unwrap();
    let fields = [CLIENT, ("grant_type", GRANT), ("device_code", code)];
    anyone.form("/oauth2/token", &fields, &[]).await
}

/// A person says what they want with its code.
pub async fn answer(person: &Caller, verb: &str, begun: &Value) -> Answer {
    let path = format!("/api/device-authorizations/{verb}");
    person
        .post(&path, &json!({ "user_code": begun["user_code"] }))
        .await
}

/// A command line of this person, signed in.
pub async fn signed_in(server: &TestServer, person: &Caller) -> Value {
    let begun = begin(&server.anyone()).await;
    answer(person, "confirm", &begun).await.done();
    poll(&server.anyone(), &begun).await.done()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_line_waits_a_person_confirms_and_it_is_signed_in() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let anyone = server.anyone();
        let begun = begin(&anyone).await;
        let code = begun["user_code"].as_str().unwrap();
        assert_eq!((code.len(), &code[4..5]), (9, "-"), "{code}");
        let page = format!("{}/device", server.issuer());
        assert_eq!(begun["verification_uri"], page);
        assert_eq!(
            begun["verification_uri_complete"],
            format!("{page}?user_code={code}")
        );
        assert_eq!(
            (&begun["expires_in"], &begun["interval"]),
            (&json!(600), &json!(5))
        );
        let waits = poll(&anyone, &begun).await;
        waits.refused(400, "authorization_pending");
        assert_eq!(waits.json()["interval"], 5);

        server.clock().advance(Seconds(60));
        let shown = answer(&dana, "show", &begun).await.done();
        assert_eq!(shown["claimed_host_name"], "laptop.example");
        assert_eq!(
            (
                &shown["address"],
                &shown["same_address"],
                &shown["ttl_days"]
            ),
            (&json!("127.0.0.1"), &json!(true), &json!(14))
        );
        assert_eq!(shown["requested_at"], "2026-11-22T09:00:00Z");
        // Looking is not confirming.
        poll(&anyone, &begun)
            .await
            .refused(400, "authorization_pending");
        let typed = code.to_lowercase().replace('-', " ");
        let confirmed = dana
            .post(
                "/api/device-authorizations/confirm",
                &json!({ "user_code": typed }),
            )
            .await
            .done();
        assert_eq!(confirmed["status"], "confirmed");
        answer(&dana, "deny", &begun)
            .await
            .refused(409, "already_decided");

        let given = poll(&anyone, &begun).await.done();
        assert_eq!(given["token_type"], "Bearer");
        assert_eq!(given["expires_in"], 900, "a quarter of an hour");
        assert!(
            given["refresh_token"]
                .as_str()
                .unwrap()
                .starts_with("csrt_")
        );
        let token = claims(given["access_token"].as_str().unwrap());
        let confirmer = claims(dana.token());
        assert_eq!(token["sub"], confirmer["sub"]);
        assert_eq!(token["aud"], server.issuer());
        assert_eq!(
            token["auth_time"], confirmer["auth_time"],
            "presence is that of who confirmed, not newer"
        );
        let cli = anyone.with_token(given["access_token"].as_str().unwrap());
        let me = cli.get("/api/sessions/current").await.done();
        assert_eq!(me["name"], "dana@example.com");
        let listed = cli.get("/api/sessions").await.done();
        let listed = &listed["items"][0];
        assert_eq!(listed["id"], token["chain_id"]);
        assert_eq!(
            (&listed["current"], &listed["place"]),
            (&json!(true), &json!("command_line"))
        );
        assert_eq!(listed["ends_at"], "2026-12-06T09:01:00Z", "14 days");
        server.clock().advance(Seconds(900 + 61));
        cli.get("/api/sessions/current")
            .await
            .refused(401, "token_expired");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_by_device_code_is_one_story_on_record() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let given = signed_in(&server, &dana).await;
        let token = claims(given["access_token"].as_str().unwrap());
        let record = async |id: &Value| {
            let path = format!("/api/evidence/{}", id.as_str().unwrap());
            dana.get(&path).await.done()["record"].clone()
        };
        let issued = record(&token["jti"]).await;
        assert_eq!(
            (&issued["kind"], &issued["grant"]),
            (&json!("token_issued"), &json!("device_code"))
        );
        let entered = record(&issued["parents"][0]).await;
        assert_eq!(
            (&entered["kind"], &entered["method"]),
            (&json!("signed_in"), &json!("device_code"))
        );
        assert_eq!(entered["txn"], token["txn"]);
        let decided = record(&entered["parents"][0]).await;
        assert_eq!(
            (&decided["kind"], &decided["confirmed"]),
            (&json!("sign_in_decided"), &json!(true))
        );
        assert_eq!(decided["parents"], json!([claims(dana.token())["jti"]]));
        let found = dana.get("/api/evidence?kind=sign_in_decided").await.done();
        assert_eq!(
            found["items"][0]["summary"],
            "dana@example.com confirmed the sign-in of laptop.example"
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_is_denied_over_or_asked_for_too_often_says_so() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let anyone = server.anyone();
        let denied = begin(&anyone).await;
        answer(&dana, "deny", &denied).await.done();
        poll(&anyone, &denied).await.refused(400, "access_denied");

        let hasty = begin(&anyone).await;
        poll(&anyone, &hasty)
            .await
            .refused(400, "authorization_pending");
        let slower = poll(&anyone, &hasty).await;
        slower.refused(400, "slow_down");
        assert_eq!(slower.json()["interval"], 10);
        server.clock().advance(Seconds(10));
        poll(&anyone, &hasty)
            .await
            .refused(400, "authorization_pending");

        server.clock().advance(Seconds(600));
        poll(&anyone, &hasty).await.refused(400, "expired_token");
        answer(&dana, "show", &hasty)
            .await
            .refused(404, "not_found");
        answer(&dana, "confirm", &hasty)
            .await
            .refused(404, "not_found");
        // Confirmed in time, and fetched too late.
        let late = begin(&anyone).await;
        answer(&dana, "confirm", &late).await.done();
        server.clock().advance(Seconds(600));
        poll(&anyone, &late).await.refused(400, "expired_token");
        assert_eq!(dana.get("/api/sessions").await.done()["items"], json!([]));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t28_only_a_person_who_proved_presence_lately_confirms_and_only_for_themselves() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let anyone = server.anyone();
        let begun = begin(&anyone).await;
        let nobody = answer(&anyone, "confirm", &begun).await;
        assert_eq!(nobody.status, 401, "{}", nobody.text());
        // A program has no sign-in to give away.
        dana.project("release").await;
        let identity = dana
            .identity("service_account", "robot", "release", json!({}))
            .await;
        let secret = dana.secret(identity["id"].as_str().unwrap()).await;
        let token = anyone
            .client_token(&secret, &[("audience", server.issuer())])
            .await
            .access_token();
        let robot = anyone.with_token(token);
        for verb in ["show", "confirm", "deny"] {
            answer(&robot, verb, &begun).await.refused(403, "forbidden");
        }
        // Another tenant's person does not see it.
        let eve = server.tenant("acme", "eve@example.com").await;
        for verb in ["show", "confirm", "deny"] {
            answer(&eve, verb, &begun).await.refused(404, "not_found");
        }
        let opened = anyone
            .get(&format!(
                "/device?user_code={}",
                begun["user_code"].as_str().unwrap()
            ))
            .await;
        assert_eq!(opened.status, 200);
        poll(&anyone, &begun)
            .await
            .refused(400, "authorization_pending");

        // A sign-in of days, past the twelve hours in which presence counts.
        let cli = signed_in(&server, &dana).await;
        server.clock().advance(Seconds(12 * 3600 + 1));
        let refreshed = crate::sign_ins::refresh(&anyone, &cli).await.done();
        let stale = anyone.with_token(refreshed["access_token"].as_str().unwrap());
        let later = begin(&anyone).await;
        answer(&stale, "show", &later).await.done();
        answer(&stale, "confirm", &later)
            .await
            .refused(401, "presence_too_old");
        poll(&anyone, &later)
            .await
            .refused(400, "authorization_pending");
        // To say no takes no presence.
        answer(&stale, "deny", &later).await.done();
        poll(&anyone, &later).await.refused(400, "access_denied");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t28_codes_cannot_be_guessed_in_numbers_and_nobody_makes_them_without_end() {
    on_each_database(async |database| {
        let server = TestServer::start_with(&database, |config| {
            config.limits.failures_per_client_per_minute = 5;
        })
        .await;
        let dana = server.owner().await;
        for number in 0..5 {
            let guess =
                json!({ "user_code": format!("BCDF-GHJ{}", ["B", "C", "D", "F", "G"][number]) });
            dana.post("/api/device-authorizations/show", &guess)
                .await
                .refused(404, "not_found");
        }
        let begun = begin(&server.anyone()).await;
        let stopped = answer(&dana, "confirm", &begun).await;
        stopped.refused(429, "rate_limited");
        assert!(stopped.header("retry-after").is_some());
        // Somebody else at the same address is not stopped by it.
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        answer(&lee, "deny", &begun).await.done();

        let fields = [CLIENT];
        let mut made = 1;
        while server
            .anyone()
            .form("/oauth2/device_authorization", &fields, &[])
            .await
            .status
            == 200
        {
            made += 1;
            assert!(made <= 60, "{made}");
        }
        assert_eq!(made, 60);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_code_is_good_once_and_using_it_again_ends_what_came_of_it() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let anyone = server.anyone();
        let begun = begin(&anyone).await;
        answer(&dana, "confirm", &begun).await.done();
        let given = poll(&anyone, &begun).await.done();
        let cli = anyone.with_token(given["access_token"].as_str().unwrap());
        cli.get("/api/sessions/current").await.done();
        poll(&anyone, &begun).await.refused(400, "replayed");
        cli.get("/api/sessions/current")
            .await
            .refused(401, "token_revoked");
        crate::sign_ins::refresh(&anyone, &given)
            .await
            .refused(400, "token_revoked");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_of_a_command_line_is_refused() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let anyone = server.anyone();
        let begin = async |fields: &[(&str, &str)]| {
            anyone
                .form("/oauth2/device_authorization", fields, &[])
                .await
        };
        begin(&[]).await.refused(400, "invalid_request");
        begin(&[("client_id", "another")])
            .await
            .refused(401, "invalid_client");
        begin(&[CLIENT, ("scope", "admin")])
            .await
            .refused(400, "invalid_scope");
        for name in ["a b", "\u{202e}evil", "a\u{1b}[2J", &"x".repeat(65)] {
            begin(&[CLIENT, ("host_name", name)])
                .await
                .refused(400, "invalid_request");
        }
        for days in ["0", "6", "31", "-7", "x"] {
            let answer = begin(&[CLIENT, ("ttl_days", days)]).await;
            assert_eq!(answer.status, 400, "{days}: {}", answer.text());
        }
        let ask = async |fields: &[(&str, &str)]| anyone.form("/oauth2/token", fields, &[]).await;
        let grant = ("grant_type", GRANT);
        ask(&[grant]).await.refused(400, "invalid_request");
        ask(&[grant, ("client_id", "another"), ("device_code", "x")])
            .await
            .refused(401, "invalid_client");
        ask(&[grant, CLIENT]).await.refused(400, "invalid_request");
        ask(&[grant, CLIENT, ("device_code", "x")])
            .await
            .refused(400, "invalid_grant");
        let refresh = ("grant_type", "refresh_token");
        ask(&[refresh, CLIENT])
            .await
            .refused(400, "invalid_request");
        ask(&[refresh, CLIENT, ("refresh_token", "x")])
            .await
            .refused(400, "invalid_grant");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thief_who_signs_the_middle_one_out_keeps_nothing() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        let held = async |by: &Caller| {
            let given = signed_in(&server, by).await;
            server
                .anyone()
                .with_token(given["access_token"].as_str().unwrap())
        };
        let first = held(&kim).await;
        let middle = held(&first).await;
        let last = held(&middle).await;
        assert_eq!(middle.delete("/api/sessions/current").await.status, 204);
        last.get("/api/sessions").await.done();
        // Whoever ends the first from elsewhere ends what came of it, and not where they are.
        let listed = kim.get("/api/sessions").await.done();
        let oldest = listed["items"].as_array().unwrap().last().unwrap()["id"].clone();
        let path = format!("/api/sessions/{}", oldest.as_str().unwrap());
        assert_eq!(kim.delete(&path).await.status, 204);
        for gone in [&first, &middle, &last] {
            gone.get("/api/sessions")
                .await
                .refused(401, "token_revoked");
        }
        assert_eq!(kim.get("/api/sessions").await.done()["items"], json!([]));
        server.stop().await;
    })
    .await;
}
