//! The catalogue of actions: the built-in ones, and the tenant's own over them.

use axum::{
    Json as JsonAnswer,
    extract::State,
    response::{IntoResponse as _, Response},
};
use countersign_api::{
    actions::{Action, CreateAction as CreateBody, UpdateAction as UpdateBody},
    paging::{self, ListQuery, Page},
    reference::{Meta, Why},
};
use countersign_authority::registry::actions::{
    self, CreateAction, DeleteAction, KnownAction, UpdateAction,
};
use countersign_crypto::digest::sha256;
use countersign_model::{
    Id, Timestamp, id,
    name::ActionName,
    registry::{Noun, Status},
};

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

/// `GET /api/actions`: for people, and for identities that run a resource server.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<JsonAnswer<Page<Action>>, Failure> {
    let list = records::list_name("actions", &caller, &query.status)?;
    let after: Option<String> = query
        .after
        .as_deref()
        .map(|after| app.cursors().open(&list, after))
        .transpose()?;
    let permit = caller.permit.clone();
    let known = app
        .authority()
        .store()
        .read(move |tx| actions::known(tx, &permit))
        .await?;
    let wanted = |action: &KnownAction| {
        after
            .as_deref()
            .is_none_or(|after| action.doc.name.as_str() > after)
            && query.status.is_none_or(|status| status == Status::Active)
    };
    let mut rest = known
        .iter()
        .filter(|action| wanted(action))
        .map(of_known)
        .peekable();
    let items: Vec<Action> = rest
        .by_ref()
        .take(paging::limit(query.limit) as usize)
        .collect();
    let last = items.last().filter(|_| rest.peek().is_some());
    let next = last
        .map(|last| app.cursors().seal(&list, &last.meta.name))
        .transpose()?;
    Ok(JsonAnswer(Page { items, next }))
}

/// `GET /api/actions/{id}`.
pub async fn show(
    State(app): State<App>,
    caller: Caller,
    Addressed(text): Addressed,
) -> Result<Response, Failure> {
    let permit = caller.permit.clone();
    let name = text.clone();
    let known = app
        .authority()
        .store()
        .read(move |tx| actions::known(tx, &permit))
        .await?;
    match known
        .iter()
        .find(|action| action.own.is_none() && action.doc.name.as_str() == name)
    {
        Some(action) => Ok(JsonAnswer(of_known(action)).into_response()),
        None => records::show::<Action>(State(app), caller, Addressed(text)).await,
    }
}

/// `POST /api/actions`.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    Json(body): Json<CreateBody>,
) -> Result<Response, Failure> {
    let key = records::key_of(key, &caller, "actions", &body)?;
    let command = CreateAction {
        name: body.name,
        class: body.class,
        group: body.group,
        description: body.description,
    };
    records::create::<Action, _>(&app, &caller, key, command).await
}

/// `PATCH /api/actions/{id}`.
pub async fn update(
    State(app): State<App>,
    caller: Caller,
    Addressed(action): Addressed,
    if_match: IfMatch,
    Json(body): Json<UpdateBody>,
) -> Result<Response, Failure> {
    let command = UpdateAction {
        action,
        if_version: if_match.0,
        class: body.class,
        group: body.group,
        description: body.description,
        reason: body.reason,
    };
    records::edit::<Action, _>(&app, &caller, if_match, command).await
}

/// `DELETE /api/actions/{id}`.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Addressed(action): Addressed,
    if_match: IfMatch,
    Query(why): Query<Why>,
) -> Result<Response, Failure> {
    let command = DeleteAction {
        action,
        if_version: if_match.0,
        reason: why.reason,
    };
    records::delete(&app, &caller, if_match, command).await
}

/// A built-in action has no record: version 0, and an id that follows from its name.
fn of_known(action: &KnownAction) -> Action {
    let (doc, own) = (&action.doc, action.own.as_ref());
    Action {
        meta: Meta {
            id: own.map_or_else(|| id_of(&doc.name), |record| record.id),
            name: doc.name.to_string(),
            version: own.map_or(0, |record| record.version),
            status: Status::Active,
            created_at: own
                .map_or_else(Timestamp::default, |record| record.created_at)
                .into(),
            updated_at: own
                .map_or_else(Timestamp::default, |record| record.updated_at)
                .into(),
            warnings: Vec::new(),
        },
        class: doc.class,
        group: doc.group.clone(),
        description: doc.description.clone(),
    }
}

/// An id of our own making (RFC 9562 §5.8): version 8, and the variant.
fn id_of(name: &ActionName) -> Id<id::Record> {
    let mut number = sha256(name.as_str().as_bytes())
        .iter()
        .take(16)
        .fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    number = number & !(0xf << 76) | 8 << 76;
    number = number & !(0x3 << 62) | 2 << 62;
    Id::from_bytes(number.to_be_bytes())
}

impl Shows for Action {
    const NOUN: Noun = Noun::Action;
    const PATH: &'static str = "actions";

    fn of(view: &View<'_>) -> Option<Self> {
        let doc = view.record.action()?;
        Some(Self {
            meta: view.meta(),
            class: doc.class,
            group: doc.group.clone(),
            description: doc.description.clone(),
        })
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
}
