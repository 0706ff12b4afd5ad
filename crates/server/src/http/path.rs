//! Paths have one spelling (T31): what would have to be normalised is refused, never repaired, so that
//! no proxy and no part of this server can read one request in two ways.

use countersign_model::name::TenantName;

use crate::http::{decode::hex_digit, limits::PATH_BYTES};

/// Whether the path is in its one spelling: no empty segment, no dot segment, no escape of a
/// character that needs none, no escaped separator or control character.
#[must_use]
pub fn is_canonical(path: &str) -> bool {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') || bytes.len() > PATH_BYTES {
        return false;
    }
    let plain = bytes
        .windows(2)
        .all(|pair| !matches!(pair, [b'/', b'/' | b'.']));
    let simple = bytes.iter().all(|b| is_plain(*b));
    plain && (simple || escapes_are_canonical(bytes)) || dotted_well_known(path)
}

/// Segments that begin with a dot are dot segments or hidden files, but for this one (RFC 8615): at
/// the root, or after the path of an issuer.
fn dotted_well_known(path: &str) -> bool {
    let parts = path.split_once(WELL_KNOWN);
    parts.is_some_and(|(issuer, rest)| {
        (issuer.is_empty() || is_canonical(issuer)) && is_canonical(&format!("/{rest}"))
    })
}

/// The characters of our own paths.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~')
}

/// Characters that RFC 3986 §3.3 allows in a segment, and escapes of those that it does not.
fn escapes_are_canonical(path: &[u8]) -> bool {
    let mut rest = path.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = (
                    rest.next().copied().and_then(hex_digit),
                    rest.next().copied().and_then(hex_digit),
                );
                let (Some(high), Some(low)) = digits else {
                    return false;
                };
                let escaped = high << 4 | low;
                if is_plain(escaped)
                    || is_segment(escaped) && escaped != b':'
                    || escaped < 0x20
                    || escaped == 0x7f
                    || escaped == b'\\'
                {
                    return false;
                }
            }
            plain if is_plain(*plain) || is_segment(*plain) => {}
            _ => return false,
        }
    }
    true
}

/// `sub-delims`, `:` and `@`. A colon may be escaped: clients disagree on it.
const fn is_segment(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@'
    )
}

/// Whose issuer a path belongs to, and the path within it.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    /// A further tenant; `None` is the first one.
    pub tenant: Option<TenantName>,
    /// The path as the table of routes has it; `None` when it is the whole path.
    pub path: Option<String>,
}

/// Splits a path into tenant and route.
///
/// The first tenant's issuer may have a path of its own, `base`; a further one's is `base/t/NAME`.
/// Its endpoints lie below it; its metadata are found by inserting `/.well-known/..` before it
/// (RFC 8414 §3.1), or after it (OpenID Connect Discovery §4).
///
/// The path of an alias becomes that which it stands for, before anything looks at it.
#[must_use]
pub fn place(base: &str, path: &str) -> Option<Place> {
    let mut place = split(base, path)?;
    let route = place.path.as_deref().unwrap_or(path);
    if let Some((_, real)) = ALIASES.iter().find(|(alias, _)| *alias == route) {
        place.path = Some((*real).to_owned());
    }
    Some(place)
}

fn split(base: &str, path: &str) -> Option<Place> {
    if base.is_empty() && !path.contains("/t/") {
        return Some(Place {
            tenant: None,
            path: None,
        });
    }
    if let Some((document, issuer)) = inserted(path) {
        let rest = issuer.strip_prefix(base)?;
        if rest.is_empty() {
            return Some(Place {
                tenant: None,
                path: Some(document.to_owned()),
            });
        }
        let tenant = rest.strip_prefix(TENANTS)?.parse().ok()?;
        return Some(Place {
            tenant: Some(tenant),
            path: Some(document.to_owned()),
        });
    }
    let below = path.strip_prefix(base)?;
    let Some(rest) = below.strip_prefix(TENANTS) else {
        let path = (!base.is_empty()).then(|| below.to_owned());
        return (below.starts_with('/') || below.is_empty())
            .then_some(Place { tenant: None, path });
    };
    let (name, route) = match rest.split_once('/') {
        Some((name, route)) => (name, format!("/{route}")),
        None => (rest, "/".to_owned()),
    };
    Some(Place {
        tenant: Some(name.parse().ok()?),
        path: Some(route),
    })
}

/// A metadata document and the issuer's path that was inserted after it.
fn inserted(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(WELL_KNOWN)?;
    let end = rest.find('/')?;
    path.split_at_checked(WELL_KNOWN.len() + end)
}

/// Paths of clients that were written for another issuer, and what they are here.
pub(super) const ALIASES: [(&str, &str); 1] = [("/passport/token", "/oauth2/token")];

const TENANTS: &str = "/t/";
const WELL_KNOWN: &str = "/.well-known/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_paths_pass() {
        for path in [
            "/",
            "/oauth2/token",
            "/.well-known/oauth-authorization-server",
            "/.well-known/oauth-protected-resource/api",
            "/t/acme/.well-known/jwks.json",
            "/api/identities/sensor:core.timer",
            "/api/identities/sensor%3Acore.timer",
            "/api/audiences/a%20b",
            "/api/users/dana@example.com",
            "/log/tile/0/x001/234.p/12",
        ] {
            assert!(is_canonical(path), "{path}");
        }
    }

    #[test]
    fn t31_what_would_need_normalising_is_refused() {
        for path in [
            "",
            "api",
            "//api",
            "/api//identities",
            "/api/",
            "/api/./identities",
            "/api/../admin",
            "/api/..",
            "/api/.hidden",
            "/..",
            "/api/%2e%2e/admin",
            "/api/%2E./admin",
            "/api%2fidentities",
            "/api%2Fidentities",
            "/api%5cidentities",
            "/api\\identities",
            "/api/a%00b",
            "/api/a%0ab",
            "/api/a%0D%0Ab",
            "/api/a%7fb",
            "/api/%61dmin",
            "/api/%41dmin",
            "/api/a%2",
            "/api/a%zz",
            "/api/a%",
            "/api/a%252f",
            "/api/a b",
            "/api/a\u{e4}",
            "/.well-known//x",
            "/.well-known/../x",
            "/.well-known/.x",
            "/api/%2Bx",
        ] {
            let expected = path == "/api/" || path == "/api/a%252f";
            assert_eq!(is_canonical(path), expected, "{path}");
        }
        assert!(!is_canonical(&format!("/{}", "a".repeat(PATH_BYTES))));
    }

    fn parts(base: &str, path: &str) -> Option<(Option<String>, Option<String>)> {
        place(base, path).map(|place| (place.tenant.map(String::from), place.path))
    }

    fn some(tenant: Option<&str>, path: Option<&str>) -> Option<(Option<String>, Option<String>)> {
        Some((tenant.map(str::to_owned), path.map(str::to_owned)))
    }

    #[test]
    fn an_alias_is_what_it_stands_for_in_every_tenant() {
        let token = Some("/oauth2/token");
        assert_eq!(parts("", "/passport/token"), some(None, token));
        assert_eq!(parts("/id", "/id/passport/token"), some(None, token));
        assert_eq!(
            parts("", "/t/acme/passport/token"),
            some(Some("acme"), token)
        );
        assert_eq!(parts("", "/passport/token/"), some(None, None));
    }

    #[test]
    fn a_tenant_is_an_issuer_of_its_own() {
        assert_eq!(parts("", "/oauth2/token"), some(None, None));
        assert_eq!(
            parts("", "/t/acme/oauth2/token"),
            some(Some("acme"), Some("/oauth2/token"))
        );
        assert_eq!(parts("", "/t/acme"), some(Some("acme"), Some("/")));
        assert_eq!(
            parts("", "/.well-known/oauth-authorization-server/t/acme"),
            some(
                Some("acme"),
                Some("/.well-known/oauth-authorization-server")
            )
        );
        assert_eq!(
            parts("", "/t/acme/.well-known/openid-configuration"),
            some(Some("acme"), Some("/.well-known/openid-configuration"))
        );
        for bad in [
            "/t/",
            "/t//oauth2/token",
            "/t/ACME/oauth2/token",
            "/t/a.b/x",
            "/.well-known/jwks.json/t/UP",
        ] {
            assert_eq!(parts("", bad), None, "{bad}");
        }
        assert_eq!(parts("", "/api/t/x"), some(None, None));
    }

    #[test]
    fn an_issuer_may_have_a_path() {
        assert_eq!(
            parts("/id", "/id/oauth2/token"),
            some(None, Some("/oauth2/token"))
        );
        assert_eq!(
            parts("/id", "/id/t/acme/oauth2/token"),
            some(Some("acme"), Some("/oauth2/token"))
        );
        assert_eq!(
            parts("/id", "/.well-known/openid-configuration/id"),
            some(None, Some("/.well-known/openid-configuration"))
        );
        assert_eq!(
            parts("/id", "/.well-known/openid-configuration/id/t/acme"),
            some(Some("acme"), Some("/.well-known/openid-configuration"))
        );
        for outside in [
            "/oauth2/token",
            "/identity/oauth2/token",
            "/.well-known/openid-configuration/other",
        ] {
            assert_eq!(parts("/id", outside), None, "{outside}");
        }
    }
}
