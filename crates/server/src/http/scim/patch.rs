//! What a document or a patch of the directory sets (RFC 7644 §3.3, §3.5.1, §3.5.2), in the forms that Entra and Okta send.

use std::collections::BTreeSet;

use countersign_authority::scim::Membership;
use serde_json::{Map, Value};

use super::{GROUP, ScimFailure, USER, equals, plain};

/// What is set of a person; what is absent stays.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct UserChange {
    pub(super) user_name: Option<String>,
    pub(super) display_name: Option<String>,
    /// What they are called where no `displayName` says it.
    formatted: Option<String>,
    pub(super) external_id: Option<Option<String>>,
    pub(super) active: Option<bool>,
}

/// What is set of a group; what is absent stays.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct GroupChange {
    pub(super) display_name: Option<String>,
    pub(super) external_id: Option<Option<String>>,
    pub(super) members: Vec<Membership>,
}

impl UserChange {
    /// Of a whole person. What is not kept here is left out.
    pub(super) fn of(document: &Map<String, Value>) -> Result<Self, ScimFailure> {
        let mut change = Self::default();
        for (name, value) in attributes(document)? {
            if is_assigned(name, value) {
                change.set(name, value)?;
            }
        }
        Ok(change.named())
    }

    /// Of a patch.
    pub(super) fn patched(document: &Map<String, Value>) -> Result<Self, ScimFailure> {
        let mut change = Self::default();
        for operation in operations(document)? {
            match (operation.kind, operation.path) {
                (Kind::Put, Some(path)) => change.set(path, operation.value()?)?,
                (Kind::Put, None) => {
                    for (name, value) in operation.members()? {
                        change.set(name, value)?;
                    }
                }
                (Kind::Remove, Some(path)) if same(path, "externalId") => {
                    change.external_id = Some(None);
                }
                (Kind::Remove, Some(path)) if same(path, "displayName") => {
                    change.display_name = Some(String::new());
                }
                (Kind::Remove, Some(path)) if is_ignored(path) => {}
                (Kind::Remove, Some(_)) => {
                    return Err(ScimFailure::wrong(
                        "mutability",
                        "this attribute is not removed",
                    ));
                }
                (Kind::Remove, None) => return Err(no_target()),
            }
        }
        Ok(change.named())
    }

    /// `displayName` is what they are called, wherever it stands; `name.formatted` where there is none.
    fn named(mut self) -> Self {
        let formatted = self.formatted.take();
        self.display_name = self.display_name.or(formatted);
        self
    }

    fn set(&mut self, path: &str, value: &Value) -> Result<(), ScimFailure> {
        if same(path, "active") {
            self.active = Some(truth(value)?);
        } else if same(path, "userName") {
            self.user_name = Some(text(path, value)?);
        } else if same(path, "displayName") {
            self.display_name = Some(optional(path, value)?.unwrap_or_default());
        } else if same(path, "name.formatted") {
            self.formatted = Some(optional(path, value)?.unwrap_or_default());
        } else if same(path, "externalId") {
            self.external_id = Some(optional(path, value)?);
        } else if same(path, "name") {
            if let Some(formatted) = member(value, "formatted") {
                self.formatted = Some(optional(path, formatted)?.unwrap_or_default());
            }
        } else if !is_ignored(path) {
            return Err(unknown(path));
        }
        Ok(())
    }
}

impl GroupChange {
    /// Of a whole group.
    pub(super) fn of(document: &Map<String, Value>) -> Result<Self, ScimFailure> {
        let mut change = Self::default();
        for (name, value) in attributes(document)? {
            if is_assigned(name, value) {
                change.set(name, value)?;
            }
        }
        Ok(change)
    }

    /// Of a patch.
    pub(super) fn patched(document: &Map<String, Value>) -> Result<Self, ScimFailure> {
        let mut change = Self::default();
        for operation in operations(document)? {
            match (operation.kind, operation.path) {
                (Kind::Put, Some(path)) if same(path, "members") && operation.adds => {
                    let joining = ids(operation.value()?)?;
                    change.members.push(Membership::Join(joining));
                }
                (Kind::Put, Some(path)) => change.set(path, operation.value()?)?,
                (Kind::Put, None) => {
                    for (name, value) in operation.members()? {
                        if same(name, "members") && operation.adds {
                            change.members.push(Membership::Join(ids(value)?));
                        } else {
                            change.set(name, value)?;
                        }
                    }
                }
                (Kind::Remove, Some(path)) => change.remove(path, operation.value.as_ref())?,
                (Kind::Remove, None) => return Err(no_target()),
            }
        }
        Ok(change)
    }

    fn set(&mut self, path: &str, value: &Value) -> Result<(), ScimFailure> {
        if same(path, "displayName") {
            self.display_name = Some(text(path, value)?);
        } else if same(path, "externalId") {
            self.external_id = Some(optional(path, value)?);
        } else if same(path, "members") {
            self.members.push(Membership::Are(ids(value)?));
        } else if !is_common(path) {
            return Err(unknown(path));
        }
        Ok(())
    }

    fn remove(&mut self, path: &str, value: Option<&Value>) -> Result<(), ScimFailure> {
        if let Some(filter) = member_filter(path) {
            let one = one_member(filter)?;
            self.members.push(Membership::Leave(vec![one]));
        } else if same(path, "members") {
            self.members.push(match value {
                // Entra names those who leave beside the path.
                Some(value) => Membership::Leave(ids(value)?),
                None => Membership::Are(Vec::new()),
            });
        } else if same(path, "externalId") {
            self.external_id = Some(None);
        } else {
            return Err(ScimFailure::wrong(
                "mutability",
                "this attribute is not removed",
            ));
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Put,
    Remove,
}

struct Operation<'a> {
    kind: Kind,
    adds: bool,
    path: Option<&'a str>,
    value: Option<Value>,
}

impl Operation<'_> {
    fn value(&self) -> Result<&Value, ScimFailure> {
        let missing = || ScimFailure::wrong("invalidValue", "the operation has no `value`");
        self.value.as_ref().ok_or_else(missing)
    }

    fn members(&self) -> Result<Vec<(&str, &Value)>, ScimFailure> {
        attributes(self.value()?.as_object().ok_or_else(no_target)?)
    }
}

/// The attributes of an object by their plain names, also those that stand under the name of the core schema (RFC 7643 §3.3): a
/// departure is one however it is written.
fn attributes(object: &Map<String, Value>) -> Result<Vec<(&str, &Value)>, ScimFailure> {
    let mut found = Vec::new();
    unwrapped(object, &mut found)?;
    let mut names = BTreeSet::new();
    for (name, _) in &found {
        if !names.insert(name.to_ascii_lowercase()) {
            return Err(twice(name));
        }
    }
    Ok(found)
}

fn unwrapped<'a>(
    object: &'a Map<String, Value>,
    found: &mut Vec<(&'a str, &'a Value)>,
) -> Result<(), ScimFailure> {
    for (name, value) in object {
        if is_core(name) {
            let inner = value.as_object().ok_or_else(no_target)?;
            unwrapped(inner, found)?;
        } else {
            found.push((plain(name), value));
        }
    }
    Ok(())
}

/// Refuses a document that says something twice, in whatever spelling of one name: which of the two counts nobody can tell (T32).
pub(super) fn one_of_each(object: &Map<String, Value>) -> Result<(), ScimFailure> {
    let mut names = BTreeSet::new();
    for (name, value) in object {
        if !names.insert(plain(name).to_ascii_lowercase()) {
            return Err(twice(name));
        }
        let several = value.as_array().into_iter().flatten();
        for inner in several.chain([value]).filter_map(Value::as_object) {
            one_of_each(inner)?;
        }
    }
    Ok(())
}

/// The operations of a patch: their words in any case, as Entra writes them.
fn operations(document: &Map<String, Value>) -> Result<Vec<Operation<'_>>, ScimFailure> {
    let listed = document.iter().find(|(name, _)| same(name, "Operations"));
    let listed = listed.and_then(|(_, value)| value.as_array());
    let listed = listed.filter(|all| (1..=MOST_OPERATIONS).contains(&all.len()));
    let listed = listed.ok_or_else(|| {
        let detail = format!("a patch has 1 to {MOST_OPERATIONS} `Operations`");
        ScimFailure::wrong("invalidSyntax", &detail)
    })?;
    listed
        .iter()
        .map(|one| {
            let word = member(one, "op")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let (kind, adds) = match word.to_ascii_lowercase().as_str() {
                "add" => (Kind::Put, true),
                "replace" => (Kind::Put, false),
                "remove" => (Kind::Remove, false),
                _ => {
                    let detail = "`op` is `add`, `remove` or `replace`";
                    return Err(ScimFailure::wrong("invalidSyntax", detail));
                }
            };
            let path = member(one, "path").and_then(Value::as_str);
            Ok(Operation {
                kind,
                adds,
                // The whole of the core schema is what no path at all is.
                path: path
                    .map(|path| plain(path.trim()))
                    .filter(|path| !is_core(path)),
                value: member(one, "value").cloned(),
            })
        })
        .collect()
}

/// What stands behind the bracket of `members[`.
fn member_filter(path: &str) -> Option<&str> {
    let (head, filter) = path.split_once('[')?;
    same(head, "members").then_some(filter)
}

/// `value eq "ID"]`, and nothing more: half of a filter would be another one.
fn one_member(filter: &str) -> Result<String, ScimFailure> {
    let one = filter.strip_suffix(']').and_then(equals);
    match one {
        Some((attribute, id)) if same(attribute, "value") => Ok(id),
        _ => Err(ScimFailure::wrong(
            "invalidFilter",
            "members are named as `members[value eq \"ID\"]`, one in each operation",
        )),
    }
}

fn ids(value: &Value) -> Result<Vec<String>, ScimFailure> {
    if value.is_null() {
        return Ok(Vec::new());
    }
    let one = std::slice::from_ref(value);
    let all = value.as_array().map_or(one, Vec::as_slice);
    all.iter()
        .map(|one| match member(one, "value") {
            Some(Value::String(id)) => Ok(id.clone()),
            _ => Err(ScimFailure::wrong(
                "invalidValue",
                "each of `members` has a `value`",
            )),
        })
        .collect()
}

/// `true`, and `"True"` as Entra sends it.
fn truth(value: &Value) -> Result<bool, ScimFailure> {
    match value {
        Value::Bool(truth) => Ok(*truth),
        Value::String(text) if same(text, "true") => Ok(true),
        Value::String(text) if same(text, "false") => Ok(false),
        _ => Err(ScimFailure::wrong(
            "invalidValue",
            "`active` is true or false",
        )),
    }
}

fn text(path: &str, value: &Value) -> Result<String, ScimFailure> {
    let wrong = || ScimFailure::wrong("invalidValue", &format!("`{}` is a text", shown(path)));
    value.as_str().map(str::to_owned).ok_or_else(wrong)
}

fn optional(path: &str, value: &Value) -> Result<Option<String>, ScimFailure> {
    if value.is_null() {
        return Ok(None);
    }
    text(path, value).map(Some)
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let members = value.as_object()?;
    let found = members.iter().find(|(key, _)| same(key, name));
    found.map(|(_, value)| value)
}

/// Attribute names are compared without case (RFC 7643 §2.1).
fn same(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

/// An attribute that is null is not there (RFC 7643 §2.5). An `externalId` that is null is taken away.
fn is_assigned(name: &str, value: &Value) -> bool {
    !value.is_null() || same(plain(name), "externalId")
}

/// What every resource has and nobody sets.
fn is_common(path: &str) -> bool {
    ["schemas", "id", "meta"]
        .iter()
        .any(|name| same(path, name))
}

/// What directories send of people and is not kept here.
fn is_ignored(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let head = lower.split(['.', '[', ':']).next().unwrap_or_default();
    is_common(path) || IGNORED.contains(&head)
}

fn is_core(name: &str) -> bool {
    same(name, USER) || same(name, GROUP)
}

fn twice(name: &str) -> ScimFailure {
    ScimFailure::wrong(
        "invalidSyntax",
        &format!("`{}` stands there twice", shown(name)),
    )
}

fn no_target() -> ScimFailure {
    ScimFailure::wrong("noTarget", "the operation names no attribute")
}

fn unknown(path: &str) -> ScimFailure {
    ScimFailure::wrong(
        "invalidPath",
        &format!("there is no attribute `{}`", shown(path)),
    )
}

fn shown(path: &str) -> String {
    path.chars().take(64).flat_map(char::escape_debug).collect()
}

/// Attributes of the core and enterprise schemas (RFC 7643 §4.1, §4.3); the last is how the latter's names begin.
const IGNORED: [&str; 19] = [
    "name",
    "emails",
    "phonenumbers",
    "addresses",
    "title",
    "usertype",
    "locale",
    "timezone",
    // Nobody has one here, and directories send one.
    "password",
    "preferredlanguage",
    "nickname",
    "profileurl",
    "photos",
    "ims",
    "roles",
    "entitlements",
    "groups",
    "x509certificates",
    "urn",
];
/// Entra sends some dozens.
const MOST_OPERATIONS: usize = 200;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(operations: Value) -> Result<UserChange, ScimFailure> {
        let document = json!({ "Operations": operations });
        UserChange::patched(document.as_object().unwrap())
    }

    fn group(operations: Value) -> GroupChange {
        let document = json!({ "Operations": operations });
        GroupChange::patched(document.as_object().unwrap()).unwrap_or_default()
    }

    #[test]
    fn a_departure_is_understood_in_the_forms_of_entra_and_of_okta() {
        for operations in [
            json!([{ "op": "Replace", "path": "active", "value": "False" }]),
            json!([{ "op": "replace", "value": { "active": false } }]),
            json!([{ "op": "Add", "path": "urn:ietf:params:scim:schemas:core:2.0:User:active", "value": "false" }]),
            json!([{ "OP": "REPLACE", "Path": "Active", "Value": false }]),
        ] {
            let change = user(operations.clone())
                .ok()
                .and_then(|change| change.active);
            assert_eq!(change, Some(false), "{operations}");
        }
        for operations in [
            json!([{ "op": "replace", "path": "active", "value": "no" }]),
            json!([{ "op": "replace", "path": "active" }]),
            json!([{ "op": "move", "path": "active", "value": false }]),
            json!([{ "op": "replace", "path": "secret", "value": "x" }]),
            json!([{ "op": "remove", "path": "active" }]),
            json!([{ "op": "remove" }]),
            json!([]),
        ] {
            assert!(user(operations.clone()).is_err(), "{operations}");
        }
    }

    #[test]
    fn what_is_null_is_not_there_and_a_display_name_comes_before_a_formatted_one() {
        let whole = |document: Value| UserChange::of(document.as_object().unwrap()).ok();
        let empty = json!({ "displayName": null, "userName": null, "active": null, "name": null, "password": "x" });
        assert_eq!(whole(empty), Some(UserChange::default()));
        let called = |change: Option<UserChange>| change.and_then(|change| change.display_name);
        for document in [
            json!({ "displayName": "a", "name": { "formatted": "b" } }),
            json!({ "displayName": null, "name": { "formatted": "a" } }),
        ] {
            assert_eq!(
                called(whole(document.clone())).as_deref(),
                Some("a"),
                "{document}"
            );
        }
        for (operations, name) in [
            (
                json!([{ "op": "add", "path": "displayName", "value": "a" }, { "op": "add", "path": "name.formatted", "value": "b" }]),
                "a",
            ),
            (
                json!([{ "op": "add", "path": "name.formatted", "value": "b" }, { "op": "add", "path": "displayName", "value": "a" }]),
                "a",
            ),
            (
                json!([{ "op": "add", "value": { "name": { "formatted": "b" }, "active": true } }]),
                "b",
            ),
            (
                json!([{ "op": "replace", "path": "displayName", "value": null }]),
                "",
            ),
        ] {
            assert_eq!(
                called(user(operations.clone()).ok()).as_deref(),
                Some(name),
                "{operations}"
            );
        }
        let whole = |document: Value| GroupChange::of(document.as_object().unwrap()).ok();
        let empty = json!({ "displayName": null, "members": null });
        assert_eq!(whole(empty), Some(GroupChange::default()));
        let none = group(json!([{ "op": "replace", "path": "members", "value": null }]));
        assert_eq!(none.members, [Membership::Are(Vec::new())]);
    }

    #[test]
    fn members_come_and_go_in_the_forms_of_entra_and_of_okta() {
        let ids = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>();
        let added = group(
            json!([{ "op": "Add", "path": "members", "value": [{ "value": "a" }, { "value": "b" }] }]),
        );
        assert_eq!(added.members, [Membership::Join(ids(&["a", "b"]))]);
        for operations in [
            json!([{ "op": "Remove", "path": "members", "value": [{ "value": "a" }] }]),
            json!([{ "op": "remove", "path": "members[value eq \"a\"]" }]),
            json!([{ "op": "remove", "path": "Members[ Value  EQ \"a\" ]" }]),
        ] {
            let gone = [Membership::Leave(ids(&["a"]))];
            assert_eq!(group(operations.clone()).members, gone, "{operations}");
        }
        let several = group(json!([
            { "op": "remove", "path": "members" },
            { "op": "add", "value": { "members": [{ "value": "b" }] } },
            { "op": "replace", "path": "members", "value": [{ "value": "c" }] },
        ]));
        let steps = [
            Membership::Are(Vec::new()),
            Membership::Join(ids(&["b"])),
            Membership::Are(ids(&["c"])),
        ];
        assert_eq!(several.members, steps);
        let named =
            group(json!([{ "op": "replace", "value": { "id": "x", "displayName": "New" } }]));
        assert_eq!(named.display_name.as_deref(), Some("New"));
    }
}
