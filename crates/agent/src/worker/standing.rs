//! A client of Countersign whose token renews itself.

use std::sync::Arc;

#[cfg(feature = "amqp")]
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use countersign_api::Client;
#[cfg(feature = "amqp")]
use countersign_model::{Id, id};
use tokio::sync::Mutex;

use crate::{SourceError, TokenSource, keeping::Kept, run::Say};

/// What a worker calls Countersign with. Whoever needs the client asks for it each time, and gets one whose token is
/// renewed when that is due.
pub(crate) struct Standing {
    source: TokenSource,
    held: Mutex<Kept>,
    say: Say,
}

impl Standing {
    /// With a first token.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn begin(source: TokenSource, say: Say) -> Result<Arc<Self>, SourceError> {
        let first = source
            .first(|error| say(&format!("{error}; trying again")))
            .await?;
        Ok(Arc::new(Self {
            source,
            held: Mutex::new(Kept::new(first)),
            say,
        }))
    }

    /// The client, with the newest token that is to be had.
    pub(crate) async fn client(&self) -> Client {
        let mut held = self.held.lock().await;
        if self.source.renews() && self.source.now() >= held.due() {
            match self.source.fetch().await {
                Ok(token) => held.renewed(token, self.source.now()),
                Err(error) => held.failed(&error, self.source.now(), &self.say),
            }
        }
        self.source.client().with_token(held.newest())
    }

    /// The project that it lives in, as its token says.
    #[cfg(feature = "amqp")]
    pub(crate) async fn project(&self) -> Option<Id<id::Project>> {
        #[derive(serde::Deserialize)]
        struct Claims {
            project_id: Id<id::Project>,
        }
        let held = self.held.lock().await;
        // The server gave it over TLS a moment ago: nothing is decided by it but which queue is ours.
        let token = held.newest()?;
        let payload = token.split('.').nth(1)?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let claims: Claims = serde_json::from_slice(&payload).ok()?;
        Some(claims.project_id)
    }

    /// The server did not take the token (401): the next one is due at once.
    pub(crate) async fn refused(&self) {
        let mut held = self.held.lock().await;
        held.due_by(self.source.now());
    }

    /// Revokes what still lives.
    pub(crate) async fn end(&self) {
        let held = self.held.lock().await;
        for token in held.living(self.source.now()) {
            if let Err(error) = self.source.revoke(token).await {
                (self.say)(&format!(
                    "the token could not be revoked: {error}; it ends by itself at {}",
                    token.ends()
                ));
            }
        }
    }
}
