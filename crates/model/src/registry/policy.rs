//! Guard rails: Cedar policies of the organisation.

use serde::{Deserialize, Serialize};

use crate::name::PolicyName;

/// A guard rail, validated against the schema before it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyDoc {
    /// Its name.
    pub name: PolicyName,
    /// The Cedar text.
    pub cedar: String,
    /// Why it is there.
    #[serde(default)]
    pub description: String,
}
