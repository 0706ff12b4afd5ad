//! Every statement there is: the conformance suite prepares each of them on both databases.

use crate::sql::Sql;

/// The statements that run on both databases, file by file. The three of `db.rs` are written for one each.
pub(crate) static ALL: &[&[&Sql]] = &[
    crate::aliases::STATEMENTS,
    crate::approvals::STATEMENTS,
    crate::attempts::STATEMENTS,
    crate::changes::STATEMENTS,
    crate::codes::STATEMENTS,
    crate::evidence::STATEMENTS,
    crate::idempotency::STATEMENTS,
    crate::installation::STATEMENTS,
    crate::keys::STATEMENTS,
    crate::leases::STATEMENTS,
    crate::links::STATEMENTS,
    crate::log::STATEMENTS,
    crate::migrate::STATEMENTS,
    crate::outbox::STATEMENTS,
    crate::records::STATEMENTS,
    crate::replay::STATEMENTS,
    crate::revocations::STATEMENTS,
    crate::seen::STATEMENTS,
];

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn every_statement_is_registered() {
        let mut written = 0;
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() || ["db.rs", "sql.rs", "statements.rs"].contains(&name.as_str()) {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let statics = text.lines().filter_map(|line| line.split_once("static ")?.1.split_once(": Sql ="));
            let list = text.split_once("STATEMENTS").map_or("", |(_, rest)| rest.split_once(';').unwrap().0);
            for (statement, _) in statics {
                written += 1;
                let registered = list.contains(&format!("&{statement},")) || list.contains(&format!("&{statement}]"));
                assert!(registered, "{name}: `{statement}` is not in STATEMENTS");
            }
            if !list.is_empty() {
                let module = format!("crate::{}::STATEMENTS", name.trim_end_matches(".rs"));
                assert!(include_str!("statements.rs").contains(&module), "`{module}` is not in ALL");
            }
        }
        // The guarded inserts of evidence are an array: one name, seven statements.
        assert_eq!(ALL.iter().map(|file| file.len()).sum::<usize>(), written + 7);
    }

    #[test]
    fn no_statement_leaves_the_subset() {
        for sql in ALL.iter().flat_map(|file| file.iter()) {
            let text = sql.sqlite();
            for word in [" LIKE ", "now()", "->", "::", "SELECT *", "SUM(", "AS BYTEA"] {
                assert!(!text.contains(word), "`{word}` in {text}");
            }
        }
    }
}
