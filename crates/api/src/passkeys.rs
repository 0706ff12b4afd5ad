//! People's passkeys.

use countersign_model::{Id, id};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::time::Time;

/// A link that makes a passkey for who asked for it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PasskeyLink {
    /// To be opened in a browser where the passkey is to be; good once.
    pub url: String,
    /// Until when.
    pub expires_at: Time,
}

/// The caller's passkeys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Passkeys {
    /// Oldest first.
    pub items: Vec<Passkey>,
}

/// A passkey of the caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Passkey {
    /// Its id.
    pub id: Id<id::Passkey>,
    /// What its person calls it.
    pub name: String,
    /// When it was registered.
    pub created_at: Time,
    /// When it was used last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Time>,
}

/// A body with nothing in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// A question to a browser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AskedPasskey {
    /// What comes back with the answer.
    pub ceremony: Id<id::Ceremony>,
    /// The argument of `navigator.credentials`, its bytes in base64url.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub options: Value,
    /// Whose passkey it will be, for a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// The answer of who signs in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FinishLogin {
    /// The question.
    pub ceremony: Id<id::Ceremony>,
    /// What the browser gave.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub credential: Value,
}

/// A one-time code of whoever holds the data directory, shown in a browser.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EnrolInBrowser {
    /// The code.
    pub code: String,
}

/// A link that was opened.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BeginPasskey {
    /// What stood behind the `#`.
    pub link: String,
}

/// A passkey that a browser made.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FinishPasskey {
    /// What stood behind the `#`.
    pub link: String,
    /// The question.
    pub ceremony: Id<id::Ceremony>,
    /// What its person calls it.
    pub name: String,
    /// What the browser gave.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub credential: Value,
}
