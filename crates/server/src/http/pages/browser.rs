//! Who is at a browser: a session in a cookie, and requests that come from our own pages alone (T27).

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use countersign_authority::{Ctx, passkeys::Browser, signing_keys::Tenant};
use countersign_crypto::digest::equal;
use countersign_model::{
    passkey::ASKED_FOR,
    reason::{Reason, Refusal},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::layout::escape;
use crate::{
    app::App,
    http::{context::Context, problem::Failure},
};

/// A person at a browser.
#[derive(Clone)]
pub struct InBrowser {
    /// Time and origin.
    pub ctx: Ctx,
    /// The tenant that was addressed.
    pub tenant: Arc<Tenant>,
    /// Who it is.
    pub browser: Browser,
    /// What every form of this session sends back.
    token: String,
}

impl InBrowser {
    /// The person of a request, if one is signed in.
    ///
    /// # Errors
    /// When the tenant is not there, or a fault.
    pub async fn find(
        app: &App,
        context: &crate::http::context::RequestContext,
        headers: &HeaderMap,
    ) -> Result<(Ctx, Arc<Tenant>, Option<Self>), Failure> {
        let (ctx, tenant) = (app.ctx(context), app.tenant(context)?);
        let finding = cookie(headers, name(&tenant))
            .and_then(|value| app.authority().browser(&ctx, tenant.id, &value));
        let found = match finding {
            Some(finding) => finding.await?,
            None => None,
        };
        let Some(browser) = found else {
            return Ok((ctx, tenant, None));
        };
        if let Some(seen) = app.authority().browser_seen(&ctx, &browser)
            && let Err(error) = seen.await
        {
            tracing::warn!(error = %error, "when a session was used is not written: {error}");
        }
        let token = app
            .authority()
            .secrets()
            .codes
            .tag(format!("form:{}", browser.session.id).as_bytes());
        let person = Self {
            ctx: ctx.clone(),
            tenant: Arc::clone(&tenant),
            browser,
            token: hex::encode(token),
        };
        Ok((ctx, tenant, Some(person)))
    }

    /// The field of every form that says which session it is of.
    #[must_use]
    pub fn hidden(&self) -> String {
        format!(
            "<input type=\"hidden\" name=\"token\" value=\"{}\">",
            escape(&self.token)
        )
    }

    /// What every form and every request of this session that changes something sends back.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Refuses a form that is not of this session's own pages.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn sent(&self, token: &str) -> Result<(), Failure> {
        Ok(self.own(token)?)
    }

    /// Refuses a request to the API that no page of ours made in this session (T27). What changes something comes from our
    /// origin and names the session; what only reads is not asked by a page of another site or of another port.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn may_ask(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
        if method.is_safe() {
            let from = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
            return match from {
                None | Some(b"same-origin" | b"none") => Ok(()),
                Some(_) => Err(Refusal::new(Reason::Forbidden, FOREIGN)),
            };
        }
        let mut tokens = headers.get_all(CSRF_TOKEN).iter();
        match (
            tokens.next().and_then(|token| token.to_str().ok()),
            tokens.next(),
        ) {
            (Some(token), None) if is_same_origin(headers, &self.tenant) => self.own(token),
            _ => Err(Refusal::new(Reason::Forbidden, FOREIGN)),
        }
    }

    fn own(&self, token: &str) -> Result<(), Refusal> {
        if equal(self.token.as_bytes(), token.as_bytes()) {
            return Ok(());
        }
        Err(Refusal::new(Reason::Forbidden, FOREIGN))
    }
}

/// Whether a request has a cookie that could be a session's. Nothing is looked up for it.
#[must_use]
pub fn has_cookie(headers: &HeaderMap) -> bool {
    [SECURE_NAME, PLAIN_NAME]
        .iter()
        .any(|name| cookie(headers, name).is_some())
}

/// Whether a page of ours made a request: by `Origin`, or where there is none by `Sec-Fetch-Site`.
fn is_same_origin(headers: &HeaderMap, tenant: &Tenant) -> bool {
    match headers.get(header::ORIGIN) {
        Some(from) => from.as_bytes() == origin(&tenant.issuer).as_bytes(),
        None => headers
            .get(SEC_FETCH_SITE)
            .is_some_and(|site| site.as_bytes() == b"same-origin"),
    }
}

/// The request comes from a page of ours: by `Origin`, or where there is none by `Sec-Fetch-Site`.
pub struct SameOrigin;

impl<S> FromRequestParts<S> for SameOrigin
where
    S: Send + Sync,
    App: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let app = App::from_ref(state);
        let Context(context) = Context::from_request_parts(parts, state).await?;
        let tenant = app.tenant(&context)?;
        if is_same_origin(&parts.headers, &tenant) {
            return Ok(Self);
        }
        let refusal = Refusal::new(Reason::Forbidden, FOREIGN);
        let ctx = app.ctx(&context);
        app.authority()
            .note_refusal(&ctx, tenant.id, "page", None, &refusal);
        Err(refusal.into())
    }
}

/// The origin of an address: scheme, host and port.
pub(super) fn origin(issuer: &str) -> &str {
    let after = issuer.find("://").map_or(0, |at| at + 3);
    let rest = issuer.get(after..).unwrap_or_default();
    let end = rest.find('/').map_or(issuer.len(), |at| after + at);
    issuer.get(..end).unwrap_or(issuer)
}

/// The cookie's name. `__Host-` binds it to this host, the whole of it, and https; on a machine's own http, where browsers take
/// no such name, it has none.
fn name(tenant: &Tenant) -> &'static str {
    if tenant.issuer.starts_with("https://") {
        SECURE_NAME
    } else {
        PLAIN_NAME
    }
}

/// The header that gives the cookie to the browser, or takes it away.
#[must_use]
pub fn set_cookie(tenant: &Tenant, value: Option<&str>) -> Option<HeaderValue> {
    let secure = if tenant.issuer.starts_with("https://") {
        "; Secure"
    } else {
        ""
    };
    let age = match value {
        // Until the browser is closed; the server ends it earlier.
        Some(_) => "",
        None => "; Max-Age=0",
    };
    let text = format!(
        "{}={}; Path=/; HttpOnly; SameSite=Strict{secure}{age}",
        name(tenant),
        value.unwrap_or_default()
    );
    HeaderValue::from_str(&text).ok()
}

/// The header that gives a browser on its way to the provider what it brings back, or takes that away. `Lax`, because it is another
/// site that sends it back; and it is no session.
#[must_use]
pub(super) fn set_way(tenant: &Tenant, value: Option<&str>) -> Option<HeaderValue> {
    let (name, secure) = if tenant.issuer.starts_with("https://") {
        (SECURE_WAY, "; Secure")
    } else {
        (PLAIN_WAY, "")
    };
    let age = value.map_or(0, |_| ASKED_FOR.0);
    let text = format!(
        "{name}={}; Path=/; HttpOnly; SameSite=Lax{secure}; Max-Age={age}",
        value.unwrap_or_default()
    );
    HeaderValue::from_str(&text).ok()
}

/// What a browser brings back from the provider.
pub(super) fn way(headers: &HeaderMap, tenant: &Tenant) -> Option<String> {
    let secure = tenant.issuer.starts_with("https://");
    cookie(headers, if secure { SECURE_WAY } else { PLAIN_WAY })
}

/// The only cookie of this name; none when there are two, because one of them is somebody else's doing.
fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut found = None;
    for header in headers.get_all(header::COOKIE) {
        for pair in header.to_str().ok()?.split(';') {
            let Some((key, value)) = pair.trim().split_once('=') else {
                continue;
            };
            if key == name && found.replace(value.to_owned()).is_some() {
                return None;
            }
        }
    }
    found
}

/// The header in which a request to the API names its session.
const CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SECURE_NAME: &str = "__Host-countersign";
const PLAIN_NAME: &str = "countersign";
const SECURE_WAY: &str = "__Host-countersign-way";
const PLAIN_WAY: &str = "countersign-way";
const FOREIGN: &str = "this did not come from a page of this server: open the page and try again";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (issuer, expected) in [
            ("https://id.example.com", "https://id.example.com"),
            ("https://id.example.com/t/acme", "https://id.example.com"),
            ("http://localhost:8400/x", "http://localhost:8400"),
        ] {
            assert_eq!(origin(issuer), expected);
        }
    }

    #[test]
    fn t27_of_two_cookies_of_one_name_none_counts() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::COOKIE, value.parse().unwrap());
            }
            cookie(&headers, "countersign")
        };
        assert_eq!(of(&["a=b; countersign=x; c=d"]), Some("x".to_owned()));
        assert_eq!(of(&["xcountersign=x"]), None);
        assert_eq!(of(&["countersign=x; countersign=y"]), None);
        assert_eq!(of(&["countersign=x", "countersign=y"]), None);
    }
}
