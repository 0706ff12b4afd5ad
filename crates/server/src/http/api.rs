//! Countersign's own API, one file for each noun.

pub mod evidence;
pub mod lineage;
pub mod log;
pub mod results;
pub mod revocation_feed;
pub mod sessions;
