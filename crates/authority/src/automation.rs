//! The automation: events fire rules, rules start executions, workers claim them, each under a token of its own.
//!
//! What happened, which rule fired and what it started are recorded in the transaction that makes it so, each record with the
//! one before it as its parent. What people must countersign waits for them first (`waiting.rs`). The token of an execution is made where it is claimed, and dies in the transaction in which
//! the execution ends, however it ends.

mod behind;
mod caller;
mod cancel;
mod claim;
mod ending;
mod events;
mod execute;
mod finish;
mod overdue;
mod read_key;
mod reading;
mod schedule;
mod signatures;
mod update;
mod values;
mod waiting;

pub(crate) use caller::{carries, may_claim};
pub use cancel::CancelExecution;
pub use claim::{ClaimExecutions, Claimed};
pub use events::{CreateEvent, CreatedEvent};
pub use execute::Execute;
pub use finish::FinishExecution;
pub use overdue::{EndOverdue, EndedOverdue};
pub use read_key::{KeyRead, ReadKey};
pub use reading::{
    ExecutionPage, ListExecutions, Reader, RuleOfPack, TriggerOfPack, event, execution, executions,
    is_due, rules, triggers,
};
pub use signatures::WebhookCall;
pub use update::UpdateExecution;
pub(crate) use waiting::settle;
