//! The values of keys, for what this server does with them itself: hand one to an execution, or check a signature.

use countersign_crypto::Secret;
use countersign_model::registry::{Noun, Record, Status};
use countersign_store::key_values;

use crate::{
    command::WriteTx,
    data_keys,
    rejection::{Fault, Rejection},
    secrets::Secrets,
};

/// The living key of this name, when it lives in the project.
pub(super) fn find(
    tx: &mut WriteTx<'_, '_>,
    project: &Record,
    name: &str,
) -> Result<Option<Record>, Rejection> {
    let found = tx.find(Noun::Key, name)?;
    Ok(found.filter(|key| key.status == Status::Active && key.parent_id == Some(project.id)))
}

/// A version of its value.
pub(super) fn open(
    tx: &mut WriteTx<'_, '_>,
    secrets: &Secrets,
    record: &Record,
    version: u32,
) -> Result<Secret<String>, Rejection> {
    let found = key_values::find(tx.peek(), record.id.cast(), version)?;
    let found = found.filter(|row| row.tenant_id == tx.tenant_id());
    let missing = || {
        Fault::Keys(format!(
            "version {version} of key {} is not there",
            record.id
        ))
    };
    let row = found.ok_or_else(missing)?;
    let opened = data_keys::open(tx.peek(), secrets, &row)?;
    match String::from_utf8(opened.expose().clone()) {
        Ok(text) => Ok(Secret::new(text)),
        // The error would have the bytes in it.
        Err(_) => Err(Fault::Keys(format!("the value of key {} is no text", record.id)).into()),
    }
}
