//! What a command says of the records that it makes and changes.

use countersign_model::{Id, id, registry::Doc};

/// A record to make.
#[derive(Debug)]
pub struct NewRecord {
    /// Its id, when somebody already gave it out.
    pub id: Option<Id<id::Record>>,
    /// Its name.
    pub name: String,
    /// What it belongs to.
    pub parent_id: Option<Id<id::Record>>,
    /// What it says.
    pub doc: Doc,
}

/// What a change is called, and why it was made.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// `updated`, `disabled`, ...
    pub verb: &'static str,
    /// Why.
    pub reason: Option<String>,
    /// Whether it loosened a guarded identity and no second person existed.
    pub changed_alone: bool,
}

impl Change {
    /// A change with a verb and no more to say.
    #[must_use]
    pub const fn verb(verb: &'static str) -> Self {
        Self {
            verb,
            reason: None,
            changed_alone: false,
        }
    }

    /// With a reason.
    #[must_use]
    pub fn because(mut self, reason: Option<String>) -> Self {
        self.reason = reason;
        self
    }
}
