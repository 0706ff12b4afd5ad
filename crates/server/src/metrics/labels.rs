//! The labels: what a thing that is counted is told apart by.

use prometheus_client::encoding::EncodeLabelSet;

/// A reason code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    /// The code.
    pub reason: &'static str,
}

/// A grant type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct GrantLabel {
    /// The grant type.
    pub grant: &'static str,
}

/// What happened to a renewal chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AlertLabel {
    /// `forked` or `overdue`.
    pub alert: &'static str,
}

/// How something ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    /// The word.
    pub outcome: &'static str,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct JobLabel {
    /// Its name.
    pub job: &'static str,
}

/// A sink of checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SinkLabel {
    /// Its number in `log.publish`, from 1, and its kind.
    pub sink: String,
}

/// A job and how its run ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct JobLabels {
    /// Its name.
    pub job: &'static str,
    /// `success` or `failure`.
    pub outcome: &'static str,
}

/// What rows were of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RowsLabel {
    /// `revocations`, `events`, and so on.
    pub rows: &'static str,
}

/// Reading or writing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DirectionLabel {
    /// `read` or `write`.
    pub direction: &'static str,
}

impl OutcomeLabel {
    /// The label of a word.
    #[must_use]
    pub const fn of(outcome: &'static str) -> Self {
        Self { outcome }
    }
}
