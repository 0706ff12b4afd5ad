//! Token types: the `typ` header that keeps one kind of token from passing for another
//! (RFC 8725 §3.11).

/// An access token (RFC 9068 §2.1).
pub const ACCESS_TOKEN: &str = "at+jwt";
/// The grant of a run identity (rfc7523bis).
pub const AUTHORIZATION_GRANT: &str = "authorization-grant+jwt";
/// `private_key_jwt` (rfc7523bis).
pub const CLIENT_AUTHENTICATION: &str = "client-authentication+jwt";
/// A proof that its sender holds a key (RFC 9449 §4.2).
pub const DPOP: &str = "dpop+jwt";
/// A signed introspection answer (RFC 9701 §5).
pub const INTROSPECTION: &str = "token-introspection+jwt";
/// A JWT that says nothing about its type (RFC 7519 §5.1), as most CI issuers send it.
pub const JWT: &str = "JWT";
/// A logout token (OpenID Connect Back-Channel Logout 1.0 §2.4).
pub const LOGOUT: &str = "logout+jwt";
/// A security event (RFC 8417 §2.3).
pub const SECURITY_EVENT: &str = "secevent+jwt";

/// Whether two types are the same: media types are compared without case, and `application/` may
/// be left out (RFC 7515 §4.1.9).
#[must_use]
pub fn same(left: &str, right: &str) -> bool {
    bare(left).eq_ignore_ascii_case(bare(right))
}

fn bare(typ: &str) -> &str {
    match typ.split_at_checked(APPLICATION.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(APPLICATION) => rest,
        _ => typ,
    }
}

const APPLICATION: &str = "application/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_compared_as_media_types() {
        assert!(same("at+jwt", "application/AT+JWT"));
        assert!(!same("at+jwt", "JWT"));
        assert!(!same("at+jwt", "text/at+jwt"));
    }
}
