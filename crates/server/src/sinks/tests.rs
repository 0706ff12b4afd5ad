//! Each kind of sink.

use super::*;
use crate::{
    config::{PublishMethod, PublishUrl},
    federation::AddressPolicy,
};

fn at(url: &str, method: PublishMethod) -> Sink {
    let config = PublishConfig::Url(PublishUrl {
        url: url.to_owned(),
        method,
    });
    Sink::new(&config, &Outbound::new(AddressPolicy::new(true, vec![]))).unwrap()
}

fn checkpoint(size: u64) -> PublishedCheckpoint {
    PublishedCheckpoint {
        size,
        note: format!("id.example.com/log\n{size}\nqqqq\n\n— signature\n"),
    }
}

#[tokio::test]
async fn a_directory_keeps_the_newest_and_refuses_an_older_one() {
    let directory = tempfile::tempdir().unwrap();
    let sink = Sink::Directory(directory.path().join("witness"));
    assert_eq!(sink.newest().await.unwrap(), None);
    sink.publish(&checkpoint(5)).await.unwrap();
    sink.publish(&checkpoint(7)).await.unwrap();
    assert_eq!(sink.newest().await.unwrap(), Some(checkpoint(7)));
    let error = sink.publish(&checkpoint(6)).await.unwrap_err();
    assert!(
        error.to_string().contains("checkpoint of 7 entries"),
        "{error}"
    );
    let names: Vec<_> = std::fs::read_dir(directory.path().join("witness"))
        .unwrap()
        .collect();
    assert_eq!(names.len(), 2);
    std::fs::write(directory.path().join("witness/checkpoint"), "garbage").unwrap();
    assert!(sink.newest().await.is_err());
}

#[tokio::test]
async fn a_command_reads_the_note_on_its_standard_input() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("note");
    let script = format!("cat > '{}'", file.display());
    let sink = Sink::Command(vec!["sh".into(), "-c".into(), script]);
    sink.publish(&checkpoint(3)).await.unwrap();
    assert_eq!(std::fs::read_to_string(file).unwrap(), checkpoint(3).note);
    let failing = Sink::Command(vec!["sh".into(), "-c".into(), "exit 3".into()]);
    assert!(failing.publish(&checkpoint(3)).await.is_err());
    let missing = Sink::Command(vec!["/nonexistent/program".into()]);
    assert!(missing.publish(&checkpoint(3)).await.is_err());
}

#[tokio::test]
async fn a_url_takes_the_note_and_an_error_does_not_show_its_query() {
    use axum::{Router, routing::put};

    let take = async |body: String| {
        if size_of(&body) == Some(3) {
            http::StatusCode::OK
        } else {
            http::StatusCode::BAD_REQUEST
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/c?key=hunter2", listener.local_addr().unwrap());
    let router = Router::new().route("/c", put(take));
    tokio::spawn(
        axum_server::from_tcp(listener.into_std().unwrap())
            .unwrap()
            .serve(router.into_make_service()),
    );
    at(&url, PublishMethod::Put)
        .publish(&checkpoint(3))
        .await
        .unwrap();
    for error in [
        at(&url, PublishMethod::Post)
            .publish(&checkpoint(3))
            .await
            .unwrap_err(),
        at("http://127.0.0.1:1/c?key=hunter2", PublishMethod::Put)
            .publish(&checkpoint(3))
            .await
            .unwrap_err(),
    ] {
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_directory_keeps_the_last_checkpoint_of_the_log_before_a_restore() {
    let directory = tempfile::tempdir().unwrap();
    let sink = Sink::Directory(directory.path().to_owned());
    sink.publish(&checkpoint(7)).await.unwrap();
    let anew = PublishedCheckpoint {
        size: 2,
        note: checkpoint(2).note.replace("/log", "/log/2-1795338000"),
    };
    sink.publish(&anew).await.unwrap();
    assert_eq!(sink.newest().await.unwrap(), Some(anew));
    let kept = directory.path().join("checkpoint-before-restore-7");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), checkpoint(7).note);
}
