//! How the values of this crate look in an OpenAPI document: names are text, states are words.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ArrayBuilder, ObjectBuilder, RefOr, SchemaFormat,
        schema::{Schema, Type},
    },
};

use crate::{
    action::{ActionClass, ActionSet},
    approval::ApprovalStatus,
    audit_fields::AuditField,
    billing::{Month, Operation},
    certificate::CertificateSubject,
    evidence::{Assurance, Grain, Outcome, Role, Separation},
    execution::{Ending, ExecutionState},
    finding::{FindingSeverity, Weakness},
    id::{self, Id, Kind as IdKind},
    identity::{Kind, RiskTier},
    name::{
        ActionName, AudienceName, Email, EnvironmentName, Handle, IdentityName, KeyName, PackName,
        PartName, PolicyName, ProjectName, RoleName, ScopeWord, TeamName, TenantName,
    },
    reason::Reason,
    registry::{
        AccountType, CredentialType, ImportFormat, IssuerProfile, Noun, ProjectRole, Registration,
        Relation, SigningAlg, Status, TenantRole, TrustModel,
    },
    run::RunAssurance,
    scope::Scope,
    token::ArtifactDigest,
    token_metadata::TokenMetadata,
    trust::Accepted,
};

// The derive asks this of every type with a parameter; the marker is never an instance of anything.
impl<K: IdKind> utoipa::__dev::ComposeSchema for Id<K> {
    fn compose(_: Vec<RefOr<Schema>>) -> RefOr<Schema> {
        text()
            .format(Some(SchemaFormat::Custom("uuid".to_owned())))
            .into()
    }
}

impl<K: IdKind> ToSchema for Id<K> {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Id")
    }
}

macro_rules! markers {
    ($($kind:ident,)*) => {
        $(
            impl PartialSchema for id::$kind {
                fn schema() -> RefOr<Schema> {
                    text().into()
                }
            }
            impl ToSchema for id::$kind {}
        )*
    };
}

markers! {
    Action, Approval, Audience, Ceremony, Chain, Credential, DataKey, Environment, Event, Evidence, Execution, Identity, Invitation, Issuer, Key,
    LinkedAccount, ObservedAccount, Pack, Passkey, Policy, Project, Record, Session, Team, Tenant, Transaction, User,
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

impl PartialSchema for CertificateSubject {
    fn schema() -> RefOr<Schema> {
        let kinds = ["dn", "dns", "email", "ip", "uri"];
        let object = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("Exactly one of these (RFC 8705 §2.1.2)."));
        kinds
            .into_iter()
            .fold(object, |object, kind| object.property(kind, text()))
            .into()
    }
}

impl ToSchema for CertificateSubject {}

macro_rules! texts {
    ($($name:ident: $example:literal,)*) => {
        $(
            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    text().examples([$example]).into()
                }
            }
            impl ToSchema for $name {}
        )*
    };
}

texts! {
    ActionName: "deploy.release",
    ArtifactDigest: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    AudienceName: "support-automation-api",
    Email: "dana@example.com",
    EnvironmentName: "production",
    Handle: "dana",
    IdentityName: "release-promoter-prod",
    KeyName: "billing.database_password",
    Month: "2026-11",
    PackName: "billing",
    PartName: "charge",
    PolicyName: "no-friday-deploys",
    ProjectName: "support",
    RoleName: "payroll-executor",
    ScopeWord: "openid",
    TeamName: "platform",
    TenantName: "acme",
}

macro_rules! words {
    ($($name:ident: [$($word:expr),* $(,)?],)*) => {
        $(
            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    text().enum_values(Some([$($word),*])).into()
                }
            }
            impl ToSchema for $name {}
        )*
    };
}

words! {
    ActionClass: ["read", "reversible", "irreversible"],
    Assurance: ["imported", "observed", "reported"],
    CredentialType: ["api-key", "client-secret", "public-key", "self-signed-tls-client-auth", "tls-client-auth", "trust-rule"],
    Operation: ["action", "approval", "decision", "execution", "token"],
    IssuerProfile: ["github", "gitlab", "kubernetes", "oidc", "spiffe"],
    Outcome: ["done", "failed", "refused"],
    ProjectRole: ["viewer", "editor", "owner"],
    Registration: ["off", "invitation"],
    Relation: ["approver", "audience", "belongs", "manager", "member", "observed", "owner", "served_by", "sponsor", "trusts"],
    RiskTier: ["low", "medium", "high"],
    RunAssurance: ["claimed", "verified"],
    Ending: ["failed", "succeeded", "timed_out"],
    FindingSeverity: ["low", "medium", "high"],
    Separation: ["proven", "unproven"],
    SigningAlg: ["ES256", "RS256"],
    TenantRole: ["auditor", "member", "owner"],
    TrustModel: ["client-secret", "oidc-run-identity", "private-key-jwt"],
    Grain: ["chain", "credential", "identity", "issuer", "project", "run", "tenant", "token", "trust_rule"],
}

macro_rules! listed {
    ($($name:ident,)*) => {
        $(
            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    text().enum_values(Some($name::ALL.iter().map(|word| word.as_str()))).into()
                }
            }
            impl ToSchema for $name {}
        )*
    };
}

listed! { AccountType, ApprovalStatus, ExecutionState, ImportFormat, Kind, Noun, Reason, Scope, Status, Weakness, }

macro_rules! open_words {
    ($($name:ident,)*) => {
        $(
            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    text().into()
                }
            }
            impl ToSchema for $name {}
        )*
    };
}

open_words! { AuditField, Role, }

impl PartialSchema for ActionSet {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new().items(ActionName::schema()).into()
    }
}

impl ToSchema for ActionSet {}

impl PartialSchema for Accepted {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .description(Some(
                "one text, or a list of texts of which one must be met",
            ))
            .into()
    }
}

impl ToSchema for Accepted {}

impl PartialSchema for TokenMetadata {
    fn schema() -> RefOr<Schema> {
        let texts = || ArrayBuilder::new().items(text());
        ObjectBuilder::new()
            .description(Some("what a token is bound to; each member narrows"))
            .property(
                "trigger_types",
                texts().items(text().examples(["core.timer"])),
            )
            .property(
                "execution_id",
                text().description(Some("a text or a number")),
            )
            .property("action_ref", text().examples(["core.echo"]))
            .property(
                "workflow_id",
                text().description(Some("a text or a number")),
            )
            .property(
                "allowed_paths",
                texts().items(text().examples(["/webhooks/deploy"])),
            )
            .property(
                "ip_whitelist",
                texts().items(text().examples(["203.0.113.0/24"])),
            )
            .into()
    }
}

impl ToSchema for TokenMetadata {}
