//! Who calls Countersign's own API: a live token, verified and not revoked, becomes a permit.

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use countersign_authority::{Ctx, Rejection, command::Permit, keys::Tenant};
use countersign_crypto::jose::Verified;
use countersign_model::token::AccessClaims;

use super::{authorization::Bearer, context::Context, problem::Failure, refused::Admitted};
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

/// The caller of one of the two endpoints that also take an identity's live token of any audience
///: opening an approval, and asking for a decision about itself.
pub struct AnyAudienceCaller(pub Caller);

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
    let Bearer(token) = Bearer::from_request_parts(parts, state).await?;
    let ctx = app.ctx(&context);
    let tenant = app.tenant(&context)?;
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
            context.admitted.get_or_init(|| Admitted {
                app,
                ctx: ctx.clone(),
                permit: permit.clone(),
            });
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
