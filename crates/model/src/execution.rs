//! Executions: one run of an automated action, from the moment it is due to the moment it is over.

use serde::{Deserialize, Serialize};

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionState {
    /// A person or its own action's owner stopped it.
    Cancelled,
    /// It ended with an error.
    Failed,
    /// Its worker was not heard of any more.
    Lost,
    /// A worker has it, and its token lives.
    Running,
    /// It waits for a worker.
    Scheduled,
    /// It ended well.
    Succeeded,
    /// It took longer than its action may take, and was stopped.
    TimedOut,
}

impl ExecutionState {
    /// Every state, in alphabetical order.
    pub const ALL: [Self; 7] = [
        Self::Cancelled,
        Self::Failed,
        Self::Lost,
        Self::Running,
        Self::Scheduled,
        Self::Succeeded,
        Self::TimedOut,
    ];

    /// The word in tables and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Running => "running",
            Self::Scheduled => "scheduled",
            Self::Succeeded => "succeeded",
            Self::TimedOut => "timed_out",
        }
    }

    /// The state of a word, if it is one.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether nothing follows.
    #[must_use]
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Running | Self::Scheduled)
    }
}

/// How a worker says that an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// With an error: a status other than 0, a signal, or no process at all.
    Failed,
    /// With status 0.
    Succeeded,
    /// Stopped when its time was over.
    TimedOut,
}

impl From<Ending> for ExecutionState {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Failed => Self::Failed,
            Ending::Succeeded => Self::Succeeded,
            Ending::TimedOut => Self::TimedOut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_parses_as_its_own_word_and_two_go_on() {
        for state in ExecutionState::ALL {
            assert_eq!(ExecutionState::parse(state.as_str()), Some(state));
        }
        let going = ExecutionState::ALL.iter().filter(|state| !state.is_over());
        assert_eq!(going.count(), 2);
    }
}
