//! Executions of actions: how long workers may be silent, and who is told of what waits.

use countersign_api::queue::{Broker, InvalidBroker};
use countersign_crypto::Secret;
use serde::Deserialize;

/// Executions of actions.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AutomationConfig {
    /// How long a worker may be silent before its executions are lost, in seconds.
    pub lease_seconds: u32,
    /// The URL of a RabbitMQ that is told of executions; it may hold a password.
    #[serde(deserialize_with = "super::secret")]
    pub broker: Option<Secret<String>>,
    /// Whether the network between is private, so that it may be reached without TLS.
    pub broker_private_network: bool,
}

impl AutomationConfig {
    /// Shorter than two seconds a busy worker would be taken for a dead one; longer than five minutes nobody would know of one.
    pub const LEASE: std::ops::RangeInclusive<u32> = 2..=300;
}

impl AutomationConfig {
    /// The RabbitMQ that is told of executions, if one is named.
    #[must_use]
    pub fn broker(&self) -> Option<Result<Broker, InvalidBroker>> {
        let url = self.broker.as_ref()?;
        Some(Broker::parse(url.expose(), self.broker_private_network))
    }
}

impl Default for AutomationConfig {
    fn default() -> Self {
        Self {
            lease_seconds: 30,
            broker: None,
            broker_private_network: false,
        }
    }
}
