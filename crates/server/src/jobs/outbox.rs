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
        let notification = Notification {
            id: message.id().to_string(),
            body: message.payload().to_owned(),
        };
        let now = self.app.clock().now();
        let delivery = self
            .notifier
            .deliver(&notification, message.attempts(), now, self.app.metrics())
            .await;
        let noted = match delivery {
            Delivery::Delivered => authority.message_delivered(message).await,
            Delivery::GivenUp => authority.message_failed(message, None).await,
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
            Ok(if due.len() > 1 {
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
