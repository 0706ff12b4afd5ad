//! Another key file takes the place of the one in use: everything that it wraps is wrapped anew, in one transaction.

use std::sync::Arc;

use countersign_crypto::key_wrap::{KeyFile, WrapError};
use countersign_model::evidence::{Event, KeyFileRotated};
use countersign_store::{
    Store, Tx, WriteMode, data_keys, evidence, key_file, records,
    signing_keys::{self as rows, SigningKey as KeyRow},
};

use crate::{
    authority::running,
    ctx::Ctx,
    data_keys::bound,
    evidence::seal::Draft,
    log,
    rejection::{Fault, Rejection, refuse},
    signing_keys,
};
use countersign_model::reason::Reason;

/// What became of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotated {
    /// Everything was under the new key file before: an earlier rotation came so far.
    Before,
    /// So many keys were wrapped anew.
    Now(usize),
}

/// Wraps everything with another key file. No server may run on the database meanwhile; where it is shared, one that was
/// heard of in the last seconds stops this. Blocks.
///
/// # Errors
/// A refusal when a server runs or this is another database's key file, or a fault; then nothing is changed.
pub fn rotate(
    store: &Store,
    ctx: &Ctx,
    from: Arc<KeyFile>,
    to: Arc<KeyFile>,
) -> Result<Rotated, Rejection> {
    let ctx = ctx.clone();
    let rewrap = move |tx: &mut Tx<'_>| rewrap(tx, &ctx, &from, &to);
    store.write(WriteMode::Serializable, rewrap).wait()
}

fn rewrap(tx: &mut Tx<'_>, ctx: &Ctx, from: &KeyFile, to: &KeyFile) -> Result<Rotated, Rejection> {
    let (old, new) = (from.id().to_string(), to.id().to_string());
    let Some(known) = key_file::find(tx)? else {
        return refuse(
            Reason::Unprocessable,
            "this database was never used: its first start makes a key file",
        );
    };
    if known.id == new {
        return Ok(Rotated::Before);
    }
    if known.id != old {
        let detail = format!(
            "the key file (id {old}) is not the one that this database was written with (id {})",
            known.id
        );
        return refuse(Reason::Unprocessable, detail);
    }
    if running(tx)? {
        return refuse(
            Reason::Conflict,
            "a server runs on this database: stop every one of them first",
        );
    }
    let mut wrapped = 0;
    for row in rows::all(tx)? {
        let again = again(from, to, &bound_of(&row), &row.wrapped, &row.kid)?;
        expect(rows::rewrap(tx, &row, &again)?)?;
        wrapped += 1;
    }
    for row in data_keys::all(tx)? {
        let name = format!("data key {}", row.id);
        let bound = bound(row.tenant_id, row.id);
        let again = again(from, to, &bound, &row.wrapped, &name)?;
        expect(data_keys::rewrap(tx, &row, &again)?)?;
        wrapped += 1;
    }
    let pepper = from
        .hand_on_pepper(known.pepper.as_deref(), to)
        .map_err(|error| fault("the pepper", &error))?;
    expect(key_file::replace(tx, &old, &new, &pepper)?)?;
    let event = Event::KeyFileRotated(KeyFileRotated { from: old, to: new });
    for tenant in records::tenants(tx)? {
        let record = Draft::new(ctx.id(), event.clone()).seal(ctx, tenant.tenant_id)?;
        evidence::insert(tx, &record.row)?;
    }
    Ok(Rotated::Now(wrapped))
}

/// What a row is bound to: the log's key belongs to no tenant.
fn bound_of(row: &KeyRow) -> Vec<u8> {
    if row.purpose == log::PURPOSE {
        log::additional_data(&row.kid)
    } else {
        signing_keys::additional_data(row.tenant_id, &row.kid)
    }
}

fn again(
    from: &KeyFile,
    to: &KeyFile,
    bound: &[u8],
    wrapped: &[u8],
    name: &str,
) -> Result<Vec<u8>, Fault> {
    let open = from
        .unwrap(bound, wrapped)
        .map_err(|error| fault(name, &error))?;
    to.wrap(bound, open.expose())
        .map_err(|error| fault(name, &error))
}

fn expect(written: bool) -> Result<(), Fault> {
    let detail = "a key changed in the transaction that read it";
    written
        .then_some(())
        .ok_or_else(|| Fault::Invariant(detail.to_owned()))
}

fn fault(name: &str, error: &WrapError) -> Fault {
    Fault::Keys(format!("{name} cannot be wrapped anew: {error}"))
}
