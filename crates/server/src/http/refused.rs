//! Refusals of callers who proved who they are, and uses of long-lived tokens: recorded on their way out.
//!
//! Whoever admits a caller leaves it in the request's context; the shell hands every answer to a caller
//! that was admitted to [`Admitted::answered`]. No handler takes part, so none can forget it.

use std::fmt;

use axum::response::{IntoResponse as _, Response};
use countersign_authority::{Ctx, Fault, Proved, command::Permit, long_lived::Use};
use countersign_model::{
    evidence::Outcome,
    reason::{Reason, Refusal},
};
use http::{Method, StatusCode};

use crate::{
    app::App,
    http::{
        budgets::Budget,
        oauth_error::OauthFailure,
        problem::{Failure, status},
        router::is_oauth,
    },
};

/// Why an answer says no: travels with it to the shell, which counts it and has it recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedFor {
    /// The refusal.
    pub refusal: Refusal,
    /// Whether its evidence is durable already: a command records its own.
    pub recorded: bool,
    /// How many refusals the answer holds: several only where one request asks several questions.
    pub count: u64,
}

impl RefusedFor {
    /// One refusal that nobody recorded yet.
    #[must_use]
    pub const fn new(refusal: Refusal) -> Self {
        Self {
            refusal,
            recorded: false,
            count: 1,
        }
    }
}

/// Whether a status denies authority. A malformed request, or one that came too late, does not.
#[must_use]
pub const fn denies(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND
    )
}

/// A caller who proved who they are.
pub struct Admitted {
    /// Where to record.
    pub app: App,
    /// The time and origin of the request.
    pub ctx: Ctx,
    /// Who it is.
    pub permit: Permit,
    /// The token, where one of ours was presented.
    pub token: Option<Proved>,
    /// What is left of the budget of a long-lived token.
    pub budget: Option<Budget>,
}

impl Admitted {
    /// The answer, once the refusal that it tells, and the use of a long-lived token, are durable. Without evidence there is no
    /// answer.
    pub async fn answered(
        &self,
        method: &Method,
        route: &'static str,
        response: Response,
    ) -> Response {
        let (refused, status) = (unrecorded(&response), response.status());
        let mut response = match self.recorded(method, route, refused, status).await {
            Ok(()) => response,
            Err(fault) if is_oauth(route) => OauthFailure::from(fault).into_response(),
            Err(fault) => Failure::from(fault).into_response(),
        };
        if let Some(budget) = &self.budget {
            budget.write(response.headers_mut());
        }
        response
    }

    async fn recorded(
        &self,
        method: &Method,
        route: &'static str,
        refused: Option<RefusedFor>,
        status: StatusCode,
    ) -> Result<(), Fault> {
        if let Some(refused) = refused {
            self.record(&format!("{method} {route}"), &refused).await?;
        }
        let long_lived = |token: &&Proved| {
            let claims = token.claims();
            claims.chain_id.is_some() && !claims.is_of_session()
        };
        let Some(token) = self.token.as_ref().filter(long_lived) else {
            return Ok(());
        };
        // Who uses a token of months is not dormant.
        let holder = [token.claims().identity_id.cast()];
        self.app.authority().note_use(&self.ctx, &holder);
        let outcome = outcome(status);
        let asked = format!("{method} {route}");
        let Some(used) = Use::of(&self.ctx, token.claims(), asked, outcome) else {
            return Ok(());
        };
        let reads = method.is_safe() || route.starts_with("/access/");
        if reads || outcome != Outcome::Done {
            self.app.authority().note_token_use(used);
            return Ok(());
        }
        let writing = self.app.authority().record_token_use(&self.ctx, used)?;
        Ok(writing.await?)
    }

    async fn record(&self, asked: &str, refused: &RefusedFor) -> Result<(), Fault> {
        let writing = self.app.authority().record_refused_call(
            &self.ctx,
            &self.permit,
            asked,
            &refused.refusal,
            refused.count,
        )?;
        Ok(writing.await?)
    }
}

/// How a use of a token ended.
fn outcome(status: StatusCode) -> Outcome {
    match status.as_u16() {
        ..=399 => Outcome::Done,
        401 | 403 | 404 | 409 | 429 => Outcome::Refused,
        _ => Outcome::Failed,
    }
}

/// The refusal of an answer that still needs a record. One whose handler gave no reason has that of its status.
fn unrecorded(response: &Response) -> Option<RefusedFor> {
    let said = response.extensions().get::<RefusedFor>();
    let refused = match said {
        Some(said) => said.clone(),
        None if denies(response.status()) => {
            let reason = match response.status() {
                StatusCode::NOT_FOUND => Reason::NotFound,
                StatusCode::UNAUTHORIZED => Reason::Unauthenticated,
                _ => Reason::Forbidden,
            };
            RefusedFor::new(Refusal::new(reason, "the answer gave no reason"))
        }
        None => return None,
    };
    (!refused.recorded && denies(status(refused.refusal.reason))).then_some(refused)
}

impl fmt::Debug for Admitted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Admitted").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason_of(response: &Response) -> Option<Reason> {
        unrecorded(response).map(|refused| refused.refusal.reason)
    }

    #[test]
    fn what_denies_is_recorded_once_and_with_a_reason_even_when_nobody_gave_one() {
        let refusal = |reason| Refusal::new(reason, "no");
        for (reason, recorded) in [
            (Reason::Forbidden, true),
            (Reason::NotFound, true),
            (Reason::PresenceTooOld, true),
            (Reason::BadRequest, false),
            (Reason::Conflict, false),
            (Reason::Unprocessable, false),
            (Reason::RateLimited, false),
        ] {
            let response = Failure::from(refusal(reason)).into_response();
            assert_eq!(reason_of(&response), recorded.then_some(reason));
        }
        let done = Failure::recorded(refusal(Reason::Forbidden)).into_response();
        assert_eq!(reason_of(&done), None);
        let client = OauthFailure::from(refusal(Reason::IdentityDisabled)).into_response();
        assert_eq!(reason_of(&client), Some(Reason::IdentityDisabled));
        for (status, reason) in [
            (StatusCode::FORBIDDEN, Some(Reason::Forbidden)),
            (StatusCode::NOT_FOUND, Some(Reason::NotFound)),
            (StatusCode::UNAUTHORIZED, Some(Reason::Unauthenticated)),
            (StatusCode::OK, None),
            (StatusCode::BAD_REQUEST, None),
        ] {
            assert_eq!(reason_of(&status.into_response()), reason, "{status}");
        }
    }
}
