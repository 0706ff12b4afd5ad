//! Expiry: an identity past its end is marked so, and its tokens die.

use countersign_model::{
    Id, id,
    reason::Reason,
    registry::{Noun, Record, Status},
};
use countersign_store::records;

use crate::{
    approvals,
    command::{Actor, Change, Command, Verdict, WriteTx},
    registry::rights,
    rejection::{Rejection, refuse},
};

/// How many identities one command looks at, and marks at most: a few hundred rows, and not a megabyte of documents.
const SCAN: u32 = 100;

/// Marks identities that are past their expiry: run by the program itself, page after page.
#[derive(Debug, Clone, Default)]
pub struct ExpireIdentities {
    /// Where the command before ended.
    pub after: Option<(String, Id<id::Record>)>,
}

/// What one run of [`ExpireIdentities`] did.
#[derive(Debug, Clone)]
pub struct Expired {
    /// Those that it marked.
    pub marked: Vec<Id<id::Identity>>,
    /// Where the next one begins; nothing when all have been looked at.
    pub next: Option<(String, Id<id::Record>)>,
}

impl Command for ExpireIdentities {
    type Output = Expired;

    const NAME: &'static str = "identity expire";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Expired>, Rejection> {
        if !matches!(tx.permit().actor(), Actor::System) {
            return refuse(
                Reason::Forbidden,
                "only the program itself marks what has expired",
            );
        }
        let (tenant_id, now) = (tx.tenant_id(), tx.now());
        let query = records::RecordQuery {
            tenant_id,
            noun: Noun::Identity,
            parent_id: None,
            name_prefix: None,
            after: self.after.as_ref().map(|(name, id)| (name.as_str(), *id)),
            with_deleted: false,
            limit: SCAN,
        };
        let found = records::list(tx.peek(), &query)?;
        let more = found.len() == SCAN as usize;
        let (mut marked, mut last) = (Vec::new(), None);
        for record in found {
            last = Some((record.name.clone(), record.id));
            let due = matches!(record.status, Status::Active | Status::Orphaned)
                && record.identity().is_some_and(|doc| doc.expires_at <= now);
            if due {
                expire(tx, &record)?;
                marked.push(record.id.cast());
            }
        }
        Ok(Verdict::Done(Expired {
            marked,
            next: last.filter(|_| more),
        }))
    }
}

fn expire(tx: &mut WriteTx<'_, '_>, before: &Record) -> Result<(), Rejection> {
    let at = rights::doc(before.identity())?.expires_at;
    let after = Record {
        status: Status::Expired,
        epoch: before.epoch + 1,
        ..before.clone()
    };
    let change = Change::verb("expired").because(Some(format!("it was to end on {at}")));
    let record = tx.replace(before, after, &change)?;
    approvals::void_for_identity(tx, record.id.cast(), "the identity expired")?;
    Ok(())
}
