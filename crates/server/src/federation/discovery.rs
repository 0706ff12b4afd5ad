//! From an issuer to its key set: OIDC Discovery 1.0 §4, RFC 7517 §5.

use countersign_crypto::jose::{
    KeyPurpose, KeySet, MAX_KEY_SET_BYTES,
    strict_json::{self, Limits},
};
use countersign_model::registry::{IssuerDoc, IssuerProfile, KeySource};
use serde_json::{Map, Value};
use url::Url;

use super::outbound::{FetchError, Outbound, TOTAL_TIMEOUT};

/// Fetches the keys of an issuer, within the time of one document.
pub(super) async fn fetch(outbound: &Outbound, issuer: &IssuerDoc) -> Result<KeySet, FetchError> {
    if issuer.profile == IssuerProfile::Kubernetes {
        return Err(FetchError::Record(
            "the keys of a cluster are pinned, never fetched",
        ));
    }
    let fetching = async {
        let ca_bundle = issuer.ca_bundle.as_deref();
        let address = match &issuer.keys {
            KeySource::Inline(_) => return Err(FetchError::Record("it carries its keys itself")),
            KeySource::Uri(uri) => uri.clone(),
            KeySource::Discovery => discover(outbound, issuer).await?,
        };
        let url = parse(&address)?;
        let body = outbound.get(&url, ca_bundle, MAX_KEY_SET_BYTES).await?;
        // A set without keys is an answer too: all were withdrawn.
        KeySet::parse(&body, KeyPurpose::Foreign).map_err(|error| FetchError::Keys {
            url: address,
            reason: error.to_string(),
        })
    };
    match tokio::time::timeout(TOTAL_TIMEOUT, fetching).await {
        Ok(result) => result,
        Err(_) => Err(FetchError::Timeout {
            url: issuer.url.clone(),
        }),
    }
}

/// The address of the key set, from a document that names this very issuer.
async fn discover(outbound: &Outbound, issuer: &IssuerDoc) -> Result<String, FetchError> {
    let (address, document) = document(outbound, &issuer.url, issuer.ca_bundle.as_deref()).await?;
    let keys = document.get("jwks_uri").and_then(Value::as_str);
    keys.map(str::to_owned)
        .ok_or_else(|| FetchError::Discovery {
            url: address,
            reason: "it names no `jwks_uri`".to_owned(),
        })
}

/// The discovery document of this very issuer, and where it is.
pub(super) async fn document(
    outbound: &Outbound,
    issuer: &str,
    ca_bundle: Option<&str>,
) -> Result<(String, Map<String, Value>), FetchError> {
    // §4.1: a slash at the end goes before the path is appended.
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    let address = format!("{base}/.well-known/openid-configuration");
    let wrong = |reason: String| FetchError::Discovery {
        url: address.clone(),
        reason,
    };
    let body = outbound
        .get(&parse(&address)?, ca_bundle, LIMITS.bytes)
        .await?;
    let document = strict_json::object(&body, &LIMITS).map_err(|error| wrong(error.to_string()))?;
    // §4.3: byte for byte, or the document is somebody else's.
    match document.get("issuer").and_then(Value::as_str) {
        Some(named) if named == issuer => {}
        Some(named) => {
            let named: String = named
                .chars()
                .take(128)
                .flat_map(char::escape_debug)
                .collect();
            return Err(wrong(format!("it is of the issuer `{named}`")));
        }
        None => return Err(wrong("it names no `issuer`".to_owned())),
    }
    Ok((address, document))
}

fn parse(address: &str) -> Result<Url, FetchError> {
    let refused = |reason| FetchError::Url {
        url: address.chars().take(128).collect(),
        reason,
    };
    Url::parse(address).map_err(|_| refused("it is not an absolute URL"))
}

pub(super) const LIMITS: Limits = Limits {
    bytes: 256 * 1024,
    depth: 16,
    members: 1024,
};
