//! What the console is told of the session that it is in.

use countersign_model::{Id, id};
use serde::{Deserialize, Serialize};

use crate::{reference::Ref, time::Time};

/// A browser's session, as the console needs it. There is no token in it: the cookie is the session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Console {
    /// Who is signed in.
    pub user: ConsoleUser,
    /// Their tenant.
    pub tenant: Ref,
    /// What every request that changes something says in `X-CSRF-Token`.
    pub csrf_token: String,
    /// When the session is over, however much it is used.
    pub expires_at: Time,
}

/// The person in a console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConsoleUser {
    /// Their id.
    pub id: Id<id::User>,
    /// What they are called; their address where nobody said.
    pub name: String,
    /// Their address.
    pub email: String,
}
