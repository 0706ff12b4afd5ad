//! Packs: the trigger types, actions, rules and webhooks that belong together, and run as identities of their own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    id::{self, Id},
    name::{ActionName, KeyName, PackName, PartName},
    registry::Party,
    rule::Condition,
    time::Seconds,
};

/// The longest that scripts of one pack may be together, in bytes: it is kept in one record that every replica caches, and a
/// larger program is installed where the worker is.
pub const SCRIPT_BYTES: usize = 256 * 1024;

/// As many trigger types, actions, rules or webhooks as one file can still be read with.
pub const MOST_PARTS: usize = 100;

/// The trigger types that Countersign's own sensors and endpoints create events of.
pub const BUILT_IN_TRIGGERS: [(&str, &str); 3] = [
    (
        "core.interval",
        "every so many seconds: `with: {seconds: 30}`",
    ),
    (
        "core.timer",
        "at times of a calendar: `with: {every: day, at: \"03:00\"}`, in UTC",
    ),
    (
        "core.webhook",
        "a call of `/api/webhooks/{path}`: `with: {path: deploy}`",
    ),
];

/// A pack. Its name stands before the name of each part: `billing.charge`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackDoc {
    /// Its name.
    pub name: PackName,
    /// Where it lives: what it starts runs there, too.
    pub project_id: Id<id::Project>,
    /// Who answers for what its actions do.
    pub sponsor: Party,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// The trigger types that its sensors create events of.
    #[serde(default)]
    pub triggers: Vec<TriggerType>,
    /// What it can do.
    #[serde(default)]
    pub actions: Vec<PackAction>,
    /// What it does by itself.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Where it is called from outside.
    #[serde(default)]
    pub webhooks: Vec<Webhook>,
}

/// A type of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerType {
    /// Its name in the pack.
    pub name: PartName,
    /// When such an event comes.
    #[serde(default)]
    pub description: String,
}

/// Something that can be executed. Each of its executions runs as the service account [`account_of`] it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackAction {
    /// Its name in the pack.
    pub name: PartName,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// The program and its arguments; a script is given to it as its last argument.
    #[serde(default)]
    pub command: Vec<String>,
    /// The script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Script>,
    /// After how many seconds it is stopped.
    pub time_out: Seconds,
    /// The keys that it may read.
    #[serde(default)]
    pub keys: Vec<String>,
    /// The actions that it may start.
    #[serde(default)]
    pub starts: Vec<ActionName>,
    /// Variables of its environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Its parameters.
    #[serde(default)]
    pub parameters: BTreeMap<String, Parameter>,
    /// Whether it is started again when its worker was lost: true says that running twice does no harm.
    #[serde(default)]
    pub retry_if_lost: bool,
    /// Whether a person countersigns each of its executions before it begins.
    #[serde(default)]
    pub requires_approval: bool,
}

impl PackAction {
    /// What an execution of it is, as people countersign it: what is executed, what that may read and start, and how long it
    /// may take.
    #[must_use]
    pub fn executes(&self) -> Value {
        json!({
            "command": self.command,
            "environment": self.environment,
            "keys": self.keys,
            "script_sha256": self.script.as_ref().map(|script| &script.sha256),
            "starts": self.starts,
            "timeout_seconds": self.time_out,
        })
    }
}

/// A script that comes with the pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// What it is called: the name of the file.
    pub name: String,
    /// Its SHA-256, in hexadecimal: which script ran stands in the evidence.
    pub sha256: String,
    /// The text.
    pub text: String,
}

/// A parameter of an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Whether an execution without it is refused.
    #[serde(default)]
    pub required: bool,
    /// What stands when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// When which action is executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name in the pack.
    pub name: PartName,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// The trigger type whose events it looks at.
    pub trigger: ActionName,
    /// What its sensor is told: the seconds of an interval, the path of a webhook.
    #[serde(default)]
    pub with: Map<String, Value>,
    /// Conditions on the event, all of which must be met.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<Condition>,
    /// What is executed: an action of a pack of the same project.
    pub action: ActionName,
    /// Its parameters; `{{ event.payload.commit }}` stands for what the event says.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// Whether it fires.
    pub enabled: bool,
    /// Whether a person countersigns each execution that it starts, also where the action itself requires nobody.
    #[serde(default)]
    pub requires_approval: bool,
}

/// A path under `/api/webhooks/` that this pack is called at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// The path: `deploy` for `/api/webhooks/deploy`.
    pub path: String,
    /// What each call must be signed with, beside its token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<WebhookSignature>,
}

/// What the calls of a webhook are signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookSignature {
    /// The key with the secret, or with several, a line each, while the sender changes it.
    pub key: KeyName,
    /// How it is signed.
    pub form: SignatureForm,
}

/// How a webhook's body is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SignatureForm {
    /// `X-Hub-Signature-256` over the body alone, as GitHub, Gitea and Forgejo send it.
    Hub,
    /// Standard Webhooks: `webhook-signature` over identifier, time and body.
    #[default]
    Standard,
}

impl SignatureForm {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::Standard => "standard",
        }
    }
}

impl PackDoc {
    /// The reference of one of its parts: `billing.charge`.
    #[must_use]
    pub fn part(&self, name: &PartName) -> String {
        format!("{}.{name}", self.name)
    }

    /// The action of a name.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<&PackAction> {
        self.actions
            .iter()
            .find(|action| action.name.as_str() == name)
    }
}

/// The pack and the part that a reference names.
#[must_use]
pub fn split(reference: &str) -> Option<(&str, &str)> {
    reference.split_once('.')
}

/// The name of the service account that an action runs as.
#[must_use]
pub fn account_of(action_ref: &str) -> String {
    format!("action:{action_ref}")
}
