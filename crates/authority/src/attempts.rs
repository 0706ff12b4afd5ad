//! Refused attempts of runs, kept for a while with their claims, for the identity's managers to look
//! at with `countersign trust test`.

use countersign_crypto::jose::Unverified;
use countersign_model::{
    Id, id,
    reason::Refusal,
    registry::{Noun, Record},
    time::Seconds,
};
use countersign_store::{
    Pending, StoreError, Tx, WriteMode,
    attempts::{self, RefusedAttempt},
    records,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{authority::Authority, ctx::Ctx, rows};

/// How long an attempt is kept: long enough to look at it the next working day.
pub const KEPT_FOR: Seconds = Seconds::days(3);

/// How many are kept for one identity.
const KEPT: u32 = 20;

/// What is kept of an attempt: never the token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// The stable code of the refusal.
    pub reason: String,
    /// Why it was refused, in full.
    pub detail: String,
    /// The algorithm of the token.
    pub alg: String,
    /// The key that it named.
    pub kid: Option<String>,
    /// Its type.
    pub typ: Option<String>,
    /// The address that it came from.
    pub source: Option<String>,
    /// What it claimed.
    pub claims: Map<String, Value>,
}

impl Authority {
    /// Keeps a refused attempt of a run at an identity that exists. Nothing when the token is no JWT.
    pub fn keep_attempt(
        &self,
        ctx: &Ctx,
        tenant: Id<id::Tenant>,
        identity: &str,
        token: &str,
        refusal: &Refusal,
    ) -> Option<Pending<Result<(), StoreError>>> {
        let unverified = Unverified::parse(token).ok()?;
        let attempt = Attempt {
            reason: refusal.reason.as_str().to_owned(),
            detail: refusal.detail.clone(),
            alg: unverified.alg().name().to_owned(),
            kid: unverified.kid().map(str::to_owned),
            typ: unverified.typ().map(str::to_owned),
            source: ctx.source.clone(),
            claims: unverified.claims_for_explanation().clone(),
        };
        let doc = serde_json::to_string(&attempt).ok()?;
        let (id, at, name) = (ctx.id(), ctx.now, identity.to_owned());
        Some(self.door.store.write(WriteMode::Housekeeping, move |tx| {
            let Some(identity) = find(tx, tenant, &name)? else {
                return Ok(());
            };
            let attempt = RefusedAttempt {
                id,
                tenant_id: tenant,
                identity_id: Some(identity.id.cast()),
                at,
                expires_at: at + KEPT_FOR,
                doc: doc.clone(),
            };
            attempts::insert(tx, &attempt, KEPT)
        }))
    }
}

fn find(tx: &mut Tx<'_>, tenant: Id<id::Tenant>, name: &str) -> Result<Option<Record>, StoreError> {
    if let Ok(id) = name.parse() {
        return rows::by_id(tx, tenant, id);
    }
    records::by_alias(tx, tenant, Noun::Identity, name)
}
