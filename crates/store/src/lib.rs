//! All SQL of Countersign: one text of each statement, for SQLite and PostgreSQL.
//!
//! This crate is the only one that names a database. [`Store`] takes closures: `store.write(mode, |tx| ..)` queues
//! one for a database thread and answers a [`Pending`], a plain future. The functions that a closure calls are grouped by
//! noun and take a [`Tx`]; they return values of the domain. No closure can await, so no network call can get into
//! a transaction.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod aliases;
pub mod approvals;
pub mod archive;
pub mod attempts;
pub mod billing;
pub mod chains;
pub mod changes;
pub mod codes;
pub mod data_keys;
mod db;
pub mod devices;
mod error;
pub mod events;
pub mod evidence;
pub mod executions;
mod feed;
pub mod idempotency;
pub mod installation;
pub mod invitations;
mod job;
pub mod key_file;
pub mod key_values;
pub mod leases;
pub mod links;
pub mod log;
mod migrate;
pub mod outbox;
pub mod passkeys;
mod pending;
mod queue;
mod readers;
pub mod records;
pub mod replay;
pub mod revocations;
pub mod seen;
pub mod sessions;
pub mod signing_keys;
mod sql;
mod statements;
mod statistics;
mod store;
#[doc(hidden)]
pub mod testing;
mod value;

pub use db::{Engine, Outcome, Tx, postgres::holder::Holder};
pub use error::StoreError;
pub use feed::{Cursor, Page};
pub use pending::Pending;
pub use readers::ReadMode;
pub use statistics::Statistics;
pub use store::{Location, Store, StoreConfig, WriteMode};
