//! The token endpoint for people's command lines: device codes (RFC 8628 §3.4) and refresh tokens (RFC 6749 §6). The command
//! line has no secret of its own; what it presents is what a person confirmed.

use std::sync::Arc;

use axum::{
    Json as JsonAnswer,
    response::{IntoResponse, Response},
};
use countersign_api::tokens::{TokenRequest as Form, TokenResponse};
use countersign_authority::{
    Ctx, Fault, Rejection,
    command::{Command, Permit},
    sessions::{GivenOut, PersonalGrant, RedeemDevice, RefreshSession},
    signing_keys::Tenant,
};
use countersign_crypto::opaque::{ParsedSecret, SecretKind};
use countersign_model::{
    device::Poll,
    reason::{Reason, Refusal},
    scope::Scope,
};
use http::{HeaderValue, StatusCode, header};

use super::device_authorization::is_command_line;
use crate::{
    app::App,
    http::{context::RequestContext, oauth_error::OauthFailure, sender::Unproved},
    metrics::{AlertLabel, GrantLabel},
};

/// Answers a request of a command line.
pub(super) async fn token(
    app: &App,
    context: &RequestContext,
    tenant: &Arc<Tenant>,
    grant: PersonalGrant,
    form: &Form,
    unproved: &Unproved,
) -> Result<Response, OauthFailure> {
    is_command_line(form.client_id.as_deref())?;
    let asked = grant.as_str();
    app.attempts()
        .admit(asked, context.address, context.arrived)?;
    let mut ctx = app.ctx(context);
    ctx.sender = unproved.check(app, context, &ctx, tenant)?;
    let outcome = match grant {
        PersonalGrant::DeviceCode => device(app, &ctx, tenant, form).await,
        PersonalGrant::RefreshToken => refresh(app, &ctx, tenant, form).await,
    };
    match outcome {
        Ok(given) => {
            app.metrics()
                .tokens_issued
                .get_or_create(&GrantLabel { grant: asked })
                .inc();
            answer(app, &ctx, tenant, given)
        }
        Err(Ended::Asking(failure)) => Err(failure),
        Err(Ended::Unknown(refusal)) => {
            app.attempts()
                .failed(asked, context.address, context.arrived);
            app.authority()
                .note_refusal(&ctx, tenant.id, "sign-in", None, &refusal);
            Err(refusal.into())
        }
        Err(Ended::Rejected(Rejection::Fault(fault))) => Err(fault.into()),
        Err(Ended::Rejected(Rejection::Recorded(refusal) | Rejection::Refused(refusal))) => {
            if refusal.reason == Reason::Replayed {
                let label = AlertLabel { alert: "reused" };
                app.metrics().renewal_alerts.get_or_create(&label).inc();
            }
            Err(OauthFailure::recorded(refusal))
        }
    }
}

/// How a request ends without a token.
enum Ended {
    /// Nobody has answered yet, or somebody said no: nothing to record.
    Asking(OauthFailure),
    /// What was presented proves nothing.
    Unknown(Refusal),
    /// What was presented is ours, and is refused on record.
    Rejected(Rejection),
}

impl From<OauthFailure> for Ended {
    fn from(failure: OauthFailure) -> Self {
        Self::Asking(failure)
    }
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self::Rejected(fault.into())
    }
}

async fn device(
    app: &App,
    ctx: &Ctx,
    tenant: &Arc<Tenant>,
    form: &Form,
) -> Result<GivenOut, Ended> {
    let authority = app.authority();
    let unknown = || {
        let detail = "this device code is not good here, or not any more: begin again";
        Ended::Unknown(Refusal::new(Reason::TokenInvalid, detail))
    };
    let Some(text) = &form.device_code else {
        return Err(OauthFailure::invalid_request("device_code is missing").into());
    };
    let code = match ParsedSecret::parse(text) {
        Ok(code) if code.kind() == SecretKind::DeviceCode => code,
        Ok(_) | Err(_) => return Err(unknown()),
    };
    let poll = authority
        .poll_device(ctx, tenant.id, &code)
        .await
        .map_err(Fault::from)?;
    match poll {
        None => Err(unknown()),
        Some(Poll::Ready) => {
            let permit = authority.system_permit(ctx, tenant);
            let command = RedeemDevice::new(authority, tenant, code);
            run(app, ctx, &permit, command).await
        }
        Some(Poll::Waiting(interval)) => Err(says(
            "authorization_pending",
            "nobody has confirmed the code yet",
        )
        .interval(interval)
        .into()),
        Some(Poll::SlowDown(interval)) => Err(says(
            "slow_down",
            "you ask too often: wait as long as `interval` says from now on",
        )
        .interval(interval)
        .into()),
        Some(Poll::Denied) => Err(says("access_denied", "a person said no").into()),
        Some(Poll::Expired) => {
            Err(says("expired_token", "nobody confirmed the code in time").into())
        }
    }
}

async fn refresh(
    app: &App,
    ctx: &Ctx,
    tenant: &Arc<Tenant>,
    form: &Form,
) -> Result<GivenOut, Ended> {
    let authority = app.authority();
    let Some(text) = &form.refresh_token else {
        return Err(OauthFailure::invalid_request("refresh_token is missing").into());
    };
    let finding = authority
        .presented_refresh(tenant.id, text)
        .map_err(Ended::Unknown)?;
    let presented = match finding.await {
        Ok(presented) => presented,
        Err(Rejection::Recorded(refusal) | Rejection::Refused(refusal)) => {
            return Err(Ended::Unknown(refusal));
        }
        Err(fault) => return Err(Ended::Rejected(fault)),
    };
    let permit = authority.session_permit(&presented.session);
    let command = RefreshSession::new(authority, tenant, presented);
    run(app, ctx, &permit, command).await
}

async fn run<C: Command<Output = GivenOut>>(
    app: &App,
    ctx: &Ctx,
    permit: &Permit,
    command: C,
) -> Result<GivenOut, Ended> {
    let running = app
        .authority()
        .hand_out(ctx, permit, command)
        .map_err(|refusal| Ended::Asking(refusal.into()))?;
    running.await.map_err(Ended::Rejected)
}

fn says(error: &str, description: &str) -> OauthFailure {
    OauthFailure::new(StatusCode::BAD_REQUEST, error, description)
}

fn answer(
    app: &App,
    ctx: &Ctx,
    tenant: &Tenant,
    given: GivenOut,
) -> Result<Response, OauthFailure> {
    let used = [given.user.id];
    let released = app
        .authority()
        .release(ctx, tenant, &used, given.recorded)?;
    let body = TokenResponse {
        access_token: released.access_token,
        token_type: released.claims.token_type().to_owned(),
        expires_in: released.expires_in,
        scope: Some(Scope::User.as_str().to_owned()),
        issued_token_type: None,
        refresh_token: Some(given.refresh_token.expose().clone()),
        authorization_details: None,
        withheld: Vec::new(),
    };
    let mut response = JsonAnswer(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    Ok(response)
}
