//! An incident: what a credential or run did between two times, from where, what of that is new, and what stops it.

use countersign_guard::{Outcome, Request};
use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_testkit::{TestServer, claims, eventually, guard, on_each_database};
use serde_json::{Value, json};

use crate::world::{AUDIENCE, Pipeline, pipeline};

const KNOWN: &str = "203.0.113.5";
const STRANGE: &str = "198.51.100.7";

/// A run of this id gets a token from this address.
async fn run_from(server: &TestServer, pipeline: &Pipeline, run_id: &str, from: &str) -> String {
    let assertion = pipeline.run(server, |claims| claims.with("run_id", run_id));
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("client_id", pipeline.id()),
        ("assertion", &assertion),
    ];
    let headers = [("x-forwarded-for", from)];
    let answer = server.anyone().form("/oauth2/token", &form, &headers).await;
    answer.access_token()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_has_what_was_done_between_two_times_and_marks_where_nothing_came_from_before()
{
    on_each_database(async |database| {
        let server = TestServer::start_with(&database, |config| {
            config.server.behind_proxy = true;
            config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        })
        .await;
        let pipeline = pipeline(&server).await;
        run_from(&server, &pipeline, "1", KNOWN).await;
        server.clock().advance(Seconds(60));
        let since = server.clock().now().to_string();
        run_from(&server, &pipeline, "2", KNOWN).await;
        let token = run_from(&server, &pipeline, "3", STRANGE).await;
        let guard = guard(
            &server,
            AUDIENCE,
            "pipeline://release/",
            Some(&pipeline.target),
        )
        .await;
        let reads = Request::parse("rollout.status.read").unwrap();
        let authorized = guard.authorize(&token, reads).await.unwrap();
        authorized.report(Outcome::Done, None);
        guard.flush().await.unwrap();
        server.clock().advance(Seconds(60));
        let until = server.clock().now().to_string();
        run_from(&server, &pipeline, "4", KNOWN).await;

        let owner = &pipeline.owner;
        let tell = async |reference: &str, more: &str| {
            let reference = reference.replace(':', "%3A").replace('/', "%2F");
            let path = format!("/api/incidents?ref={reference}&since={since}{more}");
            owner.get(&path).await.done()
        };
        let count = |told: &Value, kind: &str| {
            let items = told["items"].as_array().unwrap();
            items.iter().filter(|one| one["kind"] == kind).count()
        };
        let said = claims(&token);
        let credential = said["credential_id"].as_str().unwrap();
        let reference = format!("credential:{credential}");
        let told = eventually("all of it is on record", async || {
            let told = tell(&reference, &format!("&until={until}")).await;
            (count(&told, "action") == 1).then_some(told)
        })
        .await;
        // What was before and after is not in it; what was done with a token of the credential is, though it does
        // not name the credential.
        assert_eq!(count(&told, "token_issued"), 2, "{told}");
        assert_eq!(
            told["sources"],
            json!([
                { "address": STRANGE, "records": 1, "first_time": true },
                { "address": KNOWN, "records": 1, "first_time": false },
            ])
        );
        let grains: Vec<_> = told["contain"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                (
                    one["grain"].as_str().unwrap(),
                    one["target"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            grains,
            [("trust_rule", credential), ("identity", pipeline.id())]
        );
        let ids: Vec<_> = told["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].as_str().unwrap())
            .collect();
        assert!(
            ids.is_sorted_by(|a, b| a > b),
            "newest first, each once: {ids:?}"
        );
        // Each goes where it is stopped, and its record is had with its proof.
        for one in told["contain"].as_array().unwrap() {
            let preview =
                json!({ "grain": one["grain"], "target": one["target"], "preview": true });
            owner.post("/api/revocations", &preview).await.done();
        }

        // One run: new where its program never came from.
        let run = said["run"]["key"].as_str().map_or("3", |key| key);
        let told = tell(&format!("run:{run}"), "").await;
        assert_eq!(
            (count(&told, "token_issued"), count(&told, "action")),
            (1, 1),
            "{told}"
        );
        assert_eq!(
            told["sources"],
            json!([{ "address": STRANGE, "records": 1, "first_time": true }])
        );
        assert_eq!(told["contain"][0]["grain"], "run");
        // One token, with its own record.
        let told = tell(&format!("token:{}", said["jti"].as_str().unwrap()), "").await;
        assert_eq!(
            (count(&told, "token_issued"), count(&told, "action")),
            (1, 1),
            "{told}"
        );
        // Without times it is the last day, up to now; the cursor of one page leads on.
        server.clock().advance(Seconds(1));
        let path = "/api/incidents?ref=run%3A4&limit=1";
        let told = owner.get(path).await.done();
        assert_eq!(count(&told, "token_issued"), 1, "{told}");
        let path = format!("/api/incidents?ref=identity%3A{}&limit=1", pipeline.id());
        let first = owner.get(&path).await.done();
        let next = first["next"].as_str().unwrap();
        let second = owner.get(&format!("{path}&after={next}")).await.done();
        assert_ne!(first["items"][0]["id"], second["items"][0]["id"]);
        // A person.
        let told = tell("user:dana@example.com", "").await;
        assert_eq!(told["contain"], json!([]));

        for wrong in ["nothing", "team:x", "token:no-id"] {
            let path = format!("/api/incidents?ref={wrong}&since={since}");
            owner.get(&path).await.refused(400, "bad_request");
        }
        // Who may not read the records is told of none.
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        let path = format!("/api/incidents?ref=run%3A3&since={since}");
        let told = kim.get(&path).await.done();
        assert_eq!((&told["items"], &told["sources"]), (&json!([]), &json!([])));
        let path = format!(
            "/api/incidents?ref=identity%3A{}&since={since}",
            pipeline.id()
        );
        let told = kim.get(&path).await.done();
        assert_eq!(
            (&told["name"], &told["contain"]),
            (&json!(pipeline.id()), &json!([]))
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_incident_leaves_out_it_names_and_a_token_from_before_is_followed_into_it() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let pipeline = pipeline(&server).await;
        let early = run_from(&server, &pipeline, "1", KNOWN).await;
        server.clock().advance(Seconds(60));
        let since = server.clock().now();
        let busy = run_from(&server, &pipeline, "2", KNOWN).await;
        let guard = guard(
            &server,
            AUDIENCE,
            "pipeline://release/",
            Some(&pipeline.target),
        )
        .await;
        for token in std::iter::repeat_n(&busy, 21).chain([&early]) {
            let reads = Request::parse("rollout.status.read").unwrap();
            let authorized = guard.authorize(token, reads).await.unwrap();
            authorized.report(Outcome::Done, None);
        }
        guard.flush().await.unwrap();
        server.clock().advance(Seconds(60));
        let said = claims(&busy);
        let tell = async |reference: String| {
            let path = format!("/api/incidents?ref={reference}&since={since}&limit=50");
            pipeline.owner.get(&path).await.done()
        };
        let jti = said["jti"].as_str().unwrap();
        let actions = |told: &Value| {
            let items = told["items"].as_array().unwrap();
            items.iter().filter(|one| one["kind"] == "action").count()
        };
        // Of the token itself page by page, all of it.
        eventually("all of it is on record", async || {
            let told = tell(format!("token%3A{jti}")).await;
            assert!(told["truncated"].is_null(), "{told}");
            (actions(&told) == 21).then_some(())
        })
        .await;
        let credential = said["credential_id"].as_str().unwrap();
        let told = tell(format!("credential%3A{credential}")).await;
        assert_eq!(
            actions(&told),
            20 + 1,
            "the newest of one, and that of the other: {told}"
        );
        assert_eq!(told["truncated"], json!([jti]));
        let from = since - Seconds(3600);
        assert_eq!(told["tokens_since"], from.to_string());
        server.stop().await;
    })
    .await;
}
