//! The end of a service account: its tokens die, its name stays taken.

use countersign_model::registry::Noun;

use super::scope_of;
use crate::{
    command::{Command, Verdict, WriteTx},
    registry::{identities::DeleteIdentity, rights},
    rejection::Rejection,
};

/// Deletes a service account that has long-lived tokens.
#[derive(Debug, Clone)]
pub struct DeleteServiceAccount {
    /// The identity, by id or name.
    pub identity: String,
    /// Why.
    pub reason: Option<String>,
}

impl Command for DeleteServiceAccount {
    type Output = <DeleteIdentity as Command>::Output;

    const NAME: &'static str = "service account delete";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Self::Output>, Rejection> {
        let person = rights::editor(tx)?;
        let (identity, _) = rights::managed(tx, &person, &self.identity)?;
        if scope_of(rights::doc(identity.identity())?).is_none() {
            return Err(rights::not_found(Noun::Identity, &self.identity));
        }
        let delete = DeleteIdentity {
            identity: identity.id.to_string(),
            if_version: None,
            reason: self.reason.clone(),
        };
        delete.run(tx)
    }
}
