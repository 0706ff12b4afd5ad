//! How a client proves itself in a form or header: exactly one way (RFC 6749 §2.3).

use countersign_api::tokens::TokenRequest;
use countersign_authority::client_auth::ClientProof;
use countersign_crypto::Secret;

use crate::http::{authorization::ClientSecret, oauth_error::OauthFailure};

/// The proof of a token request.
///
/// # Errors
/// When there are two, or one is not whole.
pub fn of_request(
    form: &TokenRequest,
    basic: Option<ClientSecret>,
) -> Result<ClientProof, OauthFailure> {
    let client_id = form.client_id.clone();
    let ways = [
        basic.is_some(),
        form.client_secret.is_some(),
        form.client_assertion.is_some(),
    ];
    if ways.iter().filter(|way| **way).count() > 1 {
        return Err(OauthFailure::invalid_request(
            "the client proved itself in two ways; use one",
        ));
    }
    if let Some(basic) = basic {
        if client_id
            .as_ref()
            .is_some_and(|named| *named != basic.client_id)
        {
            return Err(OauthFailure::invalid_request(
                "client_id and the Authorization header name two clients",
            ));
        }
        return Ok(ClientProof::Secret {
            client_id: basic.client_id,
            secret: basic.secret,
            method: "client_secret_basic",
        });
    }
    if let Some(secret) = &form.client_secret {
        let Some(client_id) = client_id else {
            return Err(OauthFailure::invalid_request(
                "client_secret came without client_id",
            ));
        };
        return Ok(ClientProof::Secret {
            client_id,
            secret: Secret::new(secret.clone()),
            method: "client_secret_post",
        });
    }
    match (&form.client_assertion, &form.client_assertion_type) {
        (Some(assertion), Some(assertion_type)) => Ok(ClientProof::Assertion {
            client_id,
            assertion_type: assertion_type.clone(),
            assertion: Secret::new(assertion.clone()),
        }),
        (Some(_), None) => Err(OauthFailure::invalid_request(
            "client_assertion came without client_assertion_type",
        )),
        (None, Some(_)) => Err(OauthFailure::invalid_request(
            "client_assertion_type came without client_assertion",
        )),
        (None, None) => Ok(ClientProof::None { client_id }),
    }
}
