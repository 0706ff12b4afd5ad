//! The guard itself.

use std::{fmt, sync::Arc, time::Duration};

use countersign_api::results::ActionResult;
use countersign_crypto::{
    Sender,
    dpop::{self, Proof, Target},
    jose::Verified,
};
use countersign_model::{
    Timestamp, enforce::enforce, evidence::Outcome, name::ActionName, token::AccessClaims,
};
use http::HeaderMap;
use tokio::task::AbortHandle;

use crate::{
    action_classes::ActionClasses,
    authorized::Authorized,
    bot::assert_bot_can,
    builder::GuardBuilder,
    challenge::bearer_token,
    clock::Clock,
    error::GuardError,
    feed::Feed,
    issuer_error::IssuerError,
    layer::GuardLayer,
    presented::Presented,
    proofs::Proofs,
    request::Request,
    results::{Results, Unreported},
    revocations::RevocationSet,
    verifier::Verifier,
};

/// Stands before a resource server. Clones are the same guard; the last one ends its tasks.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

/// What a guard does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It follows revocations and reports results.
    Following,
    /// It has the keys and revocations that it was given, and asks nobody.
    Offline,
    /// It has no credential: a revoked token lives until it expires, and nothing is reported.
    VerifyOnly,
}

/// What a guard has done and how fresh it is, for metrics and health checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// How old the revocation feed is; absent where none is followed.
    pub feed_age: Option<Duration>,
    /// How many revocations are in force.
    pub revocations: usize,
    /// How old the keys are.
    pub keys_age: Duration,
    /// Results that the issuer has not yet.
    pub results_waiting: usize,
    /// Results that became evidence.
    pub results_reported: u64,
    /// Results that did not fit in the queue.
    pub results_dropped: u64,
    /// Results that the issuer did not take.
    pub results_rejected: u64,
}

pub(crate) struct Inner {
    pub(crate) verifier: Verifier,
    pub(crate) subject_prefix: Option<String>,
    pub(crate) revocations: Revocations,
    pub(crate) resource_metadata: Option<String>,
    pub(crate) public_url: Option<String>,
    pub(crate) proofs: Proofs,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) _tasks: Tasks,
}

/// How revocations are known.
pub(crate) enum Revocations {
    Followed(Following),
    Given(RevocationSet),
    Unknown,
}

/// What a guard with a credential does besides verifying.
pub(crate) struct Following {
    pub(crate) feed: Arc<Feed>,
    pub(crate) results: Arc<Results>,
    pub(crate) classes: Arc<ActionClasses>,
    pub(crate) max_age: Duration,
    pub(crate) max_age_irreversible: Duration,
    pub(crate) refuse_on_backlog: bool,
}

/// The guard's background tasks, which end with it.
pub(crate) struct Tasks(pub(crate) Vec<AbortHandle>);

impl Guard {
    /// Begins to describe a guard.
    #[must_use]
    pub fn builder() -> GuardBuilder {
        GuardBuilder::default()
    }

    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self(inner)
    }

    /// What this guard does.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match self.0.revocations {
            Revocations::Followed(_) => Mode::Following,
            Revocations::Given(_) => Mode::Offline,
            Revocations::Unknown => Mode::VerifyOnly,
        }
    }

    /// Whether the token is the issuer's, for this audience, valid and not revoked, and allows this.
    /// A refusal of a token that was verified is reported.
    ///
    /// A token that is bound to a key or a certificate is refused unless what its sender proved is handed in with it:
    /// [`Presented`]. A text alone is a bearer token.
    ///
    /// # Errors
    /// Says which rule refused.
    pub async fn authorize<'a>(
        &self,
        token: impl Into<Presented<'a>>,
        request: Request,
    ) -> Result<Authorized, GuardError> {
        let presented: Presented<'a> = token.into();
        let verified = self.0.verifier.verify(presented.token).await?;
        let decided = self.0.admit(&presented, &verified, &request).await;
        match decided {
            Ok(()) => Ok(Authorized::new(self.clone(), verified, request)),
            Err(error) => {
                let detail = error.to_string();
                self.report(verified.claims(), &request, Outcome::Refused, Some(&detail));
                Err(error)
            }
        }
    }

    /// The same for a bearer token in the `Authorization` header; for one that came as DPoP see [`Presented::of_request`].
    ///
    /// # Errors
    /// When there is none, or as [`Guard::authorize`].
    pub async fn authorize_headers(
        &self,
        headers: &HeaderMap,
        request: Request,
    ) -> Result<Authorized, GuardError> {
        self.authorize(bearer_token(headers)?, request).await
    }

    /// The check of claims that were verified elsewhere: this audience, the subject prefix
    /// (`bot://` when none was given), the action. [`Guard::authorize`] checks all of this and more.
    ///
    /// # Errors
    /// `invalid audience`, `unexpected subject`, or `bot is not allowed to perform ..`.
    pub fn assert_bot_can(
        &self,
        token: &AccessClaims,
        action: &ActionName,
    ) -> Result<(), GuardError> {
        let prefix = self.0.subject_prefix.as_deref().unwrap_or("bot://");
        assert_bot_can(token, action, self.0.verifier.audience(), prefix)
    }

    /// A tower layer that asks for the same action whatever comes.
    #[must_use]
    pub fn require(&self, action: ActionName) -> GuardLayer<Request> {
        GuardLayer::new(self.clone(), Request::new(action))
    }

    /// Asks the issuer now for what is new: revocations, keys and actions. A guard does so by itself.
    ///
    /// # Errors
    /// When the issuer does not answer as it should.
    pub async fn refresh(&self) -> Result<(), IssuerError> {
        self.0.verifier.keys.refresh().await?;
        if let Revocations::Followed(following) = &self.0.revocations {
            following.feed.poll().await?;
            following.classes.refresh().await?;
        }
        Ok(())
    }

    /// Sends the results that wait: before a program ends, for what is not sent then is lost.
    ///
    /// # Errors
    /// When the issuer does not take them now. They wait on, and are sent again.
    pub async fn flush(&self) -> Result<(), Unreported> {
        match &self.0.revocations {
            Revocations::Followed(following) => following.results.flush().await,
            Revocations::Given(_) | Revocations::Unknown => Ok(()),
        }
    }

    /// How fresh the guard is, and what became of its results.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let keys_age = self.0.verifier.keys.age();
        match &self.0.revocations {
            Revocations::Followed(following) => following.stats(keys_age),
            Revocations::Given(set) => Stats {
                revocations: set.len(),
                keys_age,
                ..Stats::default()
            },
            Revocations::Unknown => Stats {
                keys_age,
                ..Stats::default()
            },
        }
    }

    /// The metadata of the resource server (RFC 9728 §2), to be served where
    /// [`GuardBuilder::resource_metadata`] says. `resource` is its own URL.
    #[must_use]
    pub fn protected_resource(&self, resource: &str) -> serde_json::Value {
        serde_json::json!({
            "resource": resource,
            "authorization_servers": [self.0.verifier.issuer()],
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": dpop::ALGORITHMS,
        })
    }

    /// Under which URL callers know the resource server, without a slash at its end.
    pub(crate) fn public_url(&self) -> Option<&str> {
        self.0.public_url.as_deref()
    }

    /// Where the metadata of the resource server stands, for challenges.
    pub(crate) fn resource_metadata(&self) -> Option<&str> {
        self.0.resource_metadata.as_deref()
    }

    pub(crate) fn report(
        &self,
        claims: &AccessClaims,
        request: &Request,
        outcome: Outcome,
        detail: Option<&str>,
    ) {
        let Revocations::Followed(following) = &self.0.revocations else {
            return;
        };
        let cut = |text: &str, limit| text.chars().take(limit).collect();
        let environment = request.environment.as_ref().or(claims.environment.as_ref());
        following.results.add(ActionResult {
            jti: claims.jti,
            txn: claims.txn,
            action: request.action.clone(),
            resource: request
                .resource
                .as_deref()
                .map(|text| cut(text, MAX_RESOURCE)),
            environment: environment.cloned(),
            artifact_digest: request.artifact_digest.clone(),
            outcome,
            occurred_at: self.0.clock.now().into(),
            detail: detail.map(|text| cut(text, MAX_DETAIL)),
        });
    }
}

impl Inner {
    /// Whether all of it may be; only then its proof is used up.
    async fn admit(
        &self,
        presented: &Presented<'_>,
        verified: &Verified<AccessClaims>,
        request: &Request,
    ) -> Result<(), GuardError> {
        let now = self.clock.now();
        let proof = check_sender(presented, verified.claims(), now)?;
        self.decide(verified, request).await?;
        proof.map_or(Ok(()), |proof| self.proofs.use_up(&proof, now))
    }

    async fn decide(
        &self,
        verified: &Verified<AccessClaims>,
        request: &Request,
    ) -> Result<(), GuardError> {
        let claims = verified.claims();
        let revoked = match &self.revocations {
            Revocations::Followed(following) => {
                following.check_age(&request.action).await?;
                following.feed.hit(claims)
            }
            Revocations::Given(set) => set.hit(claims),
            Revocations::Unknown => None,
        };
        if let Some(grain) = revoked {
            return Err(GuardError::Revoked { grain });
        }
        enforce(
            claims,
            self.subject_prefix.as_deref(),
            &request.to_enforce(),
        )?;
        match &self.revocations {
            Revocations::Followed(following) => following.check_backlog(),
            Revocations::Given(_) | Revocations::Unknown => Ok(()),
        }
    }
}

/// Whether the sender holds what the token is bound to: the proof that it came with, which is not used up yet. A token that is
/// bound to nothing costs a look.
fn check_sender(
    presented: &Presented<'_>,
    claims: &AccessClaims,
    now: Timestamp,
) -> Result<Option<Proof>, GuardError> {
    if claims.cnf.is_none() && presented.proof.is_none() {
        return Ok(None);
    }
    let proof = match presented.proof {
        None => None,
        Some(given) => Some(dpop::verify(
            given.proof,
            &Target {
                access_token: Some(presented.token),
                method: given.method,
                now,
                urls: &[given.url],
            },
        )?),
    };
    let sender = Sender {
        proof,
        certificate: presented.certificate.clone(),
    };
    sender.presents(claims.cnf.as_deref())?;
    Ok(sender.proof)
}

impl Following {
    async fn check_age(&self, action: &ActionName) -> Result<(), GuardError> {
        let max_age = if self.classes.is_irreversible(action) {
            self.max_age_irreversible
        } else {
            self.max_age
        };
        self.feed.check_age(max_age).await
    }

    fn check_backlog(&self) -> Result<(), GuardError> {
        if self.refuse_on_backlog && self.results.is_full() {
            return Err(GuardError::ResultsBacklog);
        }
        Ok(())
    }

    fn stats(&self, keys_age: Duration) -> Stats {
        let count = |counter: &std::sync::atomic::AtomicU64| {
            counter.load(std::sync::atomic::Ordering::Relaxed)
        };
        let counts = &self.results.counts;
        Stats {
            feed_age: self.feed.age(),
            revocations: self.feed.len(),
            keys_age,
            results_waiting: self.results.waiting(),
            results_reported: count(&counts.reported),
            results_dropped: count(&counts.dropped),
            results_rejected: count(&counts.rejected),
        }
    }
}

impl Mode {
    /// The word for logs and health checks.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Following => "following",
            Self::Offline => "offline",
            Self::VerifyOnly => "verify-only",
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("issuer", &self.0.verifier.issuer())
            .field("audience", &self.0.verifier.audience())
            .field("subject_prefix", &self.0.subject_prefix)
            .field("mode", &self.mode())
            .finish_non_exhaustive()
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Revocations::Followed(following) = &self.revocations {
            let waiting = following.results.waiting();
            if waiting > 0 {
                tracing::warn!(
                    waiting,
                    "the guard ends with {waiting} results not reported: call `flush` before"
                );
            }
        }
    }
}

const MAX_RESOURCE: usize = 1_024;
const MAX_DETAIL: usize = 500;
