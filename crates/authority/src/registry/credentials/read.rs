//! Reading credentials: those of identities that the person may see. No secret is in them.

use countersign_model::registry::Noun;
use countersign_store::Tx;

use crate::{
    command::Permit,
    registry::{
        reading::{self, Page, PageQuery, Projects, Shown},
        rights,
    },
    rejection::Rejection,
};

/// A page of the credentials of one identity.
///
/// # Errors
/// `not_found` when the person may not see the identity, or a fault.
pub fn list(
    tx: &mut Tx<'_>,
    permit: &Permit,
    identity: &str,
    query: &PageQuery,
) -> Result<Page, Rejection> {
    let person = reading::reader(tx, permit)?;
    let identity = reading::visible_identity(tx, permit, &person, identity)?;
    reading::page(
        tx,
        permit,
        Noun::Credential,
        Some(identity.id),
        query,
        |_, _| Ok(true),
    )
}

/// One credential, by id or public id.
///
/// # Errors
/// `not_found`, also when the person may not see its identity, or a fault.
pub fn show(tx: &mut Tx<'_>, permit: &Permit, credential: &str) -> Result<Shown, Rejection> {
    let person = reading::reader(tx, permit)?;
    let record = reading::locate(tx, permit, Noun::Credential, credential)?;
    let identity = rights::doc(record.credential())?.identity_id;
    let identity = reading::locate(tx, permit, Noun::Identity, &identity.to_string())?;
    let doc = rights::doc(identity.identity())?;
    if !Projects::default().sees(tx, permit.tenant_id(), &person, doc)? {
        return Err(rights::not_found(Noun::Credential, credential));
    }
    reading::shown(tx, record)
}
