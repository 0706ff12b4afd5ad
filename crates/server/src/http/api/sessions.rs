//! Sign-in of people with a one-time code, and who the caller is.

use std::sync::Arc;

use axum::{
    Json as JsonAnswer,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use countersign_api::{
    log::LogKey,
    reference::Ref,
    sessions::{CreateSession, CreatedSession, CurrentSession, Session as WireSession, Sessions},
};
use countersign_authority::{
    Ctx, Fault, Rejection,
    command::{Actor, Permit},
    enrolment::{EnrolmentCode, SignedInUser, UseCode},
    issue::{RecordError, Released},
    long_lived::{SignInForDays, personal_lifetime},
    sessions::{EndSession, Ending},
    signing_keys::Tenant,
};
use countersign_model::{
    Timestamp,
    chain::Chain,
    finding::of_chain,
    reason::{Reason, Refusal},
    registry::{Registration, TenantDoc},
    session::Session,
    time::Seconds,
};
use http::{HeaderValue, header};

use crate::{
    app::App,
    driver::gather,
    http::{
        addressed::Addressed,
        caller::Caller,
        context::{Context, RequestContext},
        json::Json,
        pages::set_cookie,
        problem::Failure,
    },
};

/// `POST /api/sessions`: a one-time code becomes a token of twelve hours, or of days.
pub async fn create(
    State(app): State<App>,
    Context(context): Context,
    Json(body): Json<CreateSession>,
) -> Result<Response, Failure> {
    let ctx = app.ctx(&context);
    let authority = &app.authority();
    let days = body.ttl_days.map(personal_lifetime).transpose()?;
    let (code, tenant) = opened(&app, &context, &ctx, &body.code).await?;
    let permit = authority.system_permit(&ctx, &tenant);
    let (signed_in, released, renew_at) = match days {
        None => {
            let signed_in = authority.execute(&ctx, &permit, UseCode { code }).await?;
            let released = session(&app, &ctx, &tenant, &permit, &signed_in).await?;
            (signed_in, released, None)
        }
        Some(ttl) => {
            let command = SignInForDays {
                tenant: tenant.clone(),
                code,
                ttl,
                renew_at: app.config().tokens.renew_at(),
            };
            let (signed_in, given) = authority.hand_out(&ctx, &permit, command)?.await?;
            let used = [given.holder.id];
            let released = authority.release(&ctx, &tenant, &used, given.recorded)?;
            (signed_in, released, given.chain.due_at)
        }
    };
    let Some(user) = signed_in.user.user() else {
        return Err(Fault::Invariant("a sign-in of what is no user".to_owned()).into());
    };
    let answer = CreatedSession {
        token: released.access_token,
        expires_at: Timestamp::from_seconds(released.claims.exp).into(),
        user: Ref {
            id: signed_in.user.id,
            name: user.email.to_string(),
        },
        tenant: Ref {
            id: tenant.id.cast(),
            name: tenant.name.clone(),
        },
        role: user.role,
        issuer: tenant.issuer.clone(),
        renew_at: renew_at.map(Into::into),
        log_key: Some(log_key(&app)),
    };
    let mut response = (StatusCode::CREATED, JsonAnswer(answer)).into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// A code that was made here, and the tenant that it is for, which is made if that is what it says. Nothing is used up yet.
pub(in crate::http) async fn opened(
    app: &App,
    context: &RequestContext,
    ctx: &Ctx,
    code: &str,
) -> Result<(EnrolmentCode, Arc<Tenant>), Failure> {
    let authority = app.authority();
    app.attempts()
        .admit("enrolment", context.address, context.arrived)?;
    let code =
        EnrolmentCode::open(&authority.secrets().codes, code, ctx.now).inspect_err(|_| {
            app.attempts()
                .failed("enrolment", context.address, context.arrived);
        })?;
    let named = || authority.tenant(code.tenant.as_ref().map(|name| name.as_str()));
    if code.create_tenant && named().is_none() {
        make_tenant(app, ctx, &code).await?;
    }
    let tenant = named().ok_or_else(|| {
        Refusal::new(
            Reason::NotFound,
            "the code is for a tenant that does not exist",
        )
    })?;
    Ok((code, tenant))
}

/// The token of twelve hours.
async fn session(
    app: &App,
    ctx: &Ctx,
    tenant: &Tenant,
    permit: &Permit,
    signed_in: &SignedInUser,
) -> Result<Released, Failure> {
    let authority = app.authority();
    let mut facts = authority.facts();
    let plan = gather(app, tenant.id, &mut facts, |facts| {
        authority.plan_session(ctx, tenant, signed_in, permit, facts)
    })
    .await?;
    let used = plan.used().to_vec();
    let recorded = authority.record(plan).await.map_err(|error| match error {
        RecordError::Stale => Rejection::from(Refusal::new(
            Reason::Conflict,
            "the user is being edited right now: sign in again",
        )),
        RecordError::Rejected(rejection) => rejection,
    })?;
    Ok(authority.release(ctx, tenant, &used, recorded)?)
}

async fn make_tenant(app: &App, ctx: &Ctx, code: &EnrolmentCode) -> Result<(), Failure> {
    let Some(name) = code.tenant.clone() else {
        return Ok(());
    };
    let doc = TenantDoc {
        name,
        first: false,
        refuse_unknown_actions: false,
        orphan_grace_seconds: Seconds::days(30).0,
        approvals_need_passkey: false,
        registration: Registration::Off,
        provider: None,
        provisioner: None,
    };
    app.authority().make_tenant(ctx, doc)?.await?;
    let (authority, now) = (Arc::clone(app.authority()), ctx.now);
    // Reading the keys again blocks for a moment.
    let reloaded = tokio::task::spawn_blocking(move || authority.reload_keys(now)).await;
    reloaded.map_err(|error| Fault::Invariant(format!("reading keys: {error}")))??;
    Ok(())
}

/// The log's key, for whoever pins it.
pub(super) fn log_key(app: &App) -> LogKey {
    let log = app.authority().log();
    LogKey {
        origin: log.origin().to_owned(),
        verifier_key: log.verifier().to_string(),
    }
}

/// `GET /api/sessions/current`: who the caller is.
pub async fn current(
    State(app): State<App>,
    caller: Caller,
) -> Result<JsonAnswer<CurrentSession>, Failure> {
    let claims = caller.token.claims();
    let mut facts = app.authority().facts();
    let record = gather(&app, caller.tenant.id, &mut facts, |facts| {
        facts.record(caller.tenant.id, claims.identity_id)
    })
    .await?;
    let role = record
        .as_ref()
        .and_then(|record| record.user())
        .map(|user| user.role);
    let name = match caller.permit.actor() {
        Actor::User { email, .. } => email.clone(),
        Actor::Identity { .. } | Actor::System => record
            .as_ref()
            .map(|record| record.name.clone())
            .unwrap_or_default(),
    };
    Ok(JsonAnswer(CurrentSession {
        id: claims.identity_id.cast(),
        principal_type: claims.identity_type.into(),
        name,
        subject: claims.sub.clone(),
        tenant: tenant_ref(&caller.tenant),
        role,
        issuer: caller.tenant.issuer.clone(),
        jti: claims.jti,
        expires_at: Timestamp::from_seconds(claims.exp).into(),
        authenticated_at: claims
            .auth_time
            .map(|at| Timestamp::from_seconds(at).into()),
        actions: claims.actions.clone(),
    }))
}

/// `DELETE /api/sessions/current`: signs out.
pub async fn delete(State(app): State<App>, caller: Caller) -> Result<Response, Failure> {
    let authority = app.authority();
    let mut response = StatusCode::NO_CONTENT.into_response();
    let Some(person) = &caller.browser else {
        authority.revoke_own(&caller.ctx, &caller.token).await?;
        return Ok(response);
    };
    let session = &person.browser.session;
    let command = EndSession {
        session: session.id,
        of: Some(session.user_id),
        ending: Ending::Alone,
    };
    authority
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    if let Some(cookie) = set_cookie(&caller.tenant, None) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `GET /api/sessions`: the caller's sign-ins that last.
pub async fn list(State(app): State<App>, caller: Caller) -> Result<JsonAnswer<Sessions>, Failure> {
    let user = caller.permit.user()?;
    let found = app
        .authority()
        .sign_ins_of(caller.tenant.id, user, caller.ctx.now)
        .await?;
    let own = caller.token.claims().chain_id.as_deref();
    let is_own = |id: String| own == Some(id.as_str());
    let sessions = found.sessions.iter();
    let sessions = sessions.map(|session| wire(session, is_own(session.id.to_string())));
    let chains = found.chains.iter();
    let chains = chains.map(|chain| of_days(chain, is_own(chain.id.to_string()), caller.ctx.now));
    let mut items: Vec<_> = sessions.chain(chains).collect();
    items.sort_by_key(|item| std::cmp::Reverse((item.created_at, item.id)));
    Ok(JsonAnswer(Sessions { items }))
}

/// `DELETE /api/sessions/{id}`: ends one of them.
pub async fn end(
    State(app): State<App>,
    caller: Caller,
    Addressed(id): Addressed,
) -> Result<StatusCode, Failure> {
    let user = caller.permit.user()?;
    let Ok(session) = id.parse() else {
        let detail = "there is no such sign-in: `GET /api/sessions` lists yours";
        return Err(Refusal::new(Reason::NotFound, detail).into());
    };
    let own = caller.token.claims().chain_id.as_deref();
    let own = own.and_then(|id| id.parse().ok());
    let command = EndSession {
        session,
        of: Some(user),
        ending: if own == Some(session) {
            Ending::Alone
        } else {
            Ending::WithAllBut(own)
        },
    };
    app.authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn wire(session: &Session, current: bool) -> WireSession {
    let doc = &session.doc;
    WireSession {
        id: session.id,
        current,
        place: if doc.refresh.is_some() {
            "command_line"
        } else {
            "browser"
        }
        .to_owned(),
        claimed_host_name: doc.host_name.clone(),
        address: doc.address.clone(),
        method: doc.method.clone(),
        authenticated_at: Timestamp::from_seconds(doc.auth_time).into(),
        created_at: session.created_at.into(),
        ends_at: session.ends_at.into(),
        findings: Vec::new(),
    }
}

/// A token of days, with all that renewed it.
fn of_days(chain: &Chain, current: bool, now: Timestamp) -> WireSession {
    let signed_in = chain.doc.auth_time.map(Timestamp::from_seconds);
    WireSession {
        id: chain.id.cast(),
        current,
        place: "command_line".to_owned(),
        claimed_host_name: None,
        address: None,
        method: "enrolment_code".to_owned(),
        authenticated_at: signed_in.unwrap_or(chain.created_at).into(),
        created_at: chain.created_at.into(),
        ends_at: chain.ends_at.into(),
        findings: of_chain(chain, now)
            .into_iter()
            .map(|weakness| weakness.as_str().to_owned())
            .collect(),
    }
}

fn tenant_ref(tenant: &Tenant) -> Ref {
    Ref {
        id: tenant.id.cast(),
        name: tenant.name.clone(),
    }
}
