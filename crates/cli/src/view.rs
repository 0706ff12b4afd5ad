//! How records look to people: tables as wide as the terminal, and one record line by line.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use serde_json::Value;

/// How wide what is shown is where nobody says how wide it may be.
const WIDTH: u16 = 80;

/// The narrowest and the widest that is shown on a terminal: a table of fewer columns is no table, and a line of more is not read.
const ON_TERMINAL: std::ops::RangeInclusive<u16> = 60..=160;

/// How wide what is shown may be: as wide as the terminal, or 80 columns for what reads a pipe or a file.
pub fn width() -> usize {
    let columns = if cfg!(test) { None } else { columns() };
    usize::from(within(columns))
}

/// The width for a terminal of so many columns, or for none.
fn within(columns: Option<u16>) -> u16 {
    // A terminal that does not know says 0.
    match columns.filter(|columns| *columns > 0) {
        Some(columns) => columns.clamp(*ON_TERMINAL.start(), *ON_TERMINAL.end()),
        None => WIDTH,
    }
}

/// How many columns the terminal has that standard output is.
#[cfg(unix)]
fn columns() -> Option<u16> {
    let stdout = std::io::stdout();
    let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
    Some(size.ws_col)
}

#[cfg(not(unix))]
const fn columns() -> Option<u16> {
    None
}

/// A first column that is at most so wide is never broken.
const WHOLE: usize = 40;

/// A column of a table: its title, and the JSON pointer to what it shows (RFC 6901).
#[derive(Debug, Clone, Copy)]
pub struct Column(pub &'static str, pub &'static str);

/// A table of the records.
pub fn table(columns: &[Column], records: &Value) -> String {
    let empty = Vec::new();
    let rows = records.as_array().unwrap_or(&empty);
    let row = |record: &Value| {
        columns
            .iter()
            .map(|Column(_, pointer)| {
                record
                    .pointer(pointer)
                    .map_or_else(|| "-".to_owned(), short)
            })
            .collect()
    };
    rows_table(
        &columns
            .iter()
            .map(|Column(title, _)| *title)
            .collect::<Vec<_>>(),
        rows.iter().map(row).collect(),
    )
}

/// A table of ready texts.
pub fn rows_table(titles: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(width()).unwrap_or(WIDTH));
    table.set_header(titles.to_vec());
    let first_width = rows
        .iter()
        .filter_map(|row| row.first())
        .map(|text| text.chars().count())
        .max();
    for row in rows {
        table.add_row(row);
    }
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
        // What people copy from a table stays in one piece, unless nothing else would fit.
        if first_width.is_some_and(|width| width <= WHOLE) {
            first.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.trim_fmt()
}

/// One value in a cell of a table: a time may break between day and hour.
fn short(value: &Value) -> String {
    match value {
        Value::String(text) if is_moment(text) => cell(value).replacen('T', " ", 1),
        value => cell(value),
    }
}

/// One value in one cell.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => plain(&moment(text)),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => match (fields.get("name"), fields.get("type")) {
            (name, None) if fields.contains_key("role") && fields.contains_key("id") => {
                let of = |name: &str| fields.get(name).map(cell).unwrap_or_default();
                format!("{} {}", of("role"), name.map_or_else(|| of("id"), cell))
            }
            (Some(name), Some(kind)) if kind == "team" => format!("team:{}", cell(name)),
            (Some(name), _) => cell(name),
            (None, _) if fields.contains_key("party") && fields.contains_key("asked_by") => {
                let of = |name: &str| fields.get(name).map(cell).unwrap_or_default();
                format!(
                    "{}, asked by {} at {}",
                    of("party"),
                    of("asked_by"),
                    of("asked_at")
                )
            }
            (None, _) if fields.contains_key("required") && fields.contains_key("approvers") => {
                rule(fields)
            }
            (None, _) if fields.contains_key("user") && fields.contains_key("role") => {
                format!(
                    "{}={}",
                    fields.get("user").map(cell).unwrap_or_default(),
                    fields.get("role").map(cell).unwrap_or_default()
                )
            }
            (None, _) => {
                let pair = |(key, value): (&String, &Value)| format!("{key}={}", cell(value));
                fields.iter().map(pair).collect::<Vec<_>>().join(" ")
            }
        },
    }
}

/// Who must countersign, in words.
fn rule(fields: &serde_json::Map<String, Value>) -> String {
    let of = |name: &str| fields.get(name).map(cell).unwrap_or_default();
    let approvers = match of("approvers").as_str() {
        "" | "-" => "the owners of the project and the tenant".to_owned(),
        named => named.to_owned(),
    };
    let second = match fields.get("second_if_unproven") {
        Some(Value::Bool(true)) => "; one more when nobody knows who is behind the run",
        _ => "",
    };
    format!("{} of {approvers}{second}", of("required"))
}

/// The text in lines of at most so many characters, broken between words.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let longer = lines.last().is_some_and(|line| {
            !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width
        });
        if longer {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// A command in lines of at most this width where its words allow it, as a shell takes them: each but the last ends with a
/// backslash. What is quoted is one word.
pub fn command(text: &str, width: usize) -> Vec<String> {
    let mut quote = None;
    let words = text.split(|char| {
        match (quote, char) {
            (None, '\'' | '"') => quote = Some(char),
            (Some(open), _) if open == char => quote = None,
            _ => {}
        }
        quote.is_none() && char == ' '
    });
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            // Two columns are left for the backslash.
            Some(line) if line.chars().count() + 1 + word.chars().count() + 2 <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(line) => {
                line.push_str(" \\");
                lines.push(word.to_owned());
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// One record, a line for each field, those without a value left out.
pub fn details(record: &Value) -> String {
    let mut lines = Vec::new();
    let empty = serde_json::Map::new();
    let fields = record.as_object().unwrap_or(&empty);
    let across = width();
    let labels = fields.keys().map(|key| label(key).len());
    let width = labels.max().unwrap_or(0);
    for (key, value) in ordered(fields) {
        let label = label(key);
        match value {
            Value::Null => {}
            // What comes with the program was never made, nor edited.
            Value::String(text) if text.starts_with("1970-01-01T00:00:00") => {}
            Value::Array(values)
                if values.iter().any(|value| {
                    value.is_object() && value.get("name").is_none() && value.get("user").is_none()
                }) =>
            {
                lines.push(format!("{label}:"));
                for value in values {
                    let mut mark = "  - ";
                    for line in wrapped(&cell(value), across - mark.len()) {
                        lines.push(format!("{mark}{line}"));
                        mark = "    ";
                    }
                }
            }
            Value::String(text) if text.contains('\n') => {
                lines.push(format!("{label}:"));
                lines.extend(text.lines().map(|line| format!("  {}", plain(line))));
            }
            value if cell(value) == "-" => {}
            value => {
                let mut label = format!("{label}:");
                for line in wrapped(&cell(value), across.saturating_sub(width + 3)) {
                    lines.push(format!("{label:width$}  {line}", width = width + 1));
                    label.clear();
                }
            }
        }
    }
    lines.join("\n")
}

/// What a field is called.
fn label(key: &str) -> String {
    match key {
        // What it names stands at a default, which is no mistake.
        "incomplete" => "left at defaults".to_owned(),
        key => key.replace('_', " "),
    }
}

/// The name first, what every record says last: people look for what is special.
fn ordered(fields: &serde_json::Map<String, Value>) -> Vec<(&String, &Value)> {
    const FIRST: [&str; 4] = ["name", "kind", "type", "status"];
    const LAST: [&str; 4] = ["version", "created_at", "updated_at", "warnings"];
    let rank = |key: &str| match (
        FIRST.iter().position(|first| *first == key),
        LAST.contains(&key),
    ) {
        (Some(position), _) => position,
        (None, false) => FIRST.len(),
        (None, true) => FIRST.len() + 1,
    };
    let mut ordered: Vec<_> = fields.iter().collect();
    ordered.sort_by_key(|(key, _)| rank(key));
    ordered
}

/// A time to the second; any other text as it is.
fn moment(text: &str) -> String {
    match text.split_once('.') {
        Some((seconds, fraction))
            if is_moment(text)
                && fraction
                    .trim_end_matches('Z')
                    .bytes()
                    .all(|b| b.is_ascii_digit()) =>
        {
            format!("{seconds}Z")
        }
        _ => text.to_owned(),
    }
}

/// A time to the second.
pub fn seconds(at: countersign_api::Time) -> String {
    moment(&at.to_string())
}

/// Whether it is a time as every answer writes it.
fn is_moment(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20
        && bytes.last() == Some(&b'Z')
        && bytes
            .iter()
            .zip(b"0000-00-00T00:00:00")
            .all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                _ => byte == form,
            })
}

/// The text without what could move a terminal's cursor, or show its characters in another order.
pub fn plain(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.chars()
        .map(|c| if steers(c) { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_fits_eighty_columns() {
        let records = json!([{
            "name": "release-promoter-prod", "kind": "pipeline", "project": {"id": "1", "name": "payments"},
            "sponsor": {"type": "team", "id": "2", "name": "platform"}, "status": "active",
            "actions": ["deploy.release", "rollout.status.read", "rollout.pause", "build.trigger"],
        }]);
        let columns = [
            Column("NAME", "/name"),
            Column("KIND", "/kind"),
            Column("PROJECT", "/project"),
            Column("SPONSOR", "/sponsor"),
            Column("STATUS", "/status"),
            Column("ACTIONS", "/actions"),
        ];
        let text = table(&columns, &records);
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        assert!(text.starts_with("NAME"), "{text}");
        assert!(text.contains("team:platform"), "{text}");
    }

    #[test]
    fn a_terminal_is_filled_within_reason_and_a_pipe_has_eighty_columns() {
        let widths = [None, Some(0), Some(20), Some(80), Some(120), Some(400)].map(within);
        assert_eq!(widths, [80, 80, 60, 80, 120, 160]);
    }

    #[test]
    fn a_command_is_broken_where_a_shell_goes_on() {
        let text =
            "countersign identity update release --reason 'not on a Friday' --expires-at 365d";
        assert_eq!(
            command(text, 40),
            [
                "countersign identity update release \\",
                "--reason 'not on a Friday' \\",
                "--expires-at 365d",
            ]
        );
        assert_eq!(command("countersign doctor", 76), ["countersign doctor"]);
    }

    #[test]
    fn a_record_shows_names_beside_ids_and_nothing_empty() {
        let text = details(&json!({
            "id": "0199", "version": 3, "name": "triage", "purpose": "", "review": null,
            "managers": [{"id": "1", "name": "dana@example.com"}], "requires_approval": true,
            "created_at": "2026-11-22T09:00:00.123456Z",
        }));
        assert!(text.starts_with("name:"), "{text}");
        assert!(
            text.contains("managers:           dana@example.com"),
            "{text}"
        );
        assert!(
            text.contains("created at:         2026-11-22T09:00:00Z"),
            "{text}"
        );
        assert!(
            !text.contains("purpose") && !text.contains("review"),
            "{text}"
        );
    }

    #[test]
    fn what_people_copy_stays_whole_and_a_time_breaks_between_day_and_hour() {
        let records = json!([{
            "name": "SpFTKjWXSAC9RwStJwHf", "type": "client-secret", "label": "nightly", "status": "active",
            "expires_at": "2027-11-22T07:45:45.103837Z", "last_used_at": "2026-11-22T07:45:45.103837Z",
        }]);
        let columns = [
            Column("CREDENTIAL", "/name"),
            Column("TYPE", "/type"),
            Column("LABEL", "/label"),
            Column("STATUS", "/status"),
            Column("EXPIRES", "/expires_at"),
            Column("LAST USED", "/last_used_at"),
        ];
        let text = table(&columns, &records);
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        assert!(
            text.contains("SpFTKjWXSAC9RwStJwHf") && text.contains("07:45:45Z"),
            "{text}"
        );
    }

    #[test]
    fn a_rule_is_said_in_words() {
        let rule = json!({"required": 1, "approvers": [], "second_if_unproven": true});
        assert_eq!(
            cell(&rule),
            "1 of the owners of the project and the tenant; one more when nobody knows who is behind the run"
        );
    }

    #[test]
    fn a_record_fits_eighty_columns_however_much_its_parts_say() {
        let part = json!({
            "ref": "billing.charge", "description": "Charges a customer what is due, and tells the ledger",
            "command": ["python3"], "keys": ["billing.api_key", "billing.other_key"], "timeout_seconds": 600,
        });
        let text = details(&json!({ "name": "billing", "actions": [part, part] }));
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        assert_eq!(text.matches("\n  - ").count(), 2, "{text}");
        assert_eq!(text.matches("billing.other_key").count(), 2, "{text}");
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("", 8), [""]);
        assert_eq!(wrapped("a-very-long-word b", 4), ["a-very-long-word", "b"]);
    }

    #[test]
    fn a_name_cannot_move_the_cursor() {
        assert_eq!(cell(&json!("a\u{1b}[2Jb")), "a\u{fffd}[2Jb");
    }
}
