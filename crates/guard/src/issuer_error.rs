//! What can go wrong between a guard and its issuer.

use thiserror::Error;

/// The issuer did not answer as it should. It never holds a token or a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// It answered that it cannot or will not.
    #[error("{url} answered {status}{}", reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default())]
    Answered {
        /// Where.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The stable code that it gave.
        reason: Option<String>,
    },
    /// It answered something that is not what it should be.
    #[error("{url} answered something else than expected: {detail}")]
    Unexpected {
        /// Where.
        url: String,
        /// What is wrong with it.
        detail: String,
    },
    /// It did not answer in time.
    #[error("cannot reach {url}: {detail}")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        detail: String,
    },
}

impl IssuerError {
    /// Whether the same request would be refused again, however often it is sent.
    pub(crate) const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Answered {
                status: 400 | 413 | 415 | 422,
                ..
            }
        )
    }

    pub(crate) fn unexpected(url: &str, detail: &str) -> Self {
        Self::Unexpected {
            url: url.to_owned(),
            detail: detail.to_owned(),
        }
    }
}
