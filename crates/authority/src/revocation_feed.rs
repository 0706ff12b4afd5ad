//! The feed of revocations, as guards follow it.

use countersign_model::{Id, Timestamp, id};
use countersign_store::{Cursor, StoreError, Tx, log, revocations};

use crate::command::Revocation;

/// A piece of the feed.
#[derive(Debug)]
pub struct Piece {
    /// What was revoked, oldest first.
    pub entries: Vec<Revocation>,
    /// Where the next piece begins.
    pub next: String,
    /// Whether there is more right now.
    pub more: bool,
}

/// Reads a piece for one tenant. A position that is not one begins anew.
///
/// # Errors
/// When the database fails.
pub fn read(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    after: Option<&str>,
    now: Timestamp,
    limit: u32,
) -> Result<Piece, StoreError> {
    // INVARIANT: after a restore the places of the feed are given again, so a position of the life that was
    // lost begins anew: else a guard would never learn that the tenant's tokens are dead.
    let head = log::head(tx)?;
    let life = head
        .as_ref()
        .and_then(|head| head.origin.rsplit_once("/log/"))
        .map_or("1", |(_, life)| life);
    let cursor = after
        .and_then(|after| after.strip_prefix(life)?.strip_prefix('~'))
        .and_then(Cursor::from_text)
        .unwrap_or(Cursor::START);
    let page = revocations::after(tx, cursor, now, limit)?;
    let own = page.items.into_iter().filter(|one| one.tenant_id == tenant);
    let entries = own.map(|one| Revocation {
        tenant_id: one.tenant_id,
        grain: one.grain,
        target: one.target,
        generation: one.epoch,
        until: one.until_at,
    });
    Ok(Piece {
        entries: entries.collect(),
        next: format!("{life}~{}", page.next.to_text()),
        more: page.more,
    })
}
