//! The next token of a service account: a rotation, or after a compromise, without a new name.

use std::sync::Arc;

use countersign_model::{Id, evidence::Role, id, reason::Reason, token_metadata::TokenMetadata};
use countersign_store::chains;

use super::{Given, RenewAt, chains::revoke, create::First, scope_of};
use crate::{
    command::{Command, Verdict, WriteTx},
    evidence::seal::refer,
    registry::rights,
    rejection::{Rejection, refuse},
    signing_keys::Tenant,
};

/// Makes the next token of a service account.
#[derive(Clone)]
pub struct NextToken {
    /// The issuer.
    pub tenant: Arc<Tenant>,
    /// The identity, by id or name.
    pub identity: String,
    /// How many days it lives; what is usual for the scope when absent.
    pub ttl_days: Option<i64>,
    /// Whether all earlier tokens die now.
    pub revoke_others: bool,
    /// Why.
    pub reason: Option<String>,
    /// After which share of its life a token is to be renewed.
    pub renew_at: RenewAt,
}

impl Command for NextToken {
    type Output = Given;

    const NAME: &'static str = "service account token";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Given>, Rejection> {
        let person = rights::editor(tx)?;
        let (identity, _) = rights::managed(tx, &person, &self.identity)?;
        let doc = rights::doc(identity.identity())?;
        let Some(scope) = scope_of(doc) else {
            let detail = format!(
                "`{}` has no long-lived tokens: only a service account without a trust model has them, whose data name a `scope` such as `sensor`; give it a credential",
                doc.name
            );
            return refuse(Reason::Unprocessable, detail);
        };
        let metadata = match TokenMetadata::of_identity(&doc.metadata) {
            Ok(metadata) => metadata,
            Err(error) => return refuse(Reason::Unprocessable, error.to_string()),
        };
        if self.revoke_others {
            let name = doc.name.clone();
            revoke_all(tx, identity.id, &name, self.reason.as_deref())?;
        }
        let asked = First {
            tenant: &self.tenant,
            scope,
            metadata,
            ttl_days: self.ttl_days,
            renew_at: self.renew_at,
            grant: "next_token",
        };
        asked.give(tx, identity).map(Verdict::Done)
    }
}

/// Ends every live chain of a holder.
fn revoke_all(
    tx: &mut WriteTx<'_, '_>,
    holder: Id<id::Record>,
    name: &str,
    reason: Option<&str>,
) -> Result<(), Rejection> {
    let now = tx.now();
    for chain in chains::live_of_principal(tx.peek(), holder, now)? {
        let whose = refer(Role::Identity, holder, Some(name));
        revoke(
            tx,
            chain,
            Some(whose),
            reason.unwrap_or("the next token was handed out"),
        )?;
    }
    Ok(())
}
