//! What a program writes: kept up to a limit, read to its end, and without the token.

use std::sync::{Arc, Mutex, PoisonError};

use countersign_crypto::Secret;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How much of one stream is reported, in bytes: enough to see what went wrong, and one record of the server holds two.
pub(crate) const MOST_BYTES: usize = 64 * 1024;

/// What is left free for the mark that something was cut.
const MARK_BYTES: usize = 64;

/// The shortest part of a token that is taken out alone: shorter ones are words that mean something else.
const SHORTEST_PART: usize = 16;

/// A token that is taken out of what is reported.
#[derive(Clone)]
pub(crate) struct Redaction {
    /// What is taken out, the longest first.
    needles: Vec<Secret<String>>,
    mark: String,
}

impl Redaction {
    /// Of this token, with the prefix of its kind and without, whole and in its parts.
    pub(crate) fn new(token: &str) -> Self {
        // What stands before a JSON Web Token is no part of it: `sensor_eyJ..`.
        let bare = token.find("eyJ").map_or(token, |at| &token[at..]);
        // The first part says which algorithm signed, and is the same in all tokens.
        let parts = bare.split('.').skip(1);
        let parts = parts.filter(|part| part.len() >= SHORTEST_PART);
        let needles = [token, bare].into_iter().chain(parts);
        let needles = needles.filter(|needle| !needle.is_empty());
        let last: String = token
            .char_indices()
            .rev()
            .take(4)
            .last()
            .map(|(at, _)| token[at..].to_owned())
            .unwrap_or_default();
        Self {
            needles: needles.map(|text| Secret::new(text.to_owned())).collect(),
            mark: format!("[token …{last}]"),
        }
    }

    /// The text without the token.
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for needle in &self.needles {
            if text.contains(needle.expose().as_str()) {
                text = text.replace(needle.expose().as_str(), &self.mark);
            }
        }
        text
    }

    /// The longest text that is taken out.
    fn longest(&self) -> usize {
        let lengths = self.needles.iter().map(|needle| needle.expose().len());
        lengths.max().unwrap_or(0)
    }
}

/// One stream of a program, as far as it was read.
#[derive(Clone)]
pub(crate) struct Stream {
    read: Arc<Mutex<Read>>,
    most: usize,
}

#[derive(Default)]
struct Read {
    kept: Vec<u8>,
    total: u64,
}

impl Stream {
    /// Keeps enough that a token which begins before the limit is seen whole.
    pub(crate) fn new(redaction: &Redaction) -> Self {
        Self {
            read: Arc::default(),
            most: MOST_BYTES + redaction.longest(),
        }
    }

    /// Reads to the end, whatever comes: a program that nobody reads from stands still.
    pub(crate) async fn drain(self, mut from: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length) = from.read(&mut buffer).await {
            if length == 0 {
                return;
            }
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            read.total = read.total.saturating_add(length as u64);
            let room = self.most.saturating_sub(read.kept.len()).min(length);
            read.kept.extend(buffer.iter().take(room));
        }
    }

    /// What is reported of it: text, without the token, cut with a mark. No NUL, which no database keeps in a text.
    pub(crate) fn report(&self, redaction: &Redaction) -> Report {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&read.kept).replace('\0', "\u{fffd}");
        let text = redaction.clean(&text);
        let whole = read.total == read.kept.len() as u64;
        if whole && text.len() <= MOST_BYTES {
            return Report { text, whole };
        }
        let mut end = text.len().min(MOST_BYTES - MARK_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Report {
            text: format!("{}\n[cut here: {} bytes in all]", &text[..end], read.total),
            whole: false,
        }
    }
}

/// What is reported of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// At most [`MOST_BYTES`].
    pub(crate) text: String,
    /// Whether nothing was cut.
    pub(crate) whole: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzZW5zb3IifQ.c2lnbmF0dXJlLXdpdGhvdXQtZW5k";

    async fn report(bytes: &[u8], token: &str) -> Report {
        let redaction = Redaction::new(token);
        let stream = Stream::new(&redaction);
        stream.clone().drain(bytes).await;
        stream.report(&redaction)
    }

    #[tokio::test]
    async fn a_token_is_taken_out_whole_with_its_prefix_and_in_parts() {
        let [_, payload, signature]: [&str; 3] =
            TOKEN.split('.').collect::<Vec<_>>().try_into().unwrap();
        let prefixed = format!("sensor_{TOKEN}");
        let text = format!("a {prefixed} b {TOKEN} c {payload}\n{signature} d");
        for token in [TOKEN, &prefixed] {
            let told = report(text.as_bytes(), token).await.text;
            for secret in [payload, signature] {
                assert!(!told.contains(secret), "{told}");
            }
            assert!(told.contains("[token …ZW5k]"), "{told}");
            assert!(told.starts_with("a ") && told.ends_with(" d"), "{told}");
        }
    }

    #[tokio::test]
    async fn what_is_too_long_is_cut_with_a_mark_and_no_token_stands_on_the_edge() {
        let told = report(&vec![b'x'; 10 << 20], TOKEN).await;
        assert!(told.text.len() <= MOST_BYTES && !told.whole);
        assert!(told.text.ends_with("[cut here: 10485760 bytes in all]"));
        for before in [
            MOST_BYTES - 5,
            MOST_BYTES - MARK_BYTES - 5,
            MOST_BYTES - TOKEN.len(),
        ] {
            let mut bytes = vec![b'x'; before];
            bytes.extend(TOKEN.as_bytes());
            bytes.extend(vec![b'y'; 1000]);
            let told = report(&bytes, TOKEN).await;
            assert!(told.text.len() <= MOST_BYTES, "{before}");
            assert!(!told.text.contains("eyJ"), "{before}");
        }
    }

    #[tokio::test]
    async fn any_bytes_become_a_text() {
        let told = report(b"a\0b\xff\xfec\xe2\x82", TOKEN).await;
        assert_eq!(told.text, "a\u{fffd}b\u{fffd}\u{fffd}c\u{fffd}");
        let told = report(&"é".repeat(MOST_BYTES).into_bytes(), TOKEN).await;
        assert!(told.text.len() <= MOST_BYTES);
        let told = report(&vec![0xff; MOST_BYTES], TOKEN).await;
        assert!(
            told.text.len() <= MOST_BYTES && !told.whole,
            "three bytes for one"
        );
    }
}
