//! `POST /oauth2/introspect` (RFC 7662): whether a token counts now, for who serves its audience.

use axum::{
    Json as JsonAnswer,
    extract::State,
    response::{IntoResponse, Response},
};
use countersign_api::tokens::{IntrospectionResponse, TokenRequest as Proof};
use countersign_authority::{
    Ctx, Rejection, api_keys, grants,
    signing_keys::Tenant,
    tokens::{self, Shown},
};
use countersign_crypto::opaque::SecretKind;
use countersign_model::{
    Id, id,
    registry::Noun,
    token::{AccessClaims, BEARER},
};
use http::{HeaderValue, header};
use serde::Deserialize;

use super::client;
use crate::{
    app::App,
    driver::gather,
    http::{
        authorization::BasicClient, context::Context, form::Form as FormBody,
        oauth_error::OauthFailure,
    },
    metrics::OutcomeLabel,
};

/// The form (RFC 7662 §2.1), with the client's own proof when it is not in the header.
#[derive(Deserialize)]
pub struct Form {
    token: String,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    client_secret: Option<String>,
    #[serde(default)]
    client_assertion: Option<String>,
    #[serde(default)]
    client_assertion_type: Option<String>,
}

impl Form {
    /// The part that proves the client.
    pub(super) fn proof(&self) -> Proof {
        Proof {
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
            client_assertion: self.client_assertion.clone(),
            client_assertion_type: self.client_assertion_type.clone(),
            ..Proof::default()
        }
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }
}

/// Answers an introspection: everything but a live token of the caller's own audience is inactive.
pub async fn introspect(
    State(app): State<App>,
    Context(context): Context,
    BasicClient(basic): BasicClient,
    FormBody(form): FormBody<Form>,
) -> Result<Response, OauthFailure> {
    let (ctx, tenant, authenticated) =
        client::authenticate(&app, &context, &form.proof(), basic).await?;
    if let Some(doc) = authenticated.identity.identity()
        && let Err(refusal) = grants::may_get_tokens(&authenticated.identity, doc, ctx.now)
    {
        // A resource server that was switched off learns nothing more of anybody's tokens.
        return Err(refusal.into());
    }
    let caller = authenticated.identity.id.cast();
    let key = api_key(&app, &ctx, &tenant, form.token(), caller).await?;
    let (claims, token_type) = match key {
        Some(claims) => (Some(claims), "api_key"),
        None => {
            let claims = live(&app, &ctx, &tenant, form.token(), caller).await?;
            // Who asks has the proof before them, and checks it (RFC 9449 §6.2).
            let token_type = claims.as_ref().map_or(BEARER, AccessClaims::token_type);
            (claims, token_type)
        }
    };
    let outcome = if claims.is_some() {
        "active"
    } else {
        "inactive"
    };
    app.metrics()
        .introspections
        .get_or_create(&OutcomeLabel::of(outcome))
        .inc();
    if app
        .authority()
        .note_introspection(tenant.id, caller, claims.is_some())
        && let Some(flushing) = app.authority().flush_decisions(&ctx)?
    {
        flushing
            .written
            .await
            .map_err(countersign_authority::Fault::from)?;
    }
    let body = IntrospectionResponse {
        active: claims.is_some(),
        token_type: claims.is_some().then(|| token_type.to_owned()),
        claims,
    };
    let mut response = JsonAnswer(body).into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn api_key(
    app: &App,
    ctx: &Ctx,
    tenant: &Tenant,
    key: &str,
    caller: Id<id::Identity>,
) -> Result<Option<AccessClaims>, OauthFailure> {
    if !key.starts_with(SecretKind::ApiKey.prefix()) {
        return Ok(None);
    }
    let authority = app.authority();
    let mut facts = authority.facts();
    let found = gather(app, tenant.id, &mut facts, |facts| {
        api_keys::introspect(ctx, tenant, key, caller, authority.secrets(), facts)
    })
    .await?;
    if let Some(claims) = &found {
        let used = claims
            .credential_id
            .map(Id::cast)
            .into_iter()
            .chain([claims.identity_id.cast()]);
        authority.note_use(ctx, &used.collect::<Vec<_>>());
    }
    Ok(found)
}

async fn live(
    app: &App,
    ctx: &Ctx,
    tenant: &Tenant,
    token: &str,
    caller: Id<id::Identity>,
) -> Result<Option<AccessClaims>, OauthFailure> {
    let Ok(verified) = app
        .authority()
        .verify_token(ctx, tenant, token, None, Shown::AskedAbout)
    else {
        return Ok(None);
    };
    let claims = verified.claims();
    let mut facts = app.authority().facts();
    let checked = gather(app, tenant.id, &mut facts, |facts| {
        let audience = facts.named(tenant.id, Noun::Audience, &claims.aud)?;
        let serves = audience
            .as_ref()
            .and_then(|record| record.audience())
            .is_some_and(|doc| doc.served_by.contains(&caller));
        // A client may also ask about its own token.
        if serves || claims.identity_id == caller {
            app.authority().alive(claims, facts)?;
            tokens::as_of_now(facts, claims, audience.as_deref()).map(Some)
        } else {
            Ok(None)
        }
    })
    .await;
    match checked {
        Ok(Some(claims)) => Ok(Some(claims)),
        Ok(None) | Err(Rejection::Recorded(_) | Rejection::Refused(_)) => Ok(None),
        Err(Rejection::Fault(fault)) => Err(fault.into()),
    }
}
