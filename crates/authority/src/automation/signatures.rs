//! What a webhook was sent with: the signature over its body, where the pack asks for one.

use std::sync::Arc;

use countersign_crypto::{
    Secret, digest,
    webhook::{HubSecret, WebhookSecret},
};
use countersign_model::{
    Timestamp,
    evidence::SignedWith,
    name::KeyName,
    pack::{SignatureForm, WebhookSignature},
    reason::Reason,
    registry::Record,
    time::Seconds,
};

use super::values;
use crate::{
    command::WriteTx,
    registry::rights,
    rejection::{Rejection, refuse},
    secrets::Secrets,
};

/// How old a signed message may be, or how far ahead the sender's clock: what Standard Webhooks' own libraries take.
const TOLERANCE: Seconds = Seconds(300);

/// As many secrets as one key holds: a rotation takes two, and each costs a digest of the body.
const MOST_SECRETS: usize = 5;

/// A call of a webhook, as it came.
#[derive(Clone)]
pub struct WebhookCall {
    /// The path below `/api/webhooks/`.
    pub path: String,
    /// The body, byte for byte: what is signed.
    pub body: Vec<u8>,
    /// The header `webhook-id`.
    pub id: Option<String>,
    /// The header `webhook-timestamp`.
    pub timestamp: Option<String>,
    /// The header `webhook-signature`.
    pub signature: Option<String>,
    /// The header `x-hub-signature-256`.
    pub hub_signature: Option<String>,
    /// The key file.
    pub secrets: Arc<Secrets>,
}

/// A call whose signature was checked.
pub(super) struct Signed {
    /// With what.
    pub(super) with: SignedWith,
    /// What recognises the message when it is sent again: nothing that is not signed.
    pub(super) message: String,
}

/// Refuses a call that is not signed as its path asks for.
pub(super) fn check(
    tx: &mut WriteTx<'_, '_>,
    project: &Record,
    call: &WebhookCall,
    asked: &WebhookSignature,
) -> Result<Signed, Rejection> {
    let message = match asked.form {
        SignatureForm::Standard => Message::standard(call, tx.now())?,
        SignatureForm::Hub => Message::hub(call)?,
    };
    let (version, value) = key(tx, project, call, &asked.key)?;
    if !message.is_signed(value.expose(), &asked.key)? {
        return unsigned("the signature is that of another secret, or of another message");
    }
    Ok(Signed {
        with: SignedWith {
            key: asked.key.clone(),
            version,
        },
        message: message.recognised_by(),
    })
}

/// What the headers claim, in order.
enum Message<'a> {
    Hub {
        body: &'a [u8],
        signature: &'a str,
    },
    Standard {
        id: &'a str,
        at: Timestamp,
        body: &'a [u8],
        signatures: &'a str,
    },
}

impl<'a> Message<'a> {
    /// The three headers of Standard Webhooks, and a time that is now.
    fn standard(call: &'a WebhookCall, now: Timestamp) -> Result<Self, Rejection> {
        let (Some(id), Some(at), Some(signatures)) = (&call.id, &call.timestamp, &call.signature)
        else {
            return unsigned(
                "this webhook takes signed messages alone: send `webhook-id`, `webhook-timestamp` and `webhook-signature` (Standard Webhooks)",
            );
        };
        // With a full stop in it, one signed text could be two messages.
        if id.is_empty() || id.contains('.') {
            return unsigned("`webhook-id` is empty, or has a full stop in it");
        }
        let digits = !at.is_empty() && at.len() <= 12 && at.bytes().all(|b| b.is_ascii_digit());
        let Some(at) = at
            .parse()
            .ok()
            .filter(|_| digits)
            .map(Timestamp::from_seconds)
        else {
            return unsigned("`webhook-timestamp` is no time in seconds");
        };
        if now > at + TOLERANCE || at > now + TOLERANCE {
            return unsigned(
                "the message was signed more than five minutes ago, or ahead: send it again, and look at the sender's clock",
            );
        }
        Ok(Self::Standard {
            id,
            at,
            body: &call.body,
            signatures,
        })
    }

    /// The header of GitHub, Gitea and Forgejo.
    fn hub(call: &'a WebhookCall) -> Result<Self, Rejection> {
        let Some(signature) = &call.hub_signature else {
            return unsigned(
                "this webhook takes signed messages alone: give the sender its secret, so that it sends `X-Hub-Signature-256`",
            );
        };
        Ok(Self::Hub {
            body: &call.body,
            signature,
        })
    }

    /// Whether one of the secrets in the key's value, a line each, signed it.
    fn is_signed(&self, value: &str, key: &KeyName) -> Result<bool, Rejection> {
        let secrets = value.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut signed = false;
        for secret in secrets.take(MOST_SECRETS) {
            // All of them are looked at, so that nothing tells which one it was.
            signed |= match self {
                Self::Hub { body, signature } => HubSecret::parse(secret)
                    .map_err(|error| error.to_string())
                    .map(|secret| secret.signed(body, signature)),
                Self::Standard {
                    id,
                    at,
                    body,
                    signatures,
                } => WebhookSecret::parse(secret)
                    .map_err(|error| error.to_string())
                    .map(|secret| secret.signed(id, *at, body, signatures)),
            }
            .or_else(|error| {
                unsigned(&format!(
                    "key `{key}` holds no secret to check with: {error}"
                ))
            })?;
        }
        Ok(signed)
    }

    /// What recognises it: the identifier, which is signed, and where none is signed the body.
    fn recognised_by(&self) -> String {
        match self {
            Self::Hub { body, .. } => format!("sha256:{}", hex::encode(digest::sha256(body))),
            Self::Standard { id, .. } => (*id).to_owned(),
        }
    }
}

/// The newest value of the key, which lives in the project of the webhook.
fn key(
    tx: &mut WriteTx<'_, '_>,
    project: &Record,
    call: &WebhookCall,
    name: &KeyName,
) -> Result<(u32, Secret<String>), Rejection> {
    let Some(record) = values::find(tx, project, name)? else {
        return unsigned(&format!(
            "there is no key `{name}` in project `{}`, which the signature would be checked with: set it",
            project.name
        ));
    };
    let version = rights::doc(record.key())?.current_version;
    Ok((version, values::open(tx, &call.secrets, &record, version)?))
}

fn unsigned<T>(detail: &str) -> Result<T, Rejection> {
    refuse(Reason::SignatureInvalid, detail)
}
