//! A person's passkey, and a question to a browser that waits for its answer.

use serde::{Deserialize, Serialize};

use crate::{
    id::{self, Id},
    time::{Seconds, Timestamp},
};

/// How long a question waits: time to find the key, and none to forget the page.
pub const ASKED_FOR: Seconds = Seconds(300);

/// How long a link that registers a passkey is good.
pub const LINK_LIFETIME: Seconds = Seconds(15 * 60);

/// How many passkeys a person has: two on a ring, and those of their machines.
pub const MOST: usize = 10;

/// The longest name of a passkey, in characters.
pub const NAME_CHARS: usize = 64;

/// A person's passkey: what checks it, and nothing that makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Passkey {
    /// Its id.
    pub id: Id<id::Passkey>,
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// Whose it is.
    pub user_id: Id<id::User>,
    /// What names it, whoever's it is.
    pub credential_id: Vec<u8>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// The rest.
    pub doc: PasskeyDoc,
}

/// What is stored as a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PasskeyDoc {
    /// What its person calls it.
    pub name: String,
    /// The public key and its counter, as `crypto` reads it.
    pub key: String,
    /// When it was used last.
    pub used_at: Option<Timestamp>,
}

/// A question that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Ceremony {
    /// Its id, which the browser sends back.
    pub id: Id<id::Ceremony>,
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// Until when it waits.
    pub expires_at: Timestamp,
    /// What it is about.
    pub doc: CeremonyDoc,
}

/// A decision that a passkey is asked to sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountersignDoc {
    /// Whose passkey.
    pub user_id: Id<id::User>,
    /// On what.
    pub approval_id: Id<id::Approval>,
    /// Yes or no.
    pub approved: bool,
    /// The digest that was read.
    pub digest: String,
    /// What makes the question one of its kind.
    pub nonce: String,
    /// What `crypto` has to know.
    pub state: String,
}

/// A way to the company's provider and back. State, nonce and PKCE verifier are of the browser's cookie, and kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderFlowDoc {
    /// Where the browser was sent: an answer of another provider is none (RFC 9700 §4.4).
    pub issuer: String,
    /// As which client.
    pub client_id: String,
    /// The session whose person links their account; absent for a sign-in.
    pub link: Option<Id<id::Session>>,
    /// Where the person goes afterwards, on this server.
    pub next: String,
}

/// What a question is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CeremonyDoc {
    /// Who is there? With what `crypto` has to know.
    Authenticate(String),
    /// Sign what you are about to decide.
    Countersign(Box<CountersignDoc>),
    /// Sign in at the company's provider, and come back.
    Provider(Box<ProviderFlowDoc>),
    /// Make a passkey for this person, who proved presence.
    Register {
        /// Who.
        user_id: Id<id::User>,
        /// The record of what let them.
        evidence: Id<id::Evidence>,
        /// What `crypto` has to know.
        state: String,
    },
}

impl CeremonyDoc {
    /// Who is asked, where that is known already.
    #[must_use]
    pub fn user_id(&self) -> Option<Id<id::User>> {
        match self {
            Self::Authenticate(_) | Self::Provider(_) => None,
            Self::Countersign(doc) => Some(doc.user_id),
            Self::Register { user_id, .. } => Some(*user_id),
        }
    }
}
