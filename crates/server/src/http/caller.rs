//! Who calls Countersign's own API: a live token, or a browser's session that one of our own pages uses, becomes a permit.

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use countersign_authority::{
    Ctx, Proved, Rejection, command::Permit, signing_keys::Tenant, tokens::Shown,
};
use countersign_model::{
    reason::{Reason, Refusal},
    session::Session,
};
use http::header;

use super::{
    authorization::{self, AccessToken},
    context::{Context, RequestContext},
    decode,
    pages::{InBrowser, has_cookie},
    problem::Failure,
    refused::Admitted,
    sender,
};
use crate::{app::App, driver::gather};

/// The caller of an endpoint of Countersign's own API: its token's audience is the issuer, or it is a person in a browser.
pub struct Caller {
    /// Time and origin.
    pub ctx: Ctx,
    /// The tenant that was addressed.
    pub tenant: Arc<Tenant>,
    /// What lets commands run.
    pub permit: Permit,
    /// The token, or what stands for it.
    pub token: Proved,
    /// The browser, when its session came in place of a token.
    pub browser: Option<InBrowser>,
}

/// The caller of one of the two endpoints that also take an identity's live token of any audience: opening
/// an approval, and asking for a decision about itself.
pub struct AnyAudienceCaller(pub Caller);

impl Caller {
    /// Whether a passkey signed in the browser that speaks.
    #[must_use]
    pub fn by_passkey(&self) -> bool {
        let session = self.browser.as_ref().map(|one| &one.browser.session);
        session.is_some_and(Session::is_by_passkey)
    }

    /// The session, when it came in place of a token.
    #[must_use]
    pub fn browser_session(&self) -> Option<Session> {
        Some(self.browser.as_ref()?.browser.session.clone())
    }

    /// The permit once more, for a request that has waited: whoever was revoked meanwhile is refused.
    ///
    /// # Errors
    /// As at first.
    pub async fn again(&self, app: &App, ctx: &Ctx) -> Result<Permit, Failure> {
        if self.token.claims().exp <= ctx.now.seconds() {
            return Err(
                Refusal::new(Reason::TokenExpired, "the token expired while it waited").into(),
            );
        }
        let mut facts = app.authority().facts();
        Ok(gather(app, self.tenant.id, &mut facts, |facts| {
            app.authority().permit(&self.token, facts)
        })
        .await?
        .for_request(ctx))
    }
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    App: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        admit(parts, state, true).await
    }
}

impl<S> FromRequestParts<S> for AnyAudienceCaller
where
    S: Send + Sync,
    App: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        admit(parts, state, false).await.map(Self)
    }
}

async fn admit<S>(parts: &mut Parts, state: &S, own_audience: bool) -> Result<Caller, Failure>
where
    S: Send + Sync,
    App: FromRef<S>,
{
    let app = App::from_ref(state);
    let Context(context) = Context::from_request_parts(parts, state).await?;
    let ctx = app.ctx(&context);
    let misplaced = authorization::misplaced(&parts.headers, parts.uri.query());
    // Before the tenant is looked up: nobody without a token learns here which tenants there are.
    let way = if misplaced {
        None
    } else {
        Some(Way::of(parts, state).await?)
    };
    let tenant = app.tenant(&context)?;
    let refused = |subject: Option<&str>, refusal: &Refusal| {
        app.attempts().failed("", context.address, context.arrived);
        app.authority()
            .note_refusal(&ctx, tenant.id, "api", subject, refusal);
    };
    let mut proof = None;
    let (presented, browser) = match way {
        None => {
            let detail = "a token came in the query or in a cookie, where it is not read and others can see it: send it in the Authorization header alone, and replace it";
            let refusal = Refusal::new(Reason::TokenInvalid, detail);
            app.authority()
                .note_refusal(&ctx, tenant.id, MISPLACED, None, &refusal);
            return Err(refusal.into());
        }
        Some(Way::Session) => {
            let person = session(&app, &context, parts, &ctx, &tenant).await?;
            (person.browser.presented(&ctx, &tenant), Some(person))
        }
        Some(Way::Token(token)) => {
            let audience = own_audience.then_some(tenant.issuer.as_str());
            app.attempts().admit("", context.address, context.arrived)?;
            let sender = sender::of_token(parts, &tenant, &token, &ctx)
                .inspect_err(|refusal| refused(None, refusal))?;
            let shown = Shown::Presented(&sender);
            let verified = app
                .authority()
                .verify_token(&ctx, &tenant, token.token.expose(), audience, shown)
                .map_err(|not| {
                    refused(not.subject.as_deref(), &not.refusal);
                    not.refusal
                })?;
            proof = sender.proof;
            (verified, None)
        }
    };
    let mut facts = app.authority().facts();
    let permit = gather(&app, tenant.id, &mut facts, |facts| {
        app.authority().permit(&presented, facts)
    })
    .await;
    // A proof is kept of who is let in alone: each one costs a row.
    let permit = match (permit, proof) {
        (Ok(permit), Some(proof)) => {
            let used = app.authority().use_proof(tenant.id, proof).await;
            used.map(|()| permit)
        }
        (permit, _) => permit,
    };
    match permit {
        Ok(permit) => {
            let permit = permit.for_request(&ctx);
            let taken = app
                .attempts()
                .tokens
                .take(presented.claims(), context.arrived);
            let (budget, within) =
                taken.map_or((None, Ok(())), |(left, within)| (Some(left), within));
            context.admitted.get_or_init(|| Admitted {
                app: app.clone(),
                ctx: ctx.clone(),
                permit: permit.clone(),
                token: Some(presented.clone()),
                budget,
            });
            // From here on a refusal is one of somebody who proved who they are.
            within?;
            if let Some(person) = &browser {
                person.may_ask(&parts.method, &parts.headers)?;
            }
            let path = path_of(parts)?;
            let left = gather(&app, tenant.id, &mut facts, |facts| {
                let claims = presented.claims();
                app.authority()
                    .presented(&ctx, claims, &path, context.address, facts)
            })
            .await?;
            let token = match left {
                Some(left) => presented.within(&left),
                None => presented,
            };
            Ok(Caller {
                ctx,
                tenant,
                permit,
                token,
                browser,
            })
        }
        Err(Rejection::Recorded(refusal) | Rejection::Refused(refusal)) => {
            refused(Some(&presented.claims().sub), &refusal);
            Err(refusal.into())
        }
        Err(fault) => Err(fault.into()),
    }
}

/// How a caller proves who they are: a token in the header, and only without one a browser's session.
enum Way {
    Session,
    Token(AccessToken),
}

impl Way {
    async fn of<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        if !parts.headers.contains_key(header::AUTHORIZATION) && has_cookie(&parts.headers) {
            return Ok(Self::Session);
        }
        let token = AccessToken::from_request_parts(parts, state).await?;
        Ok(Self::Token(token))
    }
}

/// The person of the cookie's session.
async fn session(
    app: &App,
    context: &RequestContext,
    parts: &Parts,
    ctx: &Ctx,
    tenant: &Tenant,
) -> Result<InBrowser, Failure> {
    let (_, _, person) = InBrowser::find(app, context, &parts.headers).await?;
    person.ok_or_else(|| {
        let refusal = Refusal::new(
            Reason::Unauthenticated,
            "the session is over: sign in again",
        );
        app.authority()
            .note_refusal(ctx, tenant.id, "api", None, &refusal);
        refusal.into()
    })
}

/// The path as metadata of tokens write it: decoded, and without `/api`.
fn path_of(parts: &Parts) -> Result<String, Failure> {
    let malformed = || Failure::bad_request("the path is not well formed");
    let path = decode::path(parts.uri.path()).ok_or_else(malformed)?;
    Ok(match path.strip_prefix("/api/") {
        Some(rest) => format!("/{rest}"),
        None => path,
    })
}

/// What was asked, in the record of a token that came another way than it may.
const MISPLACED: &str = "api, with a token outside the header";
