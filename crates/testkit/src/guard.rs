//! A resource server's guard on the test's clock.

use countersign_guard::Guard;

use crate::{ClientSecret, TestServer};

/// A guard for an audience; with a credential it follows revocations and reports results.
///
/// # Panics
/// When it cannot be made.
pub async fn guard(
    server: &TestServer,
    audience: &str,
    subject_prefix: &str,
    credential: Option<&ClientSecret>,
) -> Guard {
    let mut builder = Guard::builder()
        .issuer(server.issuer())
        .audience(audience)
        .subject_prefix(subject_prefix)
        .clock(server.clock().clone());
    if let Some(own) = credential {
        builder = builder.credential(own.client_id.clone(), own.client_secret.clone());
    }
    builder
        .build()
        .await
        .unwrap_or_else(|error| panic!("the guard cannot be made: {error}"))
}
