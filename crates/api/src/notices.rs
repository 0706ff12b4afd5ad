//! Notices: which messages a person hears of where.

use std::collections::BTreeMap;

use countersign_model::notice::NoticeKind;
use serde::{Deserialize, Serialize};

/// What the caller chose, and what there is to choose from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Notices {
    /// Each kind of message, and where it goes: `email`, or the name of a webhook; nowhere when the list is empty.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, Vec<String>>))]
    pub kinds: BTreeMap<NoticeKind, Vec<String>>,
    /// What this server can reach.
    pub channels: Vec<String>,
}

/// Where kinds of messages go from now on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChooseNotices {
    /// Of what; of everything when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub kinds: Vec<NoticeKind>,
    /// Where; nowhere when it is empty.
    pub channels: Vec<String>,
}
