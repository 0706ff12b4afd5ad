//! Keys as people see them: set, rotated, listed, deleted, encrypted anew, and never read back.

use countersign_model::registry::TenantRole;
use countersign_testkit::{Answer, Caller, TestServer, on_each_database};
use reqwest::Method;
use serde_json::{Value, json};

const PATH: &str = "/api/keys/billing.database_password";

/// Sets a value.
pub async fn put(caller: &Caller, key: &str, body: &Value) -> Answer {
    let path = format!("/api/keys/{key}");
    caller.send(Method::PUT, &path, Some(body), &[]).await
}

/// How many values are encrypted, data key by data key, the newest first.
async fn under(owner: &Caller) -> Vec<u64> {
    let keys = owner.get("/api/data-keys").await.done();
    let items = keys["items"].as_array().unwrap();
    items
        .iter()
        .map(|one| one["values"].as_u64().unwrap())
        .collect()
}

/// Dana with project `billing`; an editor, a viewer, and somebody who is not in it.
struct People {
    owner: Caller,
    editor: Caller,
    viewer: Caller,
    stranger: Caller,
}

async fn people(server: &TestServer) -> People {
    let owner = server.owner().await;
    let editor = server.enrol("ed@example.com", TenantRole::Member).await;
    let viewer = server.enrol("vi@example.com", TenantRole::Member).await;
    let members = json!([
        { "user": "ed@example.com", "role": "editor" },
        { "user": "vi@example.com", "role": "viewer" },
    ]);
    owner
        .make(
            "projects",
            &json!({ "name": "billing", "members": members }),
        )
        .await;
    People {
        owner,
        editor,
        viewer,
        stranger: server.enrol("no@example.com", TenantRole::Member).await,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_set_rotated_listed_and_deleted_and_no_answer_has_its_value() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let people = people(&server).await;
        let (owner, editor) = (&people.owner, &people.editor);
        let name = "billing.database_password";
        let set = |value: &str| json!({ "value": value });
        put(editor, name, &set("hunter-1"))
            .await
            .refused(404, "not_found");
        let first =
            json!({ "project": "billing", "description": "of the ledger", "value": "hunter-1" });
        let made = put(editor, name, &first).await;
        assert_eq!(
            (made.status, made.header("cache-control")),
            (201, Some("no-store"))
        );
        let second = put(editor, name, &set("hunter-2")).await;
        assert_eq!(second.status, 200, "{}", second.text());
        let third = editor
            .post(&format!("{PATH}/rotate"), &set("hunter-3"))
            .await;
        let shown = third.done();
        assert_eq!(
            (&shown["current_version"], &shown["oldest_version"]),
            (&json!(3), &json!(1))
        );
        assert_eq!(shown["description"], "of the ledger");
        let list = people.viewer.get("/api/keys?project=billing").await;
        assert_eq!(list.done()["items"][0]["name"], name);
        let history = people.viewer.get(&format!("{PATH}/history")).await;
        let versions = history.done()["versions"].clone();
        assert_eq!(versions.as_array().unwrap().len(), 3);
        assert_eq!(
            (&versions[0]["version"], &versions[0]["set_by"]["name"]),
            (&json!(3), &json!("ed@example.com"))
        );
        assert_eq!(history.json()["reads"], json!([]));
        let records = owner.get("/api/evidence?limit=500").await;
        for answer in [&made, &second, &third, &list, &history, &records] {
            assert!(
                !answer.text().contains("hunter"),
                "{}: {}",
                answer.request,
                answer.text()
            );
        }

        people
            .viewer
            .post(&format!("{PATH}/rotate"), &set("x"))
            .await
            .refused(403, "forbidden");
        put(&people.stranger, name, &set("x"))
            .await
            .refused(404, "not_found");
        assert_eq!(
            people.stranger.get("/api/keys").await.done()["items"],
            json!([])
        );
        for hidden in [
            format!("{PATH}/history"),
            "/api/keys?project=billing".to_owned(),
        ] {
            people.stranger.get(&hidden).await.refused(404, "not_found");
        }
        let stale = editor
            .send(Method::PUT, PATH, Some(&set("x")), &[("if-match", "\"1\"")])
            .await;
        stale.refused(412, "precondition_failed");
        owner.project("elsewhere").await;
        put(
            owner,
            name,
            &json!({ "project": "elsewhere", "value": "x" }),
        )
        .await
        .refused(422, "unprocessable");
        editor.delete(PATH).await.refused(403, "forbidden");
        assert_eq!(under(owner).await, [3]);
        assert_eq!(owner.delete(PATH).await.status, 204);
        assert_eq!(under(owner).await, [0], "its values are gone");
        put(owner, name, &first).await.refused(409, "name_taken");
        owner
            .post(&format!("{PATH}/rotate"), &set("x"))
            .await
            .refused(404, "not_found");
        let told = owner
            .get("/api/evidence?kind=changed&limit=500")
            .await
            .done();
        let told: Vec<_> = told["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["summary"].as_str().unwrap())
            .collect();
        for verb in ["created", "rotated", "deleted"] {
            assert!(
                told.iter()
                    .any(|one| one.contains("key") && one.contains(verb)),
                "{verb}: {told:?}"
            );
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_was_sent_twice_is_one_version() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        owner.project("billing").await;
        let body = |value: &str| json!({ "project": "billing", "value": value });
        let once = [("idempotency-key", "k-1")];
        for _ in 0..2 {
            let sent = owner
                .send(Method::PUT, PATH, Some(&body("hunter")), &once)
                .await;
            assert_eq!(sent.done()["current_version"], 1);
        }
        let other = owner
            .send(Method::PUT, PATH, Some(&body("hunter-2")), &once)
            .await;
        other.refused(409, "conflict");
        let (rotate, again) = (format!("{PATH}/rotate"), [("idempotency-key", "k-2")]);
        for _ in 0..2 {
            let sent = owner
                .send(
                    Method::POST,
                    &rotate,
                    Some(&json!({ "value": "hunter" })),
                    &again,
                )
                .await;
            assert_eq!(sent.done()["current_version"], 2);
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_a_history_and_a_name_have_their_bounds() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        owner.project("billing").await;
        let body = |value: &str| json!({ "project": "billing", "value": value });
        // The longest value, of characters that JSON writes with six each.
        put(&owner, "long", &body(&"\u{1}".repeat(65_536)))
            .await
            .done();
        let longer = put(&owner, "long", &body(&"x".repeat(65_537))).await;
        assert!(!longer.text().contains("xxx"), "{}", longer.text());
        longer.refused(422, "unprocessable");
        put(&owner, "empty", &body(""))
            .await
            .refused(422, "unprocessable");
        for name in ["Key", "-key", "a~b", "%C3%A9"] {
            put(&owner, name, &body("x"))
                .await
                .refused(422, "unprocessable");
        }
        for version in 1..=102 {
            let set = put(&owner, "often", &body("x")).await.done();
            assert_eq!(set["current_version"], version);
        }
        let history = owner.get("/api/keys/often/history").await.done();
        assert_eq!(history["oldest_version"], 3);
        let versions = history["versions"].as_array().unwrap();
        assert_eq!((versions.len(), &versions[99]["version"]), (100, &json!(3)));
        assert_eq!(under(&owner).await, [101], "those of `often`, and `long`");
        let told = owner.get("/api/evidence?kind=changed&limit=1").await.done();
        let id = told["items"][0]["id"].as_str().unwrap();
        let record = owner.get(&format!("/api/evidence/{id}")).await.done();
        let changes = &record["record"]["changes"];
        assert_eq!(
            changes["oldest_version"],
            json!({ "from": 2, "to": 3 }),
            "{record}"
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_project_takes_the_values_of_its_keys_along() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        for project in ["billing", "other"] {
            owner.project(project).await;
        }
        // More versions than one batch of the deletion takes.
        for number in 0..5 {
            for _ in 0..40 {
                let body = json!({ "project": "billing", "value": "x" });
                put(&owner, &format!("billing.{number}"), &body)
                    .await
                    .done();
            }
        }
        let body = json!({ "project": "other", "value": "x" });
        put(&owner, "other.key", &body).await.done();
        assert_eq!(under(&owner).await, [201]);
        owner.delete("/api/projects/billing").await;
        assert_eq!(under(&owner).await, [1]);
        let left = owner.get("/api/keys").await.done();
        assert_eq!(left["items"].as_array().unwrap().len(), 1, "{left}");
        let again = json!({ "project": "other", "value": "x" });
        put(&owner, "billing.0", &again)
            .await
            .refused(409, "name_taken");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t35_a_new_data_key_takes_over_in_batches_and_the_old_one_is_destroyed() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let people = people(&server).await;
        let owner = &people.owner;
        people
            .editor
            .get("/api/data-keys")
            .await
            .refused(403, "forbidden");
        let rotate = json!({ "reason": "a year is over" });
        people
            .editor
            .post("/api/data-keys/rotate", &rotate)
            .await
            .refused(403, "forbidden");
        for number in 0..7 {
            for _ in 0..10 {
                let body = json!({ "project": "billing", "value": "x" });
                put(owner, &format!("billing.{number}"), &body).await.done();
            }
        }
        let before = owner.get("/api/data-keys").await.done()["items"][0]["id"].clone();
        let both = owner.post("/api/data-keys/rotate", &rotate).await.done();
        assert_eq!(both["items"][1]["id"], before);
        assert_eq!(under(owner).await, [0, 70]);
        // A value that comes meanwhile is under the new one, and a step at a time the others follow.
        put(owner, "billing.0", &json!({ "value": "y" }))
            .await
            .done();
        let tenant = server.app().authority().tenant(None).unwrap().id;
        let moved = server.app().authority().reseal(tenant).await.unwrap();
        assert_eq!((moved, under(owner).await), (32, vec![33, 38]));
        let server = server.restart().await;
        server.run_job("reseal_values").await;
        assert_eq!(under(owner).await, [71], "the old one is gone");
        let told = owner
            .get("/api/evidence?kind=data_key&limit=50")
            .await
            .done();
        let told: Vec<_> = told["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["summary"].as_str().unwrap())
            .collect();
        assert_eq!(told.len(), 3, "{told:?}");
        for (told, verb) in told.iter().zip(["destroyed", "rotated", "created"]) {
            assert!(told.ends_with(verb), "{told}");
        }
        server.stop().await;
    })
    .await;
}
