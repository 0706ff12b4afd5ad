//! Projects: where identities live.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use countersign_api::{
    projects::{
        CreateProject as CreateBody, Member, MemberInput, Project, UpdateProject as UpdateBody,
    },
    reference::{Meta, Why},
};
use countersign_authority::registry::projects::{
    CreateProject, DeleteProject, FinishProjectDeletion, LeaveProject, ProjectPatch, UpdateProject,
};
use countersign_model::registry::{Noun, ProjectRole};
use http::StatusCode;

use super::records::{self, Shows, View};
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

/// `POST /api/projects`.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    Json(body): Json<CreateBody>,
) -> Result<Response, Failure> {
    let key = records::key_of(key, &caller, "projects", &body)?;
    let command = CreateProject {
        name: body.name,
        description: body.description,
        members: members(body.members),
        allowed_actions: body.allowed_actions,
    };
    records::create::<Project, _>(&app, &caller, key, command).await
}

/// `PATCH /api/projects/{id}`.
pub async fn update(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    Json(body): Json<UpdateBody>,
) -> Result<Response, Failure> {
    let command = UpdateProject {
        project: named,
        if_version: if_match.0,
        patch: ProjectPatch {
            name: body.name,
            description: body.description,
            members: body.members.map(members),
            allowed_actions: body.allowed_actions,
        },
        reason: body.reason,
    };
    records::edit::<Project, _>(&app, &caller, if_match, command).await
}

/// `DELETE /api/projects/{id}`.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    Query(why): Query<Why>,
) -> Result<Response, Failure> {
    let command = DeleteProject {
        project: named,
        if_version: if_match.0,
        reason: why.reason,
    };
    let mut deleted = records::execute(&app, &caller, if_match, command).await?;
    // No identity of it has a live token any more; what is left is the clearing up, in batches.
    while deleted.more {
        let next = FinishProjectDeletion {
            project_id: deleted.project.id.cast(),
        };
        deleted = app
            .authority()
            .execute(&caller.ctx, &caller.permit, next)
            .await?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /api/projects/{id}/leave`: as long as somebody else owns it.
pub async fn leave(
    State(app): State<App>,
    caller: Caller,
    Addressed(project): Addressed,
    Json(why): Json<Why>,
) -> Result<Response, Failure> {
    let command = LeaveProject {
        project,
        reason: why.reason,
    };
    records::delete(&app, &caller, IfMatch(None), command).await
}

fn members(members: Vec<MemberInput>) -> Vec<(String, ProjectRole)> {
    members
        .into_iter()
        .map(|member| (member.user.0, member.role))
        .collect()
}

impl Shows for Project {
    const NOUN: Noun = Noun::Project;
    const PATH: &'static str = "projects";

    fn of(view: &View<'_>) -> Option<Self> {
        let doc = view.record.project()?;
        let members = doc.members.iter().map(|member| Member {
            user: view.refer(member.user_id),
            role: member.role,
            added_by: view.refer(member.added_by),
            added_at: member.added_at.into(),
        });
        Some(Self {
            meta: view.meta(),
            description: doc.description.clone(),
            personal_of: doc.personal_of.map(|id| view.refer(id)),
            members: members.collect(),
            allowed_actions: doc.allowed_actions.clone(),
        })
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
}
