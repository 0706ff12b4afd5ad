//! Telling people: webhooks in the standard form or that of CloudEvents, signed, or in Slack's; and e-mail.
//!
//! What is to be told stands in the outbox, written with the change it tells of. A message is sent
//! until it is taken, at growing distances; a receiver may see it twice and knows it by its id.

mod delivery;
pub(crate) mod email;
mod form;
mod letter;

use std::{
    collections::HashMap,
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
    config::{NotifyConfig, WebhookConfig, WebhookForm},
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
    /// The name of the tenant whose it is.
    pub tenant: String,
    /// The issuer of that tenant: where its console is.
    pub issuer: String,
}

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Everybody has it.
    Delivered,
    /// Nobody will take it any more, or somebody was tried often enough.
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
    /// Who is done with which message, so that a retry for one does not repeat it to all; and whether they took it. Lost
    /// at a restart, which is why receivers look at the id.
    done: Mutex<HashMap<(String, usize), bool>>,
}

struct Webhook {
    client: reqwest::Client,
    url: Url,
    form: Form,
    config: WebhookConfig,
}

impl Webhook {
    fn name(&self) -> Option<&str> {
        self.config.name.as_ref().map(|name| name.as_str())
    }
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
    pub fn new(config: &NotifyConfig, outbound: &Outbound) -> Result<Self, NotifyError> {
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
            webhooks.push(Arc::new(Webhook {
                client,
                url,
                form,
                config: webhook.clone(),
            }));
        }
        let smtp = config.smtp.url.as_ref();
        let mailer = smtp.map(|_| email::Mailer::new(&config.smtp));
        Ok(Self {
            webhooks,
            mailer: mailer.transpose()?,
            done: Mutex::default(),
        })
    }

    /// What can be reached with messages of a tenant.
    #[must_use]
    pub fn reach(&self, tenant: &str) -> Reach {
        let its = || self.webhooks.iter().filter(|one| one.config.is_of(tenant));
        let named = its().filter_map(|one| one.name().map(str::to_owned));
        Reach {
            email: self.mailer.is_some(),
            everybody: its().any(|one| one.name().is_none()),
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
        let (mut again, mut taken, mut refused) = (false, false, false);
        let mail = match to {
            Address::Invited(letter) => Some(letter::mail(letter)),
            Address::Mail(email) => Some((
                email,
                form::told(&notification.body).mail(&notification.issuer),
            )),
            Address::Everybody | Address::Named(_) | Address::Nobody => None,
        };
        if let Some((email, mail)) = mail {
            match &self.mailer {
                Some(mailer) => match mailer.send(email, &notification.id, mail, now).await {
                    delivery::Sent::Taken => taken = true,
                    delivery::Sent::Refused => refused = true,
                    delivery::Sent::Failed => again = true,
                },
                None => again = true,
            }
        }
        let meant = self.meant(to, &notification.tenant);
        // Another replica made it, with a configuration that has somebody there.
        again |= meant.is_empty() && matches!(to, Address::Everybody | Address::Named(_));
        for (index, sent) in self.send_to_webhooks(meant, notification, now).await {
            match sent {
                delivery::Sent::Taken => taken = true,
                delivery::Sent::Refused => refused = true,
                delivery::Sent::Failed => again = true,
            }
            if !matches!(sent, delivery::Sent::Failed) {
                self.note_done(notification, index, matches!(sent, delivery::Sent::Taken));
            }
        }
        taken |= self.was_taken(notification);
        let next = RETRIES.get(usize::try_from(attempts).unwrap_or(usize::MAX));
        let (delivery, outcome) = match (again, next) {
            (true, Some(wait)) => (
                Delivery::Retry(now + Seconds(i64::try_from(wait.as_secs()).unwrap_or(i64::MAX))),
                "retried",
            ),
            (true, None) => (Delivery::GivenUp, "given_up"),
            (false, _) if refused && !taken => (Delivery::GivenUp, "given_up"),
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

    /// The webhooks that are at an address.
    ///
    /// INVARIANT: no tenant's message goes to a webhook of others, whoever chose it and whatever was configured then (T30).
    fn meant(&self, to: &Address, tenant: &str) -> Vec<usize> {
        let at = |webhook: &Webhook| match to {
            Address::Everybody => webhook.name().is_none(),
            Address::Named(name) => webhook.name() == Some(name),
            Address::Invited(_) | Address::Mail(_) | Address::Nobody => false,
        };
        let all = self.webhooks.iter().enumerate();
        all.filter(|(_, webhook)| at(webhook) && webhook.config.is_of(tenant))
            .map(|(index, _)| index)
            .collect()
    }

    /// Sends to each of these webhooks that is not done with it, to all at once: one that hangs delays no other.
    async fn send_to_webhooks(
        &self,
        meant: Vec<usize>,
        notification: &Notification,
        now: Timestamp,
    ) -> Vec<(usize, delivery::Sent)> {
        let mut tries = JoinSet::new();
        for index in meant {
            let Some(webhook) = self.webhooks.get(index) else {
                continue;
            };
            if self.is_done(notification, index) {
                continue;
            }
            let webhook = Arc::clone(webhook);
            let notification = notification.clone();
            tries.spawn(async move {
                let sent = delivery::send(&webhook, &notification, now).await;
                (index, sent)
            });
        }
        tries.join_all().await
    }

    fn is_done(&self, notification: &Notification, index: usize) -> bool {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.contains_key(&(notification.id.clone(), index))
    }

    fn was_taken(&self, notification: &Notification) -> bool {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = |index| done.get(&(notification.id.clone(), index)) == Some(&true);
        (0..self.webhooks.len()).any(taken)
    }

    fn note_done(&self, notification: &Notification, index: usize, taken: bool) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if self.webhooks.len() > 1 && done.len() < REMEMBERED {
            done.insert((notification.id.clone(), index), taken);
        }
    }

    fn forget(&self, notification: &Notification) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.retain(|(id, _), _| *id != notification.id);
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
