//! Reading any noun of the registry: one place that knows which reader each noun has, so that
//! whoever shows records of every kind cannot forget what a person may see.

use countersign_model::{
    reason::Reason,
    registry::{Noun, Record},
};
use countersign_store::Tx;

use super::{
    actions, audiences, credentials, environments, identities, issuers, keys, linked_accounts,
    observed, packs, policies, projects,
    reading::{self, Page, PageQuery, Shown},
    scopes, teams, tenants, users,
};
use crate::{
    command::Permit,
    rejection::{Rejection, refuse},
};

/// A page of a noun, in the order of names.
///
/// # Errors
/// `forbidden` when the caller may not read it, or a fault.
pub fn list(
    tx: &mut Tx<'_>,
    permit: &Permit,
    noun: Noun,
    query: &PageQuery,
) -> Result<Page, Rejection> {
    match noun {
        Noun::Action => actions::list(tx, permit, query),
        Noun::Audience => audiences::list(tx, permit, query),
        Noun::Credential => refuse(Reason::BadRequest, "credentials are listed by identity"),
        Noun::Environment => environments::list(tx, permit, query),
        Noun::Identity => {
            identities::list(tx, permit, &identities::IdentityFilter::default(), query)
        }
        Noun::Issuer => issuers::list(tx, permit, query),
        Noun::Key => keys::list(tx, permit, None, query),
        Noun::LinkedAccount => linked_accounts::list(tx, permit, query),
        Noun::ObservedAccount => observed::list(tx, permit, false, query),
        Noun::Pack => packs::list(tx, permit, query),
        Noun::Policy => policies::list(tx, permit, query),
        Noun::Project => projects::list(tx, permit, query),
        Noun::Scope => scopes::list(tx, permit, query),
        Noun::Team => teams::list(tx, permit, query),
        Noun::Tenant => refuse(
            Reason::BadRequest,
            "a caller has one tenant, which is shown and not listed",
        ),
        Noun::User => users::list(tx, permit, query),
    }
}

/// One record, by id or name.
///
/// # Errors
/// `not_found`, also when the caller may not see it, or a fault.
pub fn show(tx: &mut Tx<'_>, permit: &Permit, noun: Noun, text: &str) -> Result<Shown, Rejection> {
    match noun {
        Noun::Action => actions::show(tx, permit, text),
        Noun::Audience => audiences::show(tx, permit, text),
        Noun::Credential => credentials::show(tx, permit, text),
        Noun::Environment => environments::show(tx, permit, text),
        Noun::Identity => identities::show(tx, permit, text),
        Noun::Issuer => issuers::show(tx, permit, text),
        Noun::Key => keys::show(tx, permit, text),
        Noun::LinkedAccount => linked_accounts::show(tx, permit, text),
        Noun::ObservedAccount => observed::show(tx, permit, text),
        Noun::Pack => packs::show(tx, permit, text),
        Noun::Policy => policies::show(tx, permit, text),
        Noun::Project => projects::show(tx, permit, text),
        Noun::Scope => scopes::show(tx, permit, text),
        Noun::Team => teams::show(tx, permit, text),
        Noun::Tenant => tenants::show(tx, permit),
        Noun::User => users::show(tx, permit, text),
    }
}

/// A record that the caller just changed, with the names that its document needs.
///
/// # Errors
/// A fault.
pub fn after_change(tx: &mut Tx<'_>, record: &Record) -> Result<Shown, Rejection> {
    reading::shown(tx, record.clone())
}
