//! People's sign-ins that last: refreshed, stolen, listed, ended.

use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_testkit::{Answer, Caller, TestServer, claims, on_each_database, on_postgres};
use serde_json::{Value, json};

use crate::device_login::{GRANT, answer, begin, signed_in};

/// The command line that was given this refreshes itself.
pub async fn refresh(anyone: &Caller, given: &Value) -> Answer {
    refresh_with(anyone, given["refresh_token"].as_str().unwrap()).await
}

async fn refresh_with(anyone: &Caller, token: &str) -> Answer {
    let fields = [
        ("client_id", "countersign-cli"),
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
    ];
    anyone.form("/oauth2/token", &fields, &[]).await
}

fn holder(server: &TestServer, given: &Value) -> Caller {
    server
        .anyone()
        .with_token(given["access_token"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_4_a_refresh_gives_the_next_quarter_of_an_hour_until_the_sign_in_is_over() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let first = signed_in(&server, &dana).await;
        let anyone = server.anyone();
        let mut held = first.clone();
        for _ in 0..4 {
            server.clock().advance(Seconds::days(3));
            let next = refresh(&anyone, &held).await.done();
            assert_eq!(next["expires_in"], 900);
            assert_ne!(next["refresh_token"], held["refresh_token"]);
            let (old, new) = (
                claims(held["access_token"].as_str().unwrap()),
                claims(next["access_token"].as_str().unwrap()),
            );
            for member in ["sub", "aud", "chain_id", "txn", "auth_time", "identity_id"] {
                assert_eq!(old[member], new[member], "{member}");
            }
            holder(&server, &next)
                .get("/api/sessions/current")
                .await
                .done();
            let dana = server.owner().await;
            let path = format!("/api/evidence/{}", new["jti"].as_str().unwrap());
            let issued = dana.get(&path).await.done()["record"].clone();
            assert_eq!(
                (&issued["grant"], &issued["parents"]),
                (&json!("refresh_token"), &json!([old["jti"]]))
            );
            held = next;
        }
        // Five minutes before the end of the fourteen days.
        server.clock().advance(Seconds(2 * 86_400 - 300));
        let last = refresh(&anyone, &held).await.done();
        assert_eq!(last["expires_in"], 300, "no later than the sign-in");
        server.clock().advance(Seconds(300));
        refresh(&anyone, &last).await.refused(400, "token_expired");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t9_a_refresh_token_that_is_used_twice_ends_the_sign_in_for_both() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let stolen = signed_in(&server, &dana).await;
        let anyone = server.anyone();
        let thief = refresh(&anyone, &stolen).await.done();
        // The thief signs another machine in while they can.
        let begun = begin(&anyone).await;
        answer(&holder(&server, &thief), "confirm", &begun)
            .await
            .done();
        let planted = crate::device_login::poll(&anyone, &begun).await.done();
        server.clock().advance(Seconds(61));
        refresh(&anyone, &stolen).await.refused(400, "replayed");
        for given in [&thief, &planted] {
            holder(&server, given)
                .get("/api/sessions/current")
                .await
                .refused(401, "token_revoked");
            refresh(&anyone, given).await.refused(400, "token_revoked");
        }
        let chain = claims(thief["access_token"].as_str().unwrap())["chain_id"].clone();
        let ended = dana.get("/api/evidence?kind=revoked").await.done();
        let summaries: Vec<_> = ended["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["summary"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(summaries.len(), 2, "{summaries:?}");
        assert!(
            summaries.contains(&format!(
                "chain {} revoked: a refresh token was used twice",
                chain.as_str().unwrap()
            )),
            "{summaries:?}"
        );
        assert_eq!(dana.get("/api/sessions").await.done()["items"], json!([]));
        let metrics = anyone.get("/metrics").await.text();
        assert!(
            metrics.contains("renewal_alerts_total{alert=\"reused\"} 1"),
            "{metrics}"
        );
        // Who signs in again is not held to it.
        signed_in(&server, &dana).await;
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_was_lost_is_given_again_within_a_minute_and_its_token_dies() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let first = signed_in(&server, &dana).await;
        let anyone = server.anyone();
        let lost = refresh(&anyone, &first).await.done();
        server.clock().advance(Seconds(59));
        let again = refresh(&anyone, &first).await.done();
        holder(&server, &lost)
            .get("/api/sessions/current")
            .await
            .refused(401, "token_revoked");
        holder(&server, &again)
            .get("/api/sessions/current")
            .await
            .done();
        let next = refresh(&anyone, &again).await.done();
        // Whoever has the lost one after all shows that there are two.
        refresh(&anyone, &lost).await.refused(400, "replayed");
        refresh(&anyone, &next).await.refused(400, "token_revoked");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_refreshes_at_once_give_one_live_successor() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let given = signed_in(&server, &dana).await;
        let anyone = server.anyone();
        let (one, other) = tokio::join!(refresh(&anyone, &given), refresh(&anyone, &given));
        let mut alive = 0;
        for answer in [one, other] {
            let token = answer.done();
            let me = holder(&server, &token).get("/api/sessions/current").await;
            alive += usize::from(me.status == 200);
        }
        assert_eq!(alive, 1, "the first answer counts as lost");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t10_a_reuse_at_one_replica_ends_the_sign_in_at_the_other() {
    on_postgres(async |database| {
        let server = TestServer::start(&database).await;
        let other = server.replica().await;
        let dana = server.owner().await;
        let given = signed_in(&server, &dana).await;
        let next = refresh(&other.anyone(), &given).await.done();
        server.clock().advance(Seconds(61));
        refresh(&server.anyone(), &given)
            .await
            .refused(400, "replayed");
        refresh(&other.anyone(), &next)
            .await
            .refused(400, "token_revoked");
        let ended = countersign_testkit::eventually("the end at the other replica", async || {
            let answer = holder(&other, &next).get("/api/sessions/current").await;
            (answer.status == 401).then_some(())
        });
        ended.await;
        other.stop().await;
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_lists_and_ends_their_own_sign_ins_and_no_others() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        let (first, second) = (
            signed_in(&server, &dana).await,
            signed_in(&server, &dana).await,
        );
        let id = |given: &Value| {
            let token = claims(given["access_token"].as_str().unwrap());
            token["chain_id"].as_str().unwrap().to_owned()
        };
        let path = format!("/api/sessions/{}", id(&first));
        assert_eq!(lee.get("/api/sessions").await.done()["items"], json!([]));
        lee.delete(&path).await.refused(404, "not_found");
        lee.delete("/api/sessions/x")
            .await
            .refused(404, "not_found");
        let listed = holder(&server, &second).get("/api/sessions").await.done();
        let current: Vec<_> = listed["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                (
                    one["id"].as_str().unwrap().to_owned(),
                    one["current"] == true,
                )
            })
            .collect();
        assert_eq!(current, [(id(&second), true), (id(&first), false)]);
        assert_eq!(dana.delete(&path).await.status, 204);
        holder(&server, &first)
            .get("/api/sessions/current")
            .await
            .refused(401, "token_revoked");
        refresh(&server.anyone(), &first)
            .await
            .refused(400, "token_revoked");
        holder(&server, &second).get("/api/sessions").await.done();
        // Signing out ends the sign-in, not only the token of a quarter of an hour.
        let out = holder(&server, &second)
            .delete("/api/sessions/current")
            .await;
        assert_eq!(out.status, 204);
        refresh(&server.anyone(), &second)
            .await
            .refused(400, "token_revoked");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_ends_its_own_sign_in_and_an_unknown_one_is_answered_alike() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let given = signed_in(&server, &dana).await;
        let anyone = server.anyone();
        let text = given["refresh_token"].as_str().unwrap();
        let strange = text.replace("csrt", "csdc");
        for token in [strange.as_str(), text, text] {
            let fields = [("token", token), ("client_id", "countersign-cli")];
            let answer = anyone.form("/oauth2/revoke", &fields, &[]).await;
            let expected = if token == text { 200 } else { 401 };
            assert_eq!(answer.status, expected, "{}", answer.text());
        }
        holder(&server, &given)
            .get("/api/sessions/current")
            .await
            .refused(401, "token_revoked");
        // One in the right form that nobody issued: no difference to see.
        let (_, unknown) = countersign_crypto::opaque::OpaqueSecret::generate(
            countersign_crypto::opaque::SecretKind::RefreshToken,
        );
        let fields = [("token", unknown.expose().as_str())];
        let answer = anyone.form("/oauth2/revoke", &fields, &[]).await;
        assert_eq!(answer.status, 200);
        refresh_with(&anyone, unknown.expose())
            .await
            .refused(400, "token_invalid");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_or_is_revoked_is_signed_in_nowhere() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        let given = signed_in(&server, &lee).await;
        let waiting = begin(&server.anyone()).await;
        answer(&lee, "confirm", &waiting).await.done();
        dana.post(
            "/api/users/lee@example.com/disable",
            &json!({ "reason": "left" }),
        )
        .await
        .done();
        let anyone = server.anyone();
        refresh(&anyone, &given).await.refused(400, "token_revoked");
        let poll = crate::device_login::poll(&anyone, &waiting).await;
        poll.refused(400, "token_revoked");
        dana.post("/api/users/lee@example.com/enable", &json!({}))
            .await
            .done();
        // What was given out before stays dead.
        refresh(&anyone, &given).await.refused(400, "token_revoked");
        // An owner ends the sign-in of another by its chain, and of one token all of it.
        let mo = server.enrol("mo@example.com", TenantRole::Member).await;
        for grain in ["chain", "token"] {
            let given = signed_in(&server, &mo).await;
            let token = claims(given["access_token"].as_str().unwrap());
            let member = if grain == "chain" { "chain_id" } else { "jti" };
            let body = json!({ "grain": grain, "target": token[member], "reason": "lost laptop" });
            dana.post("/api/revocations", &body).await.done();
            refresh(&anyone, &given).await.refused(400, "token_revoked");
            holder(&server, &given)
                .get("/api/sessions/current")
                .await
                .refused(401, "token_revoked");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_opens_nothing_but_its_refresh() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let given = signed_in(&server, &dana).await;
        let anyone = server.anyone();
        let text = given["refresh_token"].as_str().unwrap();
        let with = anyone.with_token(text);
        assert_eq!(with.get("/api/sessions/current").await.status, 401);
        let as_device = [
            ("client_id", "countersign-cli"),
            ("grant_type", GRANT),
            ("device_code", text),
        ];
        anyone
            .form("/oauth2/token", &as_device, &[])
            .await
            .refused(400, "token_invalid");
        // Nor does what it gives renew itself in the form of long-lived tokens.
        holder(&server, &given)
            .post("/api/auth/refresh", &json!({}))
            .await
            .refused(403, "forbidden");
        // Another tenant's endpoint knows nothing of it.
        server.tenant("acme", "eve@example.com").await;
        let there = anyone.at(format!("{}/t/acme", anyone.base()));
        refresh_with(&there, text)
            .await
            .refused(400, "token_invalid");
        refresh_with(&anyone, text).await.done();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_signed_in_more_than_twenty_times() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        for _ in 0..20 {
            signed_in(&server, &dana).await;
        }
        let begun = begin(&server.anyone()).await;
        answer(&dana, "confirm", &begun)
            .await
            .refused(422, "unprocessable");
        server.stop().await;
    })
    .await;
}
