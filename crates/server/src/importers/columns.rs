//! The columns of a CSV file, found by any of the names that systems give them.

use super::ImportError;

/// The most columns: ours have a dozen, clouds' fifty.
const MOST_COLUMNS: usize = 200;

/// Where each column is.
#[derive(Debug)]
pub struct Columns {
    names: Vec<String>,
}

/// One row with its line.
#[derive(Debug)]
pub struct Row<'a> {
    columns: &'a Columns,
    record: &'a ::csv::StringRecord,
    /// The line where it begins, counted from one.
    pub line: u32,
}

impl Columns {
    /// Reads the line of names. Two columns of one name would leave open which counts.
    pub fn read(header: &::csv::StringRecord) -> Result<Self, ImportError> {
        if header.len() > MOST_COLUMNS {
            let what = format!("more than {MOST_COLUMNS} columns");
            return Err(ImportError::at_line(1, what));
        }
        let mut names: Vec<String> = Vec::with_capacity(header.len());
        for (index, cell) in header.iter().enumerate() {
            let name = plain(cell);
            if !name.is_empty() && names.contains(&name) {
                let what = format!("`{name}` is the name of two columns");
                return Err(ImportError::new(
                    format!("line 1, column {}", index + 1),
                    what,
                ));
            }
            names.push(name);
        }
        Ok(Self { names })
    }

    /// Whether one of these is a column.
    pub fn has(&self, names: &[&str]) -> bool {
        self.find(names).is_some()
    }

    fn find(&self, names: &[&str]) -> Option<usize> {
        names
            .iter()
            .find_map(|wanted| self.names.iter().position(|name| name == wanted))
    }
}

impl<'a> Row<'a> {
    /// A row of a file with these columns.
    pub fn of(columns: &'a Columns, record: &'a ::csv::StringRecord, line: u32) -> Self {
        Self {
            columns,
            record,
            line,
        }
    }

    /// The cell of the first of these columns that there is; empty where there is none. Without the apostrophe that stands
    /// before what a spreadsheet would take for a formula.
    pub fn cell(&self, names: &[&str]) -> &'a str {
        let found = self.columns.find(names);
        let cell = found.and_then(|index| self.record.get(index));
        let cell = cell.unwrap_or_default();
        cell.strip_prefix('\'')
            .filter(|text| countersign_model::registry::needs_guard(text))
            .unwrap_or(cell)
    }

    /// Reads a cell, and says line and column of what is wrong.
    pub fn read<T>(
        &self,
        names: &[&str],
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, ImportError> {
        read(self.cell(names)).map_err(|what| self.wrong(names, what))
    }

    /// An error at one of these columns.
    pub fn wrong(&self, names: &[&str], what: impl Into<String>) -> ImportError {
        let column = self.columns.find(names).map_or_else(String::new, |index| {
            let name = self.columns.names.get(index).map_or("", String::as_str);
            format!(", column {} (`{name}`)", index + 1)
        });
        ImportError::new(format!("line {}{column}", self.line), what)
    }
}

/// `Date (UTC)`, `date_utc` and `client.ipAddress` as one spelling: small letters, digits, `_` between words.
fn plain(name: &str) -> String {
    let mut plain = String::new();
    for c in name.trim().chars().take(64) {
        if c.is_alphanumeric() {
            plain.extend(c.to_lowercase());
        } else if !plain.is_empty() && !plain.ends_with('_') {
            plain.push('_');
        }
    }
    plain.trim_end_matches('_').to_owned()
}
