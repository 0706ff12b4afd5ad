//! Chains as commands write them, and what people should know of one.

use countersign_model::{
    Id, LEEWAY_SECONDS, SHORT_LIVED_SECONDS,
    action::ActionSet,
    chain::{Chain, ChainDoc, Member, RevokedChain},
    evidence::{Grain, Reference},
    id,
    reason::Reason,
    scope::Scope,
    time::Seconds,
    token_metadata::TokenMetadata,
};
use countersign_store::chains;

use crate::{
    command::{Revocation, WriteTx},
    issue::{self, Held, IssuePlan, LongLived, RENEWED, Recorded, plan_long_lived},
    rejection::{Rejection, refuse},
    revoked::RevokedSet,
    signing_keys::Tenant,
};

/// How many live chains a holder has: one for each place that it runs in, and room for a rotation.
pub(super) const MOST_CHAINS: usize = 10;

/// How many of a holder's chains are shown, those that live first. Those that are over are removed after a month.
pub(super) const LOOKED_AT: u32 = 200;

/// Everything that was decided about a token of a chain.
pub(super) struct Deciding<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) held: Held<'a>,
    pub(super) actions: ActionSet,
    pub(super) policies: Vec<String>,
    pub(super) grant: &'static str,
    pub(super) txn: Id<id::Transaction>,
    pub(super) refs: Vec<Reference>,
    pub(super) parents: Vec<Id<id::Evidence>>,
    /// After which share of its life it is to be renewed.
    pub(super) percent: u8,
}

impl Deciding<'_> {
    /// Begins a chain with its first token, in the transaction of the command.
    pub(super) fn begin(
        self,
        tx: &mut WriteTx<'_, '_>,
        scope: Scope,
        mut doc: ChainDoc,
    ) -> Result<(Chain, Recorded), Rejection> {
        let now = tx.now();
        doc.shown_to = tx.permit().user().ok();
        let holder = self.held.record().id;
        if chains::live_of_principal(tx.peek(), holder, now)?.len() >= MOST_CHAINS {
            let detail = format!(
                "it has {MOST_CHAINS} live tokens already: revoke some first, or ask with `revoke_others`"
            );
            return refuse(Reason::Unprocessable, detail);
        }
        let chain = Chain {
            id: tx.ctx().id(),
            tenant_id: tx.tenant_id(),
            principal_id: holder,
            scope,
            version: 1,
            created_at: now,
            due_at: None,
            ends_at: now,
            doc,
        };
        let (member, plan) = self.plan(tx, &chain)?;
        let chain = chain.with(member, None, self.percent);
        chains::insert(tx.rows(), &chain)?;
        Ok((chain, issue::record_in(tx, &plan)?))
    }

    /// Adds a token to a chain, in the place of another when that is replaced.
    pub(super) fn extend(
        self,
        tx: &mut WriteTx<'_, '_>,
        chain: Chain,
        replaces: Option<Id<id::Evidence>>,
    ) -> Result<(Chain, Recorded), Rejection> {
        let (member, plan) = self.plan(tx, &chain)?;
        let chain = chain.with(member, replaces, self.percent);
        save(tx, &chain)?;
        Ok((chain, issue::record_in(tx, &plan)?))
    }

    fn plan(
        &self,
        tx: &mut WriteTx<'_, '_>,
        chain: &Chain,
    ) -> Result<(Member, IssuePlan), Rejection> {
        let now = tx.now();
        let mut ends = (now + Seconds(chain.doc.ttl_seconds)).min(chain.deadline());
        if let Some(doc) = self.held.record().identity() {
            ends = ends.min(doc.expires_at);
        }
        if ends <= now + Seconds(SHORT_LIVED_SECONDS) {
            let detail = "what holds the token ends within the hour: extend the identity, or hand out a new token";
            return refuse(Reason::Unprocessable, detail);
        }
        let tenant_record = tx.get(tx.tenant_id())?;
        let asked = LongLived {
            tenant: self.tenant,
            tenant_record: &tenant_record,
            held: self.held,
            scope: chain.scope,
            metadata: &chain.doc.metadata,
            actions: self.actions.clone(),
            policies: self.policies.clone(),
            chain_id: Some(chain.id),
            approval_id: None,
            grant: self.grant,
            ends,
            auth_time: chain.doc.auth_time,
            txn: self.txn,
            refs: self.refs.clone(),
            parents: self.parents.clone(),
        };
        let plan = plan_long_lived(tx.ctx(), &asked)?;
        let member = Member {
            jti: plan.jti(),
            parent: self
                .parents
                .first()
                .copied()
                .filter(|_| self.grant == RENEWED),
            issued_at: now,
            expires_at: plan.expires_at(),
            renewed_at: None,
            repeats: 0,
        };
        Ok((member, plan))
    }
}

/// The document of a new chain.
pub(super) fn new_doc(metadata: TokenMetadata, ttl: Seconds, auth_time: Option<i64>) -> ChainDoc {
    ChainDoc {
        ttl_seconds: ttl.0,
        metadata,
        auth_time,
        shown_to: None,
        members: Vec::new(),
        renewals: 0,
        forked_at: None,
        overdue_at: None,
        revoked: None,
    }
}

/// Writes a chain that was read in this transaction.
pub(super) fn save(tx: &mut WriteTx<'_, '_>, chain: &Chain) -> Result<(), Rejection> {
    if chains::update(tx.rows(), chain)? {
        return Ok(());
    }
    refuse(
        Reason::Conflict,
        "the token's chain is being renewed right now: try again",
    )
}

/// The chain of a text, in this tenant.
pub(crate) fn by_text(tx: &mut WriteTx<'_, '_>, text: &str) -> Result<Option<Chain>, Rejection> {
    let Ok(id) = text.parse::<Id<id::Chain>>() else {
        return Ok(None);
    };
    let tenant = tx.tenant_id();
    Ok(chains::by_id(tx.peek(), id)?.filter(|chain| chain.tenant_id == tenant))
}

/// Ends a chain: every one of its tokens dies, in every replica.
pub(crate) fn revoke(
    tx: &mut WriteTx<'_, '_>,
    mut chain: Chain,
    whose: Option<Reference>,
    reason: &str,
) -> Result<Id<id::Evidence>, Rejection> {
    let (at, target) = (tx.now(), chain.id.to_string());
    if chain.doc.revoked.is_none() {
        chain.doc.revoked = Some(RevokedChain {
            at,
            reason: reason.to_owned(),
        });
        (chain.due_at, chain.ends_at) = (None, chain.ends_at.min(at));
        save(tx, &chain)?;
    }
    let revocation = Revocation {
        tenant_id: chain.tenant_id,
        grain: Grain::Chain,
        target,
        generation: None,
        until: RevokedSet::until_long(at),
    };
    tx.revoke(revocation, whose, reason)
}

/// Ends one token of a chain.
pub(super) fn revoke_member(
    tx: &mut WriteTx<'_, '_>,
    member: &Member,
    reason: &str,
) -> Result<(), Rejection> {
    let revocation = Revocation {
        tenant_id: tx.tenant_id(),
        grain: Grain::Token,
        target: member.jti.to_string(),
        generation: None,
        until: member.expires_at + Seconds(2 * LEEWAY_SECONDS),
    };
    tx.revoke(revocation, None, reason).map(drop)
}
