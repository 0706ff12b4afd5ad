//! What the application says no with, as an answer. A fault is logged here, once, and the caller sees
//! only its id.

use countersign_authority::{Fault, Rejection};

use crate::{
    http::{oauth_error::OauthFailure, problem::Failure},
    telemetry::current_request,
};

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Fault(fault) => fault.into(),
            Rejection::Recorded(refusal) => Self::recorded(refusal),
            Rejection::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        if note(&fault) {
            Self::unavailable(BUSY, RETRY_AFTER_SECONDS)
        } else {
            Self::internal()
        }
    }
}

impl From<Rejection> for OauthFailure {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Fault(fault) => fault.into(),
            Rejection::Recorded(refusal) => Self::recorded(refusal),
            Rejection::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<Fault> for OauthFailure {
    fn from(fault: Fault) -> Self {
        if note(&fault) {
            return Self::unavailable(BUSY, RETRY_AFTER_SECONDS);
        }
        Self::server_error(
            current_request()
                .as_ref()
                .map(|request| request.id.as_str()),
        )
    }
}

/// Logs the fault. True when the same request may succeed a little later.
fn note(fault: &Fault) -> bool {
    let passing = match fault {
        Fault::Store(error) => error.is_transient(),
        Fault::Invariant(_) | Fault::Keys(_) | Fault::NoKey(_) => false,
    };
    if passing {
        tracing::warn!(error = %fault, "not answered: {fault}");
    } else {
        tracing::error!(error = %fault, "fault: {fault}");
    }
    passing
}

const BUSY: &str = "the database cannot take this now: try again";
const RETRY_AFTER_SECONDS: u64 = 1;
