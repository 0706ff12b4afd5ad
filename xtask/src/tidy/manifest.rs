//! Dependencies: each stated once, in the workspace, with the reason why it is there.

use crate::source::Source;

/// One line of a dependency table: its section, its name, and the rest of the line.
pub struct Entry<'a> {
    /// The number of the line, from 1.
    pub line: usize,
    /// The table, `dependencies` for one.
    pub section: &'a str,
    /// The name of the dependency.
    pub name: &'a str,
    /// What stands right of the `=`.
    pub value: &'a str,
}

/// The entries of all dependency tables of a manifest.
pub fn entries(text: &str) -> Vec<Entry<'_>> {
    let mut section = "";
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
        } else if section.ends_with("dependencies") {
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            let name = key
                .trim()
                .split('.')
                .next()
                .unwrap_or_default()
                .trim_matches('"');
            if !line.starts_with('#') {
                found.push(Entry {
                    line: index + 1,
                    section,
                    name,
                    value: value.trim(),
                });
            }
        }
    }
    found
}

/// What is wrong with the manifests.
pub fn check(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources {
        if !source.path.ends_with("Cargo.toml") || source.path.starts_with("tests/") {
            continue;
        }
        for Entry {
            line,
            section,
            name,
            value,
        } in entries(&source.text)
        {
            let at = format!("{}:{line}", source.path);
            if section == "workspace.dependencies" {
                let reason = value.rsplit_once('#').map(|(_, reason)| reason.trim());
                if !name.starts_with("countersign-") && reason.is_none_or(str::is_empty) {
                    findings.push(format!(
                        "{at}: `{name}` carries no comment that says why it is there"
                    ));
                }
            } else if !value.contains("workspace = true") && value != "true" {
                findings.push(format!(
                    "{at}: `{name}` is stated here; state it in the workspace"
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            path: "Cargo.toml".into(),
            text: text.into(),
        }
    }

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let text = "[workspace.dependencies]\nserde = \"1\" # wire forms\nhex = \"0.4\"\n";
        assert_eq!(check(&[source(text)]).len(), 1);
    }

    #[test]
    fn a_version_outside_the_workspace_table_is_found() {
        let text =
            "[dependencies]\nserde.workspace = true\nhex = { workspace = true }\nurl = \"2\"\n";
        let found = check(&[source(text)]);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("`url`"));
    }
}
