//! `POST /access/v1/evaluations`: several questions in one request (AuthZEN §7).

use axum::{
    Json as JsonAnswer,
    extract::State,
    response::{IntoResponse as _, Response},
};
use countersign_api::evaluation::{
    DecisionContext, EvaluationError, EvaluationRequest, EvaluationResponse, EvaluationsRequest,
    EvaluationsResponse, Semantic,
};
use countersign_authority::Rejection;
use countersign_model::reason::{Reason, Refusal};
use serde_json::Map;

use super::evaluation::decide;
use crate::{
    app::App,
    http::{
        caller::AnyAudienceCaller,
        json::Json,
        problem::{self, Failure},
        refused::{RefusedFor, denies},
    },
};

/// The most questions of one request: a page of buttons, answered in a millisecond.
const MOST: usize = 200;

/// Decides on several questions. One that cannot be answered does not stop the others; without any it
/// is a single question.
pub async fn evaluations(
    State(app): State<App>,
    AnyAudienceCaller(caller): AnyAudienceCaller,
    Json(mut body): Json<EvaluationsRequest>,
) -> Result<Response, Failure> {
    let questions = std::mem::take(&mut body.evaluations);
    if questions.is_empty() {
        let single = filled(&body, EvaluationRequest::default());
        return Ok(JsonAnswer(decide(&app, &caller, single).await?).into_response());
    }
    if questions.len() > MOST {
        return Err(Refusal::new(
            Reason::BadRequest,
            format!("one request takes at most {MOST} evaluations"),
        )
        .into());
    }
    let semantic = body
        .options
        .as_ref()
        .map(|options| options.evaluations_semantic)
        .unwrap_or_default();
    let mut evaluations = Vec::with_capacity(questions.len());
    let mut refused: Option<RefusedFor> = None;
    for question in questions {
        let answer = match decide(&app, &caller, filled(&body, question)).await {
            Ok(answer) => answer,
            Err(Rejection::Fault(fault)) => return Err(fault.into()),
            Err(Rejection::Recorded(refusal) | Rejection::Refused(refusal)) => {
                if denies(problem::status(refusal.reason)) {
                    match &mut refused {
                        Some(refused) => refused.count += 1,
                        None => refused = Some(RefusedFor::new(refusal.clone())),
                    }
                }
                unanswered(refusal)
            }
        };
        let last = match semantic {
            Semantic::DenyOnFirstDeny => !answer.decision,
            Semantic::ExecuteAll => false,
            Semantic::PermitOnFirstPermit => answer.decision,
        };
        evaluations.push(answer);
        if last {
            break;
        }
    }
    let mut response = JsonAnswer(EvaluationsResponse { evaluations }).into_response();
    // They are told one by one and recorded as one, under the reason of the first.
    if let Some(refused) = refused {
        response.extensions_mut().insert(refused);
    }
    Ok(response)
}

/// The question, with what it leaves out from the batch. What it states replaces the batch's as a whole.
fn filled(batch: &EvaluationsRequest, question: EvaluationRequest) -> EvaluationRequest {
    EvaluationRequest {
        subject: question.subject.or_else(|| batch.subject.clone()),
        action: question.action.or_else(|| batch.action.clone()),
        resource: question.resource.or_else(|| batch.resource.clone()),
        context: question
            .context
            .or_else(|| batch.context.clone())
            .or_else(|| Some(Map::new())),
    }
}

fn unanswered(refusal: Refusal) -> EvaluationResponse {
    let error = EvaluationError {
        status: problem::status(refusal.reason).as_u16(),
        message: refusal.detail.clone(),
    };
    let context = DecisionContext {
        reason_code: Some(refusal.reason.as_str().to_owned()),
        reasons: vec![refusal.detail],
        error: Some(error),
        ..DecisionContext::default()
    };
    EvaluationResponse {
        decision: false,
        context: Some(context),
    }
}
