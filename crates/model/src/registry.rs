//! The registry: every noun that people manage is a versioned record of one shape.
//!
//! A record has a row of its own; what differs between nouns is its document. Deciding reads these
//! records, recording compares their versions, and the change feed names them by id.

use serde::{Deserialize, Serialize};

use crate::{
    id::{self, Id},
    time::Timestamp,
};

mod audience;
mod credential;
mod identity;
mod issuer;
mod key;
mod observed;
mod people;
mod places;
mod policy;
mod provider;
mod scope;

pub use audience::{AudienceDoc, SigningAlg};
pub use credential::{CredentialDoc, CredentialSecret, CredentialType};
pub use identity::{
    ApprovalRule, Confirmation, IdentityDoc, Impersonator, Party, PendingSponsor, REVIEW_EVERY,
    Review, TrustModel,
};
pub use issuer::{IssuerDoc, IssuerProfile, KeySource};
pub use key::{KEPT_VERSIONS, KeyDoc, VALUE_BYTES};
pub use observed::{
    AccountType, ImportFormat, ObservedAccountDoc, ObservedFacts, ProposedSponsor, Provenance,
    Replaced, SignIn, SignInTally, SignIns, needs_guard,
};
pub use people::{
    HeldBefore, InDirectory, LinkedAccountDoc, Registration, RoleSet, TeamDoc, TenantDoc,
    TenantRole, UserDoc,
};
pub use places::{ActionDoc, EnvironmentDoc, Member, ProjectDoc, ProjectRole};
pub use policy::PolicyDoc;
pub use provider::{Admits, MOST_MAX_AGE, ProviderClientAuth, ProviderDoc};
pub use scope::{InvalidScope, ScopeDoc};

pub use crate::pack::PackDoc;

/// A noun of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noun {
    /// An action of the catalogue.
    Action,
    /// A resource server.
    Audience,
    /// A way for an identity to prove itself.
    Credential,
    /// A place where actions happen.
    Environment,
    /// A principal that is not a person.
    Identity,
    /// A foreign issuer.
    Issuer,
    /// A value that actions read.
    Key,
    /// A person's account at a foreign issuer.
    LinkedAccount,
    /// An account of another system, brought in by an import. It never gets a token.
    ObservedAccount,
    /// Trigger types, actions and rules that belong together.
    Pack,
    /// A guard rail.
    Policy,
    /// Where identities live.
    Project,
    /// A part of a built-in scope.
    Scope,
    /// People who answer together.
    Team,
    /// The wall between customers.
    Tenant,
    /// A person.
    User,
}

impl Noun {
    /// Every noun, in alphabetical order.
    pub const ALL: [Self; 16] = [
        Self::Action,
        Self::Audience,
        Self::Credential,
        Self::Environment,
        Self::Identity,
        Self::Issuer,
        Self::Key,
        Self::LinkedAccount,
        Self::ObservedAccount,
        Self::Pack,
        Self::Policy,
        Self::Project,
        Self::Scope,
        Self::Team,
        Self::Tenant,
        Self::User,
    ];

    /// The word in tables and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Audience => "audience",
            Self::Credential => "credential",
            Self::Environment => "environment",
            Self::Identity => "identity",
            Self::Issuer => "issuer",
            Self::Key => "key",
            Self::LinkedAccount => "linked_account",
            Self::ObservedAccount => "observed_account",
            Self::Pack => "pack",
            Self::Policy => "policy",
            Self::Project => "project",
            Self::Scope => "scope",
            Self::Team => "team",
            Self::Tenant => "tenant",
            Self::User => "user",
        }
    }

    /// The noun of a word, if it is one.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|noun| noun.as_str() == word)
    }
}

/// Where a record stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// In use.
    Active,
    /// Deleted: a tombstone that keeps its names.
    Deleted,
    /// Switched off by a person; can be switched on again.
    Disabled,
    /// Past its own expiry.
    Expired,
    /// Nobody is left who answers for it; the tenant's owners answer meanwhile.
    Orphaned,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 5] = [
        Self::Active,
        Self::Deleted,
        Self::Disabled,
        Self::Expired,
        Self::Orphaned,
    ];

    /// The word in tables and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deleted => "deleted",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Orphaned => "orphaned",
        }
    }

    /// The status of a word, if it is one.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// How one record relates to another. Derived from documents, so that both directions can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// The user or team may countersign what the identity asks for.
    Approver,
    /// The user or team was asked to answer for the identity, and has not yet said yes.
    Asked,
    /// The identity may ask for tokens for the audience.
    Audience,
    /// The credential proves the identity; the account proves the user.
    Belongs,
    /// The user may administer the identity.
    Manager,
    /// The user is a member of the team or project.
    Member,
    /// The user or team answers for the observed account.
    Observed,
    /// The user or team runs the identity day by day.
    Owner,
    /// The identity runs the audience.
    ServedBy,
    /// The user or team answers for the identity.
    Sponsor,
    /// The credential trusts the issuer.
    Trusts,
}

impl Relation {
    /// The word in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approver => "approver",
            Self::Asked => "asked",
            Self::Audience => "audience",
            Self::Belongs => "belongs",
            Self::Manager => "manager",
            Self::Member => "member",
            Self::Observed => "observed",
            Self::Owner => "owner",
            Self::ServedBy => "served_by",
            Self::Sponsor => "sponsor",
            Self::Trusts => "trusts",
        }
    }
}

/// One versioned record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its id.
    pub id: Id<id::Record>,
    /// Its tenant; a tenant's own record names itself.
    pub tenant_id: Id<id::Tenant>,
    /// What it is.
    pub noun: Noun,
    /// Its name, unique among the living of its noun and tenant.
    pub name: String,
    /// The project of an identity or key, the identity of a credential, the user of a linked account.
    pub parent_id: Option<Id<id::Record>>,
    /// Raised by every edit.
    pub version: i64,
    /// Raised by every revocation.
    pub epoch: i64,
    /// Where it stands.
    pub status: Status,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
    /// What its noun says.
    pub doc: Doc,
}

/// The document of a record, one form for each noun.
#[derive(Debug, Clone, PartialEq)]
pub enum Doc {
    /// Of an action.
    Action(ActionDoc),
    /// Of an audience.
    Audience(AudienceDoc),
    /// Of a credential.
    Credential(Box<CredentialDoc>),
    /// Of an environment.
    Environment(EnvironmentDoc),
    /// Of an identity.
    Identity(Box<IdentityDoc>),
    /// Of an issuer.
    Issuer(Box<IssuerDoc>),
    /// Of a key.
    Key(KeyDoc),
    /// Of a linked account.
    LinkedAccount(LinkedAccountDoc),
    /// Of an observed account.
    ObservedAccount(Box<ObservedAccountDoc>),
    /// Of a pack.
    Pack(Box<PackDoc>),
    /// Of a policy.
    Policy(PolicyDoc),
    /// Of a project.
    Project(ProjectDoc),
    /// Of a scope.
    Scope(ScopeDoc),
    /// Of a team.
    Team(TeamDoc),
    /// Of a tenant.
    Tenant(TenantDoc),
    /// Of a user.
    User(UserDoc),
}

macro_rules! accessors {
    ($($name:ident: $variant:ident($doc:ty),)*) => {
        impl Record {
            $(
                /// The document, when the record is of this noun.
                #[must_use]
                pub fn $name(&self) -> Option<&$doc> {
                    match &self.doc {
                        Doc::$variant(doc) => Some(doc),
                        _ => None,
                    }
                }
            )*
        }
        $(
            impl From<$doc> for Doc {
                fn from(doc: $doc) -> Self {
                    Self::$variant(doc.into())
                }
            }
        )*
    };
}

accessors! {
    action: Action(ActionDoc),
    audience: Audience(AudienceDoc),
    credential: Credential(CredentialDoc),
    environment: Environment(EnvironmentDoc),
    identity: Identity(IdentityDoc),
    issuer: Issuer(IssuerDoc),
    key: Key(KeyDoc),
    linked_account: LinkedAccount(LinkedAccountDoc),
    observed_account: ObservedAccount(ObservedAccountDoc),
    pack: Pack(PackDoc),
    policy: Policy(PolicyDoc),
    project: Project(ProjectDoc),
    scope: Scope(ScopeDoc),
    team: Team(TeamDoc),
    tenant: Tenant(TenantDoc),
    user: User(UserDoc),
}

impl Doc {
    /// The noun whose document this is.
    #[must_use]
    pub const fn noun(&self) -> Noun {
        match self {
            Self::Action(_) => Noun::Action,
            Self::Audience(_) => Noun::Audience,
            Self::Credential(_) => Noun::Credential,
            Self::Environment(_) => Noun::Environment,
            Self::Identity(_) => Noun::Identity,
            Self::Issuer(_) => Noun::Issuer,
            Self::Key(_) => Noun::Key,
            Self::LinkedAccount(_) => Noun::LinkedAccount,
            Self::ObservedAccount(_) => Noun::ObservedAccount,
            Self::Pack(_) => Noun::Pack,
            Self::Policy(_) => Noun::Policy,
            Self::Project(_) => Noun::Project,
            Self::Scope(_) => Noun::Scope,
            Self::Team(_) => Noun::Team,
            Self::Tenant(_) => Noun::Tenant,
            Self::User(_) => Noun::User,
        }
    }

    /// Reads the document of a noun from its JSON text.
    ///
    /// # Errors
    /// When the text is not such a document.
    pub fn parse(noun: Noun, text: &str) -> Result<Self, serde_json::Error> {
        Ok(match noun {
            Noun::Action => Self::Action(serde_json::from_str(text)?),
            Noun::Audience => Self::Audience(serde_json::from_str(text)?),
            Noun::Credential => Self::Credential(serde_json::from_str(text)?),
            Noun::Environment => Self::Environment(serde_json::from_str(text)?),
            Noun::Identity => Self::Identity(serde_json::from_str(text)?),
            Noun::Issuer => Self::Issuer(serde_json::from_str(text)?),
            Noun::Key => Self::Key(serde_json::from_str(text)?),
            Noun::LinkedAccount => Self::LinkedAccount(serde_json::from_str(text)?),
            Noun::ObservedAccount => Self::ObservedAccount(serde_json::from_str(text)?),
            Noun::Pack => Self::Pack(serde_json::from_str(text)?),
            Noun::Policy => Self::Policy(serde_json::from_str(text)?),
            Noun::Project => Self::Project(serde_json::from_str(text)?),
            Noun::Scope => Self::Scope(serde_json::from_str(text)?),
            Noun::Team => Self::Team(serde_json::from_str(text)?),
            Noun::Tenant => Self::Tenant(serde_json::from_str(text)?),
            Noun::User => Self::User(serde_json::from_str(text)?),
        })
    }

    /// The JSON text of the document.
    ///
    /// # Errors
    /// Never for the documents of this crate, which hold only text keys.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Action(doc) => serde_json::to_string(doc),
            Self::Audience(doc) => serde_json::to_string(doc),
            Self::Credential(doc) => serde_json::to_string(doc),
            Self::Environment(doc) => serde_json::to_string(doc),
            Self::Identity(doc) => serde_json::to_string(doc),
            Self::Issuer(doc) => serde_json::to_string(doc),
            Self::Key(doc) => serde_json::to_string(doc),
            Self::LinkedAccount(doc) => serde_json::to_string(doc),
            Self::ObservedAccount(doc) => serde_json::to_string(doc),
            Self::Pack(doc) => serde_json::to_string(doc),
            Self::Policy(doc) => serde_json::to_string(doc),
            Self::Project(doc) => serde_json::to_string(doc),
            Self::Scope(doc) => serde_json::to_string(doc),
            Self::Team(doc) => serde_json::to_string(doc),
            Self::Tenant(doc) => serde_json::to_string(doc),
            Self::User(doc) => serde_json::to_string(doc),
        }
    }

    /// The relations that the document states.
    #[must_use]
    pub fn links(&self) -> Vec<(Relation, Id<id::Record>)> {
        match self {
            Self::Audience(doc) => doc
                .served_by
                .iter()
                .map(|id| (Relation::ServedBy, id.cast()))
                .collect(),
            Self::Credential(doc) => doc.links(),
            Self::Identity(doc) => doc.links(),
            Self::LinkedAccount(doc) => vec![(Relation::Belongs, doc.user_id.cast())],
            Self::ObservedAccount(doc) => doc.links(),
            Self::Project(doc) => doc
                .members
                .iter()
                .map(|member| (Relation::Member, member.user_id.cast()))
                .collect(),
            Self::Team(doc) => doc
                .members
                .iter()
                .map(|user| (Relation::Member, user.cast()))
                .collect(),
            Self::Action(_)
            | Self::Environment(_)
            | Self::Issuer(_)
            | Self::Key(_)
            | Self::Pack(_)
            | Self::Policy(_)
            | Self::Scope(_)
            | Self::Tenant(_)
            | Self::User(_) => Vec::new(),
        }
    }

    /// What the company's directory calls it.
    #[must_use]
    pub fn external_id(&self) -> Option<&str> {
        let known = match self {
            Self::Team(doc) => doc.directory.as_ref(),
            Self::User(doc) => doc.directory.as_ref(),
            Self::Action(_)
            | Self::Audience(_)
            | Self::Credential(_)
            | Self::Environment(_)
            | Self::Identity(_)
            | Self::Issuer(_)
            | Self::Key(_)
            | Self::LinkedAccount(_)
            | Self::ObservedAccount(_)
            | Self::Pack(_)
            | Self::Policy(_)
            | Self::Project(_)
            | Self::Scope(_)
            | Self::Tenant(_) => None,
        };
        known.and_then(|one| one.external_id.as_deref())
    }

    /// The names that find the record besides its own; they stay taken after it is deleted.
    #[must_use]
    pub fn aliases(&self) -> Vec<String> {
        match self {
            Self::Identity(doc) => vec![doc.client_id.clone(), doc.subject.clone()],
            Self::User(doc) => vec![doc.handle.to_string()],
            Self::Action(_)
            | Self::Audience(_)
            | Self::Credential(_)
            | Self::Environment(_)
            | Self::Issuer(_)
            | Self::Key(_)
            | Self::LinkedAccount(_)
            | Self::ObservedAccount(_)
            | Self::Pack(_)
            | Self::Policy(_)
            | Self::Project(_)
            | Self::Scope(_)
            | Self::Team(_)
            | Self::Tenant(_) => Vec::new(),
        }
    }
}
