//! How often a long-lived token, and the identity that holds it, may ask: so that one that runs wild, or is stolen, does not
//! take the server from the others.

use std::time::{Duration, Instant};

use countersign_model::token::AccessClaims;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    config::LimitsConfig,
    http::limits::{Exhausted, Left, Limiter},
};

/// The budgets of long-lived tokens and of those who hold them.
pub struct TokenBudgets {
    token: Limiter,
    identity: Limiter,
    policy: String,
}

/// What is left of both budgets, for the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    policy: String,
    left: Vec<(&'static str, Left)>,
}

impl TokenBudgets {
    /// With the configured limits.
    #[must_use]
    pub fn new(config: &LimitsConfig) -> Self {
        let (token, identity) = (
            config.requests_per_token_per_minute,
            config.requests_per_identity_per_minute,
        );
        Self {
            token: Limiter::new(token, MINUTE),
            identity: Limiter::new(identity, MINUTE),
            policy: format!("\"token\";q={token};w=60, \"identity\";q={identity};w=60"),
        }
    }

    /// Takes a request from the budgets of a token, if it is a long-lived one. The budget is for the answer, whichever it is.
    pub fn take(
        &self,
        claims: &AccessClaims,
        now: Instant,
    ) -> Option<(Budget, Result<(), Exhausted>)> {
        claims
            .chain_id
            .as_ref()
            .filter(|_| !claims.is_of_session())?;
        let token = self.token.take(&claims.jti, now);
        let identity = match token {
            Ok(_) => self
                .identity
                .take(&(claims.tenant_id, claims.identity_id), now),
            Err(exhausted) => Err(exhausted),
        };
        let mut left = Vec::with_capacity(2);
        match (token, identity) {
            (Ok(token), Ok(identity)) => left.extend([("token", token), ("identity", identity)]),
            (Ok(token), Err(exhausted)) => {
                left.extend([("token", token), ("identity", nothing(exhausted))]);
            }
            (Err(exhausted), _) => left.push(("token", nothing(exhausted))),
        }
        let budget = Budget {
            policy: self.policy.clone(),
            left,
        };
        Some((budget, identity.map(drop)))
    }
}

impl Budget {
    /// Says it in the answer (`draft-ietf-httpapi-ratelimit-headers`).
    pub fn write(&self, headers: &mut HeaderMap) {
        let left: Vec<String> = self
            .left
            .iter()
            .map(|(name, left)| {
                format!("\"{name}\";r={};t={}", left.requests, left.full_in_seconds)
            })
            .collect();
        for (name, value) in [
            (RATE_LIMIT_POLICY, &self.policy),
            (RATE_LIMIT, &left.join(", ")),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
    }
}

fn nothing(exhausted: Exhausted) -> Left {
    Left {
        requests: 0,
        full_in_seconds: exhausted.retry_after_seconds,
    }
}

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const MINUTE: Duration = Duration::from_secs(60);
