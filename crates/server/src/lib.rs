//! Where network and application meet: HTTP, jobs, publishing, notifications and configuration.
//!
//! Nothing here decides: a handler parses, gathers, calls the application, and answers. Start with
//! [`http::routes`] for what is served, `serve` for how it comes up and goes down, and `driver`
//! for how a decision gets its facts.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod admin;
pub mod app;
pub mod broker;
pub mod clock;
pub mod config;
mod driver;
pub mod federation;
pub mod fixture_issuer;
pub mod health;
pub mod http;
pub mod importers;
pub mod jobs;
pub mod key_file;
pub mod listener;
pub mod metrics;
pub mod notify;
pub mod serve;
pub mod sinks;
pub mod telemetry;
pub mod work;
