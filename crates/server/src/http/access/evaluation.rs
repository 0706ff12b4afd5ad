//! `POST /access/v1/evaluation`: may this identity do this? Answered without a database when the
//! facts are at hand; `X-Request-ID` is echoed by what surrounds every request.

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::evaluation::{DecisionContext, EvaluationRequest as Body, EvaluationResponse};
use countersign_authority::{
    Fault, Rejection,
    evaluation::{EvaluationAnswer, EvaluationRequest, Resource, Subject},
};
use countersign_model::reason::{Reason, Refusal};

use crate::{
    app::App,
    driver::gather,
    http::{
        caller::{AnyAudienceCaller, Caller},
        json::Json,
        problem::Failure,
    },
    metrics::OutcomeLabel,
};

/// Decides on one question.
pub async fn evaluation(
    State(app): State<App>,
    AnyAudienceCaller(caller): AnyAudienceCaller,
    Json(body): Json<Body>,
) -> Result<JsonAnswer<EvaluationResponse>, Failure> {
    Ok(JsonAnswer(decide(&app, &caller, body).await?))
}

/// Decides, and counts the decision for the evidence.
///
/// # Errors
/// A refusal when the caller may not ask this, or a fault.
pub(super) async fn decide(
    app: &App,
    caller: &Caller,
    body: Body,
) -> Result<EvaluationResponse, Rejection> {
    let request = read(body)?;
    let claims = caller.token.claims();
    let mut facts = app.authority().facts();
    let answer = gather(app, caller.tenant.id, &mut facts, |facts| {
        app.authority()
            .evaluate(&caller.ctx, claims, &request, facts)
    })
    .await?;
    let outcome = if answer.decision { "allowed" } else { "denied" };
    app.metrics()
        .decisions
        .get_or_create(&OutcomeLabel::of(outcome))
        .inc();
    if app.authority().note_decision(claims, &request, &answer)
        && let Some(flushing) = app.authority().flush_decisions(&caller.ctx)?
    {
        flushing.written.await.map_err(Fault::from)?;
    }
    Ok(told(answer))
}

fn read(body: Body) -> Result<EvaluationRequest, Refusal> {
    let action = body
        .action
        .ok_or_else(|| Refusal::new(Reason::BadRequest, "`action` is missing"))?;
    Ok(EvaluationRequest {
        subject: body.subject.map(|subject| Subject {
            subject_type: subject.subject_type,
            id: subject.id,
        }),
        action: action.name,
        resource: body.resource.map(|resource| Resource {
            resource_type: resource.resource_type,
            id: resource.id,
            properties: resource.properties,
        }),
        context: body.context.unwrap_or_default(),
    })
}

fn told(answer: EvaluationAnswer) -> EvaluationResponse {
    let context = DecisionContext {
        reason_code: answer.reason.map(|reason| reason.as_str().to_owned()),
        reasons: answer.reasons,
        approval_would_unlock: answer.approval_would_unlock,
        policies: answer.policies,
        error: None,
    };
    EvaluationResponse {
        decision: answer.decision,
        context: (!answer.decision || !context.policies.is_empty()).then_some(context),
    }
}
