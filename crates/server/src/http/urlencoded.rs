//! Forms and query strings as values: every name at most once, an empty value as if it were absent
//! (RFC 6749 §3.1 and §3.2), unknown names as the type says.

use std::{borrow::Cow, fmt};

use serde::{
    de::{self, DeserializeOwned, Deserializer, IntoDeserializer, MapAccess, Visitor},
    forward_to_deserialize_any,
};
use thiserror::Error;

use crate::http::{decode::form_component, limits::PARAMETERS};

/// Why a form or query string is refused. Values are never shown: one may be a secret.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InvalidForm {
    /// A parameter came twice.
    #[error("parameter `{0}` is given more than once")]
    Duplicate(String),
    /// A name or value is not well formed.
    #[error("the parameters are not well-formed application/x-www-form-urlencoded text in UTF-8")]
    Encoding,
    /// There are more parameters than any request has.
    #[error("more than {PARAMETERS} parameters")]
    Many,
    /// The values do not fit.
    #[error("{0}")]
    Value(String),
}

/// Reads the text as a value.
///
/// # Errors
/// What is wrong, without showing a value.
pub fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, InvalidForm> {
    let pairs = pairs(text)?;
    T::deserialize(Pairs {
        rest: pairs.into_iter(),
        value: None,
    })
}

/// The parameters that have a value, in their order.
///
/// # Errors
/// When the text is not well formed, or a name comes twice.
pub fn pairs(text: &[u8]) -> Result<Vec<(String, String)>, InvalidForm> {
    let mut pairs: Vec<(String, String)> = Vec::with_capacity(8);
    for part in text.split(|b| *b == b'&').filter(|part| !part.is_empty()) {
        let mut sides = part.splitn(2, |b| *b == b'=');
        let name = sides
            .next()
            .and_then(form_component)
            .ok_or(InvalidForm::Encoding)?;
        let value =
            form_component(sides.next().unwrap_or_default()).ok_or(InvalidForm::Encoding)?;
        if pairs.iter().any(|(seen, _)| *seen == name) {
            return Err(InvalidForm::Duplicate(name.chars().take(64).collect()));
        }
        if pairs.len() == PARAMETERS {
            return Err(InvalidForm::Many);
        }
        pairs.push((name, value));
    }
    pairs.retain(|(_, value)| !value.is_empty());
    Ok(pairs)
}

struct Pairs {
    rest: std::vec::IntoIter<(String, String)>,
    value: Option<String>,
}

impl<'de> Deserializer<'de> for Pairs {
    type Error = InvalidForm;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidForm> {
        visitor.visit_map(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Pairs {
    type Error = InvalidForm;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, InvalidForm> {
        let Some((name, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(name.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, InvalidForm> {
        seed.deserialize(Part(self.value.take().unwrap_or_default()))
    }
}

/// One value, read as what the type asks for.
struct Part(String);

macro_rules! numbers {
    ($($method:ident $visit:ident $number:ty,)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidForm> {
                // The value is not shown, so that nothing secret is sent back by mistake.
                let number: $number = self.0.parse().map_err(|_| InvalidForm::Value(expected("a whole number")))?;
                visitor.$visit(number)
            }
        )*
    };
}

impl<'de> Deserializer<'de> for Part {
    type Error = InvalidForm;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidForm> {
        visitor.visit_string(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidForm> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, InvalidForm> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidForm> {
        match self.0.as_str() {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(InvalidForm::Value(expected("`true` or `false`"))),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, InvalidForm> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    numbers! {
        deserialize_i64 visit_i64 i64,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    forward_to_deserialize_any! {
        i8 i16 i32 u8 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl de::Error for InvalidForm {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        Self::Value(message.chars().take(LONGEST_MESSAGE).collect())
    }

    fn invalid_value(_: de::Unexpected<'_>, wanted: &dyn de::Expected) -> Self {
        Self::Value(format!("a parameter has the wrong form: expected {wanted}"))
    }

    fn invalid_type(_: de::Unexpected<'_>, wanted: &dyn de::Expected) -> Self {
        Self::Value(format!("a parameter has the wrong form: expected {wanted}"))
    }

    fn missing_field(name: &'static str) -> Self {
        Self::Value(format!("parameter `{name}` is missing"))
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        let name: Cow<'_, str> = name.chars().take(64).flat_map(char::escape_debug).collect();
        Self::Value(format!(
            "unknown parameter `{name}`: expected one of {}",
            known.join(", ")
        ))
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self::Duplicate(name.to_owned())
    }
}

fn expected(what: &str) -> String {
    format!("a parameter has the wrong form: expected {what}")
}

/// Long enough for a sentence, too short for a payload.
const LONGEST_MESSAGE: usize = 240;

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Example {
        name: String,
        #[serde(default)]
        limit: Option<u32>,
        #[serde(default)]
        watch: Option<bool>,
        #[serde(default)]
        kind: Option<countersign_model::identity::Kind>,
        #[serde(default)]
        at: Option<countersign_model::Id<countersign_model::id::Identity>>,
    }

    fn refused(text: &str) -> String {
        parse::<Example>(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn values_are_read_as_what_the_type_asks_for() {
        let text =
            b"name=a+%C3%A4&limit=7&watch=true&kind=bot&at=0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21";
        let example: Example = parse(text).unwrap();
        assert_eq!(
            (example.name.as_str(), example.limit, example.watch),
            ("a ä", Some(7), Some(true))
        );
        assert!(example.kind.is_some() && example.at.is_some());
    }

    #[test]
    fn an_empty_value_is_absent() {
        assert_eq!(
            parse::<Example>(b"name=a&limit=&&watch").unwrap().limit,
            None
        );
        assert_eq!(refused("name="), "parameter `name` is missing");
    }

    #[test]
    fn t5_a_parameter_comes_at_most_once() {
        for text in [
            "name=a&name=b",
            "name=a&name=a",
            "name=a&n%61me=b",
            "name=a&name=",
            "name=a&name",
            "other=1&other=2",
        ] {
            assert!(refused(text).contains("more than once"), "{text}");
        }
    }

    #[test]
    fn malformed_text_is_refused_and_no_value_is_shown() {
        assert!(refused("name=%zz").contains("well-formed"));
        assert!(refused("name=a&limit=s3cret").contains("a whole number"));
        assert!(!refused("name=a&limit=s3cret").contains("s3cret"));
        assert!(!refused("name=a&watch=s3cret").contains("s3cret"));
        assert!(refused("name=a&other=s3cret").starts_with("unknown parameter `other`"));
        let many: String = (0..=PARAMETERS).map(|n| format!("p{n}=1&")).collect();
        assert_eq!(pairs(many.as_bytes()).unwrap_err(), InvalidForm::Many);
    }
}
