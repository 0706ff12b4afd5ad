//! The tenant's signing keys: listed, rotated, killed in an emergency.

use std::sync::Arc;

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::signing_keys::{
    KillSigningKey, RotateSigningKeys, SigningKey, SigningKeyList,
};
use countersign_authority::{
    Fault, Rejection,
    signing_keys::{
        self, AddKey, PUBLISH_AHEAD_SECONDS, Use,
        managing::{self, KeyEntry, RotateKeys, Standing},
    },
};
use countersign_model::{Timestamp, time::Seconds};
use tokio::task::spawn_blocking;

use crate::{
    app::App,
    http::{addressed::Addressed, caller::Caller, json::Json, problem::Failure},
};

/// `GET /api/signing-keys`: newest first.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
) -> Result<JsonAnswer<SigningKeyList>, Failure> {
    Ok(JsonAnswer(SigningKeyList {
        items: entries(&app, &caller).await?.iter().map(wire).collect(),
    }))
}

/// `POST /api/signing-keys/rotate`: successors are published now and sign once every key set is fresh.
pub async fn rotate(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<RotateSigningKeys>,
) -> Result<JsonAnswer<SigningKeyList>, Failure> {
    let mut uses: Vec<Use> = Vec::new();
    for entry in entries(&app, &caller).await? {
        let wanted =
            body.alg.is_none_or(|alg| entry.alg == alg) && entry.standing == Standing::Active;
        if wanted && !uses.contains(&entry.using) {
            uses.push(entry.using);
        }
    }
    let from = caller.ctx.now + Seconds(PUBLISH_AHEAD_SECONDS);
    add(
        &app,
        &caller,
        uses.into_iter().map(|using| (using, None)).collect(),
        from,
        body.reason,
    )
    .await?;
    list(State(app), caller).await
}

/// `POST /api/signing-keys/{kid}/kill`: tokens that it signed are dead, and its successor signs at once.
pub async fn kill(
    State(app): State<App>,
    caller: Caller,
    Addressed(kid): Addressed,
    Json(body): Json<KillSigningKey>,
) -> Result<JsonAnswer<SigningKeyList>, Failure> {
    let entry = managing::find(&entries(&app, &caller).await?, &kid)?;
    let now = caller.ctx.now;
    add(
        &app,
        &caller,
        vec![(entry.using, Some(kid))],
        now,
        Some(body.reason),
    )
    .await?;
    list(State(app), caller).await
}

async fn entries(app: &App, caller: &Caller) -> Result<Vec<KeyEntry>, Rejection> {
    let (permit, now) = (caller.permit.clone(), caller.ctx.now);
    app.authority()
        .store()
        .read(move |tx| managing::list(tx, &permit, now))
        .await
}

/// Makes keys on a thread that may block: one of RSA takes a second.
async fn add(
    app: &App,
    caller: &Caller,
    uses: Vec<(Use, Option<String>)>,
    from: Timestamp,
    reason: Option<String>,
) -> Result<(), Failure> {
    let (authority, ctx, tenant) = (
        Arc::clone(app.authority()),
        caller.ctx.clone(),
        caller.tenant.id,
    );
    let making = spawn_blocking(move || {
        let file = &authority.secrets().key_file;
        let one = |(using, kill): (Use, Option<String>)| {
            let row = signing_keys::make(&ctx, file, tenant, using, from)?;
            Ok::<_, Fault>(AddKey {
                row,
                using,
                kill,
                reason: reason.clone(),
                unless_present: false,
            })
        };
        uses.into_iter().map(one).collect::<Result<Vec<_>, _>>()
    });
    let successors = making.await.map_err(panicked)??;
    app.authority()
        .execute(&caller.ctx, &caller.permit, RotateKeys { successors })
        .await?;
    let (authority, now) = (Arc::clone(app.authority()), caller.ctx.now);
    spawn_blocking(move || authority.reload_keys(now))
        .await
        .map_err(panicked)??;
    Ok(())
}

fn panicked(error: tokio::task::JoinError) -> Fault {
    Fault::Keys(error.to_string())
}

fn wire(entry: &KeyEntry) -> SigningKey {
    SigningKey {
        kid: entry.kid.clone(),
        alg: entry.alg,
        key_use: entry.using.as_str().to_owned(),
        status: entry.standing.as_str().to_owned(),
        created_at: entry.created_at.into(),
        verifies_until: entry.verifies_until.map(Into::into),
    }
}
