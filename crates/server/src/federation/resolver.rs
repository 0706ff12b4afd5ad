//! Names become addresses once, and every address is checked before it is connected to: what a name
//! says a moment later (rebinding) is not asked.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::{AddressPolicy, BlockedAddress};

/// Finds the addresses of a name.
pub trait Lookup: Send + Sync {
    /// All addresses of the name.
    fn lookup(&self, name: String)
    -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
}

/// The machine's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(
        &self,
        name: String,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((name, 0)).await?;
            Ok(addresses
                .map(|address| address.ip())
                .take(MAX_ADDRESSES)
                .collect())
        })
    }
}

/// A resolver that gives out only addresses that may be connected to.
pub(super) struct GuardedResolver {
    pub(super) policy: AddressPolicy,
    pub(super) lookup: Arc<dyn Lookup>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, looking) = (
            self.policy.clone(),
            self.lookup.lookup(name.as_str().to_owned()),
        );
        let is_local = is_local_name(name.as_str());
        Box::pin(async move {
            let addresses = looking.await?;
            if addresses.is_empty() {
                return Err(
                    io::Error::new(io::ErrorKind::NotFound, "the name has no address").into(),
                );
            }
            for address in &addresses {
                // One bad address is enough: a name that mixes them is up to something.
                policy.check(*address)?;
                if is_local && !address.to_canonical().is_loopback() {
                    let reason = "`localhost` is not loopback here";
                    return Err(BlockedAddress {
                        address: *address,
                        reason,
                    }
                    .into());
                }
            }
            let addresses = addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// Whether the name means this machine (RFC 6761 §6.3).
pub(super) fn is_local_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

/// As many as a large service has.
const MAX_ADDRESSES: usize = 32;
