//! The OAuth endpoints: forms in, JSON out, and a client's own authentication.

use reqwest::Method;

use super::{Client, ClientError};
use crate::{
    device_authorizations::{BeginDevice, DeviceCodes},
    tokens::{IntrospectionResponse, TokenQuery, TokenRequest, TokenResponse},
};

/// A client's id and secret, for HTTP Basic (RFC 6749 §2.3.1).
#[derive(Clone, Copy)]
pub struct Basic<'a> {
    /// The client id.
    pub client_id: &'a str,
    /// The secret.
    pub client_secret: &'a str,
}

impl Client {
    /// Asks for a token. What authenticates the caller is in the form.
    ///
    /// # Errors
    /// When the server refuses (see [`ClientError::Oauth`]) or cannot be reached.
    pub async fn token(&self, form: &TokenRequest) -> Result<TokenResponse, ClientError> {
        let segments = ["oauth2", "token"];
        let request = self.http.post(self.url(&segments)).form(form);
        let (_, body) = self.send(request).await?;
        self.json(&segments, &body)
    }

    /// Begins to wait for a person (RFC 8628 §3.1).
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn begin_device(&self, form: &BeginDevice) -> Result<DeviceCodes, ClientError> {
        let segments = ["oauth2", "device_authorization"];
        let request = self.http.post(self.url(&segments)).form(form);
        let (_, body) = self.send(request).await?;
        self.json(&segments, &body)
    }

    /// Ends a sign-in with its refresh token (RFC 7009).
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn end_refresh(&self, refresh_token: &str) -> Result<(), ClientError> {
        let query = TokenQuery {
            token: refresh_token.to_owned(),
            token_type_hint: Some("refresh_token".to_owned()),
        };
        self.with_token(None).revoke_token(&query, None).await
    }

    /// Asks whether a token can be used now (RFC 7662), with a secret or with this client's token.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn introspect(
        &self,
        query: &TokenQuery,
        basic: Option<Basic<'_>>,
    ) -> Result<IntrospectionResponse, ClientError> {
        let segments = ["oauth2", "introspect"];
        let body = self.token_query(&segments, query, basic).await?;
        self.json(&segments, &body)
    }

    /// Revokes a token (RFC 7009), with a secret or with this client's token.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn revoke_token(
        &self,
        query: &TokenQuery,
        basic: Option<Basic<'_>>,
    ) -> Result<(), ClientError> {
        self.token_query(&["oauth2", "revoke"], query, basic)
            .await
            .map(drop)
    }

    /// Revokes a token with nothing but itself: who holds it may end it.
    ///
    /// # Errors
    /// When it is not a live token of this server (401), or the server cannot be reached.
    pub async fn end_token(&self, token: &str) -> Result<(), ClientError> {
        let query = TokenQuery {
            token: token.to_owned(),
            token_type_hint: None,
        };
        self.with_token(Some(token.to_owned()))
            .revoke_token(&query, None)
            .await
    }

    async fn token_query(
        &self,
        segments: &[&str],
        query: &TokenQuery,
        basic: Option<Basic<'_>>,
    ) -> Result<Vec<u8>, ClientError> {
        let request = match basic {
            // Both halves are form-encoded before they are joined (RFC 6749 §2.3.1).
            Some(basic) => self.http.post(self.url(segments)).basic_auth(
                form_encoded(basic.client_id),
                Some(form_encoded(basic.client_secret)),
            ),
            None => self.request(Method::POST, segments),
        };
        let (_, body) = self.send(request.form(query)).await?;
        Ok(body)
    }
}

fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
