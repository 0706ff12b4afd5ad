//! Telling people: webhooks in the standard form or that of CloudEvents, signed, or in Slack's; and e-mail.
//!
//! What is to be told stands in the outbox, written with the change it tells of. A message is sent
//! until it is taken, at growing distances; a receiver may see it twice and knows it by its id.

mod delivery;
pub(crate) mod email;
mod form;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use countersign_authority::notices::{Address, Reach};
use countersign_crypto::webhook::{InvalidSecret, WebhookSecret};
use countersign_model::{Timestamp, time::Seconds};
use reqwest::Url;
use thiserror::Error;
use tokio::task::JoinSet;

use crate::{
    config::{NotifyConfig, WebhookForm},
    federation::Outbound,
    metrics::{Metrics, OutcomeLabel},
};

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its id: the same on every try.
    pub id: String,
    /// The payload of the standard form, as it was written: `type`, `timestamp`, `data`.
    pub body: String,
}

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Everybody has it.
    Delivered,
    /// Somebody will never take it, or was tried often enough.
    GivenUp,
    /// Try again at this time.
    Retry(Timestamp),
}

/// A webhook of the configuration cannot be used.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum NotifyError {
    /// The certificates of the mail relay's authority cannot be read.
    #[error("`notify.smtp.ca_file` is not a file of certificates in PEM")]
    Certificates,
    /// The sender of e-mail is not an address.
    #[error("`notify.smtp.from` is not an address such as `Countersign <countersign@example.com>`")]
    From,
    /// Its secret is malformed.
    #[error(transparent)]
    Secret(#[from] InvalidSecret),
    /// The mail relay's URL. It is not shown: it may have a password.
    #[error(
        "`notify.smtp.url` is not `smtps://HOST` or `smtp://HOST`, with `USER:PASSWORD@` where the relay wants them"
    )]
    Smtp,
    /// Its URL is not one that the server connects to. It is not shown: it may be a secret.
    #[error(
        "the URL of a webhook is not one that the server may connect to: `https://`, and public or among `federation.private_networks`"
    )]
    Url,
}

/// Who is told.
pub struct Notifier {
    webhooks: Vec<Arc<Webhook>>,
    mailer: Option<email::Mailer>,
    issuer: String,
    /// Who has which message already, so that a retry for one does not repeat it to all. Lost at a
    /// restart, which is why receivers look at the id.
    reached: Mutex<HashSet<(String, usize)>>,
}

struct Webhook {
    client: reqwest::Client,
    url: Url,
    form: Form,
    name: Option<String>,
}

enum Form {
    CloudEvents(Box<WebhookSecret>),
    Slack,
    Standard(Box<WebhookSecret>),
}

impl Notifier {
    /// Sends through the one way out, which keeps the rules of where the server may connect to.
    ///
    /// # Errors
    /// When a URL or secret cannot be used.
    pub fn new(
        config: &NotifyConfig,
        outbound: &Outbound,
        issuer: &str,
    ) -> Result<Self, NotifyError> {
        let mut webhooks = Vec::with_capacity(config.webhooks.len());
        for webhook in &config.webhooks {
            let url: Url = webhook.url.expose().parse().map_err(|_| NotifyError::Url)?;
            // The error names the URL, which may be a secret.
            let client = outbound.client(&url, None).map_err(|_| NotifyError::Url)?;
            let form = match (webhook.form, &webhook.secret) {
                (WebhookForm::Slack, _) => Form::Slack,
                (WebhookForm::Standard, Some(secret)) => {
                    Form::Standard(Box::new(WebhookSecret::parse(secret.expose())?))
                }
                (WebhookForm::CloudEvents, Some(secret)) => {
                    Form::CloudEvents(Box::new(WebhookSecret::parse(secret.expose())?))
                }
                (WebhookForm::CloudEvents | WebhookForm::Standard, None) => {
                    return Err(InvalidSecret.into());
                }
            };
            let name = webhook.name.as_ref().map(|name| name.as_str().to_owned());
            webhooks.push(Arc::new(Webhook {
                client,
                url,
                form,
                name,
            }));
        }
        let smtp = config.smtp.url.as_ref();
        let mailer = smtp.map(|_| email::Mailer::new(&config.smtp, issuer));
        Ok(Self {
            webhooks,
            mailer: mailer.transpose()?,
            issuer: issuer.to_owned(),
            reached: Mutex::default(),
        })
    }

    /// What can be reached.
    #[must_use]
    pub fn reach(&self) -> Reach {
        let named = self.webhooks.iter().filter_map(|one| one.name.clone());
        Reach {
            email: self.mailer.is_some(),
            everybody: self.webhooks.iter().any(|one| one.name.is_none()),
            named: named.collect(),
        }
    }

    /// Tells whoever is at an address and does not know yet. `attempts` counts the tries before this one.
    pub async fn deliver(
        &self,
        to: &Address,
        notification: &Notification,
        attempts: u32,
        now: Timestamp,
        metrics: &Metrics,
    ) -> Delivery {
        let mut again = false;
        let mut refused = false;
        if let Address::Mail(email) = to {
            match &self.mailer {
                Some(mailer) => match mailer.send(email, notification, now).await {
                    delivery::Sent::Taken => {}
                    delivery::Sent::Refused => refused = true,
                    delivery::Sent::Failed => again = true,
                },
                // It was configured when the message was made.
                None => refused = true,
            }
        }
        for (index, sent) in self.send_to_webhooks(to, notification, now).await {
            match sent {
                delivery::Sent::Taken => self.note_reached(notification, index),
                delivery::Sent::Refused => refused = true,
                delivery::Sent::Failed => again = true,
            }
        }
        let next = RETRIES.get(usize::try_from(attempts).unwrap_or(usize::MAX));
        let (delivery, outcome) = match (again, next) {
            (true, Some(wait)) => (
                Delivery::Retry(now + Seconds(i64::try_from(wait.as_secs()).unwrap_or(i64::MAX))),
                "retried",
            ),
            (true, None) => (Delivery::GivenUp, "given_up"),
            (false, _) if refused => (Delivery::GivenUp, "given_up"),
            (false, _) => (Delivery::Delivered, "delivered"),
        };
        if !matches!(delivery, Delivery::Retry(_)) {
            self.forget(notification);
        }
        metrics
            .notifications
            .get_or_create(&OutcomeLabel { outcome })
            .inc();
        delivery
    }

    /// Sends to each webhook that is meant and does not know yet, to all at once: one that hangs delays no other.
    async fn send_to_webhooks(
        &self,
        to: &Address,
        notification: &Notification,
        now: Timestamp,
    ) -> Vec<(usize, delivery::Sent)> {
        let mut tries = JoinSet::new();
        for (index, webhook) in self.webhooks.iter().enumerate() {
            let meant = match to {
                Address::Everybody => webhook.name.is_none(),
                Address::Named(name) => webhook.name.as_ref() == Some(name),
                Address::Mail(_) | Address::Nobody => false,
            };
            if !meant || self.has_reached(notification, index) {
                continue;
            }
            let webhook = Arc::clone(webhook);
            let (notification, issuer) = (notification.clone(), self.issuer.clone());
            tries.spawn(async move {
                let sent = delivery::send(&webhook, &notification, &issuer, now).await;
                (index, sent)
            });
        }
        tries.join_all().await
    }

    fn has_reached(&self, notification: &Notification, index: usize) -> bool {
        let reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        reached.contains(&(notification.id.clone(), index))
    }

    fn note_reached(&self, notification: &Notification, index: usize) {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        if self.webhooks.len() > 1 && reached.len() < REMEMBERED {
            reached.insert((notification.id.clone(), index));
        }
    }

    fn forget(&self, notification: &Notification) {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        reached.retain(|(id, _)| *id != notification.id);
    }
}

/// The distances that the Standard Webhooks specification proposes, shorter at the beginning:
/// somebody waits for an approval.
const RETRIES: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(5 * 3600),
    Duration::from_secs(10 * 3600),
    Duration::from_secs(14 * 3600),
];

/// Messages that wait for a slow receiver: beyond it a retry may repeat itself to others.
const REMEMBERED: usize = 16_384;

#[cfg(test)]
#[path = "notify/tests.rs"]
mod tests;
