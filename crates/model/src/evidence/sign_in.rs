//! What is on record about people's sign-ins.

use serde::{Deserialize, Serialize};

use super::Text;
use crate::{
    countersignature::PasskeyKey,
    id::{self, Id},
    invitation::IntoProject,
    registry::TenantRole,
    time::Timestamp,
};

/// A user's sign-in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignedIn {
    /// How: `enrolment_code`, `device_code`, `passkey`, `provider`.
    pub method: String,
    /// The source address.
    pub source_address: Option<Text>,
    /// What the company's provider said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<SaidByProvider>,
}

/// What the company's provider said of a sign-in there (OIDC Core §2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SaidByProvider {
    /// The provider.
    pub issuer: String,
    /// The account there.
    pub subject: Text,
    /// The class of the authentication.
    pub acr: Option<String>,
    /// When the person proved presence there.
    pub auth_time: Timestamp,
}

/// A person's answer to a command line that asks to be signed in (RFC 8628 §3.3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignInDecided {
    /// Yes or no.
    pub confirmed: bool,
    /// The host that the client said it runs on.
    pub host_name: Option<Text>,
    /// Where it was asked for from.
    pub requested_from: Option<Text>,
    /// When.
    pub requested_at: Timestamp,
    /// Where the person was.
    pub source_address: Option<Text>,
}

/// A change of a person's passkeys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PasskeyChanged {
    /// `offered`, `registered`, `removed`.
    pub verb: String,
    /// Which; none while it is only offered.
    pub passkey_id: Option<Id<id::Passkey>>,
    /// The public key of one that was registered: what was signed with another is not its.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PasskeyKey>,
    /// What its person calls it.
    pub name: Option<Text>,
    /// Where the person was.
    pub source_address: Option<Text>,
}

/// What became of an invitation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InvitationChanged {
    /// `created`, `accepted`, `revoked`.
    pub verb: String,
    /// Which.
    pub invitation_id: Id<id::Invitation>,
    /// Whom it lets in.
    pub email: Text,
    /// What they become in the tenant.
    pub role: TenantRole,
    /// The project that they come into, and as what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<IntoProject>,
    /// Whether it was sent to the address; otherwise who made it was shown the link.
    pub mailed: bool,
    /// Where who did it was.
    pub source_address: Option<Text>,
}
