//! A whole server in a test: started in the process, on a fresh database of each engine, with a
//! clock that the test moves.
//!
//! ```no_run
//! # async fn test() {
//! use countersign_testkit::{TestServer, on_each_database};
//!
//! on_each_database(async |database| {
//!     let server = TestServer::start(&database).await;
//!     let owner = server.owner().await;
//!     owner.get("/api/sessions/current").await.done();
//!     server.stop().await;
//! })
//! .await;
//! # }
//! ```
//!
//! Everything here panics when something is not as the test says: that is the test's failure.

mod answer;
mod assertion;
mod authenticator;
mod build;
mod caller;
pub mod certificates;
mod clock;
mod database;
mod guard;
mod log_copy;
mod oauth;
mod rabbitmq;
mod server;
mod smtp;

use std::{
    future::Future,
    time::{Duration, Instant},
};

pub use answer::Answer;
pub use assertion::{assertion, client_claims, new_jti, proof};
pub use authenticator::Authenticator;
pub use build::{GITHUB_MATCH, Trust, github_match};
pub use caller::Caller;
pub use clock::MockClock;
pub use countersign_server::fixture_issuer::{Fault, FixtureIssuer, claims::Claims};
pub use countersign_store::testing::Session;
pub use database::{Database, databases, on_each_database, on_postgres};
pub use guard::guard;
pub use log_copy::LogCopy;
pub use oauth::{ClientSecret, RunForm, claims, token_header};
pub use rabbitmq::RabbitMq;
pub use server::TestServer;
pub use smtp::{Mail, MailRelay};

/// Asks again and again until there is an answer, and fails after ten seconds.
///
/// # Panics
/// When there is none in time.
#[track_caller]
pub fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    ask: impl FnMut() -> F,
) -> impl Future<Output = T> {
    within(Duration::from_secs(10), what, ask)
}

/// Asks again and again until there is an answer, at most so long.
///
/// # Panics
/// When there is none in time.
pub async fn within<T, F: Future<Output = Option<T>>>(
    limit: Duration,
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}

const POLL: Duration = Duration::from_millis(20);
