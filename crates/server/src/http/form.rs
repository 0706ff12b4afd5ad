//! `application/x-www-form-urlencoded` bodies of the OAuth endpoints (RFC 6749 §3.2).

use axum::extract::{FromRequest, Request};
use http::StatusCode;
use serde::de::DeserializeOwned;

use crate::http::{
    body::{self, BodyError},
    limits::BODY_BYTES,
    oauth_error::OauthFailure,
    urlencoded,
};

/// A form, each parameter at most once. What is in the query string is not seen.
#[derive(Debug, Clone)]
pub struct Form<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = OauthFailure;

    async fn from_request(request: Request, _: &S) -> Result<Self, OauthFailure> {
        let (parts, body) = request.into_parts();
        if !body::is_type(&parts.headers, &[FORM]) {
            let text = "send the parameters as application/x-www-form-urlencoded";
            return Err(OauthFailure::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "invalid_request",
                text,
            ));
        }
        let bytes = body::read(body, &parts.headers, BODY_BYTES).await?;
        Ok(Self(urlencoded::parse(&bytes)?))
    }
}

impl From<BodyError> for OauthFailure {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Broken => Self::invalid_request(&error.to_string()),
            BodyError::TooLong(_) => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "invalid_request",
                &error.to_string(),
            ),
        }
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use countersign_api::tokens::TokenRequest;
    use http::header;

    use super::*;

    async fn of(
        content_type: &str,
        uri: &str,
        body: impl Into<Body>,
    ) -> Result<TokenRequest, StatusCode> {
        let request = Request::post(uri)
            .header(header::CONTENT_TYPE, content_type)
            .body(body.into())
            .unwrap();
        match Form::from_request(request, &()).await {
            Ok(Form(form)) => Ok(form),
            Err(failure) => Err(failure.status()),
        }
    }

    #[tokio::test]
    async fn a_token_request_is_read_from_the_body_alone() {
        let form = of(
            FORM,
            "/oauth2/token?client_secret=leaked",
            "grant_type=client_credentials&scope=openid+roles&unknown=1",
        )
        .await
        .unwrap();
        assert_eq!(form.grant_type, "client_credentials");
        assert_eq!(form.scope.as_deref(), Some("openid roles"));
        assert_eq!(form.client_secret, None);
    }

    #[tokio::test]
    async fn what_is_not_a_form_is_refused() {
        assert_eq!(
            of("application/json", "/", "{}").await.unwrap_err(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE
        );
        assert_eq!(
            of(FORM, "/", "grant_type=a&grant_type=a")
                .await
                .unwrap_err(),
            StatusCode::BAD_REQUEST
        );
        assert_eq!(
            of(FORM, "/", "grant_type=%ff").await.unwrap_err(),
            StatusCode::BAD_REQUEST
        );
        assert_eq!(
            of(FORM, "/", "").await.unwrap_err(),
            StatusCode::BAD_REQUEST
        );
        assert_eq!(
            of(FORM, "/", vec![b'a'; BODY_BYTES + 1]).await.unwrap_err(),
            StatusCode::PAYLOAD_TOO_LARGE
        );
    }
}
