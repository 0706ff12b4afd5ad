//! A person's token of days, for a command line that renews it (S4.4).

use std::sync::Arc;

use countersign_model::{
    evidence::Role,
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
    enrolment::{EnrolmentCode, SignedInUser, UseCode},
    evidence::seal::refer_person,
    issue::Held,
    rejection::{Rejection, refuse},
    signing_keys::Tenant,
};

/// Uses a code and gives its person a token of days, in one transaction: who is refused the token still has the code.
#[derive(Clone)]
pub struct SignInForDays {
    /// The issuer.
    pub tenant: Arc<Tenant>,
    /// The code.
    pub code: EnrolmentCode,
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
    lifetime(Scope::User, None, Some(ttl_days))
}

impl Command for SignInForDays {
    type Output = (SignedInUser, Given);

    const NAME: &'static str = UseCode::NAME;

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Self::Output>, Rejection> {
        let code = self.code.clone();
        let signed_in = match (UseCode { code }).run(tx)? {
            Verdict::Done(signed_in) => signed_in,
            Verdict::RefusedWithEffects(refusal) => {
                return Ok(Verdict::RefusedWithEffects(refusal));
            }
        };
        let user = signed_in.user.clone();
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
            parents: vec![signed_in.evidence],
            percent: self.renew_at.of(Scope::User),
        };
        let doc = new_doc(TokenMetadata::default(), self.ttl, Some(tx.now().seconds()));
        let (chain, recorded) = deciding.begin(tx, Scope::User, doc)?;
        let given = Given {
            holder: user,
            chain,
            recorded,
            warnings: Vec::new(),
        };
        Ok(Verdict::Done((signed_in, given)))
    }
}
