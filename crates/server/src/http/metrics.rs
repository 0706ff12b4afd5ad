//! `GET /metrics`.

use axum::{
    extract::{FromRequestParts as _, Request, State},
    response::{IntoResponse, Response},
};
use countersign_authority::{evaluation::EvaluationRequest, registry::reading};
use countersign_model::{
    reason::{Reason, Refusal},
    token::PrincipalType,
};
use http::header;

use crate::{
    app::App,
    driver::gather,
    http::{caller::Caller, problem::Failure},
    metrics::DirectionLabel,
};

/// Everything that is counted, in the OpenMetrics text format. It tells no secret and no name; who wants it kept from
/// strangers asks for a token.
pub async fn metrics(State(app): State<App>, request: Request) -> Result<Response, Failure> {
    let (mut parts, _) = request.into_parts();
    let comes_with_one = parts.headers.contains_key(header::AUTHORIZATION);
    if app.config().server.metrics_token || comes_with_one {
        let caller = Caller::from_request_parts(&mut parts, &app).await?;
        may_read(&app, &caller).await?;
    }
    Ok(text(&app))
}

/// A program needs `metrics.read`, as its identity has it now; a person reads the evidence of the tenant.
async fn may_read(app: &App, caller: &Caller) -> Result<(), Failure> {
    let claims = caller.token.claims();
    if claims.identity_type == PrincipalType::User {
        let permit = caller.permit.clone();
        let person = app
            .authority()
            .store()
            .read(move |tx| reading::reader(tx, &permit))
            .await?;
        let detail = "only an owner or auditor of the tenant reads metrics";
        if person.reads_evidence() {
            return Ok(());
        }
        return Err(Refusal::new(Reason::Forbidden, detail).into());
    }
    let question = EvaluationRequest {
        action: READ.to_owned(),
        ..EvaluationRequest::default()
    };
    let mut facts = app.authority().facts();
    let answer = gather(app, caller.tenant.id, &mut facts, |facts| {
        app.authority()
            .evaluate(&caller.ctx, claims, &question, facts)
    })
    .await?;
    if answer.decision {
        return Ok(());
    }
    let reason = answer.reason.unwrap_or(Reason::ActionNotAllowed);
    Err(Refusal::new(reason, answer.reasons.join("; ")).into())
}

fn text(app: &App) -> Response {
    let metrics = app.metrics();
    let store = app.authority().store().statistics();
    for (direction, waiting) in [("read", store.queued_reads), ("write", store.queued_writes)] {
        let gauge = metrics
            .store_waiting
            .get_or_create_owned(&DirectionLabel { direction });
        gauge.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }
    metrics.feed_age.set(app.freshness().age().as_secs_f64());
    metrics
        .revocations
        .set(i64::try_from(app.authority().revoked().len()).unwrap_or(i64::MAX));
    ([(header::CONTENT_TYPE, TEXT)], metrics.text()).into_response()
}

const READ: &str = "metrics.read";
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
