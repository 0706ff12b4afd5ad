//! `POST /api/results`: what guards report.

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::results::{
    ActionResult, ReportResults as Body, ReportedResult, ReportedResults,
};
use countersign_authority::results::{Report, ReportResults};

use crate::{
    app::App,
    http::{caller::Caller, json::LargeJson, problem::Failure},
};

/// Records results, each for itself.
pub async fn report(
    State(app): State<App>,
    caller: Caller,
    LargeJson(body): LargeJson<Body>,
) -> Result<JsonAnswer<ReportedResults>, Failure> {
    let command = ReportResults {
        results: body.results.into_iter().map(read).collect(),
    };
    let recorded = app
        .authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    let results = recorded.into_iter().map(|outcome| match outcome {
        Ok(evidence_id) => ReportedResult {
            evidence_id: Some(evidence_id),
            reason_code: None,
            detail: None,
        },
        Err(refusal) => ReportedResult {
            evidence_id: None,
            reason_code: Some(refusal.reason.as_str().to_owned()),
            detail: Some(refusal.detail),
        },
    });
    Ok(JsonAnswer(ReportedResults {
        results: results.collect(),
    }))
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
