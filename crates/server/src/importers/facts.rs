//! Values as exports write them.

use countersign_authority::registry::observed::OwnerHint;
use countersign_model::Timestamp;

/// Words that stand for no value.
const NOTHING: [&str; 8] = [
    "",
    "-",
    "n/a",
    "no_information",
    "none",
    "not_supported",
    "null",
    "never",
];

/// The text, unless it stands for nothing.
pub fn text(value: &str) -> Option<&str> {
    let value = value.trim();
    let nothing = NOTHING.iter().any(|word| value.eq_ignore_ascii_case(word));
    (!nothing).then_some(value)
}

/// An instant: RFC 3339, a date, date and time without a zone (UTC), or milliseconds since 1970.
pub fn time(value: &str) -> Result<Option<Timestamp>, String> {
    let Some(value) = text(value) else {
        return Ok(None);
    };
    if value.len() >= MILLISECONDS && value.bytes().all(|byte| byte.is_ascii_digit()) {
        let millis: i64 = value.parse().map_err(|_| no_time(value))?;
        return Ok(Some(Timestamp::from_micros(millis.saturating_mul(1000))));
    }
    let forms = [
        value.to_owned(),
        format!("{value}Z"),
        format!("{value}T00:00:00Z"),
    ];
    let found = forms.iter().find_map(|form| form.parse().ok());
    found.map(Some).ok_or_else(|| no_time(value))
}

/// Yes or no.
pub fn truth(value: &str) -> bool {
    matches!(
        value.trim().to_ascii_lowercase().as_str(),
        "true" | "yes" | "1" | "y"
    )
}

/// Whom an owner in words names: an e-mail address or handle, or a team.
pub fn owner(value: &str) -> Option<OwnerHint> {
    text(value).map(|value| OwnerHint::Named(value.to_owned()))
}

fn no_time(value: &str) -> String {
    let shown: String = value
        .chars()
        .take(40)
        .flat_map(char::escape_debug)
        .collect();
    format!("`{shown}` is not a time: expected RFC 3339 such as 2026-11-22T09:00:00Z")
}

/// A number of so many digits is in milliseconds: of this century.
const MILLISECONDS: usize = 12;
