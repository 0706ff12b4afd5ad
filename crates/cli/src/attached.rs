//! The files that a manifest names: read beside it, and sent along.

use std::path::Path;

use countersign_api::manifests::Document;

use crate::{failure::Failure, files};

/// The members of documents that name a file.
const MEMBERS: [&str; 2] = ["jwks_file:", "script_file:"];

/// The files that the text of a manifest names. Each lies below the manifest's own directory, also when it is a link: who
/// writes a manifest must not choose what of the machine that applies it is sent away.
///
/// # Errors
/// When a file is missing, is not text, or lies elsewhere.
pub fn named_in(manifest: &Path, text: &str) -> Result<Vec<Document>, Failure> {
    let directory = match manifest.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut documents: Vec<Document> = Vec::new();
    for name in text.lines().flat_map(names) {
        let path = directory.join(name);
        let file = match manifest.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => path.display().to_string(),
            _ => name.to_owned(),
        };
        if documents.iter().any(|known| known.file == file) {
            continue;
        }
        let text = files::read(&path)?;
        let inside = match (directory.canonicalize(), path.canonicalize()) {
            (Ok(directory), Ok(path)) => path.starts_with(directory),
            _ => false,
        };
        if !inside {
            let what = format!(
                "`{}` names `{name}`, which is not below its own directory",
                manifest.display()
            );
            return Err(Failure::usage(what).next("put the file beside the manifest"));
        }
        documents.push(Document {
            file,
            text,
            attached: true,
        });
    }
    Ok(documents)
}

/// The values of the members on a line of YAML, in block or flow form.
fn names(line: &str) -> impl Iterator<Item = &str> {
    let line = line.split_once(" #").map_or(line, |(line, _)| line);
    MEMBERS.into_iter().filter_map(move |member| {
        let (before, value) = line.split_once(member)?;
        let begins = before.trim_end().is_empty() || before.ends_with([' ', '{', ',', '-']);
        let value = value.split([',', '}']).next().unwrap_or(value);
        let value = value.trim().trim_matches(['"', '\'']);
        (begins && !value.is_empty()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(line: &str) -> Vec<&str> {
        names(line).collect()
    }

    #[test]
    fn a_name_is_found_in_either_form_of_yaml() {
        assert_eq!(
            read("    script_file: charge.py  # the script"),
            ["charge.py"]
        );
        assert_eq!(
            read("  - {name: a, script_file: 'a/b.sh', keys: []}"),
            ["a/b.sh"]
        );
        assert_eq!(
            read("issuer: {url: u, jwks_file: \"keys.json\"}"),
            ["keys.json"]
        );
        for none in [
            "# see script_file",
            "script: x",
            "my_script_file: x",
            "script_file:",
        ] {
            assert!(read(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn only_what_lies_below_the_manifest_is_sent() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("pack")).unwrap();
        fs::write(at("secret"), "hers").unwrap();
        fs::write(at("pack/run.sh"), "true").unwrap();
        std::os::unix::fs::symlink(at("secret"), at("pack/link.sh")).unwrap();
        let manifest = at("pack/pack.yaml");
        let found = named_in(&manifest, "script_file: run.sh\n- script_file: run.sh").unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].attached && found[0].text == "true");
        assert_eq!(found[0].file, at("pack/run.sh").display().to_string());
        for outside in ["../secret", "link.sh", "/etc/hostname"] {
            let text = format!("script_file: {outside}");
            let failure = named_in(&manifest, &text).unwrap_err();
            assert!(failure.what.contains("not below"), "{}", failure.what);
        }
    }
}
