//! Checkpoints at a URL.

use std::fmt;

use reqwest::{Client, Url};

use crate::{config::PublishMethod, federation::Outbound, sinks::PublishedCheckpoint};

/// A URL that takes checkpoints.
#[derive(Debug, Clone)]
pub struct UrlSink {
    client: Client,
    url: Url,
    method: PublishMethod,
}

impl UrlSink {
    /// Connects through the one way out.
    pub(super) fn new(
        url: &str,
        method: PublishMethod,
        outbound: &Outbound,
    ) -> Result<Self, String> {
        let url: Url = url
            .parse()
            .map_err(|_| "its URL is not absolute".to_owned())?;
        let client = outbound
            .client(&url, None)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            client,
            url,
            method,
        })
    }

    /// Sends the note as text. INVARIANT: the URL is not part of the error: it may hold a secret.
    pub(super) async fn publish(&self, checkpoint: &PublishedCheckpoint) -> Result<(), String> {
        let request = match self.method {
            PublishMethod::Post => self.client.post(self.url.clone()),
            PublishMethod::Put => self.client.put(self.url.clone()),
        };
        let answer = request
            .header("content-type", "text/plain; charset=utf-8")
            .body(checkpoint.note.clone())
            .send()
            .await
            .map_err(|error| error.without_url().to_string())?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(format!("answers {}", answer.status().as_u16()))
    }
}

/// Host and path: a query may hold a secret.
impl fmt::Display for UrlSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "url `{}{}`",
            self.url.host_str().unwrap_or_default(),
            self.url.path()
        )
    }
}
