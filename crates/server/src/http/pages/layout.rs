//! The frame of every page. Text goes in through [`escape`], and nothing else does.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::browser::InBrowser;

/// A page: its title, and what stands in it.
pub struct Page<'a> {
    /// The address of the tenant, without a slash at its end.
    pub base: &'a str,
    /// The title.
    pub title: &'a str,
    /// The person who is signed in.
    pub person: Option<&'a InBrowser>,
    /// HTML, made of escaped text.
    pub body: String,
}

impl Page<'_> {
    /// The page as an answer.
    #[must_use]
    pub fn answer(&self, status: StatusCode) -> Response {
        let mut response = (status, self.html()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY),
        );
        headers.insert(header::REFERRER_POLICY, OWN_REFERRER);
        response
    }

    fn html(&self) -> String {
        let base = escape(self.base);
        let title = escape(self.title);
        let person = self.person.map_or_else(String::new, |person| {
            format!(
                "<form method=\"post\" action=\"{base}/logout\"><span>{}</span>{}<button class=\"quiet\">Sign out</button></form>",
                escape(&person.browser.email),
                person.hidden()
            )
        });
        format!(
            "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>{title} · Countersign</title>
<link rel=\"stylesheet\" href=\"{base}/assets/page.css\">
<script type=\"module\" src=\"{base}/assets/passkey.js\"></script>
</head>
<body>
<header><strong>Countersign</strong>{person}</header>
<main>
<h1>{title}</h1>
{}
</main>
</body>
</html>
",
            self.body
        )
    }
}

/// Text as it stands in HTML, also between quotation marks. What steers a terminal or the direction of writing is left out (T29).
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            letter if letter.is_control() => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Who sent a person here is told to this server alone. With `no-referrer` browsers say `Origin: null` of our own forms too (Fetch
/// §3.2), and none would be taken.
pub(super) const OWN_REFERRER: HeaderValue = HeaderValue::from_static("same-origin");

/// Nothing inline, nothing from elsewhere, no frame (T27).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t27_text_is_text_wherever_it_stands() {
        assert_eq!(
            escape("<b a=\"x\" b='y'>&\u{202e}\u{1b}[2J"),
            "&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp;[2J"
        );
    }
}
