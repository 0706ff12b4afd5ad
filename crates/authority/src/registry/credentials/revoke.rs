//! Revoking a credential: tokens that it gave die with it.

use countersign_model::registry::{Record, Status};

use super::{bury, managed};
use crate::{
    command::{Command, Verdict, WriteTx},
    registry::rights,
    rejection::Rejection,
};

/// Revokes a credential.
#[derive(Debug, Clone)]
pub struct RevokeCredential {
    /// Which, by id or public id.
    pub credential: String,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

impl Command for RevokeCredential {
    type Output = Record;

    const NAME: &'static str = "credential revoke";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Record>, Rejection> {
        let person = rights::editor(tx)?;
        let (before, _) = managed(tx, &person, &self.credential)?;
        rights::expect_version(&before, self.if_version)?;
        if before.status == Status::Deleted {
            return Ok(Verdict::Done(before));
        }
        bury(tx, &before, self.reason.as_deref()).map(Verdict::Done)
    }
}
