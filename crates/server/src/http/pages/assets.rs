//! What the pages load: one style sheet, one script.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

/// `GET /assets/page.css`.
pub async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("page.css"))
}

/// `GET /assets/passkey.js`.
pub async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("passkey.js"))
}

fn asset(media_type: &'static str, text: &'static str) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    // Five minutes: a new version of the server shows soon.
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    response
}
