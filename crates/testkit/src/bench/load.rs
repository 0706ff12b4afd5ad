//! The generator: connections that are kept open, each with one request at a time.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

/// Makes the request of a number; nothing when there are no more.
pub type Requests = Arc<dyn Fn(u64) -> Option<Request<Full<Bytes>>> + Send + Sync>;

/// What to send, and how.
#[derive(Clone)]
pub struct Load {
    /// To whom.
    pub address: SocketAddr,
    /// How many connections.
    pub connections: usize,
    /// How long.
    pub span: Duration,
    /// What.
    pub requests: Requests,
    /// How many answers are kept.
    pub keep: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Loaded {
    /// How long it took.
    pub took: Duration,
    /// Microseconds of each request, in order.
    pub latencies: Vec<u32>,
    /// The first answers.
    pub answers: Vec<Bytes>,
}

impl Loaded {
    /// Requests a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    /// The latency below which this share of the requests is, in microseconds.
    #[must_use]
    pub fn quantile(&self, share: f64) -> u32 {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies
            .get((last as f64 * share) as usize)
            .copied()
            .unwrap_or_default()
    }
}

impl Load {
    /// Sends for the whole span. `next` counts the requests, so that a later run goes on where this ends.
    ///
    /// # Errors
    /// When a connection breaks, or an answer is not 200.
    pub async fn run(&self, next: &Arc<AtomicU64>) -> anyhow::Result<Loaded> {
        let mut connections = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            connections.push(connect(self.address).await?);
        }
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for connection in connections {
            let keep = self.keep / self.connections;
            tasks.spawn(drive(
                connection,
                self.clone(),
                started + self.span,
                Arc::clone(next),
                keep,
            ));
        }
        let mut loaded = Loaded::default();
        while let Some(ended) = tasks.join_next().await {
            let (latencies, answers) = ended??;
            loaded.latencies.extend(latencies);
            loaded.answers.extend(answers);
        }
        loaded.took = started.elapsed();
        loaded.latencies.sort_unstable();
        Ok(loaded)
    }
}

async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn drive(
    mut connection: SendRequest<Full<Bytes>>,
    load: Load,
    until: Instant,
    next: Arc<AtomicU64>,
    keep: usize,
) -> anyhow::Result<(Vec<u32>, Vec<Bytes>)> {
    let (mut latencies, mut answers) = (Vec::new(), Vec::with_capacity(keep));
    let mut now = Instant::now();
    while now < until {
        let Some(request) = (load.requests)(next.fetch_add(1, Ordering::Relaxed)) else {
            break;
        };
        let path = request.uri().path().to_owned();
        connection.ready().await?;
        let response = connection
            .send_request(request)
            .await
            .with_context(|| format!("no answer from {path}"))?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status != 200 {
            bail!(
                "{path} answered {status}: {}",
                String::from_utf8_lossy(&body)
            );
        }
        if answers.len() < keep {
            // A copy: the body itself holds on to the connection's whole read buffer, and clearing new pages for
            // the next ones took half of the generator's time.
            answers.push(Bytes::copy_from_slice(&body));
        }
        let then = Instant::now();
        latencies.push(u32::try_from((then - now).as_micros()).unwrap_or(u32::MAX));
        now = then;
    }
    Ok((latencies, answers))
}

/// One request on a connection of its own: its status and answer.
///
/// # Errors
/// When there is no answer.
pub async fn once(
    address: SocketAddr,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<(u16, Bytes)> {
    let mut connection = connect(address).await?;
    let response = connection.send_request(request).await?;
    let status = response.status().as_u16();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}
