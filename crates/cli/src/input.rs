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
