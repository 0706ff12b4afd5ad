//! Who calls: a base URL, and a token or none.

use countersign_api::Client;
use reqwest::{Method, header::HeaderValue};
use serde_json::Value;

use crate::Answer;

/// Somebody who calls a server: with a token, or without.
#[derive(Clone)]
pub struct Caller {
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    pub(crate) token: Option<String>,
}

impl Caller {
    /// Somebody who has proved nothing.
    #[must_use]
    pub fn new(http: reqwest::Client, base: impl Into<String>) -> Self {
        Self {
            http,
            base: base.into(),
            token: None,
        }
    }

    /// The same with this token.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self {
            token: Some(token.into()),
            ..self.clone()
        }
    }

    /// The same without a token.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        Self {
            token: None,
            ..self.clone()
        }
    }

    /// The same at another server.
    #[must_use]
    pub fn at(&self, base: impl Into<String>) -> Self {
        Self {
            base: base.into(),
            ..self.clone()
        }
    }

    /// Where it calls.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Its token.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn token(&self) -> &str {
        self.token.as_deref().expect("the caller has a token")
    }

    /// The typed client of the same.
    ///
    /// # Panics
    /// Never with a base URL of a test.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::with_http(self.http.clone(), &self.base, self.token.clone()).expect("a base URL")
    }

    /// Gets.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, &[]).await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body), &[]).await
    }

    /// Patches with JSON.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, Some(body), &[]).await
    }

    /// Deletes.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None, &[]).await
    }

    /// Sends anything.
    ///
    /// # Panics
    /// When the server cannot be reached.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let answer = self.try_send(method, path, body, headers).await;
        answer.unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }

    /// Sends anything to a server that may be gone.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(
                *name,
                HeaderValue::from_bytes(value.as_bytes()).expect("a header value"),
            );
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        Ok(Answer::read(format!("{method} {path}"), request.send().await?).await)
    }
}
