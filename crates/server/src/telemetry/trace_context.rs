//! `traceparent`, in and out (W3C Trace Context §3.2).

use std::str;

use countersign_crypto::random;

/// The trace that a caller is in, and our place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: String,
    span_id: String,
    flags: String,
}

impl TraceContext {
    /// Reads a caller's header; our own span is new. A header that breaks the grammar is ignored, as
    /// the standard asks.
    #[must_use]
    pub fn from_header(header: &[u8]) -> Option<Self> {
        let text = str::from_utf8(header).ok()?;
        let mut parts = text.split('-');
        let (version, trace_id, parent_id, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let known = version == "00" && parts.next().is_none()
            || version != "00" && is_hex(version, 2) && version != "ff";
        let fits = is_hex(trace_id, 32) && is_hex(parent_id, 16) && is_hex(flags, 2);
        let zero = |id: &str| id.bytes().all(|b| b == b'0');
        if !known || !fits || zero(trace_id) || zero(parent_id) {
            return None;
        }
        Some(Self {
            trace_id: trace_id.to_owned(),
            span_id: new_span(),
            flags: flags.to_owned(),
        })
    }

    /// The header for what we send on.
    #[must_use]
    pub fn header(&self) -> String {
        format!("00-{}-{}-{}", self.trace_id, self.span_id, self.flags)
    }

    /// The trace.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }
}

fn new_span() -> String {
    // A span of zeros is invalid; one bit is always set.
    format!("{:016x}", u64::from_be_bytes(random::bytes()) | 1)
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_goes_on_with_a_span_of_our_own() {
        let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let trace = TraceContext::from_header(header.as_bytes()).unwrap();
        assert_eq!(trace.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert!(
            trace
                .header()
                .starts_with("00-0af7651916cd43dd8448eb211c80319c-")
        );
        assert!(trace.header().ends_with("-01") && trace.header() != header);
    }

    #[test]
    fn a_malformed_header_is_ignored() {
        for header in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c\n-b7ad6b7169203331-01",
        ] {
            assert!(
                TraceContext::from_header(header.as_bytes()).is_none(),
                "{header}"
            );
        }
        assert!(TraceContext::from_header(&[0xff, 0xfe]).is_none());
    }
}
