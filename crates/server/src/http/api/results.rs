//! `POST /api/results`: what guards report.

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::results::{
    ActionResult, ReportResults as Body, ReportedResult, ReportedResults,
};
use countersign_authority::{
    Fault,
    idempotency::{Once, Outcome},
    results::{Report, ReportResults},
};
use countersign_model::{Id, id, reason::Refusal};

use super::records;
use crate::{
    app::App,
    http::{caller::Caller, idempotency::IdempotencyKey, json::LargeJson, problem::Failure},
};

/// Records results, each for itself.
pub async fn report(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    LargeJson(body): LargeJson<Body>,
) -> Result<JsonAnswer<ReportedResults>, Failure> {
    let key = records::key_of(key, &caller, "results", &body)?;
    let command = ReportResults {
        results: body.results.into_iter().map(read).collect(),
    };
    let made = |outcomes: &Vec<Result<Id<id::Evidence>, Refusal>>| {
        // Ids and words: they always serialise.
        serde_json::to_string(&told(outcomes)).unwrap_or_default()
    };
    let results = match app
        .authority()
        .execute(&caller.ctx, &caller.permit, Once { key, command, made })
        .await?
    {
        Outcome::Done(outcomes) => told(&outcomes),
        Outcome::Repeated(earlier) => serde_json::from_str(&earlier).map_err(Fault::from)?,
    };
    Ok(JsonAnswer(ReportedResults { results }))
}

fn told(outcomes: &[Result<Id<id::Evidence>, Refusal>]) -> Vec<ReportedResult> {
    let one = |outcome: &Result<Id<id::Evidence>, Refusal>| match outcome {
        Ok(evidence_id) => ReportedResult {
            evidence_id: Some(*evidence_id),
            reason_code: None,
            detail: None,
        },
        Err(refusal) => ReportedResult {
            evidence_id: None,
            reason_code: Some(refusal.reason.as_str().to_owned()),
            detail: Some(refusal.detail.clone()),
        },
    };
    outcomes.iter().map(one).collect()
}

fn read(result: ActionResult) -> Report {
    Report {
        jti: result.jti,
        action: result.action,
        resource: result.resource,
        environment: result.environment,
        artifact_digest: result.artifact_digest,
        outcome: result.outcome,
        occurred_at: result.occurred_at.into(),
        detail: result.detail,
    }
}
