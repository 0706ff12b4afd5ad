//! Keys and the scripts that read them: what takes a second person (T16).

use countersign_model::registry::TenantRole;
use countersign_testkit::{Answer, Caller, TestServer, on_each_database};
use serde_json::{Value, json};

use crate::{automation_world::apply, keys::put, long_lived_tokens::text};

/// A pack with an action that reads a key by this script.
fn pack(script: &str, seconds: u32) -> String {
    format!(
        "pack:
  name: ledger
  project: ops
  actions:
    - {{name: close, script: {script:?}, timeout_seconds: {seconds}, keys: [ledger.password]}}
    - {{name: report, command: ['true'], timeout_seconds: 60}}
"
    )
}

/// What one document came to.
fn only(answer: &Answer) -> Value {
    let plan = answer.done();
    let changes = plan["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{plan}");
    changes[0].clone()
}

/// The action that reads the key, as everybody sees it.
async fn close(caller: &Caller) -> Value {
    let pack = caller.get("/api/packs/ledger").await.done();
    pack["actions"][0].clone()
}

async fn two_owners(server: &TestServer) -> (Caller, Caller) {
    let dana = server.owner().await;
    dana.project("ops").await;
    let lee = server.enrol("lee@example.com", TenantRole::Owner).await;
    (dana, lee)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_who_edits_a_pack_hands_no_key_to_a_script_of_theirs_alone() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (dana, lee) = two_owners(&server).await;
        let made = only(&apply(&dana, &pack("echo one", 60)).await);
        // It is there, and reads nothing yet.
        assert_eq!(close(&dana).await["keys"], json!([]));
        let body = json!({ "project": "ops", "value": "hunter2" });
        put(&dana, "ledger.password", &body).await.done();
        let approval = text(&made, "approval_id");
        let shown = dana.get(&format!("/api/approvals/{approval}")).await.done();
        let own = json!({ "digest": shown["digest"] });
        dana.post(&format!("/api/approvals/{approval}/approve"), &own)
            .await
            .refused(403, "self_approval");
        // Who countersigns reads the script.
        assert!(shown.to_string().contains("echo one"), "{shown}");
        lee.approve(approval).await;
        let first = close(&dana).await;
        assert_eq!(first["keys"], json!(["ledger.password"]));
        let account = dana.get("/api/identities/action:ledger.close").await.done();
        let actions = account["allowed_actions"].as_array().unwrap();
        assert!(actions.contains(&json!("key.read")), "{account}");

        // Another script waits, and what runs meanwhile is what was read.
        let other = only(&apply(&dana, &pack("cat $KEY", 60)).await);
        let approval = text(&other, "approval_id");
        assert_eq!(close(&dana).await["script_sha256"], first["script_sha256"]);
        let shown = lee.get(&format!("/api/approvals/{approval}")).await.done();
        let deny = json!({ "digest": shown["digest"], "reason": "it prints the key" });
        lee.post(&format!("/api/approvals/{approval}/deny"), &deny)
            .await
            .done();
        assert_eq!(close(&dana).await["script_sha256"], first["script_sha256"]);
        // What does not touch the key is its owner's alone.
        let longer = only(&apply(&dana, &pack("echo one", 90)).await);
        assert!(longer["approval_id"].is_null(), "{longer}");
        assert_eq!(close(&dana).await["timeout_seconds"], 90);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_who_takes_executions_where_keys_are_read_is_not_for_one_person() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (dana, lee) = two_owners(&server).await;
        let worker = |name: &str, actions: Value| {
            json!({ "kind": "service_account", "name": name, "project": "ops", "purpose": "runs",
                "allowed_actions": actions })
        };
        // Before anything reads a key, a worker is its owner's.
        let early = worker("worker:early", json!(["execution.claim"]));
        dana.post("/api/identities", &early).await.done();
        let made = only(&apply(&dana, &pack("echo one", 60)).await);
        lee.approve(text(&made, "approval_id")).await;

        let late = worker("worker:late", json!(["execution.claim"]));
        dana.post("/api/identities", &late)
            .await
            .refused(403, "not_held");
        let late = worker("worker:late", json!([]));
        let late = dana.post("/api/identities", &late).await.done();
        let path = format!("/api/identities/{}", text(&late, "id"));
        let edit = json!({ "allowed_actions": ["execution.claim"] });
        let waits = dana.patch(&path, &edit).await.waits();
        assert_eq!(dana.get(&path).await.done()["allowed_actions"], json!([]));
        lee.approve(text(&waits, "id")).await;
        let now = dana.get(&path).await.done();
        assert_eq!(now["allowed_actions"], json!(["execution.claim"]));
        // By a manifest, it is made at once and claims later.
        let manifest = "identity: {kind: service_account, name: 'worker:third', project: ops, allowed_actions: [execution.claim]}";
        let third = only(&apply(&dana, manifest).await);
        assert!(third["approval_id"].is_string(), "{third}");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_alone_gives_keys_to_scripts_alone_and_that_is_on_record() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        dana.project("ops").await;
        let made = only(&apply(&dana, &pack("echo one", 60)).await);
        assert_eq!(
            (&made["changed_alone"], &made["approval_id"]),
            (&json!(true), &Value::Null)
        );
        assert_eq!(close(&dana).await["keys"], json!(["ledger.password"]));
        let all = dana.get("/api/evidence?kind=changed&limit=50").await;
        assert!(all.text().contains("changed alone"), "{}", all.text());
        server.stop().await;
    })
    .await;
}
