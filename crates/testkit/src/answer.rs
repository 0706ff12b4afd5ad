//! What a server answered.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// What a server answered, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The request, for messages.
    pub request: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn read(request: String, response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response
            .bytes()
            .await
            .map(|body| body.to_vec())
            .unwrap_or_default();
        Self {
            request,
            status,
            headers,
            body,
        }
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The values of a header that comes several times.
    #[must_use]
    pub fn headers(&self, name: &str) -> Vec<&str> {
        let values = self.headers.get_all(name).iter();
        values.filter_map(|value| value.to_str().ok()).collect()
    }

    /// It was done, or made.
    ///
    /// # Panics
    /// When it was not, or waits for a second person.
    #[track_caller]
    pub fn done(&self) -> Value {
        assert!(
            matches!(self.status, 200 | 201 | 204),
            "{}: {} {}",
            self.request,
            self.status,
            self.text()
        );
        self.json()
    }

    /// It waits for a second person; the approval.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn waits(&self) -> Value {
        assert_eq!(self.status, 202, "{}: {}", self.request, self.text());
        self.json()
    }

    /// It was refused with this status and this code: the `error` of an OAuth endpoint, or the
    /// `reason_code` of any other.
    ///
    /// # Panics
    /// When it was not.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Value {
        let json = self.json();
        let said = [&json["error"], &json["reason_code"]];
        let fits = self.status == status && said.iter().any(|said| said.as_str() == Some(code));
        assert!(
            fits,
            "{}: expected {status} {code}, got {} {}",
            self.request,
            self.status,
            self.text()
        );
        json
    }

    /// The access token of a token answer.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn access_token(&self) -> String {
        let json = self.done();
        json["access_token"]
            .as_str()
            .unwrap_or_else(|| panic!("{}: no access token in {json}", self.request))
            .to_owned()
    }
}
