//! The OAuth endpoints: forms, client secrets, and the claims of a token.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::Value;

use crate::{Answer, Caller};

/// A client and its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSecret {
    /// The client id.
    pub client_id: String,
    /// The secret.
    pub client_secret: String,
}

/// The three forms in which a run identity comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunForm {
    /// `client_assertion`.
    ClientAssertion,
    /// The `jwt-bearer` grant.
    JwtBearer,
    /// Token exchange.
    TokenExchange,
}

impl RunForm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ClientAssertion, Self::JwtBearer, Self::TokenExchange];
}

impl ClientSecret {
    /// The `Authorization` header: both halves form-encoded first (RFC 6749 §2.3.1).
    #[must_use]
    pub fn basic(&self) -> String {
        let encode =
            |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        format!(
            "Basic {}",
            STANDARD.encode(format!(
                "{}:{}",
                encode(&self.client_id),
                encode(&self.client_secret)
            ))
        )
    }
}

impl Caller {
    /// Posts a form, with these headers.
    ///
    /// # Panics
    /// When the server cannot be reached.
    pub async fn form(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        self.try_form(path, fields, headers)
            .await
            .unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }

    /// Posts a form to a server that may be gone.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn try_form(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self.http.post(format!("{}{path}", self.base)).form(fields);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Ok(Answer::read(format!("POST {path}"), request.send().await?).await)
    }

    /// Posts any bytes to the token endpoint.
    ///
    /// # Panics
    /// When the server cannot be reached.
    pub async fn raw_token(
        &self,
        content_type: Option<&str>,
        headers: &[(&str, &str)],
        body: impl Into<String>,
    ) -> Answer {
        let mut request = self
            .http
            .post(format!("{}/oauth2/token", self.base))
            .body(body.into());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request
            .send()
            .await
            .unwrap_or_else(|error| panic!("token: {error:?}"));
        Answer::read("POST /oauth2/token".to_owned(), response).await
    }

    /// Asks for a token with a secret, by Basic.
    pub async fn client_token(&self, client: &ClientSecret, fields: &[(&str, &str)]) -> Answer {
        let fields = [&[("grant_type", "client_credentials")], fields].concat();
        self.form(
            "/oauth2/token",
            &fields,
            &[("authorization", &client.basic())],
        )
        .await
    }

    /// Asks for a token with an assertion of the client's own key, or of its run.
    pub async fn assertion_token(&self, assertion: &str, fields: &[(&str, &str)]) -> Answer {
        let proof = [
            ("grant_type", "client_credentials"),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", assertion),
        ];
        self.form("/oauth2/token", &[&proof, fields].concat(), &[])
            .await
    }

    /// Asks for a token for a run, in one of the three forms.
    pub async fn run_token(
        &self,
        form: RunForm,
        identity: &str,
        run: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let fields = [&[("client_id", identity)], fields].concat();
        match form {
            RunForm::ClientAssertion => self.assertion_token(run, &fields).await,
            RunForm::JwtBearer => {
                let proof = [
                    ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                    ("assertion", run),
                ];
                self.form("/oauth2/token", &[&proof, fields.as_slice()].concat(), &[])
                    .await
            }
            RunForm::TokenExchange => {
                let proof = [
                    (
                        "grant_type",
                        "urn:ietf:params:oauth:grant-type:token-exchange",
                    ),
                    ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
                    ("subject_token", run),
                ];
                self.form("/oauth2/token", &[&proof, fields.as_slice()].concat(), &[])
                    .await
            }
        }
    }

    /// Introspects a token as a resource server.
    pub async fn introspect(&self, client: &ClientSecret, token: &str) -> Answer {
        self.form(
            "/oauth2/introspect",
            &[("token", token)],
            &[("authorization", &client.basic())],
        )
        .await
    }

    /// Whether a token is active, as a resource server sees it.
    pub async fn is_active(&self, client: &ClientSecret, token: &str) -> bool {
        self.introspect(client, token).await.done()["active"] == true
    }
}

/// The claims of a token, unverified.
///
/// # Panics
/// When it is no JWT.
#[track_caller]
#[must_use]
pub fn claims(token: &str) -> Value {
    part(token, 1)
}

/// The header of a token, unverified.
///
/// # Panics
/// When it is no JWT.
#[track_caller]
#[must_use]
pub fn token_header(token: &str) -> Value {
    part(token, 0)
}

#[track_caller]
fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).expect("a JWT has three parts");
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}
