//! May this token do this? The one rule for guards and for the server itself.

use thiserror::Error;

use crate::{
    name::{ActionName, EnvironmentName},
    token::{AccessClaims, ArtifactDigest},
};

/// What is about to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// The action.
    pub action: &'a ActionName,
    /// On what.
    pub resource: Option<&'a str>,
    /// Where.
    pub environment: Option<&'a EnvironmentName>,
    /// With which artifact.
    pub artifact_digest: Option<&'a ArtifactDigest>,
}

/// Why not. The texts read as a resource server's developer would write them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Denial {
    /// The action is not in the token.
    #[error("{who} is not allowed to perform {action}")]
    ActionNotAllowed {
        /// The kind of principal, `bot` for instance.
        who: &'static str,
        /// The action.
        action: String,
    },
    /// The token is bound to another artifact.
    #[error("artifact digest does not match what was approved")]
    DigestMismatch,
    /// The token is for another environment.
    #[error("token is for environment {token}, not {asked}")]
    EnvironmentMismatch {
        /// The token's environment.
        token: String,
        /// The environment asked for.
        asked: String,
    },
    /// The token is bound to another resource.
    #[error("resource does not match what was approved")]
    ResourceMismatch,
    /// The subject does not begin as this resource server expects.
    #[error("unexpected subject")]
    UnexpectedSubject,
}

/// Whether the token may do this.
///
/// An artifact digest or a resource that was approved must be met exactly: another one, or none, is
/// refused. A request that names an environment needs a token for it.
///
/// # Errors
/// Says which rule refused.
pub fn enforce(
    claims: &AccessClaims,
    subject_prefix: Option<&str>,
    request: &Request<'_>,
) -> Result<(), Denial> {
    if !subject_prefix.is_none_or(|prefix| claims.acting_subject().starts_with(prefix)) {
        return Err(Denial::UnexpectedSubject);
    }
    if !claims.actions.contains(request.action) {
        return Err(Denial::ActionNotAllowed {
            who: claims.identity_kind.map_or("user", |kind| kind.as_str()),
            action: request.action.to_string(),
        });
    }
    if let Some(asked) = request.environment
        && claims.environment.as_ref() != Some(asked)
    {
        return Err(Denial::EnvironmentMismatch {
            token: claims
                .environment
                .as_ref()
                .map_or_else(|| "none".to_owned(), ToString::to_string),
            asked: asked.to_string(),
        });
    }
    for detail in claims
        .authorization_details
        .iter()
        .filter(|detail| detail.actions.contains(request.action))
    {
        if detail.artifact_digest.is_some()
            && detail.artifact_digest.as_ref() != request.artifact_digest
        {
            return Err(Denial::DigestMismatch);
        }
        if detail.resource.is_some() && detail.resource.as_deref() != request.resource {
            return Err(Denial::ResourceMismatch);
        }
    }
    Ok(())
}
