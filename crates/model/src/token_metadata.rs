//! What a token of Countersign's own API is bound to: trigger types, an execution, paths, addresses.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::cidr::Cidr;

/// As many as one sensor watches or one system calls; a longer list is two identities.
const MOST: usize = 50;

/// The longest text of each: as long as a name of the systems that it comes from.
const BYTES: usize = 255;

/// What a token is bound to. Each part that is there narrows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenMetadata {
    /// The trigger types that a sensor creates events of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trigger_types: Vec<String>,
    /// The one execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<ForeignId>,
    /// The action that is executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_ref: Option<String>,
    /// The execution that started this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<ForeignId>,
    /// The paths that may be called, decoded and without `/api`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_paths: Vec<String>,
    /// The networks that it may be used from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip_whitelist: Vec<Cidr>,
}

/// An id that another system gave out: a number or a text. Compared as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ForeignId {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

/// What is wrong with metadata.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`metadata`: {0}")]
pub struct InvalidMetadata(String);

impl TokenMetadata {
    /// Whether it binds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses what is too long, and a path that has another spelling.
    ///
    /// # Errors
    /// Names the member.
    pub fn check(&self) -> Result<(), InvalidMetadata> {
        let texts = [
            ("trigger_types", &self.trigger_types),
            ("allowed_paths", &self.allowed_paths),
        ];
        for (name, texts) in texts {
            count(name, texts.len())?;
            texts.iter().try_for_each(|text| length(name, text))?;
        }
        count("ip_whitelist", self.ip_whitelist.len())?;
        for (name, id) in [
            ("execution_id", &self.execution_id),
            ("workflow_id", &self.workflow_id),
        ] {
            if let Some(id) = id {
                length(name, &id.to_string())?;
            }
        }
        if let Some(text) = &self.action_ref {
            length("action_ref", text)?;
        }
        self.allowed_paths.iter().try_for_each(|path| plain(path))
    }

    /// What the free data of an identity says of it; other members are nobody's business here.
    ///
    /// # Errors
    /// Names the member that is not understood.
    pub fn of_identity(data: &Map<String, Value>) -> Result<Self, InvalidMetadata> {
        let own: Map<String, Value> = data
            .iter()
            .filter(|(name, _)| MEMBERS.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let read: Self = serde_json::from_value(Value::Object(own))
            .map_err(|error| InvalidMetadata(error.to_string()))?;
        read.check()?;
        Ok(read)
    }

    /// Whether what is bound to the other is bound to this too: every list of the other lies within the one here.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        within(&self.trigger_types, &other.trigger_types)
            && within(&self.allowed_paths, &other.allowed_paths)
            && within(&self.ip_whitelist, &other.ip_whitelist)
            && same(self.execution_id.as_ref(), other.execution_id.as_ref())
            && same(self.action_ref.as_ref(), other.action_ref.as_ref())
            && same(self.workflow_id.as_ref(), other.workflow_id.as_ref())
    }

    /// Whether a path, decoded and without `/api`, may be called.
    #[must_use]
    pub fn allows_path(&self, path: &str) -> bool {
        self.allowed_paths.is_empty() || self.allowed_paths.iter().any(|allowed| allowed == path)
    }

    /// Whether an address may use it.
    #[must_use]
    pub fn allows_address(&self, address: IpAddr) -> bool {
        self.ip_whitelist.is_empty()
            || self
                .ip_whitelist
                .iter()
                .any(|network| network.contains(address))
    }
}

impl fmt::Display for ForeignId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

fn count(name: &str, found: usize) -> Result<(), InvalidMetadata> {
    if found <= MOST {
        return Ok(());
    }
    Err(InvalidMetadata(format!(
        "`{name}` takes at most {MOST} entries"
    )))
}

fn length(name: &str, text: &str) -> Result<(), InvalidMetadata> {
    if (1..=BYTES).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(InvalidMetadata(format!(
        "`{name}` takes texts of 1 to {BYTES} bytes without control characters"
    )))
}

/// A path has one spelling, so that comparing it is enough (T26).
fn plain(path: &str) -> Result<(), InvalidMetadata> {
    let rest = path.strip_prefix('/');
    let segments = |rest: &str| rest.split('/').all(|one| !matches!(one, "" | "." | ".."));
    let fits = rest.is_some_and(segments) && !path.contains(['%', '?', '#', '\\', '*', ' ']);
    let shown: String = path.chars().take(64).collect();
    if !fits {
        return Err(InvalidMetadata(format!(
            "`{shown}` is no plain path: it begins with `/` and has no escapes, patterns, query or dot segments"
        )));
    }
    if path == "/api" || path.starts_with("/api/") {
        return Err(InvalidMetadata(format!(
            "`{shown}` begins with `/api`: write it without, as `{}`",
            shown.trim_start_matches("/api")
        )));
    }
    Ok(())
}

fn within<T: PartialEq>(wide: &[T], narrow: &[T]) -> bool {
    wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(|one| wide.contains(one)))
}

fn same<T: PartialEq>(wide: Option<&T>, narrow: Option<&T>) -> bool {
    wide.is_none() || wide == narrow
}

const MEMBERS: [&str; 6] = [
    "trigger_types",
    "execution_id",
    "action_ref",
    "workflow_id",
    "allowed_paths",
    "ip_whitelist",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metadata(value: Value) -> TokenMetadata {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_narrows_nothing_is_not_taken_for_metadata() {
        for misspelt in [
            json!({ "trigger_type": ["core.timer"] }),
            json!({ "ip_whitelist": ["10.0.0.0/33"] }),
            json!({ "trigger_types": "core.timer" }),
        ] {
            assert!(serde_json::from_value::<TokenMetadata>(misspelt).is_err());
        }
    }

    #[test]
    fn a_path_has_one_spelling_and_is_written_without_api() {
        for path in ["/webhooks/deploy", "/webhooks/a-b_c.d~e"] {
            assert_eq!(metadata(json!({ "allowed_paths": [path] })).check(), Ok(()));
        }
        for path in [
            "",
            "/",
            "webhooks",
            "/api/webhooks/deploy",
            "/api",
            "/a//b",
            "/a/../b",
            "/a/./b",
            "/a/%2e%2e/b",
            "/a/*",
            "/a?b",
            "/a#b",
            "/a/",
            "/a\\b",
        ] {
            let found = metadata(json!({ "allowed_paths": [path] })).check();
            assert!(found.is_err(), "{path}");
        }
    }

    #[test]
    fn t34_every_limit_is_checked() {
        let text = |bytes: usize| "a".repeat(bytes);
        let many = |most: usize| vec!["core.timer"; most];
        assert!(
            metadata(json!({ "trigger_types": many(50) }))
                .check()
                .is_ok()
        );
        assert!(
            metadata(json!({ "trigger_types": [text(255)] }))
                .check()
                .is_ok()
        );
        for over in [
            json!({ "trigger_types": many(51) }),
            json!({ "trigger_types": [text(256)] }),
            json!({ "trigger_types": ["a\nb"] }),
            json!({ "execution_id": text(256) }),
            json!({ "workflow_id": "" }),
            json!({ "action_ref": text(256) }),
            json!({ "ip_whitelist": vec!["10.0.0.0/8"; 51] }),
        ] {
            assert!(metadata(over.clone()).check().is_err(), "{over}");
        }
    }

    #[test]
    fn an_identity_that_was_narrowed_no_longer_covers_what_it_had() {
        let wide = metadata(json!({ "trigger_types": ["core.timer", "core.interval"] }));
        let narrow = metadata(json!({ "trigger_types": ["core.timer"] }));
        assert!(
            wide.covers(&narrow) && wide.covers(&wide) && TokenMetadata::default().covers(&wide)
        );
        assert!(!narrow.covers(&wide) && !wide.covers(&TokenMetadata::default()));
        let bound = metadata(json!({ "ip_whitelist": ["10.0.0.0/8"] }));
        assert!(!bound.covers(&TokenMetadata::default()));
        let execution = metadata(json!({ "execution_id": 456 }));
        assert!(!execution.covers(&metadata(json!({ "execution_id": 457 }))));
    }

    #[test]
    fn free_data_beside_it_is_left_alone() {
        let Value::Object(data) =
            json!({ "scope": "sensor", "team": "blue", "trigger_types": ["core.timer"] })
        else {
            unreachable!()
        };
        let read = TokenMetadata::of_identity(&data).unwrap();
        assert_eq!(read, metadata(json!({ "trigger_types": ["core.timer"] })));
        let Value::Object(data) = json!({ "ip_whitelist": ["everywhere"] }) else {
            unreachable!()
        };
        assert!(TokenMetadata::of_identity(&data).is_err());
    }
}
