//! The registry's commands and readers, one file for each noun.
//!
//! A command finds what its input names, checks that the person may, and writes through the door of
//! [`crate::command`]. Each noun has one function that makes a record of a document and one that
//! edits it to another document, with every rule of the noun in them; the commands for one noun and
//! the one for a whole manifest ([`apply`]) call these, so that no way in knows fewer rules.

pub mod actions;
pub mod apply;
pub(crate) mod approvers;
pub mod audiences;
pub mod by_noun;
pub(crate) mod circle;
pub mod credentials;
pub mod environments;
pub mod guarding;
pub mod identities;
pub(crate) mod impersonators;
pub mod issuers;
pub mod keys;
pub mod leaving;
pub mod linked_accounts;
pub mod observed;
pub mod packs;
pub mod planning;
pub mod policies;
pub mod projects;
pub(crate) mod rails;
pub mod reading;
pub(crate) mod rights;
pub mod scopes;
pub mod teams;
pub mod tenants;
pub mod users;

pub use guarding::{ChangeOutcome, Countersigned, apply_change};
pub(crate) use guarding::{called, sends_away};
pub use impersonators::ImpersonatorInput;
pub use reading::{Listed, Page, PageQuery, Shown};
