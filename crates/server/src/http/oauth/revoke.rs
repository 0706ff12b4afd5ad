//! `POST /oauth2/revoke` (RFC 7009): a client revokes a token of its own, and who holds one may end it.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, State},
    response::{IntoResponse, Response},
};
use countersign_authority::{
    Ctx, Pending, Proved, Rejection,
    sessions::{EndSession, Ending, Presented},
    signing_keys::Tenant,
    tokens::Shown,
};
use countersign_crypto::{
    Secret,
    opaque::{ParsedSecret, SecretKind},
};
use countersign_model::{
    reason::{Reason, Refusal},
    token::PrincipalType,
};
use http::{StatusCode, request::Parts};

use super::{client, introspect::Form};
use crate::{
    app::App,
    driver::gather,
    http::{
        authorization::{Authorization, BasicClient, ClientSecret, read},
        context::{Context, RequestContext},
        form::Form as FormBody,
        oauth_error::OauthFailure,
        refused::Admitted,
    },
};

/// Revokes. A token that is unknown, or another client's, is answered like one that was revoked.
pub async fn revoke(
    State(app): State<App>,
    Context(context): Context,
    caller: Caller,
    FormBody(form): FormBody<Form>,
) -> Result<Response, OauthFailure> {
    if let Some(finding) = refresh_token(&app, &context, &form)? {
        end_sign_in(&app, &context, finding).await?;
        return Ok(StatusCode::OK.into_response());
    }
    let basic = match caller {
        Caller::Client(basic) => basic,
        Caller::Holder(token) => {
            let (ctx, verified) = held(&app, &context, &token, form.token()).await?;
            app.authority().revoke_own(&ctx, &verified).await?;
            return Ok(StatusCode::OK.into_response());
        }
    };
    let (ctx, tenant, authenticated) =
        client::authenticate(&app, &context, &form.proof(), basic).await?;
    if let Ok(verified) =
        app.authority()
            .verify_token(&ctx, &tenant, form.token(), None, Shown::AskedAbout)
        && verified.claims().identity_id == authenticated.identity.id.cast()
    {
        app.authority().revoke_own(&ctx, &verified).await?;
    }
    Ok(StatusCode::OK.into_response())
}

/// The session of a refresh token, when one was sent: the command line has no secret, so it is the token that proves.
fn refresh_token(
    app: &App,
    context: &RequestContext,
    form: &Form,
) -> Result<Option<Pending<Result<Presented, Rejection>>>, OauthFailure> {
    let parsed = ParsedSecret::parse(form.token());
    if !parsed.is_ok_and(|secret| secret.kind() == SecretKind::RefreshToken) {
        return Ok(None);
    }
    let tenant = app.tenant(context).map_err(client::no_tenant)?;
    app.attempts().admit("", context.address, context.arrived)?;
    Ok(app
        .authority()
        .presented_refresh(tenant.id, form.token())
        .ok())
}

/// Ends the sign-in of a refresh token, used or not. One that is unknown is answered like one that was ended.
async fn end_sign_in(
    app: &App,
    context: &RequestContext,
    finding: Pending<Result<Presented, Rejection>>,
) -> Result<(), OauthFailure> {
    let ctx = app.ctx(context);
    let presented = match finding.await {
        Ok(presented) => presented,
        Err(Rejection::Fault(fault)) => return Err(fault.into()),
        Err(Rejection::Recorded(_) | Rejection::Refused(_)) => {
            app.attempts().failed("", context.address, context.arrived);
            return Ok(());
        }
    };
    let session = &presented.session;
    if !session.is_live(ctx.now) {
        return Ok(());
    }
    let permit = app.authority().session_permit(session);
    let command = EndSession {
        session: session.id,
        of: None,
        ending: Ending::Alone,
    };
    match app.authority().execute(&ctx, &permit, command).await {
        Ok(()) => Ok(()),
        Err(Rejection::Fault(fault)) => Err(fault.into()),
        Err(Rejection::Recorded(refusal) | Rejection::Refused(refusal)) => {
            Err(OauthFailure::recorded(refusal))
        }
    }
}

/// Who revokes.
pub enum Caller {
    /// A client, which proves itself in the header or the form.
    Client(Option<ClientSecret>),
    /// Who holds the token: it stands in the header too. A run proves itself once, and has no other proof left when it
    /// ends; and whoever found a token can do nothing better with it than to end it.
    Holder(Secret<String>),
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = OauthFailure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, OauthFailure> {
        if let Ok(Some(Authorization::Bearer(token) | Authorization::Dpop(token))) =
            read(&parts.headers)
        {
            return Ok(Self::Holder(token));
        }
        let BasicClient(basic) = BasicClient::from_request_parts(parts, state).await?;
        Ok(Self::Client(basic))
    }
}

/// The live token of an identity, presented by who holds it, and for itself alone.
async fn held(
    app: &App,
    context: &RequestContext,
    bearer: &Secret<String>,
    token: &str,
) -> Result<(Ctx, Proved), OauthFailure> {
    let ctx = app.ctx(context);
    let tenant: Arc<Tenant> = app.tenant(context).map_err(client::no_tenant)?;
    app.attempts().admit("", context.address, context.arrived)?;
    let authority = app.authority();
    let refused = |refusal: Refusal| {
        app.attempts().failed("", context.address, context.arrived);
        authority.note_refusal(&ctx, tenant.id, "client", None, &refusal);
        OauthFailure::invalid_client(&refusal.detail)
    };
    let no = |detail: &str| refused(Refusal::new(Reason::CredentialInvalid, detail));
    if bearer.expose() != token {
        return Err(no(
            "an access token ends itself alone: send the same one as `token`",
        ));
    }
    let verified = authority
        .verify_token(&ctx, &tenant, token, None, Shown::AskedAbout)
        .map_err(|not| refused(not.refusal))?;
    // A person signs out where they signed in.
    if verified.claims().identity_type == PrincipalType::User {
        return Err(no("a sign-in is ended with DELETE /api/sessions/current"));
    }
    let mut facts = authority.facts();
    let permit = gather(app, tenant.id, &mut facts, |facts| {
        authority.permit(&verified, facts)
    })
    .await;
    match permit {
        Ok(permit) => {
            context.admitted.get_or_init(|| Admitted {
                app: app.clone(),
                ctx: ctx.clone(),
                permit,
                token: None,
                budget: None,
            });
        }
        Err(Rejection::Recorded(refusal) | Rejection::Refused(refusal)) => {
            return Err(refused(refusal));
        }
        Err(Rejection::Fault(fault)) => return Err(fault.into()),
    }
    Ok((ctx, verified))
}
