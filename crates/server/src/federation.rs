//! Fetching the keys of foreign issuers, and the guard that stands before every address that
//! somebody's configuration names.
//!
//! Whoever registers an issuer or a webhook chooses where this server connects to. So there is one
//! way out ([`Outbound`]): HTTPS, no redirects, no proxy, an address that was resolved once and
//! checked ([`AddressPolicy`]) before anything is sent to it, bounded in time and bytes (T23, T24).

mod address;
mod discovery;
mod fetcher;
mod outbound;
mod provider;
mod resolver;
#[cfg(test)]
mod tests;

pub use address::{AddressPolicy, BlockedAddress};
pub use fetcher::{KeyFetcher, KeyStatus, Stopwatch, Timing};
pub use outbound::{FetchError, Outbound};
pub use provider::{ClientProof, ProviderMetadata, Providers};
pub use resolver::{Lookup, SystemLookup};
