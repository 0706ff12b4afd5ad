//! One try to send one message to one webhook.

use countersign_model::Timestamp;
use reqwest::StatusCode;

use crate::notify::{Form, Notification, Webhook, form};

/// How a try ended.
pub enum Sent {
    /// It was not taken now.
    Failed,
    /// It will never be taken.
    Refused,
    /// It was taken.
    Taken,
}

/// Sends. INVARIANT: neither the URL, which may be a secret, nor the body is logged.
pub async fn send(webhook: &Webhook, notification: &Notification, now: Timestamp) -> Sent {
    let request = webhook
        .client
        .post(webhook.url.clone())
        .header("content-type", "application/json");
    let request = match &webhook.form {
        Form::Slack => request.body(form::told(&notification.body).slack()),
        Form::CloudEvents(secret) | Form::Standard(secret) => {
            let body = match &webhook.form {
                Form::CloudEvents(_) => {
                    form::cloud_event(&notification.id, &notification.issuer, &notification.body)
                }
                Form::Slack | Form::Standard(_) => notification.body.clone(),
            };
            request
                .header("webhook-id", &notification.id)
                .header("webhook-timestamp", now.seconds().to_string())
                .header(
                    "webhook-signature",
                    secret.sign(&notification.id, now, body.as_bytes()),
                )
                .body(body)
        }
    };
    match request.send().await {
        Ok(answer) if answer.status().is_success() => Sent::Taken,
        // The receiver says that it is gone for good (Standard Webhooks, delivery).
        Ok(answer) if answer.status() == StatusCode::GONE => {
            tracing::warn!("a webhook answers 410: it wants no more notifications");
            Sent::Refused
        }
        Ok(answer) => {
            let status = answer.status().as_u16();
            tracing::warn!(
                http.status = u64::from(status),
                "a webhook answers {status}"
            );
            Sent::Failed
        }
        Err(error) => {
            let kind = kind(&error);
            tracing::warn!(error = kind, "a webhook cannot be reached: {kind}");
            Sent::Failed
        }
    }
}

/// The error without its URL.
fn kind(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "time-out"
    } else if error.is_connect() {
        "no connection"
    } else {
        "broken answer"
    }
}
