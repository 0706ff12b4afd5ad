//! How a notification looks to its receiver.

use serde::Deserialize;
use serde_json::json;

use super::email::Mail;

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
    identity: Option<Identity>,
}

#[derive(Deserialize)]
struct Identity {
    id: String,
}

/// A message as people read it. INVARIANT: each part is one line, whoever wrote it: nobody's text becomes a header or another
/// line, and no address in it is one that a program makes a link of.
pub struct Told {
    lead: String,
    summary: String,
    reason: Option<String>,
    approval_id: String,
    identity_id: Option<String>,
}

/// What a payload tells people.
pub fn told(body: &str) -> Told {
    // The payload is ours; one that does not parse still says that something happened.
    let Payload { kind, data } = serde_json::from_str(body).unwrap_or_default();
    let lead = match kind.as_str() {
        "approval.opened" => "Waits for a countersignature".to_owned(),
        "credential.ending" => "A credential ends soon".to_owned(),
        "hand_over.offered" => "Waits for an answer".to_owned(),
        "identity.orphaned" => "Nobody answers any more".to_owned(),
        "renewal.overdue" => "A renewal did not come".to_owned(),
        "review.overdue" => "A review is overdue".to_owned(),
        _ if data.status.is_empty() => kind,
        _ => format!("Request {}", data.status),
    };
    Told {
        lead: one_line(&lead),
        summary: unlinked(&one_line(&data.summary)),
        reason: data
            .reason
            .as_deref()
            .map(one_line)
            .as_deref()
            .map(unlinked),
        approval_id: one_line(&data.approval_id),
        identity_id: data.identity.map(|identity| one_line(&identity.id)),
    }
}

impl Told {
    /// The message as an e-mail.
    pub fn mail(&self, issuer: &str) -> Mail {
        Mail {
            subject: self.subject(),
            text: self.text(issuer),
        }
    }

    /// The subject of an e-mail.
    fn subject(&self) -> String {
        let whole = format!("[Countersign] {}: {}", self.lead, self.summary);
        whole.chars().take(SUBJECT_CHARS).collect()
    }

    /// The text of an e-mail.
    fn text(&self, issuer: &str) -> String {
        let mut text = format!("{}: {}\r\n", self.lead, self.summary);
        if let Some(reason) = &self.reason {
            text.push_str(&format!("\r\n> {reason}\r\n"));
        }
        let link = match (self.approval_id.as_str(), &self.identity_id) {
            ("", Some(identity)) => format!("{issuer}/#/identities/{identity}"),
            ("", None) => issuer.to_owned(),
            (approval, _) => format!("{issuer}/#/approvals/{approval}"),
        };
        text.push_str(&format!(
            "\r\n{link}\r\n\r\nYou choose what you are told of, and where: countersign user notices\r\n"
        ));
        text
    }

    /// The message of a Slack-compatible incoming webhook.
    pub fn slack(&self) -> Vec<u8> {
        let reason = self
            .reason
            .as_ref()
            .map(|reason| format!("\n> {}", escaped(reason)))
            .unwrap_or_default();
        let about = match self.approval_id.as_str() {
            "" => String::new(),
            id => format!(" (`{}`)", escaped(id)),
        };
        let text = format!(
            "*{}*: {}{about}{reason}",
            escaped(&self.lead),
            escaped(&self.summary)
        );
        // A value of strings always serialises.
        serde_json::to_vec(&json!({ "text": text })).unwrap_or_default()
    }
}

/// The payload as a CloudEvent in its JSON form (CloudEvents 1.0.2).
pub fn cloud_event(id: &str, issuer: &str, body: &str) -> String {
    let payload: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let member = |name: &str| payload.get(name).cloned().unwrap_or_default();
    let event_type = payload.get("type").and_then(serde_json::Value::as_str);
    json!({
        "specversion": "1.0",
        "id": id,
        "source": issuer,
        "type": format!("countersign.{}", event_type.unwrap_or("unknown")),
        "time": member("timestamp"),
        "datacontenttype": "application/json",
        "data": member("data"),
    })
    .to_string()
}

pub(super) fn one_line(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| if hidden(c) { ' ' } else { c })
        .collect()
}

/// The text with its web addresses broken where everybody sees it: `https[:]//evil.example`, `www[.]evil.example`.
fn unlinked(text: &str) -> String {
    let text = text.replace("://", "[:]//");
    let lower = text.to_ascii_lowercase();
    let mut broken = String::with_capacity(text.len());
    let mut rest = text.as_str();
    for (at, _) in lower.match_indices(WWW) {
        let done = text.len() - rest.len();
        let (before, after) = rest.split_at(at - done);
        let (name, after) = after.split_at(WWW.len());
        broken.push_str(before);
        broken.push_str(&name.replace('.', "[.]"));
        rest = after;
    }
    broken.push_str(rest);
    broken
}

const WWW: &str = "www.";

/// Slack reads `<`, `>` and `&` as its markup: nobody's text may become a link or a mention.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// What a list of messages shows.
const SUBJECT_CHARS: usize = 160;
