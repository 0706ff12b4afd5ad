//! Who calls Countersign's own API: a live token, verified and not revoked, becomes a permit.

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use countersign_authority::{Ctx, Rejection, command::Permit, signing_keys::Tenant};
use countersign_crypto::jose::Verified;
use countersign_model::{
    reason::{Reason, Refusal},
    token::AccessClaims,
};

use super::{
    authorization::{self, Bearer},
    context::Context,
    decode,
    problem::Failure,
    refused::Admitted,
};
use crate::{app::App, driver::gather};

/// The caller of an endpoint of Countersign's own API: its token's audience is the issuer.
pub struct Caller {
    /// Time and origin.
    pub ctx: Ctx,
    /// The tenant that was addressed.
    pub tenant: Arc<Tenant>,
    /// What lets commands run.
    pub permit: Permit,
    /// The token.
    pub token: Arc<Verified<AccessClaims>>,
}

/// The caller of one of the two endpoints that also take an identity's live token of any audience: opening
/// an approval, and asking for a decision about itself.
pub struct AnyAudienceCaller(pub Caller);

impl Caller {
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
        .await?)
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
    let bearer = if misplaced {
        None
    } else {
        Some(Bearer::from_request_parts(parts, state).await?)
    };
    let tenant = app.tenant(&context)?;
    let Some(Bearer(token)) = bearer else {
        let detail = "a token came in the query or in a cookie, where it is not read and others can see it: send it in the Authorization header alone, and replace it";
        let refusal = Refusal::new(Reason::TokenInvalid, detail);
        app.authority()
            .note_refusal(&ctx, tenant.id, MISPLACED, None, &refusal);
        return Err(refusal.into());
    };
    let audience = own_audience.then_some(tenant.issuer.as_str());
    app.attempts().admit("", context.address, context.arrived)?;
    let verified = app
        .authority()
        .verify_token(&ctx, &tenant, token.expose(), audience)
        .inspect_err(|refusal| {
            app.attempts().failed("", context.address, context.arrived);
            app.authority()
                .note_refusal(&ctx, tenant.id, "api", None, refusal);
        })?;
    let mut facts = app.authority().facts();
    let permit = gather(&app, tenant.id, &mut facts, |facts| {
        app.authority().permit(&verified, facts)
    })
    .await;
    match permit {
        Ok(permit) => {
            let taken = app
                .attempts()
                .tokens
                .take(verified.claims(), context.arrived);
            let (budget, within) =
                taken.map_or((None, Ok(())), |(left, within)| (Some(left), within));
            context.admitted.get_or_init(|| Admitted {
                app: app.clone(),
                ctx: ctx.clone(),
                permit: permit.clone(),
                token: Some(Arc::clone(&verified)),
                budget,
            });
            // From here on a refusal is one of somebody who proved who they are.
            within?;
            let path = path_of(parts)?;
            gather(&app, tenant.id, &mut facts, |facts| {
                let claims = verified.claims();
                app.authority()
                    .presented(&ctx, claims, &path, context.address, facts)
            })
            .await?;
            Ok(Caller {
                ctx,
                tenant,
                permit,
                token: verified,
            })
        }
        Err(Rejection::Recorded(refusal) | Rejection::Refused(refusal)) => {
            app.authority().note_refusal(
                &ctx,
                tenant.id,
                "api",
                Some(&verified.claims().sub),
                &refusal,
            );
            Err(refusal.into())
        }
        Err(fault) => Err(fault.into()),
    }
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
