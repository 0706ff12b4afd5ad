//! Every statement there is: the conformance suite prepares each of them on both databases.

use crate::sql::Sql;

/// The statements that run on both databases, file by file. Those of `db.rs` and its folder are written for one each.
pub(crate) static ALL: &[&[&Sql]] = &[
    crate::aliases::STATEMENTS,
    crate::approvals::STATEMENTS,
    crate::attempts::STATEMENTS,
    crate::billing::STATEMENTS,
    crate::chains::STATEMENTS,
    crate::changes::STATEMENTS,
    crate::codes::STATEMENTS,
    crate::data_keys::STATEMENTS,
    crate::devices::STATEMENTS,
    crate::evidence::recent::STATEMENTS,
    crate::evidence::tiles::STATEMENTS,
    crate::events::STATEMENTS,
    crate::evidence::STATEMENTS,
    crate::executions::STATEMENTS,
    crate::idempotency::STATEMENTS,
    crate::installation::STATEMENTS,
    crate::invitations::STATEMENTS,
    crate::key_file::STATEMENTS,
    crate::key_values::STATEMENTS,
    crate::leases::STATEMENTS,
    crate::links::STATEMENTS,
    crate::log::STATEMENTS,
    crate::log::checkpoints::STATEMENTS,
    crate::migrate::STATEMENTS,
    crate::outbox::STATEMENTS,
    crate::passkeys::STATEMENTS,
    crate::records::STATEMENTS,
    crate::replay::STATEMENTS,
    crate::revocations::STATEMENTS,
    crate::seen::STATEMENTS,
    crate::sessions::STATEMENTS,
    crate::signing_keys::STATEMENTS,
];

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// Every file but those of the databases themselves, with its module path.
    fn files(folder: &Path, module: &str, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if ["db", "sql", "statements"].contains(&name.as_str()) {
                continue;
            }
            let module = format!("{module}::{name}");
            if path.is_dir() {
                files(&path, &module, found);
            } else {
                found.push((module, fs::read_to_string(&path).unwrap()));
            }
        }
    }

    #[test]
    fn every_statement_is_registered() {
        let mut found = Vec::new();
        files(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            "crate",
            &mut found,
        );
        let mut written = 0;
        for (module, text) in found {
            let list = text
                .split_once("STATEMENTS: &[&Sql] =")
                .map_or("", |(_, rest)| rest.split_once(';').unwrap().0);
            let statics = text
                .lines()
                .filter_map(|line| line.split_once("static ")?.1.split_once(": Sql ="));
            for (statement, _) in statics {
                written += 1;
                let registered = [",", "]", "\n"]
                    .iter()
                    .any(|end| list.contains(&format!("&{statement}{end}")));
                assert!(registered, "{module}: `{statement}` is not in STATEMENTS");
            }
            if !list.is_empty() {
                let line = format!("{module}::STATEMENTS,");
                assert!(
                    include_str!("statements.rs").contains(&line),
                    "`{line}` is not in ALL"
                );
            }
        }
        // The guarded inserts of evidence are an array: one name, seven statements.
        assert_eq!(
            ALL.iter().map(|file| file.len()).sum::<usize>(),
            written + 7
        );
    }

    #[test]
    fn no_statement_leaves_the_subset() {
        for sql in ALL.iter().flat_map(|file| file.iter()) {
            let text = sql.sqlite();
            for word in [
                " LIKE ", "now()", "->", "::", "SELECT *", "SUM(", "AS BYTEA",
            ] {
                assert!(!text.contains(word), "`{word}` in {text}");
            }
        }
    }
}
