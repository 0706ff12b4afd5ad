//! Sends what waits in the outbox.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use countersign_authority::{housekeeping::DueMessage, signing_keys::Tenant};
use countersign_crypto::random;
use countersign_model::time::Seconds;
use tokio::task::JoinSet;

use crate::{
    app::App,
    jobs::{Job, JobRun, Progress},
    notify::{Delivery, Notification, Notifier},
};

/// Sends messages; one replica at a time does, so that nobody is told twice without need.
pub struct SendMessages {
    sender: Arc<Sender>,
    holder: String,
}

struct Sender {
    app: App,
    notifier: Notifier,
}

impl SendMessages {
    /// Sends through this notifier.
    #[must_use]
    pub fn new(app: App, notifier: Notifier) -> Self {
        let holder = format!("{:032x}", u128::from_be_bytes(random::bytes()));
        Self {
            sender: Arc::new(Sender { app, notifier }),
            holder,
        }
    }

    /// Sends some messages at once.
    async fn send(&self, messages: Vec<DueMessage>) -> anyhow::Result<()> {
        let mut sending = JoinSet::new();
        for message in messages {
            let sender = Arc::clone(&self.sender);
            sending.spawn(async move { sender.send(&message).await });
        }
        sending.join_all().await.into_iter().collect()
    }
}

impl Sender {
    /// Whose message it is.
    fn tenant(&self, message: &DueMessage) -> anyhow::Result<Arc<Tenant>> {
        let tenant = self.app.authority().tenant_by_id(message.tenant_id());
        tenant.context("a message is of no tenant")
    }

    /// Makes a message for each place of one that nobody has looked at yet.
    async fn address(&self, message: &DueMessage) -> anyhow::Result<()> {
        let ctx = self.app.internal_ctx();
        let reach = self.notifier.reach(&self.tenant(message)?.name);
        let addressed = self.app.authority().address(&ctx, message, &reach);
        addressed.await.context("a message has no addresses")
    }

    async fn send(&self, message: &DueMessage) -> anyhow::Result<()> {
        let authority = self.app.authority();
        let to = authority.whom(message).await;
        let to = to.context("a message has no address")?;
        let tenant = self.tenant(message)?;
        let notification = Notification {
            id: message.id().to_string(),
            body: message.payload().to_owned(),
            tenant: tenant.name.clone(),
            issuer: tenant.issuer.clone(),
        };
        let now = self.app.clock().now();
        let delivery = self
            .notifier
            .deliver(
                &to,
                &notification,
                message.attempts(),
                now,
                self.app.metrics(),
            )
            .await;
        let noted = match delivery {
            Delivery::Delivered => authority.message_delivered(message).await,
            Delivery::GivenUp => {
                let ctx = self.app.internal_ctx();
                let given_up = authority.give_up(&ctx, message).await;
                return given_up.context("that a message was given up was not recorded");
            }
            Delivery::Retry(at) => authority.message_failed(message, Some(at)).await,
        };
        noted.context("the outcome of a message was not noted")
    }
}

impl Job for SendMessages {
    fn name(&self) -> &'static str {
        "send_messages"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn run(&self) -> JobRun<'_> {
        JobRun::new(async {
            let app = &self.sender.app;
            let authority = app.authority();
            let now = app.clock().now();
            let (waiting, oldest) = authority
                .messages_waiting()
                .await
                .context("the outbox cannot be counted")?;
            let metrics = app.metrics();
            let age = oldest.map_or(0, |oldest| now.micros() - oldest.micros());
            metrics
                .notifications_waiting
                .set(i64::try_from(waiting).unwrap_or(i64::MAX));
            metrics
                .notifications_waiting_age
                .set(age.max(0) as f64 / 1e6);
            let due = authority
                .due_messages(now)
                .await
                .context("the outbox cannot be read")?;
            if due.is_empty() {
                return Ok(Progress::Done);
            }
            if !authority
                .take_turn(TURN, &self.holder, now, TURN_SPAN)
                .await
                .context("no turn at the outbox")?
            {
                return Ok(Progress::Done);
            }
            let more = due.len() > AT_ONCE || due.iter().any(DueMessage::is_new);
            let some = due.into_iter().take(AT_ONCE);
            let (new, addressed): (Vec<_>, Vec<_>) = some.partition(DueMessage::is_new);
            // A message that fails keeps no other from being sent.
            let mut ended = self.send(addressed).await;
            for message in &new {
                ended = ended.and(self.sender.address(message).await);
            }
            ended?;
            Ok(if more { Progress::More } else { Progress::Done })
        })
    }
}

const TURN: &str = "outbox";

/// Messages that are sent at once, so that a receiver that hangs delays few others: each to at most sixteen webhooks, and
/// no more connections to a relay than relays take from one client.
const AT_ONCE: usize = 8;

/// Longer than a relay or all webhooks of a message take; a replica that died blocks the others no longer.
const TURN_SPAN: Seconds = Seconds(60);
