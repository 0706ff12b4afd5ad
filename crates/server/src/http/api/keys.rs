//! Keys: people set them, and see who read them; no answer to a person has a value.

use axum::{
    Json as JsonAnswer,
    extract::State,
    response::{IntoResponse as _, Response},
};
use countersign_api::{
    keys::{
        Key, KeyHistory, KeyReading, KeyValue, KeyVersion, ListKeys, PutKey as PutBody,
        RotateKey as RotateBody, SecretText,
    },
    paging::Page,
    reference::{Meta, Ref, Why},
};
use countersign_authority::{
    automation::ReadKey,
    idempotency::{Key as OnceKey, Once, Outcome},
    registry::keys::{self, DeleteKey, History, KeySet, PutKey, RotateKey},
};
use countersign_crypto::{Secret, opaque};
use countersign_model::{
    name::KeyName,
    reason::{Reason, Refusal},
    registry::{Noun, Record},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use super::records::{self, Made, Shows, View};
use crate::{
    app::App,
    http::{
        addressed::Addressed,
        caller::Caller,
        etag::IfMatch,
        idempotency::IdempotencyKey,
        json::{LargeJson, Query},
        problem::Failure,
    },
};

/// `GET /api/keys`: those that the caller may see, without their values.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListKeys>,
) -> Result<JsonAnswer<Page<Key>>, Failure> {
    let filters = json!([query.project, query.status]);
    let list = records::list_name(Key::PATH, &caller, &filters)?;
    let wanted = records::page_query(
        &app,
        &list,
        query.after.as_deref(),
        query.limit,
        query.status,
    )?;
    let (permit, project) = (caller.permit.clone(), query.project);
    let page = app
        .authority()
        .store()
        .read(move |tx| keys::list(tx, &permit, project.as_deref(), &wanted))
        .await?;
    records::page_of(&app, &list, page)
}

/// `PUT /api/keys/{id}`: makes the key, or the next version of its value.
pub async fn put(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    key: IdempotencyKey,
    // A value of 64 KiB in JSON is longer than other documents may be.
    LargeJson(body): LargeJson<PutBody>,
) -> Result<Response, Failure> {
    let name: KeyName = named
        .parse()
        .map_err(|error| Refusal::new(Reason::Unprocessable, format!("{error}")))?;
    let project = body.project.map(|project| project.0);
    let said = json!([project, body.description, body.reason]);
    let once = once(
        &app,
        &caller,
        key,
        &format!("put keys/{name}"),
        &body.value,
        said,
    )?;
    let command = PutKey {
        key: name,
        project,
        if_version: if_match.0,
        description: body.description,
        value: Secret::new(body.value.into_inner()),
        reason: body.reason,
        secrets: app.authority().shared_secrets(),
    };
    let made: fn(&KeySet) -> String = |set| set.record.id.to_string();
    let command = Once {
        key: once,
        command,
        made,
    };
    match records::execute(&app, &caller, if_match, command).await? {
        Outcome::Done(set) => {
            let status = if set.created {
                StatusCode::CREATED
            } else {
                StatusCode::OK
            };
            records::settled::<Key, _>(&app, &caller, status, set).await
        }
        Outcome::Repeated(id) => records::show_again::<Key>(&app, &caller, id).await,
    }
}

/// `GET /api/keys/{id}`: the value, for an execution whose action declares the key, and for nobody else.
pub async fn value(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
) -> Result<Response, Failure> {
    caller.permit.program()?;
    let key: KeyName = named
        .parse()
        .map_err(|error| Refusal::new(Reason::NotFound, format!("{error}")))?;
    let command = ReadKey {
        token: caller.token.claims().clone(),
        key,
        secrets: app.authority().shared_secrets(),
    };
    let read = app
        .authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    app.authority()
        .note_key_read(&caller.ctx, caller.token.claims(), &read);
    let body = KeyValue {
        value: SecretText::new(read.value.expose().clone()),
        version: read.version,
    };
    let mut response = JsonAnswer(body).into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `POST /api/keys/{id}/rotate`: another value, which is read from now on.
pub async fn rotate(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    key: IdempotencyKey,
    LargeJson(body): LargeJson<RotateBody>,
) -> Result<Response, Failure> {
    let route = format!("rotate keys/{named}");
    let once = once(&app, &caller, key, &route, &body.value, json!(body.reason))?;
    let command = RotateKey {
        key: named,
        if_version: if_match.0,
        value: Secret::new(body.value.into_inner()),
        reason: body.reason,
        secrets: app.authority().shared_secrets(),
    };
    let made: fn(&Record) -> String = |record| record.id.to_string();
    let command = Once {
        key: once,
        command,
        made,
    };
    match records::execute(&app, &caller, if_match, command).await? {
        Outcome::Done(record) => {
            records::settled::<Key, _>(&app, &caller, StatusCode::OK, record).await
        }
        Outcome::Repeated(id) => records::show_again::<Key>(&app, &caller, id).await,
    }
}

/// `DELETE /api/keys/{id}`: with every version of its value.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    Query(why): Query<Why>,
) -> Result<Response, Failure> {
    let command = DeleteKey {
        key: named,
        if_version: if_match.0,
        reason: why.reason,
    };
    records::delete(&app, &caller, if_match, command).await
}

/// `GET /api/keys/{id}/history`: its versions, and who read it.
pub async fn history(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
) -> Result<JsonAnswer<KeyHistory>, Failure> {
    let permit = caller.permit.clone();
    let pepper = app.authority().secrets().pepper.clone();
    let found = app
        .authority()
        .store()
        .read(move |tx| keys::history(tx, &permit, &named, &pepper))
        .await?;
    Ok(JsonAnswer(wire(found)?))
}

fn wire(found: History) -> Result<KeyHistory, Failure> {
    let versions = found
        .versions
        .into_iter()
        .map(|(version, name)| KeyVersion {
            version: version.version,
            set_at: version.created_at.into(),
            set_by: Ref {
                id: version.created_by.cast(),
                name,
            },
        });
    let reads = found.reads.into_iter().map(|read| KeyReading {
        at: read.at.into(),
        version: read.version,
        execution_id: read.execution_id,
        action_ref: read.action_ref,
        identity: read.identity,
        evidence_id: read.evidence_id,
    });
    Ok(KeyHistory {
        key: records::of_shown(&found.shown)?,
        versions: versions.collect(),
        reads: reads.collect(),
        more_reads: found.more,
    })
}

/// The key of a request with a value in it. The fingerprint is kept for a day, and must not be a digest by which who reads
/// the database could try values: the value goes into it under the pepper.
fn once(
    app: &App,
    caller: &Caller,
    key: IdempotencyKey,
    route: &str,
    value: &SecretText,
    said: serde_json::Value,
) -> Result<Option<OnceKey>, Failure> {
    let tag = opaque::hash(&app.authority().secrets().pepper, value.expose());
    records::key_of(key, caller, route, &json!([hex::encode(tag), said]))
}

impl Made for KeySet {
    fn record(&self) -> &Record {
        &self.record
    }
}

impl Shows for Key {
    const NOUN: Noun = Noun::Key;
    const PATH: &'static str = "keys";

    fn of(view: &View<'_>) -> Option<Self> {
        let doc = view.record.key()?;
        let (last_read_at, last_read_by) = view.seen.clone().unzip();
        Some(Self {
            meta: view.meta(),
            project: view.refer(doc.project_id),
            description: doc.description.clone(),
            current_version: doc.current_version,
            oldest_version: doc.oldest_version,
            last_read_at,
            last_read_by,
        })
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
}
