//! What a long-lived token is bound to (S4.12), where it may travel (S4.22), and how it is written (S4.6).

use countersign_testkit::{Caller, TestServer, eventually, on_each_database};
use reqwest::Method;
use serde_json::{Value, json};

use crate::long_lived_tokens::{holder, made, sensor, text, webhook};

async fn ask(caller: &Caller, action: &str, resource: Option<(&str, &str)>) -> Value {
    let mut question = json!({ "action": { "name": action } });
    if let Some((kind, id)) = resource {
        question["resource"] = json!({ "type": kind, "id": id });
    }
    caller.post("/access/v1/evaluation", &question).await.done()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seed_004_a_sensor_may_create_events_of_its_trigger_types_alone() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let answer = made(&owner, &sensor("sensor:core.timer")).await;
        let sensor = holder(&server, &answer);
        for action in ["event.create", "rule.read", "trigger.read"] {
            let yes = ask(&sensor, action, Some(("trigger_type", "core.timer"))).await;
            assert_eq!(yes["decision"], true, "{action}: {yes}");
            for other in [
                Some(("trigger_type", "core.interval")),
                Some(("trigger_type", "core.timer ")),
                Some(("rule", "core.timer")),
                None,
            ] {
                let no = ask(&sensor, action, other).await;
                assert_eq!(no["decision"], false, "{action} {other:?}: {no}");
            }
        }
        for action in ["action.execute", "key.read", "execution.update"] {
            assert_eq!(
                ask(&sensor, action, None).await["decision"],
                false,
                "{action}"
            );
        }
        let narrower = json!({ "allowed_actions": ["rule.read"] });
        owner
            .patch("/api/identities/sensor:core.timer", &narrower)
            .await
            .done();
        let no = ask(
            &sensor,
            "event.create",
            Some(("trigger_type", "core.timer")),
        )
        .await;
        assert_eq!(
            no["decision"], false,
            "the identity is looked at again: {no}"
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t26_a_webhook_calls_its_paths_and_no_other_spelling_of_another() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let paths = json!({ "allowed_paths": ["/sessions/current"] });
        let answer = made(&owner, &webhook("webhook:deploy", paths)).await;
        let hook = holder(&server, &answer);
        hook.get("/api/sessions/current").await.done();
        for path in [
            "/api/approvals",
            "/api/service-accounts",
            "/api/identities/sessions",
        ] {
            hook.get(path).await.refused(403, "forbidden");
        }
        hook.post(
            "/access/v1/evaluation",
            &json!({ "action": { "name": "event.create" } }),
        )
        .await
        .refused(403, "forbidden");
        for path in [
            "/api/sessions/%63urrent",
            "/api/sessions%2fcurrent",
            "/api//sessions/current",
        ] {
            let answer = hook.get(path).await;
            assert!(
                matches!(answer.status, 400 | 404),
                "{path}: {}",
                answer.text()
            );
        }
        let id = text(&answer, "identity_id");
        let refused = owner
            .get(&format!("/api/evidence?identity={id}&outcome=refused"))
            .await
            .done();
        assert_eq!(refused["items"].as_array().unwrap().len(), 4, "{refused}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t25_a_token_is_used_from_its_networks_and_no_header_of_a_stranger_says_otherwise() {
    on_each_database(async |database| {
        let bound = || json!({ "allowed_paths": ["/sessions/current"], "ip_whitelist": ["203.0.113.0/24", "2001:db8:1::/48"] });
        let from = async |caller: &Caller, headers: &[(&str, &str)]| {
            caller.send(Method::GET, "/api/sessions/current", None, headers).await
        };
        // Nobody is trusted to say where a request comes from: it comes from loopback.
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let hook = holder(&server, &made(&owner, &webhook("webhook:deploy", bound())).await);
        for headers in [&[][..], &[("x-forwarded-for", "203.0.113.9")], &[("forwarded", "for=203.0.113.9")]] {
            from(&hook, headers).await.refused(403, "forbidden");
        }
        server.stop().await;
    })
    .await;
    on_each_database(async |database| {
        let bound = || json!({ "allowed_paths": ["/sessions/current"], "ip_whitelist": ["203.0.113.0/24", "2001:db8:1::/48"] });
        let from = async |caller: &Caller, line: &str| {
            let headers = [("x-forwarded-for", line)];
            caller.send(Method::GET, "/api/sessions/current", None, &headers).await
        };
        let server = TestServer::start_with(&database, |config| {
            config.server.behind_proxy = true;
            config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        })
        .await;
        let owner = server.owner().await;
        let hook = holder(&server, &made(&owner, &webhook("webhook:deploy", bound())).await);
        for line in ["203.0.113.9", "198.51.100.1, 203.0.113.9", "::ffff:203.0.113.9", "2001:db8:1::7"] {
            from(&hook, line).await.done();
        }
        for line in ["198.51.100.1", "203.0.113.9, 198.51.100.1", "2001:db8:2::7", "unknown"] {
            from(&hook, line).await.refused(403, "forbidden");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seed_004_a_token_in_the_query_or_a_cookie_is_refused_and_flagged() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let answer = made(&owner, &sensor("sensor:core.timer")).await;
        let token = text(&answer, "token");
        let sensor = holder(&server, &answer);
        let anyone = server.anyone();
        let path = format!("/api/service-accounts?access_token={token}");
        anyone.get(&path).await.refused(401, "token_invalid");
        sensor.get(&path).await.refused(401, "token_invalid");
        anyone
            .get(&format!("/api/sessions/current?t=sensor_{token}"))
            .await
            .refused(401, "token_invalid");
        for cookie in [format!("token={token}"), format!("a=b; x=\"{token}\"")] {
            let headers = [("cookie", cookie.as_str())];
            let answer = anyone
                .send(Method::GET, "/api/sessions/current", None, &headers)
                .await;
            answer.refused(401, "token_invalid");
        }
        sensor
            .send(
                Method::GET,
                "/api/sessions/current",
                None,
                &[("cookie", "theme=dark")],
            )
            .await
            .done();
        server.run_job("flush_refusals").await;
        let flagged = eventually("the flag", async || {
            let list = owner
                .get("/api/evidence?limit=100&kind=refused")
                .await
                .done();
            let items = list["items"].as_array().unwrap().clone();
            items
                .into_iter()
                .find(|one| text(one, "summary").contains("a token outside the header"))
        })
        .await;
        assert!(!flagged.to_string().contains(token), "{flagged}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seed_004_a_prefix_for_secret_scanners_is_accepted_when_it_is_that_of_the_scope() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let sensor = made(&owner, &sensor("sensor:core.timer")).await;
        let hook = made(
            &owner,
            &webhook(
                "webhook:deploy",
                json!({ "allowed_paths": ["/sessions/current"] }),
            ),
        )
        .await;
        let with = async |prefix: &str, token: &str| {
            let caller = server.anyone().with_token(format!("{prefix}{token}"));
            caller.get("/api/sessions/current").await
        };
        with("sensor_", text(&sensor, "token")).await.done();
        with("webhook_", text(&hook, "token")).await.done();
        with("user_", owner.token()).await.done();
        for (prefix, token) in [
            ("webhook_", text(&sensor, "token")),
            ("sensor_", text(&hook, "token")),
            ("sensor_", owner.token()),
            ("sensor_sensor_", text(&sensor, "token")),
            ("admin_", owner.token()),
        ] {
            with(prefix, token).await.refused(401, "token_invalid");
        }
        server.stop().await;
    })
    .await;
}
