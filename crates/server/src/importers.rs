//! Importers: what other systems export about their accounts, read and checked as a whole before anything is written.
//!
//! Fields are found by name, and what is not known is passed over: exports gain fields. What is known and wrong is an
//! error that says where. Nothing here writes, or goes to the network.

mod columns;
mod csv;
mod facts;
mod github;
mod kubernetes;

use std::{collections::HashMap, net::IpAddr};

use countersign_authority::registry::observed::{ImportedAccount, check_cell};
use countersign_model::{
    cidr::{Cidr, canonical},
    registry::ImportFormat,
};
use thiserror::Error;

/// The most accounts of one file: more than an organisation has in one cloud account or cluster, and written in seconds.
pub const MOST_ACCOUNTS: usize = 10_000;

/// The most sign-ins of one file: a month of a busy organisation.
pub const MOST_ROWS: usize = 200_000;

/// A file, and what its importer must know beside it.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Its text.
    pub text: &'a str,
    /// The system that it is from, when somebody named it.
    pub system: Option<&'a str>,
    /// The networks of CI.
    pub ci_networks: &'a [Cidr],
}

/// A file that cannot be imported, and where.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("{place}: {what}")]
pub struct ImportError {
    /// Line and column, or the entry.
    pub place: String,
    /// What is wrong there, and what was expected.
    pub what: String,
}

/// Reads all accounts of a file.
///
/// # Errors
/// The first thing that is wrong with it, and where.
pub fn read(
    format: ImportFormat,
    source: &Source<'_>,
) -> Result<Vec<ImportedAccount>, ImportError> {
    // A byte order mark says nothing of UTF-8, and spreadsheets write one.
    let source = Source {
        text: source.text.trim_start_matches('\u{feff}'),
        ..*source
    };
    let accounts = match format {
        ImportFormat::Csv => csv::read(&source),
        ImportFormat::Github => github::read(&source),
        ImportFormat::Kubernetes => kubernetes::read(&source),
    }?;
    let mut seen: HashMap<(&str, &str), u32> = HashMap::new();
    for account in &accounts {
        let key = (account.system.as_str(), account.external_id.as_str());
        if let Some(first) = seen.insert(key, account.line) {
            let what = format!("the account stands at {first} already");
            return Err(ImportError::at_line(account.line, what));
        }
        check(account)?;
    }
    if accounts.len() > MOST_ACCOUNTS {
        let what = format!("more than {MOST_ACCOUNTS} accounts: split the file");
        return Err(ImportError::new("the file", what));
    }
    Ok(accounts)
}

impl Source<'_> {
    fn is_ci(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| {
            let address = canonical(address);
            self.ci_networks
                .iter()
                .any(|network| network.contains(address))
        })
    }
}

impl ImportError {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            what: what.into(),
        }
    }

    fn at_line(line: u32, what: impl Into<String>) -> Self {
        Self::new(format!("line {line}"), what)
    }

    /// Of a JSON parser, which knows line and column.
    fn json(error: &serde_json::Error) -> Self {
        let text: String = error.to_string().chars().take(LONGEST_MESSAGE).collect();
        let what = match text.rfind(" at line ") {
            Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
            None => text,
        };
        let what: String = what.chars().flat_map(char::escape_debug).collect();
        let place = format!("line {}, column {}", error.line(), error.column());
        Self::new(place, what)
    }
}

/// What no record takes is said with its place, before anything is written.
fn check(account: &ImportedAccount) -> Result<(), ImportError> {
    let mut texts = vec![("id", account.external_id.as_str())];
    if let Some(facts) = &account.facts {
        texts.extend([
            ("name", facts.label.as_str()),
            ("place", &facts.place),
            ("owner", &facts.owner),
            ("form", &facts.form),
        ]);
        let privileges = facts.privileges.iter();
        texts.extend(privileges.map(|one| ("privileges", one.as_str())));
    }
    for (field, text) in texts {
        check_cell(field, text)
            .map_err(|error| ImportError::at_line(account.line, error.to_string()))?;
    }
    Ok(())
}

const LONGEST_MESSAGE: usize = 240;

#[cfg(test)]
#[path = "importers/tests.rs"]
mod tests;
