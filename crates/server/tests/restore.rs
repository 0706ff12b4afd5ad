//! A database that is not the one that was signed for: refused, until somebody says that it was restored.

use std::{fs, path::Path, thread};

use countersign_guard::Request;
use countersign_server::{
    admin,
    clock::Clock,
    config::{Config, PublishConfig, PublishDirectory},
    serve::{ServeOptions, Server},
};
use countersign_testkit::{
    Caller, Database, LogCopy, RunForm, TestServer, claims, eventually, guard, new_jti,
    on_each_database, on_postgres,
};
use serde_json::{Value, json};

use crate::{
    story::{base_token, open, with_approver},
    world::{AUDIENCE, service},
};

/// Starts on the data of a server that was stopped, and says why that does not work.
async fn refused(mut config: Config) -> String {
    config.server.listen = "127.0.0.1:0".parse().unwrap();
    let clock = Clock::system();
    match Server::start(ServeOptions { config, clock }).await {
        Ok(server) => {
            server.stop().await.unwrap();
            panic!("it started");
        }
        Err(error) => format!("{error:#}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_not_the_one_that_was_signed_is_refused_at_the_start() {
    on_each_database(async |database| {
        let cut = "DELETE FROM log_entry WHERE log_index > 5;\nUPDATE log_head SET size = 6;";
        let other =
            "UPDATE log_tile SET hashes = (SELECT root FROM log_head) WHERE level = 1 AND n = 0;";
        for (sql, said) in [
            (
                cut.to_owned(),
                "the log here has 6 entries, but the database itself has a checkpoint of ",
            ),
            (
                other.to_owned(),
                " entries of the log here are others, but the database itself has a checkpoint of ",
            ),
        ] {
            let fresh = if database.url().is_some() {
                Database::postgres().unwrap()
            } else {
                database.clone()
            };
            let server = TestServer::start(&fresh).await;
            let service = service(&server).await;
            for _ in 0..260 {
                service.token().await;
            }
            LogCopy::settled(&service.owner).await.verify(None).unwrap();
            let (config, directory) = {
                // The published checkpoint is not asked: the database contradicts itself.
                let checkpoints = server.config().data_directory().join("checkpoints");
                let config = server.config().clone();
                server.sql(&sql).await;
                let directory = server.stop().await;
                fs::remove_dir_all(checkpoints).unwrap();
                (config, directory)
            };
            let error = refused(config).await;
            assert!(error.contains(said), "{error}");
            assert!(
                error.contains("run `countersign admin restored`"),
                "{error}"
            );
            drop(directory);
        }
    })
    .await;
}

/// Copies a directory with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (entry, target) = (entry.unwrap().path(), to.to_owned());
        let target = target.join(entry.file_name().unwrap());
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            fs::copy(&entry, &target).unwrap();
        }
    }
}

/// Runs this to its end where no runtime is running yet.
fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let run = || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        runtime.unwrap().block_on(work)
    };
    thread::spawn(run).join().unwrap()
}

/// A copy of the whole log of now.
async fn whole(owner: &Caller) -> LogCopy {
    eventually("a checkpoint over all that is there", async || {
        if owner.get("/log/checkpoint").await.status != 200 {
            return None;
        }
        let copy = LogCopy::take(owner).await;
        (copy.size() > 0 && copy.size() == copy.entries.len() as u64).then_some(copy)
    })
    .await
}

/// On SQLite the data directory is really put back; on PostgreSQL the restore is declared over a database that
/// was not, which nobody can tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_declared_restore_tokens_are_dead_approvals_void_and_the_log_goes_on_anew() {
    on_each_database(async |database| {
        let outside = tempfile::tempdir().unwrap();
        let (witness, backup) = (
            outside.path().join("witness"),
            outside.path().join("backup"),
        );
        let sink = PublishDirectory {
            directory: witness.clone(),
        };
        let server = TestServer::start_with(&database, |config| {
            config.log.publish = vec![PublishConfig::Directory(sink)];
        })
        .await;
        let (pipeline, lee) = with_approver(&server).await;
        let guard = guard(&server, AUDIENCE, "pipeline://", Some(&pipeline.target)).await;
        let read = || Request::parse("rollout.status.read").unwrap();
        let early = base_token(&server, &pipeline).await;
        let approval = open(&early).await["id"].as_str().unwrap().to_owned();
        let back = backup.clone();
        let embedded = database.url().is_none();
        let server = server
            .restart_with(move |data| {
                if embedded {
                    copy(data, &back);
                }
            })
            .await;

        // A life that will be lost: more records, a token of its own, one that is revoked, a feed that goes on.
        let run = pipeline.run(&server, |claims| claims.with("run_attempt", "2"));
        let anyone = server.anyone();
        let late = anyone
            .run_token(RunForm::JwtBearer, pipeline.id(), &run, &[])
            .await
            .access_token();
        let revoked = claims(early.token())["jti"].clone();
        for target in [
            revoked,
            json!(new_jti()),
            json!(new_jti()),
            json!(new_jti()),
        ] {
            let body = json!({ "grain": "token", "target": target, "reason": "a test" });
            pipeline.owner.post("/api/revocations", &body).await;
        }
        let tokens = [early.token().to_owned(), late];
        assert!(!anyone.is_active(&pipeline.target, &tokens[0]).await);
        guard.refresh().await.unwrap();
        guard.authorize(&tokens[1], read()).await.unwrap();
        let before = whole(&pipeline.owner).await;
        eventually("the last checkpoint of that life is outside", async || {
            let note = fs::read_to_string(witness.join("checkpoint")).ok()?;
            (note.lines().nth(1)?.parse::<u64>().ok()? >= before.size()).then_some(())
        })
        .await;

        let (config, clock) = (server.config().clone(), server.clock().for_server());
        let server = server
            .restart_with(move |data| {
                if embedded {
                    fs::remove_dir_all(data).unwrap();
                    copy(&backup, data);
                    let error = apart(refused(config.clone()));
                    assert!(
                        error.contains("this database is not the one that was signed for"),
                        "{error}"
                    );
                    assert!(
                        error.contains("run `countersign admin restored`"),
                        "{error}"
                    );
                    assert!(!error.contains('\n'), "one sentence: {error}");
                }
                let done = apart(async move { admin::restored(&config, &clock).await.unwrap() });
                assert_eq!((done.tenants, done.approvals), (1, 1));
            })
            .await;
        let anyone = server.anyone();
        for token in &tokens {
            assert!(!anyone.is_active(&pipeline.target, token).await);
        }
        for dead in [&pipeline.owner, &lee] {
            assert_eq!(dead.get("/api/sessions/current").await.status, 401);
        }
        eventually(
            "the guard that followed the feed of the lost life knows",
            async || {
                let _ = guard.refresh().await;
                let answer = guard.authorize(&tokens[1], read()).await;
                answer.err().filter(|error| error.code() == "token_revoked")
            },
        )
        .await;
        let owner = server.owner().await;
        let shown = owner
            .get(&format!("/api/approvals/{approval}"))
            .await
            .done();
        assert_eq!(shown["status"], "voided", "{shown}");

        let after = whole(&owner).await;
        after.verify(None).unwrap();
        before.verify(None).unwrap();
        assert!(
            after.origin.starts_with(&format!("{}/2-", before.origin)),
            "{}",
            after.origin
        );
        let reasons: Vec<String> = after
            .entries
            .iter()
            .filter_map(|entry| serde_json::from_str::<Value>(entry["body"].as_str()?).ok())
            .filter(|record| record["verb"] == "restored")
            .map(|record| record["reason"].as_str().unwrap().to_owned())
            .collect();
        let cited = format!("the log goes on after `{}` of ", before.origin);
        assert!(
            reasons.len() == 1 && reasons[0].starts_with(&cited),
            "{reasons:?}"
        );
        eventually("the end of the lost life is kept", async || {
            fs::read_dir(&witness).unwrap().find(|entry| {
                let name = entry.as_ref().unwrap().file_name();
                name.to_string_lossy()
                    .starts_with("checkpoint-before-restore-")
            })
        })
        .await
        .unwrap();

        let run = pipeline.run(&server, |claims| claims.with("run_attempt", "7"));
        let again = anyone
            .run_token(RunForm::JwtBearer, pipeline.id(), &run, &[])
            .await
            .access_token();
        assert!(anyone.is_active(&pipeline.target, &again).await);
        guard.authorize(&again, read()).await.unwrap();
        server.restart().await.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_silent_replica_lost_is_recorded_by_the_others() {
    on_postgres(async |database| {
        let server = TestServer::start(&database).await;
        let owner = server.owner().await;
        let gaps = async || owner.get("/api/evidence?kind=gap").await.done()["items"].as_array().unwrap().clone();
        server.run_job("record_gaps").await;
        assert!(gaps().await.is_empty(), "a replica that runs has lost nothing");
        let replica = server.replica().await;
        replica.stop().await;
        server.run_job("record_gaps").await;
        assert!(gaps().await.is_empty(), "nor one that stopped");
        server
            .sql("INSERT INTO installation (name, value) VALUES ('running_dead', CAST(CAST((extract(epoch FROM clock_timestamp()) - 60) * 1000000 AS BIGINT) AS TEXT));")
            .await;
        server.run_job("record_gaps").await;
        server.run_job("record_gaps").await;
        let found = gaps().await;
        assert_eq!(found.len(), 1, "once: {found:?}");
        let record = owner.get(&format!("/api/evidence/{}", found[0]["id"].as_str().unwrap())).await.done();
        let at = |name: &str| record["record"][name].as_i64().unwrap();
        let seconds = (at("until") - at("since")) / 1_000_000;
        assert!((71..=90).contains(&seconds), "{record}");
        assert!(found[0]["summary"].as_str().unwrap().starts_with("records may be missing from "), "{found:?}");
        server.stop().await;
    })
    .await;
}
