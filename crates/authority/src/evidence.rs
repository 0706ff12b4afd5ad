//! Evidence: how a record is drafted and sealed, found again, and erased.

pub mod seal;

pub use seal::{Draft, Sealed, refer};
