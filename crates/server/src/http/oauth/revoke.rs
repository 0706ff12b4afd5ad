//! `POST /oauth2/revoke` (RFC 7009): a client revokes a token of its own.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;

use super::{client, introspect::Form};
use crate::{
    app::App,
    http::{
        authorization::BasicClient, context::Context, form::Form as FormBody,
        oauth_error::OauthFailure,
    },
};

/// Revokes. A token that is unknown, or another client's, is answered like one that was revoked.
pub async fn revoke(
    State(app): State<App>,
    Context(context): Context,
    BasicClient(basic): BasicClient,
    FormBody(form): FormBody<Form>,
) -> Result<Response, OauthFailure> {
    let (ctx, tenant, authenticated) =
        client::authenticate(&app, &context, &form.proof(), basic).await?;
    if let Ok(verified) = app
        .authority()
        .verify_token(&ctx, &tenant, form.token(), None)
        && verified.claims().identity_id == authenticated.identity.id.cast()
    {
        app.authority().revoke_own(&ctx, &verified).await?;
    }
    Ok(StatusCode::OK.into_response())
}
