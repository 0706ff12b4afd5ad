//! What people type: words of the model, questions on a terminal.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::Failure;

/// A word of a type of the model, by its form on the wire: `--kind service_account`.
pub fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(Value::String(text.to_owned())).map_err(|error| error.to_string())
}

/// `KEY=VALUE`.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not a pair: expected KEY=VALUE")),
    }
}

/// Lets somebody choose on a terminal, by number; the first of them for who only presses enter. `None`: nobody is
/// there to choose.
///
/// # Errors
/// When what was typed is none of the numbers.
pub fn choose(question: &str, of: &[String]) -> Result<Option<usize>, Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    let mut asked = format!("{question}\n");
    for (at, one) in of.iter().enumerate() {
        asked.push_str(&format!("  {}  {one}\n", at + 1));
    }
    let _ = write!(io::stderr(), "{asked}[1-{}, 1 when left out] ", of.len());
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    chosen(answer.trim(), of.len())
        .filter(|_| read.is_ok())
        .map(Some)
        .ok_or_else(|| Failure::failed("nothing was done").next("answer with one of the numbers"))
}

/// What was typed, as a place in a list of so many.
fn chosen(answer: &str, of: usize) -> Option<usize> {
    let number: usize = match answer {
        "" => 1,
        typed => typed.parse().ok()?,
    };
    number.checked_sub(1).filter(|at| *at < of)
}

/// Asks before something that cannot be taken back. Only a terminal is asked: a script has decided.
pub fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(());
    }
    let _ = write!(io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    match answer.trim() {
        "y" | "Y" | "yes" if read.is_ok() => Ok(()),
        _ => Err(Failure::failed("nothing was done").next("answer `y`, or give --yes")),
    }
}

#[cfg(test)]
mod tests {
    use countersign_model::identity::Kind;

    use super::*;

    #[test]
    fn a_choice_is_one_of_the_numbers_and_the_first_for_nothing() {
        assert_eq!(
            (chosen("", 7), chosen("1", 7), chosen("7", 7)),
            (Some(0), Some(0), Some(6))
        );
        for wrong in ["0", "8", "-1", "x", "1x"] {
            assert_eq!(chosen(wrong, 7), None, "{wrong}");
        }
    }

    #[test]
    fn a_wrong_word_names_the_right_ones() {
        assert_eq!(word::<Kind>("pipeline"), Ok(Kind::Pipeline));
        let error = word::<Kind>("robot").unwrap_err();
        assert!(
            error.contains("`robot`") && error.contains("`service_account`"),
            "{error}"
        );
        assert_eq!(
            pair("ref=refs/heads/a=b"),
            Ok(("ref".into(), "refs/heads/a=b".into()))
        );
        assert!(pair("ref").is_err());
    }
}
