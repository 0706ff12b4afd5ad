//! A deploy target behind a guard.
//!
//! ```text
//! COUNTERSIGN_ISSUER=http://127.0.0.1:8400 COUNTERSIGN_AUDIENCE=deploy-api \
//! COUNTERSIGN_CLIENT_ID=.. COUNTERSIGN_CLIENT_SECRET=.. cargo run -p countersign-guard --example deploy_target
//!
//! curl -X POST http://127.0.0.1:8500/clusters/eu1/release -H "Authorization: Bearer $TOKEN" \
//!      -H "X-Artifact-Digest: sha256:$(sha256sum app.tar | cut -d' ' -f1)"
//! ```

use anyhow::Context;
use axum::{
    Extension, Json, Router,
    extract::Path,
    routing::{get, post},
};
use countersign_guard::{Authorized, Guard, GuardLayer, InvalidRequest, Outcome, Request};
use http::request::Parts;
use serde_json::{Value, json};

const LISTEN: &str = "127.0.0.1:8500";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let variable = |name: &'static str| std::env::var(name).context(name);
    let metadata = format!("http://{LISTEN}/.well-known/oauth-protected-resource");
    let mut builder = Guard::builder()
        .issuer(variable("COUNTERSIGN_ISSUER")?)
        .audience(variable("COUNTERSIGN_AUDIENCE")?)
        .resource_metadata(metadata);
    if let Ok(client_id) = variable("COUNTERSIGN_CLIENT_ID") {
        builder = builder.credential(client_id, variable("COUNTERSIGN_CLIENT_SECRET")?);
    }
    let guard = builder.build().await?;
    println!("guard: {}", guard.mode().as_str());

    let about = guard.protected_resource(&format!("http://{LISTEN}"));
    let routes = Router::new()
        .route("/clusters/{cluster}/release", post(release))
        .route_layer(GuardLayer::new(guard.clone(), describe_release))
        .route(
            "/.well-known/oauth-protected-resource",
            get(move || async move { Json(about) }),
        );
    let listener = tokio::net::TcpListener::bind(LISTEN).await?;
    println!("listening on http://{LISTEN}");
    axum::serve(listener, routes)
        .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
        .await?;
    guard.flush().await?;
    Ok(())
}

/// What a token must allow: this action in production, on this cluster, with this artifact.
fn describe_release(head: &Parts) -> Result<Request, InvalidRequest> {
    let request = Request::parse("deploy.release")?
        .on(head.uri.path().trim_end_matches("/release"))
        .in_environment("production")?;
    match head.headers.get("x-artifact-digest") {
        Some(digest) => request.with_artifact(digest.to_str().unwrap_or_default()),
        None => Ok(request),
    }
}

/// Only reached when the guard let the request through, and says how it ended.
async fn release(
    Path(cluster): Path<String>,
    Extension(authorized): Extension<Authorized>,
) -> Json<Value> {
    let claims = authorized.claims();
    let detail = format!("released to {cluster}");
    authorized.report(Outcome::Done, Some(&detail));
    Json(json!({"released_to": cluster, "by": claims.sub, "approval": claims.approval_id}))
}
