//! What every operation is given: the time, and where the request came from.

use std::sync::Arc;

use countersign_crypto::{Sender, certificate::ClientCertificate, random};
use countersign_model::{Id, Timestamp, id::Kind};

/// The time and origin of one request. Nothing here reads a clock: the server or a test does.
#[derive(Debug, Clone)]
pub struct Ctx {
    /// Now.
    pub now: Timestamp,
    /// The address that the request came from, by the rule for trusted proxies.
    pub source: Option<String>,
    /// What who asks for a token proved to hold: the token is bound to that. Nobody, where no token is asked for.
    pub sender: Sender,
    /// The certificate that the request's connection was made with.
    pub certificate: Option<Arc<ClientCertificate>>,
}

impl Ctx {
    /// A context without a source: jobs and wiring.
    #[must_use]
    pub const fn internal(now: Timestamp) -> Self {
        Self {
            now,
            source: None,
            sender: Sender::NOBODY,
            certificate: None,
        }
    }

    /// A new id, later than all before it in this process.
    #[must_use]
    pub fn id<K: Kind>(&self) -> Id<K> {
        Id::from_bytes(random::uuid_v7(self.now.micros()))
    }
}
