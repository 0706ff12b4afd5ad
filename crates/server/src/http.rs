//! HTTP: extractors, error forms, the table of routes, and what surrounds every request.

pub mod access;
pub mod addressed;
pub mod api;
pub mod authorization;
pub mod body;
pub mod caller;
pub mod client_address;
pub mod context;
pub mod cursor;
mod decode;
pub mod etag;
pub mod form;
pub mod idempotency;
pub mod json;
pub mod limits;
pub mod metrics;
pub mod oauth;
pub mod oauth_error;
pub mod openapi;
pub mod path;
pub mod problem;
pub mod refused;
mod rejection;
pub mod router;
pub mod routes;
pub mod shell;
pub mod urlencoded;
