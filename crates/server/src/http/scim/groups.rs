//! `/scim/v2/Groups`: the teams that the directory made.

use axum::{
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use countersign_authority::scim::{ChangeGroup, CreateGroup, DeleteGroup, Membership};
use countersign_model::registry::{Noun, Record};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Body, GROUP, Kind, ScimFailure, admitted, answer, meta, patch::GroupChange};
use crate::{
    app::App,
    http::{addressed::Addressed, caller::Caller, problem::Failure},
};

const KIND: Kind = Kind {
    noun: Noun::Team,
    named_by: "displayName",
    shown,
};

/// `GET /scim/v2/Groups`.
pub async fn list(
    State(app): State<App>,
    caller: Result<Caller, Failure>,
    RawQuery(text): RawQuery,
) -> Result<Response, ScimFailure> {
    KIND.list(&app, caller, text.as_deref()).await
}

/// `GET /scim/v2/Groups/{id}`.
pub async fn show(
    State(app): State<App>,
    caller: Result<Caller, Failure>,
    Addressed(id): Addressed,
    RawQuery(text): RawQuery,
) -> Result<Response, ScimFailure> {
    KIND.show(&app, caller, id, text.as_deref()).await
}

/// `POST /scim/v2/Groups`.
pub async fn create(
    State(app): State<App>,
    caller: Result<Caller, Failure>,
    body: Result<Body, ScimFailure>,
) -> Result<Response, ScimFailure> {
    let caller = admitted(&app, caller).await?;
    let change = GroupChange::of(&body?.0)?;
    let missing = || ScimFailure::wrong("invalidValue", "a group has a `displayName`");
    let command = CreateGroup {
        token: caller.token.claims().clone(),
        display_name: change.display_name.ok_or_else(missing)?,
        external_id: change.external_id.flatten(),
        members: change.members.into_iter().flat_map(named).collect(),
    };
    let made = app
        .authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    Ok(answer(StatusCode::CREATED, &shown(&caller, &made)))
}

/// `PUT /scim/v2/Groups/{id}`.
pub async fn replace(
    State(app): State<App>,
    caller: Result<Caller, Failure>,
    Addressed(id): Addressed,
    body: Result<Body, ScimFailure>,
) -> Result<Response, ScimFailure> {
    let caller = admitted(&app, caller).await?;
    let mut change = GroupChange::of(&body?.0)?;
    // A group that is replaced by one without members has none (RFC 7644 §3.5.1).
    if change.members.is_empty() {
        change.members.push(Membership::Are(Vec::new()));
    }
    changed(&app, &caller, id, change).await
}

/// `PATCH /scim/v2/Groups/{id}`.
pub async fn patch(
    State(app): State<App>,
    caller: Result<Caller, Failure>,
    Addressed(id): Addressed,
    body: Result<Body, ScimFailure>,
) -> Result<Response, ScimFailure> {
    let caller = admitted(&app, caller).await?;
    let change = GroupChange::patched(&body?.0)?;
    changed(&app, &caller, id, change).await
}

/// `DELETE /scim/v2/Groups/{id}`.
pub async fn delete(
    State(app): State<App>,
    caller: Result<Caller, Failure>,
    Addressed(group): Addressed,
) -> Result<Response, ScimFailure> {
    let caller = admitted(&app, caller).await?;
    let token = caller.token.claims().clone();
    let command = DeleteGroup { token, group };
    app.authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn changed(
    app: &App,
    caller: &Caller,
    group: String,
    change: GroupChange,
) -> Result<Response, ScimFailure> {
    let command = ChangeGroup {
        token: caller.token.claims().clone(),
        group,
        display_name: change.display_name,
        external_id: change.external_id,
        members: change.members,
    };
    let record = app
        .authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    Ok(answer(StatusCode::OK, &shown(caller, &record)))
}

fn named(members: Membership) -> Vec<String> {
    match members {
        Membership::Are(named) | Membership::Join(named) => named,
        Membership::Leave(_) => Vec::new(),
    }
}

fn shown(caller: &Caller, record: &Record) -> Value {
    let Some((doc, known)) = record
        .team()
        .and_then(|doc| Some((doc, doc.directory.as_ref()?)))
    else {
        return Value::Null;
    };
    let base = format!("{}/scim/v2/Users", caller.tenant.issuer);
    let members: Vec<Value> = doc
        .members
        .iter()
        .map(|user| json!({ "value": user, "$ref": format!("{base}/{user}"), "type": "User" }))
        .collect();
    let mut shown = json!({
        "schemas": [GROUP],
        "id": record.id,
        "displayName": known.display_name,
        "members": members,
        "meta": meta(caller, "Group", record),
    });
    if let (Some(all), Some(external_id)) = (shown.as_object_mut(), &known.external_id) {
        all.insert("externalId".to_owned(), json!(external_id));
    }
    shown
}
