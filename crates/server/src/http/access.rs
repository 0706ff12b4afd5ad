//! Decisions: the OpenID AuthZEN Authorization API 1.0 under `/access/v1/`.

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::evaluation::{
    DecisionContext, EvaluationError, EvaluationRequest as Question, EvaluationResponse, EvaluationsRequest,
    EvaluationsResponse, Semantic,
};
use countersign_authority::{
    Rejection,
    evaluation::{EvaluationAnswer, EvaluationRequest, Resource, Subject},
};
use http::StatusCode;

use crate::{
    app::App,
    driver::gather,
    http::{
        caller::{AnyAudienceCaller, Caller},
        context::Context,
        json::Json,
        problem::{self, Failure},
    },
};

/// How many questions one batch may hold.
const QUESTIONS: usize = 100;

/// `GET /.well-known/authzen-configuration`: what runs.
pub async fn configuration(State(app): State<App>, Context(context): Context) -> Result<JsonAnswer<serde_json::Value>, Failure> {
    let issuer = &app.tenant(&context)?.issuer;
    Ok(JsonAnswer(serde_json::json!({
        "policy_decision_point": issuer,
        "access_evaluation_endpoint": format!("{issuer}/access/v1/evaluation"),
        "access_evaluations_endpoint": format!("{issuer}/access/v1/evaluations"),
    })))
}

/// `POST /access/v1/evaluation`: one question.
pub async fn evaluation(
    State(app): State<App>,
    AnyAudienceCaller(caller): AnyAudienceCaller,
    Json(question): Json<Question>,
) -> Result<JsonAnswer<EvaluationResponse>, Failure> {
    answer(&app, &caller, question).await.map(JsonAnswer)
}

/// `POST /access/v1/evaluations`: several questions, each answered for itself.
pub async fn evaluations(
    State(app): State<App>,
    AnyAudienceCaller(caller): AnyAudienceCaller,
    Json(batch): Json<EvaluationsRequest>,
) -> Result<JsonAnswer<EvaluationsResponse>, Failure> {
    if batch.evaluations.len() > QUESTIONS {
        return Err(Failure::bad_request(&format!("a batch has at most {QUESTIONS} evaluations")));
    }
    let semantic = batch.options.as_ref().map(|options| options.evaluations_semantic).unwrap_or_default();
    let common = Question { subject: batch.subject, action: batch.action, resource: batch.resource, context: batch.context };
    let questions = if batch.evaluations.is_empty() { vec![Question::default()] } else { batch.evaluations };
    let mut evaluations = Vec::with_capacity(questions.len());
    for question in questions {
        let answered = match answer(&app, &caller, completed(question, &common)).await {
            Ok(answered) => answered,
            Err(failure) if failure.status().is_server_error() => return Err(failure),
            Err(failure) => unanswered(&failure),
        };
        let decision = answered.decision;
        evaluations.push(answered);
        match (semantic, decision) {
            (Semantic::DenyOnFirstDeny, false) | (Semantic::PermitOnFirstPermit, true) => break,
            _ => {}
        }
    }
    Ok(JsonAnswer(EvaluationsResponse { evaluations }))
}

async fn answer(app: &App, caller: &Caller, question: Question) -> Result<EvaluationResponse, Failure> {
    let request = read(question)?;
    let claims = caller.token.claims();
    let authority = app.authority();
    let mut facts = authority.facts();
    let decided = gather(app, caller.tenant.id, &mut facts, |facts| authority.evaluate(&caller.ctx, claims, &request, facts)).await;
    let answer = match decided {
        Ok(answer) => answer,
        Err(Rejection::Refused(refusal)) => {
            authority.note_refusal(&caller.ctx, caller.tenant.id, "evaluation", Some(&claims.sub), &refusal);
            return Err(refusal.into());
        }
        Err(fault) => return Err(fault.into()),
    };
    if authority.note_decision(claims, &request, &answer)
        && let Some(writing) = authority.flush_decisions(&caller.ctx)?
    {
        writing.await.map_err(countersign_authority::Fault::from)?;
    }
    Ok(told(answer))
}

fn read(question: Question) -> Result<EvaluationRequest, Failure> {
    let action = question.action.ok_or_else(|| Failure::bad_request("`action` is missing"))?.name;
    Ok(EvaluationRequest {
        subject: question.subject.map(|subject| Subject { subject_type: subject.subject_type, id: subject.id }),
        action,
        resource: question.resource.map(|resource| Resource {
            resource_type: resource.resource_type,
            id: resource.id,
            properties: resource.properties,
        }),
        context: question.context.unwrap_or_default(),
    })
}

fn completed(question: Question, common: &Question) -> Question {
    Question {
        subject: question.subject.or_else(|| common.subject.clone()),
        action: question.action.or_else(|| common.action.clone()),
        resource: question.resource.or_else(|| common.resource.clone()),
        context: question.context.or_else(|| common.context.clone()),
    }
}

fn told(answer: EvaluationAnswer) -> EvaluationResponse {
    EvaluationResponse {
        decision: answer.decision,
        context: Some(DecisionContext {
            reason_code: answer.reason.map(|reason| reason.as_str().to_owned()),
            reasons: answer.reasons,
            approval_would_unlock: answer.approval_would_unlock,
            policies: answer.policies,
            error: None,
        }),
    }
}

fn unanswered(failure: &Failure) -> EvaluationResponse {
    let problem = failure.problem();
    let status = StatusCode::from_u16(problem.status).unwrap_or_else(|_| problem::status(countersign_model::reason::Reason::BadRequest));
    let error = EvaluationError { status: status.as_u16(), message: problem.detail.clone() };
    EvaluationResponse { decision: false, context: Some(DecisionContext { error: Some(error), ..DecisionContext::default() }) }
}
