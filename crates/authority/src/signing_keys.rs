//! Signing keys: made, kept encrypted, rotated with overlap, killed in an emergency.

use std::sync::Arc;

use countersign_crypto::{
    SigningAlg as KeyAlg, SigningKey,
    jose::{Jwks, KeyPurpose, KeySet},
    key_wrap::KeyFile,
};
use countersign_model::{
    Id, LEEWAY_SECONDS, SHORT_LIVED_SECONDS, Timestamp,
    evidence::{Event, SigningKeyEvent},
    id,
    reason::Reason,
    registry::{Record, SigningAlg},
    time::Seconds,
};
use countersign_store::signing_keys::{self, SigningKey as KeyRow};

use crate::{
    command::{Command, Verdict, WriteTx},
    ctx::Ctx,
    rejection::{Fault, Rejection, refuse},
};

pub mod managing;

/// How long a new key is published before it signs, in seconds: longer than any key set is cached.
pub const PUBLISH_AHEAD_SECONDS: i64 = 600;

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Access tokens of at most an hour.
    Access(SigningAlg),
    /// Longer tokens, for Countersign alone.
    LongLived,
}

impl Use {
    /// The algorithm.
    #[must_use]
    pub const fn signing_alg(self) -> SigningAlg {
        match self {
            Self::Access(alg) => alg,
            Self::LongLived => SigningAlg::Es256,
        }
    }

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.purpose()
    }

    const fn purpose(self) -> &'static str {
        match self {
            Self::Access(_) => "access",
            Self::LongLived => "long_lived",
        }
    }

    const fn alg(self) -> KeyAlg {
        match self {
            Self::Access(SigningAlg::Rs256) => KeyAlg::Rs256,
            Self::Access(SigningAlg::Es256) | Self::LongLived => KeyAlg::Es256,
        }
    }
}

/// One key of a tenant, ready to sign.
struct TenantKey {
    key: SigningKey,
    using: Use,
    activates_at: Timestamp,
    retires_at: Option<Timestamp>,
}

/// A tenant, as an issuer: its names and its keys.
pub struct Tenant {
    /// Its id.
    pub id: Id<id::Tenant>,
    /// Its name.
    pub name: String,
    /// Its issuer, byte for byte.
    pub issuer: String,
    /// Whether it is the one at the server's own issuer URL.
    pub first: bool,
    keys: Vec<TenantKey>,
    verifying: KeySet,
}

/// All tenants with their keys: replaced as a whole when any changes.
#[derive(Default)]
pub struct KeyRing {
    tenants: Vec<Arc<Tenant>>,
}

impl KeyRing {
    /// Unwraps the keys of all tenants.
    ///
    /// # Errors
    /// When a key cannot be unwrapped: another key file, or a changed row.
    pub fn build(
        issuer: &str,
        file: &KeyFile,
        tenants: &[Record],
        rows: &[KeyRow],
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let mut ring = Self::default();
        for record in tenants {
            let Some(doc) = record.tenant() else { continue };
            let id: Id<id::Tenant> = record.id.cast();
            let mut keys = Vec::new();
            let mut verifying = KeySet::default();
            for row in rows
                .iter()
                .filter(|row| row.tenant_id == id && row.state != KILLED)
            {
                if row.retires_at.is_some_and(|at| at <= now) {
                    continue;
                }
                let key = unwrap(file, row)?;
                let (using, purpose) = read_use(row)?;
                let public = key
                    .verifying_key(purpose)
                    .map_err(|error| Fault::Keys(error.to_string()))?;
                verifying.push(public);
                keys.push(TenantKey {
                    key,
                    using,
                    activates_at: row.activates_at,
                    retires_at: row.retires_at,
                });
            }
            let issuer = if doc.first {
                issuer.to_owned()
            } else {
                format!("{issuer}/t/{}", doc.name)
            };
            ring.tenants.push(Arc::new(Tenant {
                id,
                name: doc.name.to_string(),
                issuer,
                first: doc.first,
                keys,
                verifying,
            }));
        }
        Ok(ring)
    }

    /// The tenant at the server's own issuer URL, or the one of this name.
    #[must_use]
    pub fn tenant(&self, name: Option<&str>) -> Option<Arc<Tenant>> {
        let found = |tenant: &&Arc<Tenant>| {
            name.map_or(tenant.first, |name| !tenant.first && tenant.name == name)
        };
        self.tenants.iter().find(found).cloned()
    }

    /// The tenant with this id.
    #[must_use]
    pub fn by_id(&self, id: Id<id::Tenant>) -> Option<Arc<Tenant>> {
        self.tenants.iter().find(|tenant| tenant.id == id).cloned()
    }

    /// All tenants.
    #[must_use]
    pub fn tenants(&self) -> &[Arc<Tenant>] {
        &self.tenants
    }
}

impl Tenant {
    /// The key that signs now, if there is one for this use.
    #[must_use]
    pub fn signing_key(&self, using: Use, now: Timestamp) -> Option<&SigningKey> {
        let usable = |key: &&TenantKey| {
            key.using == using
                && key.activates_at <= now
                && key.retires_at.is_none_or(|at| now < at - OVERLAP)
        };
        let newest = self
            .keys
            .iter()
            .filter(usable)
            .max_by_key(|key| key.activates_at);
        // Between rotation and activation the old key, which will retire, still signs.
        let fallback = || {
            self.keys
                .iter()
                .filter(|key| key.using == using && key.activates_at <= now)
                .max_by_key(|key| key.activates_at)
        };
        newest.or_else(fallback).map(|key| &key.key)
    }

    /// The keys that verify this tenant's tokens, also those that stay inside.
    #[must_use]
    pub const fn verifying(&self) -> &KeySet {
        &self.verifying
    }

    /// The public key set.
    #[must_use]
    pub fn jwks(&self) -> Jwks {
        self.verifying.to_jwks()
    }
}

const KILLED: &str = "killed";
const ACTIVE: &str = "active";
const OVERLAP: Seconds = Seconds(SHORT_LIVED_SECONDS + LEEWAY_SECONDS);
/// A long-lived token may stand for a year; its key stays as long.
const LONG_OVERLAP: Seconds = Seconds::days(366);

pub(crate) fn additional_data(tenant: Id<id::Tenant>, kid: &str) -> Vec<u8> {
    format!("signing_key|{tenant}|{kid}").into_bytes()
}

fn unwrap(file: &KeyFile, row: &KeyRow) -> Result<SigningKey, Fault> {
    let fault = |error: String| Fault::Keys(format!("key {} cannot be used: {error}", row.kid));
    let pkcs8 = file
        .unwrap(&additional_data(row.tenant_id, &row.kid), &row.wrapped)
        .map_err(|error| fault(error.to_string()))?;
    let alg = row
        .alg
        .parse()
        .map_err(|_| fault(format!("unknown algorithm `{}`", row.alg)))?;
    SigningKey::from_pkcs8(alg, pkcs8.expose()).map_err(|error| fault(error.to_string()))
}

fn read_use(row: &KeyRow) -> Result<(Use, KeyPurpose), Fault> {
    match (row.purpose.as_str(), row.alg.as_str()) {
        ("access", "ES256") => Ok((Use::Access(SigningAlg::Es256), KeyPurpose::Access)),
        ("access", "RS256") => Ok((Use::Access(SigningAlg::Rs256), KeyPurpose::Access)),
        ("long_lived", "ES256") => Ok((Use::LongLived, KeyPurpose::LongLived)),
        (purpose, alg) => Err(Fault::Keys(format!(
            "key {} is for `{purpose}` with `{alg}`, which is unknown",
            row.kid
        ))),
    }
}

/// A new key, wrapped, as a row.
///
/// # Errors
/// When the key cannot be made or wrapped.
pub fn make(
    ctx: &Ctx,
    file: &KeyFile,
    tenant: Id<id::Tenant>,
    using: Use,
    activates_at: Timestamp,
) -> Result<KeyRow, Fault> {
    let fault = |error: String| Fault::Keys(format!("a key cannot be made: {error}"));
    let key = SigningKey::generate(using.alg()).map_err(|error| fault(error.to_string()))?;
    let pkcs8 = key.to_pkcs8().map_err(|error| fault(error.to_string()))?;
    let wrapped = file
        .wrap(&additional_data(tenant, key.kid()), pkcs8.expose())
        .map_err(|error| fault(error.to_string()))?;
    Ok(KeyRow {
        tenant_id: tenant,
        kid: key.kid().to_owned(),
        purpose: using.purpose().to_owned(),
        alg: using.alg().name().to_owned(),
        wrapped,
        public: serde_json::to_string(key.public_jwk())?,
        state: ACTIVE.to_owned(),
        created_at: ctx.now,
        activates_at,
        retires_at: None,
    })
}

/// Adds a key, and lets the others of its use retire once it signs.
pub struct AddKey {
    /// The key.
    pub row: KeyRow,
    /// What it signs.
    pub using: Use,
    /// The key that must die at once, in an emergency.
    pub kill: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Whether a key for this use that is already there makes this one unnecessary.
    pub unless_present: bool,
}

impl Command for AddKey {
    type Output = String;

    const NAME: &'static str = "signing key rotate";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<String>, Rejection> {
        let tenant = tx.tenant_id();
        let present: Vec<KeyRow> = signing_keys::of_tenant(tx.peek(), tenant)?
            .into_iter()
            .filter(|row| {
                row.state != KILLED && row.purpose == self.row.purpose && row.alg == self.row.alg
            })
            .collect();
        if self.unless_present
            && let Some(row) = present.first()
        {
            return Ok(Verdict::Done(row.kid.clone()));
        }
        if let Some(kid) = &self.kill {
            if !present.iter().any(|row| row.kid == *kid) {
                return refuse(
                    Reason::NotFound,
                    format!("there is no living key `{kid}` for this use"),
                );
            }
            let now = tx.now();
            signing_keys::set_state(tx.rows(), kid, ACTIVE, KILLED, Some(now))?;
            let event = Event::SigningKey(SigningKeyEvent {
                verb: "killed".to_owned(),
                kid: kid.clone(),
                alg: self.row.alg.clone(),
                reason: self.reason.clone(),
            });
            tx.evidence(tx.draft(event))?;
        }
        let overlap = match self.using {
            Use::Access(_) => OVERLAP,
            Use::LongLived => LONG_OVERLAP,
        };
        for row in present
            .iter()
            .filter(|row| row.retires_at.is_none() && Some(&row.kid) != self.kill.as_ref())
        {
            signing_keys::set_state(
                tx.rows(),
                &row.kid,
                ACTIVE,
                ACTIVE,
                Some(self.row.activates_at + overlap),
            )?;
        }
        signing_keys::insert(tx.rows(), &self.row)?;
        let verb = if present.is_empty() {
            "created"
        } else {
            "rotated"
        };
        let event = Event::SigningKey(SigningKeyEvent {
            verb: verb.to_owned(),
            kid: self.row.kid.clone(),
            alg: self.row.alg.clone(),
            reason: self.reason.clone(),
        });
        tx.evidence(tx.draft(event))?;
        tx.announce_keys()?;
        Ok(Verdict::Done(self.row.kid.clone()))
    }
}
