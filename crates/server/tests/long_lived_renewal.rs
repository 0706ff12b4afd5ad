//! Renewal of long-lived tokens (S4.15, S4.26), and those who try it with a token that is not theirs (T9).

use countersign_authority::long_lived::OnFork;
use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_server::config::Config;
use countersign_testkit::{Answer, Caller, TestServer, claims, on_each_database};
use serde_json::{Value, json};

use crate::{
    automation_world::execution_token,
    long_lived_tokens::{holder, made, sensor, text, webhook},
};

async fn refresh(caller: &Caller) -> Answer {
    caller.post("/api/auth/refresh", &json!({})).await
}

async fn alerts(owner: &Caller) -> Vec<Value> {
    let list = owner
        .get("/api/evidence?limit=100&kind=renewal_alert")
        .await;
    list.done()["items"].as_array().unwrap().clone()
}

async fn first_chain(owner: &Caller) -> Value {
    owner.get("/api/service-accounts").await.done()["data"][0]["tokens"][0].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seed_004_a_sensor_renews_on_day_72_and_144_and_the_old_token_lives_on() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let first = made(&owner, &sensor("sensor:core.timer")).await;
        assert_eq!(first["renew_at"], "2027-02-02T09:00:00Z", "day 72");
        assert!((0..=3600).contains(&first["renew_jitter_seconds"].as_i64().unwrap()));
        server.clock().advance(Seconds::days(72));
        let second = refresh(&holder(&server, &first)).await.done();
        assert_eq!(second["expires_at"], "2027-05-03T09:00:00Z", "day 162");
        assert_eq!(second["renew_at"], "2027-04-15T09:00:00Z", "day 144");
        let (old, new) = (
            claims(text(&first, "token")),
            claims(text(&second, "token")),
        );
        for member in [
            "sub",
            "scope",
            "metadata",
            "actions",
            "chain_id",
            "identity_id",
            "txn",
            "aud",
        ] {
            assert_eq!(old[member], new[member], "{member}");
        }
        assert_ne!(old["jti"], new["jti"]);
        // Both live until day 90, then the new one alone.
        for answer in [&first, &second] {
            holder(&server, answer)
                .get("/api/sessions/current")
                .await
                .done();
        }
        let dana = server.owner().await;
        let issued = dana
            .get(&format!("/api/evidence/{}", text(&new, "jti")))
            .await
            .done();
        assert_eq!(
            issued["record"]["parents"],
            json!([old["jti"]]),
            "the lineage of a refresh"
        );
        assert_eq!(issued["record"]["grant"], "refresh");
        // The story of the successor, and of the chain, leads to who answers.
        for reference in [
            format!("token:{}", text(&new, "jti")),
            format!("chain:{}", text(&first, "chain_id")),
        ] {
            let path = format!("/api/lineage?ref={reference}");
            let told = dana.get(&path).await.done();
            let sentence = text(&told, "sentence");
            assert!(
                sentence.contains("sensor:core.timer") && sentence.contains("dana@example.com"),
                "{reference}: {sentence}"
            );
        }
        let preview = json!({ "grain": "identity", "target": old["identity_id"], "preview": true });
        let preview = dana.post("/api/revocations", &preview).await.done();
        assert_eq!(preview["live_tokens"], 2);
        let chain = first_chain(&dana).await;
        assert_eq!((&chain["live"], &chain["renewals"]), (&json!(2), &json!(1)));
        assert_eq!(chain["ends_at"], "2027-11-22T09:00:00Z", "365 days");
        server.clock().advance(Seconds(18 * 86_400 + 61));
        holder(&server, &first)
            .get("/api/sessions/current")
            .await
            .refused(401, "token_expired");
        holder(&server, &second)
            .get("/api/sessions/current")
            .await
            .done();
        server.clock().advance(Seconds(54 * 86_400 - 61));
        let third = refresh(&holder(&server, &second)).await.done();
        assert_eq!(third["expires_at"], "2027-07-14T09:00:00Z", "day 234");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t9_a_chain_ends_after_a_year_however_often_it_is_renewed() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let mut held = made(&owner, &sensor("sensor:core.timer")).await;
        let longer = json!({ "expires_at": "2030-01-01T00:00:00Z" });
        owner
            .patch("/api/identities/sensor:core.timer", &longer)
            .await
            .done();
        for _ in 0..5 {
            server.clock().advance(Seconds::days(72));
            held = refresh(&holder(&server, &held)).await.done();
        }
        assert_eq!(
            held["expires_at"], "2027-11-22T09:00:00Z",
            "no later than the chain"
        );
        assert!(held.get("renew_at").is_none(), "{held}");
        server.clock().advance(Seconds(5 * 86_400 - 1));
        let dana = server.owner().await;
        assert_eq!(
            first_chain(&dana).await["findings"],
            json!(["chain_ends_soon"])
        );
        server.clock().advance(Seconds(1));
        refresh(&holder(&server, &held))
            .await
            .refused(401, "token_expired");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_repeated_within_a_minute_and_its_token_dies() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let first = made(&owner, &sensor("sensor:core.timer")).await;
        let sensor = holder(&server, &first);
        let lost = refresh(&sensor).await.done();
        server.clock().advance(Seconds(59));
        let again = refresh(&sensor).await.done();
        holder(&server, &lost)
            .get("/api/sessions/current")
            .await
            .refused(401, "token_revoked");
        holder(&server, &again)
            .get("/api/sessions/current")
            .await
            .done();
        refresh(&holder(&server, &lost))
            .await
            .refused(401, "token_revoked");
        assert!(alerts(&owner).await.is_empty(), "nobody need look at that");
        let chain = first_chain(&owner).await;
        assert_eq!((&chain["live"], &chain["renewals"]), (&json!(2), &json!(1)));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t9_a_stolen_token_that_is_renewed_elsewhere_shows_and_its_chain_dies_on_demand() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let first = made(&owner, &sensor("sensor:core.timer")).await;
        // The thief is first; the sensor comes when it should, and that is when it shows.
        let stolen = refresh(&holder(&server, &first)).await.done();
        server.clock().advance(Seconds(60));
        let told = refresh(&holder(&server, &first))
            .await
            .refused(409, "replayed");
        let chain_id = text(&first, "chain_id");
        assert!(text(&told, "detail").contains(chain_id), "{told}");
        let alerts = alerts(&owner).await;
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        let record = owner
            .get(&format!("/api/evidence/{}", text(&alerts[0], "id")))
            .await
            .done();
        assert_eq!(record["record"]["alert"], "forked");
        assert_eq!(record["record"]["chain_id"], chain_id);
        assert_eq!(
            first_chain(&owner).await["findings"],
            json!(["renewed_twice"])
        );
        let metrics = server.anyone().get("/metrics").await.text();
        assert!(
            metrics.contains("countersign_renewal_alerts_total{alert=\"forked\"} 1"),
            "{metrics}"
        );
        // The finding says what to type.
        let found = owner
            .get("/api/findings?weakness=renewed_twice")
            .await
            .done();
        let remedy = text(&found["items"][0]["findings"][0], "remedy");
        let command = format!("`countersign revoke chain {chain_id}`");
        assert!(remedy.starts_with(&command), "{remedy}");
        // The successor lives until a person ends the chain; then all of it is dead.
        holder(&server, &stolen)
            .get("/api/sessions/current")
            .await
            .done();
        let preview = json!({ "grain": "chain", "target": chain_id, "preview": true });
        assert_eq!(
            owner.post("/api/revocations", &preview).await.done()["live_tokens"],
            2
        );
        let revoke = json!({ "grain": "chain", "target": chain_id, "reason": "stolen" });
        let mo = server.enrol("mo@example.com", TenantRole::Member).await;
        mo.post("/api/revocations", &revoke)
            .await
            .refused(404, "not_found");
        owner.post("/api/revocations", &revoke).await.done();
        for answer in [&first, &stolen] {
            let caller = holder(&server, answer);
            caller
                .get("/api/sessions/current")
                .await
                .refused(401, "token_revoked");
            refresh(&caller).await.refused(401, "token_revoked");
        }
        // T11: it stays dead through clean-up and restart, and the identity needs no new name.
        server.run_job("clean_up").await;
        let server = server.restart().await;
        holder(&server, &stolen)
            .get("/api/sessions/current")
            .await
            .refused(401, "token_revoked");
        let owner = server.owner().await;
        let path = format!(
            "/api/service-accounts/{}/tokens",
            text(&first, "identity_id")
        );
        let next = owner.post(&path, &json!({})).await.done();
        refresh(&holder(&server, &next)).await.done();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t9_two_renewals_at_the_same_moment_leave_two_live_tokens_at_most() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let first = made(&owner, &sensor("sensor:core.timer")).await;
        let sensor = holder(&server, &first);
        let at_once: Vec<_> = (0..8)
            .map(|_| {
                let sensor = sensor.clone();
                tokio::spawn(async move { refresh(&sensor).await })
            })
            .collect();
        let mut answers = Vec::new();
        for one in at_once {
            answers.push(one.await.unwrap());
        }
        let got: Vec<_> = answers
            .iter()
            .filter(|answer| answer.status == 200)
            .collect();
        assert!(!got.is_empty());
        let mut live = 0;
        for answer in got {
            let answer = holder(&server, &answer.json())
                .get("/api/sessions/current")
                .await;
            live += u32::from(answer.status == 200);
        }
        assert_eq!(live, 1, "the successor, beside the token that was renewed");
        assert_eq!(first_chain(&owner).await["live"], 2);
        // The successor is not renewed while both live: three would.
        let full = answers.iter().rfind(|answer| answer.status == 200).unwrap();
        assert_ne!(refresh(&holder(&server, &full.json())).await.status, 200);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t9_nothing_is_renewed_after_revocation_expiry_disabling_or_narrowing() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let make = async |name: &str| made(&owner, &sensor(name)).await;
        let one = make("sensor:revoked").await;
        let jti = claims(text(&one, "token"))["jti"].clone();
        owner
            .post(
                "/api/revocations",
                &json!({ "grain": "token", "target": jti }),
            )
            .await
            .done();
        refresh(&holder(&server, &one))
            .await
            .refused(401, "token_revoked");

        let one = make("sensor:disabled").await;
        owner
            .post("/api/identities/sensor:disabled/disable", &json!({}))
            .await
            .done();
        refresh(&holder(&server, &one))
            .await
            .refused(401, "token_revoked");
        owner
            .post("/api/identities/sensor:disabled/enable", &json!({}))
            .await
            .done();
        refresh(&holder(&server, &one))
            .await
            .refused(401, "token_revoked");

        // Deleting is for ever, whatever the database keeps (latent fault b of the seed).
        let one = make("sensor:deleted").await;
        owner
            .delete("/api/identities/sensor:deleted?reason=done")
            .await
            .done();
        refresh(&holder(&server, &one))
            .await
            .refused(401, "token_revoked");

        let one = make("sensor:narrowed").await;
        let narrower =
            json!({ "metadata": { "scope": "sensor", "trigger_types": ["core.interval"] } });
        owner
            .patch("/api/identities/sensor:narrowed", &narrower)
            .await
            .done();
        refresh(&holder(&server, &one))
            .await
            .refused(403, "scope_not_allowed");
        owner
            .patch(
                "/api/identities/sensor:narrowed",
                &json!({ "metadata": {} }),
            )
            .await
            .done();
        refresh(&holder(&server, &one))
            .await
            .refused(403, "scope_not_allowed");

        let one = make("sensor:denied").await;
        let denied = json!({ "denied_actions": ["event.create", "rule.read", "trigger.read"] });
        owner
            .patch("/api/identities/sensor:denied", &denied)
            .await
            .done();
        refresh(&holder(&server, &one))
            .await
            .refused(403, "action_not_allowed");

        let one = make("sensor:late").await;
        server.clock().advance(Seconds::days(90));
        let late = holder(&server, &one);
        late.get("/api/sessions/current").await.done();
        refresh(&late).await.refused(401, "token_expired");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_sensors_and_people_renew() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let hook = made(
            &owner,
            &webhook(
                "webhook:deploy",
                json!({ "allowed_paths": ["/auth/refresh"] }),
            ),
        )
        .await;
        refresh(&holder(&server, &hook))
            .await
            .refused(403, "forbidden");
        let monitor = made(&owner, &json!({ "name": "monitor", "scope": "readonly" })).await;
        refresh(&holder(&server, &monitor))
            .await
            .refused(403, "forbidden");
        refresh(&owner).await.refused(403, "forbidden");
        refresh(&server.anyone())
            .await
            .refused(401, "unauthenticated");
        let (execution, _) = execution_token(&server, &owner, 300).await;
        refresh(&server.anyone().with_token(&execution))
            .await
            .refused(403, "forbidden");
        let with_more = owner
            .post("/api/auth/refresh", &json!({ "ttl_days": 365 }))
            .await;
        with_more.refused(400, "bad_request");
        let refused = owner
            .get("/api/evidence?limit=100&kind=refused")
            .await
            .done();
        let refused = refused["items"].as_array().unwrap();
        let of = |one: &&Value| text(one, "summary").starts_with("token refresh refused");
        assert_eq!(refused.iter().filter(of).count(), 4, "{refused:?}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seed_004_an_execution_has_a_token_of_its_own_as_long_as_its_time_out() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let (token, id) = execution_token(&server, &owner, 1800).await;
        let claims = claims(&token);
        assert_eq!(claims["scope"], "action_execution");
        assert_eq!(
            claims["metadata"],
            json!({ "execution_id": id, "action_ref": "core.echo" })
        );
        assert_eq!(
            claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
            1800
        );
        assert_eq!(claims["aud"], server.issuer());
        let caller = server.anyone().with_token(&token);
        let ask = async |action: &str, kind: &str, id: &str| {
            let question =
                json!({ "action": { "name": action }, "resource": { "type": kind, "id": id } });
            caller.post("/access/v1/evaluation", &question).await.done()["decision"].clone()
        };
        assert_eq!(ask("execution.update", "execution", &id).await, true);
        assert_eq!(ask("execution.update", "execution", "457").await, false);
        assert_eq!(ask("key.read", "execution", &id).await, true);
        assert_eq!(ask("key.read", "action", "core.other").await, false);
        assert_eq!(
            ask("event.create", "trigger_type", "core.timer").await,
            false
        );
        // Its end comes with that of the execution: by its id.
        let revoke =
            json!({ "grain": "token", "target": claims["jti"], "reason": "the execution ended" });
        owner.post("/api/revocations", &revoke).await.done();
        caller
            .get("/api/sessions/current")
            .await
            .refused(401, "token_revoked");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_share_of_life_after_which_to_renew_is_configured_for_each_type() {
    on_each_database(async |database| {
        let server =
            TestServer::start_with(&database, |config| config.tokens.sensor_renew_percent = 50)
                .await;
        let owner = server.owner().await;
        let first = made(&owner, &sensor("sensor:core.timer")).await;
        assert_eq!(first["renew_at"], "2027-01-06T09:00:00Z", "day 45");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seed_004_a_person_has_a_token_of_days_that_renews_without_new_presence() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        server.owner().await;
        let sign_in = async |days: i64| {
            let code = server.code("dana@example.com", None);
            let body = json!({ "code": code, "ttl_days": days });
            server.anyone().post("/api/sessions", &body).await
        };
        for days in [6, 31, -1] {
            sign_in(days).await.refused(422, "unprocessable");
        }
        let session = sign_in(30).await.done();
        assert_eq!(session["expires_at"], "2026-12-22T09:00:00Z");
        assert_eq!(session["renew_at"], "2026-12-16T09:00:00Z", "day 24");
        let first = claims(text(&session, "token"));
        assert_eq!(
            (&first["scope"], &first["actions"]),
            (&json!("user"), &json!([]))
        );
        server.clock().advance(Seconds::days(24));
        let second = refresh(&holder(&server, &session)).await.done();
        let renewed = claims(text(&second, "token"));
        assert_eq!(
            renewed["auth_time"], first["auth_time"],
            "presence is not proved again"
        );
        assert_eq!(
            renewed["exp"].as_i64().unwrap() - renewed["iat"].as_i64().unwrap(),
            30 * 86_400
        );
        // What the person may is looked up each time, and what needs presence needs it now.
        let dana = holder(&server, &second);
        dana.project("release").await;
        let who = dana.get("/api/sessions/current").await.done();
        assert_eq!(who["role"], "owner");
        assert_eq!(who["authenticated_at"], "2026-11-22T09:00:00Z");
        // Who is switched off is out with all of it.
        let lee = server.enrol("lee@example.com", TenantRole::Owner).await;
        let revoke =
            json!({ "grain": "chain", "target": second["chain_id"], "reason": "lost laptop" });
        lee.post("/api/revocations", &revoke).await.done();
        dana.get("/api/sessions/current")
            .await
            .refused(401, "token_revoked");
        refresh(&holder(&server, &session))
            .await
            .refused(401, "token_revoked");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t9_where_it_is_configured_a_chain_dies_at_once_when_two_hold_a_token_of_it() {
    on_each_database(async |database| {
        let kill = |config: &mut Config| config.tokens.fork = OnFork::Kill;
        let server = TestServer::start_with(&database, kill).await;
        let owner = server.owner().await;
        let first = made(&owner, &sensor("sensor:core.timer")).await;
        let stolen = refresh(&holder(&server, &first)).await.done();
        server.clock().advance(Seconds(60));
        let told = refresh(&holder(&server, &first))
            .await
            .refused(409, "replayed");
        assert!(text(&told, "detail").contains("is revoked"), "{told}");
        for token in [&first, &stolen] {
            let dead = holder(&server, token).get("/api/sessions/current").await;
            dead.refused(401, "token_revoked");
        }
        assert_eq!(alerts(&owner).await.len(), 1);
        let chain = first_chain(&owner).await;
        assert_eq!(chain["live"], 0, "{chain}");
        assert!(
            chain.get("findings").is_none(),
            "nobody need end it: {chain}"
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_4_a_person_lists_their_tokens_of_days_and_ends_one_of_them() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        server.enrol("mo@example.com", TenantRole::Member).await;
        let for_days = async || {
            let body = json!({ "code": server.code("mo@example.com", None), "ttl_days": 30 });
            let made = server.anyone().post("/api/sessions", &body).await.done();
            holder(&server, &made)
        };
        let (laptop, lost) = (for_days().await, for_days().await);
        let listed = async |caller: &Caller| {
            let items = caller.get("/api/sessions").await.done()["items"].clone();
            items.as_array().unwrap().clone()
        };
        let items = listed(&laptop).await;
        assert_eq!(items.len(), 2, "{items:?}");
        let own: Vec<_> = items
            .iter()
            .filter(|item| item["current"] == true)
            .collect();
        let chain = claims(laptop.token())["chain_id"].clone();
        assert_eq!((own.len(), &own[0]["id"]), (1, &chain), "{items:?}");
        assert_eq!(own[0]["method"], "enrolment_code");

        // A renewed one is the same sign-in; one that two parties hold says so.
        server.clock().advance(Seconds::days(24));
        refresh(&lost).await.done();
        server.clock().advance(Seconds(60));
        refresh(&lost).await.refused(409, "replayed");
        let items = listed(&laptop).await;
        let other = items.iter().find(|item| item["current"] == false).unwrap();
        assert_eq!(
            (items.len(), &other["findings"]),
            (2, &json!(["renewed_twice"]))
        );

        // Nobody else ends it, nor learns that it is there.
        let path = format!("/api/sessions/{}", text(other, "id"));
        let kim = server.enrol("kim@example.com", TenantRole::Owner).await;
        assert_eq!(listed(&kim).await.len(), 0);
        kim.delete(&path).await.refused(404, "not_found");
        lost.get("/api/sessions/current").await.done();
        assert_eq!(laptop.delete(&path).await.status, 204);
        lost.get("/api/sessions/current")
            .await
            .refused(401, "token_revoked");
        laptop.get("/api/sessions/current").await.done();
        assert_eq!(listed(&laptop).await.len(), 1);
        server.stop().await;
    })
    .await;
}
