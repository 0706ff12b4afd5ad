//! Attacks on the evidence: a tampering administrator, effects without evidence, a
//! clock that is put back.

use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_testkit::{LogCopy, TestServer, on_each_database};
use serde_json::json;

use crate::world::{Service, service};

/// What somebody with the database could do, in the order of the log.
fn tampering(engine: &str) -> Vec<(&'static str, String)> {
    let at = |index: u32| format!("(SELECT evidence_id FROM log_entry WHERE log_index = {index})");
    let body = format!(
        "UPDATE evidence SET body = body || ' ' WHERE id = {};",
        at(3)
    );
    let blob = |byte: &str| {
        if engine == "PostgreSQL" {
            format!("decode('{}', 'hex')", byte.repeat(32))
        } else {
            format!("x'{}'", byte.repeat(32))
        }
    };
    let id = |byte: &str| {
        if engine == "PostgreSQL" {
            format!("decode('{}', 'hex')", byte.repeat(16))
        } else {
            format!("x'{}'", byte.repeat(16))
        }
    };
    vec![
        ("a changed record", body),
        ("a changed record and its commitment", format!(
            "UPDATE evidence SET body = body || ' ' WHERE id = {};\nUPDATE log_entry SET commitment = {} WHERE log_index = 3;", at(3), blob("ab")
        )),
        ("a removed record", format!("DELETE FROM evidence WHERE id = {};", at(4))),
        ("a removed entry, those behind it moved up", "DELETE FROM log_entry WHERE log_index = 4;\nUPDATE log_entry SET log_index = -log_index WHERE log_index > 4;\nUPDATE log_entry SET log_index = -log_index - 1 WHERE log_index < 0;".to_owned()),
        ("a removed tail", "DELETE FROM log_entry WHERE log_index > 5;\nUPDATE log_head SET size = 6;\nDELETE FROM checkpoint WHERE size > 6;".to_owned()),
        ("an inserted entry", format!(
            "UPDATE log_entry SET log_index = -log_index - 1 WHERE log_index >= 3;\nUPDATE log_entry SET log_index = -log_index WHERE log_index < 0;\nINSERT INTO log_entry (generation, log_index, evidence_id, commitment) SELECT generation, 3, {}, {} FROM log_head;", id("cd"), blob("cd")
        )),
        ("two swapped entries", "UPDATE log_entry SET log_index = -3 WHERE log_index = 3;\nUPDATE log_entry SET log_index = 3 WHERE log_index = 4;\nUPDATE log_entry SET log_index = 4 WHERE log_index = -3;".to_owned()),
        ("every record rewritten", "UPDATE evidence SET body = body || ' ';".to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t20_every_tampering_with_the_database_is_found_against_one_kept_checkpoint() {
    on_each_database(async |database| {
        let engine = database.engine();
        for (what, sql) in tampering(engine) {
            // Each on a database of its own: tampering cannot be taken back.
            let fresh = if database.url().is_some() {
                countersign_testkit::Database::postgres().unwrap()
            } else {
                database.clone()
            };
            let server = TestServer::start(&fresh).await;
            let service = service(&server).await;
            for _ in 0..3 {
                service.token().await;
            }
            let kept = LogCopy::settled(&service.owner).await;
            kept.verify(None).unwrap();
            kept.verify(Some(&kept.checkpoint)).unwrap();
            assert!(kept.size() > 8, "{}", kept.size());
            server.sql(&sql).await;
            let answer = service.owner.get("/log/checkpoint").await;
            let found = if answer.status == 200 {
                let copy = LogCopy::take(&service.owner).await;
                copy.verify(Some(&kept.checkpoint)).err()
            } else {
                Some("there is no checkpoint".to_owned())
            };
            assert!(found.is_some(), "{what} is not found on {engine}");
            eprintln!("{what}: {}", found.unwrap());
            server.stop().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t20_records_that_come_later_keep_every_earlier_checkpoint_good() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let mut kept = vec![LogCopy::settled(&service.owner).await.checkpoint];
        for _ in 0..3 {
            for _ in 0..5 {
                service.token().await;
            }
            kept.push(LogCopy::settled(&service.owner).await.checkpoint);
        }
        let server = server.restart().await;
        let copy = LogCopy::settled(&server.owner().await).await;
        for checkpoint in &kept {
            copy.verify(Some(checkpoint)).unwrap();
        }
        server.stop().await;
    })
    .await;
}

/// Makes every insert of evidence fail, or no longer.
async fn break_evidence(server: &TestServer, broken: bool) {
    let sql = match (server.database().engine(), broken) {
        ("SQLite", true) => "CREATE TRIGGER no_evidence BEFORE INSERT ON evidence BEGIN SELECT RAISE(ABORT, 'no evidence'); END;",
        ("SQLite", false) => "DROP TRIGGER no_evidence;",
        (_, true) => {
            "CREATE FUNCTION no_evidence() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no evidence''; END';
             CREATE TRIGGER no_evidence BEFORE INSERT ON evidence FOR EACH ROW EXECUTE FUNCTION no_evidence();"
        }
        (_, false) => "DROP TRIGGER no_evidence ON evidence; DROP FUNCTION no_evidence();",
    };
    server.sql(sql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t21_without_evidence_there_is_no_token_and_no_change() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service: Service = service(&server).await;
        let path = format!("/api/identities/{}", service.id());
        let before = service.owner.get(&path).await.done();
        let member = server.enrol("mo@example.com", TenantRole::Member).await;
        break_evidence(&server, true).await;
        let answer = service.owner.client_token(&service.client, &[]).await;
        assert!(answer.status >= 500, "{} {}", answer.status, answer.text());
        assert!(!answer.text().contains("access_token"));
        assert!(
            !answer.text().contains("no evidence"),
            "the caller sees only an id: {}",
            answer.text()
        );
        let changed = service
            .owner
            .patch(&path, &json!({ "purpose": "another" }))
            .await;
        assert!(
            changed.status >= 500,
            "{} {}",
            changed.status,
            changed.text()
        );
        let made = service
            .owner
            .post("/api/projects", &json!({ "name": "unseen" }))
            .await;
        assert!(made.status >= 500, "{} {}", made.status, made.text());
        let refused = member.get("/api/log/entries").await;
        assert!(
            refused.status >= 500,
            "a refusal without evidence is not told: {} {}",
            refused.status,
            refused.text()
        );
        let code = server.code("mia@example.com", None);
        assert!(
            server
                .anyone()
                .post("/api/sessions", &json!({ "code": code }))
                .await
                .status
                >= 500
        );
        break_evidence(&server, false).await;
        let after = service.owner.get(&path).await.done();
        assert_eq!(
            (&before["purpose"], &before["version"]),
            (&after["purpose"], &after["version"])
        );
        assert_eq!(service.owner.get("/api/projects/unseen").await.status, 404);
        // The code was not used up by what failed.
        server
            .anyone()
            .post("/api/sessions", &json!({ "code": code }))
            .await
            .done();
        service.token().await;
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t22_a_clock_that_is_put_back_revives_nothing_and_issues_nothing() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let token = service.token().await;
        server.clock().advance(Seconds(2 * 3600));
        let owner = server.owner().await;
        owner
            .client_token(&service.client, &[])
            .await
            .access_token();
        assert!(!owner.is_active(&service.target, &token).await);
        server.clock().put_back(Seconds(3600));
        owner
            .client_token(&service.client, &[])
            .await
            .refused(503, "clock_untrusted");
        let server = server.restart().await;
        let answer = server.anyone().client_token(&service.client, &[]).await;
        answer.refused(503, "clock_untrusted");
        server.clock().advance(Seconds(3600));
        server
            .anyone()
            .client_token(&service.client, &[])
            .await
            .access_token();
        server.stop().await;
    })
    .await;
}
