//! Data keys: each tenant has one, wrapped with the key file, under which the values of its keys are sealed.
//!
//! A rotation begins with a new data key, which seals from then on. What is under the old one is put under the new one in
//! batches, by a job; an old one with nothing left under it is destroyed. A value opens at every moment of this.

use std::sync::Arc;

use countersign_crypto::{Secret, data_key::DataKey, key_wrap::WrapError};
use countersign_model::{
    Id, Timestamp,
    evidence::{DataKeyEvent, Event, Role},
    id,
};
use countersign_store::{
    Pending, StoreError, Tx, WriteMode,
    data_keys::{self, DataKey as DataKeyRow},
    key_values::{self, KeyValue},
};

use crate::{
    authority::Authority,
    command::{Command, Permit, Verdict, WriteTx},
    evidence::seal::refer,
    people,
    registry::rights,
    rejection::{Fault, Rejection},
    secrets::Secrets,
};

/// Values that one transaction seals anew: two megabytes at most, some milliseconds.
const BATCH: u32 = 32;

/// A data key, ready to use.
pub(crate) struct Opened {
    /// Its id.
    pub(crate) id: Id<id::DataKey>,
    key: DataKey,
}

impl Opened {
    /// The data key of a row.
    ///
    /// # Errors
    /// A fault: another key file wrapped it, or the row was changed.
    pub(crate) fn of(secrets: &Secrets, row: &DataKeyRow) -> Result<Self, Fault> {
        let bound = bound(row.tenant_id, row.id);
        let key = DataKey::unwrap(&secrets.key_file, &bound, &row.wrapped)
            .map_err(|error| fault(row.id, &error))?;
        Ok(Self { id: row.id, key })
    }

    /// Encrypts a value for the one place where it belongs.
    ///
    /// # Errors
    /// A fault of the cryptographic library.
    pub(crate) fn seal(
        &self,
        (tenant, key, version): (Id<id::Tenant>, Id<id::Key>, u32),
        value: &[u8],
    ) -> Result<Vec<u8>, Fault> {
        let bound = value_bound(tenant, key, version, self.id);
        self.key
            .seal(&bound, value)
            .map_err(|error| fault(self.id, &error))
    }

    /// Decrypts a value where it stands.
    ///
    /// # Errors
    /// A fault: the row was changed, or came from elsewhere.
    pub(crate) fn open(&self, row: &KeyValue) -> Result<Secret<Vec<u8>>, Fault> {
        let bound = value_bound(row.tenant_id, row.key_id, row.version, self.id);
        self.key.open(&bound, &row.sealed).map_err(|error| {
            Fault::Keys(format!(
                "version {} of key {} cannot be opened: {error}",
                row.version, row.key_id
            ))
        })
    }
}

/// The data key that seals now; the first value of a tenant makes one.
pub(crate) fn current(tx: &mut WriteTx<'_, '_>, secrets: &Secrets) -> Result<Opened, Rejection> {
    let tenant = tx.tenant_id();
    match in_use(&data_keys::of_tenant(tx.peek(), tenant)?) {
        Some(row) => Ok(Opened::of(secrets, row)?),
        None => make(tx, secrets, "created", None),
    }
}

/// The value of a row, with whichever data key it is under.
///
/// # Errors
/// A fault: it cannot be opened.
pub(crate) fn open(
    tx: &mut Tx<'_>,
    secrets: &Secrets,
    row: &KeyValue,
) -> Result<Secret<Vec<u8>>, Fault> {
    let found = data_keys::by_id(tx, row.data_key_id)?.filter(|key| key.tenant_id == row.tenant_id);
    let data_key = found.ok_or_else(|| {
        Fault::Keys(format!(
            "version {} of key {} is under data key {}, which is not there",
            row.version, row.key_id, row.data_key_id
        ))
    })?;
    Opened::of(secrets, &data_key)?.open(row)
}

/// Makes a new data key, which seals from now on; only an owner of the tenant may.
pub struct RotateDataKey {
    /// The key file.
    pub secrets: Arc<Secrets>,
    /// Why.
    pub reason: Option<String>,
}

impl Command for RotateDataKey {
    type Output = ();

    const NAME: &'static str = "data key rotate";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<()>, Rejection> {
        rights::tenant_owner(tx, "rotate its data key")?;
        let (tenant, now) = (tx.tenant_id(), tx.now());
        let verb = match in_use(&data_keys::of_tenant(tx.peek(), tenant)?) {
            Some(row) => {
                data_keys::retire(tx.rows(), row.id, now)?;
                "rotated"
            }
            None => "created",
        };
        make(tx, &self.secrets, verb, self.reason.clone())?;
        Ok(Verdict::Done(()))
    }
}

/// Destroys the retired data keys of a tenant that nothing is under.
struct DestroyUnused;

impl Command for DestroyUnused {
    type Output = ();

    const NAME: &'static str = "data key destroy";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<()>, Rejection> {
        let tenant = tx.tenant_id();
        for row in data_keys::of_tenant(tx.peek(), tenant)? {
            if row.retired_at.is_some() && key_values::count_under(tx.peek(), row.id)? == 0 {
                data_keys::remove(tx.rows(), row.id)?;
                record(tx, row.id, "destroyed", None)?;
            }
        }
        Ok(Verdict::Done(()))
    }
}

/// A data key as people see it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its id.
    pub id: Id<id::DataKey>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When another took its place.
    pub retired_at: Option<Timestamp>,
    /// How many values are under it.
    pub values: u64,
}

/// The data keys of a tenant, newest first: for its owners.
///
/// # Errors
/// `forbidden`, or a fault.
pub fn list(tx: &mut Tx<'_>, permit: &Permit) -> Result<Vec<Shown>, Rejection> {
    let tenant = permit.tenant_id();
    let person = people::person(tx, tenant, permit.user()?)?;
    rights::must_own_tenant(&person, "see its data keys")?;
    let mut shown = Vec::new();
    for row in data_keys::of_tenant(tx, tenant)?.into_iter().rev() {
        shown.push(Shown {
            id: row.id,
            created_at: row.created_at,
            retired_at: row.retired_at,
            values: key_values::count_under(tx, row.id)?,
        });
    }
    Ok(shown)
}

impl Authority {
    /// Puts values of a tenant that are under a retired data key under the one that seals now: a batch. Says how many, and
    /// that is 0 when none is left. It changes nothing that anybody may do or know, so it writes no evidence.
    pub fn reseal(&self, tenant: Id<id::Tenant>) -> Pending<Result<u64, Fault>> {
        let secrets = self.shared_secrets();
        self.store().write(WriteMode::Serializable, move |tx| {
            reseal_batch(tx, &secrets, tenant)
        })
    }

    /// Destroys the retired data keys of a tenant that nothing is under.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn destroy_unused(
        &self,
        ctx: &crate::Ctx,
        tenant: Id<id::Tenant>,
    ) -> Result<(), Rejection> {
        let retired = self.store().read(move |tx| {
            let rows = data_keys::of_tenant(tx, tenant)?;
            Ok::<_, StoreError>(rows.iter().any(|row| row.retired_at.is_some()))
        });
        if retired.await? {
            let permit = Permit::system(tenant, ctx.id());
            self.execute(ctx, &permit, DestroyUnused).await?;
        }
        Ok(())
    }
}

fn reseal_batch(tx: &mut Tx<'_>, secrets: &Secrets, tenant: Id<id::Tenant>) -> Result<u64, Fault> {
    let rows = data_keys::of_tenant(tx, tenant)?;
    let Some(to) = in_use(&rows) else {
        return Ok(0);
    };
    let (to, mut moved) = (Opened::of(secrets, to)?, 0);
    for row in rows.iter().filter(|row| row.retired_at.is_some()) {
        let values = key_values::under(tx, row.id, BATCH)?;
        if values.is_empty() {
            continue;
        }
        let from = Opened::of(secrets, row)?;
        for value in values {
            let opened = from.open(&value)?;
            let place = (value.tenant_id, value.key_id, value.version);
            let sealed = to.seal(place, opened.expose())?;
            moved += u64::from(key_values::reseal(tx, &value, to.id, &sealed)?);
        }
        break;
    }
    Ok(moved)
}

fn in_use(rows: &[DataKeyRow]) -> Option<&DataKeyRow> {
    rows.iter().find(|row| row.retired_at.is_none())
}

fn make(
    tx: &mut WriteTx<'_, '_>,
    secrets: &Secrets,
    verb: &str,
    reason: Option<String>,
) -> Result<Opened, Rejection> {
    let (id, tenant_id) = (tx.ctx().id(), tx.tenant_id());
    let wrapped = |key: &DataKey| key.wrap(&secrets.key_file, &bound(tenant_id, id));
    let key = DataKey::generate().map_err(|error| fault(id, &error))?;
    let row = DataKeyRow {
        id,
        tenant_id,
        wrapped: wrapped(&key).map_err(|error| fault(id, &error))?,
        created_at: tx.now(),
        retired_at: None,
    };
    data_keys::insert(tx.rows(), &row)?;
    record(tx, id, verb, reason)?;
    Ok(Opened { id, key })
}

fn record(
    tx: &mut WriteTx<'_, '_>,
    data_key_id: Id<id::DataKey>,
    verb: &str,
    reason: Option<String>,
) -> Result<(), Rejection> {
    let event = Event::DataKey(DataKeyEvent {
        verb: verb.to_owned(),
        data_key_id,
        reason,
    });
    let draft = tx
        .draft(event)
        .refs([refer(Role::Target, data_key_id, None)]);
    tx.evidence(draft).map(drop)
}

/// What a data key is bound to: it unwraps in its own row alone.
pub(crate) fn bound(tenant: Id<id::Tenant>, id: Id<id::DataKey>) -> Vec<u8> {
    format!("data_key|{tenant}|{id}").into_bytes()
}

/// INVARIANT: a sealed value that is moved to another tenant, key, version or data key opens nowhere.
fn value_bound(
    tenant: Id<id::Tenant>,
    key: Id<id::Key>,
    version: u32,
    data_key: Id<id::DataKey>,
) -> Vec<u8> {
    format!("key_value|{tenant}|{key}|{version}|{data_key}").into_bytes()
}

fn fault(id: Id<id::DataKey>, error: &WrapError) -> Fault {
    Fault::Keys(format!("data key {id} cannot be used: {error}"))
}
