//! The real clock, for the command line alone: what decides anything has the server's.

use countersign_model::{Timestamp, time::Seconds};

/// This machine's time.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line's one reading of the clock"
)]
pub fn now() -> Timestamp {
    Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
}

/// Reads an instant as people write it: RFC 3339, or how long ago: `30s`, `15m`, `2h`, `7d`.
pub fn ago(text: &str) -> Result<Timestamp, String> {
    match span(text) {
        Some(span) => Ok(now() - span),
        None => text.parse().map_err(|_| unclear(text)),
    }
}

/// The same for an instant to come: RFC 3339, or in how long.
pub fn ahead(text: &str) -> Result<Timestamp, String> {
    match span(text) {
        Some(span) => Ok(now() + span),
        None => text.parse().map_err(|_| unclear(text)),
    }
}

fn unclear(text: &str) -> String {
    format!(
        "`{text}` is not a time: expected RFC 3339 such as 2026-11-22T09:00:00Z, or a span such as 90d"
    )
}

fn span(text: &str) -> Option<Seconds> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number
        .parse::<u32>()
        .ok()
        .map(|number| Seconds(i64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_an_instant_or_a_span() {
        assert_eq!(span("15m"), Some(Seconds(900)));
        assert_eq!(span("7d"), Some(Seconds(604_800)));
        assert_eq!(
            ago("2026-11-22T09:00:00Z"),
            Ok(Timestamp::from_seconds(1_795_338_000))
        );
        for bad in ["", "d", "-1h", "yesterday", "1 h"] {
            assert!(ago(bad).unwrap_err().contains("RFC 3339"), "{bad}");
        }
    }
}
