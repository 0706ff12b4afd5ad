//! What is about to be done at the resource server.

use countersign_model::{
    enforce,
    name::{ActionName, EnvironmentName, InvalidName},
    token::{ArtifactDigest, InvalidDigest},
};
use thiserror::Error;

/// What is about to be done. A token must allow exactly this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The dotted verb, `deploy.release` for one.
    pub action: ActionName,
    /// On what. It goes into the evidence, where it can be searched for.
    pub resource: Option<String>,
    /// Where. Left out, a token for any environment will do: name it wherever it matters.
    pub environment: Option<EnvironmentName>,
    /// With which artifact. A token that binds one is refused for another, or for none.
    pub artifact_digest: Option<ArtifactDigest>,
}

/// What the caller wants cannot be put into words that a token could allow.
#[derive(Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// The artifact digest has not its form.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
    /// The name of the action or the environment has not its form.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// Something else that the resource server needs is missing or malformed.
    #[error("{0}")]
    Other(String),
}

impl Request {
    /// This action, and nothing said of where, on what and with what.
    #[must_use]
    pub const fn new(action: ActionName) -> Self {
        Self {
            action,
            resource: None,
            environment: None,
            artifact_digest: None,
        }
    }

    /// The same from text.
    ///
    /// # Errors
    /// When the text is not an action.
    pub fn parse(action: &str) -> Result<Self, InvalidRequest> {
        Ok(Self::new(action.parse()?))
    }

    /// On this resource.
    #[must_use]
    pub fn on(self, resource: impl Into<String>) -> Self {
        Self {
            resource: Some(resource.into()),
            ..self
        }
    }

    /// In this environment.
    ///
    /// # Errors
    /// When the text is not the name of an environment.
    pub fn in_environment(self, environment: &str) -> Result<Self, InvalidRequest> {
        let environment = Some(environment.parse()?);
        Ok(Self {
            environment,
            ..self
        })
    }

    /// With this artifact.
    ///
    /// # Errors
    /// When the text is not `sha256:` and 64 lower-case hexadecimal digits.
    pub fn with_artifact(self, digest: &str) -> Result<Self, InvalidRequest> {
        let artifact_digest = Some(digest.parse()?);
        Ok(Self {
            artifact_digest,
            ..self
        })
    }

    pub(crate) fn to_enforce(&self) -> enforce::Request<'_> {
        enforce::Request {
            action: &self.action,
            resource: self.resource.as_deref(),
            environment: self.environment.as_ref(),
            artifact_digest: self.artifact_digest.as_ref(),
        }
    }
}

impl From<ActionName> for Request {
    fn from(action: ActionName) -> Self {
        Self::new(action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_is_wrong_with_it() {
        let error = Request::parse("deploy").unwrap_err();
        assert!(error.to_string().contains("`deploy` is not an action"));
        let request = Request::parse("deploy.release").unwrap();
        assert!(request.clone().in_environment("Production").is_err());
        assert!(request.with_artifact("sha256:12").is_err());
    }
}
