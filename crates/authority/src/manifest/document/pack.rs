//! The document of a pack.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::manifest::Located;

/// A pack: what a project does by itself.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PackManifest {
    /// Its name, which stands before the names of its parts: `billing` in `billing.charge`.
    pub name: Located<String>,
    /// The project where it lives; the personal project of who applies when not stated. Fixed once it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Located<String>>,
    /// Who answers for what its actions do: an e-mail address or `team:NAME`. Somebody else is asked first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<Located<String>>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The trigger types that its sensors create events of; all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triggers: Option<Vec<TriggerManifest>>,
    /// What it can do; all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<PackActionManifest>>,
    /// What it does by itself; all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<RuleManifest>>,
    /// Where it is called from outside; all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<Vec<WebhookManifest>>,
}

/// A type of events.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TriggerManifest {
    /// Its name in the pack.
    pub name: Located<String>,
    /// When such an event comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Something that can be executed. It runs as a service account of its own, `action:PACK.NAME`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PackActionManifest {
    /// Its name in the pack.
    pub name: Located<String>,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The program and its arguments, `[python3]`; a script is its last argument. Without it the script is executed itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// The script.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "super::lines_if_any"
    )]
    pub script: Option<Located<String>>,
    /// A file with the script, beside this one, which the command line reads and sends along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script_file: Option<Located<String>>,
    /// After how many seconds it is stopped; 300 when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_seconds: Option<Located<i64>>,
    /// The keys that it may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
    /// The actions that it may start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<Vec<Located<String>>>,
    /// Variables of its environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<BTreeMap<String, String>>,
    /// Its parameters. One that is not here is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<BTreeMap<String, ParameterManifest>>,
    /// Whether it is started again when its worker was lost; not when not stated. True says that running twice does no harm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_if_lost: Option<bool>,
    /// Whether a person who did not cause it countersigns each of its executions before it begins; nobody when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_approval: Option<bool>,
}

/// A parameter of an action.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ParameterManifest {
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether an execution without it is refused; not when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// What stands when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// When which action is executed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RuleManifest {
    /// Its name in the pack.
    pub name: Located<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The trigger type whose events it looks at: `core.timer`, `core.interval`, `core.webhook`, or a pack's own.
    pub trigger: Located<String>,
    /// What its sensor is told: `{seconds: 30}`, `{every: day, at: "03:00"}`, `{path: deploy}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Map<String, Value>>,
    /// Conditions on the event, all of which must be met; every event when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Vec<ConditionManifest>>,
    /// What is executed: an action of a pack of the same project, `billing.charge`.
    pub action: Located<String>,
    /// Its parameters; `{{ event.payload.commit }}` stands for what the event says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Map<String, Value>>,
    /// Whether it fires; it does when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether a person countersigns each execution that it starts, also where the action requires nobody; not when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_approval: Option<bool>,
}

/// A condition on one field of an event. Each part that is there must be met.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ConditionManifest {
    /// The field: `payload.status`, `payload.commits.0.id`.
    pub field: String,
    /// It is one of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<Vec<Value>>,
    /// It is none of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_not: Option<Vec<Value>>,
    /// Whether it is there at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// It is a text that begins so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins_with: Option<String>,
    /// It is a number above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// It is a number below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
}

/// A path under `/api/webhooks/` that the pack is called at.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct WebhookManifest {
    /// The path: `deploy` for `/api/webhooks/deploy`.
    pub path: String,
    /// What each call must be signed with, beside its token; nothing when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<SignatureManifest>,
}

/// What the calls of a webhook are signed with.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SignatureManifest {
    /// The key of the project with the secret, or with several, a line each, while the sender changes it.
    pub key: Located<String>,
    /// How: `standard` (Standard Webhooks) when not stated, or `hub` (`X-Hub-Signature-256` of GitHub, Gitea, Forgejo).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["standard", "hub"]))]
    pub form: Option<Located<String>>,
}
