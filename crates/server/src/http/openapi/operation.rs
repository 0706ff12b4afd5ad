//! One operation: what it takes, what it answers, who may call it.

use countersign_api::approvals::Approval;
use http::Method;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::Schemas;

/// One row of the document.
pub struct Operation {
    /// The method.
    pub method: Method,
    /// The path, as in the table of routes.
    pub path: String,
    members: Map<String, Value>,
    parameters: Vec<Value>,
    responses: Map<String, Value>,
}

impl Operation {
    /// A row; the id is the noun and the verb, `teams.list`.
    pub(crate) fn new(method: Method, path: impl Into<String>, id: &str, summary: &str) -> Self {
        let path = path.into();
        let noun = id.split('.').next().unwrap_or(id);
        let mut members = Map::new();
        members.insert("operationId".to_owned(), json!(id));
        members.insert("summary".to_owned(), json!(summary));
        members.insert("tags".to_owned(), json!([noun]));
        let oauth = path.starts_with("/oauth2/");
        let failure = if oauth {
            ("application/json", "OauthError")
        } else {
            ("application/problem+json", "Problem")
        };
        let schema = json!({"$ref": format!("#/components/schemas/{}", failure.1)});
        let refusal = json!({"description": "refused", "content": {failure.0: {"schema": schema}}});
        let responses = Map::from_iter([("default".to_owned(), refusal)]);
        Self {
            method,
            parameters: segments(&path),
            path,
            members,
            responses,
        }
    }

    pub(crate) fn get(path: impl Into<String>, id: &str, summary: &str) -> Self {
        Self::new(Method::GET, path, id, summary)
    }

    pub(crate) fn post(path: impl Into<String>, id: &str, summary: &str) -> Self {
        Self::new(Method::POST, path, id, summary)
    }

    pub(crate) fn put(path: impl Into<String>, id: &str, summary: &str) -> Self {
        Self::new(Method::PUT, path, id, summary)
    }

    pub(crate) fn patch(path: impl Into<String>, id: &str, summary: &str) -> Self {
        Self::new(Method::PATCH, path, id, summary)
    }

    pub(crate) fn delete(path: impl Into<String>, id: &str, summary: &str) -> Self {
        Self::new(Method::DELETE, path, id, summary)
    }

    /// Anybody may call it.
    pub(crate) fn open(mut self) -> Self {
        self.members.insert("security".to_owned(), json!([]));
        self
    }

    /// A client calls it with its own credential.
    pub(crate) fn client(mut self) -> Self {
        self.members
            .insert("security".to_owned(), json!([{"client": []}, {}]));
        self
    }

    /// It has a query string of these members.
    pub(crate) fn query<T: ToSchema>(mut self, schemas: &mut Schemas) -> Self {
        self.parameters.extend(schemas.query::<T>());
        self
    }

    /// It takes this document.
    pub(crate) fn body<T: ToSchema>(self, schemas: &mut Schemas) -> Self {
        self.content::<T>("application/json", schemas)
    }

    /// It takes this form.
    pub(crate) fn form<T: ToSchema>(self, schemas: &mut Schemas) -> Self {
        self.content::<T>("application/x-www-form-urlencoded", schemas)
    }

    fn content<T: ToSchema>(mut self, media_type: &str, schemas: &mut Schemas) -> Self {
        let schema = schemas.add::<T>();
        let body = json!({"required": true, "content": {media_type: {"schema": schema}}});
        self.members.insert("requestBody".to_owned(), body);
        self
    }

    /// It answers this document.
    pub(crate) fn answers<T: ToSchema>(self, status: u16, schemas: &mut Schemas) -> Self {
        let schema = schemas.add::<T>();
        self.response(status, "application/json", schema)
    }

    /// It answers a plain list of these.
    pub(crate) fn list<T: ToSchema>(self, schemas: &mut Schemas) -> Self {
        let items = schemas.add::<T>();
        let list = json!({"type": "array", "items": items});
        self.response(200, "application/json", list)
    }

    /// It answers a page of these.
    pub(crate) fn page<T: ToSchema>(self, schemas: &mut Schemas) -> Self {
        let items = schemas.add::<T>();
        let next = json!({"type": "string", "description": "what to give as `after` for the next page; absent on the last one"});
        let page = json!({
            "type": "object",
            "required": ["items"],
            "properties": {"items": {"type": "array", "items": items}, "next": next},
        });
        self.response(200, "application/json", page)
    }

    /// It answers something that has no schema of ours.
    pub(crate) fn other(self, media_type: &str) -> Self {
        let schema = if media_type.ends_with("json") {
            json!({"type": "object"})
        } else {
            json!({"type": "string"})
        };
        self.response(200, media_type, schema)
    }

    /// It answers nothing.
    pub(crate) fn nothing(mut self, status: u16) -> Self {
        self.responses
            .insert(status.to_string(), json!({"description": "done"}));
        self
    }

    fn response(mut self, status: u16, media_type: &str, schema: Value) -> Self {
        let description = if status == 201 { "made" } else { "done" };
        let answer =
            json!({"description": description, "content": {media_type: {"schema": schema}}});
        self.responses.insert(status.to_string(), answer);
        self
    }

    /// It may have to wait for a second person.
    pub(crate) fn waits(mut self, schemas: &mut Schemas) -> Self {
        let schema = schemas.add::<Approval>();
        let answer = json!({
            "description": "nothing is changed yet: a second person must countersign it",
            "content": {"application/json": {"schema": schema}},
        });
        self.responses.insert("202".to_owned(), answer);
        self
    }

    /// A repetition with the same key happens once.
    pub(crate) fn keyed(self) -> Self {
        self.header(
            "Idempotency-Key",
            "makes a repetition harmless: the same key and request happen once within a day",
        )
    }

    /// It is refused when the record moved on.
    pub(crate) fn tagged(self) -> Self {
        self.header(
            "If-Match",
            "the ETag of the version that was read; 412 when it is another now",
        )
    }

    fn header(mut self, name: &str, description: &str) -> Self {
        let parameter = json!({"name": name, "in": "header", "required": false, "description": description, "schema": {"type": "string"}});
        self.parameters.push(parameter);
        self
    }

    /// The row as the document has it.
    pub(super) fn document(self) -> Value {
        let mut members = self.members;
        if !self.parameters.is_empty() {
            members.insert("parameters".to_owned(), Value::Array(self.parameters));
        }
        members.insert("responses".to_owned(), Value::Object(self.responses));
        Value::Object(members)
    }
}

/// The segments of a path that vary.
fn segments(path: &str) -> Vec<Value> {
    let varying = path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let parameter = |name: &str| {
        let name = name.trim_start_matches('*');
        json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
    };
    varying.map(parameter).collect()
}
