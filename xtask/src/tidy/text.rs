//! What a file may say, and how long it may be.

use crate::source::Source;

/// What is wrong with the texts.
pub fn check(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources {
        if !source.is(GENERATED) {
            findings.extend(words(source));
        }
        if source.is(CODE) && !is_test(&source.path) && !is_generated(&source.path) {
            let lines = lines_outside_tests(&source.text);
            if lines > LINES {
                findings.push(format!(
                    "{}: {lines} lines, split before {LINES}",
                    source.path
                ));
            }
        }
    }
    findings
}

fn words(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        // SCIM's people are no folder of a machine (RFC 7644 §3.2).
        let plain = line.replace("/scim/v2/Users/", "");
        let machine = MACHINE_PATHS.iter().find(|word| plain.contains(**word));
        let unfinished = UNFINISHED
            .iter()
            .find(|word| source.is(CODE) && line.contains(**word));
        if let Some(word) = machine.or(unfinished) {
            findings.push(format!("{}:{}: says `{word}`", source.path, index + 1));
        }
    }
    findings
}

fn is_test(path: &str) -> bool {
    let in_folder = path
        .split('/')
        .any(|part| part == "tests" || part == "test");
    in_folder || path.ends_with("/tests.rs") || path.contains(".test.")
}

/// Types that a program writes from a schema are read by the compiler alone.
fn is_generated(path: &str) -> bool {
    path.contains(".generated.")
}

/// The lines before the file's test module.
fn lines_outside_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let test_module = |pair: &[&str]| {
        pair.first() == Some(&"#[cfg(test)]")
            && pair.last().is_some_and(|line| line.starts_with("mod "))
    };
    lines
        .windows(2)
        .position(test_module)
        .unwrap_or(lines.len())
}

const LINES: usize = 500;
const CODE: &[&str] = &["js", "mjs", "py", "rs", "ts", "tsx"];
const GENERATED: &[&str] = &["lock", "snap"];

/// Paths of one machine. Split here, so that this file passes.
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tmp/", "plan"),
    concat!("/Use", "rs/"),
];

/// What must not be left behind.
const UNFINISHED: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("db", "g!("),
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source {
            path: path.into(),
            text: text.into(),
        }
    }

    #[test]
    fn machine_paths_and_unfinished_code_are_found() {
        let path = concat!("// see /wo", "rk/main\n");
        assert_eq!(check(&[source("crates/a/src/lib.rs", path)]).len(), 1);
        let unfinished = concat!("fn a() { to", "do!() }\n");
        assert_eq!(check(&[source("crates/a/src/lib.rs", unfinished)]).len(), 1);
    }

    #[test]
    fn a_long_file_is_found_and_its_tests_do_not_count() {
        let long = "x\n".repeat(LINES + 1);
        assert_eq!(check(&[source("crates/a/src/lib.rs", &long)]).len(), 1);
        assert!(check(&[source("crates/a/tests/long.rs", &long)]).is_empty());
        assert!(check(&[source("console/src/schema.generated.ts", &long)]).is_empty());
        let tested = format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert!(check(&[source("crates/a/src/lib.rs", &tested)]).is_empty());
    }
}
