//! The values, states and rules of Countersign.
//!
//! Nothing here does I/O, reads a clock or draws a random number: every rule is a function of its
//! arguments, so that the server, a guard and a test apply the same one.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod action;
pub mod approval;
pub mod audit_fields;
pub mod billing;
pub mod catalogue;
pub mod certificate;
pub mod chain;
pub mod cidr;
pub mod confirmation;
pub mod countersignature;
pub mod device;
pub mod enforce;
pub mod evidence;
pub mod execution;
pub mod finding;
pub mod id;
pub mod identity;
pub mod invitation;
pub mod lineage;
pub mod name;
pub mod narrow;
pub mod notice;
#[cfg(feature = "openapi")]
mod openapi;
pub mod pack;
pub mod passkey;
pub mod permission;
pub mod reason;
pub mod registry;
pub mod rule;
pub mod run;
pub mod schedule;
pub mod scope;
pub mod session;
pub mod subject;
pub mod time;
pub mod token;
pub mod token_metadata;
pub mod trust;

pub use id::Id;
pub use time::Timestamp;

/// How far two clocks may differ, in seconds: one number for the server, its guards and the
/// clean-up of revocations, so that nothing that was cleaned up can still be accepted.
pub const LEEWAY_SECONDS: i64 = 60;

/// The longest life, in seconds, of a token that anybody but Countersign itself may accept.
pub const SHORT_LIVED_SECONDS: i64 = 3600;
