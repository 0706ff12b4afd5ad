//! The listener: connections at a time, time for headers, TLS, and a stop that drains.

mod certificates;
pub mod tls;

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, response::Response};
use axum_server::{Handle, accept::NoDelayAcceptor, tls_rustls::RustlsAcceptor};
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service;

use crate::{
    http::{
        client_certificate::Peer,
        limits::{HEADER_BYTES, STREAMS},
        shell::Shell,
    },
    listener::{certificates::Telling, tls::ReloadingTls},
    metrics::Metrics,
};

/// How connections are treated.
#[derive(Debug, Clone, Copy)]
pub struct ListenerSettings {
    /// How many at a time.
    pub max_connections: usize,
    /// How long headers may take, and how long a connection may idle.
    pub header_timeout: Duration,
}

/// Binds the address.
///
/// # Errors
/// One sentence with the address.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let named = |error: io::Error| {
        let next = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "; another program does: stop it, or give another `--listen`"
            }
            io::ErrorKind::AddrNotAvailable => "; this machine does not have that address",
            io::ErrorKind::PermissionDenied => "; ports below 1024 are for privileged programs",
            _ => "",
        };
        let text = format!("cannot listen on {address}: {error}{next}");
        io::Error::new(error.kind(), text)
    };
    let listener = TcpListener::bind(address).map_err(named)?;
    listener.set_nonblocking(true).map_err(named)?;
    Ok(listener)
}

/// Serves until the handle stops it.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    tls: Option<ReloadingTls>,
    shell: Shell,
    settings: ListenerSettings,
    handle: Handle<SocketAddr>,
) -> io::Result<()> {
    let connections = Connections {
        slots: Arc::new(Semaphore::new(settings.max_connections)),
        metrics: Arc::clone(shell.metrics()),
        encrypted: tls.is_some(),
        shell,
    };
    let mut server = axum_server::from_tcp(listener)?
        .handle(handle)
        .acceptor(NoDelayAcceptor::new());
    set_limits(server.http_builder(), settings);
    match tls {
        None => server.serve(connections).await,
        Some(tls) => {
            let acceptor = |no_delay| {
                let inner = RustlsAcceptor::new(tls.config().clone())
                    .handshake_timeout(settings.header_timeout)
                    .acceptor(no_delay);
                Telling(inner)
            };
            server.map(acceptor).serve(connections).await
        }
    }
}

fn set_limits(builder: &mut Builder<TokioExecutor>, settings: ListenerSettings) {
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        .max_buf_size(HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(HEADER_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(settings.header_timeout)
        .keep_alive_timeout(settings.header_timeout);
}

/// Gives each connection a service, once there is room for it: further ones wait in the kernel's queue.
struct Connections {
    slots: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    encrypted: bool,
    shell: Shell,
}

impl Service<SocketAddr> for Connections {
    type Response = Connection;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Connection, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, peer: SocketAddr) -> Self::Future {
        let slots = Arc::clone(&self.slots);
        let (metrics, shell, encrypted) = (
            Arc::clone(&self.metrics),
            self.shell.clone(),
            self.encrypted,
        );
        Box::pin(async move {
            // The semaphore is never closed: an error would mean no limit, and no connection.
            let permit = slots.acquire_owned().await.ok();
            metrics.connections.inc();
            let slot = Arc::new(Slot {
                _permit: permit,
                metrics,
            });
            Ok(Connection {
                shell,
                peer: Peer {
                    address: peer.ip(),
                    encrypted,
                    certificate: None,
                },
                _slot: slot,
            })
        })
    }
}

/// The service of one connection.
#[derive(Clone)]
struct Connection {
    shell: Shell,
    peer: Peer,
    _slot: Arc<Slot>,
}

/// One of the connections at a time.
struct Slot {
    _permit: Option<OwnedSemaphorePermit>,
    metrics: Arc<Metrics>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}

impl Service<Request<Incoming>> for Connection {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let (shell, peer) = (self.shell.clone(), self.peer.clone());
        Box::pin(async move { Ok(shell.answer(&peer, request.map(Body::new)).await) })
    }
}

#[cfg(test)]
#[path = "listener/tests.rs"]
mod tests;
