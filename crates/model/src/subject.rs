//! Subjects: frozen at creation, unique in their issuer, never given out again.

use crate::id::{self, Id};

/// The subject of a user's token; no identity's subject can begin with `user:`.
#[must_use]
pub fn of_user(user: Id<id::User>) -> String {
    format!("user:{user}")
}
