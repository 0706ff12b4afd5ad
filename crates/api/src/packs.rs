//! Packs: what a project does by itself. They are made and edited by manifests, and read and deleted here.

use std::collections::BTreeMap;

use countersign_model::pack::SignatureForm;
use serde::{Deserialize, Serialize};

use crate::{
    events::{Rule, Trigger},
    reference::{Meta, PartyRef, Ref},
};

/// A pack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pack {
    /// What every record says.
    #[serde(flatten)]
    pub meta: Meta,
    /// Where it lives.
    pub project: Ref,
    /// Who answers for the service accounts that are made for its actions.
    pub sponsor: PartyRef,
    /// What it is for.
    pub description: String,
    /// Its own trigger types.
    pub triggers: Vec<Trigger>,
    /// What it can do.
    pub actions: Vec<PackAction>,
    /// What it does by itself.
    pub rules: Vec<Rule>,
    /// Where it is called from outside.
    pub webhooks: Vec<Webhook>,
}

/// A path that a pack is called at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Webhook {
    /// The path, below `/api/webhooks/`.
    pub path: String,
    /// The key that the signature of each call is checked with, when calls are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature_key: Option<String>,
    /// How they are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature_form: Option<SignatureForm>,
}

/// Something that can be executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PackAction {
    /// Its reference: `billing.charge`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// What it does.
    pub description: String,
    /// The name of the service account that it runs as.
    pub service_account: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The SHA-256 of its script, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script_sha256: Option<String>,
    /// After how many seconds it is stopped.
    pub timeout_seconds: i64,
    /// The keys that it may read.
    pub keys: Vec<String>,
    /// The actions that it may start.
    pub starts: Vec<String>,
    /// Its parameters, with what each is for.
    pub parameters: BTreeMap<String, String>,
    /// Whether it is started again when its worker was lost.
    pub retry_if_lost: bool,
    /// Whether a person countersigns each of its executions.
    pub requires_approval: bool,
}
