//! Instants on the wire: RFC 3339 text.

use std::fmt;

use countersign_model::{Timestamp, time::rfc3339};
use serde::{Deserialize, Serialize};

/// An instant, RFC 3339 on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, format = DateTime))]
#[serde(transparent)]
pub struct Time(#[serde(with = "rfc3339")] pub Timestamp);

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl From<Time> for Timestamp {
    fn from(at: Time) -> Self {
        at.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rfc_3339_text() {
        let at = Time(Timestamp::from_seconds(1_795_338_000));
        assert_eq!(
            serde_json::to_string(&at).unwrap(),
            "\"2026-11-22T09:00:00Z\""
        );
        assert_eq!(
            serde_json::from_str::<Time>("\"2026-11-22T09:00:00Z\"").unwrap(),
            at
        );
        assert!(serde_json::from_str::<Time>("1795338000").is_err());
    }
}
