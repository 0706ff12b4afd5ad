//! Reads the layers of the configuration, one over the other.

use std::{fs, io, path::Path};

use serde::Deserialize;
use thiserror::Error;
use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue},
};

use crate::config::{
    Config,
    keys::{ENTRY_KEYS, ENVIRONMENT_PREFIX, KEYS, Key, find},
    nearest::nearest,
};

/// The configuration cannot be read.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A flag or a variable holds what its key does not take.
    #[error("{origin}: {detail}")]
    Layer {
        /// The flag or variable.
        origin: String,
        /// What is wrong.
        detail: String,
    },
    /// The file says something wrong.
    #[error("{file}:{line}:{column}: {detail}")]
    Position {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong.
        detail: String,
    },
    /// The file cannot be read.
    #[error("cannot read `{file}`: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
}

/// Reads file, environment and flags. A flag is a key's path and its text.
///
/// # Errors
/// One sentence that names the place: file with line and column, variable or flag.
pub fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    flags: &[(&str, String)],
) -> Result<Config, ConfigError> {
    let mut table = match file {
        Some(path) => read(path)?,
        None => Table::new(),
    };
    for (name, text) in environment {
        if let Some(key) = of_variable(&name)? {
            overlay(&mut table, key, &name, &text)?;
        }
    }
    for (path, text) in flags {
        let key = find(path).ok_or_else(|| ConfigError::Layer {
            origin: (*path).to_owned(),
            detail: "there is no such key".to_owned(),
        })?;
        overlay(&mut table, key, key.path, text)?;
    }
    typed(table).map_err(|detail| ConfigError::Layer {
        origin: "configuration".to_owned(),
        detail,
    })
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let file = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        file: file.clone(),
        source,
    })?;
    parse(&file, &text)
}

/// Checks the file by itself, where positions are known.
fn parse(file: &str, text: &str) -> Result<Table, ConfigError> {
    let at = |offset: usize, detail: String| {
        let (line, column) = position(text, offset);
        ConfigError::Position {
            file: file.to_owned(),
            line,
            column,
            detail,
        }
    };
    let of_toml = |error: toml::de::Error| {
        at(
            error.span().map_or(0, |span| span.start),
            first_line(error.message()),
        )
    };
    let spanned = DeTable::parse(text).map_err(of_toml)?;
    let mut unknown = Vec::new();
    collect_unknown("", spanned.get_ref(), &mut unknown);
    if let Some((offset, detail)) = unknown.into_iter().min_by_key(|(offset, _)| *offset) {
        return Err(at(offset, detail));
    }
    toml::from_str::<Config>(text).map_err(of_toml)?;
    text.parse().map_err(of_toml)
}

fn collect_unknown(section: &str, table: &DeTable<'_>, unknown: &mut Vec<(usize, String)>) {
    for (name, value) in table {
        let path = join(section, name.get_ref());
        match find(&path) {
            Some(key) => collect_unknown_entries(key, value, unknown),
            None => match value.get_ref().as_table() {
                Some(inner) if is_section(&path) => collect_unknown(&path, inner, unknown),
                _ => unknown.push((name.span().start, unknown_key(&path, names()))),
            },
        }
    }
}

fn collect_unknown_entries(
    key: &Key,
    value: &Spanned<DeValue<'_>>,
    unknown: &mut Vec<(usize, String)>,
) {
    let Some((_, allowed)) = ENTRY_KEYS.iter().find(|(path, _)| *path == key.path) else {
        return;
    };
    let entries = value
        .get_ref()
        .as_array()
        .into_iter()
        .flat_map(|array| array.iter());
    for table in entries.filter_map(|entry| entry.get_ref().as_table()) {
        for (name, _) in table {
            if !allowed.contains(&name.get_ref().as_ref()) {
                let place = format!("{}` entry key `{}", key.path, name.get_ref());
                unknown.push((
                    name.span().start,
                    unknown_entry(&place, name.get_ref(), allowed),
                ));
            }
        }
    }
}

fn unknown_key<'a>(path: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    match nearest(path, candidates) {
        Some(near) => format!("unknown key `{path}`: did you mean `{near}`?"),
        None => format!("unknown key `{path}`"),
    }
}

fn unknown_entry(place: &str, name: &str, allowed: &[&str]) -> String {
    match nearest(name, allowed.iter().copied()) {
        Some(near) => format!("unknown `{place}`: did you mean `{near}`?"),
        None => format!("unknown `{place}`: expected one of {}", allowed.join(", ")),
    }
}

/// The key of a variable; `None` for variables that are not about the configuration.
fn of_variable(name: &str) -> Result<Option<&'static Key>, ConfigError> {
    let Some(rest) = name.strip_prefix(ENVIRONMENT_PREFIX) else {
        return Ok(None);
    };
    if !rest.contains("__") {
        return Ok(None);
    }
    let path = rest.replace("__", ".").to_ascii_lowercase();
    match KEYS.iter().find(|key| key.variable() == name) {
        Some(key) => Ok(Some(key)),
        None => {
            let near = nearest(&path, names()).and_then(find).map(Key::variable);
            let hint = near
                .map(|near| format!(": did you mean `{near}`?"))
                .unwrap_or_default();
            Err(ConfigError::Layer {
                origin: name.to_owned(),
                detail: format!("no key of the configuration has this name{hint}"),
            })
        }
    }
}

fn overlay(table: &mut Table, key: &Key, origin: &str, text: &str) -> Result<(), ConfigError> {
    let failed = |detail| ConfigError::Layer {
        origin: origin.to_owned(),
        detail,
    };
    let value = key.kind.parse(text).map_err(failed)?;
    put(table, key.path, value.clone());
    // The one value alone, so that a complaint is about it and not about another layer.
    let mut alone = Table::new();
    put(&mut alone, key.path, value);
    typed(alone).map(drop).map_err(failed)
}

fn put(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((section, rest)) => {
            let entry = table
                .entry(section)
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = entry {
                put(inner, rest, value);
            }
        }
    }
}

fn typed(table: Table) -> Result<Config, String> {
    Config::deserialize(Value::Table(table)).map_err(|error| first_line(error.message()))
}

fn names() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|key| key.path)
}

fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| {
        key.path
            .strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

fn join(section: &str, name: &str) -> String {
    if section.is_empty() {
        name.to_owned()
    } else {
        format!("{section}.{name}")
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> std::vec::IntoIter<(String, String)> {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        pairs.into_iter()
    }

    fn refused(text: &str) -> String {
        parse("c.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place_and_the_nearest_name() {
        assert_eq!(
            refused("[server]\nlisten = '127.0.0.1:1'\nisuer = 'x'\n"),
            "c.toml:3:1: unknown key `server.isuer`: did you mean `server.issuer`?"
        );
        assert_eq!(
            refused("[srver]\nlisten = 1\n"),
            "c.toml:1:2: unknown key `srver`"
        );
        let webhook = refused("[[notify.webhooks]]\nurl = 'https://a'\nsecrt = 'x'\n");
        assert!(
            webhook.starts_with("c.toml:3:1:") && webhook.contains("did you mean `secret`"),
            "{webhook}"
        );
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_place() {
        let text = refused("[server]\nmax_connections = 'many'\n");
        assert!(text.starts_with("c.toml:2:19:"), "{text}");
        assert!(refused("[server\n").starts_with("c.toml:1:"));
        assert!(refused("[data]\ndatabase = ['secret-password']\n").starts_with("c.toml:2:"));
    }

    #[test]
    fn flag_before_environment_before_file_before_default() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("c.toml");
        fs::write(
            &file,
            "[server]\nlisten='127.0.0.1:1'\nissuer='https://file'\nmax_connections=7\n",
        )
        .unwrap();
        let config = load(
            Some(&file),
            environment(&[
                ("COUNTERSIGN_SERVER__LISTEN", "127.0.0.1:2"),
                ("COUNTERSIGN_SERVER__ISSUER", "https://environment"),
                ("COUNTERSIGN_HOME", "/elsewhere"),
                ("PATH", "/bin"),
            ]),
            &[("server.listen", "127.0.0.1:3".to_owned())],
        )
        .unwrap();
        assert_eq!(config.server.listen.port(), 3);
        assert_eq!(config.server.issuer.as_deref(), Some("https://environment"));
        assert_eq!(config.server.max_connections, 7);
        assert_eq!(config.limits.request_timeout_seconds, 30);
    }

    #[test]
    fn a_misspelt_variable_is_refused() {
        let error = load(
            None,
            environment(&[("COUNTERSIGN_SERVER__ISUER", "x")]),
            &[],
        )
        .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("did you mean `COUNTERSIGN_SERVER__ISSUER`"),
            "{error}"
        );
        let error = load(
            None,
            environment(&[("COUNTERSIGN_SERVER__LISTEN", "here")]),
            &[],
        )
        .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("COUNTERSIGN_SERVER__LISTEN: "),
            "{error}"
        );
    }

    #[test]
    fn every_key_of_the_table_is_read_and_every_field_has_a_key() {
        for key in KEYS {
            let (section, name) = key.path.rsplit_once('.').unwrap();
            let text = format!("[{section}]\n{name} = {}\n", key.example);
            parse("c.toml", &text).unwrap_or_else(|error| panic!("{}: {error}", key.path));
            let one_line = key.example.trim_matches('"').to_owned();
            load(None, environment(&[(&key.variable(), &one_line)]), &[])
                .unwrap_or_else(|error| panic!("{}: {error}", key.path));
        }
        for section in [
            "server",
            "server.tls",
            "data",
            "keys",
            "federation",
            "log",
            "notify",
            "limits",
            "logging",
        ] {
            let error = toml::from_str::<Config>(&format!("[{section}]\nnone = 1\n")).unwrap_err();
            let (_, fields) = error.message().split_once("expected").unwrap();
            for field in fields.split('`').skip(1).step_by(2) {
                let path = format!("{section}.{field}");
                assert!(
                    find(&path).is_some() || is_section(&path),
                    "{path} is in no row"
                );
            }
        }
    }
}
