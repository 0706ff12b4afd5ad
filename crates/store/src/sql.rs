//! A statement: written once with `?1` parameters, for both databases.

use std::{fmt::Write, sync::OnceLock};

/// A statement. Always a `static` beside the function that runs it, and registered in the file's `STATEMENTS`.
///
/// The text uses `?1`, `?2`, .. (SQLite numbers `$1` by first appearance, so `$1` cannot be the common form);
/// the form for PostgreSQL is derived once.
pub struct Sql {
    text: &'static str,
    many: Option<Many>,
    sqlite: OnceLock<String>,
    postgres: OnceLock<String>,
}

struct Many {
    columns: usize,
    rows: usize,
    tail: &'static str,
}

impl Sql {
    /// The statement with this text.
    pub(crate) const fn new(text: &'static str) -> Self {
        Self {
            text,
            many: None,
            sqlite: OnceLock::new(),
            postgres: OnceLock::new(),
        }
    }

    /// `head (?1, ..), (.., ..) tail`: one insert of so many rows, because a round trip per row is too slow in bulk.
    pub(crate) const fn rows(
        head: &'static str,
        columns: usize,
        rows: usize,
        tail: &'static str,
    ) -> Self {
        let many = Some(Many {
            columns,
            rows,
            tail,
        });
        Self {
            text: head,
            many,
            sqlite: OnceLock::new(),
            postgres: OnceLock::new(),
        }
    }

    /// How many rows one execution inserts, for a statement made by [`Sql::rows`].
    pub(crate) fn row_count(&self) -> usize {
        self.many.as_ref().map_or(1, |many| many.rows)
    }

    pub(crate) fn sqlite(&self) -> &str {
        match &self.many {
            None => self.text,
            Some(many) => self.sqlite.get_or_init(|| expand(self.text, many)),
        }
    }

    pub(crate) fn postgres(&self) -> &str {
        self.postgres.get_or_init(|| dollars(self.sqlite()))
    }

    /// The table that the statement is about: the word after the first FROM, INTO or UPDATE.
    pub(crate) fn table(&self) -> &str {
        let mut words = self.text.split_whitespace();
        while let Some(word) = words.next() {
            if matches!(word, "FROM" | "INTO" | "UPDATE") {
                return words.next().map_or("?", |name| {
                    name.trim_matches(|c: char| !c.is_alphanumeric() && c != '_')
                });
            }
        }
        "?"
    }

    /// The expression in this position of the SELECT list, for error messages.
    pub(crate) fn column(&self, index: usize) -> String {
        let start = self.text.find("SELECT").map_or(0, |at| at + "SELECT".len());
        let list = self.text.get(start..).unwrap_or_default();
        let list = list.split("FROM").next().unwrap_or_default();
        list.split(',')
            .nth(index)
            .map_or_else(|| format!("#{index}"), |name| name.trim().to_owned())
    }
}

impl std::fmt::Debug for Sql {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.sqlite())
    }
}

fn expand(head: &str, many: &Many) -> String {
    let mut text = String::from(head);
    for row in 0..many.rows {
        text.push_str(if row == 0 { " (" } else { ", (" });
        for column in 1..=many.columns {
            let comma = if column == 1 { "" } else { ", " };
            // INVARIANT: writing to a String cannot fail.
            let _ = write!(text, "{comma}?{}", row * many.columns + column);
        }
        text.push(')');
    }
    text.push(' ');
    text.push_str(many.tail);
    text
}

/// `?1` becomes `$1`, except within quoted text.
fn dollars(text: &str) -> String {
    let mut quoted = false;
    text.chars()
        .map(|c| {
            quoted ^= c == '\'';
            if c == '?' && !quoted { '$' } else { c }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_come_from_one_text() {
        static ONE: Sql = Sql::new("SELECT a, b FROM t WHERE c = ?1 AND d <> '?' AND e = ?12");
        assert_eq!(
            ONE.postgres(),
            "SELECT a, b FROM t WHERE c = $1 AND d <> '?' AND e = $12"
        );
        assert_eq!((ONE.table(), ONE.column(1).as_str()), ("t", "b"));
    }

    #[test]
    fn rows_are_numbered_through() {
        static MANY: Sql = Sql::rows(
            "INSERT INTO t (a, b) VALUES",
            2,
            2,
            "ON CONFLICT DO NOTHING",
        );
        assert_eq!(
            MANY.postgres(),
            "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) ON CONFLICT DO NOTHING"
        );
    }
}
