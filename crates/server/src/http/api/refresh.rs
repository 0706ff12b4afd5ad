//! `POST /api/auth/refresh`: the holder of a long-lived token gets its successor.

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::service_accounts::{LongLivedToken, RefreshToken};
use countersign_authority::{Rejection, long_lived::RenewToken};
use countersign_model::reason::Reason;

use super::service_accounts::released;
use crate::{
    app::App,
    http::{caller::Caller, json::Json, problem::Failure},
    metrics::AlertLabel,
};

/// Renews the token that is presented, which lives on to its own end.
pub async fn refresh(
    State(app): State<App>,
    caller: Caller,
    Json(RefreshToken {}): Json<RefreshToken>,
) -> Result<JsonAnswer<LongLivedToken>, Failure> {
    let command = RenewToken {
        tenant: caller.tenant.clone(),
        token: caller.token.claims().clone(),
        renew_at: app.config().tokens.renew_at(),
        on_fork: app.config().tokens.fork,
    };
    let given = app
        .authority()
        .hand_out(&caller.ctx, &caller.permit, command)?
        .await
        .inspect_err(|rejection| {
            if let Rejection::Recorded(refusal) = rejection
                && refusal.reason == Reason::Replayed
            {
                let label = AlertLabel { alert: "forked" };
                app.metrics().renewal_alerts.get_or_create(&label).inc();
            }
        })?;
    released(&app, &caller, given).map(JsonAnswer)
}
