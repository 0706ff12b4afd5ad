//! What people are asked to countersign, and the bytes that they sign.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    action::ActionSet,
    id::{self, Id},
    name::EnvironmentName,
    registry::Noun,
    token::ArtifactDigest,
};

/// What people are asked to countersign. Its digest is what they sign and what is redeemed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ApprovalRequest {
    /// A change that loosens what guards an identity.
    Change(ChangeRequest),
    /// That an execution begins.
    Execution(Box<ExecutionRequest>),
    /// A token for exactly this.
    Grant(Box<GrantRequest>),
}

/// What people sign: the members of the request, and the nonce among them.
#[derive(Serialize)]
struct Signed<'a> {
    #[serde(flatten)]
    request: &'a ApprovalRequest,
    nonce: &'a str,
}

impl ApprovalRequest {
    /// The tenant.
    #[must_use]
    pub const fn tenant_id(&self) -> Id<id::Tenant> {
        match self {
            Self::Change(change) => change.tenant_id,
            Self::Execution(execution) => execution.tenant_id,
            Self::Grant(grant) => grant.tenant_id,
        }
    }

    /// The identity that it is about.
    #[must_use]
    pub const fn identity_id(&self) -> Option<Id<id::Identity>> {
        match self {
            Self::Change(change) => change.identity_id,
            Self::Execution(execution) => Some(execution.identity_id),
            Self::Grant(grant) => Some(grant.identity_id),
        }
    }

    /// The object that the digest is made of: the request's members, and the nonce as one more. It is
    /// kept in the evidence as it is, so that anybody can compute the digest again.
    ///
    /// # Errors
    /// Never for such a request, which holds only text keys.
    pub fn signed(&self, nonce: &str) -> Result<Value, serde_json::Error> {
        serde_json::to_value(Signed {
            request: self,
            nonce,
        })
    }

    /// The bytes that the digest is made of: [`Self::signed`] in the canonical form of RFC 8785, that
    /// is without white space, members sorted by their names. Numbers of a request are whole; a
    /// fraction in the free data of a change stands as it was written.
    ///
    /// # Errors
    /// As [`Self::signed`].
    pub fn canonical(&self, nonce: &str) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&sorted(self.signed(nonce)?))
    }

    /// What is asked for, in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Change(change) => change.summary.clone(),
            Self::Execution(execution) => match &execution.rule {
                Some(rule) => format!("execute {}, by rule {rule}", execution.action_ref),
                None => format!("execute {}", execution.action_ref),
            },
            Self::Grant(grant) => {
                let mut line = grant
                    .actions
                    .iter()
                    .map(|action| action.as_str())
                    .collect::<Vec<_>>()
                    .join(", ");
                if let Some(resource) = &grant.resource {
                    line.extend([" on ", resource]);
                }
                if let Some(environment) = &grant.environment {
                    line.extend([" in ", environment.as_str()]);
                }
                line.extend([" at ", &grant.audience]);
                if let Some(commit) = &grant.commit {
                    line.extend([", commit ", commit]);
                }
                line
            }
        }
    }
}

/// Members in the order of their names (RFC 8785 §3.2.3): code units and code points order the same
/// way but for characters beyond the basic plane, which no name of a request has.
#[must_use]
pub fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Object(members) => {
            let mut members: Vec<_> = members
                .into_iter()
                .map(|(name, member)| (name, sorted(member)))
                .collect();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(members.into_iter().collect::<Map<_, _>>())
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => value,
    }
}

/// A token that a run asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GrantRequest {
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// The identity.
    pub identity_id: Id<id::Identity>,
    /// Its version: any edit makes another request.
    pub identity_version: i64,
    /// The run, its attempt included.
    pub run_key: String,
    /// The commit.
    pub commit: Option<String>,
    /// Where.
    pub environment: Option<EnvironmentName>,
    /// What.
    pub actions: ActionSet,
    /// At which resource server.
    pub audience: String,
    /// On what.
    pub resource: Option<String>,
    /// With which artifact.
    pub artifact_digest: Option<ArtifactDigest>,
}

/// An execution that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionRequest {
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// The service account that it runs as.
    pub identity_id: Id<id::Identity>,
    /// Its version: any edit makes another request.
    pub identity_version: i64,
    /// The execution.
    pub execution_id: Id<id::Execution>,
    /// What is executed: `billing.charge`.
    pub action_ref: String,
    /// The SHA-256 of what that is: command, script, environment, keys, further actions and time-out.
    pub action_sha256: String,
    /// The SHA-256 of what it is given, salted: the parameters themselves stay out of the evidence.
    pub parameters_sha256: String,
    /// The rule that fired.
    pub rule: Option<String>,
    /// The event that it fired on.
    pub event_id: Option<Id<id::Event>>,
    /// The execution that starts it.
    pub workflow_id: Option<Id<id::Execution>>,
}

/// A change that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeRequest {
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// What kind of record.
    pub noun: Noun,
    /// Which; absent when it is to be made.
    pub record_id: Id<id::Record>,
    /// The version that it applies to.
    pub version: i64,
    /// The identity whose guards it loosens.
    pub identity_id: Option<Id<id::Identity>>,
    /// What it does, for people.
    pub summary: String,
    /// The change itself.
    pub change: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> ApprovalRequest {
        ApprovalRequest::Grant(Box::new(GrantRequest {
            tenant_id: Id::from_bytes([1; 16]),
            identity_id: Id::from_bytes([2; 16]),
            identity_version: 3,
            run_key: "https://ci.example 456789 9876543210 1".to_owned(),
            commit: Some("29a2c4bd14e2f8a4e0b1a9b3a0c0c3dbf2c7c0d1".to_owned()),
            environment: Some("production".parse().unwrap()),
            actions: ["deploy.release", "deploy.read"]
                .iter()
                .map(|name| name.parse().unwrap())
                .collect(),
            audience: "deploy-api".to_owned(),
            resource: None,
            artifact_digest: Some(format!("sha256:{}", "ab".repeat(32)).parse().unwrap()),
        }))
    }

    #[test]
    fn the_bytes_that_are_signed_are_canonical() {
        let bytes = grant().canonical("00ff").unwrap();
        let expected = concat!(
            r#"{"actions":["deploy.read","deploy.release"],"artifact_digest":"sha256:"#,
            "abababababababababababababababababababababababababababababababab",
            r#"","audience":"deploy-api","commit":"29a2c4bd14e2f8a4e0b1a9b3a0c0c3dbf2c7c0d1","environment":"production","#,
            r#""identity_id":"02020202-0202-0202-0202-020202020202","identity_version":3,"nonce":"00ff","resource":null,"#,
            r#""run_key":"https://ci.example 456789 9876543210 1","tenant_id":"01010101-0101-0101-0101-010101010101","type":"grant"}"#,
        );
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn the_order_of_free_data_does_not_change_what_is_signed() {
        let change = |text: &str| {
            ApprovalRequest::Change(ChangeRequest {
                tenant_id: Id::from_bytes([1; 16]),
                noun: Noun::Identity,
                record_id: Id::from_bytes([2; 16]),
                version: 1,
                identity_id: None,
                summary: "identity `x`: adds an approver".to_owned(),
                change: serde_json::from_str(text).unwrap(),
            })
        };
        let one = change(r#"{"b":{"y":1,"x":[{"d":1,"c":2}]},"a":null}"#)
            .canonical("n")
            .unwrap();
        let other = change(r#"{"a":null,"b":{"x":[{"c":2,"d":1}],"y":1}}"#)
            .canonical("n")
            .unwrap();
        assert_eq!(one, other);
        assert!(
            String::from_utf8(one)
                .unwrap()
                .contains(r#""change":{"a":null,"b":{"x":[{"c":2,"d":1}],"y":1}}"#)
        );
    }

    #[test]
    fn a_request_survives_its_own_text() {
        let text = serde_json::to_string(&grant()).unwrap();
        assert_eq!(
            serde_json::from_str::<ApprovalRequest>(&text).unwrap(),
            grant()
        );
        assert_eq!(
            grant().summary(),
            "deploy.read, deploy.release in production at deploy-api, commit 29a2c4bd14e2f8a4e0b1a9b3a0c0c3dbf2c7c0d1"
        );
    }
}
