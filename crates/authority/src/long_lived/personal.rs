//! A person's token of days, for a command line that renews it (S4.4).

use std::sync::Arc;

use countersign_model::{
    Id,
    evidence::Role,
    id,
    reason::{Reason, Refusal},
    registry::{Noun, Status},
    scope::Scope,
    time::Seconds,
    token_metadata::TokenMetadata,
};

use super::{
    Given, RenewAt,
    chains::{Deciding, new_doc},
    lifetime,
};
use crate::{
    command::{Command, Verdict, WriteTx},
    evidence::seal::refer_person,
    issue::Held,
    keys::Tenant,
    rejection::{Rejection, refuse},
};

/// Gives a person who just proved presence a token of days.
#[derive(Clone)]
pub struct GivePersonalToken {
    /// The issuer.
    pub tenant: Arc<Tenant>,
    /// Who signed in.
    pub user: Id<id::User>,
    /// The evidence of it.
    pub sign_in: Id<id::Evidence>,
    /// How long it lives.
    pub ttl: Seconds,
    /// After which share of its life it is to be renewed.
    pub renew_at: RenewAt,
}

/// The life of a person's token, when it may have it: for who asks before using up a code.
///
/// # Errors
/// `unprocessable`.
pub fn personal_lifetime(ttl_days: i64) -> Result<Seconds, Refusal> {
    lifetime(Scope::User, Some(ttl_days))
}

impl Command for GivePersonalToken {
    type Output = Given;

    const NAME: &'static str = "session create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Given>, Rejection> {
        let user = tx.get(self.user)?;
        if user.noun != Noun::User || user.status != Status::Active {
            return refuse(Reason::Forbidden, "this user is not active");
        }
        let deciding = Deciding {
            tenant: &self.tenant,
            held: Held::User(&user),
            actions: Default::default(),
            policies: Vec::new(),
            grant: "session",
            txn: tx.permit().txn(),
            refs: vec![refer_person(Role::Actor, user.id, &user.name)],
            parents: vec![self.sign_in],
            percent: self.renew_at.of(Scope::User),
        };
        let doc = new_doc(TokenMetadata::default(), self.ttl, Some(tx.now().seconds()));
        let (chain, recorded) = deciding.begin(tx, Scope::User, doc)?;
        Ok(Verdict::Done(Given {
            holder: user,
            chain,
            recorded,
            warnings: Vec::new(),
        }))
    }
}
