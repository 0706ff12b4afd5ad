//! Discovery: one struct for both documents (RFC 8414, OpenID Connect Discovery 1.0), and the key set.

use axum::{
    Json as JsonAnswer,
    extract::State,
    response::{IntoResponse, Response},
};
use countersign_authority::{grants::GrantType, sessions::PersonalGrant, signing_keys::Tenant};
use countersign_crypto::dpop;
use http::{HeaderValue, header};
use serde::Serialize;

use crate::{
    app::App,
    config::ClientCertificates,
    http::{context::Context, problem::Failure},
};

/// What runs, and nothing else (RFC 8414 §2).
#[derive(Debug, Serialize)]
pub struct Metadata {
    issuer: String,
    token_endpoint: String,
    device_authorization_endpoint: String,
    jwks_uri: String,
    introspection_endpoint: String,
    revocation_endpoint: String,
    grant_types_supported: Vec<&'static str>,
    response_types_supported: [&'static str; 0],
    scopes_supported: [&'static str; 2],
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    token_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    introspection_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    tls_client_certificate_bound_access_tokens: bool,
    revocation_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    dpop_signing_alg_values_supported: &'static [&'static str],
    authorization_details_types_supported: [&'static str; 1],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
}

const METHODS: [&str; 3] = [
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
];
/// `none` is the command line: it has no secret, and what it presents is a person's.
const NONE: &str = "none";
const CERTIFICATES: [&str; 2] = ["self_signed_tls_client_auth", "tls_client_auth"];
const ALGORITHMS: &[&str] = &["ES256", "ES384", "RS256", "PS256", "EdDSA"];

impl Metadata {
    /// The metadata of a tenant.
    #[must_use]
    pub fn of(tenant: &Tenant, certificates: ClientCertificates) -> Self {
        let issuer = &tenant.issuer;
        let certificates = certificates != ClientCertificates::None;
        let shown = if certificates { &CERTIFICATES[..] } else { &[] };
        let methods: Vec<_> = METHODS.iter().chain(shown).copied().collect();
        let mut of_tokens = [methods.as_slice(), &[NONE]].concat();
        of_tokens.sort_unstable();
        Self {
            issuer: issuer.clone(),
            token_endpoint: format!("{issuer}/oauth2/token"),
            device_authorization_endpoint: format!("{issuer}/oauth2/device_authorization"),
            jwks_uri: format!("{issuer}/.well-known/jwks.json"),
            introspection_endpoint: format!("{issuer}/oauth2/introspect"),
            revocation_endpoint: format!("{issuer}/oauth2/revoke"),
            grant_types_supported: grant_types(),
            response_types_supported: [],
            scopes_supported: ["openid", "roles"],
            token_endpoint_auth_methods_supported: of_tokens,
            token_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
            introspection_endpoint_auth_methods_supported: methods.clone(),
            introspection_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
            revocation_endpoint_auth_methods_supported: methods,
            tls_client_certificate_bound_access_tokens: certificates,
            revocation_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
            dpop_signing_alg_values_supported: dpop::ALGORITHMS,
            authorization_details_types_supported: ["action"],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: ["ES256"],
        }
    }
}

/// Every grant type that the token endpoint takes.
pub(super) fn grant_types() -> Vec<&'static str> {
    let of_programs = GrantType::ALL.map(GrantType::as_str);
    let of_people = PersonalGrant::ALL.map(PersonalGrant::as_str);
    of_programs.into_iter().chain(of_people).collect()
}

/// `GET /.well-known/oauth-authorization-server` and `GET /.well-known/openid-configuration`.
pub async fn metadata(
    State(app): State<App>,
    Context(context): Context,
) -> Result<Response, Failure> {
    let tenant = app.tenant(&context)?;
    Ok(cached(
        JsonAnswer(Metadata::of(
            &tenant,
            app.config().server.client_certificates,
        ))
        .into_response(),
    ))
}

/// `GET /.well-known/jwks.json` (RFC 7517 §5): keys stand here before they sign.
pub async fn jwks(State(app): State<App>, Context(context): Context) -> Result<Response, Failure> {
    let tenant = app.tenant(&context)?;
    Ok(cached(JsonAnswer(tenant.jwks()).into_response()))
}

/// `GET /.well-known/oauth-protected-resource` (RFC 9728): our own API.
pub async fn protected_resource(
    State(app): State<App>,
    Context(context): Context,
) -> Result<Response, Failure> {
    let tenant = app.tenant(&context)?;
    let document = serde_json::json!({
        "resource": tenant.issuer,
        "authorization_servers": [tenant.issuer],
        "bearer_methods_supported": ["header"],
        "jwks_uri": format!("{}/.well-known/jwks.json", tenant.issuer),
        "dpop_signing_alg_values_supported": dpop::ALGORITHMS,
        "tls_client_certificate_bound_access_tokens":
            app.config().server.client_certificates != ClientCertificates::None,
    });
    Ok(cached(JsonAnswer(document).into_response()))
}

/// Five minutes: half of how long a new key is published before it signs.
fn cached(mut response: Response) -> Response {
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    response
}
