//! Which issuer a server is: what a run identity must be made for.

use thiserror::Error;

use crate::ambient::TIMEOUT;

/// The server does not say which issuer it is.
#[derive(Debug, Error)]
#[error("cannot read {url}: {detail}")]
pub struct IssuerError {
    /// Where it was looked for.
    pub url: String,
    /// What happened.
    pub detail: String,
    /// Whether trying again may help.
    pub transient: bool,
}

/// The issuer of the server at this base URL (RFC 8414 §3).
///
/// # Errors
/// When it cannot be reached, or its metadata name none.
pub async fn issuer_of(base: &str) -> Result<String, IssuerError> {
    let url = format!(
        "{}/.well-known/oauth-authorization-server",
        base.trim_end_matches('/')
    );
    let failed = |error: reqwest::Error| IssuerError {
        url: url.clone(),
        transient: error.status().is_none_or(|status| status.is_server_error())
            && !error.is_decode(),
        detail: cause(&error),
    };
    let http = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .build()
        .map_err(failed)?;
    let metadata: serde_json::Value = http
        .get(&url)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(failed)?
        .json()
        .await
        .map_err(failed)?;
    match metadata["issuer"].as_str() {
        Some(issuer) => Ok(issuer.to_owned()),
        None => Err(IssuerError {
            url,
            detail: "it names no issuer".to_owned(),
            transient: false,
        }),
    }
}

/// The innermost cause: the outer layers only repeat the address.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
