//! Evidence over years: old bodies are in files, and nobody who reads them notices, until a file is gone or changed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use countersign_model::time::Seconds;
use countersign_testkit::{Caller, Database, LogCopy, TestServer, claims, on_each_database};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::service;

/// As small as a tile.
const SEGMENT: u64 = 256;

/// A server with a segment's worth of old records, all of them archived but for what the test does otherwise.
struct Old {
    server: TestServer,
    owner: Caller,
    archive: TempDir,
    /// A token of long ago, and what was said of it then.
    token: String,
    record: Value,
    sentence: String,
    /// The checkpoint of then.
    kept: String,
}

impl Old {
    /// All of it, with everything still in the table.
    async fn records(database: &Database) -> Self {
        let archive = tempfile::tempdir().unwrap();
        let directory = archive.path().to_owned();
        let server = TestServer::start_with(database, |config| {
            config.log.archive.directory = Some(directory);
            config.log.archive.segment_records = SEGMENT;
        })
        .await;
        let service = service(&server).await;
        let token = claims(&service.token().await)["jti"]
            .as_str()
            .unwrap()
            .to_owned();
        for _ in 0..SEGMENT {
            service.token().await;
        }
        let copy = LogCopy::settled(&service.owner).await;
        assert!(
            copy.size() > SEGMENT && copy.size() < 2 * SEGMENT,
            "{}",
            copy.size()
        );
        let (record, sentence) = told(&service.owner, &token).await;
        server.clock().advance(Seconds::days(91));
        let owner = server.owner().await;
        Self {
            server,
            owner,
            archive,
            token,
            record,
            sentence,
            kept: copy.checkpoint,
        }
    }

    async fn archived(database: &Database) -> Self {
        let old = Self::records(database).await;
        old.server.run_job("archive").await;
        old.server.run_job("clean_up").await;
        assert_eq!(old.in_files().await, SEGMENT);
        old
    }

    /// How many records have their bodies in files alone.
    async fn in_files(&self) -> u64 {
        self.server.run_job("archive").await;
        let metrics = self.server.anyone().get("/metrics").await.text();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("countersign_log_archived "));
        line.unwrap().parse().unwrap()
    }

    fn segment(&self) -> PathBuf {
        self.archive.path().join("1/000000000000.segment")
    }

    async fn evidence(&self, id: &str) -> Value {
        self.owner.get(&format!("/api/evidence/{id}")).await.done()
    }

    async fn lineage(&self) -> Value {
        let path = format!("/api/lineage?ref=token:{}", self.token);
        self.owner.get(&path).await.done()
    }

    /// Everything reads as it did when it was young.
    async fn reads_as_before(&self) {
        let (record, sentence) = told(&self.owner, &self.token).await;
        assert_eq!(record, self.record);
        assert_eq!(sentence, self.sentence);
        LogCopy::settled(&self.owner)
            .await
            .verify(Some(&self.kept))
            .unwrap();
    }

    /// What everybody is told when the file is not what it was: a gap with this reason, everywhere.
    async fn is_a_gap(&self, why: &str) {
        let shown = self.evidence(&self.token).await;
        assert!(shown["gap"].as_str().unwrap().contains(why), "{shown}");
        assert_eq!(
            (&shown["record"], &shown["body"]),
            (&Value::Null, &json!(""))
        );
        assert!(
            shown["log"]["proof"].is_array(),
            "its place is still proven: {shown}"
        );
        let found = self
            .owner
            .get("/api/evidence?kind=token_issued&limit=500")
            .await
            .done();
        let found = found["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|item| item["id"] == json!(self.token));
        assert!(
            found.unwrap()["summary"]
                .as_str()
                .unwrap()
                .starts_with("[gap: "),
            "{found:?}"
        );
        let lineage = self.lineage().await;
        assert!(
            lineage["gaps"][0].as_str().unwrap().contains(why),
            "{lineage}"
        );
        assert!(lineage["nodes"][0]["gap"].as_bool().unwrap(), "{lineage}");
        let copy = LogCopy::settled(&self.owner).await;
        let lost: Vec<_> = copy
            .entries
            .iter()
            .filter(|entry| entry["gap"].is_string())
            .collect();
        assert!(!lost.is_empty() && lost.iter().all(|entry| entry.get("body").is_none()));
        assert!(copy.verify(Some(&self.kept)).is_err());
    }

    async fn stop(self) {
        self.server.stop().await;
    }
}

/// A record without its proof, which grows with the log, and the sentence of its lineage.
async fn told(owner: &Caller, token: &str) -> (Value, String) {
    let mut record = owner.get(&format!("/api/evidence/{token}")).await.done();
    assert!(record.as_object_mut().unwrap().remove("log").is_some());
    let lineage = owner
        .get(&format!("/api/lineage?ref=token:{token}"))
        .await
        .done();
    (record, lineage["sentence"].as_str().unwrap().to_owned())
}

fn holds(path: &Path, text: &str) -> bool {
    let bytes = fs::read(path).unwrap();
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

/// Changes the body of this record in the file.
fn forge(path: &Path, record: &Value) {
    let body = record["body"].as_str().unwrap();
    let mut bytes = fs::read(path).unwrap();
    let at = bytes
        .windows(body.len())
        .position(|part| part == body.as_bytes())
        .unwrap();
    bytes[at + body.len() / 2] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archived_records_are_read_searched_proven_and_told_as_before() {
    on_each_database(async |database| {
        let old = Old::archived(&database).await;
        assert!(holds(&old.segment(), &old.token));
        old.reads_as_before().await;
        let found = old
            .owner
            .get("/api/evidence?kind=token_issued&limit=500")
            .await
            .done();
        let found = found["items"].as_array().unwrap().clone();
        assert!(
            found.iter().any(|item| item["id"] == json!(old.token)),
            "it is found"
        );
        // With nothing but the table there is nothing to read: the bodies are not there any more.
        fs::rename(old.segment(), old.archive.path().join("away")).unwrap();
        old.is_a_gap("`1/000000000000.segment` is not in the archive")
            .await;
        fs::rename(old.archive.path().join("away"), old.segment()).unwrap();
        old.reads_as_before().await;
        let old = Old {
            server: old.server.restart().await,
            ..old
        };
        old.reads_as_before().await;
        old.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tampered_segment_is_found_and_shown_as_a_gap() {
    on_each_database(async |database| {
        let old = Old::archived(&database).await;
        let whole = fs::read(old.segment()).unwrap();
        forge(&old.segment(), &old.record);
        old.is_a_gap("of the archive is not the one that was logged")
            .await;
        fs::write(old.segment(), &whole[..whole.len() / 2]).unwrap();
        old.is_a_gap("of the archive").await;
        fs::write(old.segment(), &whole).unwrap();
        old.reads_as_before().await;
        old.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_personal_value_of_an_archived_record_is_erased_and_the_file_never_held_it() {
    on_each_database(async |database| {
        let old = Old::archived(&database).await;
        let before = fs::read(old.segment()).unwrap();
        assert!(!holds(&old.segment(), "dana@example.com"));
        let disclosed = old.record["disclosed"].as_array().unwrap();
        let value = disclosed[0]["value"].as_str().unwrap().to_owned();
        assert!(
            old.evidence(&old.token).await["record"]
                .to_string()
                .contains(&value)
        );
        let erase = json!({ "reason": "asked to be forgotten" });
        let path = format!("/api/evidence/{}/erase", old.token);
        old.owner.post(&path, &erase).await.done();
        let shown = old.evidence(&old.token).await;
        assert_eq!(shown["disclosed"], json!([]));
        assert!(!shown["record"].to_string().contains(&value), "{shown}");
        assert_eq!(shown["body"], old.record["body"]);
        assert_eq!(
            fs::read(old.segment()).unwrap(),
            before,
            "a segment is never changed"
        );
        LogCopy::settled(&old.owner)
            .await
            .verify(Some(&old.kept))
            .unwrap();
        old.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_file_and_removal_loses_and_doubles_nothing() {
    on_each_database(async |database| {
        let old = Old::records(&database).await;
        old.server.run_job("clean_up").await;
        assert_eq!(old.in_files().await, 0, "nothing leaves before it is sealed");
        assert!(old.segment().exists());

        // The crash came after the file had its name, and before it was noted.
        let noted = "DELETE FROM installation WHERE name = 'archive_sealed_1';";
        old.server.sql(noted).await;
        let before = fs::read(old.segment()).unwrap();
        old.server.run_job("clean_up").await;
        assert_eq!(old.in_files().await, 0);
        old.reads_as_before().await;
        assert_eq!(fs::read(old.segment()).unwrap(), before);

        // It came in the middle of the removal: what is gone already is not taken for what was never there.
        old.server.sql("UPDATE evidence SET body = '' WHERE id IN (SELECT evidence_id FROM log_entry WHERE log_index < 100);").await;
        old.server.run_job("clean_up").await;
        old.server.run_job("clean_up").await;
        assert_eq!(old.in_files().await, SEGMENT);
        old.reads_as_before().await;
        let files = fs::read_dir(old.archive.path().join("1")).unwrap();
        assert_eq!(files.count(), 1, "no second file, and none half written");
        old.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leaves_the_table_for_a_file_that_is_not_what_was_logged() {
    on_each_database(async |database| {
        let old = Old::records(&database).await;
        old.server.run_job("archive").await;
        let whole = fs::read(old.segment()).unwrap();
        old.server
            .sql("DELETE FROM installation WHERE name = 'archive_sealed_1';")
            .await;
        forge(&old.segment(), &old.record);
        let refused = old.server.try_job("archive").await.unwrap_err();
        assert!(
            refused.contains("in the file is not the one that was logged"),
            "{refused}"
        );
        old.server.run_job("clean_up").await;
        old.reads_as_before().await;

        // Nor when the record itself was changed before it was archived.
        fs::remove_file(old.segment()).unwrap();
        let at = "id = (SELECT evidence_id FROM log_entry WHERE log_index = 7)";
        old.server
            .sql(&format!(
                "UPDATE evidence SET body = body || ' ' WHERE {at};"
            ))
            .await;
        let refused = old.server.try_job("archive").await.unwrap_err();
        assert!(
            refused.contains("record 7 of generation 1 is not the one that was logged"),
            "{refused}"
        );
        assert!(!old.segment().exists());
        old.server
            .sql(&format!(
                "UPDATE evidence SET body = trim(body) WHERE {at};"
            ))
            .await;

        // And a share that is not mounted is no empty directory.
        let (here, away) = (
            old.archive.path().to_owned(),
            old.archive.path().with_extension("away"),
        );
        fs::rename(&here, &away).unwrap();
        let refused = old.server.try_job("archive").await.unwrap_err();
        assert!(refused.contains("is it mounted?"), "{refused}");
        fs::rename(&away, &here).unwrap();
        old.server.run_job("archive").await;
        assert_eq!(
            fs::read(old.segment()).unwrap(),
            whole,
            "the same records are the same file"
        );

        // Sealed, and the file is gone before the bodies are: they stay.
        fs::rename(old.segment(), old.archive.path().join("away")).unwrap();
        old.server.run_job("clean_up").await;
        assert_eq!(old.in_files().await, 0);
        old.reads_as_before().await;
        fs::rename(old.archive.path().join("away"), old.segment()).unwrap();
        old.server.run_job("clean_up").await;
        assert_eq!(old.in_files().await, SEGMENT);
        old.reads_as_before().await;
        old.stop().await;
    })
    .await;
}
