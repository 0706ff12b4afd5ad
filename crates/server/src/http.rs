//! HTTP: extractors, error forms, the table of routes, and what surrounds every request.

pub mod authorization;
pub mod body;
pub mod client_address;
pub mod context;
pub mod cursor;
mod decode;
pub mod etag;
pub mod form;
pub mod idempotency;
pub mod json;
pub mod limits;
pub mod oauth_error;
pub mod path;
pub mod problem;
pub mod router;
pub mod shell;
pub mod urlencoded;
