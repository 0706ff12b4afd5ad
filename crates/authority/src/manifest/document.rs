//! The documents of a manifest, as people write them.
//!
//! These types are the published schema too: a field is one line here. Words with few values are
//! text with the values listed, so that a misspelt one is answered with its place and the nearest.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use countersign_model::trust::Accepted;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use serde_saphyr::LitStr;

use super::Located;

mod pack;

pub use pack::{
    ConditionManifest, PackActionManifest, PackManifest, ParameterManifest, RuleManifest,
    SignatureManifest, TriggerManifest, WebhookManifest,
};

/// One document: exactly one key, its noun.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(title = "Countersign manifest")]
pub enum Document {
    /// An action of the catalogue, with its class.
    Action(ActionManifest),
    /// A resource server.
    Audience(AudienceManifest),
    /// A place where actions happen.
    Environment(EnvironmentManifest),
    /// A program with an identity of its own.
    Identity(Box<IdentityManifest>),
    /// A foreign issuer of run identities.
    Issuer(Box<IssuerManifest>),
    /// What a project does by itself: trigger types, actions, rules, webhooks.
    Pack(Box<PackManifest>),
    /// A pipeline: an identity whose `kind` is `pipeline`.
    PipelineIdentity(Box<IdentityManifest>),
    /// A guard rail of the organisation.
    Policy(PolicyManifest),
    /// Where identities live.
    Project(ProjectManifest),
    /// A part of a built-in scope.
    Scope(ScopeManifest),
    /// People who answer together.
    Team(TeamManifest),
}

/// An identity.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct IdentityManifest {
    /// What it is; a service account when not stated. Fixed once it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["agent", "api_key", "bot", "oauth_client", "pipeline", "service_account", "workload"]))]
    pub kind: Option<Located<String>>,
    /// Its name, unique in the tenant and never given out again.
    pub name: Located<String>,
    /// The project where it lives; the personal project of who applies when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Located<String>>,
    /// Who answers for it: an e-mail address or `team:NAME`. Somebody else is asked first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<Located<String>>,
    /// Who runs it day by day: an e-mail address or `team:NAME`; the sponsor when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Located<String>>,
    /// The e-mail addresses of those who may administer it; at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managers: Option<Located<Vec<Located<String>>>>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Located<String>>,
    /// Anything else that people should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Located<String>>,
    /// Where it may act; nowhere in particular, and never where it is protected, when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environments: Option<Vec<Located<String>>>,
    /// The resource servers that it may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audiences: Option<Vec<Located<String>>>,
    /// The resources that it may touch, as its resource servers name them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Vec<Located<String>>>,
    /// What it may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_actions: Option<Vec<Located<String>>>,
    /// What it must never do, whatever else says yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied_actions: Option<Vec<Located<String>>>,
    /// Its roles at its resource servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<Located<String>>>,
    /// How long its tokens live; 10 when not stated, 60 for an `oauth_client`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60))]
    pub token_ttl_minutes: Option<Located<i64>>,
    /// Whether a person must countersign what is not of class `read`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_approval: Option<Located<bool>>,
    /// Who countersigns, and how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalManifest>,
    /// Who may act as it with their own sign-in, each until a day; all of them, so that who is not listed may no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonators: Option<Vec<ImpersonatorManifest>>,
    /// The only type of credential that it may have; `any` when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["any", "client-secret", "oidc-run-identity", "private-key-jwt"]))]
    pub trust_model: Option<Located<String>>,
    /// When it expires: a date or an RFC 3339 time; in a year when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Located<String>>,
    /// Free data of its users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// The runs of foreign issuers that are this identity; all of them, so that one which is not
    /// listed is trusted no more. Left as it is when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Vec<TrustManifest>>,
}

/// Who countersigns, and how many.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ApprovalManifest {
    /// How many distinct people; 1 when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub required: Option<Located<i64>>,
    /// E-mail addresses or `team:NAME`; the owners of the project and of the tenant when empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvers: Option<Vec<Located<String>>>,
    /// Whether one more is needed when the human behind the run is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_if_unproven: Option<bool>,
}

/// Somebody who may act as an identity until a day.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ImpersonatorManifest {
    /// An e-mail address or `team:NAME`.
    pub who: Located<String>,
    /// Until when: a date or an RFC 3339 time, at most 92 days ahead.
    pub until: Located<String>,
}

/// A run of a foreign issuer is the identity when every claim matches exactly.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TrustManifest {
    /// The issuer, by its URL.
    pub issuer: Located<String>,
    /// The environments that a match may yield; the identity's only one when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environments: Option<Vec<Located<String>>>,
    /// Claims and the value, or the values, that each may have. A nested claim is written with dots.
    #[serde(rename = "match")]
    pub matches: BTreeMap<String, Claim>,
}

/// The value, or the values, that a claim may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim(pub Accepted);

/// A project.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ProjectManifest {
    /// Its name.
    pub name: Located<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who is in it; who applies, as its owner, when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<MemberManifest>>,
    /// The ceiling on what its members may give; the whole catalogue when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_actions: Option<Vec<Located<String>>>,
}

/// A user in a project.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct MemberManifest {
    /// The e-mail address.
    pub user: Located<String>,
    /// What they may do: read, change what guards nothing, or manage and approve.
    #[schemars(extend("enum" = ["viewer", "editor", "owner"]))]
    pub role: Located<String>,
}

/// A team.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TeamManifest {
    /// Its name.
    pub name: Located<String>,
    /// The e-mail addresses of who is in it; who applies when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<Located<String>>>,
}

/// An environment.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct EnvironmentManifest {
    /// Its name.
    pub name: Located<String>,
    /// Whether loosening anything that reaches it takes a second person; not when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protected: Option<bool>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A resource server.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AudienceManifest {
    /// A plain name or an absolute URI: what `aud` says.
    pub name: Located<String>,
    /// The algorithm of its tokens; ES256 when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["ES256", "RS256"]))]
    pub signing_alg: Option<Located<String>>,
    /// The identities that run it: only they introspect its tokens and report its results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_by: Option<Vec<Located<String>>>,
    /// The greatest age of a guard's revocation feed; 30 when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub max_feed_age_seconds: Option<Located<i64>>,
    /// The same for irreversible actions; 5 when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub max_feed_age_irreversible_seconds: Option<Located<i64>>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// An action of the catalogue.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ActionManifest {
    /// The dotted verb.
    pub name: Located<String>,
    /// How much it can hurt. It is stated, never inferred from the name.
    #[schemars(extend("enum" = ["read", "reversible", "irreversible"]))]
    pub class: Located<String>,
    /// The group that it is shown in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A part of a built-in scope: what long-lived tokens of the organisation are for.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ScopeManifest {
    /// Its name, which is no built-in scope's.
    pub name: Located<String>,
    /// The built-in scope that it is a part of. Fixed once it is made.
    #[schemars(extend("enum" = ["readonly", "sensor", "webhook"]))]
    pub parent: Located<String>,
    /// What it bundles of what its parent bundles.
    pub actions: Located<Vec<Located<String>>>,
    /// The shortest life of a token; that of the parent when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 365))]
    pub shortest_days: Option<Located<i64>>,
    /// The longest; that of the parent when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 365))]
    pub longest_days: Option<Located<i64>>,
    /// The one when none is asked for; as near that of the parent as the others allow when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 365))]
    pub usual_days: Option<Located<i64>>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A foreign issuer. Its keys come by discovery, unless one of `jwks`, `jwks_file` and `jwks_uri`
/// says otherwise.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct IssuerManifest {
    /// Its identifier, byte for byte as in `iss`.
    pub url: Located<String>,
    /// The platform; `oidc` when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["github", "gitlab", "kubernetes", "oidc", "spiffe"]))]
    pub profile: Option<Located<String>>,
    /// Its key set, written here (RFC 7517 §5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Located<Map<String, Value>>>,
    /// A file with its key set, which the command line reads and sends along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_file: Option<Located<String>>,
    /// Where its key set is fetched from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<Located<String>>,
    /// The audience that its tokens must name; this issuer's own URL when not stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Located<String>>,
    /// Extra trusted roots for its HTTPS, as PEM.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "lines_if_any"
    )]
    pub ca_bundle: Option<Located<String>>,
    /// The trust domain, for SPIFFE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_domain: Option<Located<String>>,
}

/// A guard rail: what the organisation forbids, whatever an identity's own lists say.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PolicyManifest {
    /// Its name.
    pub name: Located<String>,
    /// Why it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// One or more Cedar policies with the effect `forbid`.
    #[serde(serialize_with = "lines")]
    pub cedar: Located<String>,
}

/// Writes text of several lines as it is, one line below the other, where YAML can say it so.
fn lines<S: Serializer>(text: &Located<String>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = text.value.as_str();
    let plain = |c: char| c == '\n' || !c.is_control();
    if text.contains('\n') && !text.starts_with(char::is_whitespace) && text.chars().all(plain) {
        LitStr(text).serialize(serializer)
    } else {
        text.serialize(serializer)
    }
}

fn lines_if_any<S: Serializer>(
    text: &Option<Located<String>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match text {
        Some(text) => lines(text, serializer),
        None => serializer.serialize_none(),
    }
}

impl Serialize for Claim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Claim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ClaimVisitor)
    }
}

struct ClaimVisitor;

/// Claims are compared as text, byte for byte. A whole number or a boolean has one spelling and is
/// taken; another number has several, so that it must be quoted.
impl<'de> Visitor<'de> for ClaimVisitor {
    type Value = Claim;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of a claim or a list of values; quote numbers that are not whole")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Claim, E> {
        Ok(Claim(Accepted::One(text.to_owned())))
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Claim, E> {
        Ok(Claim(Accepted::One(flag.to_string())))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Claim, E> {
        Ok(Claim(Accepted::One(number.to_string())))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Claim, E> {
        Ok(Claim(Accepted::One(number.to_string())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Claim, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element::<String>()? {
            values.push(value);
        }
        Ok(Claim(Accepted::Any(values)))
    }
}

impl JsonSchema for Claim {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Claim".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": ["string", "integer", "boolean"] },
                { "type": "array", "items": { "type": ["string", "integer", "boolean"] } },
            ],
        })
    }
}
