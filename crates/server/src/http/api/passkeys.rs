//! A person's passkeys: a link that makes one, the list, and the end of one.

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::passkeys::{Nothing, Passkey, PasskeyLink, Passkeys};
use countersign_authority::{
    passkeys::{self, OfferPasskey, RemovePasskey, relying_party},
    signing_keys::Tenant,
};
use countersign_model::reason::{Reason, Refusal};
use http::StatusCode;

use crate::{
    app::App,
    http::{addressed::Addressed, caller::Caller, json::Json, problem::Failure},
};

/// `POST /api/passkeys`: a link that makes a passkey for the caller.
pub async fn offer(
    State(app): State<App>,
    caller: Caller,
    Json(Nothing {}): Json<Nothing>,
) -> Result<(StatusCode, JsonAnswer<PasskeyLink>), Failure> {
    caller.permit.user()?;
    relying_party(&caller.tenant)?;
    let command = OfferPasskey {
        token: caller.token.claims().jti,
        browser: caller.browser_session(),
        more_than_token: caller.by_passkey(),
    };
    let authority = app.authority();
    let link = authority
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    Ok((
        StatusCode::CREATED,
        JsonAnswer(wire(&app, &caller.tenant, &link)?),
    ))
}

/// The link, as a person opens it: what proves stands behind the `#`.
pub(in crate::http) fn wire(
    app: &App,
    tenant: &Tenant,
    link: &passkeys::PasskeyLink,
) -> Result<PasskeyLink, Failure> {
    let sealed = link.seal(&app.authority().secrets().codes)?;
    Ok(PasskeyLink {
        url: format!("{}/passkeys#{}", tenant.issuer, sealed.expose()),
        expires_at: link.expires_at.into(),
    })
}

/// `GET /api/passkeys`: the caller's, oldest first.
pub async fn list(State(app): State<App>, caller: Caller) -> Result<JsonAnswer<Passkeys>, Failure> {
    let user = caller.permit.user()?;
    let found = app.authority().passkeys_of(caller.tenant.id, user).await?;
    let items = found.into_iter().map(|passkey| Passkey {
        id: passkey.id,
        name: passkey.doc.name,
        created_at: passkey.created_at.into(),
        used_at: passkey.doc.used_at.map(Into::into),
    });
    Ok(JsonAnswer(Passkeys {
        items: items.collect(),
    }))
}

/// `DELETE /api/passkeys/{id}`: one of the caller's is no more.
pub async fn remove(
    State(app): State<App>,
    caller: Caller,
    Addressed(id): Addressed,
) -> Result<StatusCode, Failure> {
    caller.permit.user()?;
    let Ok(passkey) = id.parse() else {
        let detail = "there is no such passkey: `GET /api/passkeys` lists yours";
        return Err(Refusal::new(Reason::NotFound, detail).into());
    };
    let command = RemovePasskey {
        passkey,
        token: caller.token.claims().jti,
        browser: caller.browser_session(),
    };
    app.authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
