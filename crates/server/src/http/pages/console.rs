//! The console: a page and its hashed files, built by `console/` into the program.

use std::borrow::Cow;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_crypto::random;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use rust_embed::Embed;

use super::{
    browser::{InBrowser, origin},
    layout::{OWN_REFERRER, Page, escape},
};
use crate::{
    app::App,
    http::{context::Context, problem::Failure},
};

/// What `npm run build` in `console/` left behind; nothing where it was not run. A program built for debugging reads the folder.
#[derive(Embed)]
#[folder = "$COUNTERSIGN_CONSOLE"]
#[allow_missing = true]
struct Built;

/// `GET /`.
pub async fn index(
    State(app): State<App>,
    Context(context): Context,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    if let Some(page) = Built::get("index.html") {
        let tenant = app.tenant(&context)?;
        return Ok(console(
            &String::from_utf8_lossy(&page.data),
            &tenant.issuer,
        ));
    }
    let (_, tenant, person) = InBrowser::find(&app, &context, &headers).await?;
    let base = escape(&tenant.issuer);
    let page = Page {
        base: &tenant.issuer,
        title: "The console was left out",
        person: person.as_ref(),
        body: format!(
            "<p>This program was built without the web console, which takes Node 20.19 or newer. Install the package <code>nodejs</code>, then build again: <code>make demo</code>, or <code>npm ci &amp;&amp; npm run build</code> in <code>console/</code> before <code>cargo build</code>.</p>
<p>The API and the command line work without it, and so does <a href=\"{base}/login\">signing in</a> to <a href=\"{base}/device\">confirm a command line</a>.</p>"
        ),
    };
    Ok(page.answer(StatusCode::OK))
}

/// The page, with a nonce of its own for the styles that its components write. It is never kept: a page that is shown again would
/// have the nonce of another answer.
fn console(page: &str, base: &str) -> Response {
    let nonce = URL_SAFE_NO_PAD.encode(random::bytes::<16>());
    // The path alone: the page may have been opened by another name of the same server.
    let base = escape(base.strip_prefix(origin(base)).unwrap_or_default());
    let page = page
        .replace(NONCE, &nonce)
        .replace("\"./assets/", &format!("\"{base}/assets/"));
    let mut response = page.into_response();
    let headers = response.headers_mut();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; worker-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::REFERRER_POLICY, OWN_REFERRER);
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
        (PERMISSIONS_POLICY, NO_DEVICES),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// `GET /assets/{file}`: a file that never changes under its name.
pub async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let path = format!("assets/{name}");
    let accepted = headers.get_all(header::ACCEPT_ENCODING);
    let accepts = |coding: &str| accepted.iter().any(|line| takes(line, coding));
    let packed = [("br", "br"), ("gzip", "gz")]
        .into_iter()
        .filter(|(coding, _)| accepts(coding))
        .find_map(|(coding, suffix)| {
            Built::get(&format!("{path}.{suffix}")).map(|file| (Some(coding), file))
        });
    let (Some(media_type), Some((coding, file))) = (
        media_type(&name),
        packed.or_else(|| Built::get(&path).map(|file| (None, file))),
    ) else {
        return Failure::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here")
            .into_response();
    };
    let mut response = match file.data {
        Cow::Borrowed(data) => data.into_response(),
        Cow::Owned(data) => data.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::VARY, "accept-encoding"),
        (header::CONTENT_SECURITY_POLICY, WORKER_POLICY),
        (RESOURCE_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    response
}

/// Whether a line of `Accept-Encoding` names a coding, and not with a weight of nothing (RFC 9110 §12.5.3).
fn takes(line: &HeaderValue, coding: &str) -> bool {
    let Ok(line) = line.to_str() else {
        return false;
    };
    line.split(',').any(|part| {
        let (name, weight) = part.split_once(';').unwrap_or((part, ""));
        let refused = weight
            .trim()
            .strip_prefix("q=")
            .is_some_and(|weight| weight.trim_matches(['0', '.']).is_empty());
        name.trim().eq_ignore_ascii_case(coding) && !refused
    })
}

/// What a file is, by its name; nothing else is served.
fn media_type(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    Some(match ending {
        "css" => "text/css; charset=utf-8",
        "ico" => "image/x-icon",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "woff2" => "font/woff2",
        _ => return None,
    })
}

/// What the build leaves in the page where a nonce belongs.
const NONCE: &str = "__CSP_NONCE__";
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const NO_DEVICES: &str = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=(), publickey-credentials-get=(self), publickey-credentials-create=(self)";
/// A worker runs under the policy of its own file.
const WORKER_POLICY: &str =
    "default-src 'none'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_a_nonce_of_its_own_and_nothing_inline_besides() {
        let page = "<style nonce=\"__CSP_NONCE__\"></style><script type=\"module\" src=\"./assets/a.js\"></script><meta content=\"__CSP_NONCE__\">";
        let nonce_of = |response: &Response| {
            let policy = response.headers()[header::CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap();
            assert!(
                policy.contains("script-src 'self';") && !policy.contains("unsafe"),
                "{policy}"
            );
            let (_, rest) = policy.split_once("'nonce-").unwrap();
            rest.split('\'').next().unwrap().to_owned()
        };
        let (one, two) = (
            console(page, "https://id.example/t/a"),
            console(page, "https://id.example"),
        );
        assert_ne!(nonce_of(&one), nonce_of(&two));
        assert_eq!(origin("https://id.example/t/a"), "https://id.example");
        assert_eq!(one.headers()[header::CACHE_CONTROL], "no-store");
    }

    #[test]
    fn a_coding_is_taken_only_where_it_is_accepted() {
        for (line, br) in [
            ("gzip, deflate, br, zstd", true),
            ("BR;q=0.5", true),
            ("br;q=0", false),
            ("br; q=0.000", false),
            ("gzip", false),
            ("", false),
            ("brotli", false),
        ] {
            assert_eq!(takes(&HeaderValue::from_static(line), "br"), br, "{line}");
        }
    }
}
