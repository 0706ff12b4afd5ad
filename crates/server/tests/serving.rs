//! A whole server: it comes up, answers, and goes down without losing anything.

use std::{net::TcpListener, path::Path, time::Duration};

use countersign_server::{
    clock::Clock,
    config::Config,
    serve::{ServeOptions, Server},
};

fn config(directory: &Path) -> Config {
    let mut config = Config::default();
    config.server.listen = "127.0.0.1:0".parse().unwrap();
    config.data.dir = Some(directory.join("data"));
    config
}

async fn start(config: Config) -> anyhow::Result<Server> {
    Server::start(ServeOptions {
        config,
        clock: Clock::system(),
    })
    .await
}

async fn get(server: &Server, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{}{path}", server.address()))
        .await
        .unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_comes_up_answers_and_comes_up_again() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(config(directory.path())).await.unwrap();
    assert!(server.first_start());
    assert_eq!(get(&server, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(get(&server, "/readyz").await, (200, "ready\n".to_owned()));
    let (status, metadata) = get(&server, "/.well-known/oauth-authorization-server").await;
    assert_eq!(status, 200);
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    assert_eq!(metadata["issuer"], server.issuer());
    let (status, keys) = get(&server, "/.well-known/jwks.json").await;
    assert_eq!(status, 200);
    assert!(!keys.contains("\"d\""), "{keys}");
    let (status, metrics) = get(&server, "/metrics").await;
    assert_eq!(status, 200);
    assert!(
        metrics.contains("route=\"/.well-known/jwks.json\",status=\"2xx\"} 1"),
        "{metrics}"
    );
    assert_eq!(get(&server, "/nowhere").await.0, 404);
    server.stop().await.unwrap();

    let again = start(config(directory.path())).await.unwrap();
    assert!(!again.first_start());
    assert_eq!(get(&again, "/.well-known/jwks.json").await.1, keys);
    again.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_leave_the_database_and_an_older_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(config(directory.path())).await.unwrap();
    let published = directory.path().join("data/checkpoints/checkpoint");
    for _ in 0..200 {
        if published.is_file() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let note = std::fs::read_to_string(&published).expect("a checkpoint of the first records");
    server.stop().await.unwrap();
    let mut lines: Vec<&str> = note.lines().collect();
    lines[1] = "1000000";
    std::fs::write(&published, format!("{}\n", lines.join("\n"))).unwrap();
    let error = start(config(directory.path()))
        .await
        .err()
        .expect("the database is older than what was published");
    assert!(error.to_string().contains("admin restored"), "{error:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_work_is_one_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let mut open = config(directory.path());
    open.server.listen = "0.0.0.0:0".parse().unwrap();
    let error = start(open).await.err().expect("a listener beyond loopback");
    assert!(error.to_string().contains("beyond loopback"), "{error:#}");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut second = config(directory.path());
    second.server.listen = taken.local_addr().unwrap();
    let error = start(second).await.err().expect("the port is taken");
    assert!(
        error.to_string().starts_with("cannot listen on 127.0.0.1:"),
        "{error:#}"
    );

    let running = start(config(directory.path())).await.unwrap();
    let error = start(config(directory.path()))
        .await
        .err()
        .expect("the directory is taken");
    assert!(
        error.to_string().contains("another server uses"),
        "{error:#}"
    );
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t24_every_malformed_authorization_answers_4xx() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(config(directory.path())).await.unwrap();
    let client = reqwest::Client::new();
    let long = format!("Bearer {}", "a".repeat(20_000));
    for header in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer \u{e4}",
        "Basic",
        "Basic !!!",
        "Basic YQ==",
        "DPoP abc",
        "Digest a=b",
        "Bearer ..",
        "Bearer a.b.c",
        "Bearer eyJhbGciOiJub25lIn0.e30.",
        &long,
    ] {
        for path in ["/api/sessions/current", "/api/evidence"] {
            let request = client.get(format!("http://{}{path}", server.address()));
            let value = http::HeaderValue::from_bytes(header.as_bytes()).unwrap();
            let status = request
                .header("authorization", value)
                .send()
                .await
                .unwrap()
                .status()
                .as_u16();
            assert!(
                (400..500).contains(&status),
                "{header:?} at {path}: {status}"
            );
        }
    }
    server.stop().await.unwrap();
}
