//! The automation: from an event to the end of what it started (S4.2, S4.3, S4.17, S4.18).

use countersign_model::time::Seconds;
use countersign_testkit::{TestServer, claims, on_each_database};
use serde_json::json;

use crate::{
    automation_world::{Automation, apply, automation, claim, finish, sensor},
    long_lived_tokens::text,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_fires_a_rule_and_a_worker_gets_the_execution_with_a_token_of_its_own() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        let sensor = sensor(&server, &ops.owner, &["billing.invoice"]).await;
        let rules = sensor.get("/api/rules?trigger_type=billing.invoice").await.done();
        let names: Vec<_> = rules.as_array().unwrap().iter().map(|rule| text(rule, "ref")).collect();
        assert_eq!(names, ["billing.off", "billing.on_invoice"]);
        let body = json!({ "trigger_type": "billing.invoice", "payload": { "state": "due", "customer": "acme" } });
        let event = sensor.post("/api/events", &body).await.done();
        assert_eq!(event["created_by"], "sensor:billing.invoice");
        let fired = event["enforcements"].as_array().unwrap();
        assert_eq!(fired.len(), 1, "the disabled rule does not fire: {fired:?}");
        assert_eq!(fired[0]["rule"], "billing.on_invoice");
        let id = text(&fired[0], "execution_id").to_owned();
        assert_eq!(ops.shown(&id).await["status"], "scheduled");

        let claimed = ops.claim().await;
        assert_eq!(claimed.len(), 1);
        let claimed = &claimed[0];
        assert_eq!((text(claimed, "id"), text(claimed, "action_ref")), (id.as_str(), "billing.charge"));
        assert_eq!(claimed["parameters"], json!({ "customer": "acme", "amount": 10 }));
        assert_eq!(claimed["attempt"], 1);
        let token = text(claimed, "token");
        let own = claims(token);
        assert_eq!(own["sub"], "action:billing.charge");
        assert_eq!(own["scope"], "action_execution");
        assert_eq!(own["metadata"], json!({ "execution_id": id, "action_ref": "billing.charge" }));
        assert_eq!(own["exp"].as_i64().unwrap() - own["iat"].as_i64().unwrap(), 600);
        assert!(ops.claim().await.is_empty(), "each is one worker's alone");

        let action = server.anyone().with_token(token);
        let path = format!("/api/executions/{id}");
        let result = json!({ "result": { "charged": true } });
        assert_eq!(action.patch(&path, &result).await.done()["result"], json!({ "charged": true }));
        finish(&ops.worker, claimed, "succeeded").await.done();
        action.get(&path).await.refused(401, "token_revoked");
        let ended = ops.shown(&id).await;
        assert_eq!((&ended["status"], &ended["result"]), (&json!("succeeded"), &json!({ "charged": true })));
        assert_eq!(ended["stdout"], "charged acme\n");
        // The same report again, after a lost answer, is no conflict.
        finish(&ops.worker, claimed, "succeeded").await.done();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_story_of_an_execution_is_on_record_from_its_event_to_its_end() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        let sensor = sensor(&server, &ops.owner, &["billing.invoice"]).await;
        let body = json!({ "trigger_type": "billing.invoice", "payload": { "state": "due", "customer": "acme" } });
        sensor.post("/api/events", &body).await.done();
        let claimed = ops.claim().await.remove(0);
        finish(&ops.worker, &claimed, "failed").await.done();
        let txn = claims(text(&claimed, "token"))["txn"].clone();
        let path = format!("/api/evidence?limit=100&txn={}", txn.as_str().unwrap());
        let mut records = Vec::new();
        for summary in ops.owner.get(&path).await.done()["items"].as_array().unwrap() {
            let path = format!("/api/evidence/{}", text(summary, "id"));
            records.push(ops.owner.get(&path).await.done()["record"].clone());
        }
        records.reverse();
        let kinds: Vec<_> = records.iter().map(|record| text(record, "kind")).collect();
        assert_eq!(kinds, ["event_created", "execution_scheduled", "token_issued", "execution_ended"]);
        for (one, next) in records.iter().zip(records.iter().skip(1)) {
            assert_eq!(next["parents"], json!([one["id"]]), "{next}");
        }
        assert_eq!(records[1]["rule"], "billing.on_invoice");
        assert_eq!(text(&records[1], "script_sha256").len(), 64);
        assert_eq!((&records[3]["state"], &records[3]["attempt"]), (&json!("failed"), &json!(1)));
        let sponsor = records[1]["refs"].as_array().unwrap().iter().find(|one| one["role"] == "sponsor");
        assert!(sponsor.is_some_and(|sponsor| sponsor.to_string().contains("dana@example.com")));
        let reference = format!("execution:{}", text(&claimed, "id"));
        let told = ops
            .owner
            .get(&format!("/api/lineage?ref={reference}"))
            .await
            .done();
        let sentence = text(&told, "sentence");
        for part in [
            "action:billing.charge tried and failed to do billing.charge",
            "under the authority of rule billing.on_invoice, fired by event billing.invoice of sensor:billing.invoice",
            "(for which dana@example.com answers)",
            "attempt 1",
            "dana@example.com must respond",
        ] {
            assert!(sentence.contains(part), "{part}: {sentence}");
        }
        assert!(told["gaps"].is_null(), "{told}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_worker_loses_its_token_and_only_a_repeatable_action_begins_again() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        let once = ops.start("billing.charge", json!({ "customer": "acme" })).await;
        let again = ops.start("billing.report", json!({})).await;
        let first = ops.claim().await;
        assert_eq!(first.len(), 2);
        // A worker that is heard of keeps what it has.
        server.clock().advance(Seconds(25));
        let alive = json!({ "executions": [{ "id": once["id"], "attempt": 1 }, { "id": again["id"], "attempt": 1 }] });
        let heard = ops.worker.post("/api/executions/heartbeat", &alive).await.done();
        assert_eq!(heard["stop"], json!([]));
        server.clock().advance(Seconds(25));
        server.run_job("watch_executions").await;
        assert_eq!(ops.shown(text(&once, "id")).await["status"], "running");
        // One that is silent does not.
        server.clock().advance(Seconds(31));
        server.run_job("watch_executions").await;
        assert_eq!(ops.shown(text(&once, "id")).await["status"], "lost");
        assert_eq!(ops.shown(text(&again, "id")).await["status"], "scheduled");
        for claimed in &first {
            let action = server.anyone().with_token(text(claimed, "token"));
            let path = format!("/api/executions/{}", text(claimed, "id"));
            action.get(&path).await.refused(401, "token_revoked");
        }
        let heard = ops.worker.post("/api/executions/heartbeat", &alive).await.done();
        assert_eq!(heard["stop"].as_array().unwrap().len(), 2);
        // Another attempt, and the first worker's report of its own is refused.
        let second = ops.claim().await;
        assert_eq!((second.len(), &second[0]["attempt"]), (1, &json!(2)));
        let old = first.iter().find(|one| one["id"] == again["id"]).unwrap();
        finish(&ops.worker, old, "succeeded").await.refused(409, "conflict");
        finish(&ops.worker, &second[0], "succeeded").await.done();
        assert_eq!(ops.shown(text(&again, "id")).await["status"], "succeeded");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_execution_is_over_and_its_token_dead() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        let waits = ops.start("billing.report", json!({})).await;
        let cancel = async |id: &str| {
            let path = format!("/api/executions/{id}/cancel");
            ops.owner
                .post(&path, &json!({ "reason": "not today" }))
                .await
        };
        assert_eq!(
            cancel(text(&waits, "id")).await.done()["status"],
            "cancelled"
        );
        assert!(ops.claim().await.is_empty());
        let runs = ops.start("billing.report", json!({})).await;
        let claimed = ops.claim().await.remove(0);
        cancel(text(&runs, "id")).await.done();
        let action = server.anyone().with_token(text(&claimed, "token"));
        let path = format!("/api/executions/{}", text(&runs, "id"));
        action.get(&path).await.refused(401, "token_revoked");
        finish(&ops.worker, &claimed, "succeeded")
            .await
            .refused(409, "conflict");
        cancel(text(&runs, "id")).await.refused(409, "conflict");
        assert_eq!(ops.shown(text(&runs, "id")).await["reason"], "not today");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_starts_those_that_it_names_and_no_others() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        let parent = ops.start("billing.report", json!({})).await;
        let claimed = ops.claim().await.remove(0);
        let action = server.anyone().with_token(text(&claimed, "token"));
        let start = async |reference: &str| {
            let body = json!({ "action_ref": reference, "parameters": { "customer": "acme" } });
            action.post("/api/executions", &body).await
        };
        let child = start("billing.charge").await.done();
        assert_eq!(child["workflow_id"], parent["id"]);
        start("billing.report").await.refused(403, "forbidden");
        finish(&ops.worker, &claimed, "succeeded").await.done();
        start("billing.charge").await.refused(401, "token_revoked");
        let claimed = ops.claim().await.remove(0);
        let own = claims(text(&claimed, "token"));
        assert_eq!(own["metadata"]["workflow_id"], parent["id"]);
        assert_eq!(own["txn"], claims_of_parent(&ops, &parent).await);
        server.stop().await;
    })
    .await;
}

/// The story of an execution, from the record of its schedule.
async fn claims_of_parent(ops: &Automation, execution: &serde_json::Value) -> serde_json::Value {
    let path = format!(
        "/api/evidence?limit=10&kind=execution_scheduled&execution={}",
        text(execution, "id")
    );
    let list = ops.owner.get(&path).await.done();
    list["items"][0]["txn"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_called_as_seed_004_writes_it() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        let body = json!({
            "name": "webhook:deploy", "scope": "webhook", "project": "ops",
            "metadata": { "allowed_paths": ["/webhooks/deploy"] },
        });
        let hook = crate::long_lived_tokens::made(&ops.owner, &body).await;
        let token = format!("webhook_{}", text(&hook, "token"));
        // `curl -d` states the type of a form, and the body is JSON all the same.
        let call = async |path: &str, message: &str| {
            let http = reqwest::Client::new();
            let url = format!("{}/api/webhooks/{path}", server.issuer());
            let request = http
                .post(url)
                .bearer_auth(&token)
                .header("webhook-id", message);
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            request
                .body(r#"{"status": "deployed"}"#)
                .send()
                .await
                .unwrap()
        };
        let first = call("deploy", "m1").await;
        assert_eq!(first.status(), 201);
        let event: serde_json::Value = first.json().await.unwrap();
        assert_eq!(
            event["payload"],
            json!({ "path": "deploy", "body": { "status": "deployed" } })
        );
        assert_eq!(event["enforcements"][0]["rule"], "billing.on_deploy");
        // Sent again, it is the same event and starts nothing.
        let second = call("deploy", "m1").await;
        assert_eq!(second.status(), 200);
        let same: serde_json::Value = second.json().await.unwrap();
        assert_eq!(same["id"], event["id"]);
        assert_eq!(ops.claim().await.len(), 1);
        // Another path is not this token's.
        assert_eq!(call("billing/paid", "m2").await.status(), 403);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pack_is_planned_exported_changed_and_deleted_with_its_service_accounts() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        let export = ops.owner.get("/api/manifests/export?project=ops").await.text();
        assert!(export.contains("pack:") && export.contains("action:billing.charge"), "{export}");
        let same = apply(&ops.owner, &export).await.done();
        let changes = same["changes"].as_array().unwrap();
        assert!(changes.iter().all(|change| change["verb"] == "unchanged"), "{changes:?}");
        let account = async |name: &str| ops.owner.get(&format!("/api/identities/{name}")).await.done();
        let charge = account("action:billing.charge").await;
        assert_eq!(charge["allowed_actions"], json!(["execution.read", "execution.update", "key.read"]));
        assert_eq!(charge["project"]["name"], "ops");
        // An action that goes takes its account out of use, and brings it back when it comes back.
        let without = "pack: {name: billing, actions: [{name: report, command: ['true']}], rules: [], webhooks: []}";
        apply(&ops.owner, without).await.done();
        assert_eq!(account("action:billing.charge").await["status"], "disabled");
        assert_eq!(account("action:billing.report").await["allowed_actions"], json!(["execution.read", "execution.update"]));
        apply(&ops.owner, crate::automation_world::BILLING).await.done();
        assert_eq!(account("action:billing.charge").await["status"], "active");
        ops.owner.delete("/api/packs/billing?reason=moved").await.done();
        assert_eq!(account("action:billing.charge").await["status"], "deleted");
        let body = json!({ "action_ref": "billing.report" });
        ops.owner.post("/api/executions", &body).await.refused(404, "not_found");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sensors_fire_one_time_of_a_rule_once_and_other_events_stay_apart() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        let types: [&[&str]; 2] = [&["core.timer", "billing.invoice"], &["billing.invoice", "core.timer"]];
        let mut timed = Vec::new();
        let mut told = Vec::new();
        for types in types {
            let sensor = sensor(&server, &ops.owner, types).await;
            let body = json!({ "trigger_type": "core.timer", "rule": "billing.nightly", "dedup_id": "03:00" });
            timed.push(sensor.post("/api/events", &body).await.done()["id"].clone());
            let body = json!({ "trigger_type": "billing.invoice", "dedup_id": "03:00" });
            told.push(sensor.post("/api/events", &body).await.done()["id"].clone());
        }
        assert_eq!(timed[0], timed[1]);
        assert_ne!(told[0], told[1], "what two senders call the same is not the same");
        assert_eq!(ops.claim().await.len(), 1);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_a_person_deleted_holds_up_no_pack() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        let account = "/api/identities/action:billing.charge?reason=stolen";
        ops.owner.delete(account).await.done();
        let start = json!({ "action_ref": "billing.charge", "parameters": { "customer": "a" } });
        ops.owner.post("/api/executions", &start).await.refused(409, "name_taken");
        let without = "pack: {name: billing, actions: [{name: report, command: ['true']}], rules: [], webhooks: []}";
        apply(&ops.owner, without).await.done();
        ops.owner.delete("/api/packs/billing").await.done();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t12_what_an_identity_may_no_more_its_live_token_does_no_more() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        let reader = json!({ "allowed_actions": ["rule.read", "execution.claim"] });
        let reader = ops
            .owner
            .identity("service_account", "reader", "ops", reader)
            .await;
        let secret = ops.owner.secret(text(&reader, "id")).await;
        let reader = crate::automation_world::worker(&server, &secret).await;
        reader.get("/api/rules").await.done();
        let claim = json!({ "max": 1 });
        reader.post("/api/executions/claim", &claim).await.done();
        let denied = json!({ "denied_actions": ["rule.read", "execution.claim"] });
        ops.owner
            .patch("/api/identities/reader", &denied)
            .await
            .done();
        reader
            .get("/api/rules")
            .await
            .refused(403, "action_not_allowed");
        reader
            .post("/api/executions/claim", &claim)
            .await
            .refused(403, "action_not_allowed");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_worker_is_told_at_once_of_what_becomes_due() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        let ask = json!({ "max": 1, "wait_seconds": 20 });
        let (answer, started) =
            tokio::join!(ops.worker.post("/api/executions/claim", &ask), async {
                let waiting = ops.fresh_worker(&server).await;
                assert!(claim(&waiting).await.is_empty());
                ops.start("billing.report", json!({})).await
            });
        let answer = answer.done();
        assert_eq!(answer["executions"][0]["id"], started["id"]);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pack_of_the_documentation_applies_and_its_rule_looks_at_numbers() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        dana.project("ops").await;
        let page = include_str!("../../../docs/packs.md");
        let example = page
            .split("```yaml\n")
            .nth(1)
            .unwrap()
            .split("```")
            .next()
            .unwrap();
        let attached = json!({ "file": "charge.py", "text": "print()\n", "attached": true });
        let packed = async |text: &str, verb: &str| {
            let documents = json!([{ "file": "pack.yaml", "text": text }, attached]);
            dana.post(
                &format!("/api/manifests/{verb}"),
                &json!({ "documents": documents }),
            )
            .await
        };
        packed(example, "apply").await.done();
        let sensor = sensor(&server, &dana, &["billing.invoice"]).await;
        for amount in [json!(0), json!(0.5), json!("5")] {
            let payload = json!({ "state": "due", "amount": amount, "customer": "acme" });
            let event = json!({ "trigger_type": "billing.invoice", "payload": payload });
            sensor.post("/api/events", &event).await.done();
        }
        let begun = dana.get("/api/executions").await.done();
        assert_eq!(
            begun["items"].as_array().unwrap().len(),
            1,
            "of 0.5 alone: {begun}"
        );
        for (number, says) in [
            ("5.25", json!([])),
            ("-3", json!([])),
            ("\"5\"", json!(["`above` expects a number"])),
        ] {
            let edited = example.replace("above: 0", &format!("above: {number}"));
            let told = packed(&edited, "plan").await.done();
            let found = told["diagnostics"].as_array().unwrap().iter();
            let found: Vec<_> = found.map(|one| one["message"].clone()).collect();
            assert_eq!(json!(found), says, "{number}");
        }
        server.stop().await;
    })
    .await;
}
