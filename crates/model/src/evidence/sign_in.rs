//! What is on record about people's sign-ins.

use serde::{Deserialize, Serialize};

use super::Text;
use crate::time::Timestamp;

/// A user's sign-in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignedIn {
    /// How: `enrolment_code`, `device_code`.
    pub method: String,
    /// The source address.
    pub source_address: Option<Text>,
}

/// A person's answer to a command line that asks to be signed in (RFC 8628 §3.3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignInDecided {
    /// Yes or no.
    pub confirmed: bool,
    /// The host that the client said it runs on.
    pub host_name: Option<Text>,
    /// Where it was asked for from.
    pub requested_from: Option<Text>,
    /// When.
    pub requested_at: Timestamp,
    /// Where the person was.
    pub source_address: Option<Text>,
}
