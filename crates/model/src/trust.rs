//! Trust rules: which run of which foreign issuer is this identity.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    id::{self, Id},
    name::EnvironmentName,
};

/// A rule that takes a foreign issuer's word for a run when every claim matches exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustRule {
    /// The issuer whose keys must have signed.
    pub issuer_id: Id<id::Issuer>,
    /// The environments that a match may yield.
    pub environments: Vec<EnvironmentName>,
    /// Claim path to the accepted value or values. A nested claim is written with dots.
    #[serde(rename = "match")]
    pub matches: BTreeMap<String, Accepted>,
}

/// The values that a claim may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Accepted {
    /// Exactly this.
    One(String),
    /// One of these.
    Any(Vec<String>),
}

impl Accepted {
    /// Whether the value is accepted, byte for byte.
    #[must_use]
    pub fn accepts(&self, value: &str) -> bool {
        match self {
            Self::One(one) => one == value,
            Self::Any(any) => any.iter().any(|one| one == value),
        }
    }

    /// The accepted values.
    #[must_use]
    pub fn values(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Any(any) => any,
        }
    }
}

/// How one claim compared.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimCheck {
    /// The claim's path.
    pub claim: String,
    /// What the rule accepts.
    pub expected: Vec<String>,
    /// What came; absent when the token has no such claim.
    pub got: Option<String>,
    /// Whether it matched.
    pub matched: bool,
}

impl TrustRule {
    /// Whether every claim of the rule matches.
    #[must_use]
    pub fn matches(&self, claims: &Map<String, Value>) -> bool {
        !self.matches.is_empty()
            && self.matches.iter().all(|(path, accepted)| {
                claim(claims, path).is_some_and(|value| accepted.accepts(&value))
            })
    }

    /// The comparison claim by claim, for the rule's managers.
    #[must_use]
    pub fn explain(&self, claims: &Map<String, Value>) -> Vec<ClaimCheck> {
        self.matches
            .iter()
            .map(|(path, accepted)| {
                let got = claim(claims, path);
                ClaimCheck {
                    claim: path.clone(),
                    expected: accepted.values().to_vec(),
                    matched: got.as_deref().is_some_and(|value| accepted.accepts(value)),
                    got,
                }
            })
            .collect()
    }
}

/// The claim at a path, as text. Keys may themselves hold dots (`kubernetes.io`), so that the
/// longest key that exists is followed. Numbers and booleans have their JSON spelling; anything
/// else is no claim that a rule can match.
#[must_use]
pub fn claim(claims: &Map<String, Value>, path: &str) -> Option<String> {
    if let Some(value) = claims.get(path) {
        return match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
    }
    path.rmatch_indices('.').find_map(|(dot, _)| {
        let (head, tail) = (path.get(..dot)?, path.get(dot + 1..)?);
        claim(claims.get(head)?.as_object()?, tail)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rule(pairs: &[(&str, &str)]) -> TrustRule {
        TrustRule {
            issuer_id: Id::from_bytes([1; 16]),
            environments: Vec::new(),
            matches: pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), Accepted::One((*v).to_owned())))
                .collect(),
        }
    }

    #[test]
    fn nested_claims_are_found_through_keys_with_dots() {
        let claims = json!({"kubernetes.io": {"namespace": "payments", "serviceaccount": {"uid": "e6"}}, "runner_id": 1});
        let claims = claims.as_object().unwrap();
        assert_eq!(
            claim(claims, "kubernetes.io.serviceaccount.uid").as_deref(),
            Some("e6")
        );
        assert_eq!(claim(claims, "runner_id").as_deref(), Some("1"));
        assert_eq!(claim(claims, "kubernetes.io"), None);
    }

    #[test]
    fn a_rule_without_claims_matches_nothing() {
        assert!(!rule(&[]).matches(json!({"a": "b"}).as_object().unwrap()));
    }

    proptest! {
        #[test]
        fn a_longer_or_shorter_value_never_matches(value in "[a-z0-9/:-]{1,20}", extra in "[a-z0-9/:*-]") {
            let rule = rule(&[("repository_id", &value)]);
            for other in [format!("{value}{extra}"), format!("{extra}{value}"), value[1..].to_owned()] {
                let claims = json!({"repository_id": other});
                prop_assert!(!rule.matches(claims.as_object().unwrap()));
            }
            let claims = json!({"repository_id": value});
            prop_assert!(rule.matches(claims.as_object().unwrap()));
        }
    }
}
