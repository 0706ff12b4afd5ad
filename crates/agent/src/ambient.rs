//! The ambient identity: what the platform that a process runs on says of it. One file and one row for each platform.

use std::{path::PathBuf, time::Duration};

use countersign_crypto::Secret;
use thiserror::Error;

use crate::Surroundings;

mod buildkite;
mod file;
mod github;
mod gitlab;

/// How long a platform may take to answer.
pub(crate) const TIMEOUT: Duration = countersign_api::client::TIMEOUT;

/// The longest run identity that is read (T24 has the same limit at the server).
const MAX_BYTES: u64 = 16 * 1024;

/// A platform that vouches for what runs on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// A Buildkite job: `buildkite-agent oidc request-token`.
    Buildkite,
    /// A GitHub Actions job with `permissions: id-token: write`.
    Github,
    /// A GitLab job with `id_tokens`.
    Gitlab,
    /// A pod with a projected service account token.
    Kubernetes,
    /// Any other one that hands its token in a variable or a file.
    Other,
    /// A workload whose JWT-SVID spiffe-helper writes to a file.
    Spiffe,
}

impl Platform {
    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Buildkite => "Buildkite",
            Self::Github => "GitHub Actions",
            Self::Gitlab => "GitLab CI",
            Self::Kubernetes => "Kubernetes",
            Self::Other => "this platform",
            Self::Spiffe => "SPIFFE",
        }
    }
}

/// Where the identity of this process is to be had.
#[derive(Debug, Clone)]
pub enum Ambient {
    /// The agent of a Buildkite job.
    Buildkite,
    /// A file that the platform keeps fresh.
    File {
        /// Whose.
        platform: Platform,
        /// Where.
        path: PathBuf,
    },
    /// The token endpoint of a GitHub Actions job.
    Github {
        /// Where.
        url: String,
        /// What opens it.
        token: Secret<String>,
    },
    /// A variable that was set when the job began.
    Variable {
        /// Whose.
        platform: Platform,
        /// The run identity itself.
        token: Secret<String>,
    },
}

/// Why there is no ambient identity.
#[derive(Debug, Error)]
pub enum AmbientError {
    /// The platform is known, and gives none to this job.
    #[error("this {} job has no identity of its own: {hint}", platform.name())]
    NotGiven {
        /// Which.
        platform: Platform,
        /// What to do about it.
        hint: &'static str,
    },
    /// The platform was asked, and did not answer with one.
    #[error("{} gave no identity: {detail}", platform.name())]
    Refused {
        /// Which.
        platform: Platform,
        /// What it said. Never a token.
        detail: String,
        /// Whether asking again may help.
        transient: bool,
    },
}

impl AmbientError {
    /// Whether asking again may help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                transient: true,
                ..
            }
        )
    }
}

/// What a platform says of a process: nothing, where its identity is, or that it gives none.
type Found = Result<Option<Ambient>, AmbientError>;

/// The rows. What a person set by hand comes first; of the rest only one can be true of a process.
const ROWS: [fn(&Surroundings) -> Found; 6] = [
    file::named,
    github::find,
    gitlab::find,
    buildkite::find,
    file::kubernetes,
    file::spiffe,
];

impl Ambient {
    /// Finds the identity of a process. Asks nobody.
    ///
    /// # Errors
    /// When the platform is known and gives this job none, with what to do about it.
    pub fn find(surroundings: &Surroundings) -> Result<Option<Self>, AmbientError> {
        for row in ROWS {
            if let Some(found) = row(surroundings)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// That of a GitHub Actions job, whatever else there is.
    ///
    /// # Errors
    /// When this is no such job, or it may not have a token.
    pub fn github(surroundings: &Surroundings) -> Result<Self, AmbientError> {
        github::find(surroundings)?.ok_or(AmbientError::NotGiven {
            platform: Platform::Github,
            hint: github::HINT,
        })
    }

    /// Whose it is.
    #[must_use]
    pub const fn platform(&self) -> Platform {
        match self {
            Self::Buildkite => Platform::Buildkite,
            Self::Github { .. } => Platform::Github,
            Self::File { platform, .. } | Self::Variable { platform, .. } => *platform,
        }
    }

    /// Where it comes from, for people. No secret.
    #[must_use]
    pub fn origin(&self) -> String {
        match self {
            Self::Buildkite => "`buildkite-agent oidc request-token`".to_owned(),
            Self::File { path, .. } => format!("the file {}", path.display()),
            Self::Github { .. } => github::URL.to_owned(),
            Self::Variable { .. } => format!("the variable {}", gitlab::VARIABLE),
        }
    }

    /// Whether it can be had anew, so that a token can be renewed. What a variable holds was made once,
    /// and the server takes it once for each purpose.
    #[must_use]
    pub const fn renews(&self) -> bool {
        match self {
            Self::Buildkite | Self::File { .. } | Self::Github { .. } => true,
            Self::Variable { .. } => false,
        }
    }

    /// The variables that it comes from, and with which whoever has them can be this run again.
    #[must_use]
    pub const fn variables(&self) -> &'static [&'static str] {
        match self {
            Self::Buildkite => &[buildkite::OPENS],
            Self::File { .. } => &[],
            Self::Github { .. } => &[github::URL, github::OPENS],
            Self::Variable { platform, .. } => match platform {
                Platform::Gitlab => &gitlab::VARIABLES,
                Platform::Buildkite
                | Platform::Github
                | Platform::Kubernetes
                | Platform::Other
                | Platform::Spiffe => &[gitlab::VARIABLE],
            },
        }
    }

    /// The run identity for this audience, fresh where the platform makes it when asked.
    ///
    /// # Errors
    /// When the platform gives none.
    pub async fn assertion(&self, audience: &str) -> Result<Secret<String>, AmbientError> {
        match self {
            Self::Buildkite => buildkite::request("buildkite-agent", audience).await,
            Self::File { platform, path } => file::read(*platform, path),
            Self::Github { url, token } => github::request(url, token, audience).await,
            Self::Variable { token, .. } => Ok(token.clone()),
        }
    }
}

/// Takes what a platform answered for a run identity, if it can be one.
fn token_of(platform: Platform, text: &str) -> Result<Secret<String>, AmbientError> {
    let text = text.trim();
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if text.split('.').count() == 3 && text.bytes().all(fits) && text.len() as u64 <= MAX_BYTES {
        return Ok(Secret::new(text.to_owned()));
    }
    Err(AmbientError::Refused {
        platform,
        detail: "what came is not a signed JWT".to_owned(),
        transient: false,
    })
}

#[cfg(test)]
mod tests;
