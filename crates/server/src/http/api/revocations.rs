//! `POST /api/revocations`: anything, at any grain; with a preview of what dies.

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::revocations::{Dying, Revocation, Revoke as Body};
use countersign_authority::revocations::{self, Preview, Revoke, RevokedThing};

use crate::{
    app::App,
    http::{caller::Caller, json::Json, problem::Failure},
};

/// Revokes, or says what would die.
pub async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<Body>,
) -> Result<JsonAnswer<Revocation>, Failure> {
    let (permit, now, grain, target) = (
        caller.permit.clone(),
        caller.ctx.now,
        body.grain,
        body.target.clone(),
    );
    // What dies is said as it was just before.
    let before = app
        .authority()
        .store()
        .read(move |tx| revocations::preview(tx, &permit, grain, &target, now))
        .await?;
    if body.preview {
        return Ok(JsonAnswer(wire(body.target, before, None)));
    }
    let command = Revoke {
        grain: body.grain,
        target: body.target,
        reason: body.reason,
    };
    let revoked = app
        .authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    let target = revoked.targets.first().cloned().unwrap_or_default();
    Ok(JsonAnswer(wire(target, before, Some(revoked))))
}

fn wire(target: String, before: Preview, revoked: Option<RevokedThing>) -> Revocation {
    let dies = before.dies.into_iter().map(|one| Dying {
        what: one.what.to_owned(),
        id: one.id,
        name: one.name,
    });
    Revocation {
        grain: before.grain,
        target,
        name: revoked
            .as_ref()
            .map_or(before.name, |revoked| revoked.name.clone()),
        preview: revoked.is_none(),
        dies: dies.collect(),
        live_tokens: before.live_tokens,
        evidence_id: revoked.and_then(|revoked| revoked.evidence.into_iter().next()),
    }
}
