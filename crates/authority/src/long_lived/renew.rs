//! Renewal: the holder of a live token gets its successor, and the old one lives on to its own end (seed 004).

use std::sync::Arc;

use countersign_model::{
    Id, Timestamp,
    chain::{Chain, MOST_REPEATS, NotRenewed, Renewal},
    evidence::{Event, RenewalAlert, RenewalTrouble, Role, Text},
    id,
    reason::{Reason, Refusal},
    registry::{Noun, Record, Status},
    scope::Scope,
    token::{AccessClaims, PrincipalType},
    token_metadata::TokenMetadata,
};
use countersign_store::revocations;

use super::{
    Given, OnFork, RenewAt, authority_of,
    chains::{Deciding, by_text, revoke, revoke_member, save},
    scope_of,
};
use crate::{
    approvals::references,
    command::{Command, Verdict, WriteTx},
    evidence::seal::{refer, refer_person},
    issue::{Held, RENEWED},
    registry::rights,
    rejection::{Rejection, refuse},
    signing_keys::Tenant,
};

/// Renews a long-lived token, for who holds it.
#[derive(Clone)]
pub struct RenewToken {
    /// The issuer.
    pub tenant: Arc<Tenant>,
    /// The token, verified and alive.
    pub token: AccessClaims,
    /// After which share of its life a token is to be renewed.
    pub renew_at: RenewAt,
    /// What becomes of its chain when somebody else renewed it before.
    pub on_fork: OnFork,
}

impl Command for RenewToken {
    type Output = Given;

    const NAME: &'static str = "token refresh";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Given>, Rejection> {
        let chain = self.chain(tx)?;
        let replaces = match chain.renewal(self.token.jti, tx.now()) {
            Ok(Renewal::Next) => None,
            Ok(Renewal::Replaces(jti)) => Some(jti),
            Err(NotRenewed::Forked(successor)) => {
                return self
                    .forked(tx, chain, successor.issued_at)
                    .map(Verdict::RefusedWithEffects);
            }
            Err(reason) => return Err(refusal(&chain, &reason).into()),
        };
        let given = match self.token.identity_type {
            PrincipalType::ServiceAccount => self.of_identity(tx, chain, replaces)?,
            PrincipalType::User => self.of_user(tx, chain, replaces)?,
        };
        Ok(Verdict::Done(given))
    }
}

impl RenewToken {
    /// The chain of the token, on the rows of this transaction: what another replica revoked a moment ago counts.
    fn chain(&self, tx: &mut WriteTx<'_, '_>) -> Result<Chain, Rejection> {
        let scope: Option<Scope> = self.token.scope.parse().ok();
        if !scope.is_some_and(|scope| scope.profile().renewable) {
            let detail = "only `sensor` and `user` tokens are renewed by who holds them; a person hands out the next token of another";
            return refuse(Reason::Forbidden, detail);
        }
        if self.token.is_of_session() {
            let detail = "a token of a quarter of an hour is not renewed: its sign-in gives the next one for the refresh token, at the token endpoint";
            return refuse(Reason::Forbidden, detail);
        }
        let Some(chain_id) = &self.token.chain_id else {
            let detail =
                "this session is not renewed: sign in again, or sign in for days with `ttl_days`";
            return refuse(Reason::Forbidden, detail);
        };
        let tenant = tx.tenant_id();
        for target in [chain_id.clone(), self.token.jti.to_string()] {
            if !revocations::by_target(tx.peek(), tenant, &target, 1)?.is_empty() {
                return refuse(Reason::TokenRevoked, "the token was revoked");
            }
        }
        match by_text(tx, chain_id)? {
            Some(chain) if chain.principal_id == self.token.identity_id.cast() => Ok(chain),
            Some(_) | None => refuse(Reason::TokenRevoked, "the token's chain is over"),
        }
    }

    /// Two parties hold the token: nobody gets a successor from now on, and people are told, once for each chain. Where it
    /// is configured so, the chain is over as well.
    fn forked(
        &self,
        tx: &mut WriteTx<'_, '_>,
        mut chain: Chain,
        since: Timestamp,
    ) -> Result<Refusal, Rejection> {
        let event = Event::RenewalAlert(RenewalAlert {
            alert: RenewalTrouble::Forked,
            chain_id: chain.id,
            token: self.token.jti,
            source_address: tx.ctx().source.as_deref().map(Text::personal),
        });
        let mut draft = tx
            .draft(event)
            .refs([
                refer(Role::Chain, chain.id, Some(chain.scope.as_str())),
                refer(Role::Token, self.token.jti, None),
            ])
            .parents([self.token.jti]);
        if self.token.identity_type == PrincipalType::ServiceAccount {
            draft.refs.insert(
                0,
                refer(
                    Role::Identity,
                    self.token.identity_id,
                    Some(&self.token.sub),
                ),
            );
        }
        tx.evidence(draft)?;
        chain.doc.forked_at = Some(tx.now());
        // It will not be renewed, so nobody need be told that it was not.
        chain.due_at = None;
        let id = chain.id;
        let outcome = match self.on_fork {
            OnFork::Alert => {
                save(tx, &chain)?;
                format!(
                    "none of its chain is renewed any more; a manager ends all of it with `countersign revoke chain {id}` and hands out the next token"
                )
            }
            OnFork::Kill => {
                revoke(tx, chain, None, "a token of it was renewed twice")?;
                format!("every token of its chain {id} is revoked; a person hands out the next")
            }
        };
        Ok(Refusal::new(
            Reason::Replayed,
            format!(
                "this token was renewed on {since} and its successor lives: two parties hold it, and {outcome}"
            ),
        ))
    }

    fn of_identity(
        &self,
        tx: &mut WriteTx<'_, '_>,
        mut chain: Chain,
        replaces: Option<Id<id::Evidence>>,
    ) -> Result<Given, Rejection> {
        let identity = tx.get(self.token.identity_id)?;
        self.stands(&identity)?;
        let doc = rights::doc(identity.identity())?;
        let own = match TokenMetadata::of_identity(&doc.metadata) {
            Ok(own) => own,
            Err(error) => return refuse(Reason::ScopeNotAllowed, error.to_string()),
        };
        if scope_of(doc) != Some(chain.scope) || !own.covers(&chain.doc.metadata) {
            let detail = format!(
                "what `{}` is for was narrowed since: ask a manager for its next token",
                doc.name
            );
            return refuse(Reason::ScopeNotAllowed, detail);
        }
        let decided = authority_of::decide(tx, &self.tenant.issuer, &identity, chain.scope)?;
        if let Some(part) = &decided.part {
            chain.doc.ttl_seconds = chain.doc.ttl_seconds.min(part.longest().0);
        }
        let mut refs = Vec::with_capacity(6);
        references::of_identity(tx, identity.id.cast(), &mut refs)?;
        refs.extend(decided.named);
        let deciding = Deciding {
            tenant: &self.tenant,
            held: Held::Identity(&identity, &decided.project),
            actions: decided.actions,
            policies: decided.policies,
            grant: RENEWED,
            txn: self.token.txn,
            refs,
            parents: vec![self.token.jti],
            percent: self.renew_at.of(chain.scope),
        };
        let replaces = self.replace(tx, &chain, replaces)?;
        let (chain, recorded) = deciding.extend(tx, chain, replaces)?;
        Ok(Given {
            holder: identity,
            chain,
            recorded,
            warnings: Vec::new(),
        })
    }

    fn of_user(
        &self,
        tx: &mut WriteTx<'_, '_>,
        chain: Chain,
        replaces: Option<Id<id::Evidence>>,
    ) -> Result<Given, Rejection> {
        let user = tx.get(self.token.identity_id.cast::<id::User>())?;
        self.stands(&user)?;
        if user.noun != Noun::User || user.status != Status::Active {
            return refuse(Reason::Forbidden, "this user is not active");
        }
        let deciding = Deciding {
            tenant: &self.tenant,
            held: Held::User(&user),
            actions: Default::default(),
            policies: Vec::new(),
            grant: RENEWED,
            txn: self.token.txn,
            refs: vec![refer_person(Role::Actor, user.id, &user.name)],
            parents: vec![self.token.jti],
            percent: self.renew_at.of(chain.scope),
        };
        let replaces = self.replace(tx, &chain, replaces)?;
        let (chain, recorded) = deciding.extend(tx, chain, replaces)?;
        Ok(Given {
            holder: user,
            chain,
            recorded,
            warnings: Vec::new(),
        })
    }

    /// The token was issued under the epoch that stands.
    fn stands(&self, holder: &Record) -> Result<(), Refusal> {
        if holder.epoch == self.token.generation.identity {
            return Ok(());
        }
        refuse(Reason::TokenRevoked, "the token was revoked")
    }

    /// Ends the successor whose answer was lost.
    fn replace(
        &self,
        tx: &mut WriteTx<'_, '_>,
        chain: &Chain,
        replaces: Option<Id<id::Evidence>>,
    ) -> Result<Option<Id<id::Evidence>>, Rejection> {
        let lost = chain
            .doc
            .members
            .iter()
            .find(|one| Some(one.jti) == replaces);
        if let Some(lost) = lost {
            let (tenant, target) = (tx.tenant_id(), lost.jti.to_string());
            if !revocations::by_target(tx.peek(), tenant, &target, 1)?.is_empty() {
                return refuse(Reason::TokenRevoked, "the token's successor was revoked");
            }
            revoke_member(tx, lost, "its answer was lost and it was replaced")?;
        }
        Ok(replaces)
    }
}

fn refusal(chain: &Chain, reason: &NotRenewed) -> Refusal {
    match reason {
        NotRenewed::Forked(successor) => Refusal::new(
            Reason::Replayed,
            format!("this token was renewed on {}", successor.issued_at),
        ),
        NotRenewed::Frozen(at) => Refusal::new(
            Reason::Forbidden,
            format!(
                "a token of this chain was renewed twice on {at}: none of it is renewed any more; a manager ends all of it with `countersign revoke chain {}` and hands out the next token",
                chain.id
            ),
        ),
        NotRenewed::Full(until) => Refusal::new(
            Reason::Forbidden,
            format!("two tokens of this chain live, and no more do: renew this one after {until}"),
        ),
        NotRenewed::Over(at) => Refusal::new(
            Reason::Forbidden,
            format!("the chain of this token ended on {at}: a person hands out the next token"),
        ),
        NotRenewed::Revoked(revoked) => Refusal::new(
            Reason::TokenRevoked,
            format!("the token's chain was revoked on {}", revoked.at),
        ),
        NotRenewed::Stranger => Refusal::new(
            Reason::TokenExpired,
            "the token is over: only a live one is renewed",
        ),
        NotRenewed::TooOften(until) => Refusal::new(
            Reason::RateLimited,
            format!(
                "this token was renewed {} times within a minute, and is not again: keep one of the answers; {until} is too late for a lost one",
                MOST_REPEATS + 1
            ),
        ),
    }
}
