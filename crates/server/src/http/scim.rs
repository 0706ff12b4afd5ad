//! `/scim/v2` (RFC 7643, RFC 7644): the company's directory keeps people and teams in step.

mod discovery;
mod groups;
mod patch;
mod users;

use axum::{
    extract::FromRequest,
    response::{IntoResponse, Response},
};
use countersign_authority::{
    Rejection,
    scim::{self, Found, Wanted, Window},
};
use countersign_model::{
    reason::Refusal,
    registry::{Noun, Record},
};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub use discovery::{config, resource_type, resource_types, schema, schemas};
pub use groups::{
    create as create_group, delete as delete_group, list as groups, patch as patch_group,
    replace as replace_group, show as group,
};
pub use users::{
    create as create_user, delete as delete_user, list as users, patch as patch_user,
    replace as replace_user, show as user,
};

use crate::{
    app::App,
    http::{body, caller::Caller, json, limits::BODY_BYTES, problem::Failure, urlencoded},
};

/// A refusal in SCIM's form (RFC 7644 §3.12).
pub struct ScimFailure {
    failure: Failure,
    scim_type: Option<&'static str>,
}

impl ScimFailure {
    /// A request that is not one, with the keyword that says how.
    fn wrong(scim_type: &'static str, detail: &str) -> Self {
        Self {
            failure: Failure::bad_request(detail),
            scim_type: Some(scim_type),
        }
    }

    /// The same, which is one of an attribute that stays when it says this.
    fn immutable(mut self, detail: &str) -> Self {
        if self.failure.detail() == detail {
            self.scim_type = Some("mutability");
        }
        self
    }
}

impl From<Failure> for ScimFailure {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            scim_type: None,
        }
    }
}

impl From<Refusal> for ScimFailure {
    fn from(refusal: Refusal) -> Self {
        Failure::from(refusal).into()
    }
}

impl From<Rejection> for ScimFailure {
    fn from(rejection: Rejection) -> Self {
        Failure::from(rejection).into()
    }
}

impl IntoResponse for ScimFailure {
    fn into_response(self) -> Response {
        let detail = self.failure.detail().to_owned();
        let (status, scim_type) = match (self.failure.status(), self.failure.code()) {
            (_, "name_taken") => (StatusCode::CONFLICT, Some("uniqueness")),
            (StatusCode::UNPROCESSABLE_ENTITY, _) => (
                StatusCode::BAD_REQUEST,
                Some(self.scim_type.unwrap_or("invalidValue")),
            ),
            (StatusCode::BAD_REQUEST, _) => (
                StatusCode::BAD_REQUEST,
                Some(self.scim_type.unwrap_or("invalidSyntax")),
            ),
            (status, _) => (status, None),
        };
        let mut body = json!({
            "schemas": [ERROR], "status": status.as_str(), "detail": detail,
        });
        if let (Some(members), Some(scim_type)) = (body.as_object_mut(), scim_type) {
            members.insert("scimType".to_owned(), json!(scim_type));
        }
        // Headers, and what the shell records of it, are those of any refusal.
        let (parts, _) = self.failure.into_response().into_parts();
        let mut response = Response::from_parts(parts, axum::body::Body::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, MEDIA_TYPE);
        response
    }
}

/// What a list is asked for with (RFC 7644 §3.4.2).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListQuery {
    filter: Option<String>,
    start_index: Option<i64>,
    count: Option<i64>,
    attributes: Option<String>,
    excluded_attributes: Option<String>,
}

/// A body, as JSON or as SCIM's JSON.
pub struct Body(Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ScimFailure;

    async fn from_request(request: axum::extract::Request, _: &S) -> Result<Self, ScimFailure> {
        let (parts, body) = request.into_parts();
        if !body::is_type(
            &parts.headers,
            &["application/scim+json", "application/json"],
        ) {
            let detail = "send the document as application/scim+json";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Failure::new(status, "unsupported_media_type", detail).into());
        }
        let bytes = body::read(body, &parts.headers, BODY_BYTES)
            .await
            .map_err(Failure::from)?;
        let document = json::object(&bytes)?;
        patch::one_of_each(&document)?;
        Ok(Self(document))
    }
}

/// The directory: whoever else it is hears nothing of what they sent.
async fn admitted(app: &App, caller: Result<Caller, Failure>) -> Result<Caller, ScimFailure> {
    let caller = caller?;
    let (permit, token) = (caller.permit.clone(), caller.token.claims().clone());
    let asking = app
        .authority()
        .store()
        .read(move |tx| scim::may_read(tx, &permit, &token));
    asking.await?;
    Ok(caller)
}

/// Reads the query of a list.
fn query(text: Option<&str>) -> Result<ListQuery, ScimFailure> {
    urlencoded::parse(text.unwrap_or_default().as_bytes())
        .map_err(|error| ScimFailure::wrong("invalidValue", &error.to_string()))
}

/// What a filter wants: one attribute that is equal to one value.
fn wanted(filter: Option<&str>, name: &str) -> Result<Wanted, ScimFailure> {
    let Some(filter) = filter else {
        return Ok(Wanted::All);
    };
    let no = || {
        let detail =
            format!("filters are `{name}`, `externalId` or `id`, `eq` and a text in quotes");
        ScimFailure::wrong("invalidFilter", &detail)
    };
    let (attribute, value) = equals(filter).ok_or_else(no)?;
    let attribute = plain(attribute);
    if attribute.eq_ignore_ascii_case(name) {
        Ok(Wanted::Name(value))
    } else if attribute.eq_ignore_ascii_case("externalId") {
        Ok(Wanted::ExternalId(value))
    } else if attribute.eq_ignore_ascii_case("id") {
        Ok(Wanted::Id(value))
    } else {
        Err(no())
    }
}

/// A filter of one attribute that is equal to one text, and of nothing more (RFC 7644 §3.4.2.2).
fn equals(filter: &str) -> Option<(&str, String)> {
    let (attribute, rest) = filter.trim().split_once(' ')?;
    let (operator, value) = rest.trim_start().split_once(' ')?;
    let value = serde_json::from_str(value.trim()).ok()?;
    operator
        .eq_ignore_ascii_case("eq")
        .then_some((attribute, value))
}

/// An attribute without the schema that it may be written with (RFC 7644 §3.10).
fn plain(attribute: &str) -> &str {
    [USER, GROUP]
        .iter()
        .find_map(|schema| {
            let head = attribute.get(..schema.len())?;
            let rest = attribute.get(schema.len()..)?;
            head.eq_ignore_ascii_case(schema)
                .then(|| rest.strip_prefix(':'))?
        })
        .unwrap_or(attribute)
}

/// Which page is asked for (RFC 7644 §3.4.2.4).
fn window(query: &ListQuery) -> Window {
    let start = usize::try_from(query.start_index.unwrap_or(1).max(1)).unwrap_or(usize::MAX);
    let take = query.count.map_or(PAGE, |count| {
        usize::try_from(count.max(0))
            .unwrap_or(usize::MAX)
            .min(PAGE)
    });
    Window {
        skip: start - 1,
        take,
    }
}

/// A page (RFC 7644 §3.4.2.4).
fn page(
    query: &ListQuery,
    window: Window,
    found: &Found,
    shown: impl Fn(&Record) -> Value,
) -> Response {
    let page = found.page.iter();
    let resources: Vec<Value> = page.map(|record| narrowed(query, shown(record))).collect();
    answer(
        StatusCode::OK,
        &json!({
            "schemas": [LIST], "totalResults": found.total, "startIndex": window.skip + 1,
            "itemsPerPage": resources.len(), "Resources": resources,
        }),
    )
}

/// What is read: people, or groups.
struct Kind {
    noun: Noun,
    /// The attribute that each is known by.
    named_by: &'static str,
    shown: fn(&Caller, &Record) -> Value,
}

impl Kind {
    async fn list(
        &self,
        app: &App,
        caller: Result<Caller, Failure>,
        text: Option<&str>,
    ) -> Result<Response, ScimFailure> {
        let caller = admitted(app, caller).await?;
        let query = query(text)?;
        let wanted = wanted(query.filter.as_deref(), self.named_by)?;
        let window = window(&query);
        let found = self.read(app, &caller, wanted, window).await?;
        Ok(page(&query, window, &found, |record| {
            (self.shown)(&caller, record)
        }))
    }

    async fn show(
        &self,
        app: &App,
        caller: Result<Caller, Failure>,
        id: String,
        text: Option<&str>,
    ) -> Result<Response, ScimFailure> {
        let caller = admitted(app, caller).await?;
        let query = query(text)?;
        let only = Window { skip: 0, take: 1 };
        let found = self
            .read(app, &caller, Wanted::Id(id.clone()), only)
            .await?;
        let one = found
            .page
            .first()
            .ok_or_else(|| scim::no_such(self.noun, &id))?;
        let shown = narrowed(&query, (self.shown)(&caller, one));
        Ok(answer(StatusCode::OK, &shown))
    }

    async fn read(
        &self,
        app: &App,
        caller: &Caller,
        wanted: Wanted,
        window: Window,
    ) -> Result<Found, ScimFailure> {
        let (permit, token) = (caller.permit.clone(), caller.token.claims().clone());
        let (store, noun) = (app.authority().store(), self.noun);
        let reading = store.read(move |tx| scim::list(tx, &permit, &token, noun, &wanted, window));
        Ok(reading.await?)
    }
}

/// A resource with the attributes that were asked for (RFC 7644 §3.9). Id and schemas always come.
fn narrowed(query: &ListQuery, mut resource: Value) -> Value {
    let names = |list: &Option<String>| -> Option<Vec<String>> {
        let list = list.as_ref()?;
        let names = list.split(',').map(|name| plain(name.trim()));
        Some(names.map(str::to_ascii_lowercase).collect())
    };
    let Some(members) = resource.as_object_mut() else {
        return resource;
    };
    let always = |name: &str| matches!(name, "id" | "schemas");
    if let Some(only) = names(&query.attributes) {
        members.retain(|name, _| always(name) || only.contains(&name.to_ascii_lowercase()));
    } else if let Some(without) = names(&query.excluded_attributes) {
        members.retain(|name, _| always(name) || !without.contains(&name.to_ascii_lowercase()));
    }
    resource
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, body.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, MEDIA_TYPE);
    let place = body.pointer("/meta/location").and_then(Value::as_str);
    if let Some(place) = place.and_then(|place| HeaderValue::from_str(place).ok()) {
        let name = if status == StatusCode::CREATED {
            header::LOCATION
        } else {
            header::CONTENT_LOCATION
        };
        headers.insert(name, place);
    }
    response
}

fn meta(caller: &Caller, kind: &str, record: &Record) -> Value {
    json!({
        "resourceType": kind,
        "created": record.created_at.to_string(),
        "lastModified": record.updated_at.to_string(),
        "location": format!("{}/scim/v2/{kind}s/{}", caller.tenant.issuer, record.id),
        "version": format!("W/\"{}\"", record.version),
    })
}

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/scim+json");
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// How many a page has at most.
const PAGE: usize = 200;
