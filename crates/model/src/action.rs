//! Sets of actions, and the class that says how much an action can hurt.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::name::ActionName;

/// A set of actions. Ordered, so that it serialises in one way only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActionSet(pub BTreeSet<ActionName>);

impl ActionSet {
    /// Whether the action is in the set: by equality, for there are no patterns.
    #[must_use]
    pub fn contains(&self, action: &ActionName) -> bool {
        self.0.contains(action)
    }

    /// Whether the set has no action.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many actions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The actions, in order.
    pub fn iter(&self) -> impl Iterator<Item = &ActionName> {
        self.0.iter()
    }

    /// Whether every action of this set is in the other.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// What is here and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }
}

impl FromIterator<ActionName> for ActionSet {
    fn from_iter<I: IntoIterator<Item = ActionName>>(actions: I) -> Self {
        Self(actions.into_iter().collect())
    }
}

/// How much an action can hurt. It is stated, never inferred from a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionClass {
    /// Changes nothing.
    Read,
    /// Can be undone.
    Reversible,
    /// Cannot be undone. An unknown action counts as this.
    Irreversible,
}

impl ActionClass {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Reversible => "reversible",
            Self::Irreversible => "irreversible",
        }
    }
}
