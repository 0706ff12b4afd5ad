//! The webhooks that are told.

use countersign_crypto::Secret;
use countersign_model::{name::TenantName, notice::Channel};
use serde::Deserialize;

use super::{required_secret, secret};

/// One webhook.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where; for Slack it is a secret by itself.
    #[serde(deserialize_with = "required_secret")]
    pub url: Secret<String>,
    /// `whsec_` and base64 of 24 to 64 bytes; the standard form needs it.
    #[serde(default, deserialize_with = "secret")]
    pub secret: Option<Secret<String>>,
    /// In which form.
    #[serde(default)]
    pub form: WebhookForm,
    /// By which name people choose it. Without one it gets everything.
    #[serde(default)]
    pub name: Option<Channel>,
    /// The tenants whose messages it gets. Without any those of all tenants.
    #[serde(default)]
    pub tenants: Vec<TenantName>,
}

impl WebhookConfig {
    /// Whether it gets messages of this tenant.
    #[must_use]
    pub fn is_of(&self, tenant: &str) -> bool {
        self.tenants.is_empty() || self.tenants.iter().any(|one| one.as_str() == tenant)
    }
}

/// The form of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookForm {
    /// CloudEvents 1.0 in their JSON form, signed as Standard Webhooks.
    CloudEvents,
    /// A Slack-compatible incoming webhook.
    Slack,
    /// Standard Webhooks, signed.
    #[default]
    Standard,
}
