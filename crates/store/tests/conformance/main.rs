//! Every function of the store, on every database.

#[path = "../support/mod.rs"]
mod support;

mod approvals;
mod automation;
mod billing;
mod chains;
mod evidence;
mod feed;
mod jobs;
mod keys;
mod log;
mod records;
mod sign_ins;
mod used_once;
