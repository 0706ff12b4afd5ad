//! The typed client: a method for each endpoint, time-outs, and errors that carry the problem.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use crate::{approvals::Approval, problem::Problem};

mod automation;
mod endpoints;
mod error;
mod oauth;
mod resource;

pub use error::ClientError;
pub use oauth::Basic;
pub use resource::Resource;

/// How long one request may take, its answer included.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is read: a page of 500 records fits many times over.
pub const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// A client of one server, with one token or none.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<String>,
}

/// What a change answers: the record as it is now, or the request that waits for a second person.
#[derive(Debug, Clone, PartialEq)]
pub enum Changed<T> {
    /// It was done.
    Done(T),
    /// A second person must countersign it first.
    Waits(Box<Approval>),
}

impl Client {
    /// A client of the server at this base URL; the token goes into the `Authorization` header.
    ///
    /// # Errors
    /// When the URL is not one of HTTP, or the HTTP client cannot be set up.
    pub fn new(base: &str, token: Option<String>) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|source| ClientError::Unreachable {
                url: base.to_owned(),
                source,
            })?;
        Self::with_http(http, base, token)
    }

    /// The same over a given HTTP client, for instance one with other trusted roots.
    ///
    /// # Errors
    /// When the URL is not one of HTTP.
    pub fn with_http(
        http: reqwest::Client,
        base: &str,
        token: Option<String>,
    ) -> Result<Self, ClientError> {
        let base = base
            .parse::<Url>()
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        match base {
            Some(base) => Ok(Self { http, base, token }),
            None => Err(ClientError::NotAServer),
        }
    }

    /// The same server with another token.
    #[must_use]
    pub fn with_token(&self, token: Option<String>) -> Self {
        Self {
            http: self.http.clone(),
            base: self.base.clone(),
            token,
        }
    }

    /// The server's base URL, without a slash at its end.
    #[must_use]
    pub fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The address of a path, escaped segment by segment. No server takes an escaped slash, so a name
    /// that holds one, a URL for instance, stands as `=` and its bytes in hexadecimal.
    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty();
            for segment in segments {
                match segment.contains('/') {
                    true => path.push(&in_hexadecimal(segment)),
                    false => path.push(segment),
                };
            }
        }
        url
    }

    fn request(&self, method: Method, segments: &[&str]) -> RequestBuilder {
        let request = self.http.request(method, self.url(segments));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Gets JSON.
    async fn get<T: DeserializeOwned, Q: Serialize + ?Sized>(
        &self,
        segments: &[&str],
        query: &Q,
    ) -> Result<T, ClientError> {
        let (_, body) = self
            .send(self.request(Method::GET, segments).query(query))
            .await?;
        self.json(segments, &body)
    }

    /// Posts JSON and reads JSON.
    async fn post<T: DeserializeOwned, B: Serialize + ?Sized>(
        &self,
        segments: &[&str],
        body: &B,
    ) -> Result<T, ClientError> {
        let (_, answer) = self
            .send(self.request(Method::POST, segments).json(body))
            .await?;
        self.json(segments, &answer)
    }

    /// Puts JSON and reads JSON.
    async fn put<T: DeserializeOwned, B: Serialize + ?Sized>(
        &self,
        segments: &[&str],
        body: &B,
    ) -> Result<T, ClientError> {
        let (_, answer) = self
            .send(self.request(Method::PUT, segments).json(body))
            .await?;
        self.json(segments, &answer)
    }

    /// Deletes.
    async fn remove<Q: Serialize + ?Sized>(
        &self,
        segments: &[&str],
        query: &Q,
    ) -> Result<(), ClientError> {
        self.send(self.request(Method::DELETE, segments).query(query))
            .await
            .map(drop)
    }

    /// Posts what has no answer but that it is done.
    async fn act<B: Serialize + ?Sized>(
        &self,
        segments: &[&str],
        body: &B,
    ) -> Result<(), ClientError> {
        self.send(self.request(Method::POST, segments).json(body))
            .await
            .map(drop)
    }

    /// Posts a change, which may have to wait for a second person.
    async fn change<T: DeserializeOwned, B: Serialize + ?Sized>(
        &self,
        method: Method,
        segments: &[&str],
        body: &B,
        headers: Headers<'_>,
    ) -> Result<Changed<T>, ClientError> {
        let request = headers.onto(self.request(method, segments)).json(body);
        let (status, answer) = self.send(request).await?;
        if status == StatusCode::ACCEPTED {
            return Ok(Changed::Waits(Box::new(self.json(segments, &answer)?)));
        }
        Ok(Changed::Done(self.json(segments, &answer)?))
    }

    fn json<T: DeserializeOwned>(&self, segments: &[&str], body: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(body).map_err(|error| ClientError::Unexpected {
            url: self.url(segments).to_string(),
            status: 200,
            detail: format!("the answer is not what this version of the client expects: {error}"),
        })
    }

    /// Sends, and turns what is not a success into an error.
    async fn send(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), ClientError> {
        let unreachable = |source: reqwest::Error| ClientError::Unreachable {
            url: self.base().to_owned(),
            source,
        };
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let url = response.url().to_string();
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                let detail = format!("the answer is longer than {MAX_ANSWER_BYTES} bytes");
                return Err(ClientError::Unexpected {
                    url,
                    status: status.as_u16(),
                    detail,
                });
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok((status, body));
        }
        if let Ok(problem) = serde_json::from_slice::<Problem>(&body) {
            return Err(ClientError::Problem {
                problem: Box::new(problem),
                retry_after,
            });
        }
        if let Ok(error) = serde_json::from_slice(&body) {
            return Err(ClientError::Oauth {
                status: status.as_u16(),
                error: Box::new(error),
            });
        }
        let text = String::from_utf8_lossy(&body);
        let detail = text.chars().take(200).collect::<String>();
        Err(ClientError::Unexpected {
            url,
            status: status.as_u16(),
            detail,
        })
    }
}

/// What a change carries besides its body.
#[derive(Clone, Copy, Default)]
struct Headers<'a> {
    idempotency_key: Option<&'a str>,
    if_match: Option<&'a str>,
}

impl Headers<'_> {
    fn onto(self, mut request: RequestBuilder) -> RequestBuilder {
        if let Some(key) = self.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(tag) = self.if_match {
            request = request.header(header::IF_MATCH, tag);
        }
        request
    }
}

fn in_hexadecimal(name: &str) -> String {
    name.bytes()
        .fold("=".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_slash_stays_one_segment() {
        let client = Client::new("https://id.example/t/acme/", None).unwrap();
        let url = client.url(&["api", "audiences", "https://api.example/v1"]);
        assert_eq!(
            url.as_str(),
            "https://id.example/t/acme/api/audiences/=68747470733a2f2f6170692e6578616d706c652f7631"
        );
        assert_eq!(client.base(), "https://id.example/t/acme");
    }

    #[test]
    fn only_http_is_a_server() {
        for bad in ["", "127.0.0.1:8400", "ftp://id.example", "file:///etc"] {
            assert!(
                matches!(Client::new(bad, None), Err(ClientError::NotAServer)),
                "{bad}"
            );
        }
    }
}
