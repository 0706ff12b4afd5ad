//! A client that calls an OAuth endpoint other than the token endpoint: it proves itself there too.

use std::sync::Arc;

use countersign_api::tokens::TokenRequest as Form;
use countersign_authority::{
    Ctx, Rejection,
    client_auth::Authenticated,
    grants::{GrantType, TokenRequest},
    signing_keys::Tenant,
};
use countersign_model::reason::{Reason, Refusal};
use http::StatusCode;

use super::proof;
use crate::{
    app::App,
    driver::gather,
    http::{
        authorization::ClientSecret, context::RequestContext, oauth_error::OauthFailure,
        refused::Admitted,
    },
};

/// Authenticates the client of an OAuth endpoint.
///
/// # Errors
/// `invalid_client`, or what is malformed.
pub async fn authenticate(
    app: &App,
    context: &RequestContext,
    form: &Form,
    basic: Option<ClientSecret>,
) -> Result<(Ctx, Arc<Tenant>, Authenticated), OauthFailure> {
    let used_basic = basic.is_some();
    let ctx = app.ctx(context);
    let tenant = app.tenant(context).map_err(no_tenant)?;
    let request = TokenRequest {
        tenant: Arc::clone(&tenant),
        grant: GrantType::ClientCredentials,
        proof: proof::of_request(form, basic)?,
        scope: None,
        audience: None,
        resource: None,
        environment: None,
        authorization_details: None,
        approval_id: None,
        run: None,
    };
    let claimed = request.proof.claimed().unwrap_or_default().to_owned();
    app.attempts()
        .admit(&claimed, context.address, context.arrived)?;
    let mut facts = app.authority().facts();
    let authenticated = gather(app, tenant.id, &mut facts, |facts| {
        app.authority().authenticate_client(&ctx, &request, facts)
    })
    .await;
    match authenticated {
        Ok(authenticated) => {
            app.authority().note_use(
                &ctx,
                &[authenticated.identity.id, authenticated.credential.id],
            );
            context.admitted.get_or_init(|| Admitted {
                app: app.clone(),
                ctx: ctx.clone(),
                permit: app.authority().client_permit(&ctx, &tenant, &authenticated),
                token: None,
                budget: None,
            });
            Ok((ctx, tenant, authenticated))
        }
        Err(Rejection::Recorded(refusal) | Rejection::Refused(refusal)) => {
            app.attempts()
                .failed(&claimed, context.address, context.arrived);
            app.authority().note_refusal(
                &ctx,
                tenant.id,
                "client",
                request.proof.claimed(),
                &refusal,
            );
            Err(OauthFailure::from(refusal).used_basic(used_basic))
        }
        Err(Rejection::Fault(fault)) => Err(fault.into()),
    }
}

/// A tenant that is not there is an address that is not there; a replica that may not know what was
/// revoked elsewhere says so, and when to come again.
pub(super) fn no_tenant(refusal: Refusal) -> OauthFailure {
    match refusal.reason {
        Reason::NotFound => {
            OauthFailure::new(StatusCode::NOT_FOUND, "invalid_request", &refusal.detail)
        }
        _ => refusal.into(),
    }
}
