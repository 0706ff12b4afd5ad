//! The end of a service account: its tokens die, its name stays taken.

use countersign_model::{reason::Reason, registry::Noun};

use super::scope_of;
use crate::{
    command::{Command, Verdict, WriteTx},
    registry::{identities::DeleteIdentity, rights},
    rejection::{Rejection, refuse},
};

/// The longest reason, in characters, as seed 004 has it for the revocation of a token.
const REASON_CHARS: usize = 500;

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
        let given = self
            .reason
            .as_ref()
            .map_or(0, |reason| reason.chars().count());
        if given > REASON_CHARS {
            let detail =
                format!("`reason` has at most {REASON_CHARS} characters, and this one {given}");
            return refuse(Reason::Unprocessable, detail);
        }
        let delete = DeleteIdentity {
            identity: identity.id.to_string(),
            if_version: None,
            reason: self.reason.clone(),
        };
        delete.run(tx)
    }
}
