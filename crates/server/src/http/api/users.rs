//! Users: invited by an owner, and what becomes of what they answered for when they leave.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use countersign_api::{
    reference::{Meta, Why},
    users::{CreateUser as CreateBody, UpdateUser as UpdateBody, User},
};
use countersign_authority::registry::{
    ChangeOutcome,
    leaving::{DeleteUser, DisableUser, EnableUser, LeaveTenant, Left},
    users::{CreateUser, UpdateUser},
};
use countersign_model::{Id, id, registry::Noun};
use http::StatusCode;

use super::{
    approvals,
    records::{self, Shows, View},
};
use crate::{
    app::App,
    http::{
        addressed::Addressed,
        caller::Caller,
        etag::IfMatch,
        idempotency::IdempotencyKey,
        json::{Json, Query},
        problem::Failure,
    },
};

/// `POST /api/users`.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    Json(body): Json<CreateBody>,
) -> Result<Response, Failure> {
    let key = records::key_of(key, &caller, "users", &body)?;
    let command = CreateUser {
        email: body.email,
        handle: body.handle,
        display_name: body.display_name,
        role: body.role,
    };
    records::create::<User, _>(&app, &caller, key, command).await
}

/// `PATCH /api/users/{id}`.
pub async fn update(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    Json(body): Json<UpdateBody>,
) -> Result<Response, Failure> {
    let command = UpdateUser {
        user: named,
        if_version: if_match.0,
        email: body.email,
        display_name: body.display_name,
        role: body.role,
        reason: body.reason,
    };
    records::edit::<User, _>(&app, &caller, if_match, command).await
}

/// `DELETE /api/users/{id}`.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    Query(why): Query<Why>,
) -> Result<Response, Failure> {
    let command = DeleteUser {
        user: named,
        if_version: if_match.0,
        reason: why.reason,
    };
    let left = records::execute(&app, &caller, if_match, command).await?;
    match finish(&app, &caller, left).await?.approval_id() {
        Some(approval) => approvals::waits(&app, &caller, approval).await,
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// `POST /api/users/{id}/disable`: their sessions end at once; what they answered for is orphaned, once a
/// second person has agreed when they countersign for something.
pub async fn disable(
    State(app): State<App>,
    caller: Caller,
    Addressed(user): Addressed,
    if_match: IfMatch,
    Json(why): Json<Why>,
) -> Result<Response, Failure> {
    let command = DisableUser {
        user,
        if_version: if_match.0,
        reason: why.reason,
    };
    let left = records::execute(&app, &caller, if_match, command).await?;
    let outcome = finish(&app, &caller, left).await?;
    records::settled::<User, _>(&app, &caller, StatusCode::OK, outcome).await
}

/// `POST /api/users/{id}/enable`: what was orphaned stays so until somebody answers for it.
pub async fn enable(
    State(app): State<App>,
    caller: Caller,
    Addressed(user): Addressed,
    if_match: IfMatch,
    Json(why): Json<Why>,
) -> Result<Response, Failure> {
    let command = EnableUser {
        user,
        if_version: if_match.0,
        reason: why.reason,
    };
    records::edit::<User, _>(&app, &caller, if_match, command).await
}

/// `POST /api/users/current/leave`: the caller leaves the tenant, as long as somebody else owns it.
pub async fn leave(
    State(app): State<App>,
    caller: Caller,
    Json(why): Json<Why>,
) -> Result<Response, Failure> {
    let left = app
        .authority()
        .execute(
            &caller.ctx,
            &caller.permit,
            LeaveTenant { reason: why.reason },
        )
        .await?;
    finish(&app, &caller, left).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn finish(app: &App, caller: &Caller, left: Left) -> Result<ChangeOutcome, Failure> {
    if left.more {
        go_on(app, caller, left.outcome.record().id.cast()).await?;
    }
    Ok(left.outcome)
}

/// Goes on, batch by batch, until everything that the person answered for is orphaned: in the name of
/// the program, for who left, or who agreed that they leave, may have no rights to it.
pub(super) async fn go_on(app: &App, caller: &Caller, user: Id<id::User>) -> Result<(), Failure> {
    let tenant = caller.tenant.id;
    loop {
        let left = app
            .authority()
            .finish_leaving(&caller.ctx, tenant, user)
            .await?;
        if !left.more {
            return Ok(());
        }
    }
}

impl Shows for User {
    const NOUN: Noun = Noun::User;
    const PATH: &'static str = "users";

    fn of(view: &View<'_>) -> Option<Self> {
        let doc = view.record.user()?;
        Some(Self {
            meta: view.meta(),
            email: doc.email.clone(),
            handle: doc.handle.clone(),
            display_name: doc.display_name.clone(),
            role: doc.role,
            invited_by: doc.invited_by.map(|id| view.refer(id)),
            enrolled_at: doc.enrolled_at.map(Into::into),
        })
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
}
