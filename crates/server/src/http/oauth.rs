//! The OAuth endpoints, one file each (RFC 6749, 7009, 7662, 8414).

pub mod client;
pub mod device_authorization;
mod first_key;
pub mod introspect;
pub mod metadata;
mod personal;
pub mod proof;
pub mod revoke;
pub mod token;
