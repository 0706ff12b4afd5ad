//! A source of tokens: who asks, for what, and when the next one is due.

use std::{fmt, sync::Arc, time::Duration};

use countersign_api::{Client, ClientError, tokens::TokenRequest};
use countersign_crypto::{Secret, random};
use countersign_guard::Clock;
use countersign_model::{
    Timestamp,
    name::{ActionName, EnvironmentName},
};
use serde_json::json;
use thiserror::Error;

use crate::{Ambient, AmbientError, Credential, IssuerError, backoff::Backoff, issuer_of};

/// A token is renewed when so much of its life is over, in hundredths: early enough that several tries fit into the rest.
const RENEW_AT_PERCENT: i64 = 80;

/// How long the first token is waited for while the server is away: a restart takes seconds, and a job that waits longer
/// is better off failing.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a program proves who it is.
#[derive(Debug, Clone)]
pub enum Proof {
    /// Its platform vouches for it.
    Ambient(Ambient),
    /// A client secret.
    Credential(Credential),
    /// The sign-in of a person, who may act as the identity.
    Person(Arc<dyn SignIn>),
}

/// A person's sign-in, which gives a live token whenever it is asked: one of minutes may have to be refreshed first.
pub trait SignIn: Send + Sync + fmt::Debug {
    /// A live token. It may block for one request to the server.
    ///
    /// # Errors
    /// Why there is none.
    fn token(&self) -> Result<Secret<String>, SignInError>;
}

/// A person's sign-in gives no token.
#[derive(Debug, Error)]
#[error("{detail}")]
pub struct SignInError {
    /// What happened.
    pub detail: String,
    /// Whether asking again may help.
    pub transient: bool,
}

impl Proof {
    /// Whether a token can be had again with it.
    #[must_use]
    pub const fn renews(&self) -> bool {
        match self {
            Self::Ambient(ambient) => ambient.renews(),
            Self::Credential(_) | Self::Person(_) => true,
        }
    }

    /// The variables that it comes from, beside those of Countersign itself.
    #[must_use]
    pub const fn variables(&self) -> &'static [&'static str] {
        match self {
            Self::Ambient(ambient) => ambient.variables(),
            Self::Credential(_) | Self::Person(_) => &[],
        }
    }

    /// The grant that it takes (RFC 6749 §4, RFC 7523 §2.1, RFC 8693 §2.1).
    #[must_use]
    pub const fn grant_type(&self) -> &'static str {
        match self {
            Self::Ambient(_) => "urn:ietf:params:oauth:grant-type:jwt-bearer",
            Self::Credential(_) => "client_credentials",
            Self::Person(_) => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }
}

/// What the token is to be for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The identity: its name, client id or id.
    pub identity: Option<String>,
    /// Where; needed only when several are possible.
    pub environment: Option<EnvironmentName>,
    /// The resource server; needed only when the identity has several.
    pub audience: Option<String>,
    /// On what; needed only when the identity lists several.
    pub resource: Option<String>,
    /// Exactly these actions; all that are possible when there are none.
    pub actions: Vec<ActionName>,
    /// Countersign itself is the resource server.
    pub countersign_itself: bool,
}

/// Gets tokens.
pub struct TokenSource {
    client: Client,
    proof: Proof,
    wanted: Wanted,
    clock: Arc<dyn Clock>,
}

/// A token, and how long it is good for.
#[derive(Debug, Clone)]
pub struct Token {
    /// Itself.
    pub value: Secret<String>,
    /// When it was asked for, by this machine's clock.
    pub obtained: Timestamp,
    /// How long it lives from then, in seconds.
    pub lifetime: i64,
    /// What it does not carry because a person must countersign it first.
    pub withheld: Vec<ActionName>,
}

impl Token {
    /// When the next one is due: at 80 % of its life.
    #[must_use]
    pub const fn due(&self) -> Timestamp {
        let micros = self
            .lifetime
            .saturating_mul(1_000_000 / 100 * RENEW_AT_PERCENT);
        Timestamp::from_micros(self.obtained.micros().saturating_add(micros))
    }

    /// When it is dead.
    #[must_use]
    pub const fn ends(&self) -> Timestamp {
        let micros = self.lifetime.saturating_mul(1_000_000);
        Timestamp::from_micros(self.obtained.micros().saturating_add(micros))
    }
}

/// No token.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The platform gave no identity.
    #[error(transparent)]
    Ambient(#[from] AmbientError),
    /// Countersign refused, or is away.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It is not known for whom the identity must be made.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// The identity was not named.
    #[error("nothing says which identity this is to be")]
    NoIdentity,
    /// The person's sign-in gave no token.
    #[error(transparent)]
    SignIn(#[from] SignInError),
}

impl SourceError {
    /// Whether asking again may help: nobody said no.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Ambient(error) => error.is_transient(),
            Self::Client(ClientError::Unreachable { .. }) => true,
            Self::Client(error) => error
                .status()
                .is_some_and(|status| status == 429 || status >= 500),
            Self::Issuer(error) => error.transient,
            Self::NoIdentity => false,
            Self::SignIn(error) => error.transient,
        }
    }

    /// How long the server asked to be left alone.
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Client(ClientError::Problem {
                retry_after: Some(seconds),
                ..
            }) => Some(Duration::from_secs(*seconds)),
            _ => None,
        }
    }
}

impl TokenSource {
    /// A source of tokens of this server.
    #[must_use]
    pub fn new(client: Client, proof: Proof, wanted: Wanted, clock: Arc<dyn Clock>) -> Self {
        Self {
            client,
            proof,
            wanted,
            clock,
        }
    }

    /// A client of the server, without a token.
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &str {
        self.client.base()
    }

    /// The variables that the proof comes from.
    #[must_use]
    pub const fn variables(&self) -> &'static [&'static str] {
        self.proof.variables()
    }

    /// Whether a second token can be had.
    #[must_use]
    pub const fn renews(&self) -> bool {
        self.proof.renews()
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Asks for a token, once.
    ///
    /// # Errors
    /// When the platform, or the server, gives none.
    pub async fn fetch(&self) -> Result<Token, SourceError> {
        let form = self.form().await?;
        // From before the question, so that a slow answer makes nothing live longer.
        let obtained = self.clock.now();
        let answer = self.client.token(&form).await?;
        Ok(Token {
            value: Secret::new(answer.access_token),
            obtained,
            lifetime: answer.expires_in.max(0),
            withheld: answer.withheld,
        })
    }

    /// Asks for the first token, again and again while the server is away.
    ///
    /// # Errors
    /// When somebody said no, or the server stayed away for thirty seconds.
    pub async fn first(&self, waiting: impl Fn(&SourceError)) -> Result<Token, SourceError> {
        let mut backoff = Backoff::default();
        let (mut patience, mut told) = (Patience::default(), false);
        loop {
            let error = match self.fetch().await {
                Ok(token) => return Ok(token),
                Err(error) if error.is_transient() => error,
                Err(error) => return Err(error),
            };
            let [random] = random::bytes::<1>();
            let wait = backoff.next(error.retry_after(), random);
            let Some(wait) = patience.spend(wait) else {
                return Err(error);
            };
            if !told {
                waiting(&error);
                told = true;
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Revokes a token, with nothing but itself: who holds one may end it.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn revoke(&self, token: &Token) -> Result<(), ClientError> {
        match self.client.end_token(token.value.expose()).await {
            // Dead already: by its age, or because somebody else revoked it.
            Err(error) if error.status() == Some(401) => Ok(()),
            ended => ended,
        }
    }

    async fn form(&self) -> Result<TokenRequest, SourceError> {
        let mut form = TokenRequest {
            grant_type: self.proof.grant_type().to_owned(),
            environment: self.wanted.environment.as_ref().map(ToString::to_string),
            audience: self.wanted.audience.clone(),
            client_id: self.wanted.identity.clone(),
            ..TokenRequest::default()
        };
        if !self.wanted.actions.is_empty() {
            let actions: Vec<&str> = self.wanted.actions.iter().map(ActionName::as_str).collect();
            form.scope = Some(actions.join(" "));
        }
        if let Some(resource) = &self.wanted.resource {
            // RFC 9396: no action in it is every one that was asked for beside it.
            let detail = json!([{ "type": "action", "actions": [], "resource": resource }]);
            form.authorization_details = Some(detail.to_string());
        }
        if self.wanted.countersign_itself {
            form.audience = Some(issuer_of(self.client.base()).await?);
        }
        match &self.proof {
            Proof::Ambient(ambient) => {
                if form.client_id.is_none() {
                    return Err(SourceError::NoIdentity);
                }
                let issuer = issuer_of(self.client.base()).await?;
                form.assertion = Some(ambient.assertion(&issuer).await?.expose().clone());
            }
            Proof::Credential(credential) => {
                form.client_id = Some(credential.client_id.clone());
                form.client_secret = Some(credential.secret.expose().clone());
            }
            Proof::Person(sign_in) => {
                if form.client_id.is_none() {
                    return Err(SourceError::NoIdentity);
                }
                form.subject_token = Some(sign_in.token()?.expose().clone());
                form.subject_token_type =
                    Some("urn:ietf:params:oauth:token-type:access_token".to_owned());
            }
        }
        Ok(form)
    }
}

/// What is left of [`PATIENCE`].
#[derive(Debug, Clone, Copy)]
struct Patience(Duration);

impl Default for Patience {
    fn default() -> Self {
        Self(PATIENCE)
    }
}

impl Patience {
    /// The wait before the next question, at most what is left: the last question comes at the very end. Nothing once
    /// that was asked.
    fn spend(&mut self, wait: Duration) -> Option<Duration> {
        let wait = (!self.0.is_zero()).then(|| wait.min(self.0))?;
        self.0 -= wait;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_away_is_waited_for_half_a_minute_whatever_the_waits() {
        for (asked, random) in [(None, 0), (None, 255), (Some(7), 0), (Some(3600), 0)] {
            let (mut backoff, mut patience) = (Backoff::default(), Patience::default());
            let asked = asked.map(Duration::from_secs);
            let waits = std::iter::from_fn(|| patience.spend(backoff.next(asked, random)));
            let waited: Duration = waits.take(100).sum();
            assert_eq!(waited, Duration::from_secs(30), "{asked:?} {random}");
        }
    }

    #[test]
    fn a_token_is_due_at_exactly_four_fifths_of_its_life() {
        let token = Token {
            value: Secret::new(String::new()),
            obtained: Timestamp::from_seconds(1000),
            lifetime: 600,
            withheld: Vec::new(),
        };
        assert_eq!(token.due(), Timestamp::from_seconds(1480));
        assert_eq!(token.ends(), Timestamp::from_seconds(1600));
    }
}
