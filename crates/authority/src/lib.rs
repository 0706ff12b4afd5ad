//! The application: registry, grants, policy, approvals, evidence and lineage.
//!
//! Synchronous and sans I/O: it knows no HTTP, no runtime and no network. Gather, decide, record,
//! release: see `docs/ARCHITECTURE.md`.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod api_keys;
pub mod approvals;
pub mod archive;
pub mod attempts;
mod authority;
pub mod automation;
pub mod billing;
pub mod client_auth;
pub mod command;
mod ctx;
pub mod data_keys;
pub mod enrolment;
pub mod evaluation;
pub mod evidence;
pub mod facts;
pub mod federation;
pub mod findings;
pub mod grants;
pub mod housekeeping;
pub mod idempotency;
pub mod incident;
pub mod introspections;
pub mod invitations;
pub mod issue;
pub mod key_file;
pub mod lineage;
pub mod log;
pub mod long_lived;
pub mod loosening;
pub mod manifest;
mod notice;
pub mod notices;
pub mod passkeys;
pub mod people;
pub mod policy;
mod proofs;
mod proved;
pub mod provider;
pub mod refusals;
pub mod registry;
mod rejection;
pub mod restore;
pub mod results;
pub mod revocation_feed;
pub mod revocations;
pub mod revoked;
mod rows;
pub mod scim;
mod secrets;
pub mod sessions;
mod shelf;
pub mod signing_keys;
pub mod tokens;
pub mod trust_test;

pub use authority::{Authority, Flushing, News, Settings, StartError};
pub use countersign_store::{
    Pending, ReadMode, Store, StoreConfig,
    archive::{Archive, SEGMENT_RECORDS},
};
pub use ctx::Ctx;
pub use proved::Proved;
pub use rejection::{Fault, Rejection, Stop, refuse};
pub use secrets::Secrets;
