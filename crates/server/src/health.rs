//! Whether the server lives, and whether it should be given requests.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tokio::task::spawn_blocking;

use crate::{app::App, http::problem::Failure};

/// What readiness depends on besides the application: whether the server is starting or stopping.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    started: AtomicBool,
    stopping: AtomicBool,
}

impl Lifecycle {
    /// The listener is open and the jobs run.
    pub fn started(&self) {
        self.0.started.store(true, Ordering::Release);
    }

    /// A stop was asked for: balancers should send no more.
    pub fn stopping(&self) {
        self.0.stopping.store(true, Ordering::Release);
    }

    /// Why not to send requests, if there is a reason.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        if self.0.stopping.load(Ordering::Acquire) {
            Some("the server is stopping")
        } else if self.0.started.load(Ordering::Acquire) {
            None
        } else {
            Some("the server is starting")
        }
    }
}

/// `GET /healthz`: the process answers.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: requests would be answered now.
pub async fn readyz(State(app): State<App>) -> Response {
    if let Some(reason) = app.not_ready() {
        return Failure::unavailable(reason, 1).into_response();
    }
    // Nothing is done without evidence, so where nothing can be written nothing is done.
    if app.authority().store().is_unwritable() {
        let store = app.authority().store().clone();
        let reason = match spawn_blocking(move || store.probe()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(reason) = reason {
            tracing::warn!(error = %reason, "not ready, the database cannot be written: {reason}");
            return Failure::unavailable(UNWRITABLE, 1).into_response();
        }
    }
    (StatusCode::OK, "ready\n").into_response()
}

const UNWRITABLE: &str = "the database cannot be written: the log of the server says why";
