//! How a log line looks.

use std::fmt::{self, Write as _};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::{clock::system_now, config::LogFormat, telemetry::current_request};

/// Writes one line for each event.
pub struct Lines {
    /// For people or for programs.
    pub format: LogFormat,
    /// Whether a terminal shows colours.
    pub colour: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some(request) = current_request() {
            fields
                .others
                .push(("request.id".to_owned(), quoted(&request.id)));
            if let Some(trace) = &request.trace {
                fields
                    .others
                    .push(("trace.id".to_owned(), quoted(trace.trace_id())));
            }
        }
        let level = *event.metadata().level();
        match self.format {
            LogFormat::Json => json_line(&mut writer, level, event.metadata().target(), &fields),
            LogFormat::Text => text_line(&mut writer, level, self.colour, &fields),
        }
    }
}

/// The fields of an event, as JSON values.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(String, String)>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.others.push((field.name().to_owned(), quoted(&text)));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.others.push((field.name().to_owned(), quoted(value)));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.others
            .push((field.name().to_owned(), value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.others
            .push((field.name().to_owned(), value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.others
            .push((field.name().to_owned(), value.to_string()));
    }
}

fn json_line(writer: &mut Writer<'_>, level: Level, target: &str, fields: &Fields) -> fmt::Result {
    write!(
        writer,
        "{{\"timestamp\":\"{}\",\"level\":\"{}\",\"target\":{},\"message\":{}",
        system_now(),
        word(level),
        quoted(target),
        quoted(&fields.message),
    )?;
    for (name, value) in &fields.others {
        write!(writer, ",{}:{value}", quoted(name))?;
    }
    writer.write_str("}\n")
}

fn text_line(writer: &mut Writer<'_>, level: Level, colour: bool, fields: &Fields) -> fmt::Result {
    let (on, off) = if colour {
        (paint(level), "\u{1b}[0m")
    } else {
        ("", "")
    };
    write!(
        writer,
        "{} {on}{:5}{off} {}",
        system_now(),
        word(level),
        escaped(&fields.message)
    )?;
    for (name, value) in &fields.others {
        write!(writer, " {name}={value}")?;
    }
    writer.write_char('\n')
}

/// The text as a JSON string. Beyond what JSON asks, everything that could steer a terminal or turn
/// the direction of reading is escaped (T29).
fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped_json(text))
}

fn escaped_json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            steering if steers(steering) => {
                // Every steering character lies in the basic plane: four digits are enough.
                let _ = write!(escaped, "\\u{:04x}", u32::from(steering));
            }
            plain => escaped.push(plain),
        }
    }
    escaped
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if steers(character) {
            let _ = write!(escaped, "\\u{{{:x}}}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Control characters, line and paragraph separators, and marks of direction.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
}

const fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

const fn paint(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        Level::DEBUG | Level::TRACE => "\u{1b}[2m",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(format: LogFormat, name: &str) -> String {
        let fields = Fields {
            message: format!("created `{name}`"),
            others: vec![("identity.name".to_owned(), quoted(name))],
        };
        let mut out = String::new();
        let mut writer = Writer::new(&mut out);
        match format {
            LogFormat::Json => json_line(&mut writer, Level::INFO, "t", &fields).unwrap(),
            LogFormat::Text => text_line(&mut writer, Level::INFO, false, &fields).unwrap(),
        }
        out
    }

    #[test]
    fn t29_nobody_injects_a_line_or_steers_a_terminal() {
        for evil in [
            "a\nb",
            "a\r\nb",
            "a\u{1b}[2Jb",
            "a\u{202e}b",
            "a\u{2028}b",
            "a\"b",
            "a\\b",
            "a\u{9b}b",
        ] {
            for format in [LogFormat::Json, LogFormat::Text] {
                let line = lines(format, evil);
                assert_eq!(line.matches('\n').count(), 1, "{line}");
                let body = line.trim_end_matches('\n');
                assert!(!body.chars().any(steers), "{body:?}");
            }
            let line = lines(LogFormat::Json, evil);
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(value["identity.name"], evil);
        }
    }
}
