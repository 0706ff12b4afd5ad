//! The registry's commands, one file for each noun.

pub mod tenants;
pub mod users;
