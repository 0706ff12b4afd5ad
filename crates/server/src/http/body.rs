//! Request bodies, never longer than their limit.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use thiserror::Error;

use super::limits::IMPORT_BYTES;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum BodyError {
    /// The connection broke, or the body is framed wrongly.
    #[error("the body ended early or is framed wrongly")]
    Broken,
    /// It is longer than its limit.
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
}

/// Reads the whole body.
///
/// # Errors
/// When it is longer than the limit, which a stated length shows before anything is read.
pub async fn read(mut body: Body, headers: &HeaderMap, limit: usize) -> Result<Bytes, BodyError> {
    let stated = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if stated.is_some_and(|length| length > limit as u64) {
        if !waits_to_send(headers) {
            discard(body).await;
        }
        return Err(BodyError::TooLong(limit));
    }
    match Limited::new(&mut body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            discard(body).await;
            Err(BodyError::TooLong(limit))
        }
        Err(_) => Err(BodyError::Broken),
    }
}

/// Whether the caller sends the body only once it is asked for (RFC 9110 §10.1.1), and so sees an answer
/// that comes before.
fn waits_to_send(headers: &HeaderMap) -> bool {
    let expected = headers.get(header::EXPECT);
    expected.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Takes in and drops the rest of a body that is too long, within a bound. A caller who is still sending
/// when the connection closes would never see the answer.
async fn discard(mut body: Body) {
    let mut taken = 0;
    while let Some(Ok(frame)) = body.frame().await {
        taken += frame.data_ref().map_or(0, Bytes::len);
        if taken > DISCARDED_BYTES {
            return;
        }
    }
}

/// Whether the content type is this one, whatever its parameters. A charset other than UTF-8 is
/// another type: what we read is UTF-8.
#[must_use]
pub fn is_type(headers: &HeaderMap, wanted: &[&str]) -> bool {
    let mut lines = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return false;
    };
    let Ok(text) = line.to_str() else {
        return false;
    };
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let fits = wanted
        .iter()
        .any(|wanted| essence.eq_ignore_ascii_case(wanted));
    fits && parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    })
}

/// Eight times the longest limit: a mistake, not an attack. Nothing of it is kept, and the time for a request
/// ends it too.
const DISCARDED_BYTES: usize = 8 * IMPORT_BYTES;

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::{Context, Poll},
    };

    use axum::body::HttpBody;
    use hyper::body::Frame;

    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[tokio::test]
    async fn t24_a_body_stops_at_its_limit() {
        let stated = headers(header::CONTENT_LENGTH, "11");
        assert_eq!(
            read(Body::empty(), &stated, 10).await,
            Err(BodyError::TooLong(10))
        );
        let unstated = HeaderMap::new();
        assert_eq!(
            read(Body::from("12345678901"), &unstated, 10).await,
            Err(BodyError::TooLong(10))
        );
        assert_eq!(
            read(Body::from("1234567890"), &unstated, 10).await.unwrap(),
            "1234567890"
        );
    }

    /// A body of four mebibytes, and how much of it was taken.
    struct Pieces(Arc<AtomicUsize>);

    impl HttpBody for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.0.fetch_add(PIECE, Ordering::Relaxed) >= 64 * PIECE {
                self.0.fetch_sub(PIECE, Ordering::Relaxed);
                return Poll::Ready(None);
            }
            let piece = Bytes::from_static(&[b'x'; PIECE]);
            Poll::Ready(Some(Ok(Frame::data(piece))))
        }
    }

    const PIECE: usize = 64 * 1024;

    #[tokio::test]
    async fn t24_a_body_that_is_too_long_is_taken_in_whole_unless_its_caller_waits() {
        let long = |taken: &Arc<AtomicUsize>| Body::new(Pieces(taken.clone()));
        let mut stated = headers(header::CONTENT_LENGTH, "4194304");
        let taken = Arc::new(AtomicUsize::new(0));
        let read_it = read(long(&taken), &stated, 10).await;
        assert_eq!(read_it, Err(BodyError::TooLong(10)));
        assert_eq!(taken.load(Ordering::Relaxed), 4_194_304);
        stated.insert(header::EXPECT, "100-Continue".parse().unwrap());
        let taken = Arc::new(AtomicUsize::new(0));
        let read_it = read(long(&taken), &stated, 10).await;
        assert_eq!(read_it, Err(BodyError::TooLong(10)));
        assert_eq!(taken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn content_types_are_compared_without_their_parameters() {
        let form = ["application/x-www-form-urlencoded"];
        for good in [
            "application/x-www-form-urlencoded",
            "Application/X-WWW-Form-Urlencoded; charset=UTF-8",
            "application/x-www-form-urlencoded;a=b",
        ] {
            assert!(
                is_type(&headers(header::CONTENT_TYPE, good), &form),
                "{good}"
            );
        }
        for bad in [
            "application/json",
            "",
            "application/x-www-form-urlencoded; charset=utf-16",
            "application/x-www-form-urlencoded2",
        ] {
            assert!(
                !is_type(&headers(header::CONTENT_TYPE, bad), &form),
                "{bad}"
            );
        }
        assert!(!is_type(&HeaderMap::new(), &form));
    }
}
