//! Describes a guard, and makes it.

use std::{fmt, sync::Arc, time::Duration};

use countersign_api::revocations::FeedEntry;
use countersign_crypto::{
    Secret,
    jose::{InvalidKeySet, KeyPurpose, KeySet},
};
use countersign_model::name::{ActionName, InvalidName};
use thiserror::Error;
use url::{Host, Url};

use crate::{
    action_classes::ActionClasses,
    clock::{Clock, SystemClock},
    feed::Feed,
    guard::{Following, Guard, Inner, Revocations, Tasks},
    issuer::{Credential, Issuer, TIMEOUT},
    issuer_error::IssuerError,
    keys::Keys,
    proofs::Proofs,
    results::Results,
    revocations::RevocationSet,
    tasks,
    verifier::Verifier,
};

/// What a resource server states once about its guard.
pub struct GuardBuilder {
    issuer: String,
    audience: String,
    subject_prefix: Option<String>,
    credential: Option<Credential>,
    max_feed_age: Duration,
    max_feed_age_irreversible: Duration,
    irreversible: Option<Vec<String>>,
    refuse_on_backlog: bool,
    resource_metadata: Option<String>,
    public_url: Option<String>,
    root_certificates: Vec<Vec<u8>>,
    clock: Arc<dyn Clock>,
}

/// A guard cannot be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A name among the irreversible actions is not an action.
    #[error(transparent)]
    Action(#[from] InvalidName),
    /// No audience was given.
    #[error(
        "the audience is missing: the one name or URI that tokens for this resource server carry"
    )]
    Audience,
    /// The root certificate is not one in PEM form.
    #[error("the root certificate cannot be read: expected PEM")]
    Certificate,
    /// The issuer does not answer as it should.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// The issuer's URL has not its form.
    #[error(
        "`{0}` is not an issuer: expected an https URL (http on loopback) without query, fragment or slash at its end"
    )]
    IssuerUrl(String),
    /// The given keys cannot be read.
    #[error(transparent)]
    Keys(#[from] InvalidKeySet),
}

impl Default for GuardBuilder {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            audience: String::new(),
            subject_prefix: None,
            credential: None,
            max_feed_age: MAX_FEED_AGE,
            max_feed_age_irreversible: MAX_FEED_AGE_IRREVERSIBLE,
            irreversible: None,
            refuse_on_backlog: false,
            resource_metadata: None,
            public_url: None,
            root_certificates: Vec::new(),
            clock: Arc::new(SystemClock::new()),
        }
    }
}

impl GuardBuilder {
    /// The issuer's URL, exactly as it stands in `iss`.
    #[must_use]
    pub fn issuer(mut self, url: impl Into<String>) -> Self {
        self.issuer = url.into();
        self
    }

    /// The one audience whose tokens are accepted.
    #[must_use]
    pub fn audience(mut self, name: impl Into<String>) -> Self {
        self.audience = name.into();
        self
    }

    /// What the acting subject must begin with: `bot://support/` for one. Mind the slash at its end.
    #[must_use]
    pub fn subject_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.subject_prefix = Some(prefix.into());
        self
    }

    /// The resource server's own identity, one of those that serve the audience (`served_by`). With
    /// it the guard follows revocations and reports results.
    #[must_use]
    pub fn credential(
        mut self,
        client_id: impl Into<String>,
        client_secret: impl Into<Secret<String>>,
    ) -> Self {
        self.credential = Some(Credential {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
        });
        self
    }

    /// The greatest age of the revocation feed, past which the guard refuses. 30 s unless said.
    #[must_use]
    pub const fn max_feed_age(mut self, age: Duration) -> Self {
        self.max_feed_age = age;
        self
    }

    /// The same for actions that cannot be undone. 5 s unless said, and never more than the other.
    #[must_use]
    pub const fn max_feed_age_irreversible(mut self, age: Duration) -> Self {
        self.max_feed_age_irreversible = age;
        self
    }

    /// The actions that cannot be undone. Unless said, the issuer's catalogue is asked, and what it
    /// does not know cannot be undone.
    #[must_use]
    pub fn irreversible<A: Into<String>>(mut self, actions: impl IntoIterator<Item = A>) -> Self {
        self.irreversible = Some(actions.into_iter().map(Into::into).collect());
        self
    }

    /// Refuse while the queue of results is full, rather than to let something happen of which no
    /// evidence will be.
    #[must_use]
    pub const fn refuse_on_backlog(mut self) -> Self {
        self.refuse_on_backlog = true;
        self
    }

    /// The URL under which callers know this server: scheme, host, and the path that stands before those of requests, if
    /// any. [`crate::GuardLayer`] compares DPoP proofs with it, and refuses tokens that are bound to a key without it.
    #[must_use]
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        let url: String = url.into();
        self.public_url = Some(url.trim_end_matches('/').to_owned());
        self
    }

    /// Where the metadata of this resource server stands (RFC 9728 §3): challenges point there.
    #[must_use]
    pub fn resource_metadata(mut self, url: impl Into<String>) -> Self {
        self.resource_metadata = Some(url.into());
        self
    }

    /// One more certificate authority that may vouch for the issuer, in PEM form.
    #[must_use]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates.push(pem.into());
        self
    }

    /// Another clock than the machine's: for tests.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Makes the guard: reads the issuer's metadata and keys and, with a credential, the revocation
    /// feed. When it returns, the guard can be asked.
    ///
    /// # Errors
    /// When something is missing or malformed, or the issuer does not answer as it should.
    pub async fn build(self) -> Result<Guard, BuildError> {
        self.check()?;
        let given = self.given_actions()?;
        let certificate = |pem: &Vec<u8>| reqwest::Certificate::from_pem(pem);
        let certificates: Result<_, _> = self.root_certificates.iter().map(certificate).collect();
        let certificates = certificates.map_err(|_| BuildError::Certificate)?;
        let (url, clock) = (self.issuer.clone(), Arc::clone(&self.clock));
        let issuer = Issuer::discover(url, self.credential.clone(), certificates, clock).await?;
        let issuer = Arc::new(issuer);
        let keys = Keys::of(Arc::clone(&issuer), Arc::clone(&self.clock)).await?;
        let keys = Arc::new(keys);
        let (revocations, mut tasks) = if self.credential.is_some() {
            let (following, tasks) = self.follow(&issuer, given).await?;
            (Revocations::Followed(following), tasks)
        } else {
            (Revocations::Unknown, Vec::new())
        };
        let every = if self.credential.is_some() {
            KEYS_EVERY_FOLLOWING
        } else {
            KEYS_EVERY_VERIFY_ONLY
        };
        tasks.push(tasks::refresh_keys(&keys, every));
        Ok(self.finish(keys, revocations, Tasks(tasks)))
    }

    /// Makes a guard that asks nobody: with these keys (a JSON Web Key Set) and these revocations,
    /// which it takes for complete however old they grow. For tests, and for machines without a
    /// network. A credential is of no use to it.
    ///
    /// # Errors
    /// When something is missing or malformed.
    pub fn offline(self, jwks: &[u8], revocations: &[FeedEntry]) -> Result<Guard, BuildError> {
        self.check()?;
        let keys = KeySet::parse(jwks, KeyPurpose::Access)?;
        let keys = Arc::new(Keys::given(keys, Arc::clone(&self.clock)));
        let revocations = Revocations::Given(RevocationSet::of(revocations));
        Ok(self.finish(keys, revocations, Tasks(Vec::new())))
    }

    fn check(&self) -> Result<(), BuildError> {
        if !is_issuer(&self.issuer) {
            return Err(BuildError::IssuerUrl(
                self.issuer.chars().take(128).collect(),
            ));
        }
        if self.audience.is_empty() {
            return Err(BuildError::Audience);
        }
        Ok(())
    }

    fn given_actions(&self) -> Result<Option<Vec<ActionName>>, InvalidName> {
        let parse = |actions: &Vec<String>| actions.iter().map(|name| name.parse()).collect();
        self.irreversible.as_ref().map(parse).transpose()
    }

    async fn follow(
        &self,
        issuer: &Arc<Issuer>,
        given: Option<Vec<ActionName>>,
    ) -> Result<(Following, Vec<tokio::task::AbortHandle>), IssuerError> {
        let classes = Arc::new(match given {
            Some(actions) => ActionClasses::Given(actions.into_iter().collect()),
            None => ActionClasses::of(Arc::clone(issuer)),
        });
        if let Err(error) = classes.refresh().await {
            // Not known is not harmless: all actions then count as such that cannot be undone.
            tracing::warn!(%error, "the guard cannot read the actions: {error}");
        }
        let max_age_irreversible = self.max_feed_age_irreversible.min(self.max_feed_age);
        let shortest = if classes.may_be_irreversible() {
            max_age_irreversible
        } else {
            self.max_feed_age
        };
        // An answer that does not come must leave time to ask once more before the feed is too old.
        let timeout = (shortest / 2).clamp(SHORTEST_FEED_TIMEOUT, TIMEOUT);
        let feed = Feed::new(Arc::clone(issuer), Arc::clone(&self.clock), timeout);
        let feed = Arc::new(feed);
        feed.poll().await?;
        let results = Arc::new(Results::new(Arc::clone(issuer)));
        let every = (shortest / 3).max(POLL_AT_MOST_EVERY);
        let tasks = tasks::follow(&feed, every, &results, &classes);
        let following = Following {
            feed,
            results,
            classes,
            max_age: self.max_feed_age,
            max_age_irreversible,
            refuse_on_backlog: self.refuse_on_backlog,
        };
        Ok((following, tasks))
    }

    fn finish(self, keys: Arc<Keys>, revocations: Revocations, tasks: Tasks) -> Guard {
        let clock = Arc::clone(&self.clock);
        Guard::new(Arc::new(Inner {
            verifier: Verifier::new(self.issuer, self.audience, keys, clock),
            subject_prefix: self.subject_prefix,
            revocations,
            resource_metadata: self.resource_metadata,
            public_url: self.public_url,
            proofs: Proofs::default(),
            clock: self.clock,
            _tasks: tasks,
        }))
    }
}

impl fmt::Debug for GuardBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client_id = self.credential.as_ref().map(|own| &own.client_id);
        f.debug_struct("GuardBuilder")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("subject_prefix", &self.subject_prefix)
            .field("client_id", &client_id)
            .finish_non_exhaustive()
    }
}

/// An issuer is reached over TLS, or on this machine.
fn is_issuer(text: &str) -> bool {
    let Ok(url) = text.parse::<Url>() else {
        return false;
    };
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    let is_plain = url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && !text.ends_with('/');
    is_plain && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback))
}

const MAX_FEED_AGE: Duration = Duration::from_secs(30);
const MAX_FEED_AGE_IRREVERSIBLE: Duration = Duration::from_secs(5);
/// However young the feed must be, the issuer is not asked more often.
const POLL_AT_MOST_EVERY: Duration = Duration::from_millis(50);
const SHORTEST_FEED_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a key that was killed may live on in a guard.
const KEYS_EVERY_FOLLOWING: Duration = Duration::from_mins(1);
const KEYS_EVERY_VERIFY_ONLY: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_reached_over_tls_or_on_this_machine() {
        for good in [
            "https://id.example.com",
            "https://id.example.com/t/acme",
            "http://127.0.0.1:8400",
            "http://localhost:8400",
            "http://[::1]:8400",
        ] {
            assert!(is_issuer(good), "{good}");
        }
        for bad in [
            "",
            "id.example.com",
            "http://id.example.com",
            "http://127.0.0.1.example.com",
            "https://id.example.com/",
            "https://id.example.com?x=1",
            "https://id.example.com#x",
            "https://user@id.example.com",
            "ftp://id.example.com",
        ] {
            assert!(!is_issuer(bad), "{bad}");
        }
    }

    #[test]
    fn a_builder_does_not_show_its_secret() {
        let builder = GuardBuilder::default().credential("api", "cs_hunter2".to_owned());
        let shown = format!("{builder:?}");
        assert!(
            shown.contains("api") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
