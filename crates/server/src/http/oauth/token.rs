//! `POST /oauth2/token`: the token endpoint (RFC 6749 §3.2).

use std::{borrow::Cow, sync::Arc, time::Instant};

use axum::{
    Json as JsonAnswer,
    extract::State,
    response::{IntoResponse, Response},
};
use countersign_api::tokens::{ApprovalNeeded, TokenRequest as Form, TokenResponse};
use countersign_authority::{
    Ctx, Fault, Rejection,
    client_auth::{Authenticated, ClientProof},
    facts::Facts,
    federation,
    grants::{Asked, GrantType, TokenRequest},
    issue::{RecordError, Released},
    refusals::About,
    sessions::PersonalGrant,
    signing_keys::Tenant,
};
use countersign_crypto::Secret;
use countersign_model::{
    SHORT_LIVED_SECONDS,
    reason::{Reason, Refusal},
};
use http::{HeaderValue, StatusCode, header};

use super::{client, first_key, metadata, personal, proof};
use crate::{
    app::App,
    driver::gather,
    http::{
        authorization::BasicClient, context::Context, form::Form as FormBody,
        oauth_error::OauthFailure, sender::Unproved,
    },
    metrics::GrantLabel,
};

/// How often a token is decided again because somebody edited what was looked at.
const TRIES: usize = 4;

/// Answers a token request.
pub async fn token(
    State(app): State<App>,
    Context(context): Context,
    BasicClient(basic): BasicClient,
    unproved: Unproved,
    FormBody(form): FormBody<Form>,
) -> Result<Response, OauthFailure> {
    let used_basic = basic.is_some();
    let mut ctx = app.ctx(&context);
    let tenant = app.tenant(&context).map_err(client::no_tenant)?;
    if let Some(grant) = PersonalGrant::parse(&form.grant_type) {
        return personal::token(&app, &context, &tenant, grant, &form, &unproved).await;
    }
    let request = read(&tenant, &form, proof::of_request(&form, basic)?)?;
    let claimed = request.proof.claimed().unwrap_or_default().to_owned();
    app.attempts()
        .admit(&claimed, context.address, context.arrived)?;
    ctx.sender = unproved.check(&app, &context, &ctx, &tenant)?;
    let outcome = issue(&app, &ctx, &request, context.arrived).await;
    match outcome {
        Ok(released) => {
            let grant = GrantLabel {
                grant: request.grant.as_str(),
            };
            app.metrics().tokens_issued.get_or_create(&grant).inc();
            Ok(answer(&request, released))
        }
        Err(failure) => {
            if failure.proved_nothing() {
                app.attempts()
                    .failed(&claimed, context.address, context.arrived);
            }
            Err(failure.used_basic(used_basic))
        }
    }
}

fn read(
    tenant: &Arc<Tenant>,
    form: &Form,
    proof: ClientProof,
) -> Result<TokenRequest, OauthFailure> {
    let Some(grant) = GrantType::parse(&form.grant_type) else {
        let known = metadata::grant_types().join(", ");
        return Err(OauthFailure::new(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            &format!("grant_type is not known; this server takes {known}"),
        ));
    };
    let run = |token: &Option<String>, name: &str, wire_form| match token {
        Some(token) => Ok(ClientProof::Run {
            client_id: form.client_id.clone(),
            token: Secret::new(token.clone()),
            form: wire_form,
        }),
        None => Err(OauthFailure::invalid_request(&format!("{name} is missing"))),
    };
    let proof = match grant {
        GrantType::ClientCredentials => proof,
        GrantType::JwtBearer => run(&form.assertion, "assertion", "jwt_bearer")?,
        GrantType::TokenExchange => {
            let person = match form.subject_token_type.as_deref() {
                Some(JWT_TOKEN | ID_TOKEN) => false,
                Some(ACCESS_TOKEN) => true,
                _ => {
                    return Err(OauthFailure::invalid_request(
                        "subject_token_type must be that of a JWT, an ID token, or an access token",
                    ));
                }
            };
            if form.actor_token.is_some() || form.actor_token_type.is_some() {
                // RFC 8693 §2.1: to pass over it would give the subject's token to whoever acts, unrecorded (T19).
                return Err(OauthFailure::invalid_request(
                    "actor_token is not taken: a run exchanges its own token, for itself",
                ));
            }
            if !matches!(
                form.requested_token_type.as_deref(),
                None | Some(ACCESS_TOKEN)
            ) {
                return Err(OauthFailure::invalid_request(&format!(
                    "requested_token_type must be {ACCESS_TOKEN}, or left out"
                )));
            }
            match (&form.subject_token, person) {
                (Some(token), true) => ClientProof::AccessToken {
                    client_id: form.client_id.clone(),
                    token: Secret::new(token.clone()),
                },
                (token, _) => run(token, "subject_token", "token_exchange")?,
            }
        }
    };
    Ok(TokenRequest {
        tenant: Arc::clone(tenant),
        grant,
        proof,
        scope: form.scope.clone(),
        audience: form.audience.clone(),
        resource: form.resource.clone(),
        environment: form.environment.clone(),
        authorization_details: form.authorization_details.clone(),
        approval_id: form.approval_id.clone(),
        run: form.run.clone(),
    })
}

/// Authenticates, decides, records, releases.
async fn issue(
    app: &App,
    ctx: &Ctx,
    request: &TokenRequest,
    arrived: Instant,
) -> Result<Released, OauthFailure> {
    let authority = &app.authority();
    let mut facts = authority.facts();
    let mut request = Cow::Borrowed(request);
    let mut tries = 0;
    loop {
        let authenticated = authenticate(app, ctx, &request, &mut facts).await?;
        if let Some(exchanged) = authenticated.exchanged.as_ref().filter(|_| tries == 0) {
            let taken = app.attempts().tokens.take(&exchanged.claims, arrived);
            taken.map_or(Ok(()), |(_, within)| within)?;
        }
        let planned = gather(app, request.tenant.id, &mut facts, |facts| {
            authority.plan_token(ctx, &request, &authenticated, facts)
        })
        .await;
        let plan = match planned {
            Ok(plan) => plan,
            Err(Rejection::Fault(Fault::NoKey(using))) if tries < TRIES => {
                tries += 1;
                let tenant = first_key::make(app, ctx, &request.tenant, using).await?;
                request = Cow::Owned(TokenRequest {
                    tenant,
                    ..request.into_owned()
                });
                continue;
            }
            Err(rejection) => {
                return Err(refused(
                    app,
                    ctx,
                    &request,
                    &authenticated,
                    only_audience(&request, &authenticated, &facts),
                    rejection,
                )
                .await);
            }
        };
        let used = plan.used().to_vec();
        match authority.record(plan).await {
            Ok(recorded) => return Ok(authority.release(ctx, &request.tenant, &used, recorded)?),
            Err(RecordError::Stale) if tries < TRIES => {
                tries += 1;
                facts.forget(request.tenant.id);
            }
            Err(RecordError::Stale) => {
                return Err(OauthFailure::unavailable(
                    "the identity is being edited right now: try again",
                    1,
                ));
            }
            Err(RecordError::Rejected(rejection)) => {
                return Err(refused(
                    app,
                    ctx,
                    &request,
                    &authenticated,
                    only_audience(&request, &authenticated, &facts),
                    rejection,
                )
                .await);
            }
        }
    }
}

async fn authenticate(
    app: &App,
    ctx: &Ctx,
    request: &TokenRequest,
    facts: &mut Facts,
) -> Result<Authenticated, OauthFailure> {
    let authority = &app.authority();
    let tenant = request.tenant.id;
    let authenticated = gather(app, tenant, facts, |facts| {
        authority.authenticate_client(ctx, request, facts)
    })
    .await;
    match authenticated {
        Ok(authenticated) => Ok(authenticated),
        Err(Rejection::Recorded(refusal) | Rejection::Refused(refusal)) => {
            authority.note_refusal(ctx, tenant, "token", request.proof.claimed(), &refusal);
            if let (Some(identity), Some(token)) =
                (request.proof.claimed(), request.proof.run_token())
                && let Some(keeping) =
                    authority.keep_attempt(ctx, tenant, identity, token, &refusal)
                && let Err(error) = keeping.await
            {
                tracing::warn!(error = %error, "a refused attempt is not kept: {error}");
            }
            Err(told(refusal))
        }
        Err(Rejection::Fault(fault)) => Err(fault.into()),
    }
}

/// What the bearer of a run identity hears: which check failed is for the evidence and its managers.
fn told(refusal: Refusal) -> OauthFailure {
    match refusal.reason {
        Reason::RunNotTrusted => Refusal::new(refusal.reason, federation::RUN_NOT_ACCEPTED).into(),
        _ => refusal.into(),
    }
}

/// Records a refusal of a client that had proved itself, and answers it.
async fn refused(
    app: &App,
    ctx: &Ctx,
    request: &TokenRequest,
    authenticated: &Authenticated,
    only_audience: Option<String>,
    rejection: Rejection,
) -> OauthFailure {
    let refusal = match rejection {
        Rejection::Recorded(refusal) | Rejection::Refused(refusal) => refusal,
        Rejection::Fault(fault) => return fault.into(),
    };
    // It is not yet decided: the open approval is on record, nobody but who it is for hears this (anybody else is refused
    // before it is looked at), and asking again is the protocol (RFC 8628 §3.5). A record of each would be one every five
    // seconds for as long as people take.
    if refusal.reason == Reason::ApprovalPending {
        return OauthFailure::recorded(refusal);
    }
    let asked = Asked::parse(request).unwrap_or_default();
    let about = About {
        asked: "token",
        claimed: request.proof.claimed(),
        identity: Some(&authenticated.identity),
        person: authenticated.person.as_ref().map(|person| &*person.user),
        run: authenticated.run.as_ref(),
        actions: asked.actions.clone(),
        txn: None,
    };
    let recorded = match app
        .authority()
        .record_refusal(ctx, request.tenant.id, &about, &refusal)
    {
        Ok(pending) => pending.await.map_err(Fault::from),
        Err(fault) => Err(fault),
    };
    if let Err(fault) = recorded {
        return fault.into();
    }
    let needs_approval = refusal.reason == Reason::ApprovalRequired;
    let failure = OauthFailure::recorded(refusal);
    if needs_approval {
        failure.approval(needed(request, asked, only_audience))
    } else {
        failure
    }
}

/// The name of the only audience of an identity, which a request need not name.
fn only_audience(
    request: &TokenRequest,
    authenticated: &Authenticated,
    facts: &Facts,
) -> Option<String> {
    let [only] = authenticated.identity.identity()?.audiences.as_slice() else {
        return None;
    };
    // The decision has looked at it, so it is among the facts.
    let record = facts.record(request.tenant.id, *only).ok().flatten()?;
    Some(record.name.clone())
}

fn needed(request: &TokenRequest, asked: Asked, only_audience: Option<String>) -> ApprovalNeeded {
    let detail = asked.detail.as_ref();
    ApprovalNeeded {
        endpoint: format!("{}/api/approvals", request.tenant.issuer),
        actions: asked
            .actions
            .as_ref()
            .map(|actions| actions.iter().cloned().collect())
            .unwrap_or_default(),
        environment: asked.environment.clone(),
        audience: request
            .audience
            .clone()
            .or_else(|| request.resource.clone())
            .or(only_audience)
            .unwrap_or_default(),
        resource: detail.and_then(|detail| detail.resource.clone()),
        artifact_digest: detail.and_then(|detail| detail.artifact_digest.clone()),
        approval_id: None,
    }
}

fn answer(request: &TokenRequest, released: Released) -> Response {
    let exchanged = request.grant == GrantType::TokenExchange;
    let body = TokenResponse {
        access_token: released.access_token,
        token_type: released.claims.token_type().to_owned(),
        expires_in: released.expires_in.min(SHORT_LIVED_SECONDS),
        scope: released.scope,
        issued_token_type: exchanged.then(|| ACCESS_TOKEN.to_owned()),
        refresh_token: None,
        authorization_details: released
            .details_shown
            .then_some(released.claims.authorization_details),
        withheld: released.withheld.0.into_iter().collect(),
    };
    let mut response = JsonAnswer(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

const JWT_TOKEN: &str = "urn:ietf:params:oauth:token-type:jwt";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
