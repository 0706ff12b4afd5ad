//! The smallest guard there is: three checks of claims that somebody else verified.

use countersign_model::{enforce::Denial, name::ActionName, token::AccessClaims};

use countersign_crypto::access_token::TokenError;

use crate::error::GuardError;

/// Whether the token is for this audience, from a bot below the prefix, and names the action.
///
/// It looks at claims only. Verify the token first, with [`crate::Guard::authorize`], which checks
/// all of this and more; or take the claims from a gateway that did.
///
/// # Errors
/// `invalid audience`, `unexpected subject`, or `bot is not allowed to perform ..`.
pub fn assert_bot_can(
    token: &AccessClaims,
    action: &ActionName,
    audience: &str,
    subject_prefix: &str,
) -> Result<(), GuardError> {
    if token.aud != audience {
        return Err(TokenError::InvalidAudience.into());
    }
    if !token.acting_subject().starts_with(subject_prefix) {
        return Err(Denial::UnexpectedSubject.into());
    }
    if !token.actions.contains(action) {
        let (who, action) = ("bot", action.to_string());
        return Err(Denial::ActionNotAllowed { who, action }.into());
    }
    Ok(())
}
