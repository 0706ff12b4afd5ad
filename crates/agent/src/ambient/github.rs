//! GitHub Actions: the job asks for its token, once for each use.

use countersign_crypto::Secret;

use super::{Ambient, AmbientError, Found, Platform, TIMEOUT, token_of};
use crate::Surroundings;

/// Where a job asks for its token.
pub(super) const URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";

/// What it asks with.
pub(super) const OPENS: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

pub(super) const HINT: &str = "give the job `permissions: id-token: write`";

pub(super) fn find(around: &Surroundings) -> Found {
    match (around.variable(URL), around.variable(OPENS)) {
        (Some(url), Some(token)) => Ok(Some(Ambient::Github {
            url: url.to_owned(),
            token: Secret::new(token.to_owned()),
        })),
        _ if around.variable("GITHUB_ACTIONS").is_some() => Err(AmbientError::NotGiven {
            platform: Platform::Github,
            hint: HINT,
        }),
        _ => Ok(None),
    }
}

pub(super) async fn request(
    url: &str,
    token: &Secret<String>,
    audience: &str,
) -> Result<Secret<String>, AmbientError> {
    let refused = |detail: String, transient| AmbientError::Refused {
        platform: Platform::Github,
        detail,
        transient,
    };
    // The address is of this job alone, so it is not shown.
    let failed = |error: reqwest::Error| {
        let transient = error.status().is_none_or(|status| status.is_server_error());
        refused(error.without_url().to_string(), transient)
    };
    let mut url: url::Url = url.parse().map_err(|_| {
        refused(
            "ACTIONS_ID_TOKEN_REQUEST_URL is not a URL".to_owned(),
            false,
        )
    })?;
    url.query_pairs_mut().append_pair("audience", audience);
    let http = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .build()
        .map_err(failed)?;
    let answer = http
        .get(url)
        .bearer_auth(token.expose())
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(failed)?;
    let answer: serde_json::Value = answer.json().await.map_err(failed)?;
    token_of(
        Platform::Github,
        answer["value"].as_str().unwrap_or_default(),
    )
}
