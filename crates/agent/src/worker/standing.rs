//! A client of Countersign whose token renews itself.

use std::sync::Arc;

use countersign_api::Client;
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
