//! How a notification looks to its receiver.

use serde_json::{Value, json};

use crate::notify::Notification;

/// The payload of the standard form: type, timestamp, data.
pub fn standard(notification: &Notification) -> Vec<u8> {
    let body = json!({
        "type": notification.kind,
        "timestamp": notification.at.to_string(),
        "data": notification.data,
    });
    // A value of strings and numbers always serialises.
    serde_json::to_vec(&body).unwrap_or_default()
}

/// The message of a Slack-compatible incoming webhook.
pub fn slack(notification: &Notification) -> Vec<u8> {
    let summary = notification.data.get("summary").and_then(Value::as_str).unwrap_or(&notification.kind);
    let link = notification.data.get("url").and_then(Value::as_str);
    let text = match link {
        Some(url) => format!("{} <{}|open>", escaped(summary), escaped(url)),
        None => escaped(summary),
    };
    serde_json::to_vec(&json!({ "text": text })).unwrap_or_default()
}

/// Slack reads `<`, `>` and `&` as its markup: nobody's name may become a link or a mention.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
