//! `GET /api/openapi.json`: OpenAPI 3.1, made of the wire types and of one row for each route.

mod operation;
mod operations;

use std::sync::LazyLock;

use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use countersign_api::{problem::Problem, tokens::OauthError};
use http::{HeaderValue, header};
use serde_json::{Map, Value, json};
use utoipa::{
    ToSchema,
    openapi::{RefOr, schema::Schema},
};

pub use operation::Operation;

/// `GET /api/openapi.json`.
pub async fn openapi() -> Response {
    let mut response = TEXT.clone().into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    response
}

/// It changes only with the program.
static TEXT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(document().to_string()));

/// The document.
#[must_use]
pub fn document() -> Value {
    let mut schemas = Schemas::default();
    schemas.add::<Problem>();
    schemas.add::<OauthError>();
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations::all(&mut schemas) {
        let path = paths
            .entry(operation.path.replace("{*", "{"))
            .or_insert_with(|| json!({}));
        if let Value::Object(methods) = path {
            methods.insert(
                operation.method.as_str().to_ascii_lowercase(),
                operation.document(),
            );
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Countersign",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Identity for automated programs. Errors are `application/problem+json` with a stable \
                `reason_code`, on the OAuth endpoints those of RFC 6749. In a path, a name that holds a slash stands as \
                `=` and its bytes in hexadecimal.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.0,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "session": {
                    "type": "apiKey", "in": "cookie", "name": "__Host-countersign",
                    "description": "a browser that is signed in, at pages of this server alone; what changes something also sends \
                        `X-CSRF-Token`, which `GET /api/console` answers. Without https the cookie is called `countersign`",
                },
                "client": {"type": "http", "scheme": "basic", "description": "an identity's client id and secret"},
            },
        },
    })
}

/// The schemas of all types that an operation names, and of those within them.
#[derive(Default)]
pub(crate) struct Schemas(Map<String, Value>);

impl Schemas {
    /// Adds a type; answers the reference to it.
    pub(crate) fn add<T: ToSchema>(&mut self) -> Value {
        let name = T::name();
        self.add_within::<T>();
        self.put(name.to_string(), T::schema());
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    /// The members of a type as parameters of a query string.
    pub(crate) fn query<T: ToSchema>(&mut self) -> Vec<Value> {
        self.add_within::<T>();
        let schema = value(T::schema());
        let required = |name: &str| list(&schema, "required").iter().any(|one| one == name);
        let members = schema
            .get("properties")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        members
            .into_iter()
            .map(|(name, member)| parameter(&name, required(&name), member))
            .collect()
    }

    fn add_within<T: ToSchema>(&mut self) {
        let mut nested: Vec<(String, RefOr<Schema>)> = Vec::new();
        T::schemas(&mut nested);
        for (name, schema) in nested {
            self.put(name, schema);
        }
    }

    fn put(&mut self, name: String, schema: RefOr<Schema>) {
        let schema = value(schema);
        let known = self.0.entry(name).or_insert_with(|| schema.clone());
        // INVARIANT: two types of one name need `#[schema(as = ..)]`, or one would hide the other.
        debug_assert_eq!(*known, schema, "two types have one name");
    }
}

/// A schema is JSON in memory: it always serialises.
fn value(schema: RefOr<Schema>) -> Value {
    serde_json::to_value(schema).unwrap_or_default()
}

/// The list that a member is; none when it is something else.
fn list<'a>(schema: &'a Value, member: &str) -> &'a [Value] {
    schema
        .get(member)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// A parameter that is absent is not `null`: a query string has no such value.
fn parameter(name: &str, required: bool, member: Value) -> Value {
    let present = list(&member, "oneOf")
        .iter()
        .find(|form| form.get("type").is_none_or(|one| one != "null"));
    let mut schema = present.unwrap_or(&member).clone();
    let types: Vec<Value> = list(&schema, "type")
        .iter()
        .filter(|one| *one != "null")
        .cloned()
        .collect();
    let Some(members) = schema.as_object_mut() else {
        return json!({"name": name, "in": "query"});
    };
    if let [only] = types.as_slice() {
        members.insert("type".to_owned(), only.clone());
    }
    let description = members
        .remove("description")
        .or_else(|| member.get("description").cloned())
        .unwrap_or_else(|| json!(""));
    json!({"name": name, "in": "query", "required": required, "description": description, "schema": schema})
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;
    use crate::http::{router::inventory, routes::routes};

    #[test]
    fn every_route_is_one_operation_and_every_operation_a_route() {
        let routes: BTreeSet<(String, String)> = inventory(&routes())
            .into_iter()
            .map(|(method, path)| {
                (
                    path.replace("{*", "{"),
                    method.as_str().to_ascii_lowercase(),
                )
            })
            .collect();
        let document = document();
        let mut operations = BTreeSet::new();
        let mut names = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                operations.insert((path.clone(), method.clone()));
                assert!(
                    names.insert(operation["operationId"].to_string()),
                    "{operation}"
                );
            }
        }
        assert_eq!(operations, routes);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(
                document["components"]["schemas"].get(name).is_some(),
                "{name}"
            );
        }
    }

    #[test]
    fn the_published_document_is_fresh() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/openapi.json");
        let published: Value =
            serde_json::from_str(&fs::read_to_string(path).unwrap_or_default()).unwrap_or_default();
        let stale = "docs/reference/openapi.json is stale: cargo run -p countersign-server --example openapi > it";
        assert!(published == document(), "{stale}");
    }
}
