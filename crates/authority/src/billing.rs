//! Billing: what the evidence log says was done, counted by month, project and identity.
//!
//! A statement is a function of the log alone. A job folds entries of the log, in its order and only as the log committed to
//! them, into counters, with a cursor that moves in the same transaction ([`fold`]); two days after its end a month is closed,
//! with a record that says what was counted until where ([`close`]). What turns up later is told apart as late. Whoever has
//! the log counts again with the same rule ([`countersign_model::billing::meter`]).

pub mod close;
pub mod fold;
mod reading;

pub use countersign_store::billing::{BilledMonth, Closed, Counted, Line};
pub use reading::{Statement, months, statement};
