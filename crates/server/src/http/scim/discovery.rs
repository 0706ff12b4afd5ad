//! What the service does, and of what its resources are made (RFC 7643 §5 to §7). It tells everybody the same, and is asked for
//! before anybody has a token.

use axum::{extract::State, response::Response};
use countersign_model::reason::{Reason, Refusal};
use http::StatusCode;
use serde_json::{Value, json};

use super::{GROUP, LIST, PAGE, ScimFailure, USER, answer};
use crate::{
    app::App,
    http::{addressed::Addressed, context::Context},
};

/// `GET /scim/v2/ServiceProviderConfig`.
pub async fn config(
    State(app): State<App>,
    Context(context): Context,
) -> Result<Response, ScimFailure> {
    let issuer = &app.tenant(&context)?.issuer;
    let no = json!({ "supported": false });
    Ok(answer(
        StatusCode::OK,
        &json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
            "patch": { "supported": true },
            "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
            "filter": { "supported": true, "maxResults": PAGE },
            "changePassword": no, "sort": no, "etag": no,
            "authenticationSchemes": [{
                "type": "oauthbearertoken", "name": "OAuth Bearer Token", "primary": true,
                "description": "an access token of the identity that the owners of the tenant named",
                "specUri": "https://www.rfc-editor.org/info/rfc6750",
            }],
            "meta": {
                "resourceType": "ServiceProviderConfig",
                "location": format!("{issuer}/scim/v2/ServiceProviderConfig"),
            },
        }),
    ))
}

/// `GET /scim/v2/ResourceTypes`.
pub async fn resource_types(
    State(app): State<App>,
    Context(context): Context,
) -> Result<Response, ScimFailure> {
    Ok(all(&kinds(&app.tenant(&context)?.issuer)))
}

/// `GET /scim/v2/ResourceTypes/{id}`.
pub async fn resource_type(
    State(app): State<App>,
    Context(context): Context,
    Addressed(id): Addressed,
) -> Result<Response, ScimFailure> {
    one(kinds(&app.tenant(&context)?.issuer), &id)
}

fn kinds(issuer: &str) -> [Value; 2] {
    let kind = |name: &str, schema: &str| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "id": name, "name": name, "endpoint": format!("/{name}s"), "schema": schema,
            "meta": {
                "resourceType": "ResourceType",
                "location": format!("{issuer}/scim/v2/ResourceTypes/{name}"),
            },
        })
    };
    [kind("User", USER), kind("Group", GROUP)]
}

/// `GET /scim/v2/Schemas`.
pub async fn schemas(
    State(app): State<App>,
    Context(context): Context,
) -> Result<Response, ScimFailure> {
    Ok(all(&made_of(&app.tenant(&context)?.issuer)))
}

/// `GET /scim/v2/Schemas/{id}`.
pub async fn schema(
    State(app): State<App>,
    Context(context): Context,
    Addressed(id): Addressed,
) -> Result<Response, ScimFailure> {
    one(made_of(&app.tenant(&context)?.issuer), &id)
}

fn made_of(issuer: &str) -> [Value; 2] {
    let user = [
        attribute("userName", "string", true, "immutable", "server"),
        attribute("displayName", "string", false, "readWrite", "none"),
        attribute("active", "boolean", false, "readWrite", "none"),
        several(
            attribute("emails", "complex", false, "readOnly", "none"),
            &[
                attribute("value", "string", false, "readOnly", "none"),
                attribute("type", "string", false, "readOnly", "none"),
                attribute("primary", "boolean", false, "readOnly", "none"),
            ],
        ),
    ];
    let group = [
        attribute("displayName", "string", true, "readWrite", "none"),
        several(
            attribute("members", "complex", false, "readWrite", "none"),
            &[
                attribute("value", "string", false, "immutable", "none"),
                attribute("$ref", "reference", false, "immutable", "none"),
                attribute("type", "string", false, "immutable", "none"),
            ],
        ),
    ];
    let schema = |id: &str, name: &str, attributes: &[Value]| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
            "id": id, "name": name, "attributes": attributes,
            "meta": {
                "resourceType": "Schema",
                "location": format!("{issuer}/scim/v2/Schemas/{id}"),
            },
        })
    };
    [schema(USER, "User", &user), schema(GROUP, "Group", &group)]
}

fn attribute(name: &str, kind: &str, required: bool, mutability: &str, uniqueness: &str) -> Value {
    let mut attribute = json!({
        "name": name, "type": kind, "multiValued": false, "required": required,
        "caseExact": false, "mutability": mutability, "returned": "default",
        "uniqueness": uniqueness,
    });
    if kind == "reference"
        && let Some(members) = attribute.as_object_mut()
    {
        members.insert("referenceTypes".to_owned(), json!(["User"]));
    }
    attribute
}

fn several(mut attribute: Value, parts: &[Value]) -> Value {
    if let Some(members) = attribute.as_object_mut() {
        members.insert("multiValued".to_owned(), json!(true));
        members.insert("subAttributes".to_owned(), json!(parts));
    }
    attribute
}

/// The one of this id (RFC 7644 §4).
fn one(resources: [Value; 2], id: &str) -> Result<Response, ScimFailure> {
    let found = resources.into_iter().find(|one| one["id"] == id);
    let missing = || {
        ScimFailure::from(Refusal::new(
            Reason::NotFound,
            "there is nothing of this id",
        ))
    };
    Ok(answer(StatusCode::OK, &found.ok_or_else(missing)?))
}

fn all(resources: &[Value]) -> Response {
    answer(
        StatusCode::OK,
        &json!({
            "schemas": [LIST], "totalResults": resources.len(), "startIndex": 1,
            "itemsPerPage": resources.len(), "Resources": resources,
        }),
    )
}
