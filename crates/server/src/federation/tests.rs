//! Fetching keys from a real listener on loopback: honest, rotated, slow, and hostile (T23, T24).

mod guarded;
mod keeping;

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use countersign_crypto::jose::KeySet;
use countersign_model::{
    Id, id,
    registry::{IssuerDoc, IssuerProfile, KeySource},
};
use tokio::net::TcpListener;

use super::*;
use crate::fixture_issuer::{Fault, FixtureIssuer};

fn loopback() -> Outbound {
    Outbound::new(AddressPolicy::new(true, Vec::new()))
}

fn fetcher() -> KeyFetcher {
    KeyFetcher::new(loopback(), Timing::default())
}

/// A fetcher whose time moves only when the test says so.
fn timed() -> (KeyFetcher, impl Fn(u64)) {
    let elapsed = Arc::new(AtomicU64::new(0));
    let (start, read) = (Instant::now(), Arc::clone(&elapsed));
    let stopwatch =
        Stopwatch::from_fn(move || start + Duration::from_secs(read.load(Ordering::SeqCst)));
    let fetcher = KeyFetcher::with_stopwatch(loopback(), Timing::default(), stopwatch);
    (fetcher, move |seconds| {
        elapsed.fetch_add(seconds, Ordering::SeqCst);
    })
}

fn issuer_id() -> Id<id::Issuer> {
    Id::from_bytes([1; 16])
}

fn at(url: &str) -> IssuerDoc {
    IssuerDoc {
        url: url.to_owned(),
        profile: IssuerProfile::Github,
        keys: KeySource::Discovery,
        audience: None,
        ca_bundle: None,
        trust_domain: None,
    }
}

fn kids(keys: &KeySet) -> Vec<String> {
    keys.keys().iter().map(|key| key.kid().to_owned()).collect()
}

/// Counts who connects to it, and never answers: the recorder of what must not be connected to.
struct Recorder {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Recorder {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, connections) = (
            listener.local_addr().unwrap(),
            Arc::new(AtomicUsize::new(0)),
        );
        let counted = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                open.push(stream);
            }
        });
        Self {
            address,
            connections,
            task,
        }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers one list of addresses after the other; the last one for ever.
struct Scripted(Mutex<Vec<Vec<IpAddr>>>);

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self(Mutex::new(answers.iter().map(parse).collect())))
    }
}

impl Lookup for Scripted {
    fn lookup(
        &self,
        _name: String,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.remove(0)
        } else {
            answers[0].clone()
        };
        Box::pin(async move { Ok(answer) })
    }
}
