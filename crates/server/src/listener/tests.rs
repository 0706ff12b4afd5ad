//! Connections: their limit, their time, and a stop that drains.

use std::time::Instant;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
};

use super::*;
use crate::http::{
    router::{Route, RouteCounters, build},
    shell::ShellSettings,
};

struct Running {
    address: SocketAddr,
    handle: Handle<SocketAddr>,
    server: tokio::task::JoinHandle<io::Result<()>>,
    shell: Shell,
    slow: Arc<Slow>,
}

/// A request that is known to run, and that ends when it is let go.
#[derive(Default)]
struct Slow {
    begun: Notify,
    go: Notify,
}

fn start(max_connections: usize) -> Running {
    let slow = Arc::new(Slow::default());
    let routes = || -> Vec<Route<()>> {
        let slow = Arc::clone(&slow);
        vec![
            Route::get("/hello", async || "hello"),
            Route::get("/slow", move || {
                let slow = Arc::clone(&slow);
                async move {
                    slow.begun.notify_one();
                    slow.go.notified().await;
                    "slow"
                }
            }),
        ]
    };
    let metrics = Arc::new(Metrics::new());
    let counters = RouteCounters::new(&routes(), &metrics);
    let settings = ShellSettings {
        issuer: "http://localhost".into(),
        client_certificates: crate::config::ClientCertificates::None,
        proxies: vec![],
        timeout: Duration::from_secs(5),
    };
    let shell = Shell::new(build(routes(), ()), counters, metrics, settings);
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let handle = Handle::new();
    let settings = ListenerSettings {
        max_connections,
        header_timeout: Duration::from_millis(500),
    };
    let server = tokio::spawn(serve(
        listener,
        None,
        shell.clone(),
        settings,
        handle.clone(),
    ));
    Running {
        address,
        handle,
        server,
        shell,
        slow,
    }
}

async fn get(stream: &mut TcpStream, path: &str) -> String {
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await.unwrap() {
            0 => break,
            length => answer.extend_from_slice(&buffer[..length]),
        }
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_stop_lets_what_runs_finish_and_takes_nothing_new() {
    let running = start(16);
    let mut busy = TcpStream::connect(running.address).await.unwrap();
    let slow = tokio::spawn(async move { get(&mut busy, "/slow").await });
    running.slow.begun.notified().await;
    running
        .handle
        .graceful_shutdown(Some(Duration::from_secs(5)));
    running.slow.go.notify_one();
    assert!(slow.await.unwrap().starts_with("HTTP/1.1 200"));
    running.server.await.unwrap().unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn t24_slow_headers_end_the_connection() {
    let running = start(16);
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream
        .write_all(b"GET /hello HTTP/1.1\r\nhost: a\r\nx-slow: ")
        .await
        .unwrap();
    let begun = Instant::now();
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(3), stream.read_to_end(&mut rest))
        .await
        .unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300));
    running.handle.shutdown();
}

#[tokio::test]
async fn t24_connections_beyond_the_limit_wait() {
    let running = start(1);
    let mut first = TcpStream::connect(running.address).await.unwrap();
    assert!(get(&mut first, "/hello").await.contains("200 OK"));
    assert!(
        running
            .shell
            .metrics()
            .text()
            .contains("countersign_http_connections 1")
    );
    let mut second = TcpStream::connect(running.address).await.unwrap();
    let waiting =
        tokio::time::timeout(Duration::from_millis(100), get(&mut second, "/hello")).await;
    assert!(waiting.is_err());
    drop(first);
    let mut buffer = [0; 12];
    tokio::time::timeout(Duration::from_secs(3), second.read_exact(&mut buffer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&buffer, b"HTTP/1.1 200");
    running.handle.shutdown();
}
