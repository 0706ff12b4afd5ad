//! What the owners of a tenant do with its signing keys: look, rotate, and kill in an emergency.

use countersign_model::{
    Timestamp,
    reason::{Reason, Refusal},
    registry::SigningAlg,
};
use countersign_store::{
    Tx,
    signing_keys::{self, SigningKey as KeyRow},
};

use crate::{
    command::{Command, Permit, Verdict, WriteTx},
    registry::{reading, rights},
    rejection::Rejection,
    signing_keys::{AddKey, Use},
};

/// A key as people see it.
#[derive(Debug, Clone)]
pub struct KeyEntry {
    /// Its id.
    pub kid: String,
    /// Its algorithm.
    pub alg: SigningAlg,
    /// What it signs.
    pub using: Use,
    /// Where it stands.
    pub standing: Standing,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it verifies.
    pub verifies_until: Option<Timestamp>,
}

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It signs.
    Active,
    /// It does neither.
    Killed,
    /// It is in the key set and signs soon.
    Published,
    /// It only verifies.
    Retiring,
}

impl Standing {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Killed => "killed",
            Self::Published => "published",
            Self::Retiring => "retiring",
        }
    }
}

/// The keys of a tenant, newest first. Everybody in the tenant may know them: they are public.
///
/// # Errors
/// `forbidden` when no person reads, or a fault.
pub fn list(tx: &mut Tx<'_>, permit: &Permit, now: Timestamp) -> Result<Vec<KeyEntry>, Rejection> {
    reading::reader(tx, permit)?;
    let rows = signing_keys::of_tenant(tx, permit.tenant_id())?;
    Ok(rows
        .iter()
        .rev()
        .filter_map(|row| entry(row, now))
        .collect())
}

fn entry(row: &KeyRow, now: Timestamp) -> Option<KeyEntry> {
    let using = use_of(row)?;
    let standing = match row.state.as_str() {
        "killed" => Standing::Killed,
        _ if row.retires_at.is_some() => Standing::Retiring,
        _ if row.activates_at > now => Standing::Published,
        _ => Standing::Active,
    };
    Some(KeyEntry {
        kid: row.kid.clone(),
        alg: using.signing_alg(),
        using,
        standing,
        created_at: row.created_at,
        verifies_until: row.retires_at,
    })
}

fn use_of(row: &KeyRow) -> Option<Use> {
    match (row.purpose.as_str(), row.alg.as_str()) {
        ("access", "ES256") => Some(Use::Access(SigningAlg::Es256)),
        ("access", "RS256") => Some(Use::Access(SigningAlg::Rs256)),
        ("long_lived", "ES256") => Some(Use::LongLived),
        _ => None,
    }
}

/// Adds successors; only an owner of the tenant may.
pub struct RotateKeys {
    /// One successor for each use.
    pub successors: Vec<AddKey>,
}

impl Command for RotateKeys {
    type Output = ();

    const NAME: &'static str = "signing key rotate";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<()>, Rejection> {
        rights::tenant_owner(tx, "rotate its keys")?;
        for successor in &self.successors {
            if let Verdict::RefusedWithEffects(refusal) = successor.run(tx)? {
                return Ok(Verdict::RefusedWithEffects(refusal));
            }
        }
        Ok(Verdict::Done(()))
    }
}

/// The living key that is to be killed.
///
/// # Errors
/// `not_found` when there is none.
pub fn find(entries: &[KeyEntry], kid: &str) -> Result<KeyEntry, Refusal> {
    let found = entries
        .iter()
        .find(|entry| entry.kid == kid && entry.standing != Standing::Killed);
    let shown: String = kid.chars().take(64).flat_map(char::escape_debug).collect();
    found.cloned().ok_or_else(|| {
        Refusal::new(
            Reason::NotFound,
            format!("there is no living key `{shown}`"),
        )
    })
}
