//! The one way out for the value of a key: an execution of an action that declares it (S4.18).

use countersign_testkit::{Caller, TestServer, claims, on_each_database};
use serde_json::{Value, json};

use crate::{
    automation_world::{Automation, automation, finish, sensor},
    keys::put,
    long_lived_tokens::text,
};

const KEY: &str = "/api/keys/billing.api_key";

/// An execution of `billing.charge`, which declares the key, as its worker has it, and its program.
async fn charge(server: &TestServer, ops: &Automation) -> (Value, Caller) {
    ops.start("billing.charge", json!({ "customer": "acme" }))
        .await;
    let claimed = ops.claim().await.remove(0);
    let action = server.anyone().with_token(text(&claimed, "token"));
    (claimed, action)
}

async fn set(owner: &Caller, key: &str, project: &str, value: &str) {
    put(owner, key, &json!({ "project": project, "value": value }))
        .await
        .done();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seed_004_an_execution_reads_the_keys_that_its_action_declares_while_it_runs() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        set(&ops.owner, "billing.api_key", "ops", "hunter-1").await;
        let (claimed, action) = charge(&server, &ops).await;
        let read = action.get(KEY).await;
        assert_eq!(read.done(), json!({ "value": "hunter-1", "version": 1 }));
        assert_eq!(read.header("cache-control"), Some("no-store"));
        set(&ops.owner, "billing.api_key", "ops", "hunter-2").await;
        assert_eq!(
            action.get(KEY).await.done(),
            json!({ "value": "hunter-2", "version": 2 })
        );

        // Each read is on record, and follows from the token that read.
        let own = claims(action.token());
        let found = ops.owner.get("/api/evidence?kind=key_read").await.done();
        let found = found["items"].as_array().unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        for (summary, version) in found.iter().zip([2, 1]) {
            let full = ops
                .owner
                .get(&format!("/api/evidence/{}", text(summary, "id")))
                .await;
            let record = &full.done()["record"];
            assert_eq!(
                (&record["parents"], &record["txn"]),
                (&json!([own["jti"]]), &own["txn"])
            );
            assert_eq!(
                (&record["version"], &record["execution_id"]),
                (&json!(version), &claimed["id"])
            );
            assert!(!full.text().contains("hunter"), "{}", full.text());
        }
        server.run_job("flush_uses").await;
        let listed = ops.owner.get("/api/keys").await;
        assert_eq!(
            listed.done()["items"][0]["last_read_by"],
            "action:billing.charge"
        );
        let history = ops.owner.get(&format!("{KEY}/history")).await;
        let reads = history.done()["reads"].clone();
        assert_eq!(
            (&reads[0]["version"], &reads[1]["version"]),
            (&json!(2), &json!(1))
        );
        assert_eq!(
            (&reads[0]["identity"], &reads[0]["execution_id"]),
            (&json!("action:billing.charge"), &claimed["id"])
        );
        for answer in [&listed, &history] {
            assert!(!answer.text().contains("hunter"), "{}", answer.text());
        }
        finish(&ops.worker, &claimed, "succeeded").await.done();
        action.get(KEY).await.refused(401, "token_revoked");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t3_nobody_else_gets_a_value_and_each_refusal_is_on_record() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        ops.owner.project("elsewhere").await;
        set(&ops.owner, "billing.other", "ops", "hunter-2").await;
        set(&ops.owner, "billing.api_key", "elsewhere", "hunter-3").await;
        let (_, action) = charge(&server, &ops).await;
        // What it declares lives in another project; what it does not declare it is not told of.
        action.get(KEY).await.refused(404, "not_found");
        for name in ["billing.other", "billing.nowhere"] {
            let answer = action.get(&format!("/api/keys/{name}")).await;
            let detail = answer.refused(403, "forbidden")["detail"].clone();
            assert_eq!(detail.as_str().unwrap().replace(name, "KEY"), "action `billing.charge` does not declare key `KEY`: its pack lists what it reads under `keys`");
        }
        ops.start("billing.report", json!({})).await;
        let report = ops.claim().await.remove(0);
        let report = server.anyone().with_token(text(&report, "token"));
        // An action that declares none is not even allowed to read keys.
        report.get(KEY).await.refused(403, "action_not_allowed");
        let sensor = sensor(&server, &ops.owner, &["billing.invoice"]).await;
        for caller in [&ops.owner, &ops.worker, &sensor] {
            caller.get("/api/keys/billing.other").await.refused(403, "forbidden");
        }
        server.anyone().get(KEY).await.refused(401, "unauthenticated");
        let found = ops.owner.get("/api/evidence?outcome=refused&limit=100").await.done();
        let of = |what: &str| {
            let items = found["items"].as_array().unwrap().iter();
            items.filter(|one| one["summary"].as_str().unwrap().contains(what)).count()
        };
        assert_eq!(of("key read"), 6, "those of programs: {found}");
        assert_eq!(ops.owner.get("/api/evidence?kind=key_read").await.done()["items"], json!([]));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t35_a_value_that_was_moved_in_the_database_opens_nowhere() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        for value in ["hunter-1", "hunter-2"] {
            set(&ops.owner, "billing.api_key", "ops", value).await;
        }
        set(&ops.owner, "billing.other", "ops", "hunter-3").await;
        let acme = server.tenant("acme", "eve@example.com").await;
        acme.project("ops").await;
        set(&acme, "acme.key", "ops", "hunter-4").await;
        let (_, action) = charge(&server, &ops).await;
        assert_eq!(action.get(KEY).await.done()["value"], "hunter-2");
        let own = "key_id = (SELECT id FROM record WHERE name = 'billing.api_key')";
        let of = |name: &str| format!("SELECT sealed FROM key_value WHERE key_id = (SELECT id FROM record WHERE name = '{name}')");
        server.sql("CREATE TABLE kept AS SELECT key_id, version, data_key_id, sealed FROM key_value").await;
        let another = "SELECT data_key_id FROM key_value WHERE key_id = (SELECT id FROM record WHERE name = 'acme.key')";
        let earlier = format!("{} AND version = 1", of("billing.api_key"));
        for change in [
            format!("sealed = ({earlier})"),
            format!("sealed = ({})", of("billing.other")),
            format!("sealed = ({})", of("acme.key")),
            format!("sealed = ({}), data_key_id = ({another})", of("acme.key")),
        ] {
            server.sql(&format!("UPDATE key_value SET {change} WHERE {own} AND version = 2")).await;
            let answer = action.get(KEY).await;
            assert_eq!(answer.status, 500, "{change}: {}", answer.text());
            assert!(!answer.text().contains("hunter"), "{}", answer.text());
            let back = format!("UPDATE key_value SET (sealed, data_key_id) = (SELECT sealed, data_key_id FROM kept WHERE kept.key_id = key_value.key_id AND kept.version = 2) WHERE {own} AND version = 2");
            server.sql(&back).await;
        }
        assert_eq!(action.get(KEY).await.done()["value"], "hunter-2", "put back, it is read again");
        let found = ops.owner.get("/api/evidence?kind=key_read").await.done();
        assert_eq!(found["items"].as_array().unwrap().len(), 2, "only what was read: {found}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t35_a_value_is_read_at_every_moment_of_a_rotation_of_its_data_key() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let ops = automation(&server).await;
        set(&ops.owner, "billing.api_key", "ops", "hunter-1").await;
        let (_, action) = charge(&server, &ops).await;
        ops.owner
            .post("/api/data-keys/rotate", &json!({}))
            .await
            .done();
        assert_eq!(
            action.get(KEY).await.done()["value"],
            "hunter-1",
            "under the old one"
        );
        server.run_job("reseal_values").await;
        let keys = ops.owner.get("/api/data-keys").await.done();
        assert_eq!(keys["items"].as_array().unwrap().len(), 1, "{keys}");
        assert_eq!(
            action.get(KEY).await.done()["value"],
            "hunter-1",
            "under the new one"
        );
        assert_eq!(ops.owner.delete(KEY).await.status, 204);
        action.get(KEY).await.refused(404, "not_found");
        server.stop().await;
    })
    .await;
}
