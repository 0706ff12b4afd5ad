//! Those who try the automation with what is not theirs.

use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_testkit::{TestServer, on_each_database};
use serde_json::json;

use crate::{
    automation_world::{apply, automation, claim, finish, sensor, worker},
    long_lived_tokens::text,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seed_004_an_event_of_an_undeclared_trigger_type_is_forbidden_and_on_record() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        let sensor = sensor(&server, &ops.owner, &["core.timer"]).await;
        for (kind, status, code) in [
            ("core.interval", 403, "forbidden"),
            ("billing.invoice", 403, "forbidden"),
        ] {
            let body = json!({ "trigger_type": kind, "payload": {} });
            sensor
                .post("/api/events", &body)
                .await
                .refused(status, code);
            let path = format!("/api/rules?trigger_type={kind}");
            sensor.get(&path).await.refused(403, "forbidden");
        }
        sensor.get("/api/rules").await.refused(403, "forbidden");
        let list = ops
            .owner
            .get("/api/evidence?limit=50&kind=refused")
            .await
            .done();
        let list = list["items"].as_array().unwrap();
        let of = list.iter().filter(|one| {
            text(one, "summary").starts_with("event create refused to sensor:core.timer")
        });
        assert_eq!(of.count(), 2, "{list:?}");
        let triggers = sensor.get("/api/triggers").await.done();
        assert_eq!(
            triggers.as_array().unwrap().len(),
            1,
            "only its own: {triggers}"
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_creates_an_event_of_a_webhook_but_by_calling_it() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        let forger = sensor(&server, &ops.owner, &["core.webhook"]).await;
        let body = json!({ "trigger_type": "core.webhook", "payload": { "path": "deploy" } });
        forger
            .post("/api/events", &body)
            .await
            .refused(403, "forbidden");
        let mut body = body;
        body["project"] = json!("ops");
        ops.owner
            .post("/api/events", &body)
            .await
            .refused(403, "forbidden");
        // Nobody listens at a path that no pack has.
        let hook = json!({
            "name": "webhook:other", "scope": "webhook", "project": "ops",
            "metadata": { "allowed_paths": ["/webhooks/other"] },
        });
        let hook = crate::long_lived_tokens::made(&ops.owner, &hook).await;
        let hook = crate::long_lived_tokens::holder(&server, &hook);
        hook.post("/api/webhooks/other", &json!({}))
            .await
            .refused(404, "not_found");
        assert!(ops.claim().await.is_empty());
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_execution_is_claimed_and_ended_by_workers_of_its_own_project_alone() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        let started = ops.start("billing.report", json!({})).await;
        let id = text(&started, "id").to_owned();
        ops.owner.project("other").await;
        let fields = json!({ "allowed_actions": ["execution.claim"] });
        let stranger = ops
            .owner
            .identity("service_account", "worker:other", "other", fields)
            .await;
        let secret = ops.owner.secret(text(&stranger, "id")).await;
        let stranger = worker(&server, &secret).await;
        assert!(claim(&stranger).await.is_empty());
        let one = format!("/api/executions/{id}/claim");
        stranger
            .post(&one, &json!({}))
            .await
            .refused(404, "not_found");
        // A person is no worker, whoever they are, and neither is a program without the action.
        ops.owner
            .post("/api/executions/claim", &json!({ "max": 1 }))
            .await
            .refused(403, "forbidden");
        let idle = ops
            .owner
            .identity(
                "service_account",
                "idle",
                "ops",
                json!({ "allowed_actions": ["rule.read"] }),
            )
            .await;
        let secret = ops.owner.secret(text(&idle, "id")).await;
        let idle = worker(&server, &secret).await;
        idle.post("/api/executions/claim", &json!({ "max": 1 }))
            .await
            .refused(403, "action_not_allowed");
        let claimed = ops.claim().await.remove(0);
        finish(&stranger, &claimed, "succeeded")
            .await
            .refused(404, "not_found");
        // Another worker of the same project has not this attempt.
        let fields = json!({ "allowed_actions": ["execution.claim"] });
        let second = ops
            .owner
            .identity("service_account", "worker:second", "ops", fields)
            .await;
        let secret = ops.owner.secret(text(&second, "id")).await;
        let second = worker(&server, &secret).await;
        finish(&second, &claimed, "succeeded")
            .await
            .refused(409, "conflict");
        let alive = json!({ "executions": [{ "id": id, "attempt": 1 }] });
        let heard = second
            .post("/api/executions/heartbeat", &alive)
            .await
            .done();
        assert_eq!(
            heard["stop"],
            json!([id]),
            "it cannot keep alive what is another's"
        );
        finish(&ops.worker, &claimed, "succeeded").await.done();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t12_a_worker_that_is_revoked_while_it_waits_gets_nothing() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        let ask = json!({ "max": 1, "wait_seconds": 20 });
        let (answer, ()) = tokio::join!(ops.worker.post("/api/executions/claim", &ask), async {
            let disable = json!({ "reason": "stolen" });
            ops.owner
                .post("/api/identities/worker:ops/disable", &disable)
                .await
                .done();
            ops.start("billing.report", json!({})).await;
        });
        answer.refused(401, "token_revoked");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_of_an_execution_reaches_its_own_execution_and_nothing_else() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        let other = ops
            .start("billing.charge", json!({ "customer": "a" }))
            .await;
        ops.start("billing.report", json!({})).await;
        let claimed = ops.claim().await;
        let report = claimed
            .iter()
            .find(|one| one["action_ref"] == "billing.report")
            .unwrap();
        let action = server.anyone().with_token(text(report, "token"));
        let own = format!("/api/executions/{}", text(report, "id"));
        let others = format!("/api/executions/{}", text(&other, "id"));
        action.get(&own).await.done();
        action.get(&others).await.refused(403, "forbidden");
        action
            .patch(&others, &json!({ "result": 1 }))
            .await
            .refused(403, "forbidden");
        action
            .get("/api/executions")
            .await
            .refused(403, "forbidden");
        action
            .get("/api/rules")
            .await
            .refused(403, "action_not_allowed");
        let event = json!({ "trigger_type": "billing.invoice", "payload": {} });
        action
            .post("/api/events", &event)
            .await
            .refused(403, "action_not_allowed");
        action
            .post("/api/executions/claim", &json!({ "max": 1 }))
            .await
            .refused(403, "action_not_allowed");
        let finish_path = format!("{own}/finish");
        let ended = json!({ "attempt": 1, "outcome": "succeeded" });
        action
            .post(&finish_path, &ended)
            .await
            .refused(403, "action_not_allowed");
        action
            .post(&format!("{own}/cancel"), &json!({}))
            .await
            .refused(403, "forbidden");
        // It ends with its own life, when nobody ends it before.
        server.clock().advance(Seconds(361));
        action.get(&own).await.refused(401, "token_expired");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_pack_takes_somebody_elses_identity_or_project() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        owner.project("ops").await;
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        let pack = |more: &str| format!("pack: {{name: mine, {more} actions: [{{name: run, command: ['true']}}]}}");
        let told = apply(&lee, &pack("project: ops,")).await.done();
        assert_eq!((&told["applied"], &told["changes"]), (&json!(false), &json!([])), "{told}");
        // An identity of the name that the action's account would have, with whatever it is allowed.
        let fields = json!({ "allowed_actions": ["deploy.release"], "metadata": { "action_ref": "mine.run" } });
        owner.identity("service_account", "action:mine.run", "ops", fields).await;
        apply(&lee, &pack("")).await.refused(409, "name_taken");
        // In the same project it is the account, with what the action needs and no more.
        apply(&owner, &pack("project: ops,")).await.done();
        let account = owner.get("/api/identities/action:mine.run").await.done();
        assert_eq!(account["allowed_actions"], json!(["execution.read", "execution.update"]));
        lee.get("/api/packs/mine").await.refused(404, "not_found");
        let start = json!({ "action_ref": "mine.run" });
        lee.post("/api/executions", &start).await.refused(404, "not_found");
        assert_eq!(lee.get("/api/packs").await.done()["items"], json!([]));
        assert_eq!(lee.get("/api/executions").await.done()["items"], json!([]));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_pack_gets_wrong_is_told_with_what_to_do() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        for (wrong, said) in [
            ("actions: [{name: a}]", "neither a `command` nor a `script`"),
            ("actions: [{name: a, command: [x], environment: {LD_PRELOAD: x}}]", "no variable"),
            ("actions: [{name: a, command: [x]}, {name: a, command: [y]}]", "twice"),
            ("rules: [{name: r, trigger: core.tiner, action: bad.x}]", "no trigger type `core.tiner`"),
            ("rules: [{name: r, trigger: core.timer, action: bad.x}]", "no action `bad.x`"),
            ("rules: [{name: r, trigger: core.interval, with: {seconds: 0}, action: billing.report}]", "a whole number of seconds"),
            ("actions: [{name: a, command: [x], keys: ['no key']}]", "not the name of a key"),
            ("rules: [{name: r, trigger: core.timer, with: {every: day}, action: billing.report, when: [{field: a}]}]", "asks for nothing"),
            ("rules: [{name: r, trigger: core.timer, with: {every: day}, action: billing.report, parameters: {a: '{{ payload.x }}'}}]", "nothing that an event has"),
            ("webhooks: [{path: ../x}]", "a path is"),
        ] {
            let manifest = format!("pack: {{name: bad, project: ops, {wrong}}}");
            let answer = apply(&ops.owner, &manifest).await;
            let text = answer.text();
            assert!(answer.status == 422 && text.contains(said), "{wrong}: {text}");
        }
        for (parameters, said) in [
            (json!({}), "`customer` is missing"),
            (json!({ "customer": "a", "amuont": 1 }), "no parameter `amuont`"),
        ] {
            let body = json!({ "action_ref": "billing.charge", "parameters": parameters });
            let problem = ops.owner.post("/api/executions", &body).await.refused(422, "unprocessable");
            assert!(text(&problem, "detail").contains(said), "{problem}");
        }
        server.stop().await;
    })
    .await;
}
