//! How a notification looks to its receiver.

use serde::Deserialize;
use serde_json::json;

/// What a message for people takes out of the payload.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    approval_id: String,
    summary: String,
    status: String,
    reason: Option<String>,
}

/// The message of a Slack-compatible incoming webhook.
pub fn slack(body: &str) -> Vec<u8> {
    // The payload is ours; one that does not parse still says that something happened.
    let Payload { kind, data } = serde_json::from_str(body).unwrap_or_default();
    let lead = match kind.as_str() {
        HAND_OVER_OFFERED => "Waits for an answer".to_owned(),
        IDENTITY_ORPHANED => "Nobody answers any more".to_owned(),
        OPENED => "Waits for a countersignature".to_owned(),
        RENEWAL_OVERDUE => "A renewal did not come".to_owned(),
        _ if data.status.is_empty() => kind,
        _ => format!("Request {}", data.status),
    };
    let reason = data
        .reason
        .map(|reason| format!("\n> {}", escaped(&reason)))
        .unwrap_or_default();
    let about = match data.approval_id.as_str() {
        "" => String::new(),
        id => format!(" (`{}`)", escaped(id)),
    };
    let text = format!(
        "*{}*: {}{about}{reason}",
        escaped(&lead),
        escaped(&data.summary)
    );
    // A value of strings always serialises.
    serde_json::to_vec(&json!({ "text": text })).unwrap_or_default()
}

/// Slack reads `<`, `>` and `&` as its markup, and lines as structure: nobody's text may become a link,
/// a mention or another line.
fn escaped(text: &str) -> String {
    let one_line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    one_line
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

const HAND_OVER_OFFERED: &str = "hand_over.offered";
const IDENTITY_ORPHANED: &str = "identity.orphaned";
const OPENED: &str = "approval.opened";
const RENEWAL_OVERDUE: &str = "renewal.overdue";
