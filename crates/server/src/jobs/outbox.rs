//! Sends what waits in the outbox.

use std::time::Duration;

use anyhow::Context as _;
use countersign_authority::housekeeping::DueMessage;
use countersign_crypto::random;
use countersign_model::time::Seconds;

use crate::{
    app::App,
    jobs::{Job, JobRun, Progress},
    notify::{Delivery, Notification, Notifier},
};

/// Sends messages; one replica at a time does, so that nobody is told twice without need.
pub struct SendMessages {
    app: App,
    notifier: Notifier,
    holder: String,
}

impl SendMessages {
    /// Sends through this notifier.
    #[must_use]
    pub fn new(app: App, notifier: Notifier) -> Self {
        let holder = format!("{:032x}", u128::from_be_bytes(random::bytes()));
        Self {
            app,
            notifier,
            holder,
        }
    }

    async fn send(&self, message: &DueMessage) -> anyhow::Result<()> {
        let authority = self.app.authority();
        let ctx = self.app.internal_ctx();
        if message.is_new() {
            let addressed = authority.address(&ctx, message, &self.notifier.reach());
            return addressed.await.context("a message has no addresses");
        }
        let to = authority.whom(message).await;
        let to = to.context("a message has no address")?;
        let notification = Notification {
            id: message.id().to_string(),
            body: message.payload().to_owned(),
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
            let authority = self.app.authority();
            let now = self.app.clock().now();
            let (waiting, oldest) = authority
                .messages_waiting()
                .await
                .context("the outbox cannot be counted")?;
            let metrics = self.app.metrics();
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
            let Some(first) = due.first() else {
                return Ok(Progress::Done);
            };
            if !authority
                .take_turn(TURN, &self.holder, now, TURN_SPAN)
                .await
                .context("no turn at the outbox")?
            {
                return Ok(Progress::Done);
            }
            // One message a step: a slow receiver costs its own time-out, not that of fifty messages.
            self.send(first).await?;
            Ok(if due.len() > 1 || first.is_new() {
                Progress::More
            } else {
                Progress::Done
            })
        })
    }
}

const TURN: &str = "outbox";

/// Longer than all webhooks of one message take; a replica that died blocks the others no longer.
const TURN_SPAN: Seconds = Seconds(60);
