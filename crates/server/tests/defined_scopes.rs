//! Scopes that an organisation defines: parts of the built-in ones, which narrow and never widen (S4.7, S4.29).

use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_testkit::{Caller, TestServer, claims, on_each_database};
use serde_json::{Value, json};

use crate::{
    automation_world::apply,
    long_lived_tokens::{holder, made, text},
    wire_exchange::{calls, exchange},
    world::{AUDIENCE, project},
};

fn timer(actions: &[&str]) -> Value {
    json!({ "name": "timer", "parent": "sensor", "actions": actions, "longest_days": 30 })
}

/// A sensor of the organisation's scope `timer`.
fn sensor() -> Value {
    json!({ "name": SENSOR, "scope": "timer", "metadata": { "trigger_types": ["core.timer"] } })
}

const SENSOR: &str = "sensor:core.timer";
const RULES: &str = "/api/rules?trigger_type=core.timer";

async fn actions(caller: &Caller) -> Value {
    caller.get("/api/sessions/current").await.done()["actions"].clone()
}

/// Whether the token of the caller may do it here, as Countersign itself decides.
async fn may(caller: &Caller, action: &str) -> bool {
    let question = json!({ "action": { "name": action }, "resource": { "type": "trigger_type", "id": "core.timer" } });
    let answer = caller.post("/access/v1/evaluation", &question).await.done();
    answer["decision"] == true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_a_defined_scope_says_its_parent_and_carries_what_the_definition_leaves() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let defined = owner.make("scopes", &timer(&["event.create"])).await;
        for (member, value) in [
            ("parent", json!("sensor")),
            ("shortest_days", json!(1)),
            ("longest_days", json!(30)),
            ("usual_days", json!(30)),
        ] {
            assert_eq!(defined[member], value, "{defined}");
        }
        let mut long = sensor();
        long["ttl_days"] = json!(31);
        let refused = owner.post("/api/service-accounts", &long).await;
        let refused = refused.refused(422, "unprocessable");
        assert!(
            text(&refused, "detail").contains("a `timer` token lives 1 to 30 days"),
            "{refused}"
        );
        let answer = made(&owner, &sensor()).await;
        assert_eq!(
            (&answer["scope"], &answer["defined_scope"]),
            (&json!("sensor"), &json!("timer"))
        );
        let claims = claims(text(&answer, "token"));
        // Whoever knows built-in scopes alone reads one, and no wider token than it is.
        assert_eq!(claims["scope"], "sensor");
        assert_eq!(claims["actions"], json!(["event.create"]));
        assert!(!claims.to_string().contains("\"timer\"") && claims.get("defined_scope").is_none());
        let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        assert_eq!(life, 30 * 86_400);
        let list = owner.get("/api/service-accounts").await.done();
        let shown = &list["data"][0];
        assert_eq!(
            (&shown["scope"], &shown["defined_scope"]),
            (&json!("sensor"), &json!("timer"))
        );
        let record = owner
            .get(&format!("/api/evidence/{}", text(&claims, "jti")))
            .await
            .done();
        let refs = record["record"]["refs"].to_string();
        assert!(
            refs.contains(text(&defined, "id")) && refs.contains("timer"),
            "{refs}"
        );
        // What the identity is allowed and its scope does not have, its long-lived token does not get.
        let more = json!({ "allowed_actions": ["event.create", "rule.read", "case.read"] });
        owner
            .patch(&format!("/api/identities/{SENSOR}"), &more)
            .await
            .done();
        let path = format!("/api/service-accounts/{SENSOR}/tokens");
        let next = owner.post(&path, &json!({})).await.done();
        assert_eq!(
            actions(&holder(&server, &next)).await,
            json!(["event.create"])
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t17_a_definition_that_is_narrowed_or_deleted_reaches_live_tokens_at_every_door() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (owner, target) = project(&server).await;
        owner
            .make("scopes", &timer(&["event.create", "rule.read"]))
            .await;
        let first = made(&owner, &sensor()).await;
        calls(&owner, SENSOR, json!({})).await;
        let own = holder(&server, &first);
        let here = [("audience", AUDIENCE)];
        own.get(RULES).await.done();
        assert!(may(&own, "rule.read").await);
        let short = exchange(&own, &here).await.access_token();
        assert_eq!(
            claims(&short)["actions"],
            json!(["event.create", "rule.read"])
        );

        let less = json!({ "actions": ["event.create"], "reason": "rules are secret now" });
        owner.patch("/api/scopes/timer", &less).await.done();
        assert_eq!(actions(&own).await, json!(["event.create"]));
        own.get(RULES).await.refused(403, "action_not_allowed");
        assert!(!may(&own, "rule.read").await && may(&own, "event.create").await);
        let again = exchange(&own, &here).await.access_token();
        assert_eq!(claims(&again)["actions"], json!(["event.create"]));
        let told = owner.introspect(&target, &short).await.done();
        assert_eq!(told["actions"], json!(["event.create"]), "{told}");
        let renewed = own.post("/api/auth/refresh", &json!({})).await.done();
        let renewed = holder(&server, &renewed);
        assert_eq!(claims(renewed.token())["actions"], json!(["event.create"]));

        // Nothing of what the token was issued for is left, and so the token is none.
        owner
            .patch("/api/scopes/timer", &json!({ "actions": ["trigger.read"] }))
            .await
            .done();
        own.get("/api/sessions/current")
            .await
            .refused(403, "scope_not_allowed");

        owner.delete("/api/scopes/timer?reason=over").await;
        for caller in [&own, &renewed] {
            caller
                .get("/api/sessions/current")
                .await
                .refused(403, "scope_not_allowed");
            caller
                .post("/api/auth/refresh", &json!({}))
                .await
                .refused(403, "scope_not_allowed");
            let question = json!({ "action": { "name": "event.create" } });
            caller
                .post("/access/v1/evaluation", &question)
                .await
                .refused(403, "scope_not_allowed");
            let refused = exchange(caller, &here).await;
            assert_eq!(refused.status, 400, "{}", refused.text());
        }
        let told = owner.introspect(&target, &again).await.done();
        assert_ne!(told["actions"], json!(["event.create"]), "{told}");
        let path = format!("/api/service-accounts/{SENSOR}/tokens");
        owner
            .post(&path, &json!({}))
            .await
            .refused(403, "scope_not_allowed");
        // Its name cannot come back with other contents, so that no live token is revived.
        owner
            .post("/api/scopes", &timer(&["event.create", "rule.read"]))
            .await
            .refused(409, "name_taken");
        own.get("/api/sessions/current")
            .await
            .refused(403, "scope_not_allowed");
        let path = format!(
            "/api/evidence?kind=refused&identity={}",
            text(&first, "identity_id")
        );
        let refused = owner.get(&path).await.done();
        assert!(
            !refused["items"].as_array().unwrap().is_empty(),
            "a refusal is evidence"
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t17_no_definition_bundles_more_than_a_built_in_scope_of_identities() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        for (field, value, named) in [
            ("actions", json!(["event.create", "action.execute"]), "`action.execute` is not among what `sensor` bundles"),
            ("actions", json!([]), "at least one action"),
            ("parent", json!("user"), "`user` has no parts"),
            ("parent", json!("admin"), "`admin` has no parts"),
            ("parent", json!("action_execution"), "`action_execution` has no parts"),
            ("name", json!("webhook"), "`webhook` is a built-in scope"),
            ("longest_days", json!(91), "expected 1 to 90 days"),
            ("shortest_days", json!(0), "expected 1 to 90 days"),
            ("usual_days", json!(31), "expected 1 to 30 days"),
        ] {
            let mut body = timer(&["event.create"]);
            body[field] = value;
            let refused = owner.post("/api/scopes", &body).await;
            let refused = refused.refused(422, "unprocessable");
            assert!(text(&refused, "detail").contains(named), "{refused}");
        }
        for (field, value) in [
            ("name", json!("deploy.release")),
            ("name", json!("Timer")),
            ("parent", json!("timer")),
            ("actions", json!(["event.*"])),
            ("children", json!(["event.create"])),
        ] {
            let mut body = timer(&["event.create"]);
            body[field] = value;
            owner.post("/api/scopes", &body).await.refused(400, "bad_request");
        }
        owner.make("scopes", &timer(&["event.create"])).await;
        for edit in [
            json!({ "actions": ["event.create", "key.read"] }),
            json!({ "longest_days": 91 }),
        ] {
            owner.patch("/api/scopes/timer", &edit).await.refused(422, "unprocessable");
        }
        // A part of a part is no scope, and what nobody defined is none.
        for scope in ["timers", "event", "openid"] {
            let mut body = sensor();
            body["scope"] = json!(scope);
            owner.post("/api/service-accounts", &body).await.refused(422, "unprocessable");
        }
        // `readonly` is what every read is, those of the organisation too, as long as they are reads.
        let pay = json!({ "name": "payroll.look", "class": "read" });
        owner.make("actions", &pay).await;
        let books = json!({ "name": "books", "parent": "readonly", "actions": ["payroll.look", "metrics.read"] });
        owner.make("scopes", &books).await;
        let monitor = made(&owner, &json!({ "name": "monitor", "scope": "books" })).await;
        let monitor = holder(&server, &monitor);
        assert_eq!(actions(&monitor).await, json!(["metrics.read", "payroll.look"]));
        owner.patch("/api/actions/payroll.look", &json!({ "class": "reversible" })).await.done();
        assert_eq!(actions(&monitor).await, json!(["metrics.read"]));
        assert_eq!(monitor.get("/metrics").await.status, 200);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t15_widening_a_definition_waits_for_a_second_owner_and_is_checked_again_then() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        owner.make("scopes", &timer(&["event.create"])).await;
        let first = made(&owner, &sensor()).await;
        let more = json!({ "actions": ["event.create", "rule.read"] });
        // Alone it is applied, and says so.
        let other = json!({ "name": "other", "parent": "sensor", "actions": ["event.create"] });
        owner.make("scopes", &other).await;
        owner.patch("/api/scopes/other", &more).await.done();
        let lee = server.enrol("lee@example.com", TenantRole::Owner).await;
        for edit in [&more, &json!({ "longest_days": 90 })] {
            let waits = owner.patch("/api/scopes/timer", edit).await.waits();
            assert_eq!(owner.get("/api/scopes/timer").await.done()["version"], 1);
            let approval = waits["id"].as_str().unwrap();
            let read = owner
                .get(&format!("/api/approvals/{approval}"))
                .await
                .done();
            let path = format!("/api/approvals/{approval}/approve");
            let digest = json!({ "digest": read["digest"] });
            owner
                .post(&path, &digest)
                .await
                .refused(403, "self_approval");
        }
        // Less needs nobody, and what waited was read on another version.
        let waits = owner.patch("/api/scopes/timer", &more).await.waits();
        owner
            .patch("/api/scopes/timer", &json!({ "longest_days": 7 }))
            .await
            .done();
        let read = owner
            .get(&format!("/api/approvals/{}", text(&waits, "id")))
            .await
            .done();
        let path = format!("/api/approvals/{}/approve", text(&waits, "id"));
        lee.post(&path, &json!({ "digest": read["digest"] }))
            .await
            .refused(409, "approval_voided");
        let waits = owner.patch("/api/scopes/timer", &more).await.waits();
        lee.approve(text(&waits, "id")).await;
        let now = owner.get("/api/scopes/timer").await.done();
        assert_eq!(
            (&now["actions"], &now["longest_days"]),
            (&more["actions"], &json!(7))
        );
        // A live token is what it was issued as: only the next one has more, and only what its identity is allowed.
        let own = holder(&server, &first);
        assert_eq!(actions(&own).await, json!(["event.create"]));
        let path = format!("/api/service-accounts/{SENSOR}/tokens");
        let next = owner.post(&path, &json!({})).await.done();
        assert_eq!(
            actions(&holder(&server, &next)).await,
            json!(["event.create"])
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t9_a_life_that_is_shortened_ends_older_tokens_and_shortens_the_next() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        owner.make("scopes", &timer(&["event.create"])).await;
        let own = holder(&server, &made(&owner, &sensor()).await);
        server.clock().advance(Seconds::days(6));
        let owner = server.owner().await;
        owner
            .patch("/api/scopes/timer", &json!({ "longest_days": 7 }))
            .await
            .done();
        let next = own.post("/api/auth/refresh", &json!({})).await.done();
        let said = claims(text(&next, "token"));
        assert_eq!(
            said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(),
            7 * 86_400
        );
        server.clock().advance(Seconds::days(1));
        own.get("/api/sessions/current")
            .await
            .refused(401, "token_expired");
        holder(&server, &next)
            .get("/api/sessions/current")
            .await
            .done();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t33_an_identity_names_a_living_part_of_its_own_scope_or_gets_nothing() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        owner.make("scopes", &timer(&["event.create"])).await;
        let hook = json!({ "name": "hook", "parent": "webhook", "actions": ["event.create"] });
        owner.make("scopes", &hook).await;
        let first = made(&owner, &sensor()).await;
        let own = holder(&server, &first);
        let path = format!("/api/identities/{SENSOR}");
        let data = |named: Value| {
            json!({ "metadata": { "scope": "sensor", "defined_scope": named, "trigger_types": ["core.timer"] } })
        };
        for named in [json!("hook"), json!("timers"), json!("sensor"), json!(""), json!(["timer"]), Value::Null] {
            let refused = owner.patch(&path, &data(named.clone())).await;
            let refused = refused.refused(422, "unprocessable");
            assert!(text(&refused, "detail").contains("no part of `sensor`"), "{named}: {refused}");
        }
        // Who does not own the tenant defines nothing, and changes nothing that is defined.
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        lee.post("/api/scopes", &json!({ "name": "own", "parent": "sensor", "actions": ["event.create"] }))
            .await
            .refused(403, "forbidden");
        lee.patch("/api/scopes/timer", &json!({ "description": "mine" })).await.refused(403, "forbidden");
        lee.delete("/api/scopes/timer").await.refused(403, "forbidden");
        assert_eq!(lee.get("/api/scopes").await.done()["items"].as_array().unwrap().len(), 2);
        own.get("/api/scopes").await.refused(403, "forbidden");
        own.delete("/api/scopes/timer").await.refused(403, "forbidden");
        assert_eq!(actions(&own).await, json!(["event.create"]));
        server.stop().await;
    })
    .await;
}

const MANIFEST: &str = "\
scope: {name: timer, parent: sensor, actions: [event.create], longest_days: 30}
---
identity:
  kind: service_account
  name: sensor:core.timer
  purpose: watches the clock
  allowed_actions: [event.create]
  metadata: {scope: sensor, defined_scope: timer, trigger_types: [core.timer]}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scope_is_a_document_of_a_manifest_whose_mistakes_have_their_place() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let applied = apply(&owner, MANIFEST).await.done();
        assert_eq!(applied["changes"][0]["noun"], "scope", "{applied}");
        let path = format!("/api/service-accounts/{SENSOR}/tokens");
        let token = owner.post(&path, &json!({})).await.done();
        assert_eq!(actions(&holder(&server, &token)).await, json!(["event.create"]));
        let exported = owner.get("/api/manifests/export").await.text();
        assert!(exported.contains("scope:\n  name: timer\n  parent: sensor\n"), "{exported}");
        let again = apply(&owner, &exported).await.done();
        let unchanged = |step: &Value| step["verb"] == "unchanged";
        assert!(again["changes"].as_array().unwrap().iter().all(unchanged), "{again}");
        for (document, place, says) in [
            ("scope:\n  name: own\n  parent: sensor\n  actions: [event.create, key.read]\n", (4, 27), "`key.read` is not among"),
            ("scope:\n  name: own\n  parent: user\n  actions: [event.create]\n", (3, 11), "`user`"),
            ("scope:\n  name: webhook\n  parent: sensor\n  actions: [event.create]\n", (2, 9), "built-in"),
            ("scope:\n  name: own\n  parent: sensor\n  actions: [event.create]\n  longest_days: 91\n", (5, 17), "1 to 90"),
            ("scope:\n  name: timer\n  parent: webhook\n  actions: [event.create]\n", (3, 11), "is a part of `sensor`"),
            ("scope:\n  name: own\n  parent: sensor\n", (1, 1), "`actions` is missing"),
            ("scope:\n  name: own\n  parent: sensor\n  actions: []\n", (4, 12), "at least one action"),
        ] {
            let refused = apply(&owner, document).await.done();
            assert_eq!(refused["applied"], false, "{document}: {refused}");
            let errors = refused["diagnostics"].clone();
            let first = &errors[0];
            assert_eq!((&first["line"], &first["column"]), (&json!(place.0), &json!(place.1)), "{errors}");
            assert!(text(first, "message").contains(says), "{errors}");
        }
        let wider = MANIFEST.replace("[event.create], longest", "[event.create, rule.read], longest");
        let body = json!({ "documents": [{ "file": "scopes.yaml", "text": wider }] });
        let plan = owner.post("/api/manifests/plan", &body).await.done();
        assert_eq!(plan["changes"][0]["loosens"], json!(["allows an action"]), "{plan}");
        server.stop().await;
    })
    .await;
}
