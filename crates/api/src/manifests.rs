//! Manifests: the registry as YAML documents.

use countersign_model::{Id, id, registry::Noun};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::reference::NameOrId;

/// What to plan or apply.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ManifestRequest {
    /// The files.
    pub documents: Vec<Document>,
    /// The project of identities whose document names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<NameOrId>,
    /// The sponsor of identities whose document names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<NameOrId>,
    /// Whether nothing is to be changed.
    #[serde(default)]
    pub dry_run: bool,
}

/// One file, perhaps of several YAML documents.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Its name, for messages.
    pub file: String,
    /// Its text.
    pub text: String,
    /// Whether it is no manifest but a file that one names, in `script_file` or `jwks_file`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub attached: bool,
}

/// What is to be changed, or was.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Plan {
    /// Record by record, in the order in which they are applied.
    pub changes: Vec<Change>,
    /// What is wrong, or worth knowing, with its place.
    pub diagnostics: Vec<Diagnostic>,
    /// Identities that need approval which nobody but the caller could ever give.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nobody_can_approve: Vec<String>,
    /// Whether the changes were made. False for a plan, a dry run, and when there is an error.
    pub applied: bool,
}

impl Plan {
    /// Whether something must be mended before it can be applied.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// What happens to one record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Change {
    /// What kind of record.
    pub noun: Noun,
    /// Its name.
    pub name: String,
    /// What happens to it.
    pub verb: ChangeVerb,
    /// Field by field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// What the document did not state and stands at a default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
    /// Whether it loosens what guards something, so that a second person must countersign.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_approval: bool,
    /// What it loosens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loosens: Vec<String>,
    /// The request that waits for that person, once applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<Id<id::Approval>>,
    /// True when it was applied although a second person should have countersigned and none exists.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub changed_alone: bool,
    /// Where its document stands: `FILE:LINE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The record, once it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id<id::Record>>,
}

/// What happens to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChangeVerb {
    /// It is made.
    Create,
    /// It is deleted.
    Delete,
    /// It stays as it is.
    Unchanged,
    /// It is edited.
    Update,
}

/// One field before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldChange {
    /// Its name.
    pub field: String,
    /// Before; absent for a new record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// After.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Something that is wrong, or worth knowing, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// What it is.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing is applied.
    Error,
    /// Only worth knowing.
    Note,
    /// Applied all the same.
    Warning,
}

/// What to export.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ExportQuery {
    /// Only this project; everything that the caller sees when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<NameOrId>,
}
