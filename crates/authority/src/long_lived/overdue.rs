//! Renewals that did not come: found, recorded once, and shown until one comes.

use countersign_model::{
    Id, Timestamp,
    chain::{Chain, OVERDUE_AFTER},
    evidence::{Event, RenewalAlert, RenewalTrouble, Role},
    id,
    registry::{Noun, Record, Status},
};
use countersign_store::chains;

use super::chains::{revoke, save};
use crate::{
    command::{Command, Verdict, WriteTx},
    evidence::seal::{refer, refer_person},
    notice::{self, Named, Told},
    rejection::Rejection,
    rows,
};

/// How many chains one step looks at: some milliseconds.
const BATCH: u32 = 100;

/// Records the renewals of a tenant that are overdue. Answers how many there were and whether there may be more.
#[derive(Debug, Clone, Copy)]
pub struct NoteOverdue;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotedOverdue {
    /// How many tokens should have been renewed and were not.
    pub overdue: u64,
    /// Whether to look again at once.
    pub more: bool,
}

impl Command for NoteOverdue {
    type Output = NotedOverdue;

    const NAME: &'static str = "renewal watch";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<NotedOverdue>, Rejection> {
        let (tenant, now) = (tx.tenant_id(), tx.now());
        let due = chains::due_before(tx.peek(), tenant, now - OVERDUE_AFTER, BATCH)?;
        let more = due.len() >= BATCH as usize;
        let mut overdue = 0;
        for chain in due {
            overdue += u64::from(note(tx, tenant, chain, now)?);
        }
        Ok(Verdict::Done(NotedOverdue { overdue, more }))
    }
}

/// Whether it was an alert. What belongs to nobody any more is revoked instead, so that nobody looks at it again.
fn note(
    tx: &mut WriteTx<'_, '_>,
    tenant: Id<id::Tenant>,
    mut chain: Chain,
    now: Timestamp,
) -> Result<bool, Rejection> {
    let holder = rows::by_id(tx.peek(), tenant, chain.principal_id)?;
    let stands = |record: &Record| matches!(record.status, Status::Active | Status::Orphaned);
    let newest = chain.doc.members.last().cloned();
    let (Some(newest), Some(holder)) = (newest, holder.filter(stands)) else {
        let whose = refer(Role::Target, chain.principal_id, None);
        revoke(tx, chain, Some(whose), "its holder gets no more tokens")?;
        return Ok(false);
    };
    let event = Event::RenewalAlert(RenewalAlert {
        alert: RenewalTrouble::Overdue,
        chain_id: chain.id,
        token: newest.jti,
        source_address: None,
    });
    let whose = match holder.identity() {
        Some(doc) => refer(Role::Identity, holder.id, Some(&doc.attribution())),
        None if holder.noun == Noun::User => refer_person(Role::Human, holder.id, &holder.name),
        None => refer(Role::Target, holder.id, None),
    };
    let draft = tx.draft(event).refs([
        whose,
        refer(Role::Chain, chain.id, Some(chain.scope.as_str())),
        refer(Role::Token, newest.jti, None),
    ]);
    tx.evidence(draft.parents([newest.jti]))?;
    let told = Told {
        identity: holder.identity().map(|_| Named::of(&holder)),
        no_tokens_after: Some(chain.ends_at.to_string()),
        chain_id: Some(chain.id),
        to: holder.user().map(|_| holder.id),
        ..Told::new(
            tenant,
            match holder.noun {
                Noun::User => "a person's token was not renewed in time".to_owned(),
                _ => format!("the token of {} was not renewed in time", holder.name),
            },
        )
    };
    notice::queue(tx, notice::RENEWAL_OVERDUE, told)?;
    chain.due_at = None;
    chain.doc.overdue_at = Some(now);
    save(tx, &chain)?;
    Ok(true)
}
