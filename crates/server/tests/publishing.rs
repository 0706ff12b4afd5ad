//! Checkpoints leave the database: to a URL, a program and a directory, whatever one of them does.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, extract::State, routing::put};
use countersign_crypto::log::{NoteVerifier, VerifiedCheckpoint};
use countersign_server::config::{
    PublishCommand, PublishConfig, PublishDirectory, PublishMethod, PublishUrl,
};
use countersign_testkit::{Caller, Database, LogCopy, TestServer, eventually, within};

use crate::world::service;

type Received = Arc<Mutex<Vec<String>>>;

/// Takes checkpoints at this address from now on.
fn receive(address: SocketAddr) -> Received {
    let received = Received::default();
    let take = async |State(received): State<Received>, body: String| {
        received.lock().unwrap().push(body);
    };
    let router = Router::new()
        .route("/checkpoints", put(take))
        .with_state(Arc::clone(&received));
    let listener = TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    let serving = axum_server::from_tcp(listener).unwrap();
    tokio::spawn(serving.serve(router.into_make_service()));
    received
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

fn url(address: SocketAddr) -> PublishConfig {
    PublishConfig::Url(PublishUrl {
        url: format!("http://{address}/checkpoints"),
        method: PublishMethod::Put,
    })
}

/// How often in a row a sink failed, as `/metrics` says.
async fn failures(caller: &Caller, sink: &str) -> Option<u64> {
    let metrics = caller.get("/metrics").await.text();
    let name = format!("countersign_checkpoint_sink_failures{{sink=\"{sink}\"}} ");
    let found = metrics.lines().find_map(|line| line.strip_prefix(&name));
    found.map(|count| count.parse().unwrap())
}

/// The size that this note signs for the log's own key.
fn signed(copy: &LogCopy, note: &str) -> u64 {
    let key: NoteVerifier = copy.key.parse().unwrap();
    VerifiedCheckpoint::verify(note, &copy.origin, &[key])
        .unwrap()
        .size()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_reach_every_sink_that_is_there_and_nobody_waits_for_one_that_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let (witness, file) = (
        directory.path().join("witness"),
        directory.path().join("note"),
    );
    // Connects, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let down = free();
    let script = format!("cat > '{0}.new' && mv '{0}.new' '{0}'", file.display());
    let sinks = vec![
        url(silent.local_addr().unwrap()),
        url(down),
        PublishConfig::Command(PublishCommand {
            command: vec!["sh".into(), "-c".into(), script],
        }),
        PublishConfig::Directory(PublishDirectory {
            directory: witness.clone(),
        }),
    ];
    let server =
        TestServer::start_with(&Database::sqlite(), |config| config.log.publish = sinks).await;
    let service = service(&server).await;
    let anyone = server.anyone();

    let begun = Instant::now();
    for _ in 0..20 {
        service.token().await;
    }
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "issuing waits for no sink"
    );
    let copy = LogCopy::settled(&service.owner).await;
    for path in [witness.join("checkpoint"), file] {
        eventually(
            "the newest checkpoint is outside the database",
            async || {
                let note = std::fs::read_to_string(&path).ok()?;
                (signed(&copy, &note) >= copy.size()).then_some(())
            },
        )
        .await;
    }
    assert_eq!(failures(&anyone, "3 command").await, Some(0));
    assert_eq!(failures(&anyone, "4 directory").await, Some(0));
    within(
        Duration::from_secs(40),
        "both failures are counted",
        async || {
            let (silent, down) = (
                failures(&anyone, "1 url").await?,
                failures(&anyone, "2 url").await?,
            );
            // The second pause is longer than the first: by then the other one has timed out at least once.
            (silent >= 1 && down >= 2).then_some(())
        },
    )
    .await;

    let received = receive(down);
    let (newest, size) = (copy.checkpoint.clone(), copy.size());
    within(
        Duration::from_secs(40),
        "the one that was down has caught up",
        async || {
            let last = received.lock().unwrap().last().cloned()?;
            (signed(&copy, &last) >= size).then_some(())
        },
    )
    .await;
    eventually("it fails no more", async || {
        (failures(&anyone, "2 url").await? == 0).then_some(())
    })
    .await;
    copy.verify(Some(&newest)).unwrap();
    server.stop().await;
}
