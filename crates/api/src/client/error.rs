//! What can go wrong between client and server.

use thiserror::Error;

use crate::{problem::Problem, tokens::OauthError};

/// Why a call gave no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The base URL is not one of HTTP.
    #[error("that is not the address of a server: expected one such as https://id.example.com")]
    NotAServer,
    /// An OAuth endpoint refused.
    #[error("{}", error.error_description.as_deref().unwrap_or(&error.error))]
    Oauth {
        /// The HTTP status.
        status: u16,
        /// What the server said.
        error: Box<OauthError>,
    },
    /// The server refused.
    #[error("{problem}")]
    Problem {
        /// What the server said.
        problem: Box<Problem>,
        /// Seconds after which to try again, when it said so.
        retry_after: Option<u64>,
    },
    /// Something answered that is not a Countersign server, or not one of this version.
    #[error("{url} answered {status}: {detail}")]
    Unexpected {
        /// Where.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What came, shortened.
        detail: String,
    },
    /// Nothing answered in time.
    #[error("cannot reach {url}: {}", cause(source))]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
}

impl ClientError {
    /// The HTTP status, when something answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Oauth { status, .. } | Self::Unexpected { status, .. } => Some(*status),
            Self::Problem { problem, .. } => Some(problem.status),
            Self::NotAServer | Self::Unreachable { .. } => None,
        }
    }

    /// The stable reason code, when the server gave one.
    #[must_use]
    pub fn reason_code(&self) -> Option<&str> {
        match self {
            Self::Oauth { error, .. } => error.reason_code.as_deref(),
            Self::Problem { problem, .. } => Some(&problem.reason_code),
            Self::NotAServer | Self::Unexpected { .. } | Self::Unreachable { .. } => None,
        }
    }

    /// Whether there is no such thing, or the caller may not know of it.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }
}

/// The innermost cause: the outer layers only repeat the address.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} seconds", super::TIMEOUT.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
