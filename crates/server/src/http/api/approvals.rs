//! Approvals: opened by a run, read and decided by people.

use axum::{
    Json as JsonAnswer,
    extract::State,
    response::{IntoResponse as _, Response},
};
use countersign_api::{
    approvals::{Approval, ChallengeApproval, Decide as DecideBody, ListApprovals, OpenApproval},
    paging::{self, Page},
    passkeys::AskedPasskey,
};
use countersign_authority::{
    ReadMode, Rejection,
    approvals::{self, AboutToDecide, ApprovalsQuery, Decide, GrantAsk, OpenGrant, Shown, Signed},
    command::Actor,
    lineage,
    passkeys::relying_party,
    people,
};
use countersign_model::{
    Id, id,
    reason::{Reason, Refusal},
    registry::{Noun, Status},
    time::Seconds,
};
use http::{HeaderValue, StatusCode, header};

use super::users;
use crate::{
    app::App,
    http::{
        addressed::Addressed,
        caller::{AnyAudienceCaller, Caller},
        json::{Json, Query},
        problem::Failure,
    },
};

mod wire;

/// `POST /api/approvals`: a run asks people, with its own token. The same request of the same run is
/// the same approval, so that a repetition needs no key.
pub async fn open(
    State(app): State<App>,
    AnyAudienceCaller(caller): AnyAudienceCaller,
    Json(body): Json<OpenApproval>,
) -> Result<Response, Failure> {
    let ask = GrantAsk {
        actions: body.actions,
        environment: body.environment,
        audience: body.audience,
        artifact_digest: body.artifact_digest,
        resource: body.resource,
        reason: body.reason,
        expires_in: body.expires_in.map(Seconds),
    };
    let command = OpenGrant {
        bearer: caller.token.clone(),
        ask,
    };
    let opened = app
        .authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    answer(&app, &caller, opened.id, StatusCode::CREATED).await
}

/// `GET /api/approvals`: newest first.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListApprovals>,
) -> Result<JsonAnswer<Page<Approval>>, Failure> {
    let filters = ListApprovals {
        after: None,
        limit: None,
        ..query.clone()
    };
    let list = super::records::list_name("approvals", &caller, &filters)?;
    let before = query
        .after
        .as_deref()
        .map(|after| app.cursors().open(&list, after))
        .transpose()?;
    let (user, tenant, now) = (caller.permit.user()?, caller.tenant.id, caller.ctx.now);
    let mine = query.mine.unwrap_or(false);
    let reading = app
        .authority()
        .store()
        .read_as(ReadMode::Search, move |tx| {
            let person = people::person(tx, tenant, user)?;
            let identity_id = match &query.identity {
                Some(named) => lineage::id_of(tx, tenant, Noun::Identity, named.as_str())?
                    .parse()
                    .ok(),
                None => None,
            };
            let wanted = ApprovalsQuery {
                status: query.status,
                identity_id,
                before,
                limit: paging::limit(query.limit),
                mine,
            };
            let page = approvals::list(tx, tenant, &person, &wanted, now)?;
            let places = page
                .approvals
                .iter()
                .map(|one| approvals::places(tx, one))
                .collect::<Result<Vec<_>, _>>()?;
            Ok::<_, Rejection>((page, places))
        });
    let (page, places) = reading.await?;
    let next = page
        .next
        .map(|next| app.cursors().seal(&list, &next))
        .transpose()?;
    let items = page
        .approvals
        .into_iter()
        .zip(places)
        .map(|(one, places)| wire::approval(one, places));
    Ok(JsonAnswer(Page {
        items: items.collect(),
        next,
    }))
}

/// `GET /api/approvals/{id}`: for people who may see it, and for the run that opened it.
pub async fn show(
    State(app): State<App>,
    AnyAudienceCaller(caller): AnyAudienceCaller,
    id: Addressed,
) -> Result<Response, Failure> {
    answer(&app, &caller, id.id()?, StatusCode::OK).await
}

/// `POST /api/approvals/{id}/challenge`: asks the caller's passkey to sign what they are about to decide.
pub async fn challenge(
    State(app): State<App>,
    caller: Caller,
    id: Addressed,
    Json(body): Json<ChallengeApproval>,
) -> Result<JsonAnswer<AskedPasskey>, Failure> {
    let about = AboutToDecide {
        approval_id: id.id()?,
        approved: body.approved,
        digest: body.digest,
    };
    let user = caller.permit.user()?;
    let asked = app
        .authority()
        .ask_to_countersign(&caller.ctx, &caller.tenant, user, about)?
        .await?;
    Ok(JsonAnswer(AskedPasskey {
        ceremony: asked.ceremony,
        options: asked.options,
        user: None,
    }))
}

/// `POST /api/approvals/{id}/approve`.
pub async fn approve(
    state: State<App>,
    caller: Caller,
    id: Addressed,
    body: Json<DecideBody>,
) -> Result<Response, Failure> {
    decide(state, caller, id, body, true).await
}

/// `POST /api/approvals/{id}/deny`.
pub async fn deny(
    state: State<App>,
    caller: Caller,
    id: Addressed,
    body: Json<DecideBody>,
) -> Result<Response, Failure> {
    decide(state, caller, id, body, false).await
}

async fn decide(
    State(app): State<App>,
    caller: Caller,
    id: Addressed,
    Json(body): Json<DecideBody>,
    approved: bool,
) -> Result<Response, Failure> {
    let approval_id = id.id()?;
    if caller.browser.is_some() && body.passkey.is_none() {
        // INVARIANT: no script in a page decides for a person: their passkey does.
        let detail = "in a browser a decision takes your passkey's signature: ask for it at `POST /api/approvals/{id}/challenge`";
        return Err(Refusal::new(Reason::Forbidden, detail).into());
    }
    let signed = match body.passkey {
        None => None,
        Some(signed) => Some(Signed {
            ceremony: signed.ceremony,
            answer: signed.credential,
            party: relying_party(&caller.tenant)?,
        }),
    };
    let command = Decide {
        approval_id,
        approved,
        digest: body.digest,
        reason: body.reason,
        signed,
    };
    let decision = app
        .authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    let gone = decision
        .changed
        .as_ref()
        .filter(|record| record.noun == Noun::User && record.status != Status::Active);
    if let Some(user) = gone {
        users::go_on(&app, &caller, user.id.cast()).await?;
    }
    let now = caller.ctx.now;
    let reading = app.authority().store().read(move |tx| {
        let found = approvals::show_decided(tx, &decision, now)?;
        let places = approvals::places(tx, &found)?;
        Ok::<_, Rejection>((found, places))
    });
    let (found, places) = reading.await?;
    let approval = wire::approval(found, places);
    Ok(answered(&caller, approval_id, StatusCode::OK, approval))
}

/// The answer to a change that a second person must countersign first.
pub(super) async fn waits(
    app: &App,
    caller: &Caller,
    id: Id<id::Approval>,
) -> Result<Response, Failure> {
    answer(app, caller, id, StatusCode::ACCEPTED).await
}

async fn answer(
    app: &App,
    caller: &Caller,
    id: Id<id::Approval>,
    status: StatusCode,
) -> Result<Response, Failure> {
    let approval = read(app, caller, id).await?;
    Ok(answered(caller, id, status, approval))
}

fn answered(
    caller: &Caller,
    id: Id<id::Approval>,
    status: StatusCode,
    approval: Approval,
) -> Response {
    let mut response = (status, JsonAnswer(approval)).into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status != StatusCode::OK
        && let Ok(location) =
            HeaderValue::from_str(&format!("{}/api/approvals/{id}", caller.tenant.issuer))
    {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// One approval, as far as the caller may see it, with the places of its records in the log.
async fn read(app: &App, caller: &Caller, id: Id<id::Approval>) -> Result<Approval, Failure> {
    let (permit, token, now) = (caller.permit.clone(), caller.token.clone(), caller.ctx.now);
    let own_audience = caller.token.claims().aud == caller.tenant.issuer;
    let reading = app.authority().store().read(move |tx| {
        let tenant = permit.tenant_id();
        let found: Option<Shown> = match permit.actor() {
            Actor::User { id: user, .. } if own_audience => {
                let person = people::person(tx, tenant, *user)?;
                approvals::show(tx, tenant, &person, id, now)?
            }
            Actor::Identity { .. } | Actor::System | Actor::User { .. } => {
                approvals::show_to_bearer(tx, token.claims(), id, now)?
            }
        };
        let found = found.ok_or_else(|| {
            Refusal::new(
                Reason::NotFound,
                format!("there is no approval {id} that you can see"),
            )
        })?;
        let places = approvals::places(tx, &found)?;
        Ok::<_, Rejection>((found, places))
    });
    let (found, places) = reading.await?;
    Ok(wire::approval(found, places))
}
