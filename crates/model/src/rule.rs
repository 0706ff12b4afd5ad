//! Rules of the automation: conditions on an event, and parameters that are filled from it.
//!
//! Both are data and no language: whoever writes a rule can neither loop nor let a text grow, and what a rule does can be
//! read off it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// As many conditions as one rule can still be read with.
pub const MOST_CONDITIONS: usize = 20;

/// A condition on one field of an event. Each part that is there must be met.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The field: `payload.status`, `payload.commits.0.id`.
    pub field: String,
    /// It is one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub is: Vec<Value>,
    /// It is none of these; a field that is missing is none of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub is_not: Vec<Value>,
    /// Whether it is there at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// It is a text that begins so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins_with: Option<String>,
    /// It is a number above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// It is a number below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
}

impl Condition {
    /// Whether the event meets it.
    #[must_use]
    pub fn is_met(&self, event: &Value) -> bool {
        let found = at(event, &self.field);
        let number = found.and_then(Value::as_f64);
        let among = |values: &[Value]| found.is_some_and(|found| values.contains(found));
        let begins = |start: &String| {
            found
                .and_then(Value::as_str)
                .is_some_and(|text| text.starts_with(start.as_str()))
        };
        (self.is.is_empty() || among(&self.is))
            && !among(&self.is_not)
            && self.exists.is_none_or(|exists| exists == found.is_some())
            && self.begins_with.as_ref().is_none_or(begins)
            && self
                .above
                .is_none_or(|above| number.is_some_and(|number| number > above))
            && self
                .below
                .is_none_or(|below| number.is_some_and(|number| number < below))
    }

    /// Whether it asks for nothing: such a condition was meant to say something.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let nothing = Self {
            field: self.field.clone(),
            ..Self::default()
        };
        *self == nothing
    }
}

/// The value at a dotted path; a number is a place in a list.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, part| match value {
        Value::Object(members) => members.get(part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Fills parameters from an event. A text that is one placeholder alone, `{{ event.payload.count }}`, becomes the value
/// itself; among other text a placeholder stands for the value as text.
///
/// # Errors
/// Names what the event does not say.
pub fn fill(template: &Map<String, Value>, event: &Value) -> Result<Map<String, Value>, Unfilled> {
    let filled = template
        .iter()
        .map(|(name, value)| Ok((name.clone(), filled(value, event)?)));
    filled.collect()
}

/// A placeholder that cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{{{{ {0} }}}}` is not in the event")]
pub struct Unfilled(String);

fn filled(value: &Value, event: &Value) -> Result<Value, Unfilled> {
    Ok(match value {
        Value::Array(items) => {
            let items = items.iter().map(|item| filled(item, event));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Value::Object(members) => Value::Object(fill(members, event)?),
        Value::String(text) => text_filled(text, event)?,
        Value::Bool(_) | Value::Null | Value::Number(_) => value.clone(),
    })
}

fn text_filled(text: &str, event: &Value) -> Result<Value, Unfilled> {
    let mut pieces = pieces(text).peekable();
    let mut out = String::new();
    let mut first = true;
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Placeholder(path) => {
                let value = named(path, event)?;
                if first && pieces.peek().is_none() {
                    return Ok(value.clone());
                }
                match value {
                    Value::String(text) => out.push_str(text),
                    other => out.push_str(&other.to_string()),
                }
            }
        }
        first = false;
    }
    Ok(Value::String(out))
}

fn named<'a>(path: &str, event: &'a Value) -> Result<&'a Value, Unfilled> {
    path.strip_prefix("event.")
        .and_then(|path| at(event, path))
        .ok_or_else(|| Unfilled(path.to_owned()))
}

/// The placeholders of parameters that name nothing of an event, whatever the event says: a mistake to be told early.
#[must_use]
pub fn misspelt(template: &Value) -> Option<String> {
    match template {
        Value::Array(items) => items.iter().find_map(misspelt),
        Value::Object(members) => members.values().find_map(misspelt),
        Value::String(text) => pieces(text).find_map(|piece| match piece {
            Piece::Placeholder(path) if !KNOWN.iter().any(|known| begins(path, known)) => {
                Some(path.to_owned())
            }
            Piece::Placeholder(_) | Piece::Text(_) => None,
        }),
        Value::Bool(_) | Value::Null | Value::Number(_) => None,
    }
}

fn begins(path: &str, known: &str) -> bool {
    path.strip_prefix(known)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What an event has.
const KNOWN: [&str; 5] = [
    "event.created_at",
    "event.created_by",
    "event.id",
    "event.payload",
    "event.trigger_type",
];

enum Piece<'a> {
    Text(&'a str),
    Placeholder(&'a str),
}

/// A text without an end to its placeholder is text.
fn pieces(mut text: &str) -> impl Iterator<Item = Piece<'_>> {
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        let begins = text.find("{{");
        let placeholder = begins.filter(|begins| *begins == 0).and_then(|_| {
            let (inside, rest) = text.get(2..)?.split_once("}}")?;
            Some((inside.trim(), rest))
        });
        if let Some((path, rest)) = placeholder {
            text = rest;
            return Some(Piece::Placeholder(path));
        }
        // Up to the next placeholder, past braces that begin none.
        let from = if begins == Some(0) { 2 } else { 0 };
        let next = text.get(from..).and_then(|rest| rest.find("{{"));
        let (piece, rest) = text.split_at(next.map_or(text.len(), |next| from + next));
        text = rest;
        Some(Piece::Text(piece))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event() -> Value {
        json!({
            "id": "e1", "trigger_type": "core.webhook",
            "payload": { "status": "deployed", "count": 3, "commits": [{ "id": "abc" }], "brace": "{{ event.id }}" },
        })
    }

    fn met(condition: Value) -> bool {
        serde_json::from_value::<Condition>(condition)
            .unwrap()
            .is_met(&event())
    }

    #[test]
    fn each_part_of_a_condition_counts() {
        for (condition, expected) in [
            (
                json!({ "field": "payload.status", "is": ["deployed", "failed"] }),
                true,
            ),
            (
                json!({ "field": "payload.status", "is": ["failed"] }),
                false,
            ),
            (
                json!({ "field": "payload.status", "is_not": ["failed"] }),
                true,
            ),
            (
                json!({ "field": "payload.status", "is_not": ["deployed"] }),
                false,
            ),
            (
                json!({ "field": "payload.none", "is_not": ["deployed"] }),
                true,
            ),
            (json!({ "field": "payload.none", "exists": false }), true),
            (json!({ "field": "payload.status", "exists": false }), false),
            (
                json!({ "field": "payload.status", "begins_with": "dep" }),
                true,
            ),
            (
                json!({ "field": "payload.count", "begins_with": "3" }),
                false,
            ),
            (
                json!({ "field": "payload.count", "above": 2, "below": 4 }),
                true,
            ),
            (json!({ "field": "payload.count", "above": 3 }), false),
            (
                json!({ "field": "payload.count", "is": [3], "below": 3 }),
                false,
            ),
            (json!({ "field": "payload.status", "above": 0 }), false),
            (
                json!({ "field": "payload.commits.0.id", "is": ["abc"] }),
                true,
            ),
            (
                json!({ "field": "payload.commits.1.id", "is": ["abc"] }),
                false,
            ),
        ] {
            assert_eq!(met(condition.clone()), expected, "{condition}");
        }
    }

    #[test]
    fn a_condition_that_says_nothing_is_recognised() {
        let read = |value: Value| serde_json::from_value::<Condition>(value).unwrap();
        assert!(read(json!({ "field": "payload.status" })).is_empty());
        assert!(!read(json!({ "field": "payload.status", "exists": true })).is_empty());
        assert!(serde_json::from_value::<Condition>(json!({ "field": "a", "iss": [1] })).is_err());
    }

    #[test]
    fn a_placeholder_alone_keeps_its_type_and_what_it_brings_is_never_filled_again() {
        let template = json!({
            "count": "{{ event.payload.count }}", "line": "{{event.payload.status}} x{{ event.payload.count }}!",
            "list": ["{{ event.payload.commits.0.id }}", 1], "plain": "a {{ b", "brace": "{{ event.payload.brace }}",
            "nested": { "all": "{{ event.payload.commits }}" },
        });
        let Value::Object(template) = template else {
            unreachable!()
        };
        let filled = Value::Object(fill(&template, &event()).unwrap());
        assert_eq!(
            filled,
            json!({
                "count": 3, "line": "deployed x3!", "list": ["abc", 1], "plain": "a {{ b", "brace": "{{ event.id }}",
                "nested": { "all": [{ "id": "abc" }] },
            })
        );
    }

    #[test]
    fn what_the_event_does_not_say_is_named() {
        let template = |text: &str| Map::from_iter([("a".to_owned(), json!(text))]);
        for text in ["{{ event.payload.none }}", "x {{ payload.status }}", "{{}}"] {
            assert!(fill(&template(text), &event()).is_err(), "{text}");
        }
        assert_eq!(
            fill(&template("{{ event.payload.none }}"), &event())
                .unwrap_err()
                .to_string(),
            "`{{ event.payload.none }}` is not in the event"
        );
        assert_eq!(
            misspelt(&json!({ "a": ["{{ evnt.payload }}"] })).as_deref(),
            Some("evnt.payload")
        );
        assert_eq!(
            misspelt(&json!("{{ event.payloads }}")).as_deref(),
            Some("event.payloads")
        );
        assert_eq!(
            misspelt(&json!("{{ event.payload.a }} {{ event.id }}")),
            None
        );
    }
}
