//! Countersign's own API, one file for each noun.

pub mod actions;
pub mod approvals;
pub mod audiences;
pub mod credentials;
pub mod environments;
pub mod evidence;
pub mod findings;
pub mod identities;
pub mod issuers;
pub mod keys;
pub mod lineage;
pub mod linked_accounts;
pub mod log;
pub mod manifests;
pub mod policies;
pub mod projects;
pub(super) mod records;
pub mod results;
pub mod revocation_feed;
pub mod revocations;
pub mod sessions;
pub mod teams;
pub mod tenant;
pub mod trust_tests;
pub mod users;
