//! Data keys: what the values of keys are encrypted with, for the owners of the tenant.

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::keys::{DataKey, DataKeyList, RotateDataKey as RotateBody};
use countersign_authority::data_keys::{self, RotateDataKey};

use crate::{
    app::App,
    http::{caller::Caller, json::Json, problem::Failure},
};

/// `GET /api/data-keys`: newest first.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
) -> Result<JsonAnswer<DataKeyList>, Failure> {
    let permit = caller.permit.clone();
    let found = app
        .authority()
        .store()
        .read(move |tx| data_keys::list(tx, &permit))
        .await?;
    let items = found.into_iter().map(|one| DataKey {
        id: one.id,
        created_at: one.created_at.into(),
        retired_at: one.retired_at.map(Into::into),
        values: one.values,
    });
    Ok(JsonAnswer(DataKeyList {
        items: items.collect(),
    }))
}

/// `POST /api/data-keys/rotate`: a new one seals from now on; a job puts under it what is under the old one.
pub async fn rotate(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<RotateBody>,
) -> Result<JsonAnswer<DataKeyList>, Failure> {
    let command = RotateDataKey {
        secrets: app.authority().shared_secrets(),
        reason: body.reason,
    };
    app.authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    list(State(app), caller).await
}
