//! Manifests: the registry as YAML documents that people keep beside their code.
//!
//! A file holds several documents separated by `---`; each has exactly one key, its noun.
//! [`parse`] reads a file and says with line and column what is wrong in it. [`plan`] compares the
//! documents with the registry and answers the steps that would make it so; nothing is changed
//! here. [`export`] writes the registry as documents that apply to it without a change.
//!
//! A field that a document does not name stays as it is. A new record gets a default instead; where
//! people are expected to know better the default is marked (`IdentityDoc::defaulted`), listed by
//! the plan, and left out of an export. To empty a field, write it empty: `resources: []`.

mod desired;
mod document;
mod export;
mod located;
mod named;
mod parse;
mod plan;
mod resolver;
mod schema;
mod tree;

pub use desired::Applying;
pub use document::{
    ActionManifest, ApprovalManifest, AudienceManifest, Claim, ConditionManifest, Document,
    EnvironmentManifest, IdentityManifest, ImpersonatorManifest, IssuerManifest, MemberManifest,
    PackActionManifest, PackManifest, ParameterManifest, PolicyManifest, ProjectManifest,
    RuleManifest, ScopeManifest, SignatureManifest, TeamManifest, TriggerManifest, TrustManifest,
    WebhookManifest,
};
pub use export::{ExportError, export};
pub use located::{Diagnostic, Located, Place, Source};
pub use parse::{SourcedDocument, parse};
pub use plan::{FieldChange, Incomplete, Plan, PlanError, Step, TrustChange, Verb, plan};
pub use resolver::Resolver;
pub use schema::json_schema;

#[cfg(test)]
mod tests;
