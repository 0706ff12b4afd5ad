//! Decisions: the OpenID AuthZEN Authorization API 1.0 under `/access/v1/`.

mod evaluation;
mod evaluations;

pub use evaluation::evaluation;
pub use evaluations::evaluations;

use axum::{Json as JsonAnswer, extract::State};
use serde::Serialize;

use crate::{
    app::App,
    http::{context::Context, problem::Failure},
};

/// Where decisions are asked for (AuthZEN §9.1).
#[derive(Debug, Serialize)]
pub struct Configuration {
    policy_decision_point: String,
    access_evaluation_endpoint: String,
    access_evaluations_endpoint: String,
}

/// `GET /.well-known/authzen-configuration`.
pub async fn configuration(
    State(app): State<App>,
    Context(context): Context,
) -> Result<JsonAnswer<Configuration>, Failure> {
    let issuer = &app.tenant(&context)?.issuer;
    Ok(JsonAnswer(Configuration {
        policy_decision_point: issuer.clone(),
        access_evaluation_endpoint: format!("{issuer}/access/v1/evaluation"),
        access_evaluations_endpoint: format!("{issuer}/access/v1/evaluations"),
    }))
}
