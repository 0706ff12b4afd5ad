//! Secrets that people or programs hand over on standard input.

use std::io::{self, IsTerminal as _, Read as _};

use countersign_model::registry::VALUE_BYTES;

use crate::failure::Failure;

/// What becomes of a line end at the end of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// One is cut.
    Cut,
    /// It belongs to the secret.
    Kept,
}

/// Reads a secret from standard input. A terminal is asked, and does not show what is typed.
pub async fn secret(question: &str, ending: Ending) -> Result<String, Failure> {
    let text = if io::stdin().is_terminal() {
        terminal::ask(question).await?
    } else {
        let mut bytes = Vec::new();
        // One more than may be, and a line end: then the server need not be asked.
        let most = VALUE_BYTES as u64 + 3;
        let read = io::stdin().lock().take(most).read_to_end(&mut bytes);
        read.map_err(unreadable)?;
        String::from_utf8(bytes).map_err(|_| {
            Failure::usage("the value is not UTF-8 text").next("encode it, as base64 does")
        })?
    };
    accept(text, ending)
}

fn accept(mut text: String, ending: Ending) -> Result<String, Failure> {
    if ending == Ending::Cut {
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if text.ends_with('\n') {
            text.truncate(line.len());
        }
    }
    match text.len() {
        0 => Err(Failure::usage("the value is empty: nothing is set")
            .next("give it on stdin: `printf %s VALUE | countersign key set ..`")),
        1..=VALUE_BYTES => Ok(text),
        _ => Err(Failure::usage(format!(
            "the value is longer than {VALUE_BYTES} bytes: nothing is set"
        ))),
    }
}

fn unreadable(error: io::Error) -> Failure {
    Failure::failed(format!("cannot read stdin: {error}"))
}

#[cfg(unix)]
mod terminal {
    use std::{
        io::{self, BufRead as _, Write as _},
        thread,
    };

    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
    use tokio::sync::oneshot;

    use super::unreadable;
    use crate::failure::Failure;

    /// Asks on a terminal that shows nothing meanwhile.
    pub(super) async fn ask(question: &str) -> Result<String, Failure> {
        let _quiet = Quiet::begin()?;
        let _ = write!(io::stderr(), "{question}");
        let (sender, line) = oneshot::channel();
        // A thread of its own: who gives up ends the program, and waits for no line.
        thread::spawn(move || {
            let mut line = String::new();
            let read = io::stdin().lock().read_line(&mut line);
            drop(sender.send(read.map(|_| line)));
        });
        tokio::select! {
            line = line => match line {
                Ok(line) => line.map_err(unreadable),
                Err(_) => Err(Failure::failed("nothing was read from the terminal")),
            },
            _ = tokio::signal::ctrl_c() => Err(Failure::failed("nothing was done")),
        }
    }

    /// A terminal that does not show what is typed, until this is dropped.
    struct Quiet(Termios);

    impl Quiet {
        fn begin() -> Result<Self, Failure> {
            let before = tcgetattr(io::stdin()).map_err(|error| unreadable(error.into()))?;
            let mut quiet = before.clone();
            quiet.local_modes -= LocalModes::ECHO;
            tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)
                .map_err(|error| unreadable(error.into()))?;
            Ok(Self(before))
        }
    }

    impl Drop for Quiet {
        fn drop(&mut self) {
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
            let _ = writeln!(io::stderr());
        }
    }
}

#[cfg(not(unix))]
mod terminal {
    use crate::failure::Failure;

    /// Refuses: what is typed would be shown.
    pub(super) async fn ask(_: &str) -> Result<String, Failure> {
        Err(Failure::usage("this terminal would show the value")
            .next("give it on stdin, from a file or another program"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_cut_and_no_more() {
        for (given, cut) in [
            ("hunter2", "hunter2"),
            ("hunter2\n", "hunter2"),
            ("hunter2\r\n", "hunter2"),
            ("hunter2\n\n", "hunter2\n"),
            ("hunter2\r", "hunter2\r"),
            (" hunter2 \n", " hunter2 "),
        ] {
            assert_eq!(accept(given.to_owned(), Ending::Cut).unwrap(), cut);
            assert_eq!(accept(given.to_owned(), Ending::Kept).unwrap(), given);
        }
    }

    #[test]
    fn what_is_empty_or_too_long_is_refused_and_not_repeated() {
        assert!(accept("\n".to_owned(), Ending::Cut).is_err());
        assert!(accept("x".repeat(VALUE_BYTES), Ending::Cut).is_ok());
        let long = accept("x".repeat(VALUE_BYTES + 1), Ending::Cut).unwrap_err();
        assert!(!long.to_string().contains("xx"), "{long}");
    }
}
