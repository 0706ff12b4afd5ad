//! Output: data on stdout, talk on stderr, and a closed pipe is no error.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use crate::failure::Failure;

/// The form of data on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people, as wide as the terminal or 80 columns.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For both.
    Yaml,
}

/// Where everything is written.
#[derive(Debug, Clone, Copy)]
pub struct Out {
    format: Format,
    /// Colour on stdout, on stderr.
    colour: (bool, bool),
}

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// New.
    Added,
    /// Gone, or wrong.
    Removed,
    /// Changed, or worth a look.
    Changed,
}

impl Out {
    /// Output in this form. Colour only on a terminal, and never against `NO_COLOR`.
    pub fn new(format: Format) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let colour = (
            wanted && io::stdout().is_terminal(),
            wanted && io::stderr().is_terminal(),
        );
        Self { format, colour }
    }

    /// Output without any colour.
    #[cfg(test)]
    pub const fn plain(format: Format) -> Self {
        Self {
            format,
            colour: (false, false),
        }
    }

    /// The form.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Whether a person reads stdout as it comes.
    pub fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Data as JSON or YAML, or as the text that `table` makes of it for people.
    pub fn data<T: Serialize>(
        &self,
        value: &T,
        table: impl FnOnce(&Value) -> String,
    ) -> Result<(), Failure> {
        let json = serde_json::to_value(value).map_err(unshowable)?;
        let text = match self.format {
            Format::Table => table(&json),
            Format::Json => serde_json::to_string_pretty(&json).map_err(unshowable)?,
            Format::Yaml => serde_saphyr::to_string(&json).map_err(unshowable)?,
        };
        self.text(&text);
        Ok(())
    }

    /// One record of an endless stream: a line for people, a line of JSON, a YAML document.
    pub fn stream<T: Serialize>(
        &self,
        value: &T,
        line: impl FnOnce(&Value) -> String,
    ) -> Result<(), Failure> {
        let json = serde_json::to_value(value).map_err(unshowable)?;
        let text = match self.format {
            Format::Table => line(&json),
            Format::Json => json.to_string(),
            Format::Yaml => format!(
                "---\n{}",
                serde_saphyr::to_string(&json).map_err(unshowable)?
            ),
        };
        self.text(&text);
        Ok(())
    }

    /// Text on stdout, as it is, with one line end.
    pub fn text(&self, text: &str) {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let mut stdout = io::stdout().lock();
        if let Err(error) = writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
            closed(&error);
        }
    }

    /// Bytes on stdout, as they are.
    pub fn bytes(&self, bytes: &[u8]) {
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            closed(&error);
        }
    }

    /// A line on stderr. When nobody listens there, nothing is lost.
    pub fn talk(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Something to look at, on stderr.
    pub fn warn(&self, text: &str) {
        self.talk(&format!(
            "{} {text}",
            tinted("warning:", Tone::Changed, self.colour.1)
        ));
    }

    /// A failure, on stderr.
    pub fn failure(&self, failure: &Failure) {
        self.talk(&format!(
            "{} {failure}",
            tinted("error:", Tone::Removed, self.colour.1)
        ));
    }

    /// The text in the colour of the tone, where stdout shows colour.
    pub fn tint(&self, text: &str, tone: Tone) -> String {
        tinted(text, tone, self.colour.0)
    }
}

fn unshowable(error: impl std::fmt::Display) -> Failure {
    Failure::failed(format!("cannot show the answer: {error}"))
}

fn tinted(text: &str, tone: Tone, colour: bool) -> String {
    let code = match tone {
        Tone::Added => "32",
        Tone::Removed => "31",
        Tone::Changed => "33",
    };
    if colour {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// Ends the program: quietly when whoever read has enough, as `head` does.
fn closed(error: &io::Error) -> ! {
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    let _ = writeln!(io::stderr(), "error: cannot write to stdout: {error}");
    std::process::exit(1);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_keeps_texts_that_look_like_something_else() {
        let json = json!({"name": "yes", "digits": "0123", "at": "2026-11-22T09:00:00Z", "empty": "", "list": ["a: b"]});
        let yaml = serde_saphyr::to_string(&json).unwrap();
        let back: Value = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(back, json, "{yaml}");
    }

    #[test]
    fn there_is_no_colour_without_a_terminal() {
        assert_eq!(tinted("error:", Tone::Removed, false), "error:");
        assert_eq!(
            tinted("error:", Tone::Removed, true),
            "\u{1b}[31merror:\u{1b}[0m"
        );
    }
}
