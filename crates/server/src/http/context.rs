//! What is known of a request before its handler runs.

use std::{
    fmt::Write as _,
    net::IpAddr,
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{extract::FromRequestParts, http::request::Parts};
use countersign_crypto::{certificate::ClientCertificate, random};
use countersign_model::name::TenantName;
use http::HeaderName;

use crate::{
    http::{problem::Failure, refused::Admitted},
    telemetry::trace_context::TraceContext,
};

/// What is known of a request before its handler runs.
#[derive(Debug)]
pub struct RequestContext {
    /// Its id: the caller's `X-Request-ID` when that is a plain word, else ours.
    pub id: String,
    /// The caller's trace, when it is in one.
    pub trace: Option<TraceContext>,
    /// Where it comes from, by the rule for trusted proxies.
    pub address: IpAddr,
    /// Whether the caller's own connection is encrypted.
    pub encrypted: bool,
    /// The certificate that the caller's own connection was made with.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// The tenant whose issuer was addressed; `None` is the first one.
    pub tenant: Option<TenantName>,
    /// When it arrived, for durations.
    pub arrived: Instant,
    /// Who proved to be calling: set once, by what checked it.
    pub admitted: OnceLock<Admitted>,
}

impl RequestContext {
    /// The id for a request: the caller's when it can do no harm in a log or header.
    #[must_use]
    pub fn id_of(headers: &http::HeaderMap) -> String {
        let given = headers
            .get(&REQUEST_ID)
            .and_then(|value| value.to_str().ok());
        let harmless = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/+=@".contains(&b);
        match given {
            Some(id) if (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(harmless) => {
                id.to_owned()
            }
            _ => new_id(),
        }
    }
}

/// The context, as an argument of a handler.
#[derive(Debug, Clone)]
pub struct Context(pub Arc<RequestContext>);

impl<S: Send + Sync> FromRequestParts<S> for Context {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        // INVARIANT: the shell around the router puts it there, whatever the route.
        let context = parts.extensions.get::<Arc<RequestContext>>();
        context.map(Arc::clone).map(Self).ok_or_else(|| {
            tracing::error!("a request came past the shell around the router");
            Failure::internal()
        })
    }
}

/// Unique in the installation with all that is likely: random per process, counted within it.
fn new_id() -> String {
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut id = String::with_capacity(ID_LENGTH);
    id.push_str(&PROCESS);
    // Writing to a string does not fail.
    let _ = write!(id, "{count:010x}");
    id
}

/// The header of request ids.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

static PROCESS: LazyLock<String> =
    LazyLock::new(|| format!("{:016x}", u64::from_be_bytes(random::bytes())));
static COUNT: AtomicU64 = AtomicU64::new(0);

/// Sixteen digits of the process and ten of the count.
const ID_LENGTH: usize = 26;

const LONGEST_ID: usize = 128;

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn id_of(given: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, given.parse().unwrap());
        RequestContext::id_of(&headers)
    }

    #[test]
    fn a_plain_id_is_kept_and_others_are_replaced() {
        assert_eq!(
            id_of("bfe9eb29-ab87-4ca3-be83-a1d5d8305716"),
            "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"
        );
        for evil in ["", "a b", "a\"b", "a<b", &"a".repeat(LONGEST_ID + 1)] {
            assert_ne!(id_of(evil), evil);
        }
        assert_ne!(new_id(), new_id());
    }
}
