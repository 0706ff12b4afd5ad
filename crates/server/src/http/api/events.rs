//! Events, and the trigger types and rules that sensors work by.

use axum::{
    Json as JsonAnswer,
    extract::{Path, Request, State},
    response::{IntoResponse as _, Response},
};
use countersign_api::events::{CreateEvent as Body, Enforcement, Event, ListRules, Rule, Trigger};
use countersign_authority::automation::{self, CreateEvent, CreatedEvent, Reader, WebhookCall};
use countersign_model::{
    Id,
    enforce::Work,
    execution, id, pack,
    reason::{Reason, Refusal},
};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use crate::{
    app::App,
    http::{
        addressed::Addressed,
        body,
        caller::Caller,
        json::{self, Json, Query},
        limits::BODY_BYTES,
        problem::Failure,
    },
};

/// `GET /api/triggers`.
pub async fn triggers(
    State(app): State<App>,
    caller: Caller,
) -> Result<JsonAnswer<Vec<Trigger>>, Failure> {
    let (permit, token) = (caller.permit.clone(), caller.token.claims().clone());
    let found = app
        .authority()
        .store()
        .read(move |tx| {
            // A sensor asks for its own types: any of them stands for all that it is told of.
            let own = token.metadata.as_deref();
            let own = own.and_then(|metadata| metadata.trigger_types.first());
            let work = own.map_or(Work::Other, |own| Work::TriggerType(own));
            let mut reader = Reader::of(tx, &permit, &token, "trigger.read", work)?;
            automation::triggers(tx, &mut reader, &token)
        })
        .await?;
    let shown = found.into_iter().map(|(reference, description)| Trigger {
        reference,
        description,
    });
    Ok(JsonAnswer(shown.collect()))
}

/// `GET /api/rules`: a plain array, as seed 004's sensor reads it.
pub async fn rules(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListRules>,
) -> Result<JsonAnswer<Vec<Rule>>, Failure> {
    let (permit, token) = (caller.permit.clone(), caller.token.claims().clone());
    let found = app
        .authority()
        .store()
        .read(move |tx| {
            let only = query.trigger_type.as_deref();
            let work = only.map_or(Work::Other, Work::TriggerType);
            let mut reader = Reader::of(tx, &permit, &token, "rule.read", work)?;
            automation::rules(tx, &mut reader, only)
        })
        .await?;
    let shown = found.into_iter();
    Ok(JsonAnswer(
        shown
            .map(|one| rule(one.reference, one.project_id, &one.rule))
            .collect(),
    ))
}

/// `POST /api/events`.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<Body>,
) -> Result<Response, Failure> {
    let command = CreateEvent {
        token: caller.token.claims().clone(),
        project: body.project.map(|project| project.0),
        trigger_type: body.trigger_type,
        payload: body.payload,
        rule: body.rule,
        dedup_id: body.dedup_id,
        webhook: None,
    };
    created(&app, &caller, command).await
}

/// `POST /api/webhooks/{path}`: whatever the document's type says, a body that is JSON is read as JSON. What the sender calls
/// the message, `webhook-id` (Standard Webhooks), recognises it when it is sent again; where the pack asks for a signature, it is
/// checked before anything else is done with the body.
pub async fn webhook(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let bytes = body::read(body, &parts.headers, BODY_BYTES).await?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failure::bad_request("the body is not UTF-8 text"))?;
    let said = match text {
        "" => Value::Null,
        text => json::parse(&bytes).unwrap_or_else(|_| Value::String(text.to_owned())),
    };
    let call = WebhookCall {
        id: single(&parts.headers, "webhook-id")?,
        timestamp: single(&parts.headers, "webhook-timestamp")?,
        signature: single(&parts.headers, "webhook-signature")?,
        hub_signature: single(&parts.headers, "x-hub-signature-256")?,
        path: path.clone(),
        body: bytes.to_vec(),
        secrets: app.authority().shared_secrets(),
    };
    let trigger_type = WEBHOOK
        .parse()
        .map_err(|_| Failure::bad_request("not a trigger type"))?;
    let command = CreateEvent {
        token: caller.token.claims().clone(),
        project: None,
        trigger_type,
        payload: Map::from_iter([("path".to_owned(), json!(path)), ("body".to_owned(), said)]),
        rule: None,
        dedup_id: None,
        webhook: Some(call),
    };
    created(&app, &caller, command).await
}

/// A header that is there once at most: of two, this server might look at one and what stands before it at the other.
fn single(headers: &HeaderMap, name: &str) -> Result<Option<String>, Failure> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(Failure::bad_request(&format!("`{name}` is there twice")));
    }
    let text = first.map(|value| value.to_str().map(str::to_owned));
    text.transpose()
        .map_err(|_| Failure::bad_request(&format!("`{name}` is no text")))
}

/// `GET /api/events/{id}`.
pub async fn show(
    State(app): State<App>,
    caller: Caller,
    Addressed(text): Addressed,
) -> Result<JsonAnswer<Event>, Failure> {
    let id: Id<id::Event> = text
        .parse()
        .map_err(|_| Refusal::new(Reason::NotFound, "there is no such event"))?;
    let (permit, token) = (caller.permit.clone(), caller.token.claims().clone());
    let (event, enforcements) = app
        .authority()
        .store()
        .read(move |tx| {
            let mut reader = Reader::of(tx, &permit, &token, "execution.read", Work::Other)?;
            automation::event(tx, &mut reader, id)
        })
        .await?;
    Ok(JsonAnswer(shown(event, enforcements)))
}

async fn created(app: &App, caller: &Caller, command: CreateEvent) -> Result<Response, Failure> {
    let CreatedEvent {
        event,
        enforcements,
        repeated,
    } = app
        .authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    app.work().notify();
    let status = if repeated {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((status, JsonAnswer(shown(event, enforcements))).into_response())
}

fn shown(event: execution::Event, enforcements: Vec<execution::Enforcement>) -> Event {
    let enforcements = enforcements.into_iter().map(|one| Enforcement {
        rule: one.rule,
        execution_id: one.execution_id,
        reason: one.reason,
    });
    Event {
        id: event.id,
        trigger_type: event.trigger_type,
        project_id: event.project_id,
        payload: event.doc.payload,
        created_by: event.doc.created_by,
        created_at: event.created_at.into(),
        enforcements: enforcements.collect(),
    }
}

/// A rule on the wire.
pub(super) fn rule(reference: String, project_id: Id<id::Project>, rule: &pack::Rule) -> Rule {
    Rule {
        reference,
        trigger_type: rule.trigger.to_string(),
        with: rule.with.clone(),
        action_ref: rule.action.to_string(),
        enabled: rule.enabled,
        description: rule.description.clone(),
        project_id,
    }
}

/// The trigger type of webhooks.
const WEBHOOK: &str = "core.webhook";
