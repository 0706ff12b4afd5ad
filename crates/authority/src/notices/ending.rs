//! What is about to end, and what is overdue: told once for each step, by looking from time to time.

use countersign_model::{
    Id, Timestamp, id,
    notice::NoticeKind,
    registry::{Noun, Record, Status},
    time::Seconds,
};
use countersign_store::{
    Pending, Tx, WriteMode,
    records::{self, RecordQuery},
    replay,
};

use crate::{
    authority::Authority,
    ctx::Ctx,
    notice::{self, Named, Told},
    registry::rights,
    rejection::Rejection,
    rows,
};

/// How long before the end of a credential people are told, in days: to plan it, to do it, to drop everything.
const STEPS: [i64; 3] = [1, 7, 30];

/// How many records one step looks at: some milliseconds.
const BATCH: u32 = 200;

/// How long it is remembered that somebody was told: longer than a step takes to pass.
const REMEMBERED: Seconds = Seconds::days(400);

/// What can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Credentials, by their own end.
    Credentials,
    /// Reviews of identities.
    Reviews,
}

/// The last record that was looked at.
#[derive(Debug, Clone)]
pub struct Last {
    name: String,
    id: Id<id::Record>,
}

impl Authority {
    /// Tells of one batch of what a tenant has, from there on. Answers where to go on. Nothing that anybody may do changes.
    pub fn note_ending(
        &self,
        ctx: &Ctx,
        tenant: Id<id::Tenant>,
        ending: Ending,
        after: Option<Last>,
    ) -> Pending<Result<Option<Last>, Rejection>> {
        let ctx = ctx.clone();
        self.store().write(WriteMode::Housekeeping, move |tx| {
            let query = RecordQuery {
                tenant_id: tenant,
                noun: match ending {
                    Ending::Credentials => Noun::Credential,
                    Ending::Reviews => Noun::Identity,
                },
                parent_id: None,
                name_prefix: None,
                after: after.as_ref().map(|last| (last.name.as_str(), last.id)),
                with_deleted: false,
                limit: BATCH,
            };
            let found = records::list(tx, &query)?;
            let last = found.last().filter(|_| found.len() == BATCH as usize);
            let next = last.map(|record| Last {
                name: record.name.clone(),
                id: record.id,
            });
            for record in &found {
                match ending {
                    Ending::Credentials => credential(tx, &ctx, record)?,
                    Ending::Reviews => review(tx, &ctx, record)?,
                }
            }
            Ok(next)
        })
    }
}

fn credential(tx: &mut Tx<'_>, ctx: &Ctx, record: &Record) -> Result<(), Rejection> {
    let (now, doc) = (ctx.now, rights::doc(record.credential())?);
    let Some(ends_at) = doc.expires_at.filter(|at| *at > now) else {
        return Ok(());
    };
    let step = STEPS
        .iter()
        .find(|days| ends_at - Seconds::days(**days) <= now);
    let (Some(days), Status::Active) = (step, record.status) else {
        return Ok(());
    };
    let Some(identity) = rows::by_id(tx, record.tenant_id, doc.identity_id.cast())? else {
        return Ok(());
    };
    if !matches!(identity.status, Status::Active | Status::Orphaned)
        || !first(tx, now, record, ends_at, &format!("notice-{days}d"))?
    {
        return Ok(());
    }
    let left = (ends_at.seconds() - now.seconds() + 86_399) / 86_400;
    let summary = format!(
        "a credential of {} ends in {left} {} ({}), and what uses it then stops",
        identity.name,
        if left == 1 { "day" } else { "days" },
        record.name
    );
    let told = Told {
        identity: Some(Named::of(&identity)),
        no_tokens_after: Some(ends_at.to_string()),
        ..Told::new(record.tenant_id, summary)
    };
    let kind = NoticeKind::CredentialEnding.as_str();
    notice::insert(tx, ctx, record.tenant_id, kind, told)
}

fn review(tx: &mut Tx<'_>, ctx: &Ctx, record: &Record) -> Result<(), Rejection> {
    let (now, doc) = (ctx.now, rights::doc(record.identity())?);
    let due = doc.review_due(record.created_at);
    if record.status != Status::Active
        || now < due
        || !first(tx, now, record, due, "notice-review")?
    {
        return Ok(());
    }
    let summary = format!(
        "{} should have been confirmed by {due}: say that it is still needed, or disable it",
        record.name
    );
    let told = Told {
        identity: Some(Named::of(record)),
        ..Told::new(record.tenant_id, summary)
    };
    let kind = NoticeKind::ReviewOverdue.as_str();
    notice::insert(tx, ctx, record.tenant_id, kind, told)
}

/// Whether this is told for the first time. Another end, or another review, is told anew.
fn first(
    tx: &mut Tx<'_>,
    now: Timestamp,
    about: &Record,
    at: Timestamp,
    purpose: &str,
) -> Result<bool, Rejection> {
    let key = at.micros().to_be_bytes();
    let used = replay::Use {
        tenant_id: about.tenant_id,
        issuer_id: about.id,
        key: &key,
        purpose,
        until_at: now + REMEMBERED,
    };
    Ok(replay::consume(tx, &used)?)
}
