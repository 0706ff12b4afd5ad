//! A document as a tree of nodes with their places, and its comparison with the schema.
//!
//! Reading the typed form stops at the first mistake and does not always know where it was. The tree
//! is compared first, so that every unknown field, missing field and misspelt word of a document is
//! told at once, each with its line, its column and the nearest name.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

use super::{Located, Place};
use crate::policy::nearest;

/// A node and its place.
pub(super) type Node = Located<Shape>;

/// What a node is.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    Bool(bool),
    Integer(i64),
    List(Vec<Node>),
    Map(Vec<(Located<String>, Node)>),
    Null,
    Number,
    Text(String),
}

/// What is wrong, and where.
pub(super) type Finding = (Place, String);

/// Finds everything in a document that its schema does not allow.
pub(super) fn check(document: &Node, schema: &Value) -> Vec<Finding> {
    let nouns: Vec<_> = variants(schema).collect();
    let names = || nouns.iter().map(|(name, _)| *name);
    let Shape::Map(entries) = &document.value else {
        return vec![(
            document.place(),
            format!("expected one key, its noun: {}", listed(names())),
        )];
    };
    let mut findings = Vec::new();
    let mut entries = entries.iter();
    if let Some((key, body)) = entries.next() {
        match nouns.iter().find(|(name, _)| *name == key.value) {
            Some((_, schema_of_noun)) => {
                Check {
                    root: schema,
                    findings: &mut findings,
                }
                .node(&key.value, key.place(), body, schema_of_noun);
            }
            None => findings.push((key.place(), unknown("noun", &key.value, names()))),
        }
    }
    findings.extend(entries.map(|(key, _)| {
        (
            key.place(),
            format!(
                "`{}` is a second key: a document has one; separate documents by `---`",
                key.value
            ),
        )
    }));
    findings
}

fn variants(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let variants = schema
        .get("oneOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    variants
        .filter_map(|variant| variant.get("properties")?.as_object())
        .flatten()
        .map(|(name, body)| (name.as_str(), body))
}

struct Check<'a> {
    root: &'a Value,
    findings: &'a mut Vec<Finding>,
}

impl Check<'_> {
    /// Compares one node with its schema. `name` and `named_at` are of the key that leads to it.
    fn node(&mut self, name: &str, named_at: Place, node: &Node, schema: &Value) {
        let Some(schema) = self.resolved(schema) else {
            return;
        };
        let allows = |word: &str| match schema.get("type") {
            Some(Value::String(one)) => one == word,
            Some(Value::Array(several)) => several.iter().any(|one| one == word),
            _ => true,
        };
        let expected = match &node.value {
            Shape::Null if allows("null") => return,
            Shape::Null => "a value",
            Shape::Map(entries) if allows("object") => return self.map(named_at, entries, schema),
            Shape::List(items) if allows("array") => return self.list(name, items, schema),
            Shape::Bool(_) if allows("boolean") => return,
            Shape::Integer(number) if allows("integer") => {
                return self.integer(name, node.place(), *number, schema);
            }
            Shape::Bool(flag) if allows("string") => {
                return self.text(name, node.place(), &flag.to_string(), schema);
            }
            Shape::Text(text) if allows("string") => {
                return self.text(name, node.place(), text, schema);
            }
            Shape::Integer(_) | Shape::Number if allows("number") || allows("string") => return,
            _ if allows("object") => "fields of its own",
            _ if allows("array") => "a list",
            _ if allows("boolean") => "`true` or `false`",
            _ if allows("integer") => "a whole number",
            _ if allows("number") => "a number",
            _ => "text",
        };
        let place = if matches!(node.value, Shape::Null) {
            named_at
        } else {
            node.place()
        };
        self.findings
            .push((place, format!("`{name}` expects {expected}")));
    }

    /// The schema behind a reference, or behind the one alternative that is not null. Where there
    /// are several, the typed form decides.
    fn resolved<'s>(&self, schema: &'s Value) -> Option<&'s Value>
    where
        Self: 's,
    {
        resolve(self.root, schema)
    }

    fn map(&mut self, at: Place, entries: &[(Located<String>, Node)], schema: &Value) {
        let Some(fields) = schema.get("properties").and_then(Value::as_object) else {
            return;
        };
        for (key, body) in entries {
            match fields.get(&key.value) {
                Some(field) => self.node(&key.value, key.place(), body, field),
                None => {
                    let message = unknown("field", &key.value, fields.keys().map(String::as_str));
                    self.findings.push((key.place(), message));
                }
            }
        }
        let required = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        for field in required.filter(|field| !entries.iter().any(|(key, _)| key.value == *field)) {
            self.findings.push((at, format!("`{field}` is missing")));
        }
    }

    fn list(&mut self, name: &str, items: &[Node], schema: &Value) {
        if let Some(beyond) = items.get(LIST_LIMIT) {
            self.findings.push((
                beyond.place(),
                format!("`{name}` has more than {LIST_LIMIT} entries"),
            ));
        } else if let Some(schema) = schema.get("items") {
            for item in items {
                self.node(name, item.place(), item, schema);
            }
        }
    }

    fn integer(&mut self, name: &str, place: Place, number: i64, schema: &Value) {
        let bound = |word: &str| schema.get(word).and_then(Value::as_i64);
        let (least, greatest) = (
            bound("minimum").unwrap_or(i64::MIN),
            bound("maximum").unwrap_or(i64::MAX),
        );
        if !(least..=greatest).contains(&number) {
            self.findings.push((
                place,
                format!("`{name}` is {number}: expected {least} to {greatest}"),
            ));
        }
    }

    fn text(&mut self, name: &str, place: Place, text: &str, schema: &Value) {
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            let words = || words.iter().filter_map(Value::as_str);
            if !words().any(|word| word == text) {
                self.findings
                    .push((place, unknown(&format!("`{name}`"), text, words())));
            }
        }
    }
}

fn resolve<'s>(root: &'s Value, schema: &'s Value) -> Option<&'s Value> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return resolve(root, root.pointer(reference.strip_prefix('#')?)?);
    }
    let Some(alternatives) = schema.get("anyOf").and_then(Value::as_array) else {
        return Some(schema);
    };
    let mut others = alternatives
        .iter()
        .filter(|one| one.get("type").and_then(Value::as_str) != Some("null"));
    match (others.next(), others.next()) {
        (Some(only), None) => resolve(root, only),
        _ => None,
    }
}

fn unknown<'a>(what: &str, word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(word, known.clone()) {
        Some(near) => format!("unknown {what} `{word}`; did you mean `{near}`?"),
        None => format!("unknown {what} `{word}`; expected one of {}", listed(known)),
    }
}

fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// No list that people keep by hand is longer; a longer one would not fit one transaction.
const LIST_LIMIT: usize = 500;

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Shape, E> {
        Ok(Shape::Bool(flag))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Shape, E> {
        Ok(Shape::Integer(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Shape, E> {
        Ok(i64::try_from(number).map_or(Shape::Number, Shape::Integer))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Number)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Shape, E> {
        Ok(Shape::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Shape, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Shape::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Shape, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Shape::Map(entries))
    }
}
