//! `/api/invitations`: an owner lets the person of an address in.

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::{
    invitations::{CreateInvitation as Body, Invitation, Invitations},
    reference::Ref,
};
use countersign_authority::{
    invitations::{self, CreateInvitation, Invited, RevokeInvitation},
    passkeys::relying_party,
};
use countersign_model::registry::ProjectRole;
use http::StatusCode;

use crate::{
    app::App,
    http::{addressed::Addressed, caller::Caller, context::Context, json::Json, problem::Failure},
};

/// `POST /api/invitations`.
pub async fn create(
    State(app): State<App>,
    Context(context): Context,
    caller: Caller,
    Json(body): Json<Body>,
) -> Result<(StatusCode, JsonAnswer<Invitation>), Failure> {
    let person = caller.permit.user()?;
    // Whoever is invited comes in with a passkey.
    relying_party(&caller.tenant)?;
    let project = match (body.project, body.project_role) {
        (Some(project), role) => Some((project.to_string(), role.unwrap_or(ProjectRole::Viewer))),
        (None, None) => None,
        (None, Some(_)) => {
            return Err(Failure::bad_request("`project_role` goes with `project`"));
        }
    };
    app.attempts()
        .invites(caller.tenant.id, person, context.arrived)?;
    let mailed = app.config().notify.smtp.url.is_some();
    let command = CreateInvitation {
        email: body.email,
        role: body.role,
        project,
        mailed,
        browser: caller.browser_session(),
    };
    let authority = app.authority();
    let made = authority
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    let mut answer = wire(made);
    if !mailed {
        let url = invitations::url(&authority.secrets().codes, &caller.tenant, answer.id);
        answer.url = Some(url.expose().clone());
    }
    Ok((StatusCode::CREATED, JsonAnswer(answer)))
}

/// `GET /api/invitations`.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
) -> Result<JsonAnswer<Invitations>, Failure> {
    let (permit, now) = (caller.permit.clone(), caller.ctx.now);
    let found = app
        .authority()
        .store()
        .read(move |tx| invitations::list(tx, &permit, now))
        .await?;
    Ok(JsonAnswer(Invitations {
        items: found.into_iter().map(wire).collect(),
    }))
}

/// `DELETE /api/invitations/{id}`.
pub async fn revoke(
    State(app): State<App>,
    caller: Caller,
    named: Addressed,
) -> Result<StatusCode, Failure> {
    let command = RevokeInvitation {
        invitation: named.id()?,
    };
    app.authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn wire(invited: Invited) -> Invitation {
    let invitation = invited.invitation;
    let doc = invitation.doc;
    Invitation {
        id: invitation.id,
        email: invitation.email,
        role: doc.role,
        project: doc.project.map(|into| Ref {
            id: into.project_id.cast(),
            name: invited.project.unwrap_or_default(),
        }),
        project_role: doc.project.map(|into| into.role),
        invited_by: Ref {
            id: doc.invited_by.cast(),
            name: invited.invited_by,
        },
        created_at: invitation.created_at.into(),
        expires_at: invitation.expires_at.into(),
        mailed: doc.mailed,
        url: None,
    }
}
