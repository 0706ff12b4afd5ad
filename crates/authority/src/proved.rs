//! Claims that were checked, whichever way they came: the one thing that a permit is made of.

use std::sync::Arc;

use countersign_crypto::jose::Verified;
use countersign_model::{action::ActionSet, token::AccessClaims};

/// What a caller proved who they are with: a token, or the cookie of a browser's session. Whether it was revoked since is asked
/// when the permit is made.
#[derive(Debug, Clone)]
pub struct Proved(Source);

#[derive(Debug, Clone)]
enum Source {
    /// A token with a good signature, with those of its actions that count today.
    Narrowed(Arc<AccessClaims>),
    /// A session, with what a token that it gave out now would say. No such token exists.
    Session(Arc<AccessClaims>),
    /// A token with a good signature.
    Token(Arc<Verified<AccessClaims>>),
}

impl Proved {
    /// INVARIANT: called by [`crate::passkeys::Browser`] alone, which only a good cookie makes.
    pub(crate) fn session(claims: AccessClaims) -> Self {
        Self(Source::Session(Arc::new(claims)))
    }

    /// The same with no action beyond these. A session has none to lose.
    #[must_use]
    pub fn within(self, left: &ActionSet) -> Self {
        if let Source::Session(_) = self.0 {
            return self;
        }
        let mut claims = self.claims().clone();
        claims.actions.retain(|action| left.contains(action));
        Self(Source::Narrowed(Arc::new(claims)))
    }

    /// What it says.
    #[must_use]
    pub fn claims(&self) -> &AccessClaims {
        match &self.0 {
            Source::Narrowed(claims) | Source::Session(claims) => claims,
            Source::Token(token) => token.claims(),
        }
    }
}

impl From<Arc<Verified<AccessClaims>>> for Proved {
    fn from(token: Arc<Verified<AccessClaims>>) -> Self {
        Self(Source::Token(token))
    }
}
