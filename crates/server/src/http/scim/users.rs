//! `/scim/v2/Users`.

use axum::{
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use countersign_authority::scim::{ChangePerson, CreatePerson, Provisioned, USER_NAME_STAYS};
use countersign_model::{
    name::Email,
    registry::{Noun, Record, Status},
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Body, Kind, ScimFailure, USER, admitted, answer, meta, patch::UserChange};
use crate::{
    app::App,
    http::{addressed::Addressed, caller::Caller, problem::Failure},
};

const KIND: Kind = Kind {
    noun: Noun::User,
    named_by: "userName",
    shown,
};

/// `GET /scim/v2/Users`.
pub async fn list(
    State(app): State<App>,
    caller: Result<Caller, Failure>,
    RawQuery(text): RawQuery,
) -> Result<Response, ScimFailure> {
    KIND.list(&app, caller, text.as_deref()).await
}

/// `GET /scim/v2/Users/{id}`.
pub async fn show(
    State(app): State<App>,
    caller: Result<Caller, Failure>,
    Addressed(id): Addressed,
    RawQuery(text): RawQuery,
) -> Result<Response, ScimFailure> {
    KIND.show(&app, caller, id, text.as_deref()).await
}

/// `POST /scim/v2/Users`.
pub async fn create(
    State(app): State<App>,
    caller: Result<Caller, Failure>,
    body: Result<Body, ScimFailure>,
) -> Result<Response, ScimFailure> {
    let caller = admitted(&app, caller).await?;
    let change = UserChange::of(&body?.0)?;
    let missing = || ScimFailure::wrong("invalidValue", "a person has a `userName`");
    let command = CreatePerson {
        token: caller.token.claims().clone(),
        email: email(&change.user_name.ok_or_else(missing)?)?,
        display_name: change.display_name.unwrap_or_default(),
        external_id: change.external_id.flatten(),
        active: change.active.unwrap_or(true),
    };
    let made = app
        .authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    Ok(answer(StatusCode::CREATED, &shown(&caller, &made.user)))
}

/// `PUT /scim/v2/Users/{id}`.
pub async fn replace(
    State(app): State<App>,
    caller: Result<Caller, Failure>,
    Addressed(id): Addressed,
    body: Result<Body, ScimFailure>,
) -> Result<Response, ScimFailure> {
    let caller = admitted(&app, caller).await?;
    let change = UserChange::of(&body?.0)?;
    changed(&app, &caller, id, change).await
}

/// `PATCH /scim/v2/Users/{id}`.
pub async fn patch(
    State(app): State<App>,
    caller: Result<Caller, Failure>,
    Addressed(id): Addressed,
    body: Result<Body, ScimFailure>,
) -> Result<Response, ScimFailure> {
    let caller = admitted(&app, caller).await?;
    let change = UserChange::patched(&body?.0)?;
    changed(&app, &caller, id, change).await
}

/// `DELETE /scim/v2/Users/{id}`: they have left for good.
pub async fn delete(
    State(app): State<App>,
    caller: Result<Caller, Failure>,
    Addressed(id): Addressed,
) -> Result<Response, ScimFailure> {
    let caller = admitted(&app, caller).await?;
    let mut command = command(&caller, id, UserChange::default())?;
    command.deleted = true;
    execute(&app, &caller, command).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn changed(
    app: &App,
    caller: &Caller,
    id: String,
    change: UserChange,
) -> Result<Response, ScimFailure> {
    let command = command(caller, id, change)?;
    let done = execute(app, caller, command).await;
    let done = done.map_err(|failure| failure.immutable(USER_NAME_STAYS))?;
    Ok(answer(StatusCode::OK, &shown(caller, &done.user)))
}

fn command(caller: &Caller, user: String, change: UserChange) -> Result<ChangePerson, ScimFailure> {
    Ok(ChangePerson {
        token: caller.token.claims().clone(),
        user,
        email: change.user_name.as_deref().map(email).transpose()?,
        display_name: change.display_name,
        external_id: change.external_id,
        active: change.active,
        deleted: false,
    })
}

async fn execute(
    app: &App,
    caller: &Caller,
    command: ChangePerson,
) -> Result<Provisioned, ScimFailure> {
    let authority = app.authority();
    let done = authority
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    let user = done.user.id.cast();
    let mut more = done.more;
    while more {
        let left = authority.finish_leaving(&caller.ctx, caller.tenant.id, user);
        more = left.await?.more;
    }
    Ok(done)
}

fn email(user_name: &str) -> Result<Email, ScimFailure> {
    user_name.to_ascii_lowercase().parse().map_err(|_| {
        ScimFailure::wrong(
            "invalidValue",
            "`userName` is the person's e-mail address here",
        )
    })
}

fn shown(caller: &Caller, record: &Record) -> Value {
    let Some(doc) = record.user() else {
        return Value::Null;
    };
    let mut shown = json!({
        "schemas": [USER],
        "id": record.id,
        "userName": doc.email,
        "displayName": doc.display_name,
        "active": record.status == Status::Active,
        "emails": [{ "value": doc.email, "type": "work", "primary": true }],
        "meta": meta(caller, "User", record),
    });
    let external_id = doc
        .directory
        .as_ref()
        .and_then(|one| one.external_id.as_ref());
    if let (Some(members), Some(external_id)) = (shown.as_object_mut(), external_id) {
        members.insert("externalId".to_owned(), json!(external_id));
    }
    shown
}
