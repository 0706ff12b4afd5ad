//! The feed of revocations, as guards follow it.

use countersign_model::{
    Id, Timestamp, id,
    reason::Reason,
    registry::{Relation, Status, TenantRole},
    token::{AccessClaims, PrincipalType},
};
use countersign_store::{Cursor, StoreError, Tx, log, revocations};

use crate::{
    command::Revocation,
    facts::Facts,
    rejection::{Stop, refuse},
};

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

/// Refuses who has no business with it: it names runs, credentials and identities of the whole tenant. A program reads it
/// to guard a resource server that it runs, a person to audit.
///
/// # Errors
/// `forbidden`, or what must be looked up first.
pub fn may_read(facts: &Facts, claims: &AccessClaims) -> Result<(), Stop> {
    let (tenant, holder) = (claims.tenant_id, claims.identity_id);
    let (may, who) = match claims.identity_type {
        PrincipalType::ServiceAccount => {
            let served = facts.linked_to(tenant, Relation::ServedBy, holder.cast())?;
            let runs = |status| status == Status::Active;
            let who = "an identity that runs a resource server (`served_by` of its audience)";
            (served.iter().any(|record| runs(record.status)), who)
        }
        PrincipalType::User => {
            let record = facts.record(tenant, holder)?;
            let role = record.as_ref().and_then(|record| record.user());
            let role = role.map(|user| user.role);
            let who = "an owner or auditor of the tenant";
            let audits = matches!(role, Some(TenantRole::Auditor | TenantRole::Owner));
            (audits, who)
        }
    };
    if may {
        return Ok(());
    }
    refuse(
        Reason::Forbidden,
        format!("only {who} reads the revocation feed"),
    )
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
