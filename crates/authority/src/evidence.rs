//! Evidence: how a record is drafted and sealed, found again, and erased.

pub mod erase;
pub mod seal;
pub mod search;
pub mod summary;
pub mod terms;

pub use seal::{Draft, Sealed, refer};
