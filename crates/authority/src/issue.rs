//! The one door for tokens: every token of every kind is planned, recorded and signed here.
//!
//! A plan holds everything that was decided. Recording inserts its evidence, guarded by the versions
//! that were looked at, and makes a [`Recorded`]; only that can be released, that is, signed.

mod long_lived;
mod plan;

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use countersign_crypto::{dpop::Proof, jose};
use countersign_model::{
    Id, Timestamp,
    approval::{Approval, ApprovalStatus},
    id,
    reason::{Reason, Refusal},
    token::AccessClaims,
};
use countersign_store::{Pending, Store, StoreError, Tx, WriteMode, approvals, evidence, replay};

pub(crate) use long_lived::{Held, LongLived, RENEWED, plan_long_lived};
pub(crate) use plan::{Claimed, user_claims};
pub use plan::{PERSONAL_CLIENT, UserToken, plan_for_identity, plan_for_user};

use crate::{
    client_auth::Replay,
    command::WriteTx,
    evidence::seal::Sealed,
    grants::Redeemed,
    proofs,
    rejection::{Fault, Rejection},
    signing_keys::{Tenant, Use},
};

/// Everything that was decided about one token, and its sealed evidence. Nothing is recorded yet.
#[derive(Debug, Clone)]
pub struct IssuePlan {
    entry: Entry,
    token: Unsigned,
    used: Vec<Id<id::Record>>,
}

/// What recording writes.
#[derive(Debug, Clone)]
struct Entry {
    tenant_id: Id<id::Tenant>,
    sealed: Sealed,
    guards: Vec<(Id<id::Record>, i64)>,
    replay: Option<Replay>,
    proof: Option<Proof>,
    redeemed: Option<Redeemed>,
    now: Timestamp,
}

/// What releasing signs.
#[derive(Debug, Clone)]
struct Unsigned {
    claims: AccessClaims,
    using: Use,
    scope_shown: Option<String>,
    details_shown: bool,
    withheld: countersign_model::action::ActionSet,
}

/// A plan whose evidence is durable: the only thing that can be released.
#[derive(Debug)]
pub struct Recorded(Unsigned);

/// A token, and what its answer says about it (RFC 6749 §5.1).
#[derive(Clone)]
pub struct Released {
    /// The token.
    pub access_token: String,
    /// How long it lives, in seconds.
    pub expires_in: i64,
    /// The scope, when it differs from what was asked for.
    pub scope: Option<String>,
    /// Its claims.
    pub claims: AccessClaims,
    /// Whether the answer shows the authorization details (RFC 9396 §7).
    pub details_shown: bool,
    /// What it does not carry because a person must countersign it first.
    pub withheld: countersign_model::action::ActionSet,
}

/// How recording can end besides success.
#[derive(Debug)]
pub enum RecordError {
    /// A record that was looked at has changed: decide again.
    Stale,
    /// A "no" or a fault.
    Rejected(Rejection),
}

impl From<StoreError> for RecordError {
    fn from(error: StoreError) -> Self {
        Self::Rejected(error.into())
    }
}

impl From<Refusal> for RecordError {
    fn from(refusal: Refusal) -> Self {
        Self::Rejected(refusal.into())
    }
}

impl IssuePlan {
    /// The tenant.
    #[must_use]
    pub const fn tenant_id(&self) -> Id<id::Tenant> {
        self.entry.tenant_id
    }

    /// The token's id.
    pub(crate) const fn jti(&self) -> Id<id::Evidence> {
        self.token.claims.jti
    }

    /// When the token dies.
    pub(crate) const fn expires_at(&self) -> Timestamp {
        Timestamp::from_seconds(self.token.claims.exp)
    }

    /// The records whose last use this is.
    #[must_use]
    pub fn used(&self) -> &[Id<id::Record>] {
        &self.used
    }
}

/// The evidence of a token on its way to the disk.
pub struct Recording {
    token: Option<Unsigned>,
    pending: Pending<Result<(), RecordError>>,
}

impl Future for Recording {
    type Output = Result<Recorded, RecordError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match Pin::new(&mut self.pending).poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(ended) => Poll::Ready(self.ended(ended)),
        }
    }
}

impl Recording {
    fn ended(&mut self, ended: Result<(), RecordError>) -> Result<Recorded, RecordError> {
        ended?;
        let spent = || {
            RecordError::Rejected(Fault::Invariant("a plan was recorded twice".to_owned()).into())
        };
        self.token.take().map(Recorded).ok_or_else(spent)
    }

    /// Blocks until it is durable: for tests and the record closure's own benchmark.
    ///
    /// # Errors
    /// As awaiting it.
    pub fn wait(self) -> Result<Recorded, RecordError> {
        let Self { token, pending } = self;
        pending.wait()?;
        let spent = || {
            RecordError::Rejected(Fault::Invariant("a plan was recorded twice".to_owned()).into())
        };
        token.map(Recorded).ok_or_else(spent)
    }
}

/// Records the evidence of a token in one transaction with what it uses up.
pub fn record(store: &Store, plan: IssuePlan) -> Recording {
    // What reads before it writes must not see two states; a guarded insert sees one by itself.
    let IssuePlan { entry, token, .. } = plan;
    let mode = if entry.redeemed.is_some() {
        WriteMode::Serializable
    } else {
        WriteMode::Append
    };
    let pending = store.write(mode, move |tx| insert(tx, &entry));
    Recording {
        token: Some(token),
        pending,
    }
}

/// Records the evidence of a token in the transaction of a command: with the chain that it belongs to.
///
/// # Errors
/// A refusal, or a fault.
pub(crate) fn record_in(tx: &mut WriteTx<'_, '_>, plan: &IssuePlan) -> Result<Recorded, Rejection> {
    match insert(tx.rows(), &plan.entry) {
        Ok(()) => {
            tx.issued();
            Ok(Recorded(plan.token.clone()))
        }
        Err(RecordError::Rejected(rejection)) => Err(rejection),
        Err(RecordError::Stale) => {
            let detail = "a command read a version that is not there".to_owned();
            Err(Fault::Invariant(detail).into())
        }
    }
}

fn insert(tx: &mut Tx<'_>, entry: &Entry) -> Result<(), RecordError> {
    if let Some(used) = &entry.replay {
        let once = replay::Use {
            tenant_id: entry.tenant_id,
            issuer_id: Id::from_bytes(used.issuer),
            key: &used.key,
            purpose: &used.purpose,
            until_at: used.until,
        };
        if !replay::consume(tx, &once)? {
            return Err(Refusal::new(
                Reason::Replayed,
                "this assertion was used before; fetch a fresh one",
            )
            .into());
        }
    }
    if let Some(proof) = &entry.proof {
        proofs::use_up(tx, entry.tenant_id, proof).map_err(RecordError::Rejected)?;
    }
    if let Some(redeemed) = &entry.redeemed {
        redeem(tx, entry.tenant_id, redeemed, entry.now)?;
    }
    if evidence::insert_guarded(tx, &entry.sealed.row, &entry.guards)? {
        Ok(())
    } else {
        Err(RecordError::Stale)
    }
}

fn redeem(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    redeemed: &Redeemed,
    now: Timestamp,
) -> Result<(), RecordError> {
    let found =
        approvals::by_id(tx, redeemed.approval_id)?.filter(|approval| approval.tenant_id == tenant);
    let Some(approval) = found else {
        return Err(Refusal::new(
            Reason::NotFound,
            format!("there is no approval {}", redeemed.approval_id),
        )
        .into());
    };
    approval.may_redeem(now)?;
    // All of it once more, on the rows of this transaction (T15).
    crate::approvals::recheck(tx, tenant, &approval).map_err(RecordError::Rejected)?;
    let after = Approval {
        status: ApprovalStatus::Redeemed,
        ..approval
    };
    if after.version != redeemed.version
        || !approvals::transition(tx, ApprovalStatus::Approved, &after)?
    {
        return Err(RecordError::Stale);
    }
    Ok(())
}

/// Signs a token whose evidence is durable.
///
/// # Errors
/// A fault of the keys.
pub fn release(tenant: &Tenant, recorded: Recorded, now: Timestamp) -> Result<Released, Fault> {
    let Recorded(token) = recorded;
    let key = tenant
        .signing_key(token.using, now)
        .ok_or_else(|| Fault::Keys(format!("no key of tenant `{}` signs now", tenant.name)))?;
    let access_token = jose::sign(key, jose::typ::ACCESS_TOKEN, &token.claims)
        .map_err(|error| Fault::Keys(error.to_string()))?;
    Ok(Released {
        access_token,
        expires_in: token.claims.lifetime(),
        scope: token.scope_shown,
        details_shown: token.details_shown,
        withheld: token.withheld,
        claims: token.claims,
    })
}
