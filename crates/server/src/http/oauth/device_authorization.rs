//! `POST /oauth2/device_authorization` (RFC 8628 §3.1): a command line begins to wait for a person.

use axum::{
    Json as JsonAnswer,
    extract::State,
    response::{IntoResponse, Response},
};
use countersign_api::device_authorizations::{BeginDevice, COMMAND_LINE, DeviceCodes};
use countersign_authority::{Rejection, long_lived::personal_lifetime, sessions::Asking};
use countersign_model::{
    confirmation::InvalidThumbprint,
    device::{HOST_NAME_CHARS, INTERVAL, LIFETIME},
    scope::Scope,
};
use http::{HeaderValue, header};

use super::client;
use crate::{
    app::App,
    http::{context::Context, form::Form, oauth_error::OauthFailure},
};

/// Begins to wait. Who asks has proved nothing and gets nothing but a code to show to a person.
pub async fn device_authorization(
    State(app): State<App>,
    Context(context): Context,
    Form(form): Form<BeginDevice>,
) -> Result<Response, OauthFailure> {
    let ctx = app.ctx(&context);
    let tenant = app.tenant(&context).map_err(client::no_tenant)?;
    is_command_line(Some(&form.client_id))?;
    if form
        .scope
        .as_deref()
        .is_some_and(|scope| scope != Scope::User.as_str())
    {
        return Err(OauthFailure::new(
            http::StatusCode::BAD_REQUEST,
            "invalid_scope",
            "a person's command line has the scope `user`, and no other",
        ));
    }
    if form
        .host_name
        .as_deref()
        .is_some_and(|name| !is_plain(name))
    {
        return Err(OauthFailure::invalid_request(&format!(
            "host_name has letters, digits, `.`, `_` and `-`, at most {HOST_NAME_CHARS}"
        )));
    }
    let ttl = form.ttl_days.map(personal_lifetime).transpose()?;
    let key = form.dpop_jkt.as_deref().map(str::parse).transpose();
    let dpop_jkt = key.map_err(|error: InvalidThumbprint| {
        OauthFailure::invalid_request(&format!("dpop_jkt: {error}"))
    })?;
    let asking = Asking {
        tenant: tenant.id,
        host_name: form.host_name,
        ttl: ttl.unwrap_or(Scope::User.profile().usual),
        dpop_jkt,
    };
    app.attempts().device(context.address, context.arrived)?;
    let begun = match app.authority().begin_device(&ctx, &asking)?.await {
        Ok(begun) => begun,
        Err(Rejection::Recorded(refusal) | Rejection::Refused(refusal)) => {
            return Err(refusal.into());
        }
        Err(Rejection::Fault(fault)) => return Err(fault.into()),
    };
    let (code, page) = (begun.user_code.shown(), format!("{}/device", tenant.issuer));
    let body = DeviceCodes {
        device_code: begun.device_code.expose().clone(),
        verification_uri_complete: format!("{page}?user_code={code}"),
        user_code: code,
        verification_uri: page,
        expires_in: LIFETIME.0,
        interval: INTERVAL.0,
    };
    let mut response = JsonAnswer(body).into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Refuses every client but the command line: no other may act for a person.
pub(super) fn is_command_line(client_id: Option<&str>) -> Result<(), OauthFailure> {
    match client_id {
        Some(COMMAND_LINE) => Ok(()),
        Some(_) => Err(OauthFailure::invalid_client(
            "only the command line signs people in this way: its client_id is countersign-cli",
        )),
        None => Err(OauthFailure::invalid_request("client_id is missing")),
    }
}

/// What is shown to people and written into records must not be able to look like anything else (T29).
fn is_plain(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    name.len() <= HOST_NAME_CHARS && name.bytes().all(fits)
}
