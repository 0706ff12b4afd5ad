//! Scopes of the organisation: parts of the built-in ones.

use countersign_model::{action::ActionSet, name::ScopeWord, scope::Scope};
use serde::{Deserialize, Serialize};

use crate::reference::Meta;

/// A part of a built-in scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DefinedScope {
    /// What every record says.
    #[serde(flatten)]
    pub meta: Meta,
    /// The built-in scope that it is a part of, which its tokens say.
    pub parent: Scope,
    /// What it bundles of what its parent bundles.
    pub actions: ActionSet,
    /// The shortest life of a token.
    pub shortest_days: i64,
    /// The longest.
    pub longest_days: i64,
    /// The one when none is asked for.
    pub usual_days: i64,
    /// What it is for.
    pub description: String,
}

/// A new scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateScope {
    /// Its name, which is no built-in scope's and is never given out again.
    pub name: ScopeWord,
    /// The built-in scope that it is a part of: `sensor`, `webhook` or `readonly`. It never changes.
    pub parent: Scope,
    /// What it bundles of what its parent bundles.
    pub actions: ActionSet,
    /// The shortest life of a token; that of the parent when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortest_days: Option<i64>,
    /// The longest; that of the parent when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_days: Option<i64>,
    /// The one when none is asked for; as near that of the parent as the others allow when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usual_days: Option<i64>,
    /// What it is for.
    #[serde(default)]
    pub description: String,
}

/// What an edit changes; what is left out stays. What bundles more, or lets tokens live longer, waits for a second owner.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateScope {
    /// What it bundles, all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<ActionSet>,
    /// The shortest life of a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortest_days: Option<i64>,
    /// The longest. A live token that is older is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_days: Option<i64>,
    /// The one when none is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usual_days: Option<i64>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
