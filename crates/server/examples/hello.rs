//! What the shell around every request costs: the same answer from a bare router and from ours.
//!
//! `cargo run --release -p countersign-server --example hello`. Server threads are told apart from those
//! of the generator by their name, and their processor time is read from the kernel (Linux).

use std::{
    fs,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use axum::{Router, routing::get};
use axum_server::Handle;
use countersign_server::{
    http::{
        router::{Route, RouteCounters, build},
        shell::{Shell, ShellSettings},
    },
    listener::{ListenerSettings, bind, serve},
    metrics::Metrics,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime,
};

const CONNECTIONS: usize = 32;
const SPAN: Duration = Duration::from_secs(4);
const ROUNDS: usize = 3;
const REQUEST: &[u8] = b"GET /hello HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\n\r\n";

fn main() -> anyhow::Result<()> {
    let bare = start("bare", |listener| {
        let router = Router::new().route("/hello", get(hello));
        async move {
            axum_server::from_tcp(listener)?
                .serve(router.into_make_service())
                .await
        }
    })?;
    let ours = start("ours", |listener| {
        let routes = || -> Vec<Route<()>> { vec![Route::get("/hello", hello)] };
        let metrics = Arc::new(Metrics::new());
        let counters = RouteCounters::new(&routes(), &metrics);
        let settings = ShellSettings {
            issuer: "http://localhost".into(),
            client_certificates: countersign_server::config::ClientCertificates::None,
            proxies: Vec::new(),
            timeout: Duration::from_secs(30),
        };
        let shell = Shell::new(build(routes(), ()), counters, metrics, settings);
        let limits = ListenerSettings {
            max_connections: 1024,
            header_timeout: Duration::from_secs(30),
        };
        serve(listener, None, shell, limits, Handle::new())
    })?;
    for _ in 0..ROUNDS {
        for (name, address) in [("bare", bare), ("ours", ours)] {
            let before = processor_seconds(name);
            let requests = load(address)?;
            let seconds = processor_seconds(name) - before;
            let rate = requests as f64 / SPAN.as_secs_f64();
            println!(
                "{name}: {rate:.0}/s, {:.2} µs of processor time a request",
                seconds * 1e6 / requests as f64
            );
        }
    }
    Ok(())
}

async fn hello() -> impl axum::response::IntoResponse {
    ([(http::header::CONTENT_TYPE, "application/json")], "{}")
}

fn start<F>(
    name: &'static str,
    server: impl FnOnce(std::net::TcpListener) -> F + Send + 'static,
) -> anyhow::Result<SocketAddr>
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = bind("127.0.0.1:0".parse()?)?;
    let address = listener.local_addr()?;
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name(name)
        .enable_all()
        .build()?;
    thread::spawn(move || {
        let entered = runtime.enter();
        let serving = server(listener);
        drop(entered);
        runtime.block_on(async { runtime.spawn(serving).await })
    });
    Ok(address)
}

fn load(address: SocketAddr) -> anyhow::Result<u64> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (stop, count) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    runtime.block_on(async {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
            clients.push(tokio::spawn(async move {
                let mut answer = [0; 2048];
                while !stop.load(Ordering::Relaxed) {
                    stream.write_all(REQUEST).await?;
                    if stream.read(&mut answer).await? == 0 {
                        break;
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                }
                std::io::Result::Ok(())
            }));
        }
        let begun = Instant::now();
        tokio::time::sleep(SPAN).await;
        anyhow::ensure!(begun.elapsed() < SPAN * 2, "the generator was starved");
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.await??;
        }
        anyhow::Ok(count.load(Ordering::Relaxed))
    })
}

/// User and system time of the threads of this name.
fn processor_seconds(name: &str) -> f64 {
    let tasks = fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let times = tasks.filter_map(|task| {
        let stat = fs::read_to_string(task.path().join("stat")).ok()?;
        let (comm, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
        comm.ends_with(&format!("({name}"))
            .then(|| Some(ticks(11)? + ticks(12)?))?
    });
    times.sum::<f64>() / TICKS_PER_SECOND
}

const TICKS_PER_SECOND: f64 = 100.0;
