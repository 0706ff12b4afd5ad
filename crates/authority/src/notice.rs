//! Messages to people's other systems, written with the change that they tell of and sent afterwards.
//!
//! In the form of Standard Webhooks: type, time, data. No secret and no name of a person is in one.

use countersign_model::{Id, id, registry::Record};
use countersign_store::{
    Tx,
    outbox::{self, Message},
};
use serde::Serialize;

use crate::{command::WriteTx, ctx::Ctx, rejection::Rejection};

/// A renewal of a long-lived token did not come.
pub(crate) const RENEWAL_OVERDUE: &str = "renewal.overdue";
/// Somebody is asked to go on with what somebody else answers for.
pub(crate) const HAND_OVER_OFFERED: &str = "hand_over.offered";
/// Nobody is left who answers for an identity.
pub(crate) const IDENTITY_ORPHANED: &str = "identity.orphaned";

#[derive(Serialize)]
struct Body<'a, T> {
    #[serde(rename = "type")]
    message_type: &'a str,
    timestamp: String,
    data: T,
}

/// An identity as messages name it.
#[derive(Serialize)]
pub(crate) struct Named {
    /// Its id.
    pub id: Id<id::Identity>,
    /// Its name.
    pub name: String,
}

impl Named {
    /// The identity of a record.
    pub(crate) fn of(record: &Record) -> Self {
        Self {
            id: record.id.cast(),
            name: record.name.clone(),
        }
    }
}

/// What messages about who answers say, each as far as it applies.
#[derive(Serialize)]
pub(crate) struct Told {
    /// The tenant.
    pub tenant_id: Id<id::Tenant>,
    /// What it is about, in one sentence without its full stop.
    pub summary: String,
    /// The identity, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Named>,
    /// After when it gets no more tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_tokens_after: Option<String>,
    /// Who is asked: a user or a team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Id<id::Record>>,
    /// Whose it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Id<id::User>>,
    /// The chain of renewals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<Id<id::Chain>>,
}

impl Told {
    /// What is said in any case.
    pub(crate) fn new(tenant_id: Id<id::Tenant>, summary: String) -> Self {
        Self {
            tenant_id,
            summary,
            identity: None,
            no_tokens_after: None,
            to: None,
            from: None,
            chain_id: None,
        }
    }
}

/// Queues a message in the transaction of what it tells of.
pub(crate) fn queue(
    tx: &mut WriteTx<'_, '_>,
    message_type: &'static str,
    data: impl Serialize,
) -> Result<(), Rejection> {
    let (ctx, tenant) = (tx.ctx().clone(), tx.tenant_id());
    insert(tx.rows(), &ctx, tenant, message_type, data)
}

/// Where a letter goes that invites somebody: to the address of the invitation, and to no channel.
pub(crate) const LETTER: &str = "invitation";

/// The message of a letter.
const INVITATION_CREATED: &str = "invitation.created";

/// Queues the letter of an invitation. INVARIANT: the link is made when it is sent; what waits here lets nobody in.
pub(crate) fn queue_letter(
    tx: &mut WriteTx<'_, '_>,
    invitation: Id<id::Invitation>,
) -> Result<(), Rejection> {
    let message = Message {
        id: tx.ctx().id(),
        tenant_id: tx.tenant_id(),
        kind: INVITATION_CREATED.to_owned(),
        payload: invitation.to_string(),
        next_at: tx.now(),
        attempts: 0,
        channel: LETTER.to_owned(),
        recipient: None,
    };
    outbox::insert(tx.rows(), &message)?;
    Ok(())
}

/// Queues a message that tells of no change, but of time that goes by.
pub(crate) fn insert(
    tx: &mut Tx<'_>,
    ctx: &Ctx,
    tenant_id: Id<id::Tenant>,
    message_type: &'static str,
    data: impl Serialize,
) -> Result<(), Rejection> {
    let now = ctx.now;
    let body = Body {
        message_type,
        timestamp: now.to_string(),
        data,
    };
    let message = Message {
        id: ctx.id(),
        tenant_id,
        kind: message_type.to_owned(),
        payload: serde_json::to_string(&body)?,
        next_at: now,
        attempts: 0,
        channel: String::new(),
        recipient: None,
    };
    outbox::insert(tx, &message)?;
    Ok(())
}
