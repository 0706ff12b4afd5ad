//! The deploy target: a small service behind a guard, as any team would write it.

use axum::{Extension, Router, http::request::Parts, routing::post};
use countersign_api::Client;
use countersign_guard::{Authorized, Guard, GuardLayer, InvalidRequest, Outcome, Request};
use tokio::{net::TcpListener, task::JoinHandle};

use super::stage::client_secret;
use crate::failure::Failure;

/// The header in which a deploy names its artifact.
pub const DIGEST: &str = "x-artifact-digest";

/// A running target.
pub struct Target {
    /// Where it listens.
    pub url: String,
    guard: Guard,
    serving: JoinHandle<()>,
}

impl Target {
    /// Gives the guard's identity a secret, and starts the target behind it.
    pub async fn start(
        dana: &Client,
        base: &str,
        identity: &str,
        audience: &str,
    ) -> Result<Self, Failure> {
        let (client_id, secret) = client_secret(dana, identity, "deploy target").await?;
        let guard = Guard::builder()
            .issuer(base)
            .audience(audience)
            .subject_prefix("pipeline://payments/")
            .credential(client_id, secret.expose().clone())
            .build()
            .await
            .map_err(|error| Failure::failed(error.to_string()))?;
        let routes = Router::new()
            .route(
                "/deploy",
                post(deployed).layer(GuardLayer::new(guard.clone(), release)),
            )
            .route(
                "/secrets",
                post(unreachable).layer(GuardLayer::new(guard.clone(), secrets)),
            );
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(|error| Failure::failed(error.to_string()))?;
        let address = listener
            .local_addr()
            .map_err(|error| Failure::failed(error.to_string()))?;
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self {
            url: format!("http://{address}"),
            guard,
            serving,
        })
    }

    /// Hands in what was done.
    pub async fn report(&self) -> Result<(), Failure> {
        self.guard
            .flush()
            .await
            .map_err(|unreported| Failure::failed(unreported.to_string()))
    }

    /// Stops it.
    pub async fn stop(self) {
        let _ = self.guard.flush().await;
        self.serving.abort();
    }
}

/// What a deploy needs: this action, in production, with the artifact that it names.
fn release(head: &Parts) -> Result<Request, InvalidRequest> {
    let request = Request::parse("deploy.release")?
        .on("web")
        .in_environment("production")?;
    match head
        .headers
        .get(DIGEST)
        .and_then(|value| value.to_str().ok())
    {
        Some(digest) => request.with_artifact(digest),
        None => Ok(request),
    }
}

fn secrets(_head: &Parts) -> Result<Request, InvalidRequest> {
    Request::parse("secrets.read")?.in_environment("production")
}

async fn deployed(Extension(authorized): Extension<Authorized>) -> &'static str {
    authorized.report(Outcome::Done, Some("web is at the new release"));
    "web is at the new release\n"
}

async fn unreachable() -> &'static str {
    "no pipeline may read secrets, so nobody reads this\n"
}
