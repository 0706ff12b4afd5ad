//! The fixture issuer as a company's OpenID Provider: whoever it is told to be signed in is, and codes count once, with PKCE.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use countersign_crypto::{
    digest::sha256,
    jose::{sign, typ},
    random,
};
use countersign_model::Timestamp;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::{lock, routes::Shared};

/// Who is signed in there, and what was asked.
#[derive(Default)]
pub(super) struct Signing {
    person: Option<(Timestamp, Map<String, Value>)>,
    secret: Option<String>,
    codes: HashMap<String, Asked>,
    redeemed: Vec<Form>,
    pub(super) endpoints: HashMap<String, String>,
}

/// The parameters of a request.
pub type Form = Vec<(String, String)>;

/// What a code was asked for with.
struct Asked {
    client_id: String,
    redirect_uri: String,
    nonce: String,
    challenge: String,
}

impl super::FixtureIssuer {
    /// From now on this person is signed in there, at this time: claims of theirs take the place of the usual ones, and null
    /// leaves one out.
    pub fn sign_in_as(&self, at: Timestamp, claims: &Value) {
        let claims = claims.as_object().cloned().unwrap_or_default();
        lock(&self.shared.provider).person = Some((at, claims));
    }

    /// From now on a client proves itself with this secret.
    pub fn set_client_secret(&self, secret: &str) {
        lock(&self.shared.provider).secret = Some(secret.to_owned());
    }

    /// Names this endpoint in the discovery document from now on; its own when empty.
    pub fn set_endpoint(&self, name: &str, at: &str) {
        let mut state = lock(&self.shared.provider);
        state.endpoints.insert(name.to_owned(), at.to_owned());
    }

    /// The forms with which codes were redeemed, or tried to be.
    #[must_use]
    pub fn redeemed(&self) -> Vec<Form> {
        lock(&self.shared.provider).redeemed.clone()
    }

    /// A logout token of these claims: the usual ones where it has none (OIDC Back-Channel Logout 1.0 §2.4).
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn logout_token(
        &self,
        at: Timestamp,
        client_id: &str,
        claims: &Value,
    ) -> Result<String, super::FixtureError> {
        let at = at.seconds();
        let usual = json!({
            "iss": self.url, "aud": client_id, "iat": at, "exp": at + 120,
            "jti": hex::encode(random::bytes::<8>()),
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        signed(&self.shared, typ::LOGOUT, merged(usual, claims.as_object()))
    }
}

/// `GET /authorize`: whoever is signed in agrees.
pub(super) async fn authorize(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Response {
    let form = parse(query.unwrap_or_default().as_bytes());
    let get = |name: &str| field(&form, name).unwrap_or_default().to_owned();
    let sound = get("response_type") == "code"
        && get("code_challenge_method") == "S256"
        && get("scope").split(' ').any(|scope| scope == "openid")
        && get("max_age").parse::<u32>().is_ok();
    if !sound || get("redirect_uri").is_empty() {
        return (StatusCode::BAD_REQUEST, "the request is not one").into_response();
    }
    let mut state = lock(&shared.provider);
    let answer = if state.person.is_some() {
        let code = hex::encode(random::bytes::<16>());
        let asked = Asked {
            client_id: get("client_id"),
            redirect_uri: get("redirect_uri"),
            nonce: get("nonce"),
            challenge: get("code_challenge"),
        };
        state.codes.insert(code.clone(), asked);
        ("code", code)
    } else {
        ("error", "login_required".to_owned())
    };
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair(answer.0, &answer.1)
        .append_pair("state", &get("state"))
        .append_pair("iss", &shared.url)
        .finish();
    let to = format!("{}?{query}", get("redirect_uri"));
    (StatusCode::FOUND, [(header::LOCATION, to)]).into_response()
}

/// `POST /token`: redeems a code once.
pub(super) async fn token(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: bytes::Bytes,
) -> Response {
    let form = parse(&body);
    let no = |status, error: &str| (status, Json(json!({ "error": error }))).into_response();
    let (asked, person) = {
        let mut state = lock(&shared.provider);
        state.redeemed.push(form.clone());
        if let Some(secret) = &state.secret {
            // Encoded as RFC 6749 §2.3.1 asks for it.
            let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let wanted = format!(
                "Basic {}",
                STANDARD.encode(format!("{CLIENT_ID}:{encoded}"))
            );
            let sent = headers.get(header::AUTHORIZATION);
            if sent.is_none_or(|sent| sent.as_bytes() != wanted.as_bytes()) {
                return no(StatusCode::UNAUTHORIZED, "invalid_client");
            }
        }
        let asked = field(&form, "code").and_then(|code| state.codes.remove(code));
        (asked, state.person.clone())
    };
    let verifier = field(&form, "code_verifier").unwrap_or_default();
    let challenge = URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()));
    let asked = asked.filter(|asked| {
        asked.challenge == challenge && field(&form, "redirect_uri") == Some(&asked.redirect_uri)
    });
    let (Some(asked), Some((at, claims))) = (asked, person) else {
        return no(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    let at = at.seconds();
    let usual = json!({
        "iss": shared.url, "aud": asked.client_id, "nonce": asked.nonce,
        "iat": at, "exp": at + 300, "auth_time": at,
    });
    match signed(&shared, "JWT", merged(usual, Some(&claims))) {
        Ok(id_token) => Json(json!({
            "access_token": "nobody-needs-it", "token_type": "Bearer", "expires_in": 300,
            "id_token": id_token,
        }))
        .into_response(),
        Err(_) => no(StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
    }
}

fn signed(
    shared: &Shared,
    typ: &str,
    claims: Map<String, Value>,
) -> Result<String, super::FixtureError> {
    let signing = lock(&shared.signing);
    let keys = signing.as_ref().ok_or(super::FixtureError::Stopping)?;
    Ok(sign(&keys.rs256, typ, &claims)?)
}

fn merged(usual: Value, claims: Option<&Map<String, Value>>) -> Map<String, Value> {
    let mut all = usual.as_object().cloned().unwrap_or_default();
    for (name, value) in claims.into_iter().flatten() {
        all.insert(name.clone(), value.clone());
    }
    all.retain(|_, value| !value.is_null());
    all
}

fn parse(text: &[u8]) -> Form {
    form_urlencoded::parse(text).into_owned().collect()
}

fn field<'a>(form: &'a Form, name: &str) -> Option<&'a str> {
    let found = form.iter().find(|(one, _)| one == name);
    found.map(|(_, value)| value.as_str())
}

/// The client that has a secret.
const CLIENT_ID: &str = "console";
