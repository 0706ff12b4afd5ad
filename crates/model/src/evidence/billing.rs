//! What is on record about bills.

use serde::{Deserialize, Serialize};

use crate::billing::Month;

/// A month was closed: what was counted of it until then does not change any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingClosed {
    /// Which month.
    pub month: Month,
    /// Of which generation of the log the last entries were counted.
    pub generation: i64,
    /// How many entries of it.
    pub entries: i64,
    /// How many operations were counted.
    pub operations: u64,
    /// SHA-256 over the counters of the month, in hexadecimal: see [`canonical`](crate::billing::canonical).
    pub digest: String,
}
