//! JSON objects from outside: no member twice, at any depth, and bounded.
//!
//! Two parsers may disagree on which of two equal members counts; where one checks and another
//! uses, that is a way in. So a repeated member is an error here (RFC 8725 §2.4, T5, T24).

use std::{cell::Cell, fmt};

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use thiserror::Error;

/// How large a document may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// In bytes.
    pub bytes: usize,
    /// In objects and arrays within each other.
    pub depth: usize,
    /// In members of all its objects together.
    pub members: usize,
}

/// The bytes are not one bounded JSON object without repeated members.
#[derive(Debug, Error)]
pub enum StrictJsonError {
    /// More bytes than allowed.
    #[error("longer than {0} bytes")]
    Length(usize),
    /// Not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// What the parser says.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

/// Parses one object.
///
/// # Errors
/// When the bytes are not one JSON object, a member comes twice, a number is not finite, or a
/// limit is passed.
pub fn object(bytes: &[u8], limits: &Limits) -> Result<Map<String, Value>, StrictJsonError> {
    if bytes.len() > limits.bytes {
        return Err(StrictJsonError::Length(limits.bytes));
    }
    let members = Cell::new(limits.members);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict {
        depth: limits.depth,
        members: &members,
    }
    .deserialize(&mut deserializer)?;
    deserializer.end()?;
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(StrictJsonError::NotAnObject),
    }
}

/// Reads one value, with so much depth and so many members left.
#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    members: &'a Cell<usize>,
}

impl Strict<'_> {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1);
        let depth = depth.ok_or_else(|| E::custom("objects and arrays lie too deep"))?;
        Ok(Self {
            depth,
            members: self.members,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number is not finite"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(inner)? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let left = self.members.get().checked_sub(1);
            self.members
                .set(left.ok_or_else(|| de::Error::custom("too many members"))?);
            if map.contains_key(&name) {
                let name: String = name.chars().take(64).collect();
                return Err(de::Error::custom(format!(
                    "the member `{name}` comes twice"
                )));
            }
            map.insert(name, members.next_value_seed(inner)?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Limits = Limits {
        bytes: 1024,
        depth: 3,
        members: 4,
    };

    fn parse(json: &str) -> Result<Map<String, Value>, StrictJsonError> {
        object(json.as_bytes(), &SMALL)
    }

    #[test]
    fn a_plain_object_reads_as_it_is() {
        let json = r#"{"a":[1,-2,0.5,"x",null,true],"b":{"c":{}}}"#;
        assert_eq!(
            Value::Object(parse(json).unwrap()),
            json.parse::<Value>().unwrap()
        );
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        for json in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":1,"a":1}}"#,
            r#"{"x":[{"a":1,"a":1}]}"#,
            r#"{"a":1}{"a":1}"#,
            r#"{"a":1} x"#,
            r#"{"a":1e400}"#,
            r#"{"a":NaN}"#,
            r#"{"a":01}"#,
            r#"{"a":1,}"#,
            r#"{"a":"\ud800"}"#,
            "\u{feff}{}",
            "[]",
            "1",
            "",
        ] {
            assert!(parse(json).is_err(), "{json}");
        }
        assert!(object(b"{\"a\":\"\xff\"}", &SMALL).is_err());
    }

    #[test]
    fn every_limit_holds() {
        assert!(parse(r#"{"a":[[1]]}"#).is_ok());
        assert!(parse(r#"{"a":[[[1]]]}"#).is_err());
        assert!(parse(r#"{"a":1,"b":1,"c":{"d":1}}"#).is_ok());
        assert!(parse(r#"{"a":1,"b":1,"c":{"d":1,"e":1}}"#).is_err());
        assert!(parse(&format!("{{\"a\":\"{}\"}}", "x".repeat(1016))).is_ok());
        assert!(parse(&format!("{{\"a\":\"{}\"}}", "x".repeat(1017))).is_err());
        assert!(parse(&format!("{{\"a\":{}", "[".repeat(1000))).is_err());
    }
}
