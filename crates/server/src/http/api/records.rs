//! What the nouns of the registry share: read, made, edited and deleted in one way.

use std::collections::BTreeMap;

use axum::{
    Json as JsonAnswer,
    extract::State,
    response::{IntoResponse, Response},
};
use countersign_api::{
    Time,
    paging::{self, ListQuery, Page},
    reference::{Meta, NameOrId, PartyRef, Ref},
};
use countersign_authority::{
    Fault, Rejection,
    command::Command,
    idempotency::{Key, Once, Outcome},
    registry::{self, ChangeOutcome, PageQuery, Shown, by_noun},
};
use countersign_model::{
    Id, id,
    reason::Reason,
    registry::{Noun, Party, Record},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::approvals;
use crate::{
    app::App,
    http::{
        addressed::Addressed,
        caller::Caller,
        etag::{self, IfMatch},
        idempotency::IdempotencyKey,
        json::Query,
        problem::Failure,
    },
};

/// A record as it is shown: with the names of all that its document names by id.
pub(in crate::http) struct View<'a> {
    /// The record.
    pub record: &'a Record,
    /// When and from where it was last used.
    pub seen: Option<(Time, String)>,
    names: &'a BTreeMap<Id<id::Record>, String>,
}

impl View<'_> {
    /// What every record says.
    pub fn meta(&self) -> Meta {
        let record = self.record;
        Meta {
            id: record.id,
            name: record.name.clone(),
            version: record.version,
            status: record.status,
            created_at: record.created_at.into(),
            updated_at: record.updated_at.into(),
            warnings: Vec::new(),
        }
    }

    /// Another record, by id and name.
    pub fn refer<K: id::Kind>(&self, id: Id<K>) -> Ref {
        Ref {
            id: id.cast(),
            name: self.name(id.cast()),
        }
    }

    /// A user or team, by id and name.
    pub fn party(&self, party: Party) -> PartyRef {
        PartyRef::new(party, self.name(party.record_id()))
    }

    fn name(&self, id: Id<id::Record>) -> String {
        self.names
            .get(&id)
            .cloned()
            .unwrap_or_else(|| id.to_string())
    }
}

/// A noun of the registry on the wire.
pub(in crate::http) trait Shows: Serialize + Sized + Send {
    /// The noun.
    const NOUN: Noun;
    /// Its segment under `/api`.
    const PATH: &'static str;

    /// The record on the wire; nothing when it is of another noun.
    fn of(view: &View<'_>) -> Option<Self>;

    /// What every record says.
    fn meta_mut(&mut self) -> &mut Meta;
}

/// What a command of the registry answers: the record, and whether it waits.
pub(in crate::http) trait Made: Send {
    /// The record as it stands.
    fn record(&self) -> &Record;

    /// The approval that the change waits for.
    fn approval_id(&self) -> Option<Id<id::Approval>> {
        None
    }

    /// What people should know.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Made for Record {
    fn record(&self) -> &Record {
        self
    }
}

impl Made for ChangeOutcome {
    fn record(&self) -> &Record {
        self.record()
    }

    fn approval_id(&self) -> Option<Id<id::Approval>> {
        self.approval_id()
    }

    fn warnings(&self) -> Vec<String> {
        let alone = "it loosens a guard and nobody else could countersign it: this is on record as changed alone";
        if self.changed_alone() {
            vec![alone.to_owned()]
        } else {
            Vec::new()
        }
    }
}

/// A page of a noun whose list has no filters of its own.
pub(in crate::http) async fn list<R: Shows + 'static>(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<JsonAnswer<Page<R>>, Failure> {
    let list = list_name(R::PATH, &caller, &query.status)?;
    let wanted = page_query(
        &app,
        &list,
        query.after.as_deref(),
        query.limit,
        query.status,
    )?;
    let permit = caller.permit.clone();
    let page = app
        .authority()
        .store()
        .read(move |tx| by_noun::list(tx, &permit, R::NOUN, &wanted))
        .await?;
    page_of(&app, &list, page)
}

/// The name that binds a cursor to a list, its tenant, its reader and its filters.
pub(in crate::http) fn list_name(
    path: &str,
    caller: &Caller,
    filters: &impl Serialize,
) -> Result<String, Failure> {
    let filters = serde_json::to_string(filters).map_err(Fault::from)?;
    Ok(format!("{path}|{}|{filters}", caller.tenant.id))
}

/// Which part of a list is asked for.
pub(in crate::http) fn page_query(
    app: &App,
    list: &str,
    after: Option<&str>,
    limit: Option<u32>,
    status: Option<countersign_model::registry::Status>,
) -> Result<PageQuery, Failure> {
    let after = after
        .map(|after| app.cursors().open(list, after))
        .transpose()?;
    Ok(PageQuery {
        after,
        limit: paging::limit(limit),
        status,
        ..PageQuery::default()
    })
}

/// A page on the wire.
pub(in crate::http) fn page_of<R: Shows>(
    app: &App,
    list: &str,
    page: registry::Page,
) -> Result<JsonAnswer<Page<R>>, Failure> {
    let next = page
        .next
        .map(|next| app.cursors().seal(list, &next))
        .transpose()?;
    let mut items = Vec::with_capacity(page.items.len());
    for one in page.items {
        let seen = one.seen.map(|seen| (seen.last_seen_at.into(), seen.source));
        items.push(wire(&View {
            record: &one.record,
            seen,
            names: &page.names,
        })?);
    }
    Ok(JsonAnswer(Page { items, next }))
}

/// One record, with its version as its tag.
pub(in crate::http) async fn show<R: Shows + 'static>(
    State(app): State<App>,
    caller: Caller,
    Addressed(text): Addressed,
) -> Result<Response, Failure> {
    let permit = caller.permit.clone();
    let shown = app
        .authority()
        .store()
        .read(move |tx| by_noun::show(tx, &permit, R::NOUN, &text))
        .await?;
    answer::<R>(&caller, StatusCode::OK, shown, Vec::new())
}

/// Makes a record, once for each key.
pub(in crate::http) async fn create<R: Shows, C: Command<Output: Made>>(
    app: &App,
    caller: &Caller,
    key: Option<Key>,
    command: C,
) -> Result<Response, Failure> {
    let made: fn(&C::Output) -> String = |output| output.record().id.to_string();
    match app
        .authority()
        .execute(&caller.ctx, &caller.permit, Once { key, command, made })
        .await?
    {
        Outcome::Done(output) => settled::<R, _>(app, caller, StatusCode::CREATED, output).await,
        Outcome::Repeated(id) => show_again::<R>(app, caller, id).await,
    }
}

/// What a repeated request made when it came first.
pub(in crate::http) async fn show_again<R: Shows>(
    app: &App,
    caller: &Caller,
    id: String,
) -> Result<Response, Failure> {
    let permit = caller.permit.clone();
    let shown = app
        .authority()
        .store()
        .read(move |tx| by_noun::show(tx, &permit, R::NOUN, &id))
        .await?;
    answer::<R>(caller, StatusCode::CREATED, shown, Vec::new())
}

/// Edits a record, when it still is what the caller read.
pub(in crate::http) async fn edit<R: Shows, C: Command<Output: Made>>(
    app: &App,
    caller: &Caller,
    if_match: IfMatch,
    command: C,
) -> Result<Response, Failure> {
    let output = execute(app, caller, if_match, command).await?;
    settled::<R, _>(app, caller, StatusCode::OK, output).await
}

/// Deletes a record, when it still is what the caller read.
pub(in crate::http) async fn delete<C: Command<Output: Made>>(
    app: &App,
    caller: &Caller,
    if_match: IfMatch,
    command: C,
) -> Result<Response, Failure> {
    let output = execute(app, caller, if_match, command).await?;
    match output.approval_id() {
        Some(id) => approvals::waits(app, caller, id).await,
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// Runs a command; a version that moved on is a failed precondition when the caller stated one.
pub(in crate::http) async fn execute<C: Command>(
    app: &App,
    caller: &Caller,
    IfMatch(version): IfMatch,
    command: C,
) -> Result<C::Output, Failure> {
    app.authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await
        .map_err(|rejection| match rejection {
            Rejection::Recorded(refusal)
                if version.is_some() && refusal.reason == Reason::Conflict =>
            {
                IfMatch::failed()
            }
            rejection => rejection.into(),
        })
}

/// The record as it is now, or the approval that the change waits for.
pub(in crate::http) async fn settled<R: Shows, M: Made>(
    app: &App,
    caller: &Caller,
    status: StatusCode,
    made: M,
) -> Result<Response, Failure> {
    if let Some(id) = made.approval_id() {
        return approvals::waits(app, caller, id).await;
    }
    let (record, warnings) = (made.record().clone(), made.warnings());
    answer::<R>(caller, status, after_change(app, record).await?, warnings)
}

/// A record that was just written, with the names that it needs.
pub(in crate::http) async fn after_change(app: &App, record: Record) -> Result<Shown, Failure> {
    Ok(app
        .authority()
        .store()
        .read(move |tx| by_noun::after_change(tx, &record))
        .await?)
}

/// The key of a create, bound to who sent it, where, and what.
pub(in crate::http) fn key_of(
    key: IdempotencyKey,
    caller: &Caller,
    route: &str,
    body: &impl Serialize,
) -> Result<Option<Key>, Failure> {
    let IdempotencyKey(Some(key)) = key else {
        return Ok(None);
    };
    let body = serde_json::to_vec(body).map_err(Fault::from)?;
    let fingerprint =
        IdempotencyKey::fingerprint(&caller.token.claims().identity_id.to_string(), route, &body);
    Ok(Some(Key { key, fingerprint }))
}

/// A record as an answer.
pub(in crate::http) fn answer<R: Shows>(
    caller: &Caller,
    status: StatusCode,
    shown: Shown,
    warnings: Vec<String>,
) -> Result<Response, Failure> {
    let mut body: R = of_shown(&shown)?;
    body.meta_mut().warnings = warnings;
    Ok(tagged(caller, status, R::PATH, &shown.record, body))
}

/// A record on the wire.
pub(in crate::http) fn of_shown<R: Shows>(shown: &Shown) -> Result<R, Failure> {
    let seen = shown
        .seen
        .as_ref()
        .map(|seen| (seen.last_seen_at.into(), seen.source.clone()));
    wire(&View {
        record: &shown.record,
        seen,
        names: &shown.names,
    })
}

/// A body about a record, with its tag, and where it is when it is new.
pub(in crate::http) fn tagged(
    caller: &Caller,
    status: StatusCode,
    path: &str,
    record: &Record,
    body: impl Serialize,
) -> Response {
    let mut response = (status, JsonAnswer(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::ETAG, etag::of_version(record.version));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::CREATED
        && let Ok(location) = HeaderValue::from_str(&format!(
            "{}/api/{path}/{}",
            caller.tenant.issuer, record.id
        ))
    {
        headers.insert(header::LOCATION, location);
    }
    response
}

/// The names of a list in a request.
pub(in crate::http) fn texts(names: Vec<NameOrId>) -> Vec<String> {
    names.into_iter().map(|name| name.0).collect()
}

fn wire<R: Shows>(view: &View<'_>) -> Result<R, Failure> {
    let other = || {
        Fault::Invariant(format!(
            "a record of `{}` where one of `{}` was read",
            view.record.noun.as_str(),
            R::NOUN.as_str()
        ))
    };
    R::of(view).ok_or_else(|| other().into())
}
