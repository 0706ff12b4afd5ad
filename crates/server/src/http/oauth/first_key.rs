//! Keys that a tenant has not needed before: those of RSA are made when an audience first asks for one.

use std::sync::Arc;

use countersign_authority::{
    Ctx, Fault,
    signing_keys::{self, AddKey, Tenant, Use},
};
use tokio::task::{JoinError, spawn_blocking};

use crate::{app::App, http::oauth_error::OauthFailure};

/// Makes the first key for a use, which signs at once: no verifier can have a key set without it that
/// it would need one of. Somebody else's is taken when it came first.
///
/// # Errors
/// A fault: the key cannot be made or kept.
pub async fn make(
    app: &App,
    ctx: &Ctx,
    tenant: &Tenant,
    using: Use,
) -> Result<Arc<Tenant>, OauthFailure> {
    let (authority, context, id) = (Arc::clone(app.authority()), ctx.clone(), tenant.id);
    // Making one of RSA takes a second.
    let making = spawn_blocking(move || {
        signing_keys::make(
            &context,
            &authority.secrets().key_file,
            id,
            using,
            context.now,
        )
    });
    let row = making.await.map_err(panicked)??;
    let permit = app.authority().system_permit(ctx, tenant);
    app.authority()
        .execute(
            ctx,
            &permit,
            AddKey {
                row,
                using,
                kill: None,
                reason: None,
                unless_present: true,
            },
        )
        .await?;
    let (authority, now) = (Arc::clone(app.authority()), ctx.now);
    spawn_blocking(move || authority.reload_keys(now))
        .await
        .map_err(panicked)??;
    let reloaded = app.authority().tenant_by_id(tenant.id);
    Ok(reloaded.ok_or_else(|| Fault::Invariant("a tenant that is gone".to_owned()))?)
}

fn panicked(error: JoinError) -> Fault {
    Fault::Keys(error.to_string())
}
