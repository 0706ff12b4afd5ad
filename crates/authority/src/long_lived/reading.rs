//! Reading: the service accounts that a person may see, with their tokens.

use countersign_model::{Id, Timestamp, chain::Chain, id, registry::Record};
use countersign_store::{StoreError, Tx, chains};

use super::chains::LOOKED_AT;
use crate::{
    command::Permit,
    registry::{
        PageQuery,
        identities::{self, IdentityFilter},
    },
    rejection::Rejection,
};

/// A service account with its chains, those that end last first.
#[derive(Debug, Clone)]
pub struct Held {
    /// The identity.
    pub identity: Record,
    /// Its chains.
    pub chains: Vec<Chain>,
}

/// Part of a list.
#[derive(Debug, Clone)]
pub struct ServiceAccounts {
    /// The service accounts.
    pub items: Vec<Held>,
    /// Where the next page begins, when there is more.
    pub next: Option<(String, Id<id::Record>)>,
}

/// A page of the service accounts that can have long-lived tokens.
///
/// # Errors
/// `forbidden` when it is no person who asks, or a fault.
pub fn service_accounts(
    tx: &mut Tx<'_>,
    permit: &Permit,
    query: &PageQuery,
) -> Result<ServiceAccounts, Rejection> {
    let filter = IdentityFilter {
        status: query.status,
        long_lived: true,
        ..IdentityFilter::default()
    };
    let page = identities::list(tx, permit, &filter, query)?;
    let mut items = Vec::with_capacity(page.items.len());
    for listed in page.items {
        items.push(Held {
            chains: chains::of_principal(tx, listed.record.id, LOOKED_AT)?,
            identity: listed.record,
        });
    }
    Ok(ServiceAccounts {
        items,
        next: page.next,
    })
}

/// The chains of an identity or user, those that end last first.
///
/// # Errors
/// When the database fails.
pub fn chains_of(tx: &mut Tx<'_>, holder: Id<id::Record>) -> Result<Vec<Chain>, StoreError> {
    chains::of_principal(tx, holder, LOOKED_AT)
}

impl Held {
    /// When the last of its live tokens dies.
    #[must_use]
    pub fn expires_at(&self, now: Timestamp) -> Option<Timestamp> {
        let live = self.chains.iter().flat_map(|chain| chain.live(now));
        live.map(|member| member.expires_at).max()
    }
}
