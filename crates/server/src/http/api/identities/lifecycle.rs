//! The life of an identity: off and on, moved, renamed, reviewed, answered for, deleted.

use axum::{extract::State, response::Response};
use countersign_api::{
    identities::{Identity, Rename, ReviewInput, Transfer},
    reference::Why,
};
use countersign_authority::registry::identities::{
    AcceptSponsorship, DeclineSponsorship, DeleteIdentity, DisableIdentity, EnableIdentity,
    RenameIdentity, ReviewIdentity, TransferIdentity,
};

use crate::{
    app::App,
    http::{
        addressed::Addressed,
        api::records,
        caller::Caller,
        etag::IfMatch,
        json::{Json, Query},
        problem::Failure,
    },
};

/// `POST /api/identities/{id}/disable`: its tokens die at once.
pub async fn disable(
    State(app): State<App>,
    caller: Caller,
    Addressed(identity): Addressed,
    if_match: IfMatch,
    Json(why): Json<Why>,
) -> Result<Response, Failure> {
    let command = DisableIdentity {
        identity,
        if_version: if_match.0,
        reason: why.reason,
    };
    records::edit::<Identity, _>(&app, &caller, if_match, command).await
}

/// `POST /api/identities/{id}/enable`: tokens from before stay dead.
pub async fn enable(
    State(app): State<App>,
    caller: Caller,
    Addressed(identity): Addressed,
    if_match: IfMatch,
    Json(why): Json<Why>,
) -> Result<Response, Failure> {
    let command = EnableIdentity {
        identity,
        if_version: if_match.0,
        reason: why.reason,
    };
    records::edit::<Identity, _>(&app, &caller, if_match, command).await
}

/// `DELETE /api/identities/{id}`: its names stay taken.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Addressed(identity): Addressed,
    if_match: IfMatch,
    Query(why): Query<Why>,
) -> Result<Response, Failure> {
    let command = DeleteIdentity {
        identity,
        if_version: if_match.0,
        reason: why.reason,
    };
    records::delete(&app, &caller, if_match, command).await
}

/// `POST /api/identities/{id}/transfer`: its subject stays.
pub async fn transfer(
    State(app): State<App>,
    caller: Caller,
    Addressed(identity): Addressed,
    if_match: IfMatch,
    Json(body): Json<Transfer>,
) -> Result<Response, Failure> {
    let command = TransferIdentity {
        identity,
        if_version: if_match.0,
        project: body.project.0,
        reason: body.reason,
    };
    records::edit::<Identity, _>(&app, &caller, if_match, command).await
}

/// `POST /api/identities/{id}/rename`: its subject and its old name stay its own.
pub async fn rename(
    State(app): State<App>,
    caller: Caller,
    Addressed(identity): Addressed,
    if_match: IfMatch,
    Json(body): Json<Rename>,
) -> Result<Response, Failure> {
    let command = RenameIdentity {
        identity,
        if_version: if_match.0,
        name: body.name,
        reason: body.reason,
    };
    records::edit::<Identity, _>(&app, &caller, if_match, command).await
}

/// `POST /api/identities/{id}/accept-sponsorship`: who was asked answers from now on.
pub async fn accept_sponsorship(
    State(app): State<App>,
    caller: Caller,
    Addressed(identity): Addressed,
    Json(_): Json<Why>,
) -> Result<Response, Failure> {
    records::edit::<Identity, _>(&app, &caller, IfMatch(None), AcceptSponsorship { identity }).await
}

/// `POST /api/identities/{id}/decline-sponsorship`: who was asked does not.
pub async fn decline_sponsorship(
    State(app): State<App>,
    caller: Caller,
    Addressed(identity): Addressed,
    Json(why): Json<Why>,
) -> Result<Response, Failure> {
    let command = DeclineSponsorship {
        identity,
        reason: why.reason,
    };
    records::edit::<Identity, _>(&app, &caller, IfMatch(None), command).await
}

/// `POST /api/identities/{id}/review`: states how much harm it can do.
pub async fn review(
    State(app): State<App>,
    caller: Caller,
    Addressed(identity): Addressed,
    if_match: IfMatch,
    Json(body): Json<ReviewInput>,
) -> Result<Response, Failure> {
    let command = ReviewIdentity {
        identity,
        if_version: if_match.0,
        tier: body.tier,
        reason: body.reason,
    };
    records::edit::<Identity, _>(&app, &caller, if_match, command).await
}
