//! Stands before a resource server: verifies tokens, follows revocations, enforces, and reports.
//!
//! ```no_run
//! # async fn run(token: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use countersign_guard::{Guard, Outcome, Request};
//!
//! let guard = Guard::builder()
//!     .issuer("https://id.example.com")
//!     .audience("support-automation-api")
//!     .subject_prefix("bot://support/")
//!     .credential("support-api", "the client secret".to_owned())
//!     .build()
//!     .await?;
//!
//! let request = Request::parse("case.comment.write")?.on("case/42");
//! let authorized = guard.authorize(token, request).await?;
//! // ... the work ...
//! authorized.report(Outcome::Done, None);
//! # Ok(())
//! # }
//! ```
//!
//! A token is accepted when it is the issuer's and for this audience, nothing that it rests on was
//! revoked, and it allows exactly what is about to be done. The rules are the server's own:
//! `countersign_crypto::access_token` verifies and `countersign_model::enforce` decides.
//!
//! With a credential the guard follows the issuer's revocation feed. When what it knows is older
//! than a stated age, it refuses rather than to guess. Without a credential it only verifies:
//! [`Guard::mode`] says which of the two it does.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod action_classes;
mod authorized;
mod bot;
mod builder;
mod challenge;
pub mod clock;
mod error;
mod feed;
mod guard;
mod issuer;
mod issuer_error;
mod keys;
mod layer;
mod presented;
mod proofs;
mod request;
mod results;
mod revocations;
mod tasks;
mod verifier;

pub use authorized::Authorized;
pub use bot::assert_bot_can;
pub use builder::{BuildError, GuardBuilder};
pub use challenge::bearer_token;
pub use clock::{Clock, ManualClock, SystemClock};
pub use error::GuardError;
pub use guard::{Guard, Mode, Stats};
pub use issuer_error::IssuerError;
pub use layer::{Describe, GuardLayer, GuardService};
pub use presented::{PeerCertificate, Presented};
pub use request::{InvalidRequest, Request};
pub use results::Unreported;

pub use countersign_api::revocations::FeedEntry;
pub use countersign_crypto::Secret;
pub use countersign_model::{
    Timestamp,
    evidence::Outcome,
    name::{ActionName, EnvironmentName},
    token::{AccessClaims, ArtifactDigest},
};
