//! The walls between our crates, and around what only one of them may name.

use crate::source::Source;
use crate::tidy::manifest::{Entry, entries};

/// What is wrong with the edges.
pub fn check(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources {
        let path = source.path.strip_prefix("crates/");
        let Some(name) = path.and_then(|path| path.strip_suffix("/Cargo.toml")) else {
            continue;
        };
        let Some((_, allowed)) = EDGES.iter().find(|(from, _)| *from == name) else {
            findings.push(format!(
                "{}: the crate `{name}` is in no row of xtask/src/tidy/edges.rs",
                source.path
            ));
            continue;
        };
        for Entry {
            line,
            section,
            name: dependency,
            ..
        } in entries(&source.text)
        {
            let at = format!("{}:{line}", source.path);
            if section.ends_with("dev-dependencies") {
                continue;
            }
            if let Some(ours) = dependency.strip_prefix("countersign-")
                && !allowed.contains(&ours)
                && !allowed.contains(&ANY)
            {
                findings.push(format!("{at}: `{name}` may not use `{ours}`"));
            }
            for (walled, inside) in ONLY_IN {
                if *walled == dependency && !inside.contains(&name) {
                    findings.push(format!(
                        "{at}: only {} may name `{walled}`",
                        inside.join(", ")
                    ));
                }
            }
            if SYNCHRONOUS.contains(&name) && NETWORK.contains(&dependency) {
                findings.push(format!(
                    "{at}: `{name}` knows no network and no runtime, `{dependency}` is one"
                ));
            }
        }
    }
    findings
}

const ANY: &str = "*";

/// Which of our crates each may use.
const EDGES: &[(&str, &[&str])] = &[
    ("agent", &["guard", "api", "crypto", "model"]),
    ("api", &["model"]),
    ("authority", &["model", "crypto", "store"]),
    (
        "cli",
        &["server", "agent", "guard", "api", "crypto", "model"],
    ),
    ("crypto", &["model"]),
    ("guard", &["model", "crypto", "api"]),
    ("model", &[]),
    ("server", &["authority", "api", "crypto", "model"]),
    ("store", &["model"]),
    ("testkit", &[ANY]),
];

/// What only the crates on the right may name.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("aws-lc-rs", &["crypto"]),
    ("cedar-policy", &["authority"]),
    ("jsonwebtoken", &["crypto"]),
    ("postgres", &["store"]),
    ("rusqlite", &["store"]),
    ("tlog_tiles", &["crypto"]),
    ("tokio-postgres-rustls", &["store"]),
];

/// Crates that are plain functions on values: no `.await`, no socket.
const SYNCHRONOUS: &[&str] = &["authority", "crypto", "model", "store"];

const NETWORK: &[&str] = &[
    "axum",
    "axum-server",
    "hyper",
    "hyper-util",
    "reqwest",
    "tokio",
    "tower",
    "tower-http",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, text: &str) -> Vec<String> {
        check(&[Source {
            path: format!("crates/{name}/Cargo.toml"),
            text: text.into(),
        }])
    }

    #[test]
    fn an_edge_that_breaks_a_wall_is_found() {
        assert_eq!(
            found(
                "model",
                "[dependencies]\ncountersign-store = { workspace = true }\n"
            )
            .len(),
            1
        );
        assert_eq!(
            found(
                "server",
                "[dependencies]\ncountersign-store = { workspace = true }\n"
            )
            .len(),
            1
        );
        assert_eq!(
            found(
                "authority",
                "[dependencies]\ntokio = { workspace = true }\n"
            )
            .len(),
            1
        );
        assert_eq!(
            found(
                "server",
                "[dependencies]\nrusqlite = { workspace = true }\n"
            )
            .len(),
            1
        );
        assert_eq!(found("newcomer", "").len(), 1);
    }

    #[test]
    fn the_edges_of_the_design_pass() {
        assert!(
            found(
                "authority",
                "[dependencies]\ncountersign-store = { workspace = true }\n"
            )
            .is_empty()
        );
        let test_only = "[dev-dependencies]\ncountersign-testkit = { workspace = true }\n";
        assert!(found("server", test_only).is_empty());
    }
}
